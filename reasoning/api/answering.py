"""What the addresses that answer questions share: refusals before the first byte, and streams after it."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.http import StreamingHttpResponse

from memory import clock, slots
from memory.api import errors, shapes
from memory.api.errors import HttpRefusal
from memory.errors import Refusal
from reasoning.answering import answers
from reasoning.answering.answers import Answer, Busy, Question
from reasoning.answering.calls import CannotPay
from reasoning.api.endpoint import unavailable
from reasoning.chain import ProviderFailed

log = structlog.get_logger(__name__)

EVENT_STREAM = "text/event-stream; charset=utf-8"
REFUSES = {
    402: "A budget has no room for the answer, or a price is missing (`over_budget`, `no_price`).",
    502: "No provider can answer before an operator has acted (`provider_failed`).",
    503: "No provider can answer now (`provider_failed`), too many questions are being answered (`busy`), or the"
    " database cannot be reached; `Retry-After` says when to ask again.",
}

BROKE_OFF = " … (The answer broke off here.)"
"""What ends bare text that is not whole."""

Pieces = Iterator[str | Answer]


def whole(question: Question) -> Answer:
    """Return the answer, or raise what HTTP answers instead."""
    with _refusals():
        return answers.whole(question)


def events(question: Question, shape: Any) -> StreamingHttpResponse:
    """Return the answer as it is written, as server-sent events: ``delta``, ``done`` with its shape, ``error``.

    What can be refused is refused before, by status.
    """
    pieces = answers.answer(question)
    with _refusals():
        next(pieces)
    return _stream(_framed(pieces, shape, errors.current_request_id()))


def raw(question: Question) -> StreamingHttpResponse:
    """Return the answer's bare text as it is written. Its first piece comes first: an error before it has a status."""
    pieces = answers.answer(question)
    with _refusals():
        first = next(piece for piece in pieces if piece)
    return _stream(_bare(first, pieces))


def _stream(chunks: Generator[bytes]) -> StreamingHttpResponse:
    # Neither a proxy nor a middleware that compresses may keep pieces back.
    headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Content-Encoding": "identity"}
    return StreamingHttpResponse(slots.working(chunks), content_type=EVENT_STREAM, headers=headers)


def _framed(pieces: Pieces, shape: Any, request_id: str) -> Generator[bytes]:
    try:
        for piece in pieces:
            if isinstance(piece, Answer):
                yield _event("done", shape(piece))
            else:
                yield _event("delta", {"text": piece}) if piece else b": thinking\n\n"
    except Refusal as error:
        yield _event("error", {"detail": error.message, "code": error.code, "request_id": request_id})
    except Exception as error:
        # Not the message: it may tell what was said.
        log.error("answer_broken", error=type(error).__name__)
        detail = "An unexpected error occurred"
        yield _event("error", {"detail": detail, "code": "server_error", "request_id": request_id})
    finally:
        _end(pieces)


def _bare(first: str | Answer, pieces: Pieces) -> Generator[bytes]:
    """Yield the text, and nothing (no bytes at all) where the model still thinks: the server sees who has gone."""
    try:
        yield str(first).encode()
        for piece in pieces:
            if isinstance(piece, str):
                yield piece.encode()
    except Refusal as error:
        log.warning("answer_broke_off", code=error.code)
        yield BROKE_OFF.encode()  # servers end such a stream as if it were whole
    finally:
        _end(pieces)


def _end(pieces: Pieces) -> None:
    """End the model's call where nobody listens any more."""
    if isinstance(pieces, Generator):
        pieces.close()


def _event(name: str, data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the domain refuses into what HTTP answers."""
    try:
        yield
    except CannotPay as error:
        headers = dict(errors.NO_RETRY)
        if error.until is not None:
            headers["Retry-After"] = str(max(int((error.until - clock.now()).total_seconds()), 1))
        raise HttpRefusal(402, error.code, error.message, headers) from None
    except ProviderFailed as error:
        raise unavailable(error) from None
    except Busy as error:
        raise HttpRefusal(503, error.code, error.message, {"Retry-After": "1"}) from None


def freshness(known: Any) -> shapes.Shape:
    """Return which version an answer rests on, and how fresh that is."""
    return {
        "version": known.version,
        "as_of": shapes.moment(known.as_of),
        "behind": shapes.behind(known.behind_events, known.behind_seconds),
    }
