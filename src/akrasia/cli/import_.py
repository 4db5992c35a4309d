"""`akrasia import`: what was made elsewhere, as a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akrasia.cli.output import count, counted, notice, print_json, table

if TYPE_CHECKING:
    from akrasia.interop.gateway_log import Imported
    from akrasia.interop.gateway_record import Source

app = typer.Typer(no_args_is_help=True, help="Turn what was made elsewhere into a run, to be measured like any other.")


@app.callback()
def _group() -> None:
    """Turn what was made elsewhere into a run, to be measured like any other."""


@app.command("gateway")
def gateway(
    log: Annotated[
        Path, typer.Argument(metavar="LOG", help="The gateway's audit log; its rotated and moved files are read too.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="The run's folder, which is made.")],
    values: Annotated[
        str | None,
        typer.Option(help="Names and order of the values: a taxonomy, or the constitution's file. [default: found]"),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="The key that the log was written with. [default: AKRASIA_LOG_KEY]")
    ] = None,
    unverified: Annotated[
        bool,
        typer.Option(
            "--unverified", help="Import a log whose chain is broken, too; every figure of the run then says so."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was imported as JSON.")] = False,
) -> None:
    """Turn the gateway's logged traffic into a run, so that `gap`, `risk` and `report` measure it."""
    from akrasia.interop.gateway_log import import_log

    flags = " --unverified" * unverified
    found = import_log(
        _source(log, key_file, unverified), out, values=values, command=f"akrasia import gateway {log} -o {out}{flags}"
    )
    print_json(found) if json else _show(found)


def _source(log: Path, key_file: Path | None, unverified: bool) -> Source:
    """The log's files, once their chain is found whole."""
    from akrasia.core import InputError
    from akrasia.gateway.chain import read_key
    from akrasia.gateway.verify import verify_log
    from akrasia.interop.gateway_record import Source

    found = verify_log(log, key=read_key(key_file))
    faults = tuple(f"{one.kind}: {one.file}, line {one.line}: {one.message}" for one in found.faults)
    if found.status == "broken" and not unverified:
        raise InputError(
            f"{log} is broken ({faults[0]}): see `akrasia verify-log {log}`, or import it as it is with --unverified"
        )
    for line in (*faults, *found.notes):
        notice(line)
    return Source(str(log), found.files, found.status != "broken", found.head or "", faults)


def _show(found: Imported) -> None:
    rows = [[one.cell, count(one.items), count(one.candidates), count(one.missing)] for one in found.cells]
    print(table(["cell", "items", "candidates", "missing"], rows))
    source = found.source
    print(f"\n{found.out}: {counted(source.requests, 'request')} of {source.log}", end="")
    left = {
        "without an audit": source.unaudited,
        "without an answer": source.unanswered,
        "unreadable": source.unreadable,
    }
    print("".join(f", {count(number)} {what}" for what, number in left.items() if number), end="")
    print("" if source.verified else "; unverified: the log is broken, as every figure of the run will say")
