"""Every table, key and reference has its place in docs/distribution.toml, and the catalog bears it out."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

LIST = Path(__file__).resolve().parents[2] / "docs" / "distribution.toml"
PLACES = ("distributed", "reference", "local")

_KEYS = """
SELECT held.relname, key.relname, ix.indisprimary,
       array(SELECT attname::text FROM pg_attribute
              WHERE attrelid = ix.indrelid AND attnum = ANY(ix.indkey::int2[]) AND attnum > 0)
  FROM pg_index ix
  JOIN pg_class key ON key.oid = ix.indexrelid
  JOIN pg_class held ON held.oid = ix.indrelid
 WHERE held.relname = ANY(%s) AND held.relnamespace = 'public'::regnamespace AND (ix.indisunique OR ix.indisexclusion)
"""
_REFERENCES = """
SELECT held.relname, fk.conname, target.relname,
       array(SELECT attname::text FROM pg_attribute WHERE attrelid = held.oid AND attnum = ANY(fk.conkey))
  FROM pg_constraint fk
  JOIN pg_class held ON held.oid = fk.conrelid
  JOIN pg_class target ON target.oid = fk.confrelid
 WHERE fk.contype = 'f' AND held.relname = ANY(%s) AND held.relnamespace = 'public'::regnamespace
   AND fk.conparentid = 0
"""
_COLUMNS = """
SELECT held.relname, attname, attnotnull, format_type(atttypid, NULL) = 'uuid' OR attidentity <> ''
  FROM pg_attribute column_
  JOIN pg_class held ON held.oid = column_.attrelid
 WHERE held.relname = ANY(%s) AND held.relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
"""


@dataclass(frozen=True)
class Key:
    table: str
    name: str
    primary: bool
    columns: frozenset[str]


@dataclass(frozen=True)
class Reference:
    table: str
    name: str
    target: str
    columns: frozenset[str]


class Catalog:
    """What the database has: the tables of both apps, partitions left out, with their keys and references."""

    def __init__(self) -> None:
        models = [model for label in ("memory", "reasoning") for model in apps.get_app_config(label).get_models()]
        self.models = {model._meta.db_table for model in models}
        self.tables = {
            name
            for (name,) in _ask(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
                "   AND NOT relispartition AND (relname LIKE 'memory\\_%%' OR relname LIKE 'reasoning\\_%%')"
            )
        }
        names = sorted(self.tables)
        self.keys = [Key(table, name, primary, frozenset(cols)) for table, name, primary, cols in _ask(_KEYS, names)]
        self.references = [
            Reference(table, name, target, frozenset(columns))
            for table, name, target, columns in _ask(_REFERENCES, names)
        ]
        columns = list(_ask(_COLUMNS, names))
        self.required = {(table, column) for table, column, not_null, _ in columns if not_null}
        self.ids = {(table, column) for table, column, _, made_as_id in columns if made_as_id}


def _ask(sql: str, *parameters: Any) -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        yield from cursor.fetchall()


def problems(decided: dict[str, dict[str, str]], catalog: Catalog) -> list[str]:
    """Return what is missing from the list, untrue or left over, each as a sentence that says what to do."""
    place = {table: group for group in PLACES for table in decided[group]}
    found = [f"{table} is in two of {PLACES}: decide for one." for table in _twice(decided)]
    for table in sorted(catalog.tables - place.keys()):
        found.append(
            f"{table} has no place. If its rows belong to an app, put it under [distributed] with the column that "
            "leads to the app; else under [reference] or [local], with the reason."
        )
    for table in sorted(place.keys() - catalog.tables):
        found.append(f"{table} is listed, but there is no such table: remove it.")
    for table, column in decided["distributed"].items():
        if table in catalog.tables and (table, column) not in catalog.required:
            found.append(f"{table}.{column} may be null or is missing: a row without an app has no server.")
        elif column != "app_id" and not _leads(table, column, place, catalog):
            found.append(f"{table}.{column} refers to no distributed table, so it does not lead to an app.")
    keys = [key for key in catalog.keys if place.get(key.table) == "distributed"]
    unkept = {key.name for key in keys if not _holds(key, decided, catalog, place)}
    unheld = {ref.name for ref in catalog.references if ref.table in place and not _can_be(ref, place)}
    for kind, names in (("keys", unkept), ("references", unheld)):
        for name in sorted(names - decided[kind].keys()):
            found.append(f"{name} cannot be kept by one server: say under [{kind}] what is to become of it.")
        for name in sorted(decided[kind].keys() - names):
            found.append(f"{name} is listed under [{kind}], but it is gone or can be kept: remove it.")
    return found


def _twice(decided: dict[str, dict[str, str]]) -> list[str]:
    listed = [table for group in PLACES for table in decided[group]]
    return sorted({table for table in listed if listed.count(table) > 1})


def _leads(table: str, column: str, place: dict[str, str], catalog: Catalog) -> bool:
    """Whether a column names a row of a distributed table: by a foreign key, or by the field of a model."""
    targets = {ref.target for ref in catalog.references if ref.table == table and ref.columns == {column}}
    for model in apps.get_models():
        if model._meta.db_table == table:
            targets |= {
                field.related_model._meta.db_table
                for field in model._meta.concrete_fields
                if field.column == column and field.is_relation
            }
    return any(place.get(target) == "distributed" for target in targets)


def _holds(key: Key, decided: dict[str, dict[str, str]], catalog: Catalog, place: dict[str, str]) -> bool:
    """Whether a key forbids no more than it would with the app in front.

    It holds the app, or something that belongs to one; or it is an id, which is never made twice.
    """
    if key.columns & {"app_id", decided["distributed"][key.table]}:
        return True
    if any(_leads(key.table, column, place, catalog) for column in key.columns):
        return True
    return key.primary and len(key.columns) == 1 and all((key.table, column) in catalog.ids for column in key.columns)


def _can_be(ref: Reference, place: dict[str, str]) -> bool:
    """Whether one server could check a foreign key: both ends live there, or the one referred to is everywhere."""
    target = place.get(ref.target, "local")  # a table of Django's own
    if place[ref.table] == "distributed":
        return target in ("distributed", "reference")
    return target in ("reference", "local")


@pytest.fixture
def decided() -> dict[str, dict[str, str]]:
    return tomllib.loads(LIST.read_text())


@pytest.fixture
def catalog(db: None) -> Catalog:
    return Catalog()


def test_every_table_key_and_reference_has_its_place(decided: dict[str, dict[str, str]], catalog: Catalog) -> None:
    assert catalog.models <= catalog.tables
    assert problems(decided, catalog) == []


def test_a_table_that_nobody_has_placed_is_named_with_what_to_do(
    decided: dict[str, dict[str, str]], catalog: Catalog
) -> None:
    del decided["distributed"]["memory_event"]
    assert problems(decided, catalog)[0].startswith("memory_event has no place. If its rows belong to an app, put it")


def test_a_key_that_spans_apps_is_named(decided: dict[str, dict[str, str]], catalog: Catalog) -> None:
    decided["distributed"]["memory_app"] = "id"
    del decided["reference"]["memory_app"]
    assert "memory_app_name_key cannot be kept by one server: say under [keys] what is to become of it." in problems(
        decided, catalog
    )


def test_a_decision_about_what_is_no_more_is_named(decided: dict[str, dict[str, str]], catalog: Catalog) -> None:
    decided["local"]["memory_gone"] = "it was"
    decided["keys"]["memory_event_pkey"] = "it is an id"
    assert problems(decided, catalog) == [
        "memory_gone is listed, but there is no such table: remove it.",
        "memory_event_pkey is listed under [keys], but it is gone or can be kept: remove it.",
    ]


def test_a_column_that_leads_to_no_app_is_named(decided: dict[str, dict[str, str]], catalog: Catalog) -> None:
    decided["distributed"]["memory_subject"] = "user_id"
    assert problems(decided, catalog) == [
        "memory_subject.user_id may be null or is missing: a row without an app has no server."
    ]
