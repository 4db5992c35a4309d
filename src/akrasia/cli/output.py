"""How every command prints: JSON alone on standard output, or text for people; notices on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from akrasia.stats import Figure


def print_json(record: Any) -> None:
    """The record as JSON, alone on standard output."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(record), indent=2).decode() + "\n")


def notice(line: str) -> None:
    """One line that the user should see, on standard error."""
    print(f"akrasia: {line}", file=sys.stderr, flush=True)


def count(number: int) -> str:
    """12345 → 12,345."""
    return f"{number:,}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """1, item → 1 item; 12345, item → 12,345 items."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def interval_of(level: float) -> str:
    """The heading of figures with intervals: "95% interval", and "99.9% interval" where that is asked for."""
    return f"{100 * level:g}% interval"


def interval(figure: Figure | None) -> str:
    """A figure with its interval: 0.512 [0.473, 0.554]; "undefined" where it has no value."""
    if figure is None:
        return "undefined"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A plain table: the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = []
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
