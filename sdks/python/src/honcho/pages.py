"""Lists, page by page. Walking over one always ends: a page that leads nowhere new is the last."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import replace
from typing import Any, Generic, Optional, TypeVar, Union

from honcho._call import Call, as_is
from honcho._transport import AsyncTransport, SyncTransport

T = TypeVar("T")


class _Page(Generic[T]):
    """``items``, and ``total`` (None for lists that only grow: nobody counts them)."""

    def __init__(self, call: Call[T], data: Any) -> None:
        self.items: list[T] = [call.parse(item) for item in data["items"]]
        self.total: Optional[int] = data.get("total")
        self._next = _next_call(call, data)

    @property
    def has_next(self) -> bool:
        """Whether there is another page."""
        return self._next is not None

    def __len__(self) -> int:
        return len(self.items)


class Page(_Page[T]):
    """A page of a list. ``for item in page`` goes over all items from here on, fetching pages as needed."""

    def __init__(self, transport: SyncTransport, call: Call[T]) -> None:
        super().__init__(call, transport.send(replace(call, parse=as_is)))
        self._transport = transport

    def next_page(self) -> Optional[Page[T]]:
        """Return the next page, None after the last."""
        return None if self._next is None else Page(self._transport, self._next)

    def pages(self) -> Iterator[Page[T]]:
        """Return this page and all that follow."""
        page: Optional[Page[T]] = self
        while page is not None:
            yield page
            page = page.next_page()

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items


class AsyncPage(_Page[T]):
    """A page of a list. ``async for item in page`` goes over all items from here on, fetching pages as needed."""

    def __init__(self, transport: AsyncTransport, call: Call[T], data: Any) -> None:
        super().__init__(call, data)
        self._transport = transport

    async def next_page(self) -> Optional[AsyncPage[T]]:
        """Return the next page, None after the last."""
        return None if self._next is None else await AsyncPages(self._transport, self._next)

    async def pages(self) -> AsyncIterator[AsyncPage[T]]:
        """Return this page and all that follow."""
        page: Optional[AsyncPage[T]] = self
        while page is not None:
            yield page
            page = await page.next_page()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item


class AsyncPages(Generic[T]):
    """A list that was asked for: ``await`` gives its first page, ``async for`` all of its items."""

    def __init__(self, transport: AsyncTransport, call: Call[T]) -> None:
        self._transport = transport
        self._call = call

    def __await__(self) -> Generator[Any, None, AsyncPage[T]]:
        return self._first().__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for item in await self._first():
            yield item

    async def _first(self) -> AsyncPage[T]:
        data = await self._transport.send(replace(self._call, parse=as_is))
        return AsyncPage(self._transport, self._call, data)


def first_page(transport: Union[SyncTransport, AsyncTransport], call: Call[T]) -> Union[Page[T], AsyncPages[T]]:
    """Return the list that a call asks for, as its client gets it."""
    return Page(transport, call) if isinstance(transport, SyncTransport) else AsyncPages(transport, call)


def _next_call(call: Call[T], data: Any) -> Optional[Call[T]]:
    if "next_cursor" in data:
        cursor = data["next_cursor"]
        return None if cursor in (None, call.query.get("cursor")) else call.with_query(cursor=cursor)
    page, pages = data.get("page"), data.get("pages")
    if not data["items"] or page is None or pages is None or page >= pages:
        return None
    return call.with_query(page=page + 1)
