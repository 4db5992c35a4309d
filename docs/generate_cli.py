"""Writes docs/cli.md from the commands themselves; a test fails when the page is stale.

Run: python docs/generate_cli.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from akrasia.cli.main import app, register

PAGE = Path(__file__).parent / "cli.md"


def page() -> str:
    """The whole page."""
    register()
    lines = [
        "# Command line",
        "",
        "This page is generated from the commands. Machine-readable output is `--json` on standard output, and nothing",
        "else is there; progress and notices go to standard error. Exit codes:",
        "",
        "- 0: done. Commands that only read a run (`risk`, `gap`, `compare`, `plan`, `report`) end with 0 on an",
        "  unfinished one, too: what they show is true of what is stored, and the diagnostic `incomplete` says what is",
        "  not there yet.",
        "- 1: a gate failed (`audit --fail-under`, `suite lint`), or `verify-log` found a broken log.",
        "- 2: bad usage or input: one line says what is wrong, where, and what to do.",
        "- 3: a run is incomplete, and the same command goes on with it; of `verify-log`, the log is.",
        "",
        "A reader that goes away (`akrasia risk RUN | head`) changes none of them: the command goes on to its end, and",
        "what nobody reads is dropped.",
    ]
    root = typer.main.get_command(app)
    _describe(root, "akrasia", lines)
    return "\n".join(lines) + "\n"


def _describe(command: Any, path: str, lines: list[str]) -> None:
    if path != "akrasia":
        context = command.make_context(path, [], resilient_parsing=True)
        context.info_name = path
        lines += ["", f"## `{path}`", "", "```text", command.get_help(context).rstrip(), "```"]
    for name, child in getattr(command, "commands", {}).items():
        _describe(child, f"{path} {name}", lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
