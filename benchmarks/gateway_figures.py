"""What the gateway benchmark measured, and how it is told: one load on one contestant, and tables of many.

Repetitions are interleaved, so what is added by a proxy and how two of them compare are taken within a repetition and
then summarised. Standard library only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from spread import Spread


@dataclass(frozen=True)
class Measured:
    """One load on one contestant.

    Attributes:
        requests: all answers, those of the warm-up too: what `proxy_ms` and the audits' figures are held against.
        requests_per_s: of those after the warm-up.
        p50_ms, p99_ms: from a request's sending to its answer's end; p99 None of fewer than 100.
        first_p50_ms: to its first byte.
        proxy_ms: processor time of the proxy per request; 0 without one.
        resident_mb: of the proxy, afterwards.
        audits: readings of the judge; 0 where nothing is audited.
        audit_ms: of one reading, waiting included; None where there was none.
        unaudited: replies that were not audited, in the log or not.
        unlogged: those of them that are not in the log either: it was behind, too.
        rewritten: replies that fell short and were rewritten.
        rewritten_p50_ms, rewritten_p99_ms: of them; None where there were none, or fewer than 100.
        calls: of the gateway's models by role, "candidate" left out.
    """

    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float | None
    first_p50_ms: float
    proxy_ms: float = 0.0
    resident_mb: float = 0.0
    audits: int = 0
    audit_ms: float | None = None
    unaudited: int = 0
    unlogged: int = 0
    rewritten: int = 0
    rewritten_p50_ms: float | None = None
    rewritten_p99_ms: float | None = None
    calls: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Scenario:
    """What was measured of each contestant under the same load, in the order of the repetitions."""

    name: str
    connections: int
    runs: dict[str, list[Measured]] = field(default_factory=dict)

    def add(self, name: str, measured: Measured) -> None:
        """One more repetition."""
        self.runs.setdefault(name, []).append(measured)

    def of(self, name: str, figure: Callable[[Measured], float]) -> Spread:
        """A figure of one contestant."""
        return Spread.of([figure(run) for run in self.runs[name]])

    def paired(self, one: str, other: str, figure: Callable[[Measured, Measured], float]) -> Spread | None:
        """A figure of two contestants, taken within each repetition in which both took part."""
        pairs = list(zip(self.runs.get(one, ()), self.runs.get(other, ()), strict=False))
        return Spread.of([figure(a, b) for a, b in pairs]) if pairs else None

    def added(self, name: str, base: str, figure: str = "p50_ms") -> Spread | None:
        """Milliseconds that a proxy adds to the answer of `base`; None where a repetition lacks the figure."""
        return self.added_to(name, base, figure, figure)

    def added_to(self, name: str, base: str, figure: str, of_base: str) -> Spread | None:
        """Milliseconds by which a figure of a proxy is above one of `base`; None where a repetition lacks either."""
        runs = (*((run, figure) for run in self.runs[name]), *((run, of_base) for run in self.runs[base]))
        if any(getattr(run, wanted) is None for run, wanted in runs):
            return None
        return self.paired(name, base, lambda a, b: getattr(a, figure) - getattr(b, of_base))


def comparison(scenarios: Sequence[Scenario], base: str) -> list[str]:
    """Every contestant against no proxy, as a Markdown table."""
    heads = ("load", "connections", "contestant", "requests/s", "p50 ms", "added p50", "added p99")
    lines = _opened(*heads, "added p50 to the first byte", "proxy CPU ms a request", "runs")
    for one in scenarios:
        for name, runs in one.runs.items():
            added = ["", "", ""]
            if name != base:
                found = [one.added(name, base, figure) for figure in ("p50_ms", "p99_ms", "first_p50_ms")]
                added = ["" if spread is None else spread.text(2) for spread in found]
            cells = [one.name, str(one.connections), name, one.of(name, lambda m: m.requests_per_s).text(0)]
            cells += [one.of(name, lambda m: m.p50_ms).text(2), *added]
            cells += ["" if name == base else one.of(name, lambda m: m.proxy_ms).text(3), str(len(runs))]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def ratios(scenarios: Sequence[Scenario], one: str, others: Sequence[str], base: str) -> list[str]:
    """How `one` stands to each of the others, as a Markdown table; a ratio above 1 is in favour of `one`."""
    heads = ("load", "connections", f"{one} against")
    lines = _opened(*heads, "times its requests/s", "its added p50 / ours", "its CPU a request / ours")
    for scenario in scenarios:
        for other in others:
            rate = scenario.paired(one, other, lambda a, b: a.requests_per_s / b.requests_per_s)
            cpu = scenario.paired(one, other, lambda a, b: b.proxy_ms / a.proxy_ms if a.proxy_ms else float("nan"))
            if rate is None or cpu is None:
                continue
            mine, theirs = scenario.added(one, base), scenario.added(other, base)
            # Within a repetition the small one may be within the noise of zero; medians are what can be divided.
            added = f"{theirs.median / mine.median:,.1f}" if mine and theirs and mine.median > 0 else "not measurable"
            cells = [scenario.name, str(scenario.connections), other, rate.text(2), added, cpu.text(2)]
            lines.append(f"| {' | '.join(cells)} |")
    return lines if len(lines) > 2 else []


def audits(scenarios: Sequence[Scenario]) -> list[str]:
    """What audits cost, as a Markdown table; contestants that audit nothing are left out."""
    heads = ("load", "connections", "contestant", "judge calls a reply", "ms a call, waiting included")
    lines = _opened(*heads, "replies not audited", "of all, not in the log either")
    for one in scenarios:
        for name, runs in one.runs.items():
            if not any(run.audits or run.unaudited for run in runs):
                continue
            replies = sum(run.requests for run in runs)
            calls = sum(run.audits for run in runs) / replies
            times = [run.audit_ms for run in runs if run.audit_ms is not None]
            cells = [one.name, str(one.connections), name, f"{calls:.2f}"]
            cells.append(Spread.of(times).text(2) if times else "")
            cells += [f"{sum(run.unaudited for run in runs) / replies:.1%}"]
            cells += [f"{sum(run.unlogged for run in runs) / replies:.1%}"]
            lines.append(f"| {' | '.join(cells)} |")
    return lines if len(lines) > 2 else []


def rewrites(scenarios: Sequence[Scenario], base: str) -> list[str]:
    """What a reply that falls short costs where it is rewritten, as a Markdown table."""
    heads = ("load", "connections", "contestant", "replies that fall short", "calls for such a reply")
    lines = _opened(*heads, "added p50 of such a reply", "added p99")
    for one in scenarios:
        for name, runs in one.runs.items():
            short, replies = sum(run.rewritten for run in runs), sum(run.requests for run in runs)
            if not short:
                continue
            cells = [one.name, str(one.connections), name, f"{short / replies:.1%}", _calls(runs, short, replies)]
            for mine, theirs in (("rewritten_p50_ms", "p50_ms"), ("rewritten_p99_ms", "p99_ms")):
                added = one.added_to(name, base, mine, theirs)
                cells.append("" if added is None else added.text(1))
            lines.append(f"| {' | '.join(cells)} |")
    return lines if len(lines) > 2 else []


def _calls(runs: Sequence[Measured], short: int, replies: int) -> str:
    """Calls by role for a reply that falls short; the auditor's first one, which every reply takes, included."""
    totals = Counter[str]()
    for run in runs:
        totals.update(run.calls)
    totals["auditor"] -= replies - short  # one reading of each reply that does not
    return ", ".join(f"{role} {number / short:.2f}" for role, number in sorted(totals.items()))


def memory(figures: Mapping[str, Mapping[int, float]]) -> list[str]:
    """Resident memory by requests answered, as a Markdown table."""
    if not figures:
        return []
    counts = sorted({count for found in figures.values() for count in found})
    lines = _opened("resident MB after so many requests", *(f"{count:,}" for count in counts))
    for name, found in figures.items():
        cells = [f"{found[count]:.1f}" if count in found else "" for count in counts]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _opened(*heads: str) -> list[str]:
    """The first two lines of a Markdown table."""
    return [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
