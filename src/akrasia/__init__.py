"""Akrasia measures how far a language model falls short of its own values when it acts.

The public API, loaded on use::

    import akrasia

    akrasia.run("out", model="local:smollm2", suite="arithmetic:sum", samples=16)
    with akrasia.load_run("out") as run:
        pool = run.pool(run.cells[0])
    akrasia.risk.estimate(pool.utilities, clusters=pool.clusters).risk
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from akrasia import audit, gap, risk, suites, values
    from akrasia.runs import load_run, run

__version__ = "0.1.0"

__all__ = ["__version__", "audit", "gap", "load_run", "risk", "run", "suites", "values"]

_HOMES = {
    "run": "akrasia.runs",
    "load_run": "akrasia.runs",
    **dict.fromkeys(("audit", "gap", "risk", "suites", "values")),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'akrasia' has no attribute {name!r}")
    home = _HOMES[name]
    return import_module(f"akrasia.{name}") if home is None else getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
