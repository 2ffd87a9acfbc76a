"""Every route against everything that is wrong: always the error form, never a 500, and nothing is stored."""

import json
import re
from typing import Any

import pytest

from tests.api.conftest import Agent, RowCounts, refused
from tests.api.routes import ROUTES, WITH_BODY, Route, named, names, parts_of, path

__all__ = ["names"]

UNKNOWN = "2JZudj8m3cYqfZLbkJ4Hpf"  # an id that nothing has
READS = r"/(list|rollback|consolidate|search|query|chat|chat/stream)$"
MAKES = [
    route for route in ROUTES if "get_or_create" in route[1] or (route[0] == "POST" and not re.search(READS, route[1]))
]


def test_the_table_knows_the_routes() -> None:
    assert len(ROUTES) >= 48
    assert ("POST", "/v1/apps/{app}/users/{user}/sessions/{session}/messages") in ROUTES
    assert ("GET", "/v1/apps/{app}/queue") in ROUTES


def test_a_name_that_cannot_be(
    operator: Agent, names: dict[str, str], row_counts: RowCounts, subtests: pytest.Subtests
) -> None:
    for route in ROUTES:
        with subtests.test(named(route)):
            before = row_counts()
            parts = parts_of(route) or (["app"] if route == ("GET", "/v1/apps") else [])
            for value in ("a%00b", "a%0Ab", "%7F", "x" * 10_000, "."):
                for part in parts:
                    detail = refused(operator.send(route[0], path(route, names, **{part: value}), {}), 422, "invalid")
                    assert detail[0]["loc"][0] in ("path", "query")
                    assert detail[0]["loc"][1] in (part, f"{part}_id")
            assert row_counts() == before


def test_odd_names_are_names(
    operator: Agent, names: dict[str, str], row_counts: RowCounts, subtests: pytest.Subtests
) -> None:
    """Names with ``+``, spaces, ``%``, other scripts and broken UTF-8 are found or not; nothing breaks."""
    for route in ROUTES:
        with subtests.test(named(route)):
            if route[1].endswith("/import"):
                continue  # it takes no JSON
            parts = parts_of(route)
            for odd in ("a+b", "a b", "a%25b", "日本", "%FF%FE", "..%2E", "'; --", "a&b=c", "%s", "{x}"):
                response = operator.send(route[0], path(route, names, **dict.fromkeys(parts[-1:], odd)), {})
                if response.streaming:
                    list(response.streaming_content)
                assert response.status_code in (200, 404, 422), odd
                if response.status_code != 200:
                    assert set(json.loads(response.content)) == {"detail", "code", "request_id"}


def minimal(route: Route) -> dict[str, Any]:
    """A body with which a route comes to look for what its path names."""
    if route[1].endswith("/rollback"):
        return {"to": 1, "reason": "x"}
    if route[1].endswith(("/search", "/query")):
        return {"query": "x"}
    if "/chat" in route[1]:
        return {"queries": "x"}
    if "/labels/" in route[1]:
        return {"reason": "x"} | ({"version": "user-1"} if route[0] == "PUT" else {})
    if route[1].endswith("/webhooks/{webhook}"):
        return {"description": "x"} if route[0] == "PUT" else {}
    if route[0] == "PATCH":
        return {"pinned": True}
    return {"metadata": {}} if route[0] == "PUT" else {}


def test_an_unknown_id(
    operator: Agent, names: dict[str, str], row_counts: RowCounts, subtests: pytest.Subtests
) -> None:
    for route in [route for route in ROUTES if route not in MAKES]:
        with subtests.test(named(route)):
            before = row_counts()
            body = minimal(route)
            for unknown in (UNKNOWN, "nobody"):
                for part in parts_of(route):
                    status, code = (422, "invalid") if part in ("number", "kind", "label") else (404, "not_found")
                    refused(operator.send(route[0], path(route, names, **{part: unknown}), body), status, code)
            assert row_counts() == before


NOT_JSON: dict[str, bytes] = {
    "cut off": b'{"content": "x"',
    "not utf-8": b'{"content": "\xff"}',
    "utf-16": '{"content": "x"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"content": "x"}',
    "deep": b"[" * 100_000,
    "deep and whole": b'{"metadata":' * 100_000 + b"1" + b"}" * 100_000,
    "not a number": b'{"metadata": {"n": NaN}}',
    "infinity": b'{"metadata": {"n": -Infinity}}',
    "a number too long": b'{"metadata": {"n": ' + b"9" * 10_000 + b"}}",
    "a raw nul": b'{"content": "\x00"}',
}
NOT_AN_OBJECT = [5, "text", True, [5], [[]], [None], 1.5]


def test_a_body_that_cannot_be_taken(
    operator: Agent, names: dict[str, str], row_counts: RowCounts, subtests: pytest.Subtests
) -> None:
    for route in WITH_BODY:
        with subtests.test(named(route)):
            before = row_counts()
            for why, body in NOT_JSON.items():
                detail = refused(operator.send(route[0], path(route, names), body), 422, "invalid")
                assert (detail[0]["type"], detail[0]["loc"]) == ("json_invalid", ["body"]), why
            for value in NOT_AN_OBJECT:
                detail = refused(operator.send(route[0], path(route, names), value), 422, "invalid")
                assert detail[0]["loc"][0] == "body"
            for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
                response = operator.send(route[0], path(route, names), b'{"content": "x"}', Content_Type=content_type)
                refused(response, 415, "unsupported_media_type")
            assert row_counts() == before


def test_a_body_that_is_too_large(
    operator: Agent, names: dict[str, str], row_counts: RowCounts, settings: Any, subtests: pytest.Subtests
) -> None:
    for route in WITH_BODY:
        with subtests.test(named(route)):
            settings.HONCHO = {**settings.HONCHO, "BATCH_BYTES": 1_000}
            before = row_counts()
            refused(operator.send(route[0], path(route, names), b" " * 1_001), 413, "too_large")
            assert row_counts() == before
            assert operator.send(route[0], path(route, names), b" " * 1_000).status_code == 422


MESSAGE: dict[str, Any] = {"content": "x", "is_user": True}
FAR = "9" * 400
FIELDS: list[tuple[str, str, dict[str, Any], list[Any]]] = [
    # method, end of the path, a good body with "?" where the bad values go, the bad values
    *[
        (method, end, {"name": "?"}, [5, None if method == "POST" else [], "", "a/b", "\x00", "\ud800", "x" * 513])
        for method, end in [("POST", "/v1/apps"), ("POST", "/v1/apps/{app}/users"), ("PUT", "/v1/apps/{app}"),
                            ("PUT", "/v1/apps/{app}/users/{user}")]
    ],
    ("POST", "/v1/apps/{app}/users/{user}/sessions", {"name": "?"}, [5, "", "a/b", "\x00", "\ud800", "x" * 513]),
    *[
        (method, end, {**body, "metadata": "?"},
         [5, "x", [], [1], True, {"a": "\x00"}, {"\x00": 1}, {"a": "\ud800"}])
        for method, end, body in [
            ("POST", "/v1/apps", {"name": "new"}), ("POST", "/v1/apps/{app}/users", {"name": "new"}),
            ("POST", "/v1/apps/{app}/users/{user}/sessions", {}), ("PUT", "/v1/apps/{app}", {}),
            ("PUT", "/v1/apps/{app}/users/{user}", {}), ("PUT", "/v1/apps/{app}/users/{user}/sessions/{session}", {}),
            ("PUT", "/messages/{message}", {}), ("POST", "/messages", MESSAGE),
            ("POST", "/events", {"content": "x"}),
        ]
    ],
    *[
        ("POST", f"{end}/list", {"filter": "?"}, [5, "x", [1], True, {"a": "\x00"}, {"a": "\ud800"}])
        for end in ("/v1/apps", "/users", "/sessions", "/messages")
    ],
    ("POST", "/sessions/list", {"is_active": "?"}, ["true", 1, []]),
    ("POST", "/messages", {**MESSAGE, "content": "?"}, [5, None, [], "x" * 50_001, "\x00", "\ud800"]),
    ("POST", "/messages", {**MESSAGE, "is_user": "?"}, ["true", 1, None, []]),
    ("POST", "/messages", {**MESSAGE, "id": "?"}, [5, "", [], "x" * 256, "\x00", "\ud800"]),
    ("POST", "/messages", {**MESSAGE, "occurred_at": "?"},
     ["yesterday", 5, [], "2026-01-01T00:00:00", "9999-12-31T23:59:59Z", "2026-13-01T00:00:00Z", FAR, "\x00"]),
    ("POST", "/messages/batch", {"messages": "?"}, [5, None, {}, "x", [5], [[]], [None], [{}], [MESSAGE] * 101]),
    ("POST", "/events", {"content": "?"}, [5, [], "x" * 50_001, "\x00", "\ud800"]),
    ("POST", "/events", {"kind": "?"}, [5, [], "", "Odd", "a b", "x" * 101, "a.\x00", "message\n"]),
    ("POST", "/events", {"data": "?"}, [5, "x", True, {"a": "\x00"}, {"a": "\ud800"}]),
    ("POST", "/events", {"author": "?"}, [5, [], "", "a/b", "\x00", "\ud800", "x" * 513]),
    ("POST", "/events", {"project": "?"}, [5, [], "", "a/b", "\x00", "\ud800", "x" * 513]),
    ("POST", "/events", {"origin": "?"}, [5, [], "", "model", "\x00"]),
    ("POST", "/events", {"is_user": "?"}, ["true", 1, []]),
    ("POST", "/events", {"id": "?"}, [5, "", "x" * 256, "\x00"]),
    ("POST", "/events", {"occurred_at": "?"}, ["yesterday", 5, "2026-01-01T00:00:00",
                                        "0001-01-01T00:00:00+14:00", FAR]),
    ("POST", "/events", {"?": 1}, ["unknown", "\x00", "contents", "\ud800", "x" * 10_000]),
    ("POST", "/conclusions", {"content": "?"}, [5, None, [], "", " ", "x" * 1_001, "\x00", "\ud800"]),
    ("POST", "/conclusions", {"content": "x", "about": "?"}, [5, [], "", "nobody", "\x00"]),
    ("POST", "/conclusions", {"content": "x", "id": "?"}, [5, "", "x" * 256, "\x00"]),
    ("POST", "/conclusions", {"content": "x", "?": 1}, ["pinned", "\x00", "contents"]),
    ("PATCH", "/conclusions/{conclusion}", {"content": "?"}, [5, [], "", " ", "x" * 1_001, "\x00", "\ud800"]),
    ("PATCH", "/conclusions/{conclusion}", {"pinned": "?"}, ["true", 1, []]),
    ("DELETE", "/conclusions/{conclusion}", {"?": 1}, ["why", "\x00"]),
    *[
        (method, end, {**body, field: "?"}, values)
        for method, end, body in [("POST", "/conclusions", {"content": "x"}),
                                  ("PATCH", "/conclusions/{conclusion}", {"content": "x"})]
        for field, values in [("importance", ["1", 0, 6, 1.5, True, 10**30]), ("reason", [5, [], "\x00", "x" * 2_001])]
    ],
    ("POST", "/representation/rollback", {"to": 1, "reason": "?"}, [5, "", " ", "\x00", "x" * 2_001]),
    ("POST", "/representation/rollback", {"to": "?", "reason": "x"}, ["1", 0, -1, 1.5, True, 10**30, None]),
    *[
        ("POST", "/prompts", {"from": "user-1", "message": "x"} | {field: "?"}, values)
        for field, values in [
            ("kind", [5, "nobody", []]), ("instructions", [5, [], "", "{nobody}", "\x00", "\ud800"]),
            ("message", [5, [], " ", "\x00", "x" * 501]), ("model", [5, [], "\x00", "x" * 201]),
            ("parameters", [5, "x", [1], {"messages": []}, {"a": "\x00"}]), ("from", [5, [], "", "user-9", "\x00"]),
        ]
    ],
    ("POST", "/prompts", {"from": "user-1", "message": "x", "?": 1}, ["number", "\x00", "models"]),
    *[
        ("POST", "/prompts/{prompt}/dry_run", {"user": "ann"} | {field: "?"}, values)
        for field, values in [
            ("user", [5, [], "", "a/b", "\x00", "\ud800"]), ("observer", [5, [], "", "\x00"]),
            ("session", [5, [], "", "\x00"]), ("events", ["1", 0, -1, 1.5, True, 10**30]),
        ]
    ],
    ("PUT", "/labels/{kind}/{label}", {"version": "?", "reason": "x"}, [5, None, [], "", "user-9", "\x00", "\ud800"]),
    ("PUT", "/labels/{kind}/{label}", {"version": "user-1", "reason": "?"}, [5, [], "", " ", "\x00", "x" * 2_001]),
    ("DELETE", "/labels/{kind}/{label}", {"reason": "?"}, [5, [], "", " ", "\x00", "x" * 2_001]),
]  # fmt: skip


def with_value(body: dict[str, Any], value: Any) -> tuple[str, dict[str, Any]]:
    """Return the field that is marked, and the body with ``value`` in its place."""
    if "?" in body:
        return value, {value: 1}
    field = next(key for key, given in body.items() if given == "?")
    return field, {**body, field: value}


def matching(method: str, pattern: str) -> list[Route]:
    """The routes of a method whose path fits a pattern; there must be one."""
    found = [route for route in ROUTES if route[0] == method and re.search(pattern, route[1])]
    assert found
    return found


def test_a_field_that_cannot_be_taken_is_named(
    operator: Agent, names: dict[str, str], row_counts: RowCounts, subtests: pytest.Subtests
) -> None:
    for method, end, body, values in FIELDS:
        with subtests.test(f"{method} {end} {body}"):
            before = row_counts()
            start = "^" if end.startswith("/v1/") else ""
            for route in matching(method, f"{start}{re.escape(end)}$"):
                for value in values:
                    field, sent = with_value(body, value)
                    detail = refused(operator.send(method, path(route, names), sent), 422, "invalid")
                    assert detail[0]["loc"][:2] == ["body", field[:100]], (value, detail)
                    assert len(json.dumps(detail)) < 2_000
            assert row_counts() == before


def test_a_number_that_json_has_and_postgresql_has_not(
    operator: Agent, names: dict[str, str], row_counts: RowCounts
) -> None:
    before = row_counts()
    talk = "/v1/apps/tenant/users/ann/sessions/talk"
    for method, where, body in [
        ("POST", f"{talk}/messages", b'{"content": "x", "is_user": true, "metadata": {"n": 1e999}}'),
        ("POST", f"{talk}/messages/list", b'{"filter": {"n": -1e999}}'),
        ("POST", f"{talk}/events", b'{"data": [1e999]}'),
        ("PUT", talk, b'{"metadata": {"n": 1e999}}'),
    ]:
        assert refused(operator.send(method, where, body), 422, "invalid")[0]["type"] == "json"
    assert row_counts() == before


def test_json_is_nested_a_hundred_levels_deep_at_most(operator: Agent, names: dict[str, str]) -> None:
    """What is stored can be read again: deeper JSON would exhaust the stack of whoever reads it."""
    talk = "/v1/apps/tenant/users/ann/sessions/talk"
    deepest: Any = {}
    for _ in range(99):
        deepest = {"a": deepest}
    stored = operator.post(f"{talk}/events", {"data": deepest, "metadata": deepest})
    assert stored["data"] == stored["metadata"] == deepest
    assert operator.get(f"{talk}/events?reverse=true&limit=1")["items"][0]["data"] == deepest
    for levels in (101, 500, 850, 900, 930, 950, 970, 990, 1_000, 1_100):
        body = b'{"metadata":' + b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1) + b"}"
        detail = refused(operator.send("PUT", talk, body), 422, "invalid")
        assert detail[0]["type"] in ("json_depth", "json", "json_invalid")


def test_what_is_too_large_for_one_event_is_said(operator: Agent, names: dict[str, str], row_counts: RowCounts) -> None:
    before = row_counts()
    large = {"a": "x" * 262_144}
    talk = "/v1/apps/tenant/users/ann/sessions/talk"
    refused(operator.send("POST", f"{talk}/events", {"data": large}), 413, "too_large")
    refused(operator.send("POST", f"{talk}/messages", {**MESSAGE, "metadata": large}), 413, "too_large")
    refused(operator.send("PUT", "/v1/apps/tenant", {"metadata": large}), 413, "too_large")
    assert row_counts() == before


QUERIES = [
    (r"/list$", "POST", ["page=0", "page=-1", "page=x", "page=", "page=1.5", "page=99999999999999999999", "size=0",
                         "size=101", "size=x", "size=%00", "size=１", "reverse=maybe", "reverse=%00"]),
    (r"/events$", "GET", ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=", f"cursor={'z' * 22}", "cursor=%00",
                          "since=yesterday", "since=2026-01-01", "until=%00", "kind=", "kind=%00", "author=",
                          "author=%00", "reverse=2", f"kind={'x' * 101}"]),
    (r"/context$|/representation$", "GET", ["tokens=0", "tokens=100001", "tokens=x", "version=0", "version=x",
                                            "version=99999999999", "at=x", "at=%00"]),
    (r"/versions$", "GET", ["limit=0", "limit=101", "cursor=x", "cursor=0", "cursor=99999999999", "cursor=%00"]),
]  # fmt: skip


def test_a_query_that_cannot_be_taken_is_named(
    operator: Agent, names: dict[str, str], row_counts: RowCounts, subtests: pytest.Subtests
) -> None:
    for pattern, method, queries in QUERIES:
        with subtests.test(pattern):
            before = row_counts()
            for route in matching(method, pattern):
                for query in queries:
                    detail = refused(operator.send(method, f"{path(route, names)}?{query}"), 422, "invalid")
                    assert detail[0]["loc"] == ["query", query.partition("=")[0]]
            assert row_counts() == before


def test_a_method_that_is_not_there(
    operator: Agent, names: dict[str, str], row_counts: RowCounts, subtests: pytest.Subtests
) -> None:
    for route in ROUTES:
        with subtests.test(named(route)):
            before = row_counts()
            there = {method for method, pattern in ROUTES if pattern == route[1]}
            for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - there:
                response = operator.send(method, path(route, names))
                refused(response, 405, "method_not_allowed")
                assert there <= set(response["Allow"].split(", ")) <= there | {"HEAD"}
            assert row_counts() == before
