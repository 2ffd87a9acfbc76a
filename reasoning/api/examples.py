"""What the examples of the schema say of reasoning: see ``memory.api.examples``."""

from __future__ import annotations

from typing import Any

from memory.api.examples import EVENT, LATER, PROMPT, STATEMENT, TEXT, USER, WHEN

SITE_PROMPT = "2JYzGauWnzPpnK36PsT8KJ"
EXPERIMENT = "2JYzGgsv3STRo8mzXeJSuy"
ARM = "2JYzGnrLHEDbKCgncTQYLU"
CHOICE = "2JYzGtpjVr9tPYT4htoobc"
REPROCESS = "2JYzGzo9kJaKPiYDtJF24G"
ITEM = "2JYzH7mYykSMZADvV2rHsn"
ROLLBACK = "2JYzHDjxDYf43hFCGyvfij"

_ANSWER = "The user wants to automate their invoicing workflow."
_WANTS = "Wants to automate their invoicing workflow."
_VERSION = {"id": PROMPT, "name": "user-2"}
_CONTROL = {"id": SITE_PROMPT, "name": "site-user-1"}
_NAMED = {**_VERSION, "number": 2, "message": "Fewer words"}
_BEFORE = {**_CONTROL, "kind": "user", "number": 1, "message": "The first"}
_PROMPT = {**_NAMED, "of": "app", "model": "", "labels": ["candidate"], "passes": 40, "author": "ann"}
_EXPERIMENT = {
    "id": EXPERIMENT,
    "name": "Shorter sentences",
    "mode": "serve",
    "state": "running",
    "control": _CONTROL,
    "sample": 0.0,
}
_LIMITS = {"passes_per_minute": 60, "token_budget": 2_000_000, "money_budget": "25"}
_REPROCESS = {
    **_LIMITS, "id": REPROCESS, "prompt": "user-2", "subjects": [], "since": WHEN, "state": "running",
    "state_reason": "", "tokens": 310_500, "cost": "0.0621", "reason": "Goals were missed", "ended_at": None,
}  # fmt: skip
_ITEM = {
    "id": ITEM, "state": "ready", "began_with": 3, "made": 4, "read_to": 41, "target": 41, "regressions": [],
}  # fmt: skip
_COUNTS = {"waiting": 2, "leased": 1, "held": 0, "parked": 0, "events": 14}
_PROPOSED = {"content": _WANTS, "level": "explicit"}

BY_SCHEMA: dict[str, dict[str, Any]] = {
    "AnswerUsage": {"calls": 1, "prompt_tokens": 812, "completion_tokens": 24, "cost": "0.0001362"},
    "ArmMeasuresSchema": {
        "arm": ARM, "version": _VERSION, "target": 0.2, "passes": 40, "events": 161,
        "measures": {"cost": {"value": 0.00041, "low": 0.00037, "high": 0.00046, "n": 40}},
        "differences": {"cost": {"value": -0.00006, "low": -0.00011, "high": -0.00001, "n": 40}},
    },
    "ArmSchema": {"id": ARM, "version": _VERSION, "share": 0.2, "paused": False, "paused_because": ""},
    "AssignmentSchema": {"bucket": 1_204, "arm": ARM, "version": _VERSION, "serves_next": _VERSION},
    "ChatAnswer": {"content": _ANSWER},
    "ChosenSchema": {"id": CHOICE},
    "Citation": {"type": "conclusion", "id": STATEMENT, "text": _WANTS},
    "ConsolidationSchema": {"state": "waiting", "events": 0},
    "DroppedConclusion": {"id": STATEMENT, "content": "Writes invoices by hand.", "replaced_by": _WANTS},
    "DryRunProblem": {"gate": "secrets", "text": "The text holds what looks like a key"},
    "DryRunSchema": {
        "provider": "openai", "input_tokens": 812, "output_tokens": 240, "cached_tokens": 0, "cost": "0.000265",
        "stands": 3, "warnings": [],
    },
    "DryRunVerdict": {"publishable": True, "refused": [], "withheld": []},
    "DryRunWindow": {"unread": True, "basis": 3},
    "EstimateSchema": {"value": 0.19, "low": 0.15, "high": 0.24, "n": 290},
    "ExperimentActSchema": {
        "act": "ramp", "arm": ARM, "reason": "No complaints so far", "shares_before": {ARM: 0.1},
        "shares_after": {ARM: 0.2},
    },
    "ExperimentSchema": _EXPERIMENT,
    "GuardrailSchema": {"measure": "cost", "limit": 1.5, "relative": True, "least_passes": 20},
    "LabelMoveSchema": {
        "name": "live", "of": "app", "reason": "Says what matters in fewer words",
        "from": _BEFORE,
    },
    "LabelSchema": {"name": "live", "of": "app"},
    "MeasuresSchema": {
        "control": {
            "arm": None, "version": _CONTROL, "target": 0.8, "passes": 162, "events": 650,
            "actual": {"value": 0.81, "low": 0.76, "high": 0.85, "n": 290},
            "measures": {"cost": {"value": 0.00047, "low": 0.00044, "high": 0.0005, "n": 162}}, "differences": {},
        },
        "since": WHEN, "until": LATER, "subjects": 290,
        "units": {"cost": {"title": "Cost", "unit": "currency", "over": "passes"}},
    },
    "NamedPrompt": _NAMED,
    "PairSchema": {"arm": ARM, "subject_id": USER, "covers_to": 41},
    "PromotedReprocessSchema": {**_REPROCESS, "state": "promoted", "ended_at": LATER, "promoted": 118, "left": 2},
    "PromptDiffSchema": {
        "from": _BEFORE,
        "unified": "-Say everything that matters.\n+Say what matters.\n",
    },
    "PromptPiece": {"act": "removed", "text": "everything that "},
    "PromptSchema": _PROMPT,
    "PromptSetting": {"name": "model", "from": "", "to": "gpt-4o-mini"},
    "ProposedConclusion": _PROPOSED,
    "QueueSchema": {
        **_COUNTS, "not_taken_in": 0, "not_indexed": 0, "not_embedded": 3, "oldest_seconds": 4.2,
        "by_kind": {"user": _COUNTS},
    },
    "ReasonAnswer": {"mode": "reason", "answer": _ANSWER, "known": True, "level": "low"},
    "ReasonSchemaRequest": {"reason": "Enough was seen"},
    "RecallAnswer": {"mode": "recall", "context": TEXT, "tokens": 18, "search": "hybrid"},
    "RecalledItem": {
        "type": "conclusion", "id": STATEMENT, "text": _WANTS, "score": 0.032787, "line": f"- {_WANTS}",
        "sources": [EVENT],
    },
    "RephrasedConclusion": {"replaced": True},
    "ReprocessEstimateSchema": {
        "subjects": 120, "events": 2_400, "event_tokens": 96_000, "passes": 310, "input_tokens": 620_000,
        "output_tokens": 74_000, "tokens": 694_000, "money": "0.14", "seconds": 340,
        "rests_on": "310 passes of the last 30 days",
    },
    "ReprocessItemSchema": _ITEM,
    "ReprocessProgressSchema": {
        "items": {"pending": 60, "reading": 2, "ready": 58}, "events": 2_400, "events_read": 1_190,
        "events_left": 1_210, "passes": {"published": 151}, "failures": 0, "work": {"waiting": 60, "leased": 2},
        "events_per_minute": 214.0, "eta_seconds": 339,
    },
    "ReprocessReasonSchemaRequest": {"reason": "The night's load is over"},
    "ReprocessSchema": _REPROCESS,
    "RollbackPlanSchema": {
        "subjects": 120, "versions": 151, "nothing_before": 0, "events": 1_190, "live": "site-user-1",
        "experiments": 1, "runs": 0,
    },
    "RollbackSchema": {
        "id": ROLLBACK, "prompt": "user-2", "since": WHEN, "live": "site-user-1", "subjects": 120,
        "reason": "It mixes up people", "plan": None,
    },
    "SampledReprocessSchema": _ITEM,
    "UndoneReprocessSchema": {**_REPROCESS, "state": "discarded", "ended_at": LATER, "undone": 118},
    "UnitSchema": {"title": "Cost", "unit": "currency", "over": "passes"},
    "WhichArmSchemaRequest": {"arm": "user-2", "reason": "Complaints about short answers"},
    "WholeExperimentSchema": _EXPERIMENT,
    "WholePromptSchema": {**_PROMPT, "instructions": "Say what matters."},
    "WholeReprocessSchema": _REPROCESS,
    "QueueCounts": _COUNTS,
    "RollbackSample": {
        "subject": "user-123", "kind": "user", "change": "Would again be said to write invoices by hand.",
        "from": 3, "to": 2,
    },
}  # fmt: skip
