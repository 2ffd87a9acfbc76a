"""How one description of a call serves both clients.

A resource's method only describes what to send. Read on a resource of :class:`honcho.Honcho` the method sends it and
returns the answer; on one of :class:`honcho.AsyncHoncho` it returns an awaitable of it. The parameters stay the
method's own, for editors and type checkers too.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable
from typing import Any, Callable, Generic, Optional, TypeVar, Union, cast, overload

from typing_extensions import Concatenate, ParamSpec

from honcho._call import Call
from honcho._transport import AsyncTransport, SyncTransport
from honcho.pages import AsyncPages, Page, first_page
from honcho.streams import AsyncStream, Decoder, Stream

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")
R = TypeVar("R")
M = TypeVar("M", bound=Union[SyncTransport, AsyncTransport])


class Resource(Generic[M]):
    """Calls that belong together."""

    def __init__(self, transport: M) -> None:
        self._transport = transport


class _Described(Generic[P, T]):
    """A method that describes a call, and what becomes of the description."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self._describe = describe
        whole = inspect.signature(describe)
        self._signature = whole.replace(parameters=list(whole.parameters.values())[1:])
        functools.update_wrapper(cast("Any", self), describe)

    def _bound(self, instance: Optional[Resource[Any]], act: Callable[[Any, Call[T]], Any]) -> Any:
        if instance is None:
            return self

        @functools.wraps(self._describe)
        def send(*args: P.args, **kwargs: P.kwargs) -> Any:
            return act(instance._transport, self._describe(instance, *args, **kwargs))

        send.__signature__ = self._signature  # type: ignore[attr-defined]
        return send


class operation(_Described[P, T]):
    """One request, one answer."""

    @overload
    def __get__(self, instance: Resource[SyncTransport], owner: Any = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Resource[AsyncTransport], owner: Any = None) -> Callable[P, Awaitable[T]]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Return the method as its client calls it."""
        return self._bound(instance, lambda transport, call: transport.send(call))


class paged(_Described[P, T]):
    """A list: a page of it, from which one goes on to the next, or walks over everything."""

    @overload
    def __get__(self, instance: Resource[SyncTransport], owner: Any = None) -> Callable[P, Page[T]]: ...
    @overload
    def __get__(self, instance: Resource[AsyncTransport], owner: Any = None) -> Callable[P, AsyncPages[T]]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Return the method as its client calls it."""
        return self._bound(instance, first_page)


class streamed(_Described[P, Decoder[D, R]], Generic[P, D, R]):
    """An answer that comes piece by piece; ``parse`` of the call makes a decoder of the pieces."""

    @overload
    def __get__(self, instance: Resource[SyncTransport], owner: Any = None) -> Callable[P, Stream[D, R]]: ...
    @overload
    def __get__(self, instance: Resource[AsyncTransport], owner: Any = None) -> Callable[P, AsyncStream[D, R]]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Return the method as its client calls it."""
        return self._bound(
            instance,
            lambda transport, call: (Stream if isinstance(transport, SyncTransport) else AsyncStream)(transport, call),
        )
