import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models

REFUSE = """
CREATE OR REPLACE FUNCTION memory_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - {but} = to_jsonb(NEW) - {but} THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% of a row of % is refused: it is kept as it was written', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$
"""

CONCLUSION = """
DROP TRIGGER refuse_change ON memory_conclusion;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON memory_conclusion
 FOR EACH ROW EXECUTE FUNCTION memory_refuse_change({but});
"""

IMMUTABLE = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON memory_correction
 FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('')
"""


class Migration(migrations.Migration):
    """What humans say of statements, and what of a statement they may change: whether it stands, how much it matters.

    The new column rewrites no table, and what runs the release before this one can go on writing versions.
    """

    dependencies = [("memory", "0007_served_before")]

    operations = [
        migrations.AddField(
            model_name="conclusion",
            name="retracted",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddConstraint(
            model_name="conclusion",
            constraint=models.CheckConstraint(
                condition=models.Q(("pinned", True), ("retracted", True), _negated=True),
                name="conclusion_pinned_or_retracted",
            ),
        ),
        migrations.CreateModel(
            name="Correction",
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
                (
                    "act",
                    models.CharField(
                        choices=[
                            ("add", "Add"),
                            ("edit", "Edit"),
                            ("retract", "Retract"),
                            ("pin", "Pin"),
                            ("unpin", "Unpin"),
                        ],
                        max_length=16,
                    ),
                ),
                ("by", models.TextField(blank=True)),
                ("reason", models.TextField(blank=True)),
                (
                    "conclusion",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrections",
                        to="memory.conclusion",
                    ),
                ),
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="correction", to="memory.event"
                    ),
                ),
                (
                    "replaced_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="replaces",
                        to="memory.conclusion",
                    ),
                ),
                (
                    "representation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="correction",
                        to="memory.representation",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="corrections", to="memory.subject"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("replaced_by", None),
                            models.Q(("act", "edit"), models.Q(("replaced_by", models.F("conclusion")), _negated=True)),
                            _connector="OR",
                        ),
                        name="correction_replaces_by_editing",
                    ),
                ],
            },
        ),
        # Several columns of a table may be excepted.
        migrations.RunSQL(REFUSE.format(but="TG_ARGV"), REFUSE.format(but="TG_ARGV[0]")),
        migrations.RunSQL(
            CONCLUSION.format(but="'pinned', 'retracted', 'importance'"), CONCLUSION.format(but="'pinned'")
        ),
        migrations.RunSQL(IMMUTABLE, "DROP TRIGGER refuse_change ON memory_correction"),
    ]
