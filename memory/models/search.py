"""What search looks in: a row for each thing that can be found, and what embedding models made of it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from pgvector.django import VectorField

from memory.models.log import Event
from memory.models.representations import Conclusion
from memory.models.subjects import Subject
from memory.models.tenants import App


class Passage(models.Model):
    """Something that can be found: an event or a conclusion.

    The database adds the row with the thing, and deletes it with the thing (migration 0018). ``text`` holds its words
    and the marks by which searches are narrowed (``memory.search.marks``); until it is indexed it is None. ``words`` is
    how many words there are, ``at`` when the thing happened.
    """

    id = models.BigAutoField(primary_key=True)
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    event = models.OneToOneField(
        Event, on_delete=models.CASCADE, null=True, blank=True, related_name="passage", db_constraint=False
    )
    conclusion = models.OneToOneField(
        Conclusion, on_delete=models.CASCADE, null=True, blank=True, related_name="passage", db_constraint=False
    )
    at = models.DateTimeField()
    words = models.IntegerField(default=0, db_default=0)
    text = SearchVectorField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(event__isnull=False, conclusion=None) | Q(event=None, conclusion__isnull=False),
                name="passage_of_one_thing",
            ),
        ]
        indexes = [
            # What is pending would be looked through by every search; who writes here is nobody's request.
            GinIndex(fields=["text"], name="passage_words", fastupdate=False, condition=Q(text__isnull=False)),
            models.Index(fields=["app", "id"], name="passage_not_indexed", condition=Q(text=None)),
        ]

    def __str__(self) -> str:
        return f"passage {self.pk}"


class WordIndex(models.Model):
    """The inverted index of all that belongs to a user, session or project (``memory.search.postings``).

    ``documents`` is how many passages are in it, ``authors`` who wrote them; records name an author by the place here.
    ``scanned`` is up to which passage those have been added that were indexed before there was this row; None once all
    are. The database empties it, to be filled anew, when a passage is deleted that it has (migration 0026).
    """

    id = models.BigAutoField(primary_key=True)
    subject = models.OneToOneField(Subject, on_delete=models.CASCADE, related_name="word_index", db_constraint=False)
    documents = models.IntegerField(default=0, db_default=0)
    unmerged = models.IntegerField(default=0, db_default=0)
    authors = ArrayField(models.UUIDField(), default=list, db_default=[])
    scanned = models.BigIntegerField(null=True, blank=True, default=0, db_default=0)

    class Meta:
        verbose_name_plural = "word indexes"
        indexes = [
            models.Index(fields=["id"], name="word_index_to_fill", condition=Q(scanned__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"words of {self.subject_id}"


class Posting(models.Model):
    """Some of the passages that have a lexeme, packed (``memory.search.records``).

    ``lexeme`` is a hash of it. ``total`` is how many passages this block and those before it have.
    """

    pk = models.CompositePrimaryKey("index_id", "lexeme", "block")
    index = models.ForeignKey(
        WordIndex, on_delete=models.CASCADE, related_name="postings", db_index=False, db_constraint=False
    )
    lexeme = models.IntegerField()
    block = models.IntegerField()
    total = models.IntegerField()
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.lexeme} in {self.index_id}"


class UnmergedPassage(models.Model):
    """A passage of an inverted index that waits to be merged into it with others; searches read it here."""

    pk = models.CompositePrimaryKey("index_id", "passage_id")
    index = models.ForeignKey(
        WordIndex, on_delete=models.CASCADE, related_name="unmerged_passages", db_index=False, db_constraint=False
    )
    passage_id = models.BigIntegerField()
    record = models.BinaryField()
    lexemes = models.BinaryField()

    def __str__(self) -> str:
        return f"passage {self.passage_id} of {self.index_id}"


class EmbeddingModel(models.Model):
    """A model that makes vectors. Vectors are compared with those of the same model alone.

    ``embedder`` is how it is loaded (``memory.search.embedders``). ``enlisted`` is up to which passage its vectors
    have been asked for. The one with ``serving_since`` answers searches; there is at most one.
    """

    name = models.CharField(max_length=200, unique=True)
    embedder = models.CharField(max_length=200)
    dimensions = models.IntegerField()
    enlisted = models.BigIntegerField(default=0, db_default=0)
    wanted = models.BooleanField(default=True, db_default=True)
    serving_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(dimensions__range=(1, 16_000)), name="embedding_model_has_dimensions"),
            models.UniqueConstraint(
                models.Value(1), condition=Q(serving_since__isnull=False), name="embedding_model_one_serves"
            ),
            models.UniqueConstraint(models.Value(1), condition=Q(wanted=True), name="embedding_model_one_is_wanted"),
        ]

    def __str__(self) -> str:
        return self.name


class Embedding(models.Model):
    """The vector that a model made of a passage; None until it is made. ``problem`` says why it never will be."""

    pk = models.CompositePrimaryKey("passage_id", "model_id")
    passage = models.ForeignKey(
        Passage, on_delete=models.CASCADE, related_name="embeddings", db_index=False, db_constraint=False
    )
    model = models.ForeignKey(EmbeddingModel, on_delete=models.CASCADE, related_name="embeddings", db_index=False)
    vector = VectorField(null=True)
    problem = models.TextField(blank=True, default="", db_default="")

    class Meta:
        indexes = [
            models.Index(fields=["model", "passage"], name="embedding_model"),
            models.Index(fields=["model", "passage"], name="embedding_waiting", condition=Q(vector=None, problem="")),
        ]

    def __str__(self) -> str:
        return f"{self.model_id} of passage {self.passage_id}"
