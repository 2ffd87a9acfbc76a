import django.db.models.deletion
import django.db.models.functions.datetime
import uuid_utils.compat
from django.db import migrations, models

# A version may be thinned once: text and parts go, all else stays as it was written.
GUARD = """
DROP TRIGGER refuse_change ON memory_representation;
CREATE TRIGGER refuse_change BEFORE UPDATE ON memory_representation FOR EACH ROW
  WHEN (NOT (NEW.thinned AND NOT OLD.thinned AND NEW.text = '' AND NEW.line_tokens = '{}' AND NEW.card = '{}'
             AND NEW.now = '' AND NEW.short_summary = '' AND NEW.long_summary = '' AND NEW.draft IS NULL
             AND to_jsonb(OLD) - '{thinned,text,line_tokens,card,now,short_summary,long_summary,draft}'::text[]
               = to_jsonb(NEW) - '{thinned,text,line_tokens,card,now,short_summary,long_summary,draft}'::text[]))
  EXECUTE FUNCTION memory_refuse_change('');
CREATE TRIGGER refuse_delete BEFORE DELETE ON memory_representation
 FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('');
"""

BACK = """
DROP TRIGGER refuse_change ON memory_representation;
DROP TRIGGER refuse_delete ON memory_representation;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON memory_representation
 FOR EACH ROW EXECUTE FUNCTION memory_refuse_change('');
"""


class Migration(migrations.Migration):
    """Old versions may be thinned, unless somebody keeps them. The new column rewrites no table."""

    dependencies = [("memory", "0010_branch_indexes")]

    operations = [
        migrations.AddField(
            model_name="representation",
            name="thinned",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether only its statements are kept, not its text and other parts (``memory.retention``).",
            ),
        ),
        migrations.CreateModel(
            name="KeptVersion",
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
                ("reason", models.TextField(blank=True)),
                ("by", models.TextField(blank=True)),
                (
                    "representation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="kept",
                        to="memory.representation",
                    ),
                ),
            ],
            options={"abstract": False},
        ),
        migrations.RunSQL(GUARD, BACK),
    ]
