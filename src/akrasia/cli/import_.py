"""`akrasia import`: what others made, as a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Turn what was made elsewhere into a run, to be measured like any other.")


@app.callback()
def _group() -> None:
    """Turn what was made elsewhere into a run, to be measured like any other."""
