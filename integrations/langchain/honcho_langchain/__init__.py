"""Honcho as memory of LangChain and LangGraph."""

from honcho_langchain.history import HonchoChatMessageHistory
from honcho_langchain.retriever import HonchoRetriever
from honcho_langchain.store import HonchoStore

__all__ = ["HonchoChatMessageHistory", "HonchoRetriever", "HonchoStore"]
