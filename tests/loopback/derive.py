"""What the loopback model concludes: an answer made from the prompt alone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

MAX_QUOTE = 240
MAX_SUMMARY = 2_000

_SUBJECT = re.compile(r'^Subject: (user|session|project) ("(?:[^"\\]|\\.)*")', re.MULTILINE)
_QUESTION = re.compile(r"<(question[^>]*)>\n(.*?)\n</\1>", re.DOTALL)
_ITEM = re.compile(r"^\[(\d+)\] .*\n((?:\|.*\n)+)", re.MULTILINE)
_EVENT = re.compile(
    r"\[(?P<number>\d+)\] \w+ (?P<day>\d{4}-\d{2}-\d{2}) \d{2}:\d{2}[^;]*; (?P<kind>[^;]+); "
    r'from (?P<origin>[^ ;]+)(?: (?P<author>"(?:[^"\\]|\\.)*"))?'
    r'(?:; session (?P<session>"(?:[^"\\]|\\.)*"))?(?P<done>; carried out)?\Z'
)
_KNOWN = re.compile(r"K(\d+) \(.*\)\Z")
_TITLE = re.compile(r"(card|now|short_summary|long_summary):(?: \(none yet\))?\Z")


@dataclass
class SeenEvent:
    """An event as it can be read from the prompt."""

    number: int
    day: str
    kind: str
    origin: str
    author: str | None
    session: str | None
    carried_out: bool
    lines: list[str] = field(default_factory=list)
    data: Any = None

    @property
    def content(self) -> str:
        return "\n".join(self.lines)


@dataclass
class SeenPrompt:
    """All that the loopback model reads from a prompt."""

    kind: str = "user"
    subject: str = ""
    events: list[SeenEvent] = field(default_factory=list)
    known: dict[int, str] = field(default_factory=dict)
    sections: dict[str, list[str]] = field(default_factory=dict)


def read_prompt(messages: list[dict[str, Any]]) -> SeenPrompt:
    """Read the blocks of the last message. Raises ``ValueError`` where there is no block, or no known memory."""
    text = str(messages[-1]["content"])
    subject = _SUBJECT.search(text)
    if subject is None:
        raise ValueError("the prompt names no subject")
    prompt = SeenPrompt(kind=subject[1], subject=json.loads(subject[2]))
    _read_known(_block(text, "known-memory"), prompt)
    if "The new events" in text:
        _read_events(_block(text, "event-log"), prompt)
    return prompt


def _block(text: str, name: str) -> list[str]:
    found = re.search(rf"^<({name}(?:-\d+)?)>\n(.*?)\n</\1>$", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"the prompt has no block {name}")
    return found[2].split("\n")


def _read_known(lines: list[str], prompt: SeenPrompt) -> None:
    number, title = 0, ""
    for line in lines:
        known, heading = _KNOWN.match(line), _TITLE.match(line)
        if known:
            number, title = int(known[1]), ""
            prompt.known[number] = ""
        elif heading:
            number, title = 0, heading[1]
            prompt.sections[title] = []
        elif line.startswith("|") and number:
            prompt.known[number] += line[2:]
        elif line.startswith("|") and title:
            prompt.sections[title].append(line[2:])


def _read_events(lines: list[str], prompt: SeenPrompt) -> None:
    for line in lines:
        found = _EVENT.match(line)
        if found:
            author, session = found["author"], found["session"]
            prompt.events.append(
                SeenEvent(
                    number=int(found["number"]),
                    day=found["day"],
                    kind=found["kind"],
                    origin=found["origin"],
                    author=json.loads(author) if author else None,
                    session=json.loads(session) if session else None,
                    carried_out=bool(found["done"]),
                )
            )
        elif line.startswith("|"):
            prompt.events[-1].lines.append(line[2:])
        elif line.startswith("data | "):
            prompt.events[-1].data = json.loads(line.removeprefix("data | "))
        elif line != "(no events)":
            raise ValueError("a line of the event block is neither an event's nor its content")


def derive_answer(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """An answer of the right form: one statement for each text said, with the events that say it.

    Where there are no events, it is what was shown: there is nothing to consolidate. A correction that was carried out
    is none: what it says holds already.
    """
    prompt = read_prompt(messages)
    prompt.events = [event for event in prompt.events if not event.carried_out]
    if not prompt.events:
        return _as_shown(prompt)
    add: dict[str, dict[str, Any]] = {}
    for event in prompt.events:
        if event.origin == "recalled":
            continue
        content = _statement(event)
        statement = add.setdefault(
            content,
            {
                "content": content,
                "events": [],
                "level": "explicit",
                "about": event.author,
                "held_from": event.day,
                "held_until": event.day,
                "importance": 5 if event.origin == "operator" else 3,
            },
        )
        statement["events"].append(event.number)
    last = _statement(prompt.events[-1])
    session = prompt.kind == "session"
    return {
        "add": list(add.values()),
        "retire": [],
        "card": _card(prompt),
        "now": f"Last of all, {last}",
        "short_summary": f"{prompt.subject}: {last}"[:MAX_SUMMARY] if session else "",
        "long_summary": _long_summary(prompt) if session else "",
    }


def _as_shown(prompt: SeenPrompt) -> dict[str, Any]:
    texts = {name: "\n".join(prompt.sections.get(name, [])) for name in ("now", "short_summary", "long_summary")}
    return {"add": [], "retire": [], "card": prompt.sections.get("card", []), **texts}


def _statement(event: SeenEvent) -> str:
    text = " ".join(event.content.split()) or json.dumps(event.data, ensure_ascii=False)
    quote = text if len(text) <= MAX_QUOTE else text[: MAX_QUOTE - 1] + "…"
    return f'{event.author or "The " + event.origin} said on {event.day}: "{quote}"'


def _card(prompt: SeenPrompt) -> list[str]:
    own = f"{prompt.kind.capitalize()}: {prompt.subject}"
    return list(dict.fromkeys([own, *prompt.sections.get("card", [])]))[:12]


def _long_summary(prompt: SeenPrompt) -> str:
    old = "\n".join(prompt.sections.get("long_summary", []))
    new = "\n".join(_statement(event) for event in prompt.events)
    return f"{old}\n{new}".strip()[-MAX_SUMMARY:]


def derive_reply(messages: list[dict[str, str]]) -> str | None:
    """The items that share a word of four letters or more with a question, each with its number; None without one."""
    text = messages[-1]["content"]
    asked = _QUESTION.search(text)
    if asked is None:
        return None
    words = set(re.findall(r"\w{4,}", asked[2].lower()))
    said = [
        f"{body.replace('| ', '').strip()} [{number}]"
        for number, body in _ITEM.findall(text)
        if words & set(re.findall(r"\w{4,}", body.lower()))
    ]
    return " ".join(said) or "NOT KNOWN"
