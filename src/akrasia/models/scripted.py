"""Replies that your own Python gives: `scripted:MODULE:FUNCTION`, or `Scripted(function_or_table)` in code.

An ordinary model: it runs, resumes and reports like any other, which makes it the quickest way to wrap a system that
has no HTTP endpoint, and the right one to test a study with.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import msgspec

from akrasia.core import (
    AkrasiaError,
    CallRefused,
    Fingerprint,
    InputError,
    Reply,
    Request,
    sample_of,
)
from akrasia.core.registry import near_names
from akrasia.models.build import ModelSettings
from akrasia.models.characters import check_writable, half_a_pair, written

_CONCURRENCY = 64

Answer: TypeAlias = "str | Reply | Mapping[str, object]"
Script: TypeAlias = Callable[..., "Answer | Awaitable[Answer]"]
"""`function(request)` or `function(request, sample)`, plain or async."""
Table: TypeAlias = Mapping[str, "Answer | Sequence[Answer]"]
"""From the text of the last user message to the reply, or to several: sample i gets number i modulo their count."""


def build(text: str, settings: ModelSettings) -> Scripted:
    """The model that `scripted:MODULE:FUNCTION` names. The module may stand in the current folder.

    Raises:
        InputError: no such module or function, or it is no table and cannot be called with a request.
    """
    module_name, _, attribute = text.partition(":")
    if not module_name or not attribute:
        raise InputError(f"cannot read 'scripted:{text}': write scripted:MODULE:FUNCTION")
    module = _import(module_name)
    if not hasattr(module, attribute):
        offered = [name for name, held in vars(module).items() if not name.startswith("_") and _usable(held)]
        raise InputError(
            f"module {module_name!r} has no {attribute!r}{near_names(attribute, offered) if offered else ''}"
        )
    source = getattr(module, "__file__", None)
    revision = hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else ""
    return Scripted(getattr(module, attribute), name=f"scripted:{text}", revision=revision, settings=settings)


class Scripted:
    """Asks a function or looks in a table. See `akrasia.core.Model`.

    What a function raises of Akrasia's own errors passes as it is; anything else refuses that one call, with its type
    and message, so that one bad item does not end a run: `SystemExit`, `KeyboardInterrupt` and whatever else is no
    `Exception` too, and a cancellation that is the function's own. A plain function answers one call after the other,
    an async one as many as it is asked.

    Args:
        script: see `Script` and `Table`. A function that cannot be called so is an `InputError`.
        name: as it is shown and recorded.
        revision: pins what it answers; for `scripted:MODULE:FUNCTION` the hash of the module's source. By default that
            of the function's own source where Python can tell it, so that a run is not resumed with another one.
        settings: only `concurrency` matters here.
    """

    def __init__(
        self,
        script: Script | Table,
        *,
        name: str = "scripted:inline",
        revision: str | None = None,
        settings: ModelSettings | None = None,
    ) -> None:
        if not _usable(script):
            raise InputError(f"{name} is a {type(script).__name__}: a script is a function or a table of replies")
        self.name = name
        self._table = script if isinstance(script, Mapping) else None
        self._function = script if callable(script) else None
        self._with_sample = self._function is not None and _takes_sample(self._function)
        if self._function is not None:
            _check_takes(self._function, 1 + self._with_sample, name)
        self._revision = _source_hash(script) if revision is None else revision
        self._settings = settings or ModelSettings()

    @property
    def fingerprint(self) -> Fingerprint:
        """The name, and the hash of the source where there is a file."""
        return Fingerprint(self.name, self._revision, "scripted")

    @property
    def choices(self) -> int:
        """One: there is nothing to share between two calls of a function, and apart they run side by side."""
        return 1

    @property
    def concurrency(self) -> int:
        """The cap that was given, else 64."""
        return self._settings.concurrency or _CONCURRENCY

    async def open(self) -> None:
        """Nothing to connect to."""

    async def complete(self, request: Request, n: int = 1) -> list[Reply]:
        """One reply per choice: choice i is asked for with the seed of its own sample.

        Raises:
            CallRefused: the function raised, or gave something that is no reply; the table has no entry.
        """
        first = sample_of(request.seed)
        if self._table is not None:
            return [_reply(self._look_up(self._table, request, first + i), self.name) for i in range(n)]
        replies = []
        for i in range(n):
            seed = None if request.seed is None else request.seed + i
            replies.append(await self._call(msgspec.structs.replace(request, seed=seed), first + i))
        return replies

    def interrupt(self) -> None:
        """Nothing waits here."""

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _call(self, request: Request, sample: int) -> Reply:
        function: Callable[..., Any] = self._function  # type: ignore[assignment]
        task = asyncio.current_task()
        try:
            answer = function(request, sample) if self._with_sample else function(request)
            if inspect.isawaitable(answer):
                answer = await answer
        except AkrasiaError:
            raise
        # The boundary to the user's code. A run takes Ctrl-C by a handler of its own, so no interrupt here is one.
        except BaseException as error:
            if _is_ours(error, task):
                raise
            said = " ".join(str(error).split())
            raise CallRefused(written(f"{self.name} raised {type(error).__name__}{said and f': {said}'}")) from error
        return _reply(answer, self.name)

    def _look_up(self, table: Table, request: Request, sample: int) -> Answer:
        question = next((m.content for m in reversed(request.messages) if m.role == "user"), "")
        if question not in table:
            raise CallRefused(f"the table of {self.name} has no reply to {question[:60]!r}: add one")
        found = table[question]
        if isinstance(found, str | Reply | Mapping):
            return found
        if not found:
            raise CallRefused(f"the table of {self.name} has an empty list for {question[:60]!r}: add a reply")
        return found[sample % len(found)]


def _is_ours(error: BaseException, task: asyncio.Task[Any] | None) -> bool:
    """Whether an exception ends the call from outside, and is not what its function raised."""
    if isinstance(error, asyncio.CancelledError):
        return task is not None and task.cancelling() > 0
    if not isinstance(error, GeneratorExit):
        return False
    try:
        return asyncio.current_task() is not task  # from outside it comes when the call's task runs no more
    except RuntimeError:  # nor does anything else
        return True


def _reply(answer: object, name: str) -> Reply:
    if isinstance(answer, str):
        return check_writable(Reply(answer), name)
    try:
        if not isinstance(answer, Reply):
            return check_writable(msgspec.convert(answer, Reply), name)
        # Python lets a record hold anything: what no store could take must not get further.
        msgspec.convert(msgspec.to_builtins(msgspec.structs.replace(answer, raw=None)), Reply)
    except (msgspec.ValidationError, TypeError) as error:
        raise CallRefused(f"{name} gave no reply ({error}): return a text, a Reply, or a dict of its fields") from None
    except UnicodeEncodeError:  # a key, or a word where one of a few is due
        raise CallRefused(half_a_pair(name)) from None
    return check_writable(answer, name)


def _source_hash(script: Script | Table) -> str:
    try:
        text = repr(script) if isinstance(script, Mapping) else inspect.getsource(script)
    except (OSError, TypeError):  # typed in at a prompt, or a callable object
        return ""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _usable(held: object) -> bool:
    return callable(held) or isinstance(held, Mapping)


def _takes_sample(function: Script) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some built-ins have no signature
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [p for p in parameters if p.kind in kinds]
    return len(named) >= 2 or any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)


def _check_takes(function: Script, given: int, name: str) -> None:
    """Raises InputError where a call with the request, and perhaps the sample, is sure to fail."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # some built-ins have no signature
        return
    try:
        signature.bind(*range(given))
    except TypeError:
        raise InputError(
            f"{name} cannot be asked, for it takes {signature}: write function(request) or function(request, sample)"
        ) from None


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        # Last, so that nothing there hides an installed module; for good, since a script may import later.
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.split(".")[0] == error.name.split(".")[0]:
            plain = name.removesuffix(".py").replace("/", ".")
            meant = f"; name the module, not its file: {plain!r}" if plain != name else ""
            raise InputError(f"no module {name!r} in {here} or among the installed ones{meant}") from None
        raise InputError(f"module {name!r} needs {error.name!r}, which is not installed") from None
    except Exception as error:
        raise InputError(f"module {name!r} fails on import: {type(error).__name__}: {error}") from error
