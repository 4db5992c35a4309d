from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.core import CallRefused, EndpointLost, EndpointMisuse, InputError, Message, Reply, Request
from akrasia.models import ModelSettings, build_model
from akrasia.models.local import LocalModel, Quarters, build
from akrasia.models.local_chat import Answer, Asked, calls, room_for
from akrasia.models.local_server import physical_cores
from akrasia.weights import WEIGHTS, PullProgress, ready

SUM = "Answer with the number only.\n12 + 31 = 43\n40 + 17 = 57\n23 + 22 ="
LONG = "Read this list.\n" + " ".join(f"stone {i}" for i in range(122)) + "\nSay something about it."


def ask(text: str, **changes: object) -> Request:
    request = Request((Message("user", text),), temperature=0.8, max_tokens=8, seed=8192)
    return msgspec.structs.replace(request, **changes)


def texts(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


class TestWithoutWeights:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("smolm2", "smollm2"),
            ("smollm2?contxt=5", "unknown setting 'contxt'"),
            ("smollm2?context=many", "context"),
            ("smollm2?context=8", "from 64"),
            ("smollm2?context=9000", "trained on 8192"),
            ("smollm2?layout=round", "layout"),
            ("smollm2?gpu_layers=-1", "gpu_layers from 0"),
            ("model.bin", ".gguf"),
        ],
    )
    def test_what_cannot_be_built(self, text: str, said: str) -> None:
        with pytest.raises(InputError, match=said):
            build_model(f"local:{text}")

    async def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"cannot read the model file .*no\.gguf"):
            await build(str(tmp_path / "no.gguf"), ModelSettings()).open()

    async def test_a_file_of_another_kind(self, tmp_path: Path) -> None:
        (tmp_path / "text.gguf").write_text("not a model")
        with pytest.raises(InputError, match="is not a GGUF file"):
            await build(str(tmp_path / "text.gguf"), ModelSettings()).open()

    async def test_a_file_that_breaks_off(self, tmp_path: Path) -> None:
        (tmp_path / "torn.gguf").write_bytes(b"GGUF\x03\0\0\0" + bytes(64))
        with pytest.raises(EndpointMisuse, match="cannot load"):
            await build(str(tmp_path / "torn.gguf"), ModelSettings()).open()

    async def test_asking_before_opening(self) -> None:
        with pytest.raises(EndpointLost, match="not open"):
            await build_model("local:smollm2").complete(ask("hi"))

    def test_threads_stay_within_what_the_process_may_use(self) -> None:
        cores = physical_cores()
        assert cores is None or cores >= 1

    def test_progress_is_told_in_quarters(self) -> None:
        lines: list[str] = []
        tell = Quarters(lines.append)
        for done in (0, 1, 26, 27, 49, 80, 100):
            tell(PullProgress("tiny", done * 10**6, 100 * 10**6))
        assert lines == ["tiny: 26 of 100 MB", "tiny: 80 of 100 MB", "tiny: 100 of 100 MB"]


class TestSplittingCalls:
    def test_the_seed_of_a_call_is_that_of_its_first_choice(self) -> None:
        assert list(calls(100, 37, 16)) == [(100, 16), (116, 16), (132, 5)]

    def test_a_call_ends_where_seeds_start_over(self) -> None:
        assert list(calls(2**31 - 3, 8, 16)) == [(2**31 - 3, 3), (0, 5)]

    def test_without_a_seed(self) -> None:
        assert list(calls(None, 20, 16)) == [(None, 16), (None, 4)]

    @given(st.integers(0, 2**40), st.integers(1, 70), st.integers(1, 16), st.integers(0, 70))
    def test_a_choice_has_its_seed_however_the_calls_are_cut(self, seed: int, n: int, most: int, cut: int) -> None:
        def seeds(start: int, number: int) -> list[int]:
            return [(first or 0) + i for first, size in calls(start, number, most) for i in range(size)]

        cut = min(cut, n)
        assert seeds(seed, cut) + seeds(seed + cut, n - cut) == seeds(seed, n)
        assert len(seeds(seed, n)) == n
        assert max(seeds(seed, n)) < 2**31


class TestReuse:
    """Which prompts may start from what is kept of others."""

    USER, OTHER, ANSWER = Message("user", "3 + 4 ="), Message("user", "1 + 1 ="), Message("assistant", "7")

    def test_another_prompt_may(self) -> None:
        asked = Asked()
        assert asked.take(Request((self.USER,)))
        assert asked.take(Request((self.OTHER,)))
        assert asked.take(Request((self.OTHER, self.ANSWER, self.USER))) is False  # may go on from an answer to OTHER
        assert asked.take(Request((Message("system", "Short."), self.OTHER, self.ANSWER, self.USER)))

    def test_the_same_prompt_may_not(self) -> None:
        asked = Asked()
        asked.take(Request((self.USER,), seed=1))
        assert not asked.take(Request((self.USER,), seed=2))

    def test_an_unfinished_turn_may_not_and_its_prompt_counts_as_asked(self) -> None:
        asked = Asked()
        assert not asked.take(Request((self.USER, self.ANSWER), continue_turn=True))
        assert not asked.take(Request((self.USER, self.ANSWER, self.OTHER)))

    def test_what_may_hold_the_mark_of_a_turn_may_not(self) -> None:
        assert not Asked().take(Request((Message("user", "<|im_start|>assistant"),)))
        assert not Asked().take(Request((self.USER,), extra={"chat_template_kwargs": {}}))


class TestRoom:
    def test_short_requests_take_the_least(self) -> None:
        # 64 bytes and 4 of the role, 128 + 16 for the template, 8 tokens of answer: 220
        assert room_for(ask(SUM), 2048) == 512

    def test_room_is_a_power_of_two_up_to_what_was_given(self) -> None:
        # 400 bytes and 4 of the role, 128 + 16, 8: 556
        assert room_for(ask("a" * 400), 2048) == 1024
        assert room_for(ask("a" * 4000), 2048) == 2048
        assert room_for(ask("a"), 300) == 300

    def test_an_answer_without_a_cap_may_fill_everything(self) -> None:
        assert room_for(ask("a", max_tokens=None), 2048) == 2048


class TestReadingEvents:
    def test_a_stream_that_breaks_off_is_no_answer(self) -> None:
        answer = Answer(ask("hi"), 2, "tiny", keep_raw=False)
        answer.add(b'{"choices":[{"index":0,"delta":{"content":"4"}}]}')
        answer.add(
            b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"timings":{"prompt_n":3,"predicted_n":2}}'
        )
        with pytest.raises(CallRefused, match="1 of 2 choices unfinished"):
            answer.replies()

    @pytest.mark.parametrize("content", [b"<html>", b'{"choices":"\xff"}', b'{"choices":"\\ud800"}', b"[" * 3000])
    def test_what_cannot_be_read_is_told(self, content: bytes) -> None:
        answer = Answer(ask("hi"), 1, "tiny", keep_raw=False)
        answer.add(content)
        with pytest.raises(CallRefused, match="cannot be read"):
            answer.replies()


@pytest.fixture(scope="session")
def model() -> Iterator[LocalModel]:
    loaded = build("smollm2?context=1024", ModelSettings())
    asyncio.run(loaded.open())
    yield loaded
    asyncio.run(loaded.close())


@pytest.mark.weights
class TestSameCandidates:
    """A candidate depends on its request and seed alone, to the last bit of its log-probabilities."""

    async def test_however_many_are_drawn_together(self, model: LocalModel) -> None:
        at_once = texts(await model.complete(ask(SUM), 16))
        grown = texts(await model.complete(ask(SUM), 8)) + texts(await model.complete(ask(SUM, seed=8200), 8))
        ragged = []
        for start, size in ((0, 3), (3, 1), (4, 12)):
            ragged += texts(await model.complete(ask(SUM, seed=8192 + start), size))
        assert at_once == grown == ragged
        assert len(set(at_once)) > 1

    async def test_with_a_prompt_longer_than_512_tokens(self, model: LocalModel) -> None:
        # From 512 tokens on flash attention takes another path for a candidate that runs alone.
        together = await model.complete(ask(LONG, max_tokens=6), 4)
        assert (together[0].usage.prompt_tokens or 0) > 512
        assert texts(await model.complete(ask(LONG, max_tokens=6))) == texts(together)[:1]

    async def test_to_the_bit_whatever_was_asked_before(self, model: LocalModel) -> None:
        request = ask(SUM, logprobs=2)
        first = await model.complete(request)
        await model.complete(ask(SUM + " 45\n1 + 1 ="), 5)
        await model.complete(ask("Name a river."), 2)
        assert (await model.complete(request))[0].logprobs == first[0].logprobs

    async def test_greedy_is_the_same_for_every_choice(self, model: LocalModel) -> None:
        greedy = await model.complete(ask(SUM, temperature=0.0, seed=None), 3)
        assert len(set(texts(greedy))) == 1

    async def test_whatever_is_kept_of_earlier_prompts(
        self, model: LocalModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        examples = "Answer with the number only.\n" + "\n".join(f"{i} + {i + 20} = {2 * i + 20}" for i in range(11, 15))
        (said,) = await model.complete(ask(examples + "\n7 + 8 ="))
        requests = [ask(f"{examples}\n{i} + 13 =", logprobs=0) for i in (30, 31, 45)]
        talk = (Message("user", examples + "\n7 + 8 ="), Message("assistant", said.text), Message("user", "And 9 + 9?"))
        requests += [ask("", messages=talk, logprobs=0), requests[0]]
        kept = [await model.complete(request) for request in requests]
        monkeypatch.setattr(Asked, "take", lambda self, request: False)
        fresh = [await model.complete(request) for request in requests]
        assert [reply.logprobs for (reply,) in kept] == [reply.logprobs for (reply,) in fresh]

    async def test_whatever_room_the_model_has(self) -> None:
        small = build("smollm2", ModelSettings())
        await small.open()
        before = texts(await small.complete(ask(SUM, max_tokens=8), 3))
        await small.complete(ask("a " * 300, max_tokens=1))  # loads again, with more room
        assert texts(await small.complete(ask(SUM, max_tokens=8), 3)) == before
        await small.close()

    async def test_in_another_process(self, model: LocalModel) -> None:
        program = (
            "import asyncio, json, sys, msgspec\n"
            "from akrasia.core import Request\n"
            "from akrasia.models import build_model\n"
            "async def main():\n"
            "    model = build_model('local:smollm2?context=512')\n"
            "    await model.open()\n"
            "    request = msgspec.json.decode(sys.argv[1], type=Request)\n"
            "    print(json.dumps([reply.text for reply in await model.complete(request, 8)]))\n"
            "    await model.close()\n"
            "asyncio.run(main())"
        )
        arguments = [sys.executable, "-W", "error", "-c", program, msgspec.json.encode(ask(SUM)).decode()]
        ended = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=True)
        assert json.loads(ended.stdout) == texts(await model.complete(ask(SUM), 16))[:8]
        assert ended.stderr == ""  # nothing of llama.cpp's log


@pytest.mark.weights
class TestAnswers:
    async def test_tokens_are_counted_for_each_choice(self, model: LocalModel) -> None:
        together = await model.complete(ask(SUM, stop=("\n", ".")), 6)
        alone = [(await model.complete(ask(SUM, stop=("\n", "."), seed=8192 + i)))[0] for i in range(3)]
        assert [reply.usage.completion_tokens for reply in together[:3]] == [r.usage.completion_tokens for r in alone]
        assert [reply.usage.prompt_tokens for reply in together] == [alone[0].usage.prompt_tokens, 0, 0, 0, 0, 0]

    async def test_more_choices_than_run_together(self, model: LocalModel) -> None:
        many = await model.complete(ask(SUM, max_tokens=2), 18)
        assert len(many) == 18
        assert [reply.usage.prompt_tokens for reply in many[1:]] == [0] * 17

    async def test_log_probabilities(self, model: LocalModel) -> None:
        (plain,) = await model.complete(ask(SUM))
        replies = await model.complete(ask(SUM, logprobs=3), 2)
        assert replies[0].text == plain.text
        tokens = replies[0].logprobs or ()
        assert len(tokens) == replies[0].usage.completion_tokens
        assert all(token.logprob < 0 and len(token.top) == 3 for token in tokens)
        (bare,) = await model.complete(ask(SUM, logprobs=0))
        assert [token.top for token in bare.logprobs or ()] == [()] * len(tokens)

    async def test_a_stop_string_is_not_part_of_the_text(self, model: LocalModel) -> None:
        (whole,) = await model.complete(ask(SUM))
        stop = whole.text[len(whole.text) // 2]
        (cut,) = await model.complete(ask(SUM, stop=(stop,)))
        assert cut.text == whole.text.partition(stop)[0]
        assert cut.finish == "stop"

    async def test_a_schema_binds_the_answer(self, model: LocalModel) -> None:
        schema = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
        (reply,) = await model.complete(ask("3 + 4? Answer in JSON.", schema=schema, max_tokens=24))
        assert isinstance(json.loads(reply.text)["sum"], int)

    async def test_a_grammar_binds_the_answer(self, model: LocalModel) -> None:
        replies = await model.complete(ask(SUM, grammar='root ::= "yes" | "no"'), 4)
        assert set(texts(replies)) <= {"yes", "no"}

    @pytest.mark.parametrize("logprobs", [None, 1])
    async def test_an_unfinished_turn_is_continued_without_its_beginning(
        self, model: LocalModel, logprobs: int | None
    ) -> None:
        messages = (Message("user", "What is 3 + 4?"), Message("assistant", "The answer is"))
        request = ask("", messages=messages, continue_turn=True, grammar='root ::= " " [0-9]{1,2}', logprobs=logprobs)
        (reply,) = await model.complete(request)
        assert reply.text.strip().isdigit()
        (other,) = await model.complete(ask("", messages=messages))  # a turn of its own: a longer prompt
        assert (other.usage.prompt_tokens or 0) > (reply.usage.prompt_tokens or 0)

    async def test_an_answer_that_is_cut_off_says_so(self, model: LocalModel) -> None:
        (reply,) = await model.complete(ask("Tell me a story.", max_tokens=2))
        assert reply.finish == "length"
        assert reply.usage.completion_tokens == 2

    async def test_raw_events_are_kept_when_asked_for(self) -> None:
        answer = Answer(ask("hi"), 1, "tiny", keep_raw=True)
        event = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"timings":{"prompt_n":3,"predicted_n":2}}'
        answer.add(event)
        raw = answer.replies()[0].raw
        assert raw is not None
        assert json.loads(bytes(raw)) == [json.loads(event)]

    @pytest.mark.parametrize(
        ("request_", "said"),
        [
            (ask("word " * 1100), r"does not fit the 1024 tokens .*\?context="),
            (ask("hi", schema={"type": "nonsense"}), "nonsense"),
            (ask("hi", max_tokens=0), "max_tokens 0"),
            (ask("hi\ud800"), "surrogates"),
            (ask("hi", extra={"top_k": "x"}), "top_k"),
            (Request(()), "without messages"),
        ],
        ids=["too long", "bad schema", "no room", "not text", "bad extra", "no messages"],
    )
    async def test_what_is_refused(self, model: LocalModel, request_: Request, said: str) -> None:
        with pytest.raises(CallRefused, match=said) as caught:
            await model.complete(request_)
        assert "\n" not in str(caught.value)

    def test_the_fingerprint_pins_the_weights(self, model: LocalModel) -> None:
        fingerprint = model.fingerprint
        assert (fingerprint.name, fingerprint.revision) == ("smollm2", WEIGHTS["smollm2"].sha256)
        assert fingerprint.backend.startswith("xllamacpp ")
        assert "separate" in fingerprint.backend


@pytest.mark.weights
class TestLettingGo:
    async def test_cancelling_ends_the_generation(self, model: LocalModel) -> None:
        task = asyncio.create_task(model.complete(ask("Tell me a very long story.", max_tokens=900), 2))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        began = time.monotonic()
        await model.complete(ask("hi", max_tokens=1))
        assert time.monotonic() - began < 10  # the story would take half a minute

    async def test_a_file_of_ones_own_and_closing_while_it_answers(self, tmp_path: Path) -> None:
        own = tmp_path / "Mine.gguf"
        own.symlink_to(ready("smollm2"))
        other = build(f"{own}?context=512&layout=shared", ModelSettings())
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        await other.open()
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
        assert other.fingerprint.name == "Mine.gguf"
        assert other.fingerprint.revision == WEIGHTS["smollm2"].sha256
        assert "shared" in other.fingerprint.backend
        task = asyncio.create_task(other.complete(ask("Tell me a very long story.", max_tokens=400), 2))
        await asyncio.sleep(0.5)
        await asyncio.wait_for(other.close(), 15)
        with pytest.raises(EndpointLost, match="closed while it answered"):
            await task


@pytest.mark.weights
def test_opening_and_closing_at_once_ends() -> None:
    # In a process of its own: a library that waits for ever holds the interpreter, and no timeout of ours would run.
    code = """
import asyncio
from akrasia.models import build_model

async def once():
    model = build_model("local:smollm2")
    await model.open()
    await model.close()

for _ in range(8):
    asyncio.run(once())
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=120, capture_output=True).returncode == 0
