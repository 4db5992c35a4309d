"""What the gateway counts, in the text format of Prometheus.

Labels are bounded: routes and modes come from the policy, statuses and reasons from short lists; a model's name, which
is the client's word, is no label.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeVar

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
MOST_SERIES = 2000

Labels = tuple[str, ...]


class Counter:
    """A number that only grows, or a gauge, per set of labels."""

    def __init__(self, name: str, text: str, labels: Labels = (), kind: str = "counter") -> None:
        self.name, self.text, self.labels, self.kind = name, text, labels, kind
        self._series: dict[Labels, float] = {} if labels else {(): 0.0}

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count one more."""
        series = self._series
        if labels in series:
            series[labels] += by
        elif len(series) < MOST_SERIES:
            series[labels] = by

    def set(self, *labels: str, to: float) -> None:
        """Say what a gauge shows."""
        self._series[labels] = to

    def value(self, *labels: str) -> float:
        """What is shown for these labels; 0 where nothing was counted."""
        return self._series.get(labels, 0.0)

    def clear(self) -> None:
        """Forget all series."""
        self._series.clear()

    def lines(self) -> list[str]:
        """The text format."""
        rows = [f"{self.name}{_labels(self.labels, labels)} {_number(n)}" for labels, n in self._series.items()]
        return [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} {self.kind}", *rows]


class Histogram:
    """How often a duration fell into which bucket, per set of labels."""

    kind = "histogram"

    def __init__(self, name: str, text: str, labels: Labels = (), buckets: tuple[float, ...] = _BUCKETS_S) -> None:
        self.name, self.text, self.labels = name, text, labels
        self._bounds = buckets
        self._series: dict[Labels, list[float]] = {}

    def observe(self, number: float, *labels: str) -> None:
        """Count one measurement."""
        counts = self._series.get(labels)
        if counts is None:
            if len(self._series) >= MOST_SERIES:
                return
            counts = self._series[labels] = [0.0] * (len(self._bounds) + 2)
        counts[bisect_left(self._bounds, number)] += 1
        counts[-1] += number

    def lines(self) -> list[str]:
        """The text format."""
        rows = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} {self.kind}"]
        for labels, counts in self._series.items():
            total = 0.0
            for bound, count in zip((*map(_number, self._bounds), "+Inf"), counts[:-1], strict=True):
                total += count
                shown = _labels((*self.labels, "le"), (*labels, bound))
                rows.append(f"{self.name}_bucket{shown} {_number(total)}")
            shown = _labels(self.labels, labels)
            rows += [f"{self.name}_sum{shown} {counts[-1]!r}", f"{self.name}_count{shown} {_number(total)}"]
        return rows


Kind = TypeVar("Kind", Counter, Histogram)


class Metrics:
    """All that the gateway counts. A mode may `add` its own."""

    def __init__(self) -> None:
        self._all: list[Counter | Histogram] = []
        self.requests = self.add(
            Counter("akrasia_requests_total", "Chat requests answered.", ("route", "mode", "status"))
        )
        self.seconds = self.add(
            Histogram("akrasia_request_seconds", "From a request's head to its answer's end.", ("route", "mode"))
        )
        self.failures = self.add(
            Counter("akrasia_failures_total", "Requests that ended in an error, by what went wrong.", ("reason",))
        )
        self.tokens = self.add(
            Counter("akrasia_tokens_total", "Tokens of deployed calls, where known.", ("route", "kind"))
        )
        self.calls = self.add(
            Counter("akrasia_calls_total", "Calls of models, failed ones too, by whose they are.", ("route", "role"))
        )
        self.spent = self.add(
            Counter("akrasia_spent_tokens_total", "Tokens of all calls, by whose they are.", ("route", "role"))
        )
        self.under_way = self.add(Counter("akrasia_requests_under_way", "Chat requests now.", kind="gauge"))
        self.connections = self.add(Counter("akrasia_connections", "Open client connections.", kind="gauge"))
        self.reloads = self.add(Counter("akrasia_policy_reloads_total", "Policy reloads.", ("result",)))
        self.stale = self.add(
            Counter("akrasia_policy_stale", "1 while the policy file is bad and an older one applies.", kind="gauge")
        )
        self.policy = self.add(
            Counter("akrasia_policy_info", "Policies that apply.", ("policy", "route", "mode", "fingerprint"), "gauge")
        )

    def count_call(self, route: str | None, role: str, calls: int, tokens: int) -> None:
        """Count calls of a role and their tokens; the role of calls for replies is "candidate".

        Args:
            route: None: the default.
            role: whose they are.
            calls: made.
            tokens: that they took.
        """
        if calls:
            self.calls.add(route or "default", role, by=calls)
        if tokens:
            self.spent.add(route or "default", role, by=tokens)

    def add(self, one: Kind) -> Kind:
        """Count something more, shown after what is there."""
        self._all.append(one)
        return one

    def text(self) -> bytes:
        """Everything, in the text format."""
        return ("\n".join(line for one in self._all for line in one.lines()) + "\n").encode()


def _labels(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    shown = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{shown}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)
