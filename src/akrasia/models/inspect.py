"""Inspect AI's model providers: `inspect:PROVIDER/NAME`, through the optional extra `akrasia[inspect]`.

Inspect speaks to the provider, retries and limits connections; here its messages and outputs are translated, and its
errors sorted into ours.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from akrasia.core import (
    AkrasiaError,
    CallRefused,
    EndpointLost,
    EndpointMisuse,
    Fingerprint,
    InputError,
    QuotaExhausted,
    Reply,
    Request,
    TokenLogprob,
    Usage,
)
from akrasia.core.records import Finish
from akrasia.models.build import ModelSettings
from akrasia.models.characters import check_writable
from akrasia.models.chat_faults import Kind, classify, one_line
from akrasia.models.chat_reply import count, share_usage, split_thinking

_CONCURRENCY = 64
_MOST_CHOICES = 128
_FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}


def build(text: str, settings: ModelSettings) -> InspectModel:
    """The model that `inspect:TEXT` names.

    Raises:
        InputError: the extra is not installed, or the text has no provider.
    """
    if "/" not in text:
        raise InputError(f"cannot read 'inspect:{text}': write inspect:PROVIDER/NAME, as for Inspect's --model")
    try:
        import inspect_ai.model as _inspect  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] != "inspect_ai":
            raise InputError(f"Inspect AI needs {error.name!r}: pip install {error.name}") from None
        raise InputError(f"model 'inspect:{text}' needs Inspect AI: pip install 'akrasia[inspect]'") from None
    return InspectModel(text, settings)


class InspectModel:
    """A model behind one of Inspect AI's providers. See `akrasia.core.Model`."""

    def __init__(self, text: str, settings: ModelSettings) -> None:
        self.name = f"inspect:{text}"
        self._text = text
        self._settings = settings
        self._model: Any = None
        self._choices = _MOST_CHOICES

    @property
    def fingerprint(self) -> Fingerprint:
        """Provider and name; Inspect pins no weights."""
        return Fingerprint(self._text, "", "inspect")

    @property
    def choices(self) -> int:
        """128 until the provider shows that it gives fewer."""
        return self._choices

    @property
    def concurrency(self) -> int:
        """The cap that was given, else 64; it is also Inspect's own `max_connections`."""
        return self._settings.concurrency or _CONCURRENCY

    async def open(self) -> None:
        """Let Inspect find the provider.

        Raises:
            InputError: it knows no such provider, or the provider lacks a package or a key.
        """
        from inspect_ai._util.error import PrerequisiteError
        from inspect_ai.model import get_model

        try:
            self._model = get_model(self._text, memoize=False, **_arguments(self._text))
        except (ValueError, PrerequisiteError) as error:
            raise InputError(f"{self.name}: {one_line(str(error))}") from None

    def interrupt(self) -> None:
        """Nothing waits here."""

    async def close(self) -> None:
        """Let the provider close its connections."""
        model, self._model = self._model, None
        if model is not None:
            await model.api.aclose()

    async def complete(self, request: Request, n: int = 1) -> list[Reply]:
        """See `akrasia.core.Model.complete`."""
        if self._model is None:
            raise RuntimeError(f"{self.name} is not open")
        if request.grammar is not None or request.continue_turn:
            what = "takes no GBNF grammar" if request.grammar is not None else "cannot continue an unfinished turn"
            raise CallRefused(f"{self.name}: Inspect's interface {what}: use an openai: or local: model for that")
        n = min(n, self._choices)
        try:
            output = await self._model.generate(_messages(request), config=self._config(request, n))
        except Exception as error:
            raise self._sorted(error) from error
        if output.error and not output.choices:
            raise CallRefused(f"{self.name}: {one_line(output.error)}")
        replies = self._replies(output)
        if len(replies) < n:
            self._choices = len(replies)
        return replies[:n]

    def _config(self, request: Request, n: int) -> Any:
        from inspect_ai.model import GenerateConfig, ResponseSchema
        from inspect_ai.util import JSONSchema

        schema = request.schema
        return GenerateConfig(
            max_retries=self._settings.max_retries,
            attempt_timeout=max(1, round(self._settings.timeout_s)),
            max_connections=self.concurrency,
            temperature=request.temperature,
            max_tokens=request.max_tokens,
            top_p=request.top_p,
            stop_seqs=list(request.stop) or None,
            seed=request.seed,
            num_choices=n if n > 1 else None,
            logprobs=True if request.logprobs is not None else None,
            top_logprobs=request.logprobs or None,
            extra_body=request.extra,
            response_schema=None
            if schema is None
            else ResponseSchema(name="answer", json_schema=JSONSchema.model_validate(schema), strict=True),
        )

    def _replies(self, output: Any) -> list[Reply]:
        drafts = [check_writable(_draft(choice, output.model), self.name) for choice in output.choices]
        if not drafts:
            raise EndpointLost(f"{self.name}: Inspect returned no choice; try again when it answers")
        replies = share_usage(_usage(output.usage), drafts)
        if self._settings.keep_raw:
            raw = Raw(output.model_dump_json().encode())
            first = replies[0]
            replies[0] = Reply(first.text, first.reasoning, first.finish, first.usage, first.logprobs, first.model, raw)
        return replies

    def _sorted(self, error: Exception) -> AkrasiaError:
        """Our error for what a provider raised after Inspect's own retries."""
        cause: BaseException = error
        attempt = getattr(error, "last_attempt", None)  # tenacity's wrapper around the last failure
        if attempt is not None and attempt.exception() is not None:
            cause = attempt.exception()
        said = f"{self.name}: {type(cause).__name__}: {one_line(str(cause))}"
        status = getattr(cause, "status_code", None)
        if not isinstance(status, int):
            return EndpointLost(f"{said}; try again when it answers")
        response = getattr(cause, "response", None)
        fault = classify(status, getattr(response, "headers", {}), getattr(response, "content", b""))
        if fault.kind is Kind.QUOTA:
            return QuotaExhausted(f"{said}: the account's quota is spent")
        if fault.kind in (Kind.RETRY, Kind.RATE_LIMITED):
            return EndpointLost(f"{said}; try again when it answers")
        if fault.kind in (Kind.UNAUTHORISED, Kind.UNKNOWN_MODEL, Kind.MISUSE):
            return EndpointMisuse(f"{said}: check the provider's key variable and the model's name")
        return CallRefused(said)


def _arguments(text: str) -> dict[str, Any]:
    """Arguments of a provider. Inspect's mock would fetch a tokenizer from the network to count what it never spent."""
    if not text.startswith("mockllm/"):
        return {}
    from inspect_ai.model import ModelOutput, ModelUsage

    def answer(*_: object) -> Any:
        output = ModelOutput.from_content("mockllm", f"Default output from {text}")
        output.usage = ModelUsage()
        return output

    return {"custom_outputs": answer}


def _messages(request: Request) -> list[Any]:
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
    unknown = next((m.role for m in request.messages if m.role not in kinds), None)
    if unknown is not None:
        raise CallRefused(f"Inspect's interface has no role {unknown!r}: use system, user or assistant")
    return [kinds[m.role](content=m.content) for m in request.messages]


def _draft(choice: Any, model: str) -> Reply:
    message = choice.message
    text = message.text
    reasoning: str | None = None
    if not isinstance(message.content, str):
        thoughts = [part.reasoning for part in message.content if part.type == "reasoning"]
        reasoning = "\n".join(thoughts) or None
    if reasoning is None:
        text, reasoning = split_thinking(text)
    logprobs = None
    if choice.logprobs is not None:
        logprobs = tuple(
            TokenLogprob(t.token, t.logprob, tuple((a.token, a.logprob) for a in t.top_logprobs or ()))
            for t in choice.logprobs.content
        )
    return Reply(text, reasoning, _FINISHES.get(choice.stop_reason, "unknown"), Usage(), logprobs, model)


def _usage(usage: Any) -> Usage:
    if usage is None or not (usage.input_tokens or usage.output_tokens):
        return Usage()
    said = (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens, usage.input_tokens_cache_read)
    return Usage(*map(count, said))
