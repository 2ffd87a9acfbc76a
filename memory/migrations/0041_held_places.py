import django.db.models.deletion
from django.db import migrations, models

# In the order in which writers come to the tables: one who waits for the log holds nothing that is waited for.
TABLES = ("user", "session", "project", "subject", "event", "feedentry")
PATIENCE = "SET LOCAL lock_timeout = '10s';" + "".join(
    f"LOCK TABLE memory_{table} IN ACCESS EXCLUSIVE MODE;" for table in TABLES
)

PLACES = (("session_id", "session"), ("user_id", "user"), ("project_id", "project"), ("author_id", "user"))

HOLD_PLACE = """
        IF place.{column} IS NOT NULL THEN
            PERFORM FROM memory_{parent} WHERE app_id = place.app_id AND id = place.{column} FOR KEY SHARE;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'an event names a {parent} that is not in its app ("memory_event_{column}_same_app")'
                    USING ERRCODE = 'foreign_key_violation', TABLE = 'memory_event', COLUMN = '{column}',
                          CONSTRAINT = 'memory_event_{column}_same_app';
            END IF;
        END IF;
"""

# What foreign keys did, once for what a statement names and not once for each of its rows: who writes 1,000 events of a
# session waited longer for 5,000 checks of the same three rows than for the events. Rows are locked as a foreign key
# locks them: they stay until the commit.
HOLD_PLACES = """
CREATE FUNCTION memory_hold_places() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    place record;
BEGIN
    FOR place IN SELECT DISTINCT app_id, session_id, user_id, project_id, author_id FROM added ORDER BY 1, 2, 3, 4, 5
    LOOP
        {checks}
    END LOOP;
    RETURN NULL;
END
$$;
"""
CHECKS = "".join(HOLD_PLACE.format(column=column, parent=parent) for column, parent in PLACES).strip()
HOLD = """
CREATE TRIGGER hold_places AFTER INSERT ON memory_event REFERENCING NEW TABLE AS added
 FOR EACH STATEMENT EXECUTE FUNCTION memory_hold_places();

CREATE FUNCTION memory_hold_subjects() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    named uuid;
BEGIN
    FOR named IN SELECT DISTINCT subject_id FROM added ORDER BY 1 LOOP
        PERFORM FROM memory_subject WHERE id = named FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'an entry of a feed names a subject that is not there'
                USING ERRCODE = 'foreign_key_violation', TABLE = 'memory_feedentry', COLUMN = 'subject_id';
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER hold_subjects AFTER INSERT ON memory_feedentry REFERENCING NEW TABLE AS added
 FOR EACH STATEMENT EXECUTE FUNCTION memory_hold_subjects();
CREATE TRIGGER refuse_change BEFORE UPDATE OF event_id, subject_id ON memory_feedentry
 FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('position');
"""
NOT_HOLD = """
DROP TRIGGER refuse_change ON memory_feedentry;
DROP TRIGGER hold_subjects ON memory_feedentry;
DROP FUNCTION memory_hold_subjects();
DROP TRIGGER hold_places ON memory_event;
DROP FUNCTION memory_hold_places();
"""

# The other end. Each statement of a function sees what was committed before it begins, as a foreign key's check does,
# except in a transaction that keeps one snapshot.
KEPT = (
    ("session", "memory_event", ("session_id",)),
    ("user", "memory_event", ("user_id", "author_id")),
    ("project", "memory_event", ("project_id",)),
    ("subject", "memory_feedentry", ("subject_id",)),
)
KEEP_READ_COMMITTED = """
CREATE FUNCTION memory_refuse_snapshot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'delete rows of % in a transaction that is READ COMMITTED: others may have written to them since',
            TG_TABLE_NAME USING ERRCODE = 'invalid_transaction_state';
    END IF;
    RETURN NULL;
END
$$;
"""
KEEP_KEY = """
CREATE FUNCTION memory_refuse_new_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the key of a row of % stays what it is', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
"""
STILL_NAMED = """
    IF EXISTS (SELECT FROM gone JOIN {child} ON {child}.{column} = gone.id) THEN
        RAISE EXCEPTION 'rows of memory_{parent} are named by rows of {child} ("{child}_{column}") still'
            USING ERRCODE = 'foreign_key_violation', TABLE = '{child}', COLUMN = '{column}';
    END IF;
"""
KEEP_ROWS = """
CREATE FUNCTION memory_keep_{parent}s() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {checks}
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_rows AFTER DELETE ON memory_{parent} REFERENCING OLD TABLE AS gone
 FOR EACH STATEMENT EXECUTE FUNCTION memory_keep_{parent}s();
CREATE TRIGGER refuse_snapshot BEFORE DELETE ON memory_{parent}
 FOR EACH STATEMENT EXECUTE FUNCTION memory_refuse_snapshot();
CREATE TRIGGER refuse_new_key BEFORE UPDATE OF id, app_id ON memory_{parent} FOR EACH ROW
  WHEN ((OLD.id, OLD.app_id) IS DISTINCT FROM (NEW.id, NEW.app_id)) EXECUTE FUNCTION memory_refuse_new_key();
"""
NOT_KEEP_ROWS = """
DROP TRIGGER refuse_new_key ON memory_{parent};
DROP TRIGGER refuse_snapshot ON memory_{parent};
DROP TRIGGER keep_rows ON memory_{parent};
DROP FUNCTION memory_keep_{parent}s();
"""


def kept(parent, child, columns):
    """Return the statement that keeps rows while others name them."""
    checks = [STILL_NAMED.format(parent=parent, child=child, column=column) for column in columns]
    return KEEP_ROWS.format(parent=parent, checks="".join(checks).strip())


KEEP = KEEP_READ_COMMITTED + KEEP_KEY + "".join(kept(*each) for each in KEPT)
NOT_KEEP = (
    "".join(NOT_KEEP_ROWS.format(parent=parent) for parent, *_ in KEPT)
    + "DROP FUNCTION memory_refuse_new_key(); DROP FUNCTION memory_refuse_snapshot();"
)

NO_KEYS = "".join(f"ALTER TABLE memory_event DROP CONSTRAINT memory_event_{column}_same_app;" for column, _ in PLACES)
KEYS = "".join(
    f"ALTER TABLE memory_event ADD CONSTRAINT memory_event_{column}_same_app"
    f" FOREIGN KEY (app_id, {column}) REFERENCES memory_{parent} (app_id, id);"
    for column, parent in PLACES
)


class Migration(migrations.Migration):
    """References of events and of entries of feeds are checked once for each statement.

    The locks are short, and where somebody holds a table for ten seconds nothing is changed; backwards, the foreign keys
    look through all rows.
    """

    dependencies = [("memory", "0040_implied_keys")]

    operations = [
        migrations.RunSQL(PATIENCE, migrations.RunSQL.noop),
        migrations.RunSQL(HOLD_PLACES.format(checks=CHECKS) + HOLD, NOT_HOLD),
        migrations.RunSQL(KEEP, NOT_KEEP),
        migrations.RunSQL(NO_KEYS, KEYS),
        migrations.AlterField(
            model_name="feedentry",
            name="subject",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="feed",
                to="memory.subject",
            ),
        ),
        migrations.RunSQL(migrations.RunSQL.noop, PATIENCE),
    ]
