from __future__ import annotations

import json
import threading

import pytest
from tests.judges.scripts import WORDS, fenced, keyword, shown_ids
from tests.strategies.asking import PlainAsk

from akrasia.core import SAMPLE_STRIDE, CallRefused, InputError, Judgement, Reading, Reply, Request, sample_of
from akrasia.judges import Judge, build_judge
from akrasia.judges import llm as module
from akrasia.judges.llm import LLM, LLMSettings
from akrasia.judges.llm_prompt import ORDERS
from akrasia.judges.loose_ask import LooseAsk
from akrasia.models import build_model
from akrasia.models.scripted import Script, Scripted
from akrasia.prompts import prompt
from akrasia.values import parse_constitution, taxonomy

REFINED = taxonomy()
TEXT = "I promise to look after the dog.\nNo adventure this year: stay at home."


async def read(script: Script, text: str = TEXT, judge: str = "llm:scripted:a:b", repeat: int = 0) -> Judgement:
    return await build_judge(judge).read(text, REFINED, PlainAsk(Scripted(script)), repeat=repeat)


async def requests(text: str, judge: str = "llm:scripted:a:b", repeat: int = 0) -> list[Request]:
    ask = PlainAsk(Scripted(keyword))
    await build_judge(judge).read(text, REFINED, ask, repeat=repeat)
    return [request for _, _, request in ask.asked]


class TestNames:
    @pytest.mark.parametrize(
        ("text", "model", "settings"),
        [
            ("local:smollm2", "local:smollm2", LLMSettings()),
            ("openai:a/b@http://h/v1", "openai:a/b@http://h/v1", LLMSettings()),
            ("openai:a@http://h/v1?each=1", "openai:a@http://h/v1", LLMSettings(each=1)),
            ("openai:a@http://h/v1?api-version=2&x=1", "openai:a@http://h/v1?api-version=2&x=1", LLMSettings()),
            ("openai:a@http://h/v1?api-version=2?each=1", "openai:a@http://h/v1?api-version=2", LLMSettings(each=1)),
            ("local:m.gguf?context=2048?tokens=64", "local:m.gguf?context=2048", LLMSettings(tokens=64)),
            ("openai:o@http://h/v1?temperature=1&tokens=9000", "openai:o@http://h/v1",
             LLMSettings(temperature=1.0, tokens=9000)),
            ("openai:a@http://h/v1?each=1&x=2", "openai:a@http://h/v1?each=1&x=2", LLMSettings()),
        ],
    )  # fmt: skip
    def test_settings_stand_at_the_very_end(self, text: str, model: str, settings: LLMSettings):
        judge = build_judge(f"llm:{text}")
        assert (judge.name, judge.model) == (f"llm:{text}", model)
        assert judge.fingerprint == LLM(model, settings).fingerprint

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "names no model"),
            ("smollm2", "names no model"),
            ("local:smollm2?each=2", "each"),
            ("local:smollm2?tokens=0", "tokens"),
            ("local:smollm2?temperature=hot", "temperature"),
            ("local:smollm2?each=1&each=1", "twice"),
        ],
    )
    def test_refusals(self, text: str, said: str):
        with pytest.raises(InputError, match=said):
            build_judge(f"llm:{text}")

    def test_settings_change_the_fingerprint_and_the_address_does_not(self):
        one, other = build_judge("llm:openai:a@http://h/v1"), build_judge("llm:openai:a@http://i/v1")
        assert one.fingerprint == other.fingerprint
        assert one.fingerprint != build_judge("llm:openai:a@http://h/v1?each=1").fingerprint

    def test_it_is_a_judge(self):
        judge: Judge = build_judge("llm:scripted:a:b")
        judge.check(REFINED)
        assert all(prompt(name) for name in judge.prompts)


class TestReading:
    async def test_present_betrayed_absent_with_evidence_and_order(self):
        found = await read(keyword)
        assert found.readings["benevolence-dependability"] == Reading(1.0, "upholds", "promise")
        assert found.readings["benevolence-caring"] == Reading(1.0, "upholds", "look after")
        assert found.readings["stimulation"] == Reading(1.0, "upholds", "adventure")
        assert found.readings["tradition"] == Reading(0.0)
        assert sorted(found.order) == sorted(REFINED.ids)
        assert not found.unread

    async def test_betrayal_scores_nothing(self):
        found = await read(keyword, "You can lie to her.")
        assert found.readings["benevolence-dependability"] == Reading(0.0, "betrays", "lie")
        assert not found.readings["benevolence-dependability"].upheld

    async def test_one_value_a_call(self):
        asked = await requests(TEXT, "llm:scripted:a:b?each=1")
        assert [shown_ids(request) for request in asked] == [[value] for value in REFINED.ids]
        together, apart = await read(keyword), await read(keyword, judge="llm:scripted:a:b?each=1")
        assert apart.readings == together.readings
        assert apart.order == ()

    async def test_one_refused_value_is_unread_and_all_refused_are_a_refusal(self):
        def refuses(request: Request) -> str:
            if shown_ids(request) == ["face"]:
                raise CallRefused("HTTP 400: no")
            return keyword(request)

        found = await read(refuses, judge="llm:scripted:a:b?each=1")
        assert found.unread == {"face": "HTTP 400: no"}
        assert len(found.readings) == len(REFINED.ids) - 1

        def never(request: Request) -> str:
            raise CallRefused("HTTP 400: no")

        for judge in ("llm:scripted:a:b", "llm:scripted:a:b?each=1"):
            with pytest.raises(CallRefused):
                await read(never, judge=judge)

    async def test_what_cannot_be_read_is_missing(self):
        assert (await read(lambda request: "No.")).missing == "no JSON object with verdicts in the judge's reply"
        cut = await read(lambda request: Reply(keyword(request), finish="length"))
        assert cut.missing is not None
        assert not cut.readings
        assert "cut off" in cut.missing

    async def test_an_empty_text_is_missing_and_nobody_is_asked(self):
        ask = PlainAsk(Scripted(keyword))
        found = await build_judge("llm:scripted:a:b").read(" \u200b\n", REFINED, ask)
        assert found.missing == "there is nothing to read: the text is empty"
        assert ask.asked == []

    async def test_without_a_door_it_says_so(self):
        with pytest.raises(InputError, match="no way to it"):
            await build_judge("llm:scripted:a:b").read(TEXT, REFINED, None)

    async def test_the_values_of_a_constitution(self):
        own = parse_constitution(
            'name = "house"\n[[value]]\nid = "thrift"\ndefinition = "Spending little."\nupholds = ["Mending it"]'
        )
        reply = {"thrift": {"verdict": "upholds", "evidence": "Mend it"}}
        ask = PlainAsk(Scripted(lambda request: json.dumps(reply)))
        found = await build_judge("llm:scripted:a:b").read("Mend it.", own, ask)
        assert found.readings == {"thrift": Reading(1.0, "upholds", "Mend it")}
        assert "- thrift: Spending little. (upholds: Mending it)" in ask.asked[0][2].messages[0].content


class TestRequests:
    async def test_they_depend_on_text_taxonomy_and_repeat_alone(self):
        assert await requests(TEXT) == await requests(TEXT)
        (request,) = await requests(TEXT)
        assert (request.temperature, request.seed is not None, request.max_tokens) == (0.0, True, 2848)
        assert sample_of(request.seed) == 0
        assert request.seed is not None
        assert 0 <= request.seed < 2**31
        (again,) = await requests(TEXT, repeat=2)
        assert again.seed == request.seed + 2

    async def test_repeats_show_other_orders(self):
        orders = [tuple(shown_ids((await requests(TEXT, repeat=repeat))[0])) for repeat in range(ORDERS + 1)]
        assert len(set(orders[:ORDERS])) == ORDERS
        assert orders[ORDERS] == orders[0]

    async def test_all_texts_share_few_prefixes_and_orders_are_used_alike(self):
        prefixes = [(await requests(f"text {number}"))[0].messages[0].content for number in range(200)]
        counts = [prefixes.count(prefix) for prefix in set(prefixes)]
        assert len(counts) == ORDERS
        # 200 draws of 4 orders: 50 each, standard deviation 6.1.
        assert all(25 <= count <= 75 for count in counts)

    async def test_the_values_are_described_once(self):
        (request,) = await requests(TEXT)
        system, user = request.messages
        assert (system.role, user.role) == ("system", "user")
        for value in REFINED.values:
            assert system.content.count(value.definition) == 1
            assert value.definition not in user.content

    async def test_the_text_comes_fenced_and_the_task_is_said_again(self):
        (request,) = await requests(TEXT)
        inside, outside = fenced(request)
        assert inside == TEXT
        assert "each of the 19 values" in outside.splitlines()[-1]

    async def test_labels_are_unique_in_a_sample(self):
        ask = PlainAsk(Scripted(keyword))
        judge = build_judge("llm:scripted:a:b?each=1")
        for repeat in (0, 1):
            for text in ("a text", "another text"):
                await judge.read(text, REFINED, ask, repeat=repeat)
        assert len(set(ask.labels)) == 4 * len(REFINED.ids)

    async def test_seeds_of_texts_do_not_overlap(self):
        seeds = {(await requests(f"text {number}"))[0].seed for number in range(100)}
        assert len(seeds) == 100
        assert all(seed is not None and seed % SAMPLE_STRIDE == 0 for seed in seeds)


def test_the_keywords_of_the_script_are_values():
    assert set(WORDS) <= set(REFINED.ids)


@pytest.mark.weights
async def test_the_embedded_model_reads_or_says_why_not():
    """135 million parameters judge badly; what is tested is that its replies become readings or reasons."""
    own = parse_constitution(
        'name = "house"\n[[value]]\nid = "honesty"\ndefinition = "Telling the truth."\n'
        '[[value]]\nid = "care"\ndefinition = "Looking after people."'
    )
    judge = build_judge("llm:local:smollm2?tokens=200")
    model = build_model("local:smollm2")
    await model.open()
    try:
        text = "Tell her the truth tonight, and take the soup along."
        found = await judge.read(text, own, LooseAsk({"judge": model}))
    finally:
        await model.close()
    assert found.missing is not None or set(found.readings) | set(found.unread) == {"honesty", "care"}
    for reading in found.readings.values():
        assert reading.polarity is None or (reading.evidence and reading.evidence in text)


@pytest.mark.parametrize(("times", "beside"), [(1, False), (2000, True)])
async def test_a_large_text_is_worked_on_beside_the_loop(monkeypatch: pytest.MonkeyPatch, times: int, beside: bool):
    threads: list[bool] = []

    def watched(name: str) -> None:
        work = getattr(module, name)

        def seen(*given: object) -> object:
            threads.append(threading.current_thread() is not threading.main_thread())
            return work(*given)

        monkeypatch.setattr(module, name, seen)

    for name in ("order", "messages", "read_reply"):
        watched(name)
    assert (await read(keyword, f"{TEXT}\n" * times)).missing is None
    assert threads == [beside] * 3
