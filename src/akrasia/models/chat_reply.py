"""The body of a chat-completions answer as `Reply` records: text apart from reasoning, usage that adds up.

It reads what servers really send: fields may be absent, null or of another server's making. What cannot be read
raises `msgspec.DecodeError`; what that means for the call is `chat_faults`' business. A usage in another form is no
reason to refuse a reply: its tokens are unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from akrasia.core import Reply, TokenLogprob, Usage
from akrasia.core.records import Finish, Tokens

_FINISHES: Final[dict[str | None, Finish]] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}


class _Message(Struct, gc=False):
    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None


class _Alternative(Struct, gc=False):
    token: str
    logprob: float | None = None


class _Token(Struct, gc=False):
    token: str
    logprob: float | None = None
    top_logprobs: list[_Alternative] | None = None


class _Logprobs(Struct, gc=False):
    content: list[_Token] | None = None


class _Choice(Struct, gc=False):
    message: _Message
    index: int = 0
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _PromptDetails(Struct, gc=False):
    cached_tokens: Tokens | None = None


class _CompletionDetails(Struct, gc=False):
    reasoning_tokens: Tokens | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Completion(Struct, gc=False):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: Raw = Raw(b"")
    # Only llama.cpp's server sends timings; its usage counts one choice, and it echoes a continued turn.
    timings: Raw = Raw(b"")


class _OddCompletion(_Completion, gc=False):
    """The same, with a usage in whatever form."""

    usage: Raw = Raw(b"null")  # type: ignore[assignment]


class NoChoices(msgspec.DecodeError):
    """The body is JSON without a single choice. `is_error`: it carries an error object instead."""

    def __init__(self, is_error: bool) -> None:
        super().__init__("JSON without choices")
        self.is_error = is_error


_ABSENT = (b"", b"null")
_decoder = msgspec.json.Decoder(_Completion)
_odd_decoder = msgspec.json.Decoder(_OddCompletion)


def parse_replies(
    body: bytes,
    *,
    keep_raw: bool = False,
    continued: str | None = None,
    on_odd_usage: Callable[[str], None] | None = None,
) -> list[Reply]:
    """The choices of a completion, in the order of their index.

    Args:
        body: what the server sent.
        keep_raw: put the body into the first reply's `raw`.
        continued: the unfinished turn that was to be continued, taken off a reply of a server that echoes it.
        on_odd_usage: called with where and why, when the usage holds what is no count; such a count is None.

    Raises:
        msgspec.DecodeError: not JSON, not a completion, or (`NoChoices`) without choices.
    """
    try:
        completion = _decoder.decode(body)
        said = completion.usage
    except msgspec.ValidationError as error:
        odd = _odd_decoder.decode(body)  # raises again where something else than the usage is wrong
        completion, said = odd, _readable(odd.usage)
        if on_odd_usage is not None:
            on_odd_usage(str(error))
    choices = completion.choices
    if not choices:
        raise NoChoices(bytes(completion.error) not in _ABSENT)
    is_llama_cpp = bytes(completion.timings) not in _ABSENT
    echo = continued if is_llama_cpp else None
    if len(choices) == 1:
        choice = choices[0]
        usage = _whole_usage(said)
        return [_reply(choice, usage, completion.model, Raw(body) if keep_raw else None, echo)]
    choices.sort(key=_index)
    drafts = [_reply(choice, Usage(), completion.model, None, echo) for choice in choices]
    replies = share_usage(_whole_usage(said), drafts, one_choice_counted=is_llama_cpp)
    if keep_raw:
        replies[0] = msgspec.structs.replace(replies[0], raw=Raw(body))
    return replies


def _index(choice: _Choice) -> int:
    return choice.index


def _reply(choice: _Choice, usage: Usage, model: str | None, raw: Raw | None, echo: str | None) -> Reply:
    message = choice.message
    finish = _FINISHES.get(choice.finish_reason, "unknown")
    text = message.content
    reasoning = message.reasoning_content or message.reasoning
    if not isinstance(reasoning, str):
        reasoning = None
    if not isinstance(text, str):
        text, thoughts = _join_parts(text or [])
        reasoning = reasoning or thoughts
    if echo and text.startswith(echo):
        text = text[len(echo) :]
    if message.refusal and not text:
        return Reply(message.refusal, reasoning, "content_filter", usage, None, model, raw)
    if reasoning is None:
        text, reasoning = split_thinking(text)
    logprobs = None if choice.logprobs is None else _token_logprobs(choice.logprobs)
    return Reply(text, reasoning, finish, usage, logprobs, model, raw)


def split_thinking(text: str) -> tuple[str, str | None]:
    """The answer and the reasoning of a text that may open with `<think>…</think>`.

    An unclosed `<think>` makes everything reasoning and the answer empty. A text that closes a block which it never
    opened has had it opened by the chat template: what stands before is reasoning.
    """
    end = text.find("</think>")
    if end < 0:
        head = text.lstrip() if "<think>" in text else ""
        return ("", head[7:].strip()) if head.startswith("<think>") else (text, None)
    thoughts = text[:end].lstrip()
    opened = thoughts.find("<think>")
    if opened > 0:  # a block in the middle of an answer is the answer's own text
        return text, None
    return text[end + 8 :].lstrip(), (thoughts[7:] if opened == 0 else thoughts).strip()


def _join_parts(parts: list[Any]) -> tuple[str, str | None]:
    """Text and thinking of a content that came as typed parts."""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in parts:
        if not isinstance(part, dict):
            continue
        thinking = part.get("thinking")
        if isinstance(thinking, str):
            thoughts.append(thinking)
        elif isinstance(thinking, list):
            thoughts.append(_join_parts(thinking)[0])
        elif isinstance(part.get("text"), str):
            texts.append(part["text"])
    return "".join(texts), "".join(thoughts) or None


def _token_logprobs(logprobs: _Logprobs) -> tuple[TokenLogprob, ...] | None:
    if logprobs.content is None:
        return None
    return tuple(
        TokenLogprob(t.token, t.logprob, tuple((a.token, a.logprob) for a in t.top_logprobs or ()))
        for t in logprobs.content
    )


def _whole_usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return Usage()
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        usage.prompt_tokens,
        usage.completion_tokens,
        None if completion is None else completion.reasoning_tokens,
        None if prompt is None else prompt.cached_tokens,
    )


def _readable(usage: Raw) -> _Usage:
    """What is a count of a usage in another form than ours."""
    try:
        found = msgspec.json.decode(usage)
    except (msgspec.DecodeError, RecursionError):  # a number out of range, nesting without end
        return _Usage()
    fields = found if isinstance(found, dict) else {}
    made = _Usage(count(fields.get("prompt_tokens")), count(fields.get("completion_tokens")))
    prompt, completion = fields.get("prompt_tokens_details"), fields.get("completion_tokens_details")
    if isinstance(prompt, dict):
        made.prompt_tokens_details = _PromptDetails(count(prompt.get("cached_tokens")))
    if isinstance(completion, dict):
        made.completion_tokens_details = _CompletionDetails(count(completion.get("reasoning_tokens")))
    return made


def count(said: object) -> int | None:
    """A count of tokens; None where an endpoint said something else."""
    try:
        return msgspec.convert(said, Tokens)
    except msgspec.ValidationError:
        return None


def share_usage(whole: Usage, drafts: list[Reply], *, one_choice_counted: bool = False) -> list[Reply]:
    """The choices of one call, each with its part of the call's usage; the parts add up to the whole.

    The first choice carries the prompt. Completion tokens are split by the counts of log-probabilities where these add
    up to the total, else in proportion to the characters generated, by largest remainders; reasoning tokens in
    proportion to the reasoning texts, else to the completion tokens. Where the server counted one choice only, the
    others' are None.
    """
    total, hidden = whole.completion_tokens, whole.reasoning_tokens
    completion: list[int | None]
    reasoning: list[int | None]
    if one_choice_counted or total is None:
        others = [None] * (len(drafts) - 1)
        completion, reasoning = [total, *others], [hidden, *others]
    else:
        counts = [len(d.logprobs or ()) for d in drafts]
        if sum(counts) != total or not all(counts):
            counts = _apportion(total, [len(d.text) + len(d.reasoning or "") for d in drafts])
        thoughts = [len(d.reasoning or "") for d in drafts]
        completion = [*counts]
        shares = _apportion(hidden, thoughts if any(thoughts) else counts) if hidden is not None else []
        reasoning = [*shares] or [None] * len(drafts)
    zero = None if whole.prompt_tokens is None else 0
    uncached = None if whole.cached_tokens is None else 0
    prompts = [(whole.prompt_tokens, whole.cached_tokens), *[(zero, uncached)] * (len(drafts) - 1)]
    return [
        msgspec.structs.replace(draft, usage=Usage(prompt, done, thought, cached))
        for draft, (prompt, cached), done, thought in zip(drafts, prompts, completion, reasoning, strict=True)
    ]


def _apportion(total: int, weights: list[int]) -> list[int]:
    """Whole shares of `total` in proportion to the weights (equal when all are 0), adding up to it exactly."""
    if not any(weights):
        weights = [1] * len(weights)
    mass = sum(weights)
    shares = [total * w // mass for w in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % mass), i))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares
