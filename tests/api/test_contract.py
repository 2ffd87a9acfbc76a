"""Schemathesis over the schema: whatever it allows is answered as it says, and nothing breaks."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import schemathesis
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.api.conftest import Agent
from tests.api.routes import names
from tests.api.test_openapi import resolved, schema
from tests.factories import ApiKeyFactory

__all__ = ["names"]

EXAMPLES = 4
OPERATIONS: dict[str, list[Any]] = {}
for _found in schemathesis.openapi.from_dict(schema()).get_all_operations():
    _operation: Any = _found.ok()  # type: ignore[union-attr]
    # An import takes lines, which Schemathesis cannot make up; test_transfer holds it.
    if _operation.path.startswith("/v1") and not _operation.path.endswith("/import"):
        OPERATIONS.setdefault((_operation.definition.raw.get("tags") or ["none"])[0], []).append(_operation)


def sent(agent: Agent, case: Any, known: dict[str, str]) -> Any:
    """Send what was made up, at an address that there is."""
    path = case.operation.path
    for part, made_up in (case.path_parameters or {}).items():
        path = path.replace(f"{{{part}}}", quote(known.get(part, str(made_up)), safe=""))
    query = urlencode({key: value for key, value in (case.query or {}).items() if value is not None}, doseq=True)
    body = case.body if isinstance(case.body, dict | list | str | int | float | bool) else None
    return agent.send(case.method, f"{path}?{query}" if query else path, body)


def check(case: Any, response: Any) -> None:
    """Hold an answer against what the schema says of the operation."""
    content = b"".join(response.streaming_content) if response.streaming else response.content
    assert response.status_code < 500, content
    declared = case.operation.definition.raw["responses"].get(str(response.status_code))
    assert declared is not None, f"{response.status_code} is not declared: {content[:300]!r}"
    declared = resolved(declared)
    media = response["Content-Type"].partition(";")[0]
    assert media in declared["content"], f"{media} is not declared for {response.status_code}"
    if media == "application/json":
        document = {**declared["content"][media]["schema"], "components": schema()["components"]}
        problems = [error.message for error in Draft202012Validator(document).iter_errors(json.loads(content))]
        assert problems == [], content[:300]


@pytest.mark.parametrize("tag", sorted(OPERATIONS))
def test_what_the_schema_allows_is_answered_as_it_says(
    names: dict[str, str], tag: str, subtests: pytest.Subtests
) -> None:
    operator, nobody = Agent(ApiKeyFactory().key), Agent(None)
    for operation in OPERATIONS[tag]:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def run(case: Any) -> None:
            with transaction.atomic():
                response = sent(operator, case, names)
                check(case, response)
                transaction.set_rollback(True)
            assert sent(nobody, case, names).status_code == 401

        with subtests.test(operation.label):
            run()
