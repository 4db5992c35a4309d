from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw, Struct
from msgspec.json import Decoder

from akrasia.core import InputError
from akrasia.core.decoding import DEEPEST, Undecodable, decode_json, decode_toml


class Row(Struct, forbid_unknown_fields=True):
    name: str = ""
    held: Any = None
    raw: Raw = Raw()


def test_what_is_valid() -> None:
    assert decode_json(b'\xef\xbb\xbf{"name":"\xc3\xa9"}', Row).name == "é"
    assert decode_json('{"held":[1,{"a":null}]}', Decoder(Row)).held == [1, {"a": None}]
    assert decode_json('"[[[\\"["', str) == '[[["['
    assert decode_toml(b'\xef\xbb\xbfa = {b = [1, "\xc3\xa9"]}', dict) == {"a": {"b": [1, "é"]}}


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    ("content", "said", "wrong_kind"),
    [
        (b'{"name":1}', "Expected `str`, got `int` - at `$.name`", True),
        (b'{"other":1}', "Object contains unknown field `other`", True),
        (b'{"held":1e400}', "Number out of range", True),
        (b'{"held":' + b"9" * 5000 + b"}", "out of range", True),
        (b'{"name":', "not valid JSON: it breaks off before its end", False),
        (b'{"name":"a"} {}', "not valid JSON", False),
        (b"  ", "not valid JSON: there is nothing", False),
        (b'{"name":"\xe9"}', "not UTF-8 text: save the file as UTF-8", False),
        (b'{"raw":"\xe9"}', "not UTF-8 text: save the file as UTF-8", False),
        ('{"name":"a"}'.encode("utf-16"), "looks like UTF-16: save it as UTF-8", False),
        ('{"name":"a"}'.encode("utf-16-le"), "looks like UTF-16: save it as UTF-8", False),
        ('{"name":"\udc80"}', "not UTF-8 text", False),
        (b'{"name":"\\ud800"}', "half a surrogate pair", False),
        (b'{"name":"\\udc00 and more"}', "half a surrogate pair", False),
        (b"item,sample,utility\n", "it begins 'item,sample,utility', and looks like a table of columns (CSV)", False),
        (f'{{"held":{nested(3000)}}}', "nested too deeply: at most 100 levels", False),
        (f'{{"raw":{nested(100_000)}}}', "nested too deeply", False),
        ("[" * 100_000, "nested too deeply", False),
    ],
)
def test_every_way_to_fail_is_one_line(content: bytes | str, said: str, wrong_kind: bool) -> None:
    with pytest.raises(Undecodable) as refused:
        decode_json(content, Row)
    assert said in str(refused.value)
    assert refused.value.wrong_kind == wrong_kind
    message = str(refused.value.at("f.jsonl, line 2", "write a row"))
    assert message.removesuffix("; write a row") == f"f.jsonl, line 2: {refused.value}"
    assert message.count(": save") + message.count("; write") == 1
    assert "\n" not in message


def test_a_whole_pair_is_a_character() -> None:
    assert decode_json(b'"\\ud83d\\ude00"', str) == "\U0001f600"
    with pytest.raises(Undecodable, match="not valid JSON: trailing"):  # what is escaped is the backslash
        decode_json(b'"\\\\ud800" x', str)


def test_depth_is_that_of_brackets_outside_texts() -> None:
    assert decode_json(nested(DEEPEST), Any)
    assert decode_json("[" + ",".join(["[]"] * 500) + "]", list[Any])
    assert decode_json('["' + "[" * 500 + '\\"[{"]', list[str])
    with pytest.raises(Undecodable, match="nested too deeply"):
        decode_json(nested(DEEPEST + 1), Any)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = ", "not valid TOML: Invalid value"),
        (b"a = 1" + b"0" * 5000, "a whole number in it is out of range"),
        (b"a = 'b'", "Expected `int`, got `str`"),
        (b"a = '\xe9'", "not UTF-8 text"),
        ("a = 1".encode("utf-16"), "looks like UTF-16"),
        (f"a = {nested(3000)}", "nested too deeply"),
        (".".join("a" * 5000) + " = 1", "nested too deeply"),
        (f"a = {nested(DEEPEST)}", "nested too deeply"),
    ],
)
def test_toml(content: bytes | str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        decode_toml(content, dict[str, int])
