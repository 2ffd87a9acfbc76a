"""The store's models, one family a module."""

from memory.models.archives import Archive, ArchivedEvidence, ArchivedPlace
from memory.models.audit import Audit
from memory.models.collections import Collection, Document
from memory.models.erasure import Erasure
from memory.models.idempotency import KeptAnswer
from memory.models.keys import ApiKey, RateWindow
from memory.models.log import ClientId, Event
from memory.models.metamessages import Metamessage
from memory.models.proposals import Proposal
from memory.models.representations import (
    Conclusion,
    Correction,
    Evidence,
    Feedback,
    KeptVersion,
    Premise,
    Representation,
    Ruling,
    Serving,
    Span,
)
from memory.models.search import Embedding, EmbeddingModel, Passage, Posting, UnmergedPassage, WordIndex
from memory.models.subjects import FeedEntry, Line, Subject
from memory.models.tenants import App, Participant, Project, Session, User
from memory.models.webhooks import WebhookDelivery, WebhookEndpoint

__all__ = [
    "ApiKey",
    "App",
    "Archive",
    "ArchivedEvidence",
    "ArchivedPlace",
    "Audit",
    "ClientId",
    "Collection",
    "Conclusion",
    "Correction",
    "Document",
    "Embedding",
    "EmbeddingModel",
    "Erasure",
    "Event",
    "Evidence",
    "FeedEntry",
    "Feedback",
    "KeptAnswer",
    "KeptVersion",
    "Line",
    "Metamessage",
    "Participant",
    "Passage",
    "Posting",
    "Premise",
    "Project",
    "Proposal",
    "RateWindow",
    "Representation",
    "Ruling",
    "Serving",
    "Session",
    "Span",
    "Subject",
    "UnmergedPassage",
    "User",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WordIndex",
]
