"""Dates that questions and messages mean."""

from __future__ import annotations

from datetime import date

import pytest

from memory.search.ranking.dating import meant

FRIDAY = date(2026, 5, 8)


def spans(question: str, today: date = FRIDAY) -> list[str]:
    return [str(span) for span in meant(question, today)]


@pytest.mark.parametrize(
    ("question", "days"),
    [
        ("What broke on 3 June 2025?", ["3 June 2025"]),
        ("What broke on June 3rd, 2025?", ["3 June 2025"]),
        ("What broke on the 3rd of June, 2025?", ["3 June 2025"]),
        ("What broke on 2025-06-03?", ["3 June 2025"]),
        ("What broke in June 2025?", ["June 2025"]),
        ("Which boats sailed in 2024?", ["2024"]),
        ("What did she do yesterday?", ["7 May 2026"]),
        ("Who called last week?", ["27 April 2026 to 3 May 2026"]),
        ("Who called two weeks ago?", ["20 April 2026 to 26 April 2026"]),
        ("Who called last Monday?", ["4 May 2026"]),
        ("Who called last Friday?", ["1 May 2026"]),
        ("Who called last weekend?", ["2 May 2026 to 3 May 2026"]),
        ("What happened last month?", ["April 2026"]),
        ("What happened last year?", ["2025"]),
        ("What happened 14 months ago?", ["March 2025"]),
    ],
)
def test_a_question_means_days(question, days):
    assert spans(question) == days


def test_a_month_without_a_year_is_that_of_any_year():
    assert spans("Where did she sail in June?")[-2:] == ["June 2025", "June 2026"]
    assert spans("Where did she sail on 29 February?") == ["29 February 2016", "29 February 2020", "29 February 2024"]


@pytest.mark.parametrize(
    "question",
    [
        "May I ask what she drinks?",
        "What will she do next week?",
        "Who lives at 2025 Harbour Road?",
        "What happened on 31 February 2025?",
        "Wie heißt der Hund?",
        "What happened 999 years ago?" * 2,
    ],
)
def test_what_is_no_day_of_the_past_means_none(question):
    assert spans(question, date(500, 1, 1) if "999" in question else FRIDAY) == []
