"""From the raw content of an event to sentences, with what is pasted, quoted or code set apart."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from reasoning.providers.local.lexicon import ENGLISH, FOREIGN

MAX_CHARACTERS = 60_000
"""More of one event is not read; what lies beyond is no conversation."""
MAX_SENTENCES = 400
LONG_QUOTE_WORDS = 8


class Part(enum.Enum):
    """What a piece of an event's content is."""

    OWN = "own"
    PASTED = "pasted"
    CODE = "code"
    PICTURE = "picture"


@dataclass(frozen=True)
class Sentence:
    """One sentence and where it came from."""

    text: str
    part: Part = Part.OWN
    question: bool = False


_FENCE = re.compile(r"^\s*(```|~~~)")
_BULLET = re.compile(r"^\s{0,12}(?:[-*•–+]|\d{1,3}[.)])\s+")
_PICTURE = re.compile(r"\[\s*(?:shares?|shared|sends?|sent)\b(?:[^\[\]\n:]{0,60}:)?\s*([^\[\]\n]{0,600})\]", re.I)
_HEADER = re.compile(r"^\s*(?:from|to|cc|bcc|subject|sent|date|reply-to)\s*:\s*\S", re.I)
_FORWARD = re.compile(
    r"^\W*(?:begin )?(?:forwarded message|original message|fwd:|-----original)|^on .{4,80} wrote:\s*$", re.I
)
_PASTE_LEAD = re.compile(
    r"\b(?:e-?mail|message|text|article|letter|post|draft|transcript|review|description|log|logs|"
    r"output|note|contract|"
    r"poem|lyrics|paragraph|document|spec|copy|tweet|comment|quote|paste|pasted|says|wrote|"
    r"reads)\b[^.?!]{0,60}:\s*$",
    re.I,
)
_LONG_QUOTE = re.compile(r'"([^"\n]{20,2000})"|“([^”\n]{20,2000})”|«([^»\n]{20,2000})»')
_ENDLESS = re.compile(r"[\x21-\x7e]{300,}")
_URL = re.compile(r"\b(?:https?://|www\.)\S+", re.I)
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\ufe0f\u200d\u20e3\U000e0020-\U000e007f]+",
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|vs|etc|e\.g|i\.e|a\.m|p\.m|jr|sr|no|approx|inc|ltd|co|corp|"
    r"dept|est|fig|vol|"
    r"jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|[a-z]|u\.s|u\.k|ph\.d)\.$",
    re.I,
)
_END = re.compile(r"(?<![.!?…。！？؟])([.!?…。！？؟]++)([\"'”’)\]]*+)(\s++|$|(?<=[。！？]))")
_LABEL = re.compile(r"^(?:(?:small |quick )?correction|update|fyi|edit|p\.?s\.?)\s?[:–—]\s*(?=\w)", re.I)
"""A word that announces a sentence and is no part of what it says."""

_SPACES = re.compile(r"[ \t\u00a0]+")


def _plain(text: str) -> str:
    """Straight apostrophes and quotes, no control characters, no emoji."""
    text = text.replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
    text = _EMOJI.sub(" ", text)
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def split(text: str) -> list[str]:
    """Sentences of one paragraph: not at abbreviations, initials, decimals or inside URLs."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        tail = text[max(start, match.end(2) - 12) : match.end(2)].lower()
        if match.group(1) == "." and _ABBREVIATION.search(tail):
            rest = text[match.end() : match.end() + 1]
            if not (rest.isupper() and tail.endswith(("etc.", "a.m.", "p.m.", "inc.", "ltd."))):
                continue
        if match.group(1) in ("…", "...") and text[match.end() : match.end() + 1].islower():
            continue
        piece = text[start : match.end()].strip()
        if piece:
            found.append(piece)
        start = match.end()
        if len(found) >= MAX_SENTENCES:
            return found
    rest = text[start:].strip()
    if rest:
        found.append(rest)
    return found


def _looks_like_code(line: str) -> bool:
    """Lines of code, JSON, stack traces and tables: more signs than prose has."""
    stripped = line.strip()
    if not stripped:
        return False
    if stripped.startswith(("{", "[{", "</", "<!", "#!/", "Traceback (", "import ", "def ", "class ", "SELECT ", "$ ")):
        return True
    signs = sum(1 for c in stripped if c in "{}[]<>=;|\\/_$#@^~`*+")
    return len(stripped) > 12 and signs / len(stripped) > 0.15 and not _URL.search(stripped)


def _paragraphs(text: str) -> list[tuple[str, Part]]:
    """Lines joined to paragraphs, each own, pasted or code."""
    found: list[tuple[str, Part]] = []
    current: list[str] = []
    lead = ""
    bullets: list[str] = []
    fenced = False
    pasted = False
    headers = 0

    def flush() -> None:
        nonlocal current, bullets, lead
        if bullets:
            if lead and len(" ".join(bullets).split()) <= 40:
                found.append((f"{lead} {', '.join(b.rstrip('.;,') for b in bullets)}.", Part.OWN))
            else:
                found.extend((b, Part.OWN) for b in ([lead] if lead else []) + bullets)
            bullets, lead = [], ""
        if current:
            found.append((" ".join(current), Part.OWN))
            current = []

    for line in text.split("\n"):
        if _FENCE.match(line):
            flush()
            fenced = not fenced
            continue
        if fenced:
            continue
        stripped = line.strip()
        if not stripped:
            flush()
            headers = 0
            continue
        if stripped.startswith((">", "&gt;")):
            flush()
            found.append((stripped.lstrip("> "), Part.PASTED))
            continue
        if _FORWARD.match(stripped):
            pasted = True
        headers = headers + 1 if _HEADER.match(stripped) else 0
        if headers >= 2:
            pasted = True
            if current and _HEADER.match(current[-1]):
                current.pop()
        if pasted:
            flush()
            found.append((stripped, Part.PASTED))
            continue
        if _looks_like_code(stripped):
            flush()
            found.append((stripped, Part.CODE))
            continue
        bullet = _BULLET.match(line)
        if bullet:
            if current:
                tail = current[-1]
                if tail.rstrip().endswith(":"):
                    sentences = split(" ".join(current))
                    lead = sentences[-1]
                    current = sentences[:-1]
                    held = lead
                    flush()
                    lead = held
                else:
                    flush()
            bullets.append(line[bullet.end() :].strip())
            continue
        if bullets:
            flush()
        current.append(stripped)
        if stripped.endswith(":") and _PASTE_LEAD.search(stripped[-160:]):
            flush()
            pasted = True
    flush()
    return found


def read(content: str) -> list[Sentence]:
    """All sentences of an event's content in order."""
    text = _ENDLESS.sub(lambda m: m.group(0)[:60] + "…", content[:MAX_CHARACTERS])
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    pictures: list[str] = []

    def picture(match: re.Match[str]) -> str:
        pictures.append(match.group(1).strip())
        return " "

    text = _PICTURE.sub(picture, _plain(text)) if "[" in text else _plain(text)
    if text.count('"') % 2 == 0:
        text, quotes = _cut_quotes(text)
    else:
        quotes = []
    found: list[Sentence] = []
    for paragraph, part in _paragraphs(text):
        clean = _SPACES.sub(" ", paragraph).strip()
        if not clean:
            continue
        if part is not Part.OWN:
            found.append(Sentence(clean, part))
            continue
        for sentence in split(clean):
            if len(found) >= MAX_SENTENCES:
                break
            sentence = _LABEL.sub("", sentence)
            found.append(Sentence(sentence, Part.OWN, sentence.rstrip("\"')] ").endswith(("?", "؟", "？", "?!", "!?"))))
    found.extend(Sentence(quote, Part.PASTED) for quote in quotes)
    found.extend(Sentence(caption, Part.PICTURE) for caption in pictures if caption)
    return found


def _cut_quotes(text: str) -> tuple[str, list[str]]:
    """Text with long quotations replaced by an ellipsis, and the quotations."""
    quotes: list[str] = []

    def cut(match: re.Match[str]) -> str:
        inside = next(group for group in match.groups() if group is not None)
        if len(inside.split()) < LONG_QUOTE_WORDS:
            return match.group(0)
        quotes.append(inside.strip())
        return '"…"'

    return _LONG_QUOTE.sub(cut, text), quotes


def english(text: str) -> bool:
    """Whether English rules may be applied: enough of its small words, in its script."""
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text[:4000].lower())
    if not words:
        return True
    latin = sum(1 for w in words if w[0] < "ɐ")
    if latin < 0.8 * len(words):
        return False
    known = sum(1 for w in words if w in ENGLISH)
    foreign = sum(1 for w in words if w in FOREIGN)
    if foreign > known:
        return False
    return len(words) < 4 or known >= 0.15 * len(words)
