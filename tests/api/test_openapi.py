"""The schema: valid, current, and true of what the routes answer."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from honcho_site.openapi import EXAMPLES
from memory.api.examples import BY_FIELD
from memory.api.openapi import example_of
from tests.api.conftest import Agent, path_of, publish
from tests.factories import EventFactory

SNAPSHOT = Path(__file__).resolve().parent.parent.parent / "docs" / "openapi.yaml"


@cache
def schema() -> dict[str, Any]:
    """The schema as the code says it now."""
    made: dict[str, Any] = yaml.safe_load(rendered())
    return made


@cache
def rendered() -> bytes:
    """The schema as ``manage.py spectacular`` writes it."""
    made: bytes = OpenApiYamlRenderer().render(
        SchemaGenerator().get_schema(request=None, public=True), renderer_context={}
    )
    return made


def test_the_schema_is_valid() -> None:
    validate_schema(schema())
    assert schema()["openapi"] == "3.1.1"


def test_the_snapshot_is_current() -> None:
    assert yaml.safe_load(SNAPSHOT.read_text()) == schema(), (
        "Write it anew: manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml"
    )


def test_every_operation_is_named_told_and_guarded() -> None:
    operations = [
        (path, method, operation)
        for path, methods in schema()["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/v1")
    ]
    assert len(operations) >= 48
    names = [operation["operationId"] for _, _, operation in operations]
    assert len(names) == len(set(names))
    assert {"apps.create", "apps.users.sessions.messages.create", "apps.users.sessions.get_context"} <= set(names)
    for path, method, operation in operations:
        assert operation["summary"], path
        assert operation["security"] == [{"apiKey": []}], path
        assert {"200", "401", "422"} <= set(operation["responses"]), path
        bodiless = operation["operationId"].endswith((".rotate", ".test", ".replay"))
        assert ("requestBody" in operation) == (method in ("post", "put", "patch") and not bodiless), path


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the schema, or the component that it refers to."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    found: dict[str, Any] = schema()["components"][kind][name]
    return found


def problems(declared: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value by the schema ``declared``; an undeclared field is a fault too."""
    document = {**declared, "components": {"schemas": {
        name: {**component, "additionalProperties": component.get("additionalProperties", False)}
        if component.get("type") == "object" else component
        for name, component in schema()["components"]["schemas"].items()
    }}}  # fmt: skip
    validator = Draft202012Validator(document, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def check(path: str, method: str, answered: Any) -> None:
    """Hold an answer against what the schema says of it."""
    declared = schema()["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
    assert problems(declared, answered) == []


def told() -> Iterator[tuple[str, dict[str, Any]]]:
    """All that operations take and answer as JSON, errors too: where, and what the schema says of it."""
    for path, methods in schema()["paths"].items():
        for method, operation in methods.items():
            for status, answer in {"request": operation.get("requestBody", {}), **operation["responses"]}.items():
                if media := resolved(answer).get("content", {}).get("application/json"):
                    yield f"{method.upper()} {path} {status}", media


def test_every_body_and_every_answer_has_an_example_that_is_true_of_it() -> None:
    without, wrong = [], {}
    for where, media in told():
        if not media.get("examples"):
            without.append(where)
        for example in media.get("examples", {}).values():
            if found := problems(media["schema"], resolved(example)["value"]):
                wrong[where] = found
    assert without == [], "Tell of their schemas in memory/api/examples.py or reasoning/api/examples.py"
    assert wrong == {}


def test_examples_tell_only_of_what_there_is() -> None:
    declared = schema()["components"]["schemas"]
    for name, fields in EXAMPLES.items():
        assert name in declared, f"{name} is no schema any more"
        assert set(fields) <= set(declared[name]["properties"]), name
    fields_of_all = {field for one in declared.values() for field in one.get("properties", {})}
    assert set(BY_FIELD) <= fields_of_all


def test_a_schema_of_which_nothing_is_told_has_no_example() -> None:
    schemas = {"New": {"type": "object", "required": ["colour"], "properties": {"colour": {"type": "string"}}}}
    with pytest.raises(LookupError, match=r"New\.colour"):
        example_of({"$ref": "#/components/schemas/New"}, schemas, {})
    assert example_of({"$ref": "#/components/schemas/New"}, schemas, {"New": {"colour": "red"}}) == {"colour": "red"}


def test_every_error_is_told_once() -> None:
    """What all operations refuse alike is said in one place; only what one refuses otherwise stands with it."""
    shared = schema()["components"]["responses"]
    assert {"Unauthorized", "NotFound", "Conflict", "Unprocessable", "TooManyRequests"} <= set(shared)
    own = [
        f"{method} {path} {status}"
        for path, methods in schema()["paths"].items()
        for method, operation in methods.items()
        for status, answer in operation["responses"].items()
        if status != "200" and "$ref" not in answer
    ]
    assert len(own) < 15, own
    for answer in shared.values():
        assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}


def test_a_check_can_fail() -> None:
    with pytest.raises(AssertionError, match="id"):
        check("/v1/apps/{app}", "get", {"name": "a", "metadata": {}, "created_at": "2026-01-01T00:00:00Z"})
    with pytest.raises(AssertionError, match="extra"):
        check("/v1/apps/{app}", "get", {"id": "x", "name": "a", "metadata": {}, "created_at": "x", "extra": 1})


def test_answers_are_what_the_schema_says(operator: Agent) -> None:
    event = EventFactory(project="work")
    publish(event.user, ["Prefers Python."], [event])
    EventFactory(session=event.session)
    app, user, session = (
        "/v1/apps/{app}",
        "/v1/apps/{app}/users/{user}",
        "/v1/apps/{app}/users/{user}/sessions/{session}",
    )
    a, u, s = f"/v1/apps/{event.app.name}", path_of(event.user), path_of(event.session)
    for path, asked in [
        (app, a), ("/v1/apps/name/{app}", f"/v1/apps/name/{event.app.name}"), (f"{app}/queue", f"{a}/queue"),
        (user, u), (session, s), (f"{session}/messages/{{message}}", f"{s}/messages/{event.public_id}"),
        (f"{session}/events", f"{s}/events"), (f"{app}/projects/{{project}}/events", f"{a}/projects/work/events"),
        (f"{user}/context", f"{u}/context"),
        (f"{session}/context", f"{s}/context?include=conclusions,summary,card,pending"),
        (f"{user}/representation", f"{u}/representation"), (f"{session}/representation", f"{s}/representation"),
        (f"{user}/representation/versions", f"{u}/representation/versions"),
        (f"{user}/representation/versions/{{number}}", f"{u}/representation/versions/1"),
        (f"{user}/representation/diff", f"{u}/representation/diff?from=7d&include=kept"),
        (f"{user}/representation/explain", f"{u}/representation/explain?conclusion=Prefers"),
        (f"{user}/events/{{event}}/statements", f"{u}/events/{event.public_id}/statements"),
    ]:  # fmt: skip
        check(path, "get", operator.get(asked))
    message = {"content": "x", "is_user": True}
    for path, asked, body in [
        ("/v1/apps", "/v1/apps", {"name": "new"}), ("/v1/apps/list", "/v1/apps/list", {}),
        (f"{app}/users", f"{a}/users", {"name": "new"}), (f"{app}/users/list", f"{a}/users/list", {}),
        (f"{user}/sessions", f"{u}/sessions", {}), (f"{user}/sessions/list", f"{u}/sessions/list", {}),
        (f"{session}/messages", f"{s}/messages", message),
        (f"{session}/messages/batch", f"{s}/messages/batch", {"messages": [message]}),
        (f"{session}/messages/list", f"{s}/messages/list", {}),
        (f"{session}/events", f"{s}/events", {"content": "x"}),
        (f"{session}/events", f"{s}/events", [{"content": "x"}]),
        (f"{user}/representation/rollback", f"{u}/representation/rollback", {"to": 1, "reason": "x"}),
        (f"{user}/conclusions", f"{u}/conclusions", {"content": "Sails."}),
        (f"{user}/query", f"{u}/query", {"query": "Python"}),
        (f"{session}/query", f"{s}/query", {"query": "Python?", "mode": "reason"}),
        (f"{session}/chat", f"{s}/chat", {"queries": ["Python?"]}),
    ]:  # fmt: skip
        check(path, "post", operator.post(asked, body))
    conclusions = operator.get(f"{u}/conclusions?standing=true")
    check(f"{user}/conclusions", "get", conclusions)
    one = f"{u}/conclusions/{conclusions['items'][0]['id']}"
    for method, change in [("GET", None), ("PATCH", {"content": "Rows."}), ("DELETE", None)]:
        check(f"{user}/conclusions/{{conclusion}}", method.lower(), operator.send(method, one, change).json())
    refused = operator.send("POST", f"{s}/messages", {}).json()
    error = {"$ref": "#/components/schemas/Error", "components": schema()["components"]}
    assert list(Draft202012Validator(error).iter_errors(refused)) == []
