"""Progress on standard error: one line that redraws itself on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

from akrasia.cli.output import count, counted, notice

if TYPE_CHECKING:
    from akrasia.runs.meter import Meter

PLAIN_EVERY_S = 10.0


class Progress:
    """Of a run: rate, tokens and cost so far, failures and time left.

    Args:
        meter: what is counted.
        planned: candidates in the whole plan.
        done: those already stored when this sitting began.
        stream: where to write.
    """

    def __init__(self, meter: Meter, planned: int, done: int, stream: TextIO) -> None:
        self._meter, self._planned, self._done, self._stream = meter, planned, done, stream
        self._began = self._last = time.monotonic()
        self._terminal = stream.isatty()
        self._width = 0

    def show(self) -> None:
        """Draw the state; called often, draws when it is time to."""
        now = time.monotonic()
        complete = self._done + self._meter.candidates >= self._planned
        if self._terminal:
            line = self.line(now)
            self._stream.write("\r" + line.ljust(self._width) + ("\n" if complete else ""))
            self._width = len(line)
        elif now - self._last >= PLAIN_EVERY_S:
            self._last = now
            self._stream.write(self.line(now) + "\n")
        self._stream.flush()

    def line(self, now: float) -> str:
        """The state in one line."""
        meter = self._meter
        made = meter.candidates
        rate = made / max(now - self._began, 1e-9)
        left = self._planned - self._done - made
        parts = [
            f"{self._done + made:,}/{self._planned:,} candidates",
            *([_pace(rate)] if made else []),
            _tokens(meter),
        ]
        if meter.cost or meter.cost_known:
            parts.append(f"cost {meter.cost:.4g}" + ("" if meter.cost_known else " + unknown"))
        parts.append(counted(meter.failures, "failure"))
        if meter.missing:
            parts.append(f"{meter.missing:,} missing")
        seconds = None if meter.pace is None else meter.pace.seconds_left(now - self._began)
        if left > 0 and seconds is not None:
            parts.append(f"about {_duration(seconds)} left")
        return " · ".join(parts)


class Readings:
    """How many texts were read.

    Args:
        noun: what is counted.
    """

    def __init__(self, noun: str) -> None:
        self._noun = noun
        self._last = time.monotonic()

    def __call__(self, done: int, planned: int) -> None:
        """Draw it, when it is time to."""
        now = time.monotonic()
        line = f"{count(done)}/{count(planned)} {self._noun}"
        if sys.stderr.isatty():
            if now - self._last >= 0.1 or done == planned:
                self._last = now
                print(f"\r{line:<40}", end="\n" if done == planned else "", file=sys.stderr, flush=True)
        elif now - self._last >= PLAIN_EVERY_S:
            self._last = now
            notice(line)


def _tokens(meter: Meter) -> str:
    if meter.tokens_known:
        return f"{meter.tokens:,} tokens"
    return f"at least {meter.tokens:,} tokens" if meter.tokens else "tokens unknown"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _pace(rate: float) -> str:
    """Candidates a second; below one in ten seconds, the seconds of one."""
    if rate >= 10:
        return f"{rate:,.0f}/s"
    return f"{rate:.1f}/s" if rate >= 0.1 else f"one in {_duration(1 / rate)}"
