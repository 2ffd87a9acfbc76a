from importlib import import_module

import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models

read = import_module("memory.migrations.0032_read").READ.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")

# Nothing is behind that is in the log no more.
READ = (
    read.replace("subject.head - coalesce(known.covers_to, 0)", "subject.head - {read}")
    .replace("position = coalesce(known.covers_to, 0) + 1", "position = {read} + 1")
    .replace("{read}", "greatest(known.covers_to, subject.archived_to)")
)

# In the order in which writers come to the tables: one who waits for the log holds nothing that is waited for.
TABLES = ("subject", "event", "feedentry", "passage", "evidence", "correction", "metamessage")
PATIENCE = "SET LOCAL lock_timeout = '10s';" + "".join(
    f"LOCK TABLE memory_{table} IN ACCESS EXCLUSIVE MODE;" for table in TABLES
)

# As of an erasure's receipt (migration 0020): who names an archive that this very transaction has touched may take the
# events out of which it says that they are being taken out; nobody else, and no others.
ARCHIVING = """
CREATE FUNCTION memory_sign_archive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.transaction := pg_current_xact_id()::text::bigint;
    NEW.touched_at := now();
    RETURN NEW;
END
$$;
CREATE TRIGGER sign_archive BEFORE INSERT OR UPDATE ON memory_archive
    FOR EACH ROW EXECUTE FUNCTION memory_sign_archive();
CREATE FUNCTION memory_archiving(event uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    named text := current_setting('memory.archiving', true);
BEGIN
    IF coalesce(named, '') = '' THEN
        RETURN false;
    END IF;
    RETURN EXISTS (SELECT FROM memory_archive WHERE id = named::uuid AND state = 'removing' AND touched_at = now()
                      AND transaction = pg_current_xact_id()::text::bigint
                      AND (first IS NULL OR event >= first) AND event < before);
END
$$;
"""
NOT_ARCHIVING = """
DROP FUNCTION memory_archiving(uuid);
DROP TRIGGER sign_archive ON memory_archive;
DROP FUNCTION memory_sign_archive();
"""

LET_THROUGH = """
DROP TRIGGER refuse_change ON memory_event;
CREATE TRIGGER refuse_change BEFORE UPDATE ON memory_event
 FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('metadata');
CREATE TRIGGER refuse_delete BEFORE DELETE ON memory_event
 FOR EACH ROW WHEN (NOT memory_archiving(OLD.id)) EXECUTE FUNCTION memory_refuse_change('metadata');
DROP TRIGGER refuse_change ON memory_correction;
CREATE TRIGGER refuse_change BEFORE UPDATE ON memory_correction FOR EACH ROW
  WHEN (NOT (NEW.event_id IS NULL AND to_jsonb(OLD) - 'event_id' = to_jsonb(NEW) - 'event_id'
             AND memory_archiving(OLD.event_id)))
  EXECUTE FUNCTION memory_refuse_change('');
CREATE TRIGGER refuse_delete BEFORE DELETE ON memory_correction
 FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('');
"""
NOT_LET_THROUGH = """
DROP TRIGGER refuse_change ON memory_event;
DROP TRIGGER refuse_delete ON memory_event;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON memory_event
 FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('metadata');
DROP TRIGGER refuse_change ON memory_correction;
DROP TRIGGER refuse_delete ON memory_correction;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON memory_correction
 FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('');
"""

# What foreign keys did when a row was written that names an event: the event is there, and stays until the commit.
# What names one that is archived may still be written: a statement that rested on it may be said again.
HOLD = """
CREATE FUNCTION memory_hold_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    named uuid := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
BEGIN
    PERFORM FROM memory_event WHERE id = named FOR KEY SHARE;
    IF NOT FOUND AND NOT EXISTS (SELECT FROM memory_archive WHERE state <> 'writing' AND named < before
                                    AND (first IS NULL OR named >= first)) THEN
        RAISE EXCEPTION 'a row of % names an event that is not there', TG_TABLE_NAME
            USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, COLUMN = TG_ARGV[0];
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER hold_event AFTER INSERT ON memory_evidence
 FOR EACH ROW EXECUTE FUNCTION memory_hold_event('event_id');
CREATE TRIGGER hold_event AFTER INSERT ON memory_correction
 FOR EACH ROW WHEN (NEW.event_id IS NOT NULL) EXECUTE FUNCTION memory_hold_event('event_id');
CREATE TRIGGER hold_event AFTER INSERT OR UPDATE OF message_id ON memory_metamessage
 FOR EACH ROW WHEN (NEW.message_id IS NOT NULL) EXECUTE FUNCTION memory_hold_event('message_id');
CREATE TRIGGER hold_event AFTER INSERT ON memory_event
 FOR EACH ROW WHEN (NEW.copied_from_id IS NOT NULL) EXECUTE FUNCTION memory_hold_event('copied_from_id');

CREATE FUNCTION memory_delete_passages_of_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM memory_passage passage USING gone WHERE passage.event_id = gone.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER delete_passages AFTER DELETE ON memory_event REFERENCING OLD TABLE AS gone
 FOR EACH STATEMENT EXECUTE FUNCTION memory_delete_passages_of_events();
ALTER TABLE memory_passage DROP CONSTRAINT passage_event;
"""
NOT_HOLD = """
DROP TRIGGER delete_passages ON memory_event;
DROP FUNCTION memory_delete_passages_of_events();
ALTER TABLE memory_passage
  ADD CONSTRAINT passage_event FOREIGN KEY (event_id) REFERENCES memory_event ON DELETE CASCADE
      DEFERRABLE INITIALLY DEFERRED;
DROP TRIGGER hold_event ON memory_evidence;
DROP TRIGGER hold_event ON memory_correction;
DROP TRIGGER hold_event ON memory_metamessage;
DROP TRIGGER hold_event ON memory_event;
DROP FUNCTION memory_hold_event();
"""

# A partition's trigger tells the name of the partition: people know the log.
REFUSE = """
CREATE OR REPLACE FUNCTION memory_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - TG_ARGV = to_jsonb(NEW) - TG_ARGV THEN
        RETURN NEW;
    END IF;
    IF memory_erasing() THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION '% of a row of % is refused: it is kept as it was written', TG_OP, {table}
        USING ERRCODE = 'restrict_violation';
END
$$
"""
OF_LOG = "coalesce((SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = TG_RELID), TG_TABLE_NAME)"


class Migration(migrations.Migration):
    """What is noted of archived events; and no foreign key leads to an event any more, so that it can be taken out.

    The new columns rewrite no table and none is read. Where somebody holds a table for ten seconds it changes nothing,
    and can be tried again.
    """

    dependencies = [("memory", "0037_client_ids_before")]

    operations = [
        migrations.RunSQL(PATIENCE, migrations.RunSQL.noop),
        migrations.CreateModel(
            name="Archive",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("partition", models.CharField(help_text="The table that held the events.", max_length=63)),
                ("first", models.UUIDField(blank=True, null=True)),
                ("before", models.UUIDField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("writing", "being written to a file"),
                            ("removing", "being taken out of the log"),
                            ("done", "Done"),
                        ],
                        default="writing",
                        max_length=16,
                    ),
                ),
                ("events", models.BigIntegerField(default=0, help_text="How many events there were.")),
                (
                    "file",
                    models.TextField(
                        blank=True, help_text="Where they were written to; empty where they were dropped."
                    ),
                ),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("written_at", models.DateTimeField(blank=True, null=True)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                ("by", models.TextField(blank=True)),
                ("transaction", models.BigIntegerField(default=0, editable=False)),
                ("touched_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "done"), _negated=True),
                        fields=("partition",),
                        name="archive_one_at_a_time_of_a_partition",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ArchivedPlace",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "subject_id", "thing", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("thing", models.UUIDField(db_index=True)),
                ("place", models.BigIntegerField()),
                (
                    "subject",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="archived_places",
                        to="memory.subject",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("place__gte", 1)), name="archived_place_counts_from_one"
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="subject",
            name="archived_to",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name="correction",
            name="event",
            field=models.OneToOneField(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="correction",
                to="memory.event",
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="copied_from",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                help_text=(
                    "The event of another session that this one repeats. Where that is erased, this one goes too."
                ),
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="copies",
                to="memory.event",
            ),
        ),
        migrations.AlterField(
            model_name="evidence",
            name="event",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="evidence_for",
                to="memory.event",
            ),
        ),
        migrations.AlterField(
            model_name="feedentry",
            name="event",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="feed_entries",
                to="memory.event",
            ),
        ),
        migrations.AlterField(
            model_name="metamessage",
            name="message",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="metamessages",
                to="memory.event",
            ),
        ),
        migrations.RunSQL(READ, read),
        migrations.RunSQL(ARCHIVING, NOT_ARCHIVING),
        migrations.RunSQL(LET_THROUGH, NOT_LET_THROUGH),
        migrations.RunSQL(HOLD, NOT_HOLD),
        migrations.RunSQL(REFUSE.replace("{table}", OF_LOG), REFUSE.replace("{table}", "TG_TABLE_NAME")),
        migrations.RunSQL(migrations.RunSQL.noop, PATIENCE),
    ]
