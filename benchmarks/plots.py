"""What the benchmarks' drawings share: an SVG with nothing but the standard library."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

COLOURS = ("#0b6e99", "#c4421a", "#2e7d32", "#7b4fa3", "#b07d00", "#5f6b6d", "#a3195b", "#00796b", "#455a9b", "#8d5524")


def drawing(width: int, height: int, title: str, left: int, parts: Iterable[str]) -> str:
    """Return an SVG with a title, which begins at ``left``."""
    frame = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="22" font-size="15">{escape(title)}</text>',
    ]
    return "\n".join([*frame, *parts, "</svg>"]) + "\n"


def colours(count: int) -> list[str]:
    """Return so many colours, again from the first where there are no more."""
    return [COLOURS[number % len(COLOURS)] for number in range(count)]
