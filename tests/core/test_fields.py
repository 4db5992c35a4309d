from __future__ import annotations

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.core import InputError
from akrasia.core.fields import MISSING, MOST_SAMPLE, check_quotes, check_utf8, read_number, read_sample, repeated_key


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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('a,b\n1,"2\n3,4\n5,6\n', "file, line 2: a quote opens a field here that is never closed: remove it"),
        ('\ufeff"a,b\n1,2\n', "file, line 1: a quote opens a field here that is never closed"),
        ('a,b\r\n1,"x\r\ny"\r\n1,"2""\r\n', "file, line 4: a quote opens a field here that is never closed"),
        ('a,b\r1,2\r"3,4\r', "file, line 3: a quote opens a field here that is never closed"),
        (
            'a,b\n1,"2\n3,4\n5,"6\n7,8\n',
            "file, line 2: a quote opens a field here that is closed only in line 4, within",
        ),
        ('a,b\n1,"2\n3,"x, y"\n', "file, line 2: a quote opens a field here that is closed only in line 3, within"),
    ],
)
def test_a_stray_quote(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_quotes("file", text.encode())


def test_quotes_within_a_field_that_opens_without_one() -> None:
    check_quotes("file", b'a,b\n5" long,6"\nx "y, z"\n"a"b,1\n')


@given(st.lists(st.lists(st.text('ab",\r\n\ufeff'), min_size=1), min_size=1))
def test_what_is_quoted_well(rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    check_quotes("file", text.getvalue().encode("utf-8-sig"))


def test_encodings() -> None:
    check_utf8("file", "\ufeffé\n".encode())
    with pytest.raises(InputError, match="file, line 2: not UTF-8 text: save"):
        check_utf8("file", "e\né\n".encode("latin-1"))
    with pytest.raises(InputError, match="file is not UTF-8 text, and looks like UTF-16"):
        check_utf8("file", "e".encode("utf-16-le"))


def test_repeated_keys() -> None:
    assert repeated_key('{"a": {"b": 1, "b": 2}}') == "b"
    assert repeated_key('{"a": {"b": 1}, "b": 2}') is None
