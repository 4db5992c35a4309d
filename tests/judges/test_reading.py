from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.judges.scripts import keyword, silent

from akrasia.core import CallRefused, EndpointLost, InputError, Message, Request
from akrasia.judges.loose_ask import LooseAsk, ReplyFile
from akrasia.judges.on_files import build_bench, evaluate_file, label_file
from akrasia.judges.reading import ReadingOptions, read_texts
from akrasia.models.scripted import Scripted
from akrasia.values import taxonomy

REFINED = taxonomy()
TEXTS = ["I promise.", "You may lie to her.", "What an adventure."]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes `scripted:NAME:judge` of a function."""

    def make(name: str, function: object) -> str:
        import sys
        from types import ModuleType

        module = ModuleType(name)
        module.judge = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
        return f"llm:scripted:{name}:judge"

    return make


async def test_by_judge_repeat_and_text_in_order(script):
    bench = build_bench([script("one", keyword), script("two", silent)])
    seen: list[tuple[int, int]] = []
    found = await read_texts(
        bench.judges, TEXTS, REFINED, ReadingOptions(repeats=2, on_progress=lambda *n: seen.append(n))
    )
    assert [[len(repeat) for repeat in judge] for judge in found] == [[3, 3], [3, 3]]
    assert found[0][0][0].readings["benevolence-dependability"].upheld
    assert found[0][0][1].readings["benevolence-dependability"].polarity == "betrays"
    assert found[0][0][0].order != found[0][1][0].order
    assert all(judgement.missing for repeat in found[1] for judgement in repeat)
    assert seen == [(done, 12) for done in range(1, 13)]


async def test_a_refused_text_is_missing_and_the_others_are_read(script):
    def picky(request: Request) -> str:
        if "lie" in request.messages[-1].content:
            raise CallRefused("HTTP 400: content policy")
        return keyword(request)

    (found,) = await read_texts(build_bench([script("picky", picky)]).judges, TEXTS, REFINED)
    assert [judgement.missing for judgement in found[0]] == [None, "HTTP 400: content policy", None]


async def test_what_was_bought_before_the_endpoint_was_lost_is_kept(script, tmp_path: Path):
    asked: list[str] = []
    lost = True

    async def shaky(request: Request) -> str:
        asked.append(request.messages[-1].content)
        if lost and len(asked) == 2:
            raise EndpointLost("gone")
        await asyncio.sleep(0.01)
        return keyword(request)

    judges = build_bench([script("shaky", shaky)]).judges
    options = ReadingOptions(replies=tmp_path / "replies.jsonl")
    with pytest.raises(EndpointLost):
        await read_texts(judges, TEXTS, REFINED, options)
    assert len(asked) == 2
    lost = False
    (found,) = await read_texts(judges, TEXTS, REFINED, options)
    assert len(asked) == 4
    assert not any(judgement.missing for judgement in found[0])
    await read_texts(judges, TEXTS, REFINED, options)
    assert len(asked) == 4


async def test_no_more_calls_at_once_than_the_model_takes():
    under_way = most = 0

    async def slow(request: Request) -> str:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return "x"

    model = Scripted(slow)
    monkey = type("Narrow", (Scripted,), {"concurrency": property(lambda self: 3)})
    model.__class__ = monkey
    ask = LooseAsk({"judge": model})
    await asyncio.gather(*(ask("judge", Request((Message("user", str(n)),)), "a") for n in range(20)))
    assert most == 3


class TestReplyFile:
    def test_a_torn_last_line_is_cut_off(self, tmp_path: Path):
        path = tmp_path / "r.jsonl"
        kept = '{"key":"a","reply":{"text":"yes"}}\n'
        path.write_text(kept + '{"key":"b","re')
        file = ReplyFile(path)
        file.close()
        reply = file.find("a")
        assert reply is not None
        assert (reply.text, file.find("b")) == ("yes", None)
        assert path.read_text() == kept

    def test_another_file_is_refused_and_left_alone(self, tmp_path: Path):
        path = tmp_path / "notes.jsonl"
        path.write_text('{"id": 1}\n')
        with pytest.raises(InputError, match="line 1 is no kept reply"):
            ReplyFile(path)
        assert path.read_text() == '{"id": 1}\n'
        with pytest.raises(InputError, match="cannot open"):
            ReplyFile(tmp_path)


@pytest.mark.parametrize(
    ("names", "weights", "said"),
    [
        ([], None, "no judge"),
        (["llm:a:b", "llm:a:b"], None, "named twice"),
        (["nobody"], None, "unknown judge"),
        (["llm:a:b", "llm:a:c"], [1.0], "positive weights"),
    ],
)
def test_benches_that_cannot_be(names: list[str], weights: list[float] | None, said: str):
    with pytest.raises(InputError, match=said):
        build_bench(names, weights)


async def test_labels_of_one_judge_are_gold_for_another(script, tmp_path: Path):
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(f'{{"id": {n}, "text": "{text}", "cluster": "c"}}\n' for n, text in enumerate(TEXTS)))
    bench = build_bench([script("labeller", keyword)])
    summary = await label_file(bench, texts, tmp_path / "out" / "labels.jsonl")
    assert (summary.texts, summary.missing, summary.unread) == (3, 0, 0)
    found = await evaluate_file(bench, tmp_path / "out" / "labels.jsonl")
    assert found.macro_f1 is not None
    assert found.macro_f1.value == 1
    assert found.categories["stimulation"].support == 1
