"""llama.cpp in this process, set up so that an answer depends on its request alone.

What a candidate is must not depend on who shared its batch: a pool that grows from 8 to 16 candidates, or is drawn
again in other groups, has to come out the same to the bit. That costs three settings. Each candidate has a context of
its own (in a shared one the order of cells, and with it the rounding of sums, depends on the neighbours). Flash
attention is off (its code path changes with the number of candidates still running). What is kept of earlier prompts is
used only where that was found to change nothing (see `Asked`). `layout=shared` gives this up for speed: see
`ServerOptions`.

Everything in here blocks; threads and the event loop are the business of `local.py`.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from akrasia.core import EndpointMisuse, InputError
from akrasia.weights import preflight
from akrasia.weights.machine import calm_openmp

PARALLEL = 16
"""Candidates that one call generates together."""

MOST_READ = 2048
"""Tokens of a prompt that are read in one piece. More would take gigabytes for the attention of them all."""

_QUIET = -1
"""llama.cpp's verbosity at which only what it writes past its own log is left."""


class ServerOptions(Struct, frozen=True, kw_only=True):
    """How the weights are run.

    Attributes:
        context: the most tokens of prompt and answer together, for each candidate. Memory is taken as it is needed.
        layout: "separate" gives each candidate its own context; "shared" puts all in one, which is faster, and then a
            candidate depends on how many were drawn with it: the same command gives the same candidates, but a pool
            that is topped up later differs from one that is drawn at once.
        gpu_layers: layers that run on the GPU; 0 keeps everything on the CPU, where results were found reproducible.
    """

    context: int = 2048
    layout: Literal["separate", "shared"] = "separate"
    gpu_layers: int = 0

    def describe(self) -> str:
        """What of this changes answers, for the fingerprint."""
        gpu = f", {self.gpu_layers} GPU layers" if self.gpu_layers else ""
        return f"{self.layout} contexts, {PARALLEL} in parallel{gpu}"


class LocalServer:
    """A loaded model.

    Args:
        path: the GGUF file.
        options: how it is run.
        context: tokens that the load has room for, up to `options.context`. Answers do not depend on it.

    Raises:
        InputError: the machine lacks something that the library needs.
        EndpointMisuse: the file is not a model that llama.cpp can load.
    """

    def __init__(self, path: Path, options: ServerOptions, context: int) -> None:
        library = load_library(path.parent)
        try:
            self._server = library.Server(_parameters(library, path, options, context))
        except (RuntimeError, ValueError, TypeError) as error:
            raise EndpointMisuse(
                f"llama.cpp cannot load {path} ({_first_line(error)}): is it a GGUF file of a chat model, whole, and "
                f"is there memory for {PARALLEL} contexts of {context} tokens (fewer: ?context=512)?"
            ) from error
        self.context = context
        self.version = str(library.__version__)
        self._looping = False

    def chat(self, body: bytes, on_event: Callable[[bytes], bool]) -> None:
        """Answer a chat request; `on_event` gets each event of a stream, or the whole answer, and returns True to end.

        It must not raise: the library would drop the exception and go on.

        Raises:
            ValueError, TypeError, RuntimeError: llama.cpp cannot use the request.
        """
        self._looping = True
        self._server.handle_chat_completions(body, on_event)

    def settle(self) -> None:
        """Make sure that it may be freed: to be called before the last reference goes.

        llama.cpp's loop starts in a thread of its own. Told to end before it has begun, it begins all the same, and the
        library waits for it for ever, holding the interpreter. A call that it has answered shows that it runs.
        """
        if not self._looping:
            self._server.handle_completions(b'{"prompt": "a", "n_predict": 1, "cache_prompt": false}', lambda _: False)
            self._looping = True


def load_library(folder: Path) -> Any:
    """Import xllamacpp, with idle threads told to sleep.

    Args:
        folder: where the weights lie, for the check of what the machine lacks.

    Raises:
        InputError: it cannot be imported; the line names what is missing.
    """
    calm_openmp()
    try:
        import xllamacpp
    except ImportError as error:
        preflight(folder)
        raise InputError(f"xllamacpp cannot be imported ({_first_line(error)}): install akrasia again") from error
    return xllamacpp


def _parameters(library: Any, path: Path, options: ServerOptions, context: int) -> Any:
    shared = options.layout == "shared"
    wanted = library.CommonParams()
    wanted.model.path = str(path)
    wanted.n_parallel = PARALLEL
    wanted.n_ctx = PARALLEL * context
    wanted.kv_unified = shared
    if not shared:
        wanted.flash_attn_type = library.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    # A prompt is read in one piece: a last piece of a single token would go through the kernel of generated ones.
    wanted.n_batch = wanted.n_ubatch = min(context, MOST_READ)
    wanted.cache_ram_mib = 0
    wanted.cache_idle_slots = False
    wanted.fit_params = False  # it would choose another context size where memory is short
    wanted.warmup = False
    wanted.n_gpu_layers = options.gpu_layers
    wanted.prefill_assistant = False  # an assistant's turn is continued when the request says so, and only then
    wanted.verbosity = _QUIET
    # The library always listens on a loopback port. Nobody is told this key, so no other user of the machine gets in.
    wanted.api_keys = [secrets.token_urlsafe(32)]
    wanted.n_threads_http = 1
    wanted.ui = False
    wanted.endpoint_slots = False
    threads = physical_cores()
    if threads:
        wanted.cpuparams.n_threads = threads
        wanted.cpuparams_batch.n_threads = threads
    return wanted


def physical_cores() -> int | None:
    """Physical cores that this process may use; None where the system does not say (llama.cpp then counts them)."""
    if sys.platform != "linux":
        return None
    allowed = os.sched_getaffinity(0)
    siblings = set()
    for cpu in allowed:
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(topology.read_text(encoding="ascii").strip())
        except OSError:
            siblings.add(str(cpu))
    quota = _cpu_quota()
    return max(1, min(len(siblings), quota) if quota else len(siblings))


def _cpu_quota() -> int | None:
    """Whole cores that the control group of a container grants."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
