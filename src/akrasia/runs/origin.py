"""Where an imported run comes from, and what its figures have to say of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from akrasia.runs.reader import Run
    from akrasia.stats.diagnostic import Diagnostic


class Origin(Struct, frozen=True):
    """The log that a run was made of; it stands in `run.toml` as ``[source]``.

    Attributes:
        log: the file that was named.
        files: what was read, in order.
        verified: whether the chain was found whole. False: imported all the same.
        head: hash of the last line; "" where nothing was verified.
        faults: what verification found.
    """

    log: str
    files: tuple[str, ...] = ()
    verified: bool = True
    head: str = ""
    faults: tuple[str, ...] = ()


def origin_note(run: Run) -> list[Diagnostic]:
    """What every figure of a run must say that was made of a broken log; empty for all others."""
    from akrasia.stats.diagnostic import Diagnostic

    origin = run.manifest.source
    if origin is None or origin.verified:
        return []
    first, *others = origin.faults or ("its chain is broken",)
    more = f", and {len(others)} more" if others else ""
    message = (
        f"unverified: the log {origin.log} is broken ({first}{more}) and was imported with --unverified: what these "
        "figures rest on may have been changed. See akrasia verify-log."
    )
    return [Diagnostic("unverified", message, "warning")]
