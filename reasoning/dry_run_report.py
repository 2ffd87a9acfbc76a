"""A dry run told as plain data: what the API answers, and what is kept for who asked in the admin."""

from __future__ import annotations

from collections.abc import Sequence

from memory import diffs, history
from memory.api import shapes
from reasoning import dry_runs


def told(found: dry_runs.DryRun) -> shapes.Shape:
    """Return what a dry run found: what was read, the verdict, what readers would get, and what that changes."""
    made, diff, window = found.would_be.version, found.would_be.diff, found.window
    return {
        "subject": shapes.subject(found.subject),
        "window": {
            "unread": window.unread,
            "covers": shapes.covers(window.start, window.end),
            "basis": window.basis.version.number if window.basis.version else None,
        },
        "verdict": {
            "publishable": not found.verdict.refused,
            "refused": [{"gate": item.gate, "text": item.text} for item in found.verdict.refused],
            "withheld": [{"gate": item.gate, "text": item.text} for item in found.verdict.withheld],
        },
        "stands": diff.start.version.number if diff.start.version else None,
        "would_be": {
            "text": made.text,
            "card": made.card,
            "now": made.now,
            "summary": {"short": made.short_summary, "long": made.long_summary},
        },
        "added": _proposed(diff.added),
        "retired": [_dropped(item) for item in diff.retired],
        "reworded": [
            {
                "from": _dropped(item.before),
                "to": _proposed([item.after])[0],
                "replaced": item.replaced,
                "similarity": round(item.similarity, 3),
            }
            for item in diff.reworded
        ],
        "kept": _proposed(diff.kept),
        "card": {"added": list(diff.card_added), "removed": list(diff.card_removed)},
        "now": shapes.change(diff.now),
        "summary": {"short": shapes.change(diff.short_summary), "long": shapes.change(diff.long_summary)},
        "provider": found.provider,
        "model": found.model,
        "input_tokens": found.usage.input_tokens,
        "output_tokens": found.usage.output_tokens,
        "cached_tokens": found.usage.cached_tokens,
        "cost": None if found.cost is None else f"{found.cost.normalize():f}",
        "warnings": list(found.warnings),
    }


def _proposed(items: Sequence[history.Statement]) -> list[shapes.Shape]:
    """Return statements that would stand. They have no ids: those that are new are not kept."""
    shown = []
    for item in items:
        shape = shapes.statement(item)
        shown.append({key: value for key, value in shape.items() if key not in ("id", "since_version")})
    return shown


def _dropped(item: diffs.Gone) -> shapes.Shape:
    row = item.conclusion
    return {
        "id": row.public_id,
        "content": row.content,
        "about": row.about.name if row.about else None,
        "reason": item.reason if item.until else "",
        "replaced_by": item.replaced_by.content if item.replaced_by else None,
    }
