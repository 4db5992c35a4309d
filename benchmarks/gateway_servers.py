"""Servers that a benchmark starts, waits for, asks what they cost, and stops.

What a server cost is read from /proc while it runs: processor seconds and resident memory of the process and of all
that it started. Linux and the standard library only.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_START_S = 180.0
_STOP_S = 40.0


class NotServing(Exception):
    """A server did not come up, or went away; the message holds its last words."""


@dataclass(frozen=True)
class Usage:
    """What a server used up to now.

    Attributes:
        cpu_s: user and system seconds.
        resident_mb: resident memory now, in MB (10^6 bytes).
        processes: of which it consists.
    """

    cpu_s: float
    resident_mb: float
    processes: int


@dataclass(frozen=True)
class Server:
    """A server that answers on `port` of the loopback address."""

    name: str
    pid: int
    port: int

    def usage(self) -> Usage:
        """What it and its children use."""
        cpu_s = resident = 0.0
        family = _family(self.pid)
        for pid in family:
            fields = _stat(pid)
            cpu_s += (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
            resident += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        return Usage(cpu_s, resident, len(family))


def pinned(cores: set[int] | None) -> Callable[[], None] | None:
    """What a new process does first, so that it keeps to these cores; None leaves the choice to the system."""
    return None if cores is None else partial(os.sched_setaffinity, 0, cores)


def free_port() -> int:
    """A port of the loopback address that nobody uses at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


@contextmanager
def serving(
    name: str,
    command: Sequence[str],
    port: int,
    *,
    ready: str,
    env: Mapping[str, str],
    words: Path,
    cores: set[int] | None = None,
) -> Iterator[Server]:
    """Start a server, wait until it answers, and stop it at the end.

    Args:
        name: for people.
        command: program and arguments.
        port: where it will listen.
        ready: the path that answers 200 once it serves.
        env: its whole environment.
        words: the file that its output goes to.
        cores: the processor cores that it may use; None leaves the choice to the system.

    Raises:
        NotServing: it did not come up.
    """
    with words.open("wb") as output:
        process = subprocess.Popen(
            command, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            preexec_fn=pinned(cores), cwd=words.parent,
        )  # fmt: skip
    try:
        _wait_until_ready(name, process, f"http://127.0.0.1:{port}{ready}", words)
        yield Server(name, process.pid, port)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def get(port: int, path: str) -> bytes:
    """The body of a resource on a server of ours."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        body: bytes = answer.read()
    return body


def _wait_until_ready(name: str, process: subprocess.Popen[bytes], url: str, words: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise NotServing(f"{name} does not serve {url}:\n{words.read_text(errors='replace')[-2000:]}")


def _family(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile
    family = [pid]
    for member in family:
        family += children.get(member, [])
    return family


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the program's name, which may hold anything: [1] is the parent."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
