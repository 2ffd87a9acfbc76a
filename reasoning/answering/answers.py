"""From a question to an answer that rests on what memory holds, or to "Not known."."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from memory import clock, waiting
from memory.errors import Refusal
from memory.models import Subject
from reasoning import metrics
from reasoning.answering import evidence, extract, prompt, reply
from reasoning.answering.calls import Bill, Model, NoModel
from reasoning.answering.evidence import About, Item, Standing
from reasoning.answering.levels import Level
from reasoning.answering.reply import Reply
from reasoning.conf import ReasoningSettings
from reasoning.providers.local.provider import MODEL as LOCAL_MODEL

NOT_KNOWN = "Not known."


class Busy(Refusal):
    """As many requests of this process wait for something as may."""

    code = "busy"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of memory. ``stream``: the text is wanted as it is written."""

    about: About
    text: str
    level: Level
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What memory says to a question; not ``known``, it says nothing. ``citations`` are what it rests on."""

    text: str
    known: bool
    citations: Sequence[Item]
    level: Level
    bill: Bill
    standing: Standing


def answer(question: Question) -> Iterator[str | Answer]:
    """Yield pieces of the answer's text where it is to be streamed, and at last the :class:`Answer`.

    An empty piece says that the model still thinks; the first of them, that what can be refused has not been. No piece
    comes before a source of it is known, and all of them together are the answer's text. Who stops iterating ends the
    model's call. Raises :class:`~memory.errors.NotFound`, :class:`Busy`, :class:`~reasoning.answering.calls.CannotPay`
    and :class:`~reasoning.chain.ProviderFailed`.
    """
    began, outcome = time.monotonic(), "left"
    level = question.level.name
    try:
        for piece in _answer(question):
            if isinstance(piece, Answer):
                outcome = "known" if piece.known else "unknown"
            yield piece
    except Exception:
        outcome = "failed"
        raise
    finally:
        metrics.QUERIES.labels("reason", level, outcome).inc()
        metrics.QUERY_DURATION.labels("reason", level).observe(time.monotonic() - began)


def whole(question: Question) -> Answer:
    """Return the answer to a question; see :func:`answer` for what it raises."""
    *_, last = answer(question)
    if not isinstance(last, Answer):
        raise TypeError("an answer ends with the answer")
    return last


def _answer(question: Question) -> Iterator[str | Answer]:
    question = replace(question, level=question.level.within(ReasoningSettings.load().context_tokens))
    known = evidence.standing(question.about)
    items = evidence.look_up(known, question.text, question.level)
    with Model(known.where.app_id) as model:
        try:
            found, items = yield from _asked(question, known, items, model)
            text, cited = found.text, [items[number - 1] for number in found.cited] if found.known else []
        except NoModel:
            yield ""
            cited = extract.extract(question.text, items, _names(known))
            text = "\n".join(item.text for item in cited)
            model.bill.model = LOCAL_MODEL
            if question.stream and cited:
                yield text
    if not cited:
        text = NOT_KNOWN
        if question.stream:
            yield text
    yield Answer(text, bool(cited), cited, question.level, model.bill, known)


def _asked(
    question: Question, known: Standing, items: list[Item], model: Model
) -> Generator[str, None, tuple[Reply, list[Item]]]:
    """Ask a model as the level says; return what it says at last, with nothing cited where it does not know."""
    with waiting.room() as granted:
        if not granted:
            raise Busy("Too many questions are being answered at this moment: ask again in a second.")
        level, now = question.level, clock.now()
        searches, again = level.searches, False
        while True:
            messages = prompt.ask(question.text, known.overview, items, now, may_search=searches > 0, again=again)
            draft = yield from _said(model, messages, items, question.stream and not level.verifies)
            if draft.searches and searches:
                searches -= 1
                items = evidence.look_further(known, items, draft.searches, level)
            elif draft.text and not draft.cited and level.asks_again and not again:
                again = True
            else:
                break
        if draft.known and level.verifies:
            draft = yield from _verified(question, known, items, now, draft, model)
        return draft, items


def _verified(
    question: Question, known: Standing, items: list[Item], now: datetime, draft: Reply, model: Model
) -> Generator[str, None, Reply]:
    messages = prompt.verify(question.text, known.overview, items, now, draft.marked)
    return (yield from _said(model, messages, items, question.stream))


def _said(
    model: Model, messages: tuple[prompt.Message, ...], items: Sequence[Item], stream: bool
) -> Generator[str, None, Reply]:
    """Let a model speak; where that is streamed, pass on what it says from the first source that it names."""
    said, given = "", ""
    for piece in model.say(messages, stream=stream):
        said += piece
        if not stream or not piece:
            yield ""
            continue
        so_far = reply.read(said, len(items), whole=False)
        if so_far.known and so_far.text.startswith(given):
            yield so_far.text[len(given) :]
            given = so_far.text
    found = reply.read(said, len(items))
    if stream and found.known and found.text.startswith(given):
        yield found.text[len(given) :]
    return found


def _names(known: Standing) -> list[str]:
    subjects = Subject.objects.filter(pk__in=known.subjects).select_related("user", "project")
    return [thing.name for subject in subjects if (thing := subject.user or subject.project) is not None]
