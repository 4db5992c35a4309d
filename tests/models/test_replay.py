"""Recorded replies: which row answers which request, and what is said about a broken file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from akrasia.core import SAMPLE_STRIDE, CallRefused, InputError, Message, Request, Usage
from akrasia.models import build_model
from akrasia.models.replay import Replay

ASK = Request((Message("user", "How many?"),), seed=3 * SAMPLE_STRIDE)
SAID = {"messages": [{"role": "user", "content": "How many?"}]}


def written(folder: Path, *rows: object) -> Path:
    path = folder / "replies.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


async def opened(path: Path) -> Replay:
    model = Replay(path)
    await model.open()
    return model


async def test_the_seed_says_which_sample_and_the_order_of_calls_does_not_matter(tmp_path: Path) -> None:
    rows = [{"request": SAID, "sample": i, "reply": f"r{i}"} for i in (2, 0, 1)]
    model = await opened(written(tmp_path, *rows))
    later = Request(ASK.messages, seed=3 * SAMPLE_STRIDE + 1)
    assert [r.text for r in await model.complete(later, 2)] == ["r1", "r2"]
    assert [r.text for r in await model.complete(ASK, 2)] == ["r0", "r1"]
    assert [r.text for r in await model.complete(Request(ASK.messages))] == ["r0"]


async def test_fewer_rows_than_choices_give_fewer_replies_and_then_a_refusal(tmp_path: Path) -> None:
    path = written(tmp_path, {"request": SAID, "sample": 0, "reply": "r0"})
    model = await opened(path)
    assert len(await model.complete(ASK, 4)) == 1
    with pytest.raises(CallRefused, match=r"replies\.jsonl answers sample 1 .*How many\?"):
        await model.complete(Request(ASK.messages, seed=1))


async def test_fields_that_a_row_names_must_agree(tmp_path: Path) -> None:
    rows = [
        {"request": {**SAID, "temperature": 0, "max_tokens": 5}, "sample": 0, "reply": "cold"},
        {"request": {**SAID, "schema": {"type": "object"}}, "sample": 0, "reply": "{}"},
        {"request": {**SAID, "seed": SAMPLE_STRIDE + 1}, "sample": 1, "reply": "seeded"},
        {"request": {**SAID, "top_p": None}, "sample": 0, "reply": "plain"},
    ]
    model = await opened(written(tmp_path, *rows))

    async def said(**fields: object) -> str:
        return (await model.complete(Request(ASK.messages, **fields)))[0].text  # type: ignore[arg-type]

    assert await said(temperature=0.0, max_tokens=5) == "cold"
    assert await said(temperature=0.0, max_tokens=6) == "plain"
    assert await said(schema={"type": "object"}, top_p=0.9) == "{}"
    assert await said() == "plain"
    with pytest.raises(CallRefused):
        await said(top_p=0.5)
    assert [r.text for r in await model.complete(Request(ASK.messages, seed=SAMPLE_STRIDE), 2)] == ["plain", "seeded"]


async def test_a_reply_may_carry_all_that_a_real_one_does(tmp_path: Path) -> None:
    reply = {"text": "42", "reasoning": "6 × 7", "finish": "length", "usage": {"completion_tokens": 3}}
    model = await opened(written(tmp_path, {"request": SAID, "sample": 0, "reply": reply}))
    (got,) = await model.complete(ASK)
    assert (got.text, got.reasoning, got.finish) == ("42", "6 × 7", "length")
    assert got.usage == Usage(completion_tokens=3)


async def test_the_fingerprint_is_the_content_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    row = {"request": SAID, "sample": 0, "reply": "x"}
    one, two = [(await opened(written(tmp_path / folder, row))).fingerprint for folder in "ab"]
    assert one == two
    assert (await opened(written(tmp_path, {**row, "reply": "y"}))).fingerprint != one


BROKEN = {
    "not JSON": "{",
    "no reply": {"request": SAID, "sample": 0},
    "unknown field": {"request": {**SAID, "temprature": 0}, "sample": 0, "reply": "x"},
    "reply of a wrong type": {"request": SAID, "sample": 0, "reply": 7},
    "unknown finish": {"request": SAID, "sample": 0, "reply": {"text": "x", "finish": "done"}},
}


@pytest.mark.parametrize("row", BROKEN.values(), ids=BROKEN)
async def test_a_broken_line_is_named_by_its_number(tmp_path: Path, row: object) -> None:
    path = written(tmp_path, {"request": SAID, "sample": 0, "reply": "fine"}, "", row)
    with pytest.raises(InputError, match=r"replies\.jsonl, line 3: "):
        await build_model(f"replay:{path}").open()


async def test_a_file_that_is_not_there_or_empty_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        await Replay(tmp_path / "none.jsonl").open()
    with pytest.raises(InputError, match="no rows"):
        await opened(written(tmp_path, ""))


async def test_another_encoding_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    path.write_bytes(json.dumps({"request": SAID, "reply": "Schön"}, ensure_ascii=False).encode("latin-1"))
    with pytest.raises(InputError, match=r"replies\.jsonl, line 1: not UTF-8 text: save"):
        await opened(path)
