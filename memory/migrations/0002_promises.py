"""What models cannot say: rows that never change, and foreign keys that stay inside an app."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION memory_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - TG_ARGV[0] = to_jsonb(NEW) - TG_ARGV[0] THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% of a row of % is refused: it is kept as it was written', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$
"""


def immutable(table: str, but: str = "") -> migrations.RunSQL:
    """Refuse UPDATE and DELETE of a table's rows; the column ``but`` may change."""
    return migrations.RunSQL(
        f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('{but}')",
        f"DROP TRIGGER refuse_change ON {table}",
    )


def same_app(table: str, column: str, parent: str) -> migrations.RunSQL:
    """Let ``column`` name rows of the same app only."""
    name = f"{table}_{column}_same_app"
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (app_id, {column}) REFERENCES {parent} (app_id, id)",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


def room_for_updates(table: str) -> migrations.RunSQL:
    """Leave room on the pages of a table whose rows change often, so that its indexes need not."""
    return migrations.RunSQL(f"ALTER TABLE {table} SET (fillfactor = 70)", f"ALTER TABLE {table} RESET (fillfactor)")


class Migration(migrations.Migration):
    dependencies = [("memory", "0001_initial")]

    operations = [
        migrations.RunSQL(REFUSE, "DROP FUNCTION memory_refuse_change()"),
        immutable("memory_event", but="metadata"),
        immutable("memory_representation"),
        immutable("memory_conclusion", but="pinned"),
        immutable("memory_evidence"),
        same_app("memory_event", "session_id", "memory_session"),
        same_app("memory_event", "user_id", "memory_user"),
        same_app("memory_event", "author_id", "memory_user"),
        same_app("memory_event", "project_id", "memory_project"),
        same_app("memory_session", "owner_id", "memory_user"),
        same_app("memory_session", "project_id", "memory_project"),
        same_app("memory_participant", "session_id", "memory_session"),
        same_app("memory_participant", "user_id", "memory_user"),
        same_app("memory_subject", "user_id", "memory_user"),
        same_app("memory_subject", "observer_id", "memory_user"),
        same_app("memory_subject", "session_id", "memory_session"),
        same_app("memory_subject", "project_id", "memory_project"),
        same_app("memory_apikey", "user_id", "memory_user"),
        same_app("memory_apikey", "session_id", "memory_session"),
        room_for_updates("memory_subject"),
    ]
