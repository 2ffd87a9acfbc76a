"""Whether an answer is in a language that neither the events nor what stood are in.

By script first, then by the words that every sentence of a language needs. A false alarm costs a model call and keeps
memory back, a miss costs a paragraph in the wrong language: so short, mixed and unknown text passes.

The words are the most frequent ones of the Snowball project's stop word lists (snowballstem.org), without those that
would make close neighbours alike. Libraries were compared (2026): py3langid 0.4 brings numpy (78 MB with it, 0.7 s to
the first answer), lingua 2.1 is 96 MB and takes 0.9 GB of memory; both are better on single sentences, and neither is
needed for text of some length between languages that are told apart by every third word.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import chain

from reasoning.gates.text import same, seen
from reasoning.gates.verdict import Gate, Problem
from reasoning.providers.base import Answer, Request

MOST_CHARACTERS = 40_000
"""So much of a text is looked at."""

FEWEST_LETTERS = 30
DOMINANT = 0.8
"""A text is in a script if so much of its letters is; names and quotations are the rest."""

FEWEST_SPOKEN = 10
FOREIGN = 0.05
"""So little of a script in what somebody says, and it is not theirs."""

FEWEST_WORDS = 12
FEWEST_MARKS = 4
"""Different ones: a sentence that is said four times proves no more than once."""

FEWEST_HINTS = 2
"""So many words of a language from anybody, and an answer in it may be right."""

COMMON = 0.22
"""A text is in a language if so many of its words are among the language's marks; honest text has 0.3 to 0.6."""

AHEAD = 1.6
"""How far the language must be ahead of every other, for the text to be judged."""

_SCRIPTS = {
    "CJK": "East Asian", "HIRAGANA": "East Asian", "KATAKANA": "East Asian", "IDEOGRAPHIC": "East Asian",
    "HANGUL": "Hangul", "LATIN": "Latin", "CYRILLIC": "Cyrillic", "GREEK": "Greek", "ARABIC": "Arabic",
    "HEBREW": "Hebrew", "DEVANAGARI": "Devanagari", "THAI": "Thai", "ARMENIAN": "Armenian", "GEORGIAN": "Georgian",
    "BENGALI": "Bengali", "TAMIL": "Tamil", "TELUGU": "Telugu",
}  # fmt: skip
_DENSE = {"East Asian": 3, "Hangul": 2}
"""How many Latin letters one letter of these is worth."""

_MARKS = {
    "English": (
        "the and of to in on is was are were that this it with for as by at be been has had have he she they his her "
        "their him them which who what when not from or an but would will can could should about after before because "
        "while also than into through between during both there i you we my your our do does did"
    ),
    "German": (
        "der die das in seit ihrer den dem des und ist war sind waren ein eine einen einem einer nicht mit für von zu "
        "zum zur auf im am als auch sich sie er es ich wir ihr ihre ihren seine seinen seiner hat hatte haben wird "
        "werden wurde dass bei aus nach über aber oder wenn weil noch nur schon sehr mehr kein keine bis durch um wie"
    ),
    "French": (
        "le la les des du et est sont était un une pour pas avec que qui dans sur au aux ce cette ces il elle ils "
        "elles je nous vous son sa ses leur leurs mon ma mes ne se par plus mais ou où être avoir ont été parce comme "
        "après avant depuis chez très tout"
    ),
    "Spanish": (
        "el la los las del y es son era fue un una unos por para con no que en su sus se lo le les como más pero muy "
        "también cuando está están este esta ha han había porque sobre entre desde hasta ya yo ella ellos nos mi al "
        "sin"
    ),
    "Portuguese": (
        "o os as do da dos das e é são era foi um uma por para com não que em no na nos nas seu sua seus suas se mais "
        "mas muito também quando está estão este esta tem têm porque sobre entre desde até já eu ela eles ao pelo "
        "pela"
    ),
    "Italian": (
        "il lo la gli le del della dei delle dello di e è sono era un una uno per con non che in nel nella si come "
        "più ma anche quando questo questa ha hanno perché su tra da dal dalla ai al alla suo sua suoi loro io lei ci "
        "molto"
    ),
    "Dutch": (
        "de het een in en van is zijn was waren niet met voor op aan om te dat die deze dit hij zij ze ik wij we hun "
        "haar heeft had hebben wordt worden werd bij uit naar over maar of als omdat nog ook geen door tot wel er"
    ),
    "Swedish": (
        "och det att i en ett som är var den på med för inte av till har hade han hon de jag vi sin sitt sina om men "
        "eller när från kan ska skulle också efter vid mycket bara där"
    ),
    "Danish": (
        "og det at i en et som er var den på med for ikke af til har havde han hun de jeg vi sin sit sine om men "
        "eller når fra kan skal skulle også efter ved meget kun der blev"
    ),
    "Polish": (
        "i w na z do się nie jest są był była że to jak o po od dla przez ale lub gdy kiedy oraz jego jej ich ten ta "
        "tego który która które przed także tylko już może ma mają"
    ),
    "Czech": (
        "a v na z do se ne je jsou byl byla že to jak o po od pro ale nebo když jeho její jejich ten ta který která "
        "které před také jen už může má mají ve si by s"
    ),
    "Romanian": (
        "și în la cu de pe nu este sunt era un o pentru din că care mai dar sau când lui ei lor sa său a au fost prin "
        "după între despre această acest"
    ),
    "Turkish": (
        "ve bir bu da de için ile çok daha ama olarak olan gibi kadar sonra önce ne o onun ki mi değil var yok her en "
        "ise veya ya"
    ),
    "Finnish": (
        "ja on ei se että oli hän ovat joka mutta kun niin myös tai kuin ole sekä jotka hänen sen olla vain jos ennen "
        "koska"
    ),
    "Hungarian": (
        "a az és hogy nem is egy van volt ez azt de meg csak már mint vagy ha még el ki neki aki ami lesz nagyon mert "
        "után"
    ),
    "Indonesian": (
        "yang dan di dari ke untuk dengan pada ini itu adalah tidak akan dia mereka ia oleh juga sudah telah karena "
        "atau saat sebagai bisa dalam lebih"
    ),
}
_PROFILES = {language: frozenset(words.split()) for language, words in _MARKS.items()}
_MARKED_BY: dict[str, list[str]] = defaultdict(list)
for _language, _marks in _PROFILES.items():
    for _mark in _marks:
        _MARKED_BY[_mark].append(_language)
_NAMES = {
    "English": ("english", "englisch", "anglais", "inglés", "inglês", "inglese"),
    "German": ("german", "deutsch"),
    "French": ("french", "français"),
    "Spanish": ("spanish", "español", "castellano"),
    "Portuguese": ("portuguese", "português"),
    "Italian": ("italian",),
    "Dutch": ("dutch", "nederlands"),
    "Swedish": ("swedish", "svensk"),
    "Danish": ("danish", "dansk"),
    "Polish": ("in polish", "polsk"),
    "Czech": ("czech", "česk", "čeština"),
    "Romanian": ("romanian", "român"),
    "Turkish": ("turkish", "türkçe"),
    "Finnish": ("finnish", "suome"),
    "Hungarian": ("hungarian", "magyar"),
    "Indonesian": ("indonesia",),
}
"""How a prompt would name them, in small letters."""

_NAMES_BY_SCRIPT = {
    "Latin": tuple(name for names in _NAMES.values() for name in names),
    "Cyrillic": ("russian", "ukrainian", "bulgarian", "serbian", "русск", "україн", "българ"),
    "East Asian": ("chinese", "japanese", "mandarin", "中文", "汉语", "漢語", "日本語"),
    "Hangul": ("korean", "한국어"),
    "Greek": ("greek", "ελλην"),
    "Arabic": ("arabic", "persian", "farsi", "urdu", "عرب", "فارسی"),
    "Hebrew": ("hebrew", "עברית"),
    "Devanagari": ("hindi", "marathi", "nepali", "हिन्दी"),
    "Thai": ("thai", "ไทย"),
}
_WORD = re.compile(r"[^\W\d_]+")


def flipped(request: Request, answer: Answer) -> Iterator[Problem]:
    """Yield a problem where what is new in ``answer`` is in another language than the events and what stood.

    Each voice counts for itself: one person's few words are not outweighed by a tool's output. A language that the
    prompt names is as good as theirs.
    """
    new = seen(_new(request, answer))[:MOST_CHARACTERS]
    script, prompt = script_of(new), request.instructions.casefold()
    if script is None:
        return
    voices = _voices(request)
    if voices and all(letters[script] < FOREIGN * letters.total() for letters in voices.values()):
        if not any(name in prompt for name in _NAMES_BY_SCRIPT.get(script, ())):
            yield Problem(Gate.LANGUAGE, f"It is written in {script} letters, which nobody and nothing before it was.")
        return
    language, theirs = language_of(new), {language_of(voice) for voice in voices} - {None}
    if language is None or not theirs or any(_could_be(language, voice) for voice in voices):
        return
    if not any(name in prompt for name in _NAMES[language]):
        spoken = " and ".join(sorted(str(each) for each in theirs))
        yield Problem(Gate.LANGUAGE, f"It is written in {language}; the events and what stood are in {spoken}.")


def _could_be(language: str, voice: str) -> bool:
    """Say whether a voice, however little it says, may be in ``language``."""
    shares = _shares(voice)
    most = max(shares.values())
    return most * len(_words(voice)) >= FEWEST_HINTS and shares[language] * AHEAD >= most


def script_of(text: str) -> str | None:
    """Return the script that nearly all of ``text`` is written in; ``None`` where that is not certain."""
    found = _scripts(text)
    total = sum(found.values())
    script, size = max(found.items(), key=lambda item: item[1], default=("", 0))
    return script if total >= FEWEST_LETTERS and size >= DOMINANT * total else None


def language_of(text: str) -> str | None:
    """Return the language of a text in Latin letters; ``None`` where it is not certain."""
    words = _words(text)
    (share, first), (second, _) = sorted(((share, name) for name, share in _shares(text).items()), reverse=True)[:2]
    enough = len(words) >= FEWEST_WORDS and len(_PROFILES[first].intersection(words)) >= FEWEST_MARKS
    return first if enough and share >= COMMON and share >= AHEAD * second else None


def _shares(text: str) -> dict[str, float]:
    """Return, for each language, which part of the words is among its marks."""
    words = _words(text)
    found = Counter(chain.from_iterable(_MARKED_BY.get(word, ()) for word in words))
    return {language: found[language] / max(1, len(words)) for language in _PROFILES}


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _scripts(text: str) -> Counter[str]:
    """Return how many letters of each script there are, dense scripts' counted for what they are worth."""
    found: Counter[str] = Counter()
    for character, times in Counter(text).items():
        if script := _script(character):
            found[script] += times * _DENSE.get(script, 1)
    return found


@cache
def _script(character: str) -> str | None:
    """Return the script of a letter; the standard library knows it only as the first word of the letter's name."""
    if not character.isalpha():
        return None
    name = unicodedata.name(character, "").split(" ", 1)[0]
    return _SCRIPTS.get(name, name or None)


def _new(request: Request, answer: Answer) -> str:
    """Return what ``answer`` says that did not stand before (without ``now``)."""
    stood = {same(line) for line in request.card} | {same(statement.content) for statement in request.known}
    lines = [*(statement.content for statement in answer.add), *answer.card]
    whole = [text for text in (answer.short_summary, answer.long_summary)
             if text not in (request.short_summary, request.long_summary)]  # fmt: skip
    return "\n".join([line for line in lines if same(line) not in stood] + whole)


def _voices(request: Request) -> dict[str, Counter[str]]:
    """Return what each author said, and what stood, with its letters; not what is too short to have a script."""
    spoken: dict[tuple[str, str | None] | None, list[str]] = defaultdict(list)
    for event in request.events:
        data = "" if event.data is None else json.dumps(event.data, ensure_ascii=False, default=str)
        spoken[event.origin, event.author] += [event.content, data]
    spoken[None] = [*(statement.content for statement in request.known), *request.card]
    spoken[None] += [request.now, request.short_summary, request.long_summary]
    texts = (seen("\n".join(each))[:MOST_CHARACTERS] for each in spoken.values())
    letters = {text: _scripts(text) for text in texts}
    return {text: found for text, found in letters.items() if found.total() >= FEWEST_SPOKEN}
