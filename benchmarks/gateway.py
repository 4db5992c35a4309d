"""The gateway benchmark: `akrasia serve` against no proxy, a bare aiohttp proxy and the LiteLLM proxy, in one run.

Upstream, proxies and load are processes of their own; the proxies stay up while loads are put on one after the other,
in interleaved repetitions (A B C A B C …). Nothing is printed when a single reply was missing, cut short or another's.
Standard library only; see README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway_contestants import (
    HERE,
    KEY,
    Akrasia,
    Bare,
    Contestant,
    Direct,
    LiteLLM,
    environment,
    find_akrasia,
    install_litellm,
)
from gateway_figures import Measured, Scenario, audits, comparison, memory, ratios, rewrites
from gateway_judge import AMENDED
from gateway_servers import NotServing, Server, free_port, get, pinned, serving

PARTS = ("pass", "stream", "modes", "latency", "memory")
BASE = Direct().name
PASS = "akrasia pass"
MEMORY_CONNECTIONS = 50
_AUDITED_MODES = ("observe", "annotate", "enforce")
_ROLES = ("auditor", "planner", "rewriter", "guard")
_DRAIN_S = 120.0


class BadAnswers(Exception):
    """A load got other than the right answers; the message says from whom and what."""


@dataclass(frozen=True)
class Bench:
    """What every load shares: scratch folder, seconds of a load, and the cores of the proxies and of all else."""

    folder: Path
    seconds: float
    proxy_cores: set[int] | None
    other_cores: set[int] | None


@dataclass(frozen=True)
class Job:
    """A load: how many connections, streamed or not, the fewest answers that count, and how long none do."""

    connections: int
    stream: bool = False
    least: int = 50
    seconds: float | None = None
    warm_up_s: float = 0.5


@dataclass(frozen=True)
class Line:
    """A contestant, its server (None where there is no proxy), and the upstream behind it."""

    contestant: Contestant
    server: Server | None
    upstream: Server

    @property
    def port(self) -> int:
        """Where the load goes."""
        return self.upstream.port if self.server is None else self.server.port

    @property
    def audits(self) -> bool:
        """Whether replies are audited."""
        return isinstance(self.contestant, Akrasia) and self.contestant.mode != "pass"


@contextmanager
def lines_up(contestants: Sequence[Contestant], latency_ms: float, bench: Bench) -> Iterator[list[Line]]:
    """An upstream, and every contestant's server in front of it."""
    with ExitStack() as stack:
        port = free_port()
        command = [sys.executable, str(HERE / "upstream_server.py"), "--port", str(port)]
        command += ["--latency-ms", str(latency_ms)]
        words = bench.folder / f"upstream-{port}.txt"
        upstream = stack.enter_context(
            serving("upstream", command, port, ready="/count", env=environment(), words=words, cores=bench.other_cores)
        )
        found = []
        for one in contestants:
            server = None
            if not isinstance(one, Direct):
                print(f"starting {one.name}", file=sys.stderr, flush=True)
                port = free_port()
                start = one.start(port, f"http://127.0.0.1:{upstream.port}/v1", bench.folder)
                server = stack.enter_context(
                    serving(
                        one.name, start.command, port, ready=start.ready, env=environment() | start.env,
                        words=bench.folder / f"{one.name}-{port}.txt", cores=bench.proxy_cores,
                    )
                )  # fmt: skip
            found.append(Line(one, server, upstream))
        yield found


def put_load(line: Line, job: Job, bench: Bench) -> Measured:
    """Put one load on a contestant.

    Raises:
        BadAnswers: a reply was missing, cut short or not the request's.
    """
    name, server = line.contestant.name, line.server
    before, counted = (None if server is None else server.usage()), _counted(line)
    command = [sys.executable, str(HERE / "gateway_load.py"), "--port", str(line.port), "--key", KEY]
    command += ["--connections", str(job.connections), "--least", str(max(job.least, job.connections))]
    command += ["--seconds", str(bench.seconds if job.seconds is None else job.seconds)]
    command += ["--warm-up", str(job.warm_up_s), "--mark", AMENDED]
    if job.stream:
        command.append("--stream")
    ran = subprocess.run(command, capture_output=True, text=True, preexec_fn=pinned(bench.other_cores))
    if ran.returncode != 0:
        raise BadAnswers(f"{name}: the load ended badly:\n{ran.stderr[-2000:]}")
    found = json.loads(ran.stdout)
    if found["failures"]:
        raise BadAnswers(f"{name}, {job.connections} connections: {found['failures']}")
    answers = found["answers"]
    grown, unlogged = _drained(line, counted, answers)
    keys = ("requests_per_s", "p50_ms", "p99_ms", "first_p50_ms")
    figures = {key: found[key] for key in keys}
    figures |= {"rewritten_p50_ms": found["marked_p50_ms"], "rewritten_p99_ms": found["marked_p99_ms"]}
    print(f"  {name}: {figures['requests_per_s']:,.0f}/s, p50 {figures['p50_ms']:.2f} ms", file=sys.stderr, flush=True)
    if server is None or before is None:
        return Measured(answers, **figures)
    used = server.usage()
    read, took = grown["akrasia_audit_seconds_count"], grown["akrasia_audit_seconds_sum"]
    return Measured(
        answers,
        **figures,
        proxy_ms=(used.cpu_s - before.cpu_s) * 1000 / answers,
        resident_mb=used.resident_mb,
        audits=round(read),
        audit_ms=took / read * 1000 if read else None,
        unaudited=unlogged + round(_sum(grown, "akrasia_audited_choices_total", 'decision="unaudited"')),
        unlogged=unlogged,
        rewritten=found["marked"],
        calls={role: round(_sum(grown, "akrasia_calls_total", f'role="{role}"')) for role in _ROLES if line.audits},
    )


def _counted(line: Line) -> dict[str, float]:
    """What an auditing gateway's own metrics say, by series."""
    if line.server is None or not line.audits:
        return {}
    rows = [row for row in get(line.server.port, "/metrics").decode().splitlines() if not row.startswith("#")]
    return {name: float(number) for name, _, number in (row.rpartition(" ") for row in rows)}


def _sum(counted: Mapping[str, float], name: str, label: str = "") -> float:
    """Of a metric's series, or of those with a label."""
    return sum(number for series, number in counted.items() if series.startswith(f"{name}{{") and label in series)


def _drained(line: Line, counted: Mapping[str, float], answers: int) -> tuple[Counter[str], int]:
    """Wait for audits that nobody waits for, so that they burden nobody else.

    Args:
        line: the gateway.
        counted: its metrics before the load.
        answers: that the load got.

    Returns:
        By how much its metrics grew, and how many replies were neither audited nor logged: too many waited for the log.

    Raises:
        BadAnswers: its counts do not come up to the answers.
    """
    end = time.monotonic() + _DRAIN_S
    while line.audits:
        grown = Counter(_counted(line))
        grown.subtract(counted)
        unlogged = answers - round(_sum(grown, "akrasia_audited_choices_total"))
        if unlogged <= _sum(grown, "akrasia_audits_dropped_total", 'reason="not_logged"'):
            return grown, max(unlogged, 0)
        if time.monotonic() > end:
            raise BadAnswers(f"{line.contestant.name}: {unlogged} of {answers} replies are in no count of its metrics")
        time.sleep(0.5)
    return Counter(), 0


def compare(name: str, lines: Sequence[Line], job: Job, reps: int, bench: Bench) -> Scenario:
    """Put the same load on every contestant, interleaved."""
    scenario = Scenario(name, job.connections)
    print(f"{name}, {job.connections} connections", file=sys.stderr, flush=True)
    for _ in range(reps):
        for line in lines:
            scenario.add(line.contestant.name, put_load(line, job, bench))
    return scenario


def compare_all(name: str, lines: Sequence[Line], jobs: Sequence[Job], reps: int, bench: Bench) -> list[Scenario]:
    """A scenario for each load."""
    return [compare(name, lines, job, reps, bench) for job in jobs]


def measure_memory(one: Akrasia, requests: int, bench: Bench) -> dict[int, float]:
    """Resident MB of a fresh gateway after a twentieth, half and all of so many requests."""
    print(f"memory of {one.name}", file=sys.stderr, flush=True)
    found, answered = {}, 0
    with lines_up([one], 0, bench) as lines:
        for until in (requests // 20, requests // 2, requests):
            # No warm-up: what it answers would come on top of the number that is told.
            job = Job(MEMORY_CONNECTIONS, least=until - answered, seconds=0, warm_up_s=0)
            measured = put_load(lines[0], job, bench)
            answered += measured.requests
            found[until] = measured.resident_mb
    return found


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare akrasia serve with no proxy, a bare proxy and LiteLLM.")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts to run, of {','.join(PARTS)} (default: all)")
    parser.add_argument("--reps", type=int, default=5, help="repetitions (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one load, after half a second of warm-up")
    parser.add_argument("--connections", default="1,50,500", help="of the part pass (default 1,50,500)")
    parser.add_argument("--latency-ms", type=float, default=200.0, help="of the part latency (default 200)")
    parser.add_argument("--requests", type=int, default=200_000, help="of the part memory (default 200000)")
    parser.add_argument("--akrasia", metavar="PROGRAM", help="not given: the command beside this interpreter")
    parser.add_argument("--skip-litellm", action="store_true")
    parser.add_argument("--litellm-server", choices=("uvicorn", "granian"), default="uvicorn")
    parser.add_argument("--litellm-provider", choices=("openai", "aiohttp_openai"), default="openai")
    parser.add_argument("--pin", action="store_true", help="proxies on the last core, upstream and load on the others")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every load there")
    chosen = parser.parse_args()
    chosen.only = chosen.only.split(",")
    chosen.connections = [int(number) for number in chosen.connections.split(",")]
    if unknown := set(chosen.only) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    if min(chosen.reps, chosen.requests // 20, *chosen.connections) < 1:
        parser.error("--reps and --connections are at least 1, --requests at least 20")
    return chosen


def run_comparisons(chosen: argparse.Namespace, program: str, bench: Bench) -> list[Scenario]:
    """The parts pass, stream, modes and latency."""
    scenarios = []
    auditing = [Akrasia(program, mode, log=True) for mode in _AUDITED_MODES]
    if {"pass", "stream"} & set(chosen.only):
        contestants: list[Contestant] = [Direct(), Bare(), Akrasia(program)]
        if not chosen.skip_litellm:
            contestants.append(LiteLLM(chosen.litellm_server, chosen.litellm_provider))
        with lines_up(contestants, 0, bench) as lines:
            if "pass" in chosen.only:
                scenarios += compare_all("whole", lines, [Job(n) for n in chosen.connections], chosen.reps, bench)
            if "stream" in chosen.only:
                jobs = [Job(n, stream=True) for n in (1, 50)]
                scenarios += compare_all("streamed", lines, jobs, chosen.reps, bench)
    if "modes" in chosen.only:
        with lines_up([Direct(), Akrasia(program), *auditing], 0, bench) as lines:
            for name, stream in (("whole", False), ("streamed", True)):
                jobs = [Job(n, stream=stream) for n in (1, 50)]
                scenarios += compare_all(f"modes, {name}", lines, jobs, chosen.reps, bench)
    if "latency" in chosen.only:
        slow = [Akrasia(program, mode, log=True, judge_ms=chosen.latency_ms) for mode in _AUDITED_MODES]
        with lines_up([Direct(), Bare(), Akrasia(program), *auditing, *slow], chosen.latency_ms, bench) as lines:
            name = f"{chosen.latency_ms:g} ms upstream"
            whole, streamed = [Job(1, least=20), Job(10, least=100)], [Job(10, stream=True, least=100)]
            scenarios += compare_all(f"{name}, whole", lines, whole, chosen.reps, bench)
            scenarios += compare_all(f"{name}, streamed", lines, streamed, chosen.reps, bench)
        rewriting = Akrasia(program, "enforce", log=True, judge_ms=chosen.latency_ms, rewrites=True)
        with lines_up([Direct(), slow[-1], rewriting], chosen.latency_ms, bench) as lines:
            jobs = [Job(1, least=20), Job(10, least=250)]
            scenarios += compare_all(f"{name}, rewritten", lines, jobs, chosen.reps, bench)
    return scenarios


def run_benchmark(chosen: argparse.Namespace, folder: Path) -> tuple[list[str], dict[str, object]]:
    """Run the parts that were chosen; return the printed lines and the record for `--json`."""
    cores = sorted(os.sched_getaffinity(0))
    apart = chosen.pin and len(cores) > 1
    bench = Bench(folder, chosen.seconds, {cores[-1]} if apart else None, set(cores[:-1]) if apart else None)
    program = find_akrasia(chosen.akrasia)
    load = os.getloadavg()[0]
    notes = [f"{platform.platform()}, Python {platform.python_version()}, {len(cores)} cores, load before {load:.1f}."]
    notes.append("The proxies are pinned to one core, all else to the others." if apart else "Nothing is pinned.")
    if not chosen.skip_litellm and {"pass", "stream"} & set(chosen.only):
        notes.append(f"LiteLLM {install_litellm()}: {chosen.litellm_server}, provider {chosen.litellm_provider}.")
    scenarios = run_comparisons(chosen, program, bench)
    kept: dict[str, dict[int, float]] = {}
    if "memory" in chosen.only:
        # An audited reply costs several times as much, so there are fewer; the judge answers at once, since the
        # encoder would take most of an hour and holds nothing between two texts.
        for one, requests in (
            (Akrasia(program, log=True), chosen.requests),
            (Akrasia(program, "enforce", log=True, judge_ms=0), chosen.requests // 4),
        ):
            kept[one.name] = measure_memory(one, requests, bench)
    notes.append(f"Load of the machine afterwards: {os.getloadavg()[0]:.1f}.")
    record: dict[str, object] = {"scenarios": [asdict(scenario) for scenario in scenarios], "memory_mb": kept}
    record["notes"] = notes
    compared = comparison(scenarios, BASE) if scenarios else []
    against = ratios(scenarios, PASS, ("litellm", "bare aiohttp"), BASE)
    tables = (compared, against, audits(scenarios), rewrites(scenarios, BASE), memory(kept))
    printed = [line for table in tables if table for line in (*table, "")]
    return [*printed, *(f"- {note}" for note in notes)], record


def main() -> int:
    chosen = options()
    try:
        with tempfile.TemporaryDirectory(prefix="akrasia-gateway-") as folder:
            lines, record = run_benchmark(chosen, Path(folder))
    except (BadAnswers, NotServing, FileNotFoundError) as error:
        print(f"gateway benchmark: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    if chosen.json:
        chosen.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
