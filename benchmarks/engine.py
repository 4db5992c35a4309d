"""The engine benchmark: `akrasia run` against a bare aiohttp client and Inspect AI, in one run on one machine.

Every contestant is a process of its own that asks the same upstream for the same samples, one HTTP request a call.
Repetitions are interleaved (A B C A B C …), ratios are taken within a repetition, and no figure is printed when a
contestant sent other than the planned requests or does not hold what it should. Standard library only; see README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from engine_contestants import HERE, Akrasia, Bare, Contestant, Ended, Inspect, Job, NotStored, install_inspect
from engine_items import write_items
from measured_process import ProcessFailed, measure
from spread import Spread

ITEMS = 500
BARE_WORKERS = (64, 128, 256, 512, 1024)
PARTS = ("zero", "latency", "two-step", "memory", "help")


@dataclass(frozen=True)
class Run:
    """One measured run of a whole process; `upstream_busy` is the share of a core that the upstream used meanwhile."""

    samples_per_s: float
    wall_s: float
    cpu_s: float
    peak_mb: float
    upstream_busy: float


@dataclass
class Scenario:
    """What was measured under one scenario, by contestant, in the order of the repetitions."""

    name: str
    runs: dict[str, list[Run]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """What every run shares: scratch folder, environment of the processes, cores."""

    folder: Path
    env: Mapping[str, str]
    upstream_cores: set[int] | None
    client_cores: set[int] | None


@contextmanager
def upstream(bench: Bench, latency_ms: float) -> Iterator[str]:
    """A running upstream; yields its root URL."""
    command = [sys.executable, str(HERE / "upstream_server.py"), "--latency-ms", str(latency_ms)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        if bench.upstream_cores:
            os.sched_setaffinity(process.pid, bench.upstream_cores)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _tally(root: str, *, reset: bool = False) -> dict[str, float]:
    target = urllib.request.Request(f"{root}/reset", data=b"", method="POST") if reset else f"{root}/count"
    with urllib.request.urlopen(target) as response:
        return dict(json.load(response))


def run_once(contestant: Contestant, job: Job, root: str, bench: Bench) -> Run:
    """Run a contestant once, then hold it to the plan.

    Raises:
        ProcessFailed: it ended badly.
        NotStored: it asked other than planned, or does not hold what it should.
    """
    with tempfile.TemporaryDirectory(dir=bench.folder) as scratch:
        job = replace(job, out=Path(scratch) / "out", base_url=f"{root}/v1")
        _tally(root, reset=True)
        measured = measure(contestant.command(job), bench.env, bench.client_cores)
        tally = _tally(root)
        planned = {"requests": job.requests, "dependent": job.requests - job.total, "refused": 0}
        asked = {key: tally[key] for key in planned}
        if asked != planned:
            raise NotStored(f"{contestant.name}: the upstream saw {asked}, planned {planned}")
        contestant.check(Ended(job, measured.stdout))
    rate = job.total / measured.wall_s
    busy = tally["cpu_s"] / measured.wall_s
    print(f"  {contestant.name}: {measured.wall_s:.2f} s, {rate:,.0f} samples/s", file=sys.stderr, flush=True)
    return Run(rate, measured.wall_s, measured.cpu_s, measured.peak_mb, busy)


def tuned_bare(job: Job, root: str, bench: Bench) -> Bare:
    """The bare client with the number of workers that was fastest in the better of two rounds."""
    rates = dict.fromkeys(BARE_WORKERS, 0.0)
    for workers in BARE_WORKERS * 2:
        rates[workers] = max(rates[workers], run_once(Bare(workers), job, root, bench).samples_per_s)
    return Bare(max(rates, key=rates.__getitem__))


def compare(name: str, latency_ms: float, contestants: Mapping[Contestant, int], job: Job, bench: Bench) -> Scenario:
    """Measure a scenario: each contestant as often as its count says, interleaved."""
    scenario = Scenario(name)
    print(name, file=sys.stderr, flush=True)
    with upstream(bench, latency_ms) as root:
        bare = tuned_bare(job, root, bench)
        scenario.notes.append(f"{name}: the bare client was fastest with {bare.workers} workers of {BARE_WORKERS}.")
        reps = {(bare if isinstance(one, Bare) else one): count for one, count in contestants.items()}
        for repetition in range(max(reps.values())):
            for contestant, count in reps.items():
                if repetition < count:
                    run = run_once(contestant, job, root, bench)
                    scenario.runs.setdefault(contestant.name, []).append(run)
    return scenario


def ratios(scenario: Scenario, one: str, other: str) -> tuple[Spread, Spread] | None:
    """How many times as many samples `one` had per second and per processor second, where both took part."""
    pairs = list(zip(scenario.runs.get(one, ()), scenario.runs.get(other, ()), strict=False))
    if not pairs:
        return None
    return Spread.of([b.wall_s / a.wall_s for a, b in pairs]), Spread.of([b.cpu_s / a.cpu_s for a, b in pairs])


def measure_memory(akrasia: Akrasia, job: Job, reps: int, bench: Bench) -> dict[str, Spread]:
    """Peak MB of `akrasia run` at `job.samples` and ten times as many candidates an item, and the ratio."""
    print("memory", file=sys.stderr, flush=True)
    peaks: dict[int, list[float]] = {job.samples: [], 10 * job.samples: []}
    with upstream(bench, 0) as root:
        for _ in range(reps):
            for samples, figures in peaks.items():
                figures.append(run_once(akrasia, replace(job, samples=samples), root, bench).peak_mb)
    small, large = peaks.values()
    result = {f"{samples * job.items:,} samples": Spread.of(figures) for samples, figures in peaks.items()}
    result["ratio"] = Spread.of([b / a for a, b in zip(small, large, strict=True)])
    return result


def measure_help(akrasia: Akrasia, bench: Bench) -> Spread:
    """Wall seconds of `akrasia --help`, ten times after one that does not count."""
    walls = [measure([akrasia.program, "--help"], bench.env, bench.client_cores).wall_s for _ in range(11)]
    return Spread.of(walls[1:])


def environment(folder: Path) -> dict[str, str]:
    """Every contestant's environment: the caller's, with a key, no proxy, and a place for what Inspect AI caches."""
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    return (
        kept
        | {"AKRASIA_API_KEY": "sk-engine-benchmark"}
        | {"XDG_DATA_HOME": str(folder / "data"), "XDG_CACHE_HOME": str(folder / "cache")}
    )


def table(scenarios: Sequence[Scenario]) -> list[str]:
    """The scenarios as lines of a Markdown table."""
    lines = ["| scenario | contestant | samples/s, median (range) | wall s | cpu s | peak MB | upstream busy | runs |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for scenario in scenarios:
        for name, runs in scenario.runs.items():
            rate = Spread.of([run.samples_per_s for run in runs]).text()
            wall, cpu, peak, busy = (
                statistics.median(getattr(run, key) for run in runs)
                for key in ("wall_s", "cpu_s", "peak_mb", "upstream_busy")
            )
            row = (scenario.name, name, rate, f"{wall:.2f}", f"{cpu:.2f}", f"{peak:.0f}", f"{busy:.0%}", str(len(runs)))
            lines.append(f"| {' | '.join(row)} |")
    lines += [
        "",
        "| scenario | contestants | ratio of samples/s, median (range) | per processor second |",
        "|---|---|---|---|",
    ]
    for scenario in scenarios:
        for one, other in (("akrasia", "inspect-ai"), ("akrasia", "bare aiohttp"), ("bare aiohttp", "inspect-ai")):
            if found := ratios(scenario, one, other):
                lines.append(f"| {scenario.name} | {one} / {other} | {found[0].text(2)} | {found[1].text(2)} |")
    return lines


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare akrasia run with a bare aiohttp client and Inspect AI.")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts to run, of {','.join(PARTS)} (default: all)")
    parser.add_argument("--reps", type=int, default=5, help="repetitions (default 5)")
    parser.add_argument("--inspect-reps", type=int, default=1, help="of these, how many with Inspect AI (default 1)")
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--samples", type=int, default=16, help="candidates for each item (default 16)")
    parser.add_argument("--latency-ms", type=float, default=50.0, help="of the latency scenario (default 50)")
    parser.add_argument("--akrasia", metavar="PROGRAM", help="not given: the command beside this interpreter")
    parser.add_argument("--concurrency", type=int, help="handed to akrasia run; not given: its own default")
    parser.add_argument("--inspect-connections", type=int, default=128)
    parser.add_argument("--skip-inspect", action="store_true")
    parser.add_argument("--skip-akrasia", action="store_true", help="no akrasia; leaves out memory and help")
    parser.add_argument("--pin", action="store_true", help="upstream on the first core, every contestant on the others")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    chosen = parser.parse_args()
    chosen.only = chosen.only.split(",")
    if unknown := set(chosen.only) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    if min(chosen.reps, chosen.inspect_reps, chosen.items, chosen.samples) < 1:
        parser.error("--reps, --inspect-reps, --items and --samples are at least 1")
    return chosen


def run_benchmark(chosen: argparse.Namespace, folder: Path) -> tuple[list[str], dict[str, object]]:
    """Run the parts that were chosen; return the printed lines and the record for `--json`."""
    cores = sorted(os.sched_getaffinity(0))
    pinned = chosen.pin and len(cores) > 1
    bench = Bench(folder, environment(folder), {cores[0]} if pinned else None, set(cores[1:]) if pinned else None)
    suite = folder / "items.jsonl"
    job = Job(suite, chosen.items, chosen.samples, "", folder, False, write_items(suite, chosen.items))
    akrasia = None if chosen.skip_akrasia else Akrasia(chosen.akrasia, chosen.concurrency)
    contestants: dict[Contestant, int] = {akrasia: chosen.reps} if akrasia else {}
    contestants[Bare(BARE_WORKERS[0])] = chosen.reps
    notes = [
        f"{platform.platform()}, Python {platform.python_version()}, {len(cores)} cores, load {os.getloadavg()[0]:.1f}."
    ]
    notes.append("Processes are pinned: upstream on one core." if pinned else "Processes are not pinned.")
    if not chosen.skip_inspect:
        contestants[Inspect(chosen.inspect_connections)] = min(chosen.inspect_reps, chosen.reps)
        notes.append(
            f"Inspect AI {install_inspect()}; it takes part in {chosen.inspect_reps} of {chosen.reps} repetitions."
        )
    warm_up(list(contestants), job, bench)
    scenarios = []
    for part, name, latency_ms in (
        ("zero", "zero latency", 0.0),
        ("latency", f"{chosen.latency_ms:g} ms", chosen.latency_ms),
    ):
        if part in chosen.only:
            scenarios.append(compare(name, latency_ms, contestants, job, bench))
    if "two-step" in chosen.only:
        scenarios.append(compare("two dependent calls", 0, contestants, replace(job, two_step=True), bench))
    lines = table(scenarios) if scenarios else []
    record: dict[str, object] = {"scenarios": [asdict(scenario) for scenario in scenarios]}
    if akrasia and "memory" in chosen.only:
        memory = measure_memory(akrasia, job, min(chosen.reps, 3), bench)
        record["memory_mb"] = {key: asdict(spread) for key, spread in memory.items()}
        lines += ["", "| peak memory of akrasia run | MB, median (range) |", "|---|---|"]
        lines += [f"| {key} | {spread.text(2 if key == 'ratio' else 0)} |" for key, spread in memory.items()]
    if akrasia and "help" in chosen.only:
        spread = measure_help(akrasia, bench)
        record["help_s"] = asdict(spread)
        lines += ["", f"`akrasia --help`: {spread.text(3)} s, {spread.runs} runs."]
    notes += [note for scenario in scenarios for note in scenario.notes]
    record["notes"] = notes
    return [*lines, "", *(f"- {note}" for note in notes)], record


def warm_up(contestants: Sequence[Contestant], job: Job, bench: Bench) -> None:
    """Run everyone once on two items, so that no measured run compiles bytecode or reads cold files."""
    print("warming up", file=sys.stderr, flush=True)
    suite = bench.folder / "warm-up.jsonl"
    mean_utility = write_items(suite, 2)
    with upstream(bench, 0) as root:
        small = replace(job, suite=suite, items=2, mean_utility=mean_utility)
        for contestant in contestants:
            run_once(contestant, small, root, bench)


def main() -> int:
    chosen = options()
    try:
        with tempfile.TemporaryDirectory(prefix="akrasia-engine-") as folder:
            lines, record = run_benchmark(chosen, Path(folder))
    except (NotStored, ProcessFailed, FileNotFoundError) as error:
        print(f"engine benchmark: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    if chosen.json:
        chosen.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
