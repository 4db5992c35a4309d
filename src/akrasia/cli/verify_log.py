"""`akrasia verify-log`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from akrasia.cli.output import count, counted, notice, print_json

if TYPE_CHECKING:
    from akrasia.gateway.verify import Verification

_EXIT = {"whole": 0, "broken": 1, "incomplete": 3}


def verify_log(
    log: Annotated[
        Path, typer.Argument(metavar="LOG", help="The gateway's audit log; its rotated and moved files are read too.")
    ],
    head: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="A hash that you noted of the log: its line must be there (else: cut tail)."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="The key that the log was written with. [default: AKRASIA_LOG_KEY]")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the whole record as JSON.")] = False,
) -> None:
    """Check that an audit log is whole: nothing edited, deleted or moved. Exit 0: whole, 1: broken, 3: torn."""
    from akrasia.gateway.chain import read_key
    from akrasia.gateway.verify import verify_log as verify

    found = verify(log, key=read_key(key_file), head=head)
    print_json(found) if json else _show(found)
    raise typer.Exit(_EXIT[found.status])


def _show(found: Verification) -> None:
    where = counted(found.records, "request"), counted(found.lines, "line"), counted(len(found.files), "file")
    since = f" from entry {count(found.first_seq)} on" if found.status == "whole" and found.first_seq else ""
    print(f"{found.log}: {found.status}{since}, {where[0]} in {where[1]} of {where[2]}")
    for fault in found.faults:
        print(f"  {fault.kind}: {fault.file}, line {count(fault.line)}: {fault.message}")
    if found.fault_count > len(found.faults):
        print(f"  … and {counted(found.fault_count - len(found.faults), 'more fault')}")
    if found.head is not None:
        print(f"  head {found.head}")
    for note in found.notes:
        notice(note)
    speed = found.lines / found.seconds if found.seconds > 0 else 0.0
    notice(f"{count(found.bytes)} bytes in {found.seconds:.2f} s, {speed:,.0f} lines/s")
