"""Honcho as memory of agents made with the OpenAI Agents SDK."""

from honcho_agents.session import HonchoSession
from honcho_agents.tools import memory_tools

__all__ = ["HonchoSession", "memory_tools"]
