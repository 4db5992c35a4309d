from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.core import InputError
from akrasia.core.fields import MISSING, MOST_SAMPLE, check_utf8, read_number, read_sample, repeated_key


@given(st.floats(allow_nan=False))
def test_a_number_as_it_is_written(number: float) -> None:
    assert read_number(repr(number)) == read_number(number) == number


def test_words() -> None:
    assert all(math.isnan(read_number(word)) for word in (None, *MISSING, " NA "))
    assert [read_number(word) for word in ("True", "FALSE", "true", False)] == [1, 0, 1, 0]
    for word in ("yes", "na!", "1,5", [1]):
        with pytest.raises(ValueError, match=r"convert|is no number"):
            read_number(word)


@pytest.mark.parametrize("field", [-1, MOST_SAMPLE + 1, 0.5, True, None, "one", "-1", math.nan, math.inf])
def test_no_sample(field: object) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|no number of a sample"):
        read_sample(field)


def test_samples() -> None:
    assert [read_sample(field) for field in (0, "7", 3.0, str(MOST_SAMPLE))] == [0, 7, 3, MOST_SAMPLE]


def test_encodings() -> None:
    check_utf8("file", "\ufeffé\n".encode())
    with pytest.raises(InputError, match="file, line 2: not UTF-8 text: save"):
        check_utf8("file", "e\né\n".encode("latin-1"))
    with pytest.raises(InputError, match="file is not UTF-8 text, and looks like UTF-16"):
        check_utf8("file", "e".encode("utf-16-le"))


def test_repeated_keys() -> None:
    assert repeated_key('{"a": {"b": 1, "b": 2}}') == "b"
    assert repeated_key('{"a": {"b": 1}, "b": 2}') is None
