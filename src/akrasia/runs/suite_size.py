"""How many items the suite of a run has, which may be more than `--limit` let into the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from akrasia.core import InputError

if TYPE_CHECKING:
    from akrasia.runs.reader import Run


def suite_size(run: Run, suite: str) -> int | None:
    """How many items a suite of a run has in all.

    Where the run was limited, the suite is read again, unless that could reach the network; it counts only if it is the
    one that the run asked.

    Returns:
        None where that cannot be known here: the suite changed, is gone, or is fetched from elsewhere.
    """
    stored = len(run.items(suite))
    limit = run.manifest.run.limit
    if limit is None or stored < limit:
        return stored
    from akrasia.suites import SUITES, load_suite

    name = suite.partition("?")[0].partition(":")[0]
    if name in SUITES and SUITES.get(name).extra is not None:
        return None
    try:
        loaded = load_suite(suite)
    except InputError:
        return None
    return len(loaded.items) if loaded.fingerprint == run.manifest.suites.get(suite) else None
