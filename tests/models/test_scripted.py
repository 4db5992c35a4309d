"""Models made of the user's own Python: functions, tables, modules, and what goes wrong in them."""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from akrasia.core import (
    SAMPLE_STRIDE,
    CallRefused,
    InputError,
    Message,
    QuotaExhausted,
    Reply,
    Request,
    TokenLogprob,
    Usage,
)
from akrasia.models import build_model
from akrasia.models.scripted import Scripted

ASK = Request((Message("user", "How many?"),), seed=SAMPLE_STRIDE + 2)


async def texts(model: Scripted, n: int = 1, request: Request = ASK) -> list[str]:
    return [reply.text for reply in await model.complete(request, n)]


async def test_a_function_gets_the_request_and_the_sample() -> None:
    model = Scripted(lambda request, sample: f"{request.messages[-1].content} {sample} {request.seed - SAMPLE_STRIDE}")
    assert await texts(model, 2) == ["How many? 2 2", "How many? 3 3"]


def test_the_source_of_a_function_is_its_revision() -> None:
    def one(request: Request) -> str:
        return "one"

    def two(request: Request) -> str:
        return "two"

    assert Scripted(one).fingerprint == Scripted(one).fingerprint != Scripted(two).fingerprint
    assert Scripted({"a": "b"}).fingerprint != Scripted({"a": "c"}).fingerprint
    assert Scripted(str).fingerprint.revision == ""
    assert Scripted(one, revision="7").fingerprint.revision == "7"


async def test_a_function_of_the_request_alone_and_an_async_one() -> None:
    async def answer(request: Request) -> dict[str, object]:
        return {"text": "42", "finish": "length", "usage": {"completion_tokens": 1}}

    (reply,) = await Scripted(answer).complete(ASK)
    assert reply.finish == "length"
    assert reply.usage.completion_tokens == 1
    assert await texts(Scripted(lambda request: Reply("plain"))) == ["plain"]
    assert await texts(Scripted(lambda *arguments: str(len(arguments)))) == ["2"]


@pytest.mark.parametrize(
    "script",
    [
        lambda: "none",
        lambda request, sample, more: "three",
        lambda request, *, key: "a key",
        lambda *, request: "by name",
    ],
)
def test_a_function_that_cannot_be_called_with_a_request_is_refused_at_once(script: Any) -> None:
    with pytest.raises(
        InputError, match=r"inline cannot be asked, .*function\(request\) or function\(request, sample\)"
    ):
        Scripted(script)


async def test_what_has_defaults_or_holds_state_can_be_called() -> None:
    class Counting:
        calls = 0

        def __call__(self, request: Request, sample: int = 0, more: int = 7) -> str:
            self.calls += 1
            return f"{self.calls} {more}"

    assert await texts(Scripted(Counting())) == ["1 7"]
    assert await texts(Scripted(partial(lambda more, request: more, "bound"))) == ["bound"]


async def test_a_table_answers_the_last_user_message_and_goes_round_its_list() -> None:
    table = Scripted({"How many?": ["zero", "one", "two"], "Why?": "because", "None?": []})
    assert await texts(table, 3) == ["two", "zero", "one"]
    turns = (
        Message("user", "How many?"),
        Message("assistant", "3"),
        Message("user", "Why?"),
        Message("assistant", "B"),
    )
    assert await texts(table, 1, Request(turns)) == ["because"]
    for question in ("None?", "Where?"):
        with pytest.raises(CallRefused, match=question.rstrip("?")):
            await texts(table, 1, Request((Message("user", question),)))


async def test_what_a_function_raises_refuses_that_call_and_our_own_errors_pass() -> None:
    def broken(request: Request) -> str:
        raise ZeroDivisionError("division\nby zero")

    def spent(request: Request) -> str:
        raise QuotaExhausted("spent")

    with pytest.raises(CallRefused, match="raised ZeroDivisionError: division by zero"):
        await texts(Scripted(broken))
    with pytest.raises(QuotaExhausted):
        await texts(Scripted(spent))


class Left(BaseException):
    """What is no `Exception`, and nothing that Python knows."""


EXITS = [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit(), Left("boo\ud800")]


@pytest.mark.parametrize("error", [*EXITS, ValueError("\ud800")])
async def test_not_even_an_exit_ends_more_than_one_call(error: BaseException) -> None:
    def leaves(request: Request) -> str:
        raise error

    async def leaves_later(request: Request) -> str:
        await asyncio.sleep(0)
        raise error

    for script in (leaves, leaves_later):
        with pytest.raises(CallRefused, match=f"raised {type(error).__name__}") as refused:
            await texts(Scripted(script))
        str(refused.value).encode()


async def test_a_call_that_is_closed_is_closed() -> None:
    async def waits(request: Request) -> str:
        await asyncio.sleep(60)
        return "late"

    call = Scripted(waits).complete(ASK)
    call.send(None)  # nothing runs it as a task: it stands where it waits
    await asyncio.to_thread(call.close)


async def test_a_call_that_is_cancelled_is_cancelled() -> None:
    async def waits(request: Request) -> str:
        await asyncio.sleep(60)
        return "late"

    call = asyncio.create_task(Scripted(waits).complete(ASK))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


HALF = "a\udc80"


@pytest.mark.parametrize(
    "answer",
    [
        HALF,
        {"text": HALF},
        {"text": "a", "finish": HALF},
        {"text": "a", HALF: 1},
        Reply("a", finish=HALF),  # type: ignore[arg-type]
        Reply("a", reasoning=HALF),
        Reply("a", model=HALF),
        Reply("a", logprobs=(TokenLogprob("a", -1.0, ((HALF, -2.0),)),)),
    ],
)
async def test_half_a_surrogate_pair_is_no_reply(answer: object) -> None:
    with pytest.raises(CallRefused, match="half a surrogate pair"):
        await texts(Scripted(lambda request: answer))
    assert await texts(Scripted(lambda request: "\U0001f600 é")) == ["\U0001f600 é"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        {"txt": "x"},
        {"text": 3},
        {"text": "x", "usage": {"prompt_tokens": 10**40}},
        Reply(None),  # type: ignore[arg-type]
        Reply(7),  # type: ignore[arg-type]
        Reply("x", finish="over"),  # type: ignore[arg-type]
        Reply("x", usage=Usage("7")),  # type: ignore[arg-type]
        Reply("x", usage=Usage(-7)),
        Reply("x", logprobs=(object(),)),  # type: ignore[arg-type]
    ],
)
async def test_what_is_no_reply_is_refused(answer: object) -> None:
    with pytest.raises(CallRefused, match="return a text, a Reply, or a dict"):
        await texts(Scripted(lambda request: answer))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("alternative", [False, True])
async def test_a_log_probability_that_is_no_number_is_refused(number: float, alternative: bool) -> None:
    token = TokenLogprob("a", -1.0, (("b", number),)) if alternative else TokenLogprob("a", number)
    for script in (lambda request: Reply("a", logprobs=(token,)), lambda request: {"text": "a", "logprobs": (token,)}):
        with pytest.raises(CallRefused, match="a log-probability that is no finite number"):
            await texts(Scripted(script))


async def test_a_module_in_the_current_folder_and_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "TABLE = {'How many?': 'six'}\ndef answer(request, sample):\n    return f'sample {sample}'\nN = 3\n"
    (tmp_path / "my_script.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    model = build_model("scripted:my_script:answer")
    assert isinstance(model, Scripted)
    assert await texts(model) == ["sample 2"]
    assert model.fingerprint.revision == hashlib.sha256(source.encode()).hexdigest()
    table = build_model("scripted:my_script:TABLE")
    assert isinstance(table, Scripted)
    assert await texts(table) == ["six"]
    with pytest.raises(InputError, match="did you mean 'answer'"):
        build_model("scripted:my_script:anser")
    with pytest.raises(InputError, match="is a int"):
        build_model("scripted:my_script:N")


async def test_modules_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_more.py").write_text("import no_such_package\n")
    (tmp_path / "broken_script.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    for text, said in {
        "no_such_script:f": "no module 'no_such_script'",
        "needs_more:f": "needs 'no_such_package'",
        "broken_script:f": "ZeroDivisionError",
        "broken_script": "MODULE:FUNCTION",
        "broken_script.py:f": "ZeroDivisionError",
        "no_such_script.py:f": "name the module, not its file: 'no_such_script'",
        "folder/no_such_script.py:f": "name the module, not its file: 'folder.no_such_script'",
    }.items():
        with pytest.raises(InputError, match=said):
            build_model(f"scripted:{text}")
