"""What no view of this site can be cheaper than: bare Django views, behind the site's own middleware.

They read and write tables of their own, which the benchmark makes in its database.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse

TABLES = """
DROP TABLE IF EXISTS floor_row, floor_written;
CREATE TABLE floor_row (id bigint PRIMARY KEY, text text NOT NULL);
CREATE TABLE floor_written (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text NOT NULL, data jsonb NOT NULL,
                            written_at timestamptz NOT NULL DEFAULT now());
"""

SCRIPT = """\\set id random(1, {rows})
SELECT text FROM floor_row WHERE id = :id;
"""
"""What pgbench runs."""

TEXT = "It was said on 2026-05-04: the beans should go in before the end of May, once the nights stay warm. " * 40


def make(texts: list[str], folder: Path) -> Path:
    """Make the floors' tables, with a row for each text; return the file of pgbench's script."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        cursor.execute(
            "INSERT INTO floor_row (id, text) SELECT * FROM unnest(%s::bigint[], %s::text[])",
            [list(range(1, len(texts) + 1)), texts],
        )
        cursor.execute("ANALYZE floor_row")
    script = folder / "floor.sql"
    script.write_text(SCRIPT.format(rows=len(texts)))
    return script


def nothing(request: HttpRequest) -> HttpResponse:
    """Answer without a database."""
    return _answer(TEXT)


def row(request: HttpRequest, number: int) -> HttpResponse:
    """Answer with one row, read by its key."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM floor_row WHERE id = %s", [number])
        return _answer(cursor.fetchone()[0])


def insert(request: HttpRequest) -> HttpResponse:
    """Write one row, with the text of the body."""
    body = json.loads(request.body)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO floor_written (text, data) VALUES (%s, %s) RETURNING id", [body["content"], json.dumps(body)]
        )
        return _answer(cursor.fetchone()[0])


insert.csrf_exempt = True  # type: ignore[attr-defined]


def _answer(found: Any) -> HttpResponse:
    return HttpResponse(json.dumps({"context": found}), content_type="application/json")
