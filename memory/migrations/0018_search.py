import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.datetime
import pgvector.django
from django.db import migrations, models

# A thing takes its passage along when it is deleted, whoever deletes it, and a passage its vectors. Deferred, as
# Django's own foreign keys are: what is made in one transaction may be made in any order.
KEYS = """
ALTER TABLE memory_passage
  ADD CONSTRAINT passage_app FOREIGN KEY (app_id) REFERENCES memory_app ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  ADD CONSTRAINT passage_event FOREIGN KEY (event_id) REFERENCES memory_event ON DELETE CASCADE
      DEFERRABLE INITIALLY DEFERRED,
  ADD CONSTRAINT passage_conclusion FOREIGN KEY (conclusion_id) REFERENCES memory_conclusion ON DELETE CASCADE
      DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE memory_embedding
  ADD CONSTRAINT embedding_passage FOREIGN KEY (passage_id) REFERENCES memory_passage ON DELETE CASCADE
      DEFERRABLE INITIALLY DEFERRED;
"""
NO_KEYS = """
ALTER TABLE memory_embedding DROP CONSTRAINT embedding_passage;
ALTER TABLE memory_passage DROP CONSTRAINT passage_app, DROP CONSTRAINT passage_event,
  DROP CONSTRAINT passage_conclusion;
"""

# Whoever writes an event or a conclusion, it can be found: no way into the log needs to know of search.
ADD = """
CREATE FUNCTION memory_add_passages_of_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO memory_passage (app_id, event_id, at)
    SELECT app_id, id, occurred_at FROM added ORDER BY id ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER add_passages AFTER INSERT ON memory_event REFERENCING NEW TABLE AS added
 FOR EACH STATEMENT EXECUTE FUNCTION memory_add_passages_of_events();

CREATE FUNCTION memory_add_passages_of_conclusions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO memory_passage (app_id, conclusion_id, at)
    SELECT subject.app_id, added.id, added.created_at
      FROM added JOIN memory_subject subject ON subject.id = added.subject_id ORDER BY added.id
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER add_passages AFTER INSERT ON memory_conclusion REFERENCING NEW TABLE AS added
 FOR EACH STATEMENT EXECUTE FUNCTION memory_add_passages_of_conclusions();
"""
NO_ADD = """
DROP TRIGGER add_passages ON memory_conclusion;
DROP FUNCTION memory_add_passages_of_conclusions();
DROP TRIGGER add_passages ON memory_event;
DROP FUNCTION memory_add_passages_of_events();
"""


class Migration(migrations.Migration):
    """Tables of search, and triggers that add what is written from now on. The next migration adds what was before."""

    dependencies = [("memory", "0017_keys_validated")]

    operations = [
        pgvector.django.VectorExtension(),
        migrations.CreateModel(
            name="EmbeddingModel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200, unique=True)),
                ("embedder", models.CharField(max_length=200)),
                ("dimensions", models.IntegerField()),
                ("enlisted", models.BigIntegerField(db_default=0, default=0)),
                ("wanted", models.BooleanField(db_default=True, default=True)),
                ("serving_since", models.DateTimeField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("dimensions__range", (1, 16000))), name="embedding_model_has_dimensions"
                    ),
                    models.UniqueConstraint(
                        models.Value(1),
                        condition=models.Q(("serving_since__isnull", False)),
                        name="embedding_model_one_serves",
                    ),
                    models.UniqueConstraint(
                        models.Value(1), condition=models.Q(("wanted", True)), name="embedding_model_one_is_wanted"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Passage",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("words", models.IntegerField(db_default=0, default=0)),
                ("text", django.contrib.postgres.search.SearchVectorField(null=True)),
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
                (
                    "conclusion",
                    models.OneToOneField(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="passage",
                        to="memory.conclusion",
                    ),
                ),
                (
                    "event",
                    models.OneToOneField(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="passage",
                        to="memory.event",
                    ),
                ),
            ],
            options={
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(fastupdate=False, fields=["text"], name="passage_text"),
                    models.Index(condition=models.Q(("text", None)), fields=["app", "id"], name="passage_not_indexed"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("conclusion", None), ("event__isnull", False)),
                            models.Q(("conclusion__isnull", False), ("event", None)),
                            _connector="OR",
                        ),
                        name="passage_of_one_thing",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Embedding",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "passage_id", "model_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("vector", pgvector.django.VectorField(null=True)),
                ("problem", models.TextField(blank=True, db_default="", default="")),
                (
                    "model",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="embeddings",
                        to="memory.embeddingmodel",
                    ),
                ),
                (
                    "passage",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="embeddings",
                        to="memory.passage",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["model", "passage"], name="embedding_model"),
                    models.Index(
                        condition=models.Q(("problem", ""), ("vector", None)),
                        fields=["model", "passage"],
                        name="embedding_waiting",
                    ),
                ],
            },
        ),
        migrations.RunSQL(KEYS, NO_KEYS),
        migrations.RunSQL(ADD, NO_ADD),
    ]
