import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# A subject takes its index along, and an index what it holds, whoever deletes them. Not by foreign keys of the
# postings: to check one for each row costs more than to write the row.
ALONG = """
ALTER TABLE memory_wordindex
  ADD CONSTRAINT word_index_subject FOREIGN KEY (subject_id) REFERENCES memory_subject ON DELETE CASCADE
      DEFERRABLE INITIALLY DEFERRED;

CREATE FUNCTION memory_delete_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM memory_posting posting USING gone WHERE posting.index_id = gone.id;
    DELETE FROM memory_unmergedpassage unmerged USING gone WHERE unmerged.index_id = gone.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER delete_postings AFTER DELETE ON memory_wordindex REFERENCING OLD TABLE AS gone
 FOR EACH STATEMENT EXECUTE FUNCTION memory_delete_postings();
"""
NOT_ALONG = """
DROP TRIGGER delete_postings ON memory_wordindex;
DROP FUNCTION memory_delete_postings();
ALTER TABLE memory_wordindex DROP CONSTRAINT word_index_subject;
"""

# A passage that is deleted empties all indexes that have it, in the same transaction: what is packed cannot be looked
# through for the words of one. Three statements: each must see what was committed while the one before waited.
EMPTY = """
CREATE FUNCTION memory_empty_word_indexes(marks text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    things uuid[] := ARRAY(SELECT DISTINCT substr(mark, 4)::uuid FROM unnest(marks) mark WHERE mark LIKE 'in:%');
    indexes bigint[];
BEGIN
    IF things = '{}' THEN
        RETURN;
    END IF;
    WITH emptied AS (
        UPDATE memory_wordindex SET documents = 0, unmerged = 0, authors = '{}', scanned = 0
         WHERE subject_id IN (
               SELECT id FROM memory_subject
                WHERE (kind = 'user' AND user_id = ANY(things)) OR (kind = 'session' AND session_id = ANY(things))
                   OR (kind = 'project' AND project_id = ANY(things)))
        RETURNING id)
    SELECT array_agg(id) INTO indexes FROM emptied;
    DELETE FROM memory_posting WHERE index_id = ANY(indexes);
    DELETE FROM memory_unmergedpassage WHERE index_id = ANY(indexes);
END
$$;
CREATE FUNCTION memory_empty_word_indexes_of_passages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM memory_empty_word_indexes(ARRAY(SELECT DISTINCT unnest(tsvector_to_array(text)) FROM gone));
    RETURN NULL;
END
$$;
CREATE TRIGGER empty_word_indexes AFTER DELETE ON memory_passage REFERENCING OLD TABLE AS gone
 FOR EACH STATEMENT EXECUTE FUNCTION memory_empty_word_indexes_of_passages();
"""
NOT_EMPTY = """
DROP TRIGGER empty_word_indexes ON memory_passage;
DROP FUNCTION memory_empty_word_indexes_of_passages();
DROP FUNCTION memory_empty_word_indexes(text[]);
"""

# What was indexed before is added in the background; until then its indexes are known not to be complete.
BEFORE = """
INSERT INTO memory_wordindex (subject_id) SELECT id FROM memory_subject WHERE kind <> 'observed'
"""


class Migration(migrations.Migration):
    """Inverted indexes: tables of their own, and a narrow row for each subject that there is."""

    dependencies = [("memory", "0025_copies_index")]

    operations = [
        migrations.CreateModel(
            name="WordIndex",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "subject",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="word_index",
                        to="memory.subject",
                    ),
                ),
                ("documents", models.IntegerField(db_default=0, default=0)),
                ("unmerged", models.IntegerField(db_default=0, default=0)),
                (
                    "authors",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), db_default=[], default=list, size=None
                    ),
                ),
                ("scanned", models.BigIntegerField(blank=True, db_default=0, default=0, null=True)),
            ],
            options={
                "verbose_name_plural": "word indexes",
                "indexes": [
                    models.Index(
                        condition=models.Q(("scanned__isnull", False)), fields=["id"], name="word_index_to_fill"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="UnmergedPassage",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "index_id", "passage_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "index",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="unmerged_passages",
                        to="memory.wordindex",
                    ),
                ),
                ("passage_id", models.BigIntegerField()),
                ("record", models.BinaryField()),
                ("lexemes", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="Posting",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "index_id", "lexeme", "block", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "index",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="postings",
                        to="memory.wordindex",
                    ),
                ),
                ("lexeme", models.IntegerField()),
                ("block", models.IntegerField()),
                ("total", models.IntegerField()),
                ("data", models.BinaryField()),
            ],
        ),
        migrations.RunSQL(ALONG, NOT_ALONG),
        migrations.RunSQL(EMPTY, NOT_EMPTY),
        migrations.RunSQL(BEFORE, migrations.RunSQL.noop),
    ]
