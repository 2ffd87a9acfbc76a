"""Charts: what is drawn fits what is said, in words too, and nothing in them is anything but text and geometry."""

from __future__ import annotations

import re

import pytest

from memory.admin.charts import Series, bars, interval, line_chart, nice, short, sparkline, stacked

HOURS = ["10:00", "11:00", "12:00", "13:00"]
HOSTILE = '<script>alert("1")</script>'


def tags(svg, name):
    """The attributes of each element of a kind."""
    return [dict(re.findall(r'([\w-]+)="([^"]*)"', found)) for found in re.findall(rf"<{name} ([^>]*)>", svg)]


@pytest.mark.parametrize(
    ("values", "top"),
    [([], 1), ([0, 0], 1), ([3], 5), ([10], 10), ([11], 20), ([0.021], 0.025), ([240], 250), ([1_000_001], 2_000_000)],
)
def test_a_scale_ends_at_the_next_round_number(values, top):
    assert nice(values) == pytest.approx(top)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(None, "s", "–"), (0, "", "0"), (0.25, "s", "0.25 s"), (1_250_000, "", "1.25M"), (9_999, "", "9,999"),
     (12_345, "tokens", "12.3k tokens"), (3e9, "", "3G")],
)  # fmt: skip
def test_numbers_are_written_short(value, unit, text):
    assert short(value, unit) == text


def test_a_line_goes_through_its_points_and_leaves_gaps_where_there_is_no_number():
    chart = line_chart([Series(name="p50", values=[0, 5, None, 10])], HOURS, title="Lag", unit="s")
    paths = [path["d"] for path in tags(chart, "path")]
    assert paths == ["M0 160L200 80", "M600 0L600 0"]
    assert ["honcho-point" in path["class"] for path in tags(chart, "path")] == [False, True], "a point alone is seen"


def test_a_line_stays_within_the_drawing():
    assert tags(line_chart([Series(name="x", values=[-3, 5])], HOURS[:2], title="x"), "path")[0]["d"] == "M0 160L600 0"


def test_a_band_goes_up_one_side_and_down_the_other():
    item = Series(name="kept", values=[5, 5], low=[0, 2.5], high=[10, 7.5])
    band = tags(line_chart([item], HOURS[:2], title="Kept"), "path")[0]
    assert band["class"] == "honcho-band honcho-series-1"
    assert band["d"] == "M0 0L600 40L600 120L0 160Z"


def test_stacked_bars_stand_on_each_other_and_fit_the_scale():
    chart = stacked(
        [Series(name="good", values=[6]), Series(name="bad", values=[4], tone="bad")], ["now"], title="Passes"
    )
    lower, upper = (tag for tag in tags(chart, "rect") if "honcho-bar" in tag["class"])
    assert (lower["y"], lower["height"]) == ("64", "96")
    assert (upper["y"], upper["height"]) == ("0", "64")
    assert upper["class"] == "honcho-bar honcho-tone-bad"


def test_every_number_is_in_the_table_and_in_the_title_of_its_place():
    series = [Series(name="published", values=[1, 2, 3, 4]), Series(name="failed", values=[0, 0, 1, None])]
    chart = stacked(series, HOURS, title="Passes")
    assert re.search(r'<th scope="row">12:00</th><td>3</td><td>1</td>', chart)
    assert "<title>13:00\npublished: 4\nfailed: –</title>" in chart
    assert chart.count("<li>") >= len(HOURS)


def test_an_interval_stays_within_its_scale_and_is_said_in_words():
    drawn = interval(0.5, 0.2, 3.0, title="0.5 (0.2 to 3)", least=0, most=1, reference=0)
    estimate, span = tags(drawn, "circle")[0], tags(drawn, "line")[-1]
    assert estimate["cx"] == "60"
    assert (span["x1"], span["x2"]) == ("26.4", "116")
    assert "<title>0.5 (0.2 to 3)</title>" in drawn
    assert "not enough yet" in interval(None, None, None, title="", least=0, most=1)


def test_a_chart_of_nothing_says_so():
    assert "Nothing yet." in bars([], [], title="Spend")
    assert "none in this time" in bars([0, None], HOURS[:2], title="Spend")


def test_what_is_written_is_escaped_and_no_style_stands_in_line():
    charts = [
        line_chart([Series(name=HOSTILE, values=[1])] * 2, [HOSTILE], title=HOSTILE, unit=HOSTILE, limit=1),
        bars([1], [HOSTILE], title=HOSTILE, description=HOSTILE),
        sparkline([1, 2], title=HOSTILE),
        interval(1, 0, 2, title=HOSTILE, least=0, most=2),
    ]
    for chart in charts:
        assert "<script" not in chart
        assert "style=" not in chart
        assert "&lt;script&gt;" in chart
