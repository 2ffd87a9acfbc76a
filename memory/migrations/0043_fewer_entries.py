from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """An index has nothing of what is not there yet: positions not given out, words not taken from a text.

    Each of both was an entry in an index for every event, to be made again once it was there.
    """

    atomic = False
    dependencies = [("memory", "0042_find_and_append")]

    operations = [
        migrations.SeparateDatabaseAndState(
            [
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY feed_position_once ON memory_feedentry (subject_id, position)"
                    " WHERE position IS NOT NULL",
                    "DROP INDEX CONCURRENTLY feed_position_once",
                ),
                migrations.RunSQL(
                    "ALTER TABLE memory_feedentry DROP CONSTRAINT feed_position_unique",
                    "ALTER TABLE memory_feedentry ADD CONSTRAINT feed_position_unique UNIQUE (subject_id, position)",
                ),
            ],
            [
                migrations.RemoveConstraint("feedentry", "feed_position_unique"),
                migrations.AddConstraint(
                    "feedentry",
                    models.UniqueConstraint(
                        condition=models.Q(("position__isnull", False)),
                        fields=("subject", "position"),
                        name="feed_position_once",
                    ),
                ),
            ],
        ),
        AddIndexConcurrently(
            "passage",
            GinIndex(
                condition=models.Q(("text__isnull", False)), fastupdate=False, fields=["text"], name="passage_words"
            ),
        ),
        RemoveIndexConcurrently("passage", "passage_text"),
    ]
