"""Relative dates made absolute, from when the event occurred."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

from reasoning.providers.local.lexicon import MONTHS, NUMBERS, WEEKDAYS, is_past

_NUMBER = (
    r"(?:a couple of|a couple|couple of|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|"
    r"twelve|fifteen|twenty|"
    r"thirty|\d{1,3})"
)
_DAY = "|".join(WEEKDAYS)
_SHORT_DAY = {
    "mon": 0,
    "tue": 1,
    "tues": 1,
    "wed": 2,
    "weds": 2,
    "thu": 3,
    "thur": 3,
    "thurs": 3,
    "fri": 4,
    "sat": 5,
    "sun": 6,
}
_MONTH = "|".join(MONTHS)
_SHORT = r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
_PREPOSITIONS = (
    r"\b(?:(?P<prep>by|until|till|before|since|for|from|after|through|during|of|around|on|in|to|"
    r"between|end of|"
    r"start of|starting|due) )?"
)
_RELATIVE = re.compile(
    _PREPOSITIONS
    + r"(?:"
    + r"(?P<dby>the day before yesterday)|(?P<dat>the day after tomorrow)|"
    + r"(?P<yest>yesterday(?: (?P<ypart>morning|afternoon|evening|night))?)|"
    + r"(?P<tom>tomorrow(?: (?P<tpart>morning|afternoon|evening|night))?)|"
    + r"(?P<night>tonight)|(?P<lnight>last night)|(?P<tpart2>(?:earlier )?this (?P<dpart>morning|"
    r"afternoon|evening))|"
    + r"(?P<today>(?:earlier )?today)|"
    + rf"(?P<ago>(?:about |around |almost |over )?(?P<an>{_NUMBER}) (?P<au>day|weekend|week|month|year)s? (?:ago|"
    r"back)\b)|"
    + r"(?P<fewago>(?:a few|few|several|some) (?P<fu>day|week|month|year)s (?:ago|back)\b)|"
    + rf"(?P<hence>(?P<hn>{_NUMBER}) (?P<hu>day|week|month|year)s?(?: from now| from today)\b)|"
    + rf"(?P<rel>(?P<rw>last|next|this|this past|this coming|past|coming) (?P<ru>{_DAY}|"
    rf"{'|'.join(sorted(_SHORT_DAY, key=len, reverse=True))}|week|weekend|month|year|spring|"
    + rf"summer|fall|autumn|winter|{_MONTH}))|"
    + rf"(?P<wd>(?P<wdn>{_DAY}))|"
    + rf"(?P<md>(?P<mm>{_MONTH}|{_SHORT})\.? (?P<mday>\d{{1,2}})(?:st|nd|rd|th)?(?!\d|:|%|,? \d{{4}}))|"
    + rf"(?P<dm>(?:the )?(?P<dday>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<dmm>{_MONTH}|{_SHORT})(?!\w|,? "
    rf"\d{{4}}))|"
    + rf"(?P<mo>(?P<mon>{_MONTH})(?!\w|,? \d))"
    + r")\b(?P<poss>'s)?(?P<verb>(?= (?:was|is|will|would|were)\b))?",
    re.I,
)
_RECURRING = (" every", " each")
"""Words before a day that make it a habit, which has no date."""

_IN_N = re.compile(rf"\b(?P<p>in|within) (?P<n>{_NUMBER}) (?P<u>day|week|month|year)s?(?: time)?\b(?!')", re.I)
_FOR_YEARS = re.compile(
    rf"\bfor (?:(?:about|over|almost|nearly|around|like) )?(?P<n>{_NUMBER}) years?(?: now)?\b", re.I
)
_FULL = re.compile(
    rf"\b(?:(?P<d>\d{{1,2}})(?:st|nd|rd|th)? (?P<m>{_MONTH}|{_SHORT})\.?,? (?P<y>\d{{4}})|"
    rf"(?P<m2>{_MONTH}|{_SHORT})\.? (?P<d2>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y2>\d{{4}})|"
    r"(?P<iso>\d{4}-\d{2}-\d{2}))\b",
    re.I,
)
_HINT = re.compile(
    r"day|tonight|tomorrow|night|ago|back|last|next|this|morning|from now|week|month|year|in a|in \w+ |within|"
    r"past|coming|" + _MONTH + "|" + _SHORT,
    re.I,
)
_FUTURE = re.compile(
    r"\b(?:will|'ll|going to|gonna|plan|planning|want|hope|hoping|need|due|deadline|must|should|have "
    r"to|tomorrow|next|"
    r"upcoming|is on|are on|leaving|leave|starts?|launch|wedding|appointment|can't wait|excited)\b",
    re.I,
)


_MEANT = re.compile(
    r"\b(?:will|going to|'ll|deadline|due|want|planned for|(?:decided|planned|agreed|promised|hoped|wanted|chose|"
    r"booked|signed up|registered|invited \w+|asked \w+) (?:to|for|a|an|the|my|our)|"
    r"got (?:an? )?(?:ticket|appointment)s?)\b"
)
"""What was decided, or will be, lies ahead even where the verb is past."""


@dataclass(frozen=True)
class Resolved:
    """A sentence with absolute dates and the time that they span."""

    text: str
    start: date | None = None
    end: date | None = None
    kind: str = ""
    """"past" or "future" as seen from the event, "" where nothing was resolved."""


def say(day: date) -> str:
    """ "7 May 2023"."""
    return f"{day.day} {calendar.month_name[day.month]} {day.year}"


def _month(year: int, month: int) -> tuple[int, int]:
    """Year and month with the month brought back into 1..12."""
    index = year * 12 + month - 1
    return max(index // 12, 1), index % 12 + 1


def _span_of_month(year: int, month: int) -> tuple[date, date]:
    year = min(max(year, 1), 9999)
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def _shift(day: date, days: int) -> date:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return day


def _number(text: str) -> int:
    return int(text) if text.isdigit() else NUMBERS.get(text.lower(), 1)


def _offset(today: date, count: int, unit: str) -> tuple[str, date, date, str]:
    """What lies ``count`` units from today: words, start, end, the preposition that fits."""
    if unit == "day":
        day = _shift(today, count)
        return say(day), day, day, "on"
    if unit == "weekend":
        saturday = _shift(today, 5 - today.weekday() + 7 * count)
        return f"the weekend of {say(saturday)}", saturday, _shift(saturday, 1), "on"
    if unit == "week":
        day = _shift(today, 7 * count)
        monday = _shift(day, -day.weekday())
        return f"the week of {say(monday)}", monday, _shift(monday, 6), "in"
    if unit == "month":
        year, month = _month(today.year, today.month + count)
        start, end = _span_of_month(year, month)
        return f"{calendar.month_name[month]} {year}", start, end, "in"
    year = min(max(today.year + count, 1), 9999)
    return str(year), date(year, 1, 1), date(year, 12, 31), "in"


_SEASONS = {"spring": 3, "summer": 6, "fall": 9, "autumn": 9, "winter": 12}


def _relative(today: date, which: str, unit: str, past: bool) -> tuple[str, date, date, str]:
    """ "last Friday", "next month", "this summer"."""
    step = {"last": -1, "past": -1, "this past": -1, "next": 1, "coming": 1, "this coming": 1}.get(which, 0)
    if unit in WEEKDAYS:
        ahead = (WEEKDAYS.index(unit) - today.weekday()) % 7
        if step < 0 or (step == 0 and past):
            day = _shift(today, ahead - 7)
        else:
            day = _shift(today, 7 - today.weekday() + WEEKDAYS.index(unit)) if step > 0 else _shift(today, ahead)
        return f"{unit.capitalize()} {say(day)}", day, day, "on"
    if unit == "weekend":
        saturday = _shift(today, 5 - today.weekday())
        if step < 0:
            saturday = _shift(saturday, -7)
        elif step > 0 and today.weekday() >= 0:
            saturday = _shift(saturday, 7)
        return f"the weekend of {say(saturday)}", saturday, _shift(saturday, 1), "on"
    if unit in {"week", "month", "year"}:
        return _offset(today, step, unit)
    month = MONTHS.index(unit) + 1 if unit in MONTHS else _SEASONS[unit]
    year = today.year
    ends = month if unit in MONTHS else min(month + 2, 12)
    if step < 0 and ends >= today.month:
        year -= 1
    elif step > 0 and month <= today.month:
        year += 1
    if unit in MONTHS:
        start, end = _span_of_month(year, month)
        return f"{calendar.month_name[month]} {year}", start, end, "in"
    start, _ = _span_of_month(year, month)
    last_year, last_month = _month(year, month + 2)
    return f"{unit} {year}", start, _span_of_month(last_year, last_month)[1], "in"


def _named_day(today: date, month: int, day: int, past: bool) -> date | None:
    """A day and month without a year: the nearest that fits the tense."""
    for year in (today.year, today.year - 1) if past else (today.year, today.year + 1):
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if (past and found <= today) or (not past and found >= today):
            return found
    return None


def _month_number(name: str) -> int:
    name = name.lower()[:3]
    return next(i for i, m in enumerate(MONTHS, 1) if m.startswith(name))


def resolve(text: str, today: date) -> Resolved:
    """``text`` with its relative dates made absolute as seen from ``today``."""
    spans: list[tuple[date, date]] = []
    vague: set[date] = set()
    """Days before which something was, nobody knows how long."""
    if not _HINT.search(text):
        return Resolved(text)
    words = re.findall(r"[a-z']+", text.lower())
    past = any(is_past(w) for w in words) and not _MEANT.search(text)

    def swap(match: re.Match[str]) -> str:
        found = match.groupdict()
        before = text[max(0, match.start() - 14) : match.start()].lower().rstrip()
        put = None if before.endswith(_RECURRING) else _lookup(found, today, past, text)
        if put is None:
            return match.group(0)
        words_, start, end, prep = put
        if found["md"] or found["dm"] or found["mo"]:
            prep = "on" if not found["mo"] else "in"
            if not found["prep"] and found["mo"]:
                return match.group(0)
        if found["fewago"]:
            vague.add(end)
        else:
            spans.append((start, end))
        given = (found["prep"] or "").lower()
        if found["poss"]:
            return (f"{found['prep']} " if given else "") + f"{words_}'s"
        if given and given not in {"on", "in", "for", "due"}:
            return f"{found['prep']} {words_}"
        if given in {"for", "due"}:
            return f"{found['prep']} {'' if given == 'for' else prep + ' '}{words_}"
        if found["verb"] is not None and not given and match.start() == 0:
            return words_
        if not given and re.search(r"\b(?:the|is|was|moved to|a|an|late|early|mid|my|and|or|next|last)$", before):
            if re.search(r"\b(?:is|was)$", before):
                return (
                    words_
                    if re.search(r"deadline|due date|birthday|anniversary|date", text, re.I)
                    else f"{prep} {words_}"
                )
            return words_
        phrase = f"{prep} {words_}"
        return phrase[0].upper() + phrase[1:] if match.group(0)[0].isupper() and match.start() == 0 else phrase

    told = _RELATIVE.sub(swap, text)

    def within(match: re.Match[str]) -> str:
        if past or not _FUTURE.search(text):
            return match.group(0)
        words_, start, end, prep = _offset(today, _number(match["n"]), match["u"].lower())
        spans.append((start, end))
        return f"{'by' if match['p'].lower() == 'within' else prep} {words_}"

    told = _IN_N.sub(within, told)

    perfect = bool(re.search(r"\b(?:have|has|haven't|hasn't|been)\b|'ve\b", text))

    def since(match: re.Match[str]) -> str:
        year = today.year - _number(match["n"])
        return f"{match.group(0)} (since {year})" if year > 1900 and (not past or perfect) else match.group(0)

    told = _FOR_YEARS.sub(since, told)
    for match in _FULL.finditer(told):
        day = _full(match)
        if day and day not in vague and not any(start <= day <= end for start, end in spans):
            spans.append((day, day))
    if not spans:
        return Resolved(told)
    start, end = min(s for s, _ in spans), max(e for _, e in spans)
    return Resolved(told, start, end, "past" if end < today or (past and start <= today) else "future")


def _full(match: re.Match[str]) -> date | None:
    """An absolute date with its year."""
    try:
        if match["iso"]:
            return date.fromisoformat(match["iso"])
        day, month, year = match["d"] or match["d2"], match["m"] or match["m2"], match["y"] or match["y2"]
        return date(int(year), _month_number(month), int(day))
    except ValueError:
        return None


def _lookup(found: dict[str, str | None], today: date, past: bool, text: str) -> tuple[str, date, date, str] | None:
    """What the words of one match mean; None where they are better left alone."""
    if found["dby"] or found["yest"] or found["lnight"]:
        words, start, end, prep = _offset(today, -2 if found["dby"] else -1, "day")
        part = found["ypart"] or ("night" if found["lnight"] else None)
        return (f"the {part} of {words}" if part else words), start, end, prep
    if found["dat"] or found["tom"]:
        words, start, end, prep = _offset(today, 2 if found["dat"] else 1, "day")
        return (f"the {found['tpart']} of {words}" if found["tpart"] else words), start, end, prep
    if found["today"]:
        return _offset(today, 0, "day")
    if found["night"] or found["tpart2"]:
        words, start, end, prep = _offset(today, 0, "day")
        return f"the {'evening' if found['night'] else (found['dpart'] or '').lower()} of {words}", start, end, prep
    if found["ago"]:
        return _offset(today, -_number(found["an"] or "1"), (found["au"] or "day").lower())
    if found["fewago"]:
        unit = (found["fu"] or "day").lower()
        days = {"day": 10, "week": 40, "month": 240, "year": 2000}[unit]
        return f"a few {unit}s before {say(today)}", _shift(today, -days), today, ""
    if found["hence"]:
        return _offset(today, _number(found["hn"] or "1"), (found["hu"] or "day").lower())
    if found["rel"]:
        which, unit = (found["rw"] or "").lower(), (found["ru"] or "").lower()
        unit = WEEKDAYS[_SHORT_DAY[unit]] if unit in _SHORT_DAY else unit
        if which in {"past", "coming"} and unit in {"week", "month", "year"}:
            return None
        return _relative(today, which, unit, past)
    if found["wd"]:
        if not re.search(rf"\b{found['wdn']}\b", text) or (found["wdn"] or "").islower():
            return None if (found["wdn"] or "").islower() and not found["prep"] else _weekday(found, today, past)
        return _weekday(found, today, past)
    if found["md"] or found["dm"]:
        name = found["mm"] or found["dmm"] or ""
        if name.islower() and name.lower() in {"may", "mar", "march", "dec", "sep", "jun"} and not found["dm"]:
            return None
        day = _named_day(today, _month_number(name), int(found["mday"] or found["dday"] or 0), past)
        return (say(day), day, day, "on") if day else None
    if found["mo"]:
        name = found["mon"] or ""
        if name.islower() or (found["prep"] or "").lower() not in {"in", "by", "until", "since", "before", "end of"}:
            return None
        month = MONTHS.index(name.lower()) + 1
        year = today.year
        if (found["prep"] or "").lower() == "since" or past:
            year -= month > today.month
        else:
            year += month < today.month
        start, end = _span_of_month(year, month)
        return f"{calendar.month_name[month]} {year}", start, end, "in"
    return None


def _weekday(found: dict[str, str | None], today: date, past: bool) -> tuple[str, date, date, str]:
    return _relative(today, "last" if past else "this", (found["wdn"] or "").lower(), past)
