"""Whether anything is left: where a word or an id still stands, in any column of any table of the database."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection
from psycopg import sql

from memory import ids
from memory.models import Erasure

_COLUMNS = """
SELECT namespace.nspname, class.relname, attribute.attname, format_type(attribute.atttypid, NULL)
  FROM pg_attribute attribute JOIN pg_class class ON class.oid = attribute.attrelid
  JOIN pg_namespace namespace ON namespace.oid = class.relnamespace
 WHERE class.relkind IN ('r', 'm', 'p') AND NOT class.relispartition
   AND attribute.attnum > 0 AND NOT attribute.attisdropped
   AND namespace.nspname NOT IN ('pg_catalog', 'information_schema') AND namespace.nspname NOT LIKE 'pg_t%%'
   AND format_type(attribute.atttypid, NULL) = ANY(%s)
 ORDER BY 1, 2, attribute.attnum
"""

_AS_TEXT = {
    "text": "{column}", "character varying": "{column}", "character": "{column}", "jsonb": "{column}::text",
    "json": "{column}::text", "uuid": "{column}::text", "text[]": "{column}::text",
    "character varying[]": "{column}::text", "jsonb[]": "{column}::text", "uuid[]": "{column}::text",
    "tsvector": "{column}::text", "bytea": "encode({column}, 'escape')",
}  # fmt: skip
_RECEIPTS = "memory_erasure"


def mentions(words: Collection[str]) -> dict[str, int]:
    """Return in which columns any of these words stand, as ``table.column``, and in how many rows of each.

    Every column is looked through that can hold text, letter for letter; receipts are left out. It reads all there is:
    for an operator, not for a request.
    """
    found = {}
    patterns = [f"%{_escaped(form)}%" for word in words for form in _forms(word)]
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, [list(_AS_TEXT)])
        columns = cursor.fetchall()
        for schema, table, column, kind in columns:
            if table == _RECEIPTS or table.startswith("erasing_"):
                continue
            cursor.execute(
                sql.SQL("SELECT count(*) FROM {table} WHERE {text} LIKE ANY(%s)").format(
                    table=sql.Identifier(schema, table),
                    text=sql.SQL(_AS_TEXT[kind]).format(column=sql.Identifier(column)),
                ),
                [patterns],
            )
            if count := cursor.fetchone()[0]:
                found[f"{table}.{column}"] = count
    return found


def _forms(word: str) -> set[str]:
    """Return a word as it may stand: plain, within JSON, and as bytes that are shown by their octal numbers."""
    in_json = word.replace("\\", "\\\\").replace('"', '\\"')
    as_bytes = "".join("\\\\" if byte == 92 else chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in word.encode())
    return {word, in_json, as_bytes}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def left_of(receipt: Erasure) -> dict[str, int]:
    """Return where what was erased is still named, by its id in either form; empty where nothing is left of it."""
    return mentions([str(receipt.target), ids.encode(receipt.target)])
