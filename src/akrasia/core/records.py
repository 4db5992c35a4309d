"""The records that flow through the house, as msgspec Structs, and the protocols of its plug-ins.

Flow: a `Suite` holds `Item`s; a strategy turns an item into `Candidate`s by asking a `Model` with `Request`s, which
answers with `Reply`s; a utility turns a candidate into a `Score`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal, Protocol, TypeAlias, runtime_checkable

from msgspec import Meta, Raw, Struct, field

from akrasia.core.judgement import StageJudgement


class Message(Struct, frozen=True):
    """One turn of a conversation."""

    role: str
    content: str


class Sampling(Struct, frozen=True, omit_defaults=True):
    """How a cell draws: the part of a request that does not depend on the item.

    Attributes:
        temperature: softmax temperature; 0 is greedy.
        max_tokens: cap on generated tokens; None leaves it to the endpoint.
        top_p: nucleus mass; None leaves it to the endpoint.
        stop: strings that end the generation (not part of the text).
        logprobs: how many alternatives to keep with each token's log-probability; None keeps no log-probabilities.
    """

    temperature: float = 1.0
    max_tokens: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None


class Request(Struct, frozen=True, omit_defaults=True):
    """One model call, fully resolved. It is part of the key under which its answer is stored.

    Attributes:
        messages: the conversation.
        temperature, max_tokens, top_p, stop: see `Sampling`.
        seed: seed of the first choice; choice i of a call with n choices uses seed + i.
        schema: a JSON schema that the answer must satisfy.
        grammar: a GBNF grammar that the answer must satisfy (local models).
        logprobs: how many top alternatives to return with each token's log-probability; None: no log-probabilities.
        continue_turn: the last message is the assistant's unfinished turn, to be continued.
        extra: provider fields that are passed on as they are.
    """

    messages: tuple[Message, ...]
    temperature: float = 1.0
    max_tokens: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    schema: dict[str, Any] | None = None
    grammar: str | None = None
    logprobs: int | None = None
    continue_turn: bool = False
    extra: dict[str, Any] | None = None


Tokens: TypeAlias = Annotated[int, Meta(ge=0, le=2**40)]
"""A count of tokens: no call has more, and what exceeds it could not be stored, nor summed over a run."""


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens of one choice; None is "the endpoint did not say", never 0.

    Attributes:
        prompt_tokens: tokens of the prompt. Of a call with n choices the first choice carries them, the others 0.
        completion_tokens: tokens generated for this choice, reasoning included.
        reasoning_tokens: those of them that were hidden or separate reasoning.
        cached_tokens: prompt tokens that the endpoint served from its cache.
    """

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None
    cached_tokens: Tokens | None = None


class TokenLogprob(Struct, frozen=True, omit_defaults=True):
    """One generated token, its natural-log probability, and the alternatives that were asked for.

    A log-probability is None where the server gave none: some write null where it is minus infinity.
    """

    token: str
    logprob: float | None
    top: tuple[tuple[str, float | None], ...] = ()


SAMPLE_STRIDE = 4096
"""Seeds that one item owns: sample i of an item has seed `item base + i`, and every item base is a multiple of this."""


def sample_of(seed: int | None) -> int:
    """Which sample of its item a seed belongs to, in [0, `SAMPLE_STRIDE`); 0 for a request without a seed.

    It is how a deterministic model (replay, scripted) tells the samples of one item apart without hidden state, so that
    a resumed run asks for, and gets, the same replies.
    """
    return 0 if seed is None else seed % SAMPLE_STRIDE


Finish = Literal["stop", "length", "content_filter", "tool_calls", "unknown"]


class Reply(Struct, frozen=True, omit_defaults=True):
    """One choice of a model's answer.

    Attributes:
        text: the answer, without its reasoning.
        reasoning: separate reasoning text where the endpoint gives it (`reasoning_content`, `<think>`), else None.
        finish: why it ended.
        usage: tokens of this choice.
        logprobs: per token, when asked for.
        model: the name that the endpoint says answered.
        raw: the whole response body as it came, kept only when asked for.
    """

    text: str
    reasoning: str | None = None
    finish: Finish = "stop"
    usage: Usage = Usage()
    logprobs: tuple[TokenLogprob, ...] | None = None
    model: str | None = None
    raw: Raw | None = None


class Fingerprint(Struct, frozen=True):
    """What a model's answers depend on besides the request: never its address or its key.

    Attributes:
        name: the model's name at its backend.
        revision: what pins its weights: a file hash, or "" where the endpoint pins nothing.
        backend: the software that runs it, with its version where we know it.
    """

    name: str
    revision: str
    backend: str


class Item(Struct, frozen=True, omit_defaults=True):
    """A problem or a scenario.

    Attributes:
        id: stable and unique in its suite.
        input: what the model sees.
        target: what an exact utility compares with; None where there is nothing to compare.
        utility: name of the utility that scores it; None where a judge does.
        cluster: the family it belongs to; None: it is its own.
        metadata: anything else, never shown to a model.
    """

    id: str
    input: tuple[Message, ...]
    target: str | None = None
    utility: str | None = None
    cluster: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class Suite(Struct, frozen=True):
    """What is asked, in a fixed order: `--limit N` is the first N.

    Attributes:
        name: as the user wrote it, settings included.
        items: all of them.
        fingerprint: hash over the items; runs with different ones are not comparable.
        sampling: what the suite's prompts need (stop strings, a cap on tokens), used where the user says nothing.
        description: one line.
    """

    name: str
    items: tuple[Item, ...]
    fingerprint: str
    sampling: Sampling = Sampling()
    description: str = ""


class Candidate(Struct, frozen=True, omit_defaults=True):
    """What a strategy committed to for one sample of an item.

    Attributes:
        text: the answer or action; None exactly when `missing` says why.
        reasoning: the deliberation that came before it, where there was one.
        finish: why the committed text ended; "length" is a truncated answer.
        missing: why there is no candidate (the endpoint refused the call …).
        stage: what a judge of values takes the text for: an action, the values that the model states, or its ratings of
            all values.
        trail: JSON, what every audit of its texts did (a list of `akrasia.audit.Trail`); None where none was audited.
    """

    text: str | None
    reasoning: str | None = None
    finish: Finish = "stop"
    missing: str | None = None
    stage: Literal["action", "stated", "rated"] = "action"
    trail: str | None = None


class Score(Struct, frozen=True, omit_defaults=True):
    """The utility of one candidate, by one verifier.

    Attributes:
        utility: in [0, 1]; None when `missing` says why (the measurement failed, not the candidate), or when the
            candidate was read by judges and its value depends on what others of its item were read for.
        answer: the answer that was extracted; None when there is none.
        failure: why the candidate counts 0 without a comparison ("no number in the answer", "cut off").
        missing: why there is no measurement.
        judgements: what the judges read, where judges and not an answer decide.
    """

    utility: float | None
    answer: str | None = None
    failure: str | None = None
    missing: str | None = None
    judgements: tuple[StageJudgement, ...] = ()


@runtime_checkable
class Model(Protocol):
    """Who answers. Built cheaply; `open` connects or loads, `close` lets go. Both may be called once only.

    Attributes:
        name: as the user wrote it, without any key.
        fingerprint: see `Fingerprint`; complete after `open`.
        choices: the most choices that one call may ask for; 1 when the backend has no `n`. May fall while running,
            when an endpoint turns out to ignore `n`.
        concurrency: how many calls at once make sense now; may change while running, and the caller follows.
    """

    name: str

    @property
    def fingerprint(self) -> Fingerprint:
        """What the answers depend on."""
        ...

    @property
    def choices(self) -> int:
        """The most choices of one call."""
        ...

    @property
    def concurrency(self) -> int:
        """The most calls at once, now."""
        ...

    async def open(self) -> None:
        """Connect or load.

        Raises:
            EndpointMisuse, InputError: it can never answer as configured.
        """
        ...

    async def complete(self, request: Request, n: int = 1) -> list[Reply]:
        """Answer one request with up to n choices, in order; fewer than n (at least 1) when the backend gave fewer.

        Raises:
            CallRefused: this request is finally refused.
            EndpointMisuse: every request will be refused.
            EndpointLost: no answer after all retries; QuotaExhausted: none to be had.
        """
        ...

    def interrupt(self) -> None:
        """The run is stopping: calls that only wait end with `EndpointLost`; those that may bring an answer go on."""
        ...

    async def close(self) -> None:
        """Let go of connections, threads and memory."""
        ...


class Ask(Protocol):
    """A strategy's only door to the models: durable, keyed, and free when the answer was bought before.

    Calling it asks for one reply for the sample it is bound to (see `at`). `role` is who answers ("model", "judge",
    "auditor" …); `label` tells apart the calls of one sample ("answer", "reason", "act"), so it must be unique there.
    """

    sampling: Sampling

    async def __call__(self, role: str, request: Request, label: str) -> Reply:
        """The answer, bought and stored, or found in the store.

        Raises:
            CallRefused: the endpoint refuses this request for good.
        """
        ...

    def at(self, sample: int) -> Ask:
        """The same door, bound to one sample of the item."""
        ...

    def request(self, messages: Sequence[Message], **changes: Any) -> Request:
        """A request with the cell's sampling settings and, for a sampled draw, this sample's seed."""
        ...


Strategy = Callable[[Item, Sequence[int], Ask], Awaitable[list[Candidate]]]
"""`async def strategy(item, samples, ask)`: one candidate per sample, in order. It reads no clock and draws no
randomness of its own, so that running it again asks the same questions."""


class Utility(Protocol):
    """How good a candidate is.

    Attributes:
        name: its registered name.
        cpu_bound: True when one call may take longer than a millisecond: it then runs off the event loop.
    """

    name: str
    cpu_bound: bool

    def check(self, item: Item) -> None:
        """Refuse an item that lacks what this utility needs, before anything is bought.

        Raises:
            InputError: naming the item and what it lacks.
        """
        ...

    def score(self, item: Item, candidate: Candidate) -> Score:
        """The score of a candidate that is not missing. A candidate that cannot be parsed is a failure (0)."""
        ...

    def close(self) -> None:
        """Let go of worker processes; scoring afterwards starts them again."""
        ...


@runtime_checkable
class EquatingUtility(Utility, Protocol):
    """A utility under which two answers may be equal although their texts in `Score.answer` differ."""

    def equal(self, one: str, other: str) -> bool | None:
        """Whether two candidates' texts answer the same, whatever the target; None where it cannot be told in time."""
        ...


@runtime_checkable
class JudgedUtility(Utility, Protocol):
    """A utility that asks a model. Whoever has a judge awaits `judge` in place of `score`.

    Without a judge `score` says what needs none (an empty answer), and else that the measurement is missing.
    """

    async def judge(self, item: Item, candidate: Candidate, ask: Ask) -> Score:
        """The score of a candidate that is not missing.

        Args:
            item: what was asked.
            candidate: what is judged.
            ask: bound to the candidate's sample; role "judge" answers. The requests depend on what is judged alone,
                not on the cell or the sample, so that the same text has one verdict.
        """
        ...
