"""What search needs done in the background. Each does a bounded part, and says whether there is more to do."""

from __future__ import annotations

import structlog

from memory.search import embeddings, index
from memory.search.embedders import CannotEmbed

log = structlog.get_logger("honcho.memory")

INDEX_BATCHES = 10
EMBEDDING_BATCHES = 2
"""Few: others wait meanwhile, and a model on the processor takes a second for each."""


def index_passages() -> bool:
    """Index what was written, some thousands of passages at most."""
    return all(index.work() == index.BATCH for _ in range(INDEX_BATCHES))


def make_embeddings() -> bool:
    """Make vectors with the model that the settings name; where that fails, a later call goes on."""
    try:
        return embeddings.work(EMBEDDING_BATCHES) or embeddings.build_index()
    except CannotEmbed as error:
        log.warning("embeddings_not_made", reason=str(error))
        return False
