"""Public ids are those of ``shortuuid``, whichever way they are written."""

import uuid

import pytest
import shortuuid
from hypothesis import given
from hypothesis import strategies as st

from memory import ids


@given(st.uuids())
def test_an_id_is_written_as_shortuuid_does_and_read_back(value: uuid.UUID) -> None:
    written = ids.encode(value)
    assert written == shortuuid.encode(value)
    assert ids.decode(written) == value


@pytest.mark.parametrize("value", [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)])
def test_the_first_and_the_last_id_are_written_too(value: uuid.UUID) -> None:
    assert ids.encode(value) == shortuuid.encode(value)
    assert ids.decode(ids.encode(value)) == value


@given(st.text(min_size=22, max_size=22))
def test_only_what_is_written_as_an_id_is_one(text: str) -> None:
    value = ids.decode(text)
    assert value is None or ids.encode(value) == text


@pytest.mark.parametrize("text", ["", "2" * 21, "2" * 23, "z" * 22, "0" * 22, "l" * 22])
def test_what_is_no_id_is_none(text: str) -> None:
    assert ids.decode(text) is None
