import django.db.models.deletion
from django.db import migrations, models

PATIENCE = "SET LOCAL lock_timeout = '10s'"

# Whoever writes an event, its client's id is used from then on, and no other event can have it; whoever deletes one,
# the id is free. Those that write the key themselves, before the event, cost one look each.
KEEP = """
CREATE FUNCTION memory_keep_client_ids() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    missing uuid[] := ARRAY(
        SELECT id FROM added
         WHERE client_id IS NOT NULL
           AND NOT EXISTS (SELECT FROM memory_clientid known
                            WHERE known.app_id = added.app_id
                              AND known.scope = coalesce(added.session_id, added.user_id, added.project_id)
                              AND known.client_id = added.client_id AND known.event_id = added.id));
    kept bigint;
BEGIN
    IF missing = '{}' THEN
        RETURN NULL;
    END IF;
    INSERT INTO memory_clientid (app_id, scope, client_id, event_id)
    SELECT app_id, coalesce(session_id, user_id, project_id), client_id, id
      FROM added WHERE id = ANY(missing) ORDER BY 1, 2, 3, 4
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS kept = ROW_COUNT;
    IF kept < cardinality(missing) THEN
        RAISE EXCEPTION 'another event has the id that the client gave'
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'memory_clientid_pkey', TABLE = 'memory_clientid';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_client_ids AFTER INSERT ON memory_event REFERENCING NEW TABLE AS added
 FOR EACH STATEMENT EXECUTE FUNCTION memory_keep_client_ids();

CREATE FUNCTION memory_forget_client_ids() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM memory_clientid known USING gone
     WHERE known.app_id = gone.app_id AND known.scope = coalesce(gone.session_id, gone.user_id, gone.project_id)
       AND known.client_id = gone.client_id AND known.event_id = gone.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_client_ids AFTER DELETE ON memory_event REFERENCING OLD TABLE AS gone
 FOR EACH STATEMENT EXECUTE FUNCTION memory_forget_client_ids();
"""
NOT_KEEP = """
DROP TRIGGER keep_client_ids ON memory_event;
DROP TRIGGER forget_client_ids ON memory_event;
DROP FUNCTION memory_keep_client_ids();
DROP FUNCTION memory_forget_client_ids();
"""


class Migration(migrations.Migration):
    """A table of the ids that clients gave to events, and triggers that keep it from now on, whatever release writes.

    It makes an empty table and triggers; the next migration adds what was written before. Where somebody holds the log
    for ten seconds it changes nothing, and can be tried again.
    """

    dependencies = [("memory", "0035_room_for_updates")]

    operations = [
        migrations.RunSQL(PATIENCE, migrations.RunSQL.noop),
        migrations.CreateModel(
            name="ClientId",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "app_id", "scope", "client_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "app",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="memory.app",
                    ),
                ),
                ("scope", models.UUIDField(help_text="The session, or else the user, or else the project.")),
                ("client_id", models.CharField(max_length=255)),
                ("event_id", models.UUIDField()),
            ],
        ),
        migrations.RunSQL(KEEP, NOT_KEEP),
        migrations.RunSQL(migrations.RunSQL.noop, PATIENCE),
    ]
