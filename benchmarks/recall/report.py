"""One table of a run, in Markdown; and what changed between two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Any

from benchmarks.recall.bootstrap import interval, mean
from benchmarks.recall.running import FREE, QUERY
from benchmarks.tables import markdown

ANCHOR = "naive-rag"
"""What the others are compared with."""


def table(run: Mapping[str, Any]) -> str:
    """Return a run as one table. For query-free rows ``ev`` is ``evg``: they are rewritten."""
    budgets = run["budgets"]
    header = [
        "system", *(f"ev {budget}" for budget in budgets), f"ev {budgets[0]}, 95 %",
        *(f"ans {budget}" for budget in budgets), "stop words %", "read ms p50 / p95", "CPU ms a read",
        "CPU ms an event", "calls / 100", "tokens / 100",
    ]  # fmt: skip
    rows = [_row(run, name, QUERY) for name in run["systems"]]
    rows += [_row(run, name, FREE) for name in run["systems"] if _scores(run, name, FREE, budgets[0], "ev")]
    return f"{_title(run)}\n\n{markdown(header, rows)}"


def gains(run: Mapping[str, Any]) -> str:
    """Return by how many points of evidence recall each system is above naive RAG; nothing where that was not run."""
    conversations = [conversation for conversation, _, _ in run["data"]["questions"]]
    anchor = {budget: _scores(run, ANCHOR, QUERY, budget, "ev") for budget in run["budgets"]}
    if not all(anchor.values()):
        return ""
    rows = [
        [name, *(_gain(conversations, _scores(run, name, QUERY, budget, "ev"), anchor[budget]) for budget in anchor)]
        for name, found in run["systems"].items()
        if name != ANCHOR and found["bounded"]
    ]
    title = f"Points of evidence recall above {ANCHOR}, with 95 % intervals (paired, by conversation)"
    return f"{title}\n\n{markdown(['system', *map(str, anchor)], rows)}"


def categories(run: Mapping[str, Any], budget: int) -> str:
    """Return evidence recall by category of question at one budget, and what was there of what no longer holds."""
    names = [category for _, _, category in run["data"]["questions"]]
    shown = sorted(set(names))
    rows = []
    for name in run["systems"]:
        ev = _scores(run, name, QUERY, budget, "ev")
        apart = [_percent(mean(_scores(run, name, QUERY, budget, key))) for key in ("stale", "fresh")]
        by = {category: [score for score, own in zip(ev, names, strict=True) if own == category] for category in shown}
        rows.append([name, *(_percent(mean(by[category])) for category in shown), *apart])
    header = ["system", *(f"{category} ({names.count(category)})" for category in shown), "stale", "fresh"]
    return f"Evidence recall by category at {budget} tokens\n\n{markdown(header, rows)}"


def judged(run: Mapping[str, Any]) -> str:
    """Return the share of answers from each system's context that a model judged correct; nothing where none did."""
    judge = run.get("judge")
    if not judge:
        return ""
    conversations = [conversation for conversation, _, _ in run["data"]["questions"]]
    rows = []
    for name, found in run["systems"].items():
        correct = [None if verdict is None else float(verdict) for verdict in found["correct"]]
        rows.append([name, _percent(mean(correct)), _range(interval(conversations, correct)), str(correct.count(None))])
    title = (
        f"Answered correctly at {judge['budget']} tokens, as {' and '.join(judge['models'])} answered and judged in "
        f"{judge['calls']} calls of {judge['prompt_tokens']} + {judge['completion_tokens']} tokens"
    )
    return f"{title}\n\n{markdown(['system', 'correct', '95 %', 'no verdict'], rows)}"


def answered(run: Mapping[str, Any]) -> str:
    """Return how well each system knew what it does not know; nothing where none was asked for answers."""
    rows = []
    for name, found in run["systems"].items():
        if answers := found.get("answers"):
            answerable = [score is not None for score in _scores(run, name, QUERY, run["budgets"][0], "ev")]
            known = [float(told is not None) for told in answers]
            refused = [1 - each for each, may in zip(known, answerable, strict=True) if may]
            silent = [1 - each for each, may in zip(known, answerable, strict=True) if not may]
            right = [told for told, may in zip(answers, answerable, strict=True) if may]
            rows.append([name, *(_percent(mean(each)) for each in (silent, refused, right))])
    if not rows:
        return ""
    header = ["system", "not known, and said so", "known, and refused", "words of the answer, where it answered"]
    return f"Asked for an answer\n\n{markdown(header, rows)}"


def comparison(first: Mapping[str, Any], second: Mapping[str, Any], pairs: Sequence[tuple[str, str]]) -> str:
    """Return for pairs of systems, one of each run, how much the second has gained, in points. Raises ValueError."""
    for key in ("name", "version", "questions"):
        if first["data"][key] != second["data"][key]:
            raise ValueError(f"The two runs are of different data: their {key} differ.")
    names = [conversation for conversation, _, _ in first["data"]["questions"]]
    budgets = [budget for budget in first["budgets"] if budget in second["budgets"]]
    rows = []
    for old, new in pairs:
        for mode in (QUERY, FREE):
            for key in ("ev", "evg", "ans"):
                cells = []
                for budget in budgets:
                    before, after = _scores(first, old, mode, budget, key), _scores(second, new, mode, budget, key)
                    if before and after:
                        cells.append(_gain(names, after, before))
                if cells:
                    rows.append([old if old == new else f"{old} → {new}", mode, key, *cells])
    return markdown(["system", "mode", "score", *map(str, budgets)], rows)


def _row(run: Mapping[str, Any], name: str, mode: str) -> list[str]:
    found, budgets = run["systems"][name], run["budgets"]
    conversations = [conversation for conversation, _, _ in run["data"]["questions"]]
    measure = "ev" if mode == QUERY else "evg"
    ev = {budget: _scores(run, name, mode, budget, measure) for budget in budgets}
    cells = [
        name if mode == QUERY else f"{name}, query-free (evg)",
        *(_percent(mean(ev[budget])) for budget in budgets),
        _range(interval(conversations, ev[budgets[0]])),
        *(_percent(mean(_scores(run, name, mode, budget, "ans"))) for budget in budgets),
        _percent(mean(_scores(run, name, mode, budgets[-1], "stop_words"))),
    ]
    return cells + (_costs(found) if mode == QUERY else [""] * 5)


def _costs(found: Mapping[str, Any]) -> list[str]:
    index, read = found["index"], found["read"]
    times = [time for each in read["ms"].values() for time in each]
    parts = (index["prompt_tokens"], index["completion_tokens"])
    tokens = None if None in parts else sum(parts)
    return [
        f"{median(times):.1f} / {quantiles(times, n=20)[-1]:.1f}" if len(times) > 1 else "",
        _ratio(read["processor_seconds"], read["reads"], 1000),
        _ratio(index["processor_seconds"], index["events"], 1000),
        _ratio(index["calls"], index["events"], 100),
        _ratio(tokens, index["events"], 100),
    ]


def _title(run: Mapping[str, Any]) -> str:
    data = run["data"]
    days = sorted({found["at"][:10] for found in run["systems"].values()})
    sources = sorted({found["stands_on"]["source"] or "unknown" for found in run["systems"].values()})
    return (
        f"{data['name']} ({data['version']}): {data['conversations']} conversations, {data['events']} events, "
        f"{len(data['questions'])} questions; measured {', '.join(days)} with source {', '.join(sources)}"
    )


def _scores(run: Mapping[str, Any], name: str, mode: str, budget: int, key: str) -> list[float | None]:
    """Return the scores by question, empty where the system was not measured so."""
    found = run["systems"].get(name, {}).get("scores", {}).get(f"{mode}@{budget}")
    return list(found.get(key, ())) if found else []


def _gain(conversations: Sequence[str], after: Sequence[float | None], before: Sequence[float | None]) -> str:
    gained = mean(after, before)
    return "" if gained is None else f"{100 * gained:+.1f} {_range(interval(conversations, after, before))}".strip()


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _range(found: tuple[float, float] | None) -> str:
    return "" if found is None else f"[{100 * found[0]:.1f}, {100 * found[1]:.1f}]"


def _ratio(value: float | None, by: int, scale: int) -> str:
    if value is None or not by:
        return "?"
    ratio = scale * value / by
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.2g}"
