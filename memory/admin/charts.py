"""Charts for the console: SVG made on the server, as safe strings. They need no script and no inline style.

Each is a figure with a title, a legend where it has several series, and its numbers as a table. Lengths are SVG
attributes; colours, widths and fonts come from ``admin.css``, so that light, dark and other themes follow. The drawing
is stretched to the width that there is, and what is written stands beside it as text, so that it stays readable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

WIDTH, HEIGHT = 600.0, 160.0
SPARK_WIDTH, SPARK_HEIGHT = 120.0, 28.0
MOST_TICKS = 5
"""So many of the labels are written under a chart; all are in its table."""

Value = float | None


@dataclass(frozen=True, kw_only=True)
class Series:
    """A row of numbers, one for each label, None where there is none. ``low`` and ``high`` bound a band about it.

    ``tone`` names a meaning that has a colour of its own: "good", "warn", "bad" or "quiet".
    """

    name: str
    values: Sequence[Value]
    low: Sequence[Value] = ()
    high: Sequence[Value] = ()
    tone: str = ""


def line_chart(
    series: Sequence[Series],
    labels: Sequence[str],
    *,
    title: str,
    description: str = "",
    unit: str = "",
    most: float | None = None,
    limit: float | None = None,
) -> SafeString:
    """Return lines over ``labels``, with their bands.

    ``most`` is what the scale reaches at least, ``limit`` a height that is marked.
    """
    shown = [value for item in series for row in (item.values, item.high) for value in row if value is not None]
    top = nice([*shown, most or 0, limit or 0])
    parts = [_grid(), *([_level(limit, top)] if limit is not None else [])]
    parts += [_band(item, place, top) for place, item in enumerate(series) if item.low and item.high]
    parts += [_line(item, place, top) for place, item in enumerate(series)]
    parts.append(_hits(series, labels, unit, points=True))
    return _figure(series, labels, parts, top, title=title, description=description, unit=unit)


def bars(
    values: Sequence[Value], labels: Sequence[str], *, title: str, description: str = "", unit: str = "", tone: str = ""
) -> SafeString:
    """Return a bar for each label."""
    return stacked(
        [Series(name=title, values=values, tone=tone)], labels, title=title, description=description, unit=unit
    )


def stacked(
    series: Sequence[Series], labels: Sequence[str], *, title: str, description: str = "", unit: str = ""
) -> SafeString:
    """Return a bar for each label in which the series stand one on the other, the first at the bottom."""
    sums = [sum(item.values[place] or 0 for item in series) for place in range(len(labels))]
    top = nice(sums)
    drawn = [_column(series, place, len(labels), top) for place in range(len(labels))]
    parts = [_grid(), *drawn, _hits(series, labels, unit, points=False)]
    return _figure(series, labels, parts, top, title=title, description=description, unit=unit)


def sparkline(values: Sequence[Value], *, title: str) -> SafeString:
    """Return a small line for a cell or a tile; ``title`` says in words what it shows."""
    top = nice([value for value in values if value is not None])
    points = _points(values, top, SPARK_WIDTH, SPARK_HEIGHT)
    return format_html(
        '<svg class="honcho-spark" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        "<title>{}</title>{}</svg>",
        _n(SPARK_WIDTH), _n(SPARK_HEIGHT), title, title, _runs(points, "honcho-line honcho-series-1"),
    )  # fmt: skip


def interval(
    estimate: Value,
    low: Value,
    high: Value,
    *,
    title: str,
    least: float,
    most: float,
    reference: Value = None,
) -> SafeString:
    """Return an estimate as a dot in its interval, on a scale from ``least`` to ``most`` that its neighbours share.

    ``reference`` marks a value to compare with: no difference, or the control's. Nothing is drawn without an estimate.
    """
    if estimate is None:
        return format_html('<span class="honcho-empty">{}</span>', "not enough yet")

    def at(value: float) -> str:
        share = (value - least) / (most - least) if most > least else 0.5
        return _n(4 + min(max(share, 0.0), 1.0) * (SPARK_WIDTH - 8))

    middle = _n(SPARK_HEIGHT / 2)
    parts = [format_html('<line class="honcho-axis" x1="0" x2="{}" y1="{}" y2="{}"/>', _n(SPARK_WIDTH), middle, middle)]
    if reference is not None:
        parts.append(
            format_html('<line class="honcho-reference" x1="{}" x2="{}" y1="2" y2="{}"/>', at(reference), at(reference),
                        _n(SPARK_HEIGHT - 2))
        )  # fmt: skip
    if low is not None and high is not None:
        parts.append(
            format_html(
                '<line class="honcho-interval" x1="{}" x2="{}" y1="{}" y2="{}"/>', at(low), at(high), middle, middle
            )
        )
    parts.append(format_html('<circle class="honcho-estimate" cx="{}" cy="{}" r="4"/>', at(estimate), middle))
    return format_html(
        '<svg class="honcho-spark honcho-ci" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>{}</svg>',
        _n(SPARK_WIDTH), _n(SPARK_HEIGHT), title, title, _joined(parts),
    )  # fmt: skip


def nice(values: Iterable[float]) -> float:
    """Return the least round number (1, 2, 2.5 or 5 times a power of ten) that no value exceeds; 1 for none."""
    highest = max(values, default=0.0)
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= highest * (1 - 1e-9))


def short(value: Value, unit: str = "") -> str:
    """Return a number as a chart writes it: 1,250,000 as 1.25M, with its unit; a dash for none."""
    if value is None:
        return "–"
    size, sign = next(
        ((size, sign) for size, sign in ((1e9, "G"), (1e6, "M"), (1e4, "k")) if abs(value) >= size), (1.0, "")
    )
    scaled = value / (1e3 if sign == "k" else size)
    text = f"{scaled:,.3g}" if abs(scaled) < 1_000 else f"{scaled:,.0f}"
    return f"{text}{sign}{f' {unit}' if unit else ''}"


def _figure(
    series: Sequence[Series],
    labels: Sequence[str],
    parts: Sequence[SafeString],
    top: float,
    *,
    title: str,
    description: str,
    unit: str,
) -> SafeString:
    rows = [(label, [short(item.values[place], unit) for item in series]) for place, label in enumerate(labels)]
    context = {
        "title": title,
        "description": description,
        "width": _n(WIDTH),
        "height": _n(HEIGHT),
        "drawing": _joined(parts),
        "scale": [short(top, unit), short(top / 2, unit), short(0, unit)],
        "ticks": _ticks(labels),
        "legend": [(item.name, _colour(item, place)) for place, item in enumerate(series)] if len(series) > 1 else [],
        "names": [item.name for item in series],
        "rows": rows,
        "empty": not any(value for item in series for value in item.values),
    }
    return mark_safe(render_to_string("admin/memory/includes/chart.html", context))  # noqa: S308 - a template escapes


def _ticks(labels: Sequence[str]) -> list[str]:
    """Return some of the labels, the first and the last among them, evenly apart (of many labels, nearly so)."""
    last = len(labels) - 1
    if last < MOST_TICKS:
        return list(labels)
    even = next((count for count in range(MOST_TICKS, 2, -1) if last % (count - 1) == 0), 2)
    ticks = even if even > 2 or last < 4 * MOST_TICKS else MOST_TICKS
    return [labels[round(place * last / (ticks - 1))] for place in range(ticks)]


def _grid() -> SafeString:
    heights = ((_n(height), _n(WIDTH), _n(height)) for height in (0.0, HEIGHT / 2, HEIGHT))
    return format_html_join("", '<line class="honcho-grid" x1="0" y1="{}" x2="{}" y2="{}"/>', heights)


def _level(value: float, top: float) -> SafeString:
    height = _n(HEIGHT - value / top * HEIGHT)
    return format_html('<line class="honcho-reference" x1="0" y1="{}" x2="{}" y2="{}"/>', height, _n(WIDTH), height)


def _points(
    values: Sequence[Value], top: float, width: float = WIDTH, height: float = HEIGHT
) -> list[tuple[float, float] | None]:
    step = width / max(len(values) - 1, 1)
    return [
        None if value is None else (place * step, height - min(max(value / top, 0.0), 1.0) * height)
        for place, value in enumerate(values)
    ]


def _line(item: Series, place: int, top: float) -> SafeString:
    return _runs(_points(item.values, top), f"honcho-line {_colour(item, place)}")


def _runs(points: Sequence[tuple[float, float] | None], classes: str) -> SafeString:
    """Return a line through each run of points without a gap; one point alone is a dot."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    drawn = (
        (classes, _path(run)) if len(run) > 1 else (f"{classes} honcho-point", _path(run * 2)) for run in runs if run
    )
    return format_html_join("", '<path class="{}" d="{}"/>', drawn)


def _band(item: Series, place: int, top: float) -> SafeString:
    low, high = _points(item.low, top), _points(item.high, top)
    both = [(a, b) for a, b in zip(low, high, strict=True) if a is not None and b is not None]
    outline = [b for _, b in both] + [a for a, _ in reversed(both)]
    return (
        format_html('<path class="honcho-band {}" d="{}Z"/>', _colour(item, place), _path(outline))
        if both
        else _joined([])
    )


def _column(series: Sequence[Series], place: int, count: int, top: float) -> SafeString:
    step = WIDTH / count
    gap = min(step * 0.25, 6.0)
    drawn, floor = [], HEIGHT
    for order, item in enumerate(series):
        height = (item.values[place] or 0) / top * HEIGHT
        if height:
            floor -= height
            drawn.append((_colour(item, order), _n(place * step + gap / 2), _n(floor), _n(step - gap), _n(height)))
    return format_html_join("", '<rect class="honcho-bar {}" x="{}" y="{}" width="{}" height="{}"/>', drawn)


def _hits(series: Sequence[Series], labels: Sequence[str], unit: str, *, points: bool) -> SafeString:
    """Return an invisible strip at each label whose title tells its numbers to a pointer."""
    count = len(labels)
    step = WIDTH / max(count - 1, 1) if points else WIDTH / max(count, 1)
    shift = step / 2 if points else 0.0
    drawn = []
    for place, label in enumerate(labels):
        told = [f"{item.name}: {short(item.values[place], unit)}" for item in series]
        drawn.append((_n(place * step - shift), _n(step), _n(HEIGHT), "\n".join([label, *told])))
    return format_html_join(
        "", '<rect class="honcho-hit" x="{}" y="0" width="{}" height="{}"><title>{}</title></rect>', drawn
    )


def _colour(item: Series, place: int) -> str:
    return f"honcho-tone-{item.tone}" if item.tone else f"honcho-series-{place % 6 + 1}"


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _joined(parts: Iterable[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))
