"""Unicode at its worst in every text field of every write: taken as it is, or refused; nothing breaks."""

import json
from typing import Any

import pytest
from django.db import transaction

from tests.api.conftest import Agent
from tests.api.routes import names, path
from tests.api.test_openapi import resolved, schema
from tests.factories import ApiKeyFactory

__all__ = ["names"]

WORST = {
    "right to left": "\u202eabc\u202c שלום", "combining": "Z̸̢͎͝a̷l̶g̵o̴", "family": "👩‍👩‍👧‍👦🏳️‍🌈", "four bytes": "𝕳𐍈💩",
    "nonchar": "\ufffe\uffff\U0010ffff", "control": "a\x01\x1b[31m\x7f", "special tokens": "<|endoftext|><|im_start|>",
    "separators": "a\u2028b\u2029c\x85d", "zero width": "\ufeff\u200b\u200d", "surrogate": "a\ud800b", "nul": "a\x00b",
    "percent": "%s{x}'; --\\", "long": "é" * 200_000,
}  # fmt: skip


def texts(part: dict[str, Any]) -> list[str]:
    """The fields of an object that hold text of the caller's own."""
    found = part.get("$ref")
    if found:
        part = schema()["components"]["schemas"][found.rpartition("/")[2]]
    options = [part, *part.get("oneOf", []), *part.get("anyOf", []), *part.get("allOf", [])]
    return [
        name
        for option in options
        for name, field in option.get("properties", {}).items()
        if "string" in (field.get("type") if isinstance(field.get("type"), list) else [field.get("type")])
        and "format" not in field
    ]


WRITES = [
    (method.upper(), route, field, operation["requestBody"]["content"]["application/json"])
    for route, methods in schema()["paths"].items()
    for method, operation in methods.items()
    if route.startswith("/v1") and "application/json" in operation.get("requestBody", {}).get("content", {})
    for field in texts(operation["requestBody"]["content"]["application/json"]["schema"])
]


def body_of(content: dict[str, Any]) -> dict[str, Any]:
    """A body that the operation shows as an example, or what its fields need."""
    for example in content.get("examples", {}).values():
        if isinstance(resolved(example)["value"], dict):
            return dict(resolved(example)["value"])
    return {"content": "x", "is_user": True} if "Message" in str(content["schema"]) else {}


def holds(answer: Any, text: str) -> bool:
    """Say whether an answer holds a text, whole."""
    if isinstance(answer, dict):
        return any(holds(value, text) for value in answer.values())
    if isinstance(answer, list):
        return any(holds(value, text) for value in answer)
    return bool(answer == text)


def test_every_text_field_takes_it_as_it_is_or_refuses_it(names: dict[str, str], subtests: pytest.Subtests) -> None:
    assert len(WRITES) >= 40
    operator = Agent(ApiKeyFactory().key)
    kept = 0
    for method, route, field, content in WRITES:
        with subtests.test(f"{method} {route} {field}"):
            for why, text in WORST.items():
                with transaction.atomic():
                    response = operator.send(method, path((method, route), names), body_of(content) | {field: text})
                    if response.streaming:
                        list(response.streaming_content)
                    assert response.status_code < 500, why
                    if why in ("surrogate", "nul") and response.status_code == 200:
                        assert field == "session_id", "PostgreSQL cannot hold it; the path's session counts"
                    elif response.status_code == 200 and not response.streaming and field in ("content", "name"):
                        answer = json.loads(response.content)
                        kept += holds(answer, text)
                        assert field not in answer or holds(answer, text) or answer[field] == " ".join(text.split()), (
                            why
                        )
                    transaction.set_rollback(True)
    assert kept > 100
