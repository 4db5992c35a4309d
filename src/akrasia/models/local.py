"""Models that run in this process through llama.cpp: `local:smollm2`, or `local:FILE.gguf`.

One call is in flight at a time, with up to 16 choices: the prompt is read once for all of them, and calls that share a
batch would round differently. All work happens in one thread of the model's own, so the event loop never waits.
Settings follow a question mark: `local:smollm2?context=4096&layout=shared` (see `ServerOptions`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from akrasia.core import CallRefused, EndpointLost, Fingerprint, InputError, Reply, Request
from akrasia.core.registry import near_names
from akrasia.core.spec import parse_spec
from akrasia.models.build import ModelSettings
from akrasia.models.local_chat import LEAST_READ, LEAST_ROOM, Answer, Asked, calls, room_for, write_body
from akrasia.models.local_server import MOST_READ, PARALLEL, LocalServer, ServerOptions
from akrasia.weights import (
    WEIGHTS,
    PullProgress,
    file_digest,
    find_weights,
    preflight,
    ready,
    state_of,
    stored_path,
    weights_dir,
)

T = TypeVar("T")

_LEAST_CONTEXT = 64
_MAGIC = b"GGUF"
_MOST_ASKED = 100_000


def build(text: str, settings: ModelSettings) -> LocalModel:
    """The model that `local:TEXT` names.

    Raises:
        InputError: neither known weights nor a `.gguf` file, or a setting that does not exist.
    """
    place, mark, query = text.rpartition("?") if "?" in text else (text, "", "")
    options = _options(parse_spec(f"local{mark}{query}").settings, f"local:{text}")
    if place not in WEIGHTS and not place.lower().endswith(".gguf"):
        raise InputError(
            f"no model 'local:{place}'{near_names(place, list(WEIGHTS))}; or give the path of a .gguf file"
        )
    if place in WEIGHTS and options.context > find_weights(place).context:
        raise InputError(f"{place} was trained on {find_weights(place).context} tokens of context: give no more")
    return LocalModel(text, place, options, settings)


def _options(given: dict[str, str], name: str) -> ServerOptions:
    try:
        options = msgspec.convert(given, ServerOptions, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"cannot use the settings of {name!r}: {error}") from None
    known = [option.name for option in msgspec.structs.fields(ServerOptions)]
    for key in given:
        if key not in known:
            raise InputError(f"unknown setting {key!r} in {name!r}; known: {', '.join(known)}")
    if options.context < _LEAST_CONTEXT or options.gpu_layers < 0:
        raise InputError(f"cannot use the settings of {name!r}: context from {_LEAST_CONTEXT}, gpu_layers from 0")
    return options


class LocalModel:
    """One GGUF file in this process. See `akrasia.core.Model`."""

    def __init__(self, text: str, place: str, options: ServerOptions, settings: ModelSettings) -> None:
        self.name = f"local:{text}"
        self._place = place
        self._options = options
        self._settings = settings
        self._fingerprint = Fingerprint(self._label, "", "xllamacpp")
        self._path = Path()
        self._server: LocalServer | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="akrasia-local")
        self._closing = threading.Event()
        self._asked = Asked()

    @property
    def _label(self) -> str:
        return self._place if self._place in WEIGHTS else Path(self._place).name

    @property
    def fingerprint(self) -> Fingerprint:
        """File name, hash of the file, and the library with those of its settings that change answers."""
        return self._fingerprint

    @property
    def choices(self) -> int:
        """16."""
        return PARALLEL

    @property
    def concurrency(self) -> int:
        """1."""
        return 1

    async def open(self) -> None:
        """Fetch the weights if need be, check them, and load them.

        Raises:
            InputError: no such file, or the machine lacks something.
            EndpointMisuse: llama.cpp cannot load the file.
        """
        self._server = await self._in_thread(self._load)

    async def complete(self, request: Request, n: int = 1) -> list[Reply]:
        """Answer with n choices; more than 16 are drawn in several calls.

        Cancelling the task ends the generation at the next token (with log-probabilities: at the end of the choice).

        Raises:
            CallRefused: llama.cpp cannot use this request, or its prompt is too long.
            EndpointLost: the model was closed meanwhile.
        """
        # With log-probabilities each choice travels alone: see `write_body`.
        most = PARALLEL if request.logprobs is None else 1
        given_up = threading.Event()
        replies: list[Reply] = []
        try:
            for seed, size in calls(request.seed, n, most):
                replies += await self._in_thread(partial(self._answer, request, seed, size, given_up))
        finally:
            given_up.set()
        return [replies[0], *(_without_prompt(reply) for reply in replies[1:])]

    def interrupt(self) -> None:
        """Nothing waits here."""

    async def close(self) -> None:
        """End what is being generated and free the memory. Closing again does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        await self._in_thread(self._unload)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _load(self) -> LocalServer:
        path = self._known_file() if self._place in WEIGHTS else self._own_file()
        self._path = path
        server = LocalServer(path, self._options, min(LEAST_ROOM, self._options.context))
        backend = f"xllamacpp {server.version} ({self._options.describe()})"
        self._fingerprint = Fingerprint(self._label, file_digest(path), backend)
        return server

    def _known_file(self) -> Path:
        known = find_weights(self._place)
        if state_of(known) == "present":
            return stored_path(known)
        preflight(weights_dir(), download_bytes=known.size)
        self._notice(f"fetching {known.title} ({known.licence}) into {weights_dir()}, once")
        return ready(self._place, Quarters(self._notice))

    def _own_file(self) -> Path:
        path = Path(self._place).expanduser()
        try:
            with path.open("rb") as stream:
                magic = stream.read(len(_MAGIC))
        except OSError as error:
            raise InputError(f"cannot read the model file {path} ({error.strerror}): check the path") from error
        if magic != _MAGIC:
            raise InputError(f"{path} is not a GGUF file: llama.cpp models end in .gguf and begin with those letters")
        return path

    def _unload(self) -> None:
        if self._server is not None:
            self._server.settle()
            self._server = None

    def _answer(self, request: Request, seed: int | None, n: int, given_up: threading.Event) -> list[Reply]:
        room = room_for(request, self._options.context)
        server = self._with_room(room)
        # Found to be exact for known weights; the template of another model may end in fewer tokens.
        reuse = self._asked.take(request) and self._place in WEIGHTS and room <= MOST_READ
        answer = self._exchange(server, request, (seed, n), given_up, reuse=reuse)
        if reuse and answer.read < LEAST_READ and not given_up.is_set():
            answer = self._exchange(server, request, (seed, n), given_up, reuse=False)
        if self._closing.is_set():
            raise EndpointLost(f"{self.name} was closed while it answered")
        return answer.replies()

    def _exchange(
        self,
        server: LocalServer,
        request: Request,
        draw: tuple[int | None, int],
        given_up: threading.Event,
        *,
        reuse: bool,
    ) -> Answer:
        seed, n = draw
        answer = Answer(request, n, self._label, keep_raw=self._settings.keep_raw)

        def on_event(event: bytes) -> bool:
            answer.add(event)
            return given_up.is_set() or self._closing.is_set()

        try:
            server.chat(write_body(request, seed, n, reuse=reuse), on_event)
        except (ValueError, TypeError, RuntimeError) as error:
            raise CallRefused(f"{self.name} cannot use the request: {' '.join(str(error).split())}") from error
        return answer

    def _with_room(self, context: int) -> LocalServer:
        """The model, loaded again when it has too little room: memory is cheap to take and slow to carry about."""
        if self._server is None:
            raise EndpointLost(f"{self.name} is not open: open it before asking, and ask before closing it")
        if self._server.context < context or len(self._asked) > _MOST_ASKED:
            room = max(context, self._server.context)
            self._server.settle()
            self._server = None  # its memory is given back before more is taken
            self._server, self._asked = LocalServer(self._path, self._options, room), Asked()
        return self._server

    def _notice(self, line: str) -> None:
        if self._settings.on_notice is not None:
            self._settings.on_notice(line)


class Quarters:
    """Turns the progress of a pull into at most four lines."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._told = 0

    def __call__(self, progress: PullProgress) -> None:
        """Say so when another quarter is there."""
        quarter = 4 * progress.done // progress.total if progress.total else 0
        if quarter > self._told:
            self._told = quarter
            self._notice(f"{progress.name}: {progress.done / 1e6:.0f} of {progress.total / 1e6:.0f} MB")


def _without_prompt(reply: Reply) -> Reply:
    usage = msgspec.structs.replace(reply.usage, prompt_tokens=0)
    return msgspec.structs.replace(reply, usage=usage)
