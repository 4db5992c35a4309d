"""`akrasia demo`: from nothing to a report on the embedded model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from akrasia.cli.output import notice

MODEL = "local:smollm2"
SUITE = "arithmetic:mixed"
ITEMS = 100
SAMPLES = 24


def demo(
    out: Annotated[Path, typer.Option(help="Where report.html and run.sqlite go.")] = Path("akrasia-demo"),
) -> None:
    """Measure the embedded model on small arithmetic and write a report. Takes 3 to 15 minutes on two cores."""
    from akrasia.cli.progress import Progress
    from akrasia.report import write
    from akrasia.runs import wait_for
    from akrasia.runs.config import build_config
    from akrasia.runs.execute import Options, execute

    config = build_config(
        {
            "model": MODEL,
            "suite": SUITE,
            "strategy": ["direct", "greedy", "self_consistency:8", f"self_consistency:{SAMPLES}"],
            "samples": SAMPLES,
            "limit": ITEMS,
            "temperature": 0.8,
        },
        "the demo",
    )
    options = Options(
        command=f"akrasia demo --out {out}",
        on_start=lambda meter, planned, done: Progress(meter, planned, done, sys.stderr).show,
        on_notice=notice,
    )
    wait_for(execute(config, out, options))
    written = write([out], out / "report.html")
    print(written.cells[0].headline)
    print(f"Report: {Path(written.out).resolve()}")
