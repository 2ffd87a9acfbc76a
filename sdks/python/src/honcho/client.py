"""The two clients."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Optional

import httpx

from honcho._attempts import Settings
from honcho._transport import AsyncTransport, SyncTransport
from honcho._version import __version__
from honcho.buffer import AsyncBuffer, Buffer, BufferOptions, OnError
from honcho.resources.apps import Apps
from honcho.resources.keys import Keys

DEFAULT_BASE_URL = "http://localhost:8000"
DEFAULT_TIMEOUT = 60.0
DEFAULT_MAX_RETRIES = 3


class Honcho:
    """The client that blocks. Threads may share one.

    ``base_url`` and ``api_key`` default to the variables HONCHO_BASE_URL and HONCHO_API_KEY, the address then to
    http://localhost:8000. ``timeout`` (seconds) bounds each wait for the server, ``max_retries`` how often a call is
    sent again after a failure that may pass. A ``http_client`` of your own brings proxies, certificates and pools.
    """

    apps: Apps[SyncTransport]
    keys: Keys[SyncTransport]

    def __init__(
        self,
        base_url: Optional[str] = None,
        api_key: Optional[str] = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        max_retries: int = DEFAULT_MAX_RETRIES,
        http_client: Optional[httpx.Client] = None,
    ) -> None:
        settings = _settings("Honcho", base_url, api_key, timeout, max_retries)
        self._transport = SyncTransport(settings, http_client)
        self.apps = Apps(self._transport)
        self.keys = Keys(self._transport)

    def buffer(
        self,
        *,
        app_id: str,
        user_id: Optional[str] = None,
        session_id: Optional[str] = None,
        project_id: Optional[str] = None,
        flush_events: int = 200,
        flush_seconds: float = 1.0,
        max_events: int = 10_000,
        max_bytes: int = 64 * 1024 * 1024,
        when_full: str = "block",
        exit_seconds: float = 10.0,
        on_error: Optional[OnError] = None,
    ) -> Buffer:
        """Return a buffer that sends events in the background; see :class:`honcho.Buffer`.

        ``user_id``, ``session_id`` and ``project_id`` are where events go for which ``add`` names nothing else.
        """
        options = BufferOptions(
            app_id=app_id, user_id=user_id, session_id=session_id, project_id=project_id, flush_events=flush_events,
            flush_seconds=flush_seconds, max_events=max_events, max_bytes=max_bytes, when_full=when_full,
            exit_seconds=exit_seconds, on_error=on_error,
        )  # fmt: skip
        return Buffer(self._transport, options)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Honcho:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Honcho(base_url={self._transport.settings.base_url!r})"


class AsyncHoncho:
    """The client for asyncio: the same calls, awaited. Takes what :class:`Honcho` takes."""

    apps: Apps[AsyncTransport]
    keys: Keys[AsyncTransport]

    def __init__(
        self,
        base_url: Optional[str] = None,
        api_key: Optional[str] = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        max_retries: int = DEFAULT_MAX_RETRIES,
        http_client: Optional[httpx.AsyncClient] = None,
    ) -> None:
        settings = _settings("AsyncHoncho", base_url, api_key, timeout, max_retries)
        self._transport = AsyncTransport(settings, http_client)
        self.apps = Apps(self._transport)
        self.keys = Keys(self._transport)

    def buffer(
        self,
        *,
        app_id: str,
        user_id: Optional[str] = None,
        session_id: Optional[str] = None,
        project_id: Optional[str] = None,
        flush_events: int = 200,
        flush_seconds: float = 1.0,
        max_events: int = 10_000,
        max_bytes: int = 64 * 1024 * 1024,
        when_full: str = "block",
        exit_seconds: float = 10.0,
        on_error: Optional[OnError] = None,
    ) -> AsyncBuffer:
        """Return a buffer that sends events in the background; see :class:`honcho.AsyncBuffer`."""
        options = BufferOptions(
            app_id=app_id, user_id=user_id, session_id=session_id, project_id=project_id, flush_events=flush_events,
            flush_seconds=flush_seconds, max_events=max_events, max_bytes=max_bytes, when_full=when_full,
            exit_seconds=exit_seconds, on_error=on_error,
        )  # fmt: skip
        return AsyncBuffer(SyncTransport(self._transport.settings), options)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def __aenter__(self) -> AsyncHoncho:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncHoncho(base_url={self._transport.settings.base_url!r})"


def _settings(
    client: str, base_url: Optional[str], api_key: Optional[str], timeout: float, max_retries: int
) -> Settings:
    return Settings(
        base_url=base_url or os.environ.get("HONCHO_BASE_URL") or DEFAULT_BASE_URL,
        api_key=api_key or os.environ.get("HONCHO_API_KEY") or None,
        timeout=timeout,
        max_retries=max_retries,
        user_agent=f"django-{client}/Python {__version__}",
    )
