"""A `Request` as llama.cpp's chat body, and its events as `Reply` records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, field

from akrasia.core import CallRefused, Reply, Request, TokenLogprob, Usage
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.core.records import Finish

LEAST_READ: Final = 4
"""Tokens of a prompt that must be read together; fewer count as generated ones (see `Asked`)."""

LEAST_ROOM: Final = 512
"""Tokens of context that a model starts with: little memory to clear, and little to copy from choice to choice."""

_SEEDS: Final = 2**31
_TEMPLATE_TOKENS: Final = 128
_TURN_TOKENS: Final = 16
_FINISHES: Final[dict[str, Finish]] = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


class _Text(Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None


class _Alternative(Struct, gc=False):
    token: str
    logprob: float | None = None


class _Token(Struct, gc=False):
    token: str
    logprob: float | None = None
    top_logprobs: list[_Alternative] = []


class _Logprobs(Struct, gc=False):
    content: list[_Token] = []


class _Choice(Struct, gc=False):
    index: int
    delta: _Text | None = None
    message: _Text | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Timings(Struct, gc=False):
    prompt_n: int
    predicted_n: int
    cache_n: int = 0


class _Fault(Struct, gc=False):
    message: str
    type: str = ""
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


class _Event(Struct, gc=False):
    choices: list[_Choice] = []
    timings: _Timings | None = None
    error: _Fault | None = None


class _Partial(Struct):
    """One choice while it grows."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    tokens: list[TokenLogprob] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    finish: str | None = None
    timings: _Timings | None = None


def calls(seed: int | None, n: int, most: int) -> Iterator[tuple[int | None, int]]:
    """Split n choices into calls of at most `most`, each with the seed of its first choice.

    llama.cpp adds the choice's number to the seed and takes 2**32 − 1 for "random", so seeds stay below 2**31 and a
    call ends where they start over.
    """
    done = 0
    while done < n:
        if seed is None:
            first, size = None, min(most, n - done)
        else:
            first = (seed + done) % _SEEDS
            size = min(most, n - done, _SEEDS - first)
        yield first, size
        done += size


def room_for(request: Request, most: int) -> int:
    """Tokens of context that surely hold a request and its answer: a power of two, or `most`.

    No tokenizer makes more tokens of a text than it has bytes; the chat template's own words come on top.
    """
    if request.max_tokens is None:
        return most
    written = sum(len(message.content.encode(errors="replace")) + len(message.role) for message in request.messages)
    needed = written + _TEMPLATE_TOKENS + _TURN_TOKENS * len(request.messages) + request.max_tokens
    return min(most, 1 << max(needed - 1, LEAST_ROOM - 1).bit_length())


class Asked:
    """The prompts that a loaded model was asked, and whether what it keeps of them may serve another prompt.

    Reading a prompt after a part that was read before gives the same numbers to the bit. Generating does not: a token
    goes through another kernel when it is alone in its step. So no earlier answer may be taken for a part of a prompt,
    and no prompt may be found whole, since its last token would then be read alone.
    """

    def __init__(self) -> None:
        self._asked: set[int] = set()

    def __len__(self) -> int:
        return len(self._asked)

    def take(self, request: Request) -> bool:
        """Note a request that is about to be asked; True when it may start from what is kept."""
        messages = request.messages
        reusable = (
            request.extra is None
            and not request.continue_turn
            # The tokenizer may take such text for the mark of a turn.
            and not any("<|" in message.content for message in messages)
            and hash(messages) not in self._asked
            and not any(
                message.role == "assistant" and hash(messages[:position]) in self._asked
                for position, message in enumerate(messages)
            )
        )
        self._asked.add(hash(messages[:-1] if request.continue_turn else messages))
        return reusable


def write_body(request: Request, seed: int | None, n: int, *, reuse: bool) -> bytes:
    """The JSON body of a call of n choices; `reuse` allows to start from what is kept of earlier prompts.

    It is streamed, since only the last event of each choice tells the tokens of that choice. Log-probabilities are not:
    a stream leaves out those of the tokens that were held back while a stop string might begin. They are asked for one
    choice at a time, whose tokens the answer as a whole does tell.

    Raises:
        CallRefused: no messages, or nothing to generate.
    """
    if not request.messages:
        raise CallRefused("a request without messages asks nothing: give at least one")
    if request.max_tokens is not None and request.max_tokens < 1:
        raise CallRefused(f"max_tokens {request.max_tokens} leaves no room for an answer: give 1 or more")
    body: dict[str, Any] = dict(request.extra or {})
    body |= {
        "messages": request.messages,
        "temperature": request.temperature,
        "n": n,
        "stream": request.logprobs is None,
        "cache_prompt": reuse,
    }
    optional = {"max_tokens": request.max_tokens, "top_p": request.top_p, "seed": seed, "grammar": request.grammar}
    body |= {key: given for key, given in optional.items() if given is not None}
    if request.stop:
        body["stop"] = request.stop
    if request.schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": request.schema}}
    if request.logprobs is not None:
        # 0 would turn the log-probabilities themselves off; the alternatives are dropped when the answer is read.
        body |= {"logprobs": True, "top_logprobs": max(1, request.logprobs)}
    if request.continue_turn:
        body |= {"continue_final_message": True, "add_generation_prompt": False}
        body["chat_template_kwargs"] = {"enable_thinking": False, **body.get("chat_template_kwargs", {})}
    return msgspec.json.encode(body)


class Answer:
    """Gathers the events of one streamed call.

    Args:
        request: what was asked.
        n: choices that were asked for.
        model: the name that the replies carry.
        keep_raw: keep each choice's events, as a JSON array.
    """

    def __init__(self, request: Request, n: int, model: str, *, keep_raw: bool) -> None:
        self._alternatives = request.logprobs
        # A whole answer repeats the turn that it continues; a stream does not.
        whole = request.logprobs is not None
        self._echo = request.messages[-1].content if whole and request.continue_turn and request.messages else ""
        self._parts = [_Partial() for _ in range(n)]
        self._model = model
        self._keep_raw = keep_raw
        self._decoder = msgspec.json.Decoder(_Event)
        self._fault: _Fault | None = None

    def add(self, chunk: bytes) -> None:
        """Take in one event of a stream, or the whole answer. What cannot be read counts as a refusal."""
        try:
            event = decode_json(chunk, self._decoder)
        except Undecodable as error:
            event = _Event(error=_Fault(f"llama.cpp sent what cannot be read ({error})"))
        if event.error is not None:
            self._fault = event.error
        for choice in event.choices:
            part = self._parts[choice.index]
            said = choice.delta or choice.message or _Text()
            if said.content:
                part.text.append(said.content)
            if said.reasoning_content:
                part.reasoning.append(said.reasoning_content)
            if choice.logprobs is not None:
                part.tokens.extend(self._token(token) for token in choice.logprobs.content)
            if choice.finish_reason:
                part.finish, part.timings = choice.finish_reason, event.timings
            if self._keep_raw:
                part.raw.append(chunk)

    @property
    def read(self) -> int:
        """Tokens of the prompt that were read for this answer; the others were kept from before."""
        timings = self._parts[0].timings
        return timings.prompt_n if timings else 0

    def replies(self) -> list[Reply]:
        """The choices, in order.

        Raises:
            CallRefused: llama.cpp refused the request, or broke off before every choice was finished.
        """
        if self._fault is not None:
            raise CallRefused(_refusal(self._model, self._fault))
        unfinished = sum(part.finish is None for part in self._parts)
        if unfinished:
            raise CallRefused(f"{self._model} broke off with {unfinished} of {len(self._parts)} choices unfinished")
        return [self._reply(index, part) for index, part in enumerate(self._parts)]

    def _reply(self, index: int, part: _Partial) -> Reply:
        timings = part.timings
        prompt = timings.prompt_n + timings.cache_n if timings else None
        return Reply(
            text="".join(part.text).removeprefix(self._echo),
            reasoning="".join(part.reasoning) or None,
            finish=_FINISHES.get(part.finish or "", "unknown"),
            usage=Usage(
                prompt_tokens=prompt if index == 0 else 0,
                completion_tokens=timings.predicted_n if timings else None,
            ),
            logprobs=None if self._alternatives is None else tuple(part.tokens),
            model=self._model,
            raw=Raw(b"[" + b",".join(part.raw) + b"]") if self._keep_raw else None,
        )

    def _token(self, token: _Token) -> TokenLogprob:
        top = token.top_logprobs[: self._alternatives]
        return TokenLogprob(token.token, token.logprob, tuple((other.token, other.logprob) for other in top))


def _refusal(model: str, fault: _Fault) -> str:
    if fault.type == "exceed_context_size_error":
        return (
            f"the prompt of {fault.n_prompt_tokens} tokens does not fit the {fault.n_ctx} tokens of context that "
            f"{model} was given: shorten it, or name the model with ?context=NUMBER"
        )
    return f"{model} refuses the request: {' '.join(fault.message.split())}"
