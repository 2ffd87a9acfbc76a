"""What Honcho remembers, as documents for a chain."""

from __future__ import annotations

from typing import Any

from honcho import Honcho
from honcho.models import Found
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict


class HonchoRetriever(BaseRetriever):
    """Finds what a user said and what is known about them, best first; without ``user_id`` in the whole app."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    honcho: Honcho
    app_id: str
    user_id: str | None = None
    k: int = 5
    mode: str | None = None
    filters: dict[str, Any] | None = None

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        asked: dict[str, Any] = {
            "app_id": self.app_id,
            "query": query,
            "limit": self.k,
            "mode": self.mode,
            "filters": self.filters,
        }
        apps = self.honcho.apps
        found = apps.search(**asked) if self.user_id is None else apps.users.search(**asked, user_id=self.user_id)
        return [_document(item) for item in found.items]


def _document(item: Found) -> Document:
    found = item.event or item.conclusion
    if found is None:
        return Document(page_content="", metadata={"type": item.type, "score": item.score})
    metadata = {"type": item.type, "id": found.id, "score": item.score}
    return Document(page_content=found.content, metadata=metadata, id=found.id)
