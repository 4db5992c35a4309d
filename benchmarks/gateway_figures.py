"""What the gateway benchmark measured, and how it is told: one load on one contestant, and tables of many.

Repetitions are interleaved, so what is added by a proxy and how two of them compare are taken within a repetition and
then summarised. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from spread import Spread


@dataclass(frozen=True)
class Measured:
    """One load on one contestant.

    Attributes:
        requests: answers that were measured.
        requests_per_s: of them.
        p50_ms, p99_ms: from a request's sending to its answer's end.
        first_p50_ms: to its first byte.
        proxy_ms: processor time of the proxy per request; 0 without one.
        resident_mb: of the proxy, afterwards.
        audits: readings of the judge; 0 where nothing is audited.
        audit_ms: of one reading, waiting included; None where there was none.
        unaudited: replies of which the log says that they were not audited.
    """

    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    first_p50_ms: float
    proxy_ms: float = 0.0
    resident_mb: float = 0.0
    audits: int = 0
    audit_ms: float | None = None
    unaudited: int = 0


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
        """Milliseconds that a proxy adds to the answer of `base`."""
        return self.paired(name, base, lambda a, b: getattr(a, figure) - getattr(b, figure))


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
    lines = _opened(*heads, "replies logged as unaudited")
    for one in scenarios:
        for name, runs in one.runs.items():
            if not any(run.audits for run in runs):
                continue
            calls = sum(run.audits for run in runs) / sum(run.requests for run in runs)
            times = Spread.of([run.audit_ms for run in runs if run.audit_ms is not None])
            dropped = sum(run.unaudited for run in runs) / sum(run.requests for run in runs)
            cells = [one.name, str(one.connections), name, f"{calls:.2f}", times.text(2), f"{dropped:.1%}"]
            lines.append(f"| {' | '.join(cells)} |")
    return lines if len(lines) > 2 else []


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
