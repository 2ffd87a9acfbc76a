"""Rows as PostgreSQL's binary COPY format has them, and thousands of copies of one at once.

A row is taken as bytes, with the places in it that differ from copy to copy: ids, times, numbers, names. What is
written there is reckoned for all copies together (numpy), so that a copy costs little more than its bytes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TAIL = b"\xff\xff"

Bytes = NDArray[np.uint8]
"""What is written: a row of bytes for each copy."""

Written = Callable[[Any], Bytes]
"""Returns what is written at a place for the copies of a batch."""

_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(slots=True)
class Mould:
    """A row, and what differs in its copies: at which place, and what."""

    row: bytes
    places: list[tuple[int, Written]] = field(default_factory=list)

    def copies(self, batch: Any, count: int) -> Bytes:
        """Return ``count`` copies, one after another."""
        made = np.tile(np.frombuffer(self.row, np.uint8), (count, 1))
        for place, written in self.places:
            new = written(batch)
            made[:, place : place + new.shape[1]] = new
        return made


def fields_of(row: bytes) -> list[tuple[int, bytes | None]]:
    """Return where each field of a row begins, and its bytes; None for NULL."""
    found: list[tuple[int, bytes | None]] = []
    [count], at = struct.unpack_from(">h", row), 2
    for _ in range(count):
        [size], at = struct.unpack_from(">i", row, at), at + 4
        found.append((at, None if size < 0 else row[at : at + size]))
        at += max(size, 0)
    return found


def rows_of(data: bytes) -> Iterator[bytes]:
    """Yield the rows of what COPY wrote."""
    at = len(HEAD)
    while data[at : at + 2] != TAIL:
        begin = at
        [count], at = struct.unpack_from(">h", data, at), at + 2
        for _ in range(count):
            [size], at = struct.unpack_from(">i", data, at), at + 4
            at += max(size, 0)
        yield data[begin:at]


def integers(values: NDArray[np.int64], form: str) -> Bytes:
    """Return numbers as bytes: ``form`` is numpy's, such as ``>i8``."""
    return np.ascontiguousarray(values.astype(form)).view(np.uint8).reshape(len(values), -1)


def digits(numbers: NDArray[np.int64], width: int) -> Bytes:
    """Return numbers in decimal, filled with zeros."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def hexadecimal(values: Bytes) -> Bytes:
    """Return UUIDs as text."""
    signs = np.frombuffer(b"0123456789abcdef", np.uint8)
    plain = np.stack([signs[values >> 4], signs[values & 15]], axis=2).reshape(len(values), 32)
    dash = np.full((len(values), 1), ord("-"), np.uint8)
    parts = np.split(plain, [8, 12, 16, 20], axis=1)
    return np.concatenate([piece for part in parts for piece in (dash, part)][1:], axis=1)


def texts(values: Sequence[bytes]) -> Bytes:
    """Return texts of one length."""
    return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), -1)


def found_uuids(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield where UUIDs are in a text, and what they are."""
    for match in _UUID.finditer(data):
        yield match.start(), bytes.fromhex(match.group().replace(b"-", b"").decode())
