import django.db.models.functions.datetime
import uuid_utils.compat
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

# Who names a receipt that this very transaction has written may change and delete what is kept; nobody else. The
# transaction's number alone would not do: a dump that is restored elsewhere carries numbers that come again.
RECEIPT = """
CREATE FUNCTION memory_sign_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.transaction := pg_current_xact_id()::text::bigint;
    NEW.created_at := now();
    RETURN NEW;
END
$$;
CREATE FUNCTION memory_refuse_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - '{vacuumed_at,vacuum_note}'::text[]
                          = to_jsonb(NEW) - '{vacuumed_at,vacuum_note}'::text[] THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% of a receipt is refused: it is kept as it was written', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER sign_receipt BEFORE INSERT ON memory_erasure FOR EACH ROW EXECUTE FUNCTION memory_sign_receipt();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON memory_erasure
    FOR EACH ROW EXECUTE FUNCTION memory_refuse_receipt();
CREATE FUNCTION memory_erasing() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    receipt text := current_setting('memory.erasing', true);
BEGIN
    IF coalesce(receipt, '') = '' THEN
        RETURN false;
    END IF;
    RETURN EXISTS (SELECT FROM memory_erasure WHERE id = receipt::uuid AND created_at = now()
                      AND transaction = pg_current_xact_id()::text::bigint);
END
$$;
"""

NO_RECEIPT = """
DROP FUNCTION memory_erasing();
DROP TRIGGER sign_receipt ON memory_erasure;
DROP TRIGGER refuse_change ON memory_erasure;
DROP FUNCTION memory_sign_receipt();
DROP FUNCTION memory_refuse_receipt();
"""

REFUSE = """
CREATE OR REPLACE FUNCTION memory_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - TG_ARGV = to_jsonb(NEW) - TG_ARGV THEN
        RETURN NEW;
    END IF;
    {but}
    RAISE EXCEPTION '% of a row of % is refused: it is kept as it was written', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$
"""

BUT_ERASURE = """
    IF memory_erasing() THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
"""


class Migration(migrations.Migration):
    """Receipts of erasures, and that only an erasure may take or empty what is kept.

    It makes an empty table and functions; no table is rewritten or read, and what runs the release before goes on.
    """

    dependencies = [("memory", "0019_passages")]

    operations = [
        migrations.CreateModel(
            name="Erasure",
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
                ("app", models.UUIDField(db_column="app_id", help_text="The app's id.")),
                (
                    "what",
                    models.CharField(
                        choices=[
                            ("event", "Event"),
                            ("session", "Session"),
                            ("user", "User"),
                            ("project", "Project"),
                            ("app", "App"),
                        ],
                        max_length=16,
                    ),
                ),
                ("target", models.UUIDField(help_text="The id of what was erased.")),
                ("counts", models.JSONField(default=dict, help_text="How many rows went, by what they are.")),
                (
                    "unreadable",
                    models.IntegerField(default=0, help_text="How many subjects lost what was known of them."),
                ),
                (
                    "rebuilding",
                    models.IntegerField(default=0, help_text="How many subjects are reasoned over again."),
                ),
                ("by", models.TextField(blank=True)),
                ("reason", models.TextField(blank=True)),
                ("transaction", models.BigIntegerField(default=0, editable=False)),
                ("vacuumed_at", models.DateTimeField(blank=True, null=True)),
                ("vacuum_note", models.TextField(blank=True, db_default="", default="")),
            ],
            options={
                "permissions": [("erase", "Can erase events, sessions, users, projects and apps")],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["app", "id"], name="erasures_of_app"),
                    models.Index(condition=models.Q(("vacuumed_at", None)), fields=["id"], name="erasure_to_vacuum"),
                ],
            },
        ),
        migrations.RunSQL(RECEIPT, NO_RECEIPT),
        migrations.RunSQL(REFUSE.replace("{but}", BUT_ERASURE), REFUSE.replace("{but}", "")),
        migrations.AlterField(
            model_name="representation",
            name="status",
            field=models.CharField(
                choices=[
                    ("published", "Published"),
                    ("quarantined", "Quarantined"),
                    ("erased", "erased: something that it may have known of was"),
                ],
                default="published",
                max_length=16,
            ),
        ),
        AddConstraintNotValid(
            model_name="representation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "erased"), _negated=True),
                    models.Q(
                        ("card", []),
                        ("draft__isnull", True),
                        ("gate", ""),
                        ("long_summary", ""),
                        ("made_by", {}),
                        ("now", ""),
                        ("reason", ""),
                        ("short_summary", ""),
                        ("text", ""),
                        ("thinned", False),
                    ),
                    _connector="OR",
                ),
                name="representation_erased_says_nothing",
            ),
        ),
    ]
