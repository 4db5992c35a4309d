"""Keys that somebody echoes: what of them clients get, and what the audit log holds."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.audited import GOOD, policy, records
from tests.gateway.conftest import KEY, Serve
from tests.gateway.upstreams import broken, chunk
from tests.upstream import Upstream, raw, status

from akrasia.gateway.credentials import Credentials, shown_in

SECRET = "sk/proj-0123_45+AB="


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


FORMS = {
    "plain": SECRET,
    "in a sentence": f"your key {SECRET}.",
    "in JSON": json.dumps({"key": SECRET}),
    "with a slash escaped": SECRET.replace("/", "\\/"),
    "with escapes": escaped(SECRET),
    "with escapes in capitals": escaped(SECRET).upper().replace("\\U", "\\u"),
    "with one letter escaped": SECRET.replace("-", "\\u002d"),
    "with escapes in JSON in JSON": json.dumps({"a": json.dumps({"b": 1})[:-1] + f', "c": "{escaped(SECRET)}"}}'}),
    "after a backslash": f"C:\\{SECRET}",
    "twice": f"{SECRET}{SECRET}",
}


def unescaped(text: str) -> str:
    """The text with all that looks like an escape taken for one, to any depth."""
    for _ in range(4):
        text = text.replace("\\\\", "\\").replace("\\/", "/")
        for letter in set(SECRET + KEY):
            for code in (f"{ord(letter):04x}", f"{ord(letter):04X}"):
                text = text.replace(f"\\u{code}", letter)
    return text


@pytest.mark.parametrize("name", FORMS)
def test_a_key_is_found_in_every_form(name: str) -> None:
    text = FORMS[name]
    assert SECRET in unescaped(text)
    keys = Credentials(None, SECRET)
    record = {"a": [text, 3, None], text: {"b": text}}
    blotted = keys.out_of(record)
    assert SECRET not in unescaped(json.dumps(blotted, ensure_ascii=False))
    assert "***" in blotted["a"][0]
    data = json.dumps(record).encode()
    assert keys.in_json(data)
    assert SECRET not in unescaped(json.dumps(json.loads(keys.out_of_json(data))))


@pytest.mark.parametrize("text", ["", SECRET[:-1], SECRET[::-1], "\\u0073k-proj", "<\\u003cb\\/>"])
def test_what_holds_no_key_stays_as_it_is(text: str) -> None:
    keys = Credentials(SECRET, "too short", None)
    data = json.dumps({"a": text, "b": "too short"}).encode()
    assert keys.out_of_json(data) == data
    assert not keys.in_json(data)
    assert keys.out_of({"a": text}, frozenset("a")) == {"a": text}


@pytest.mark.parametrize("odd", ['so"me\\thing-öd', "abcu0041defgh"])
def test_a_key_that_json_writes_with_escapes_or_that_looks_like_one(odd: str) -> None:
    keys = Credentials(odd)
    record = {"a": f"my {odd} is"}
    assert keys.out_of(record) == {"a": "my *** is"}
    assert json.loads(keys.out_of_json(json.dumps(record).encode())) == {"a": "my *** is"}
    assert json.loads(keys.out_of_json(b'{"a": "my %s is"}' % escaped(odd).encode())) == {"a": "my *** is"}


def test_the_keys_that_a_client_shows() -> None:
    assert shown_in({"Authorization": "Bearer abc def"})[0] == "abc def"
    assert shown_in({"Authorization": "abc", "X-Api-Key": "x"}) == ["abc", "x", ""]
    for space in ("\t", "  ", " \t "):
        assert shown_in({"Authorization": f" Bearer{space}abc\t"})[0] == "abc"


async def test_a_key_after_a_tab_is_in_no_record(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AKRASIA_API_KEY")
    log = tmp_path / "log.jsonl"
    served = await serve(policy(tmp_path, "enforce"), log=log)
    upstream.faults += [status(401, {"message": f"Incorrect API key provided: {KEY}"})]
    assert (await served.ask({"Authorization": f"Bearer\t{KEY}"})).status == 401
    assert "***" in records(log)[0]["error"]
    assert KEY not in log.read_text(encoding="utf-8")


MODES: dict[str, dict[str, Any]] = {
    "observe": {"mode": "observe"},
    "annotate": {"mode": "annotate"},
    "annotate, redacted": {"mode": "annotate", "redact": ["never there"]},
    "enforce": {"mode": "enforce"},
    "sentences": {"mode": "enforce", "release": "sentences"},
}


@pytest.mark.parametrize("own", ["the upstream's key", "the client's key"])
@pytest.mark.parametrize("name", MODES)
async def test_no_record_holds_a_key(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, own: str
) -> None:
    if own == "the client's key":
        monkeypatch.delenv("AKRASIA_API_KEY")
    message = {
        "content": f"{GOOD} It is {KEY}.",
        "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": f'{{"a": "{escaped(KEY)}"}}'}}
        ],
    }
    upstream.message = lambda body, index: message
    log = tmp_path / "log.jsonl"
    served = await serve(policy(tmp_path, **MODES[name]), log=log)
    refusal = {"message": f"Incorrect API key provided: Bearer {KEY}", "code": escaped(KEY)}
    # The upstream's error with the key in escapes, as its JSON has it.
    upstream.faults += [status(401, refusal), raw(b'{"error": {"message": "no %s"}}' % escaped(KEY).encode(), code=401)]
    upstream.faults += [raw(b'{"error": {"message": "no %s"}}' % KEY.encode())]
    headers = {"Authorization": f"Bearer {KEY}"}
    shown = ""
    for stream in (False, False, False, True, False, False):
        response = await served.ask(headers, stream=stream, messages=[{"role": "user", "content": f"Is it {KEY}?"}])
        shown += await response.text()
    pieces = [{"content": f"{GOOD} It is {KEY[:9]}"}, {"content": f"{KEY[9:]}. So."}]
    body = {"model": "tiny"}
    made = [chunk(body, [{"index": 0, "delta": delta}]) for delta in pieces]
    upstream.faults += [broken([*made, b"data: [DONE]\n\n"], "whole")]
    await served.ask(headers, stream=True)
    if own == "the upstream's key":
        assert KEY not in unescaped(shown)
    for mode in served.gateway._modes.values():
        await mode.close()
    found = records(log)
    assert len([one for one in found if "window" not in one.get("settings", {})]) == 7
    assert KEY not in unescaped(log.read_text(encoding="utf-8"))
    assert "Is it ***?" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", [SECRET, f'"{SECRET}', f"/{SECRET}"])
def test_rows_of_backslashes_are_looked_through_once(key: str) -> None:
    """A million take a fraction of a second; 20,000 of them took half a second, and a million twenty minutes."""
    keys = Credentials(key)
    hostile = "\\" * 1_000_000 + " \\u0041 \\/"
    began = time.perf_counter()
    assert keys.out_of(hostile) == hostile
    data = json.dumps([hostile, key]).encode()
    assert json.loads(keys.out_of_json(data))[0] == hostile
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("mode", ["pass", "observe", "annotate", "enforce"])
async def test_no_header_holds_a_key(upstream: Upstream, serve: Serve, tmp_path: Path, mode: str) -> None:
    served = await serve(policy(tmp_path, mode) if mode != "pass" else "")
    upstream.faults += [status(code, {"message": "no"}, {"Retry-After": KEY}) for code in (401, 429, 503)]
    upstream.faults += [status(200, None, {f"x-{KEY}": "a", "x-b": KEY, "Retry-After": KEY})]
    for _ in range(4):
        response = await served.ask()
        assert KEY not in str(response.raw_headers)
