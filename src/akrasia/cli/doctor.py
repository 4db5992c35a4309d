"""`akrasia doctor`: what this machine has and lacks. Every check does the thing itself instead of asking about it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from msgspec import Struct

from akrasia.cli.output import print_json
from akrasia.core import AkrasiaError

_ROOM_FOR_A_RUN: Final = 200 * 2**20
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_MAC_BROWSERS: Final = ("Google Chrome.app/Contents/MacOS/Google Chrome", "Chromium.app/Contents/MacOS/Chromium")


class Check(Struct, frozen=True, kw_only=True):
    """One thing that was tried.

    Attributes:
        name: what was tried.
        status: "missing" is not there, "broken" is there and does not work.
        needed: whether `akrasia demo` cannot do without it.
        found: what was seen.
        remedy: what to do; None when there is nothing to do.
    """

    name: str
    status: Literal["ok", "missing", "broken"]
    needed: bool
    found: str
    remedy: str | None = None


class Diagnosis(Struct, frozen=True):
    """All checks.

    Attributes:
        ready: nothing that `akrasia demo` needs is missing or broken.
        checks: in the order in which they were tried.
    """

    ready: bool
    checks: list[Check]


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False) -> None:
    """Try what Akrasia needs on this machine; say what is missing and what to do. Exits 2 when `demo` cannot run."""
    found = diagnose()
    if json:
        print_json(found)
    else:
        _show(found)
    if not found.ready:
        raise typer.Exit(2)


def diagnose() -> Diagnosis:
    """Try everything."""
    fetched = _model_is_there()
    checks = [
        _python(),
        _library(),
        _model(fetched),
        _pip(needed=not fetched),
        _cache(needed=not fetched),
        _folder(),
        _sandbox(),
        _browser(),
    ]
    return Diagnosis(not any(check.needed and check.status != "ok" for check in checks), checks)


def _python() -> Check:
    from akrasia.weights.machine import lacking_python

    found = f"{platform.python_version()} at {sys.executable}"
    return _from_lacking("python", lacking_python(), found, needed=True)


def _library() -> Check:
    from akrasia.weights.machine import calm_openmp, lacking_installation, lacking_library

    lacking = [*lacking_library(), *lacking_installation()]
    if lacking:
        return _from_lacking("llama.cpp", lacking, "", needed=True)
    calm_openmp()
    try:
        import xllamacpp
    except ImportError as error:
        return Check(
            name="llama.cpp", status="broken", needed=True, found=str(error), remedy="install akrasia again with pip"
        )
    return Check(name="llama.cpp", status="ok", needed=True, found=f"xllamacpp {xllamacpp.__version__}")


def _model_is_there() -> bool:
    from akrasia.weights import find_weights, state_of

    return state_of(find_weights("smollm2")) == "present"


def _model(fetched: bool) -> Check:
    """The embedded model, really loaded and asked for one token. When it is not there, the first use fetches it."""
    from akrasia.weights import find_weights, stored_path

    path = stored_path(find_weights("smollm2"))
    if not fetched:
        remedy = "akrasia models pull (the first use does it too)"
        status: Literal["missing", "broken"] = "broken" if path.exists() else "missing"
        return Check(name="embedded model", status=status, needed=False, found=str(path), remedy=remedy)
    try:
        tokens = _one_token()
    except AkrasiaError as error:
        return Check(name="embedded model", status="broken", needed=True, found=str(path), remedy=str(error))
    return Check(name="embedded model", status="ok", needed=True, found=f"{path}, answered {tokens} token")


def _one_token() -> int | None:
    import asyncio

    from akrasia.core import Message, Request
    from akrasia.models import build_model

    async def ask() -> int | None:
        model = build_model("local:smollm2?context=64")
        await model.open()
        try:
            replies = await model.complete(Request((Message("user", "Hi"),), temperature=0.0, max_tokens=1))
        finally:
            await model.close()
        return replies[0].usage.completion_tokens

    return asyncio.run(ask())


def _pip(*, needed: bool) -> Check:
    from akrasia.weights.machine import lacking_pip

    lacking = lacking_pip()
    if lacking:
        return _from_lacking("pip", lacking, "", needed=needed)
    from importlib.metadata import version

    return Check(name="pip", status="ok", needed=needed, found=version("pip"))


def _cache(*, needed: bool) -> Check:
    from akrasia.weights import find_weights, weights_dir
    from akrasia.weights.machine import lacking_space

    to_fetch = find_weights("smollm2").size if needed else 0
    return _from_lacking("cache", lacking_space(weights_dir(), to_fetch), str(weights_dir()), needed=needed)


def _folder() -> Check:
    """The current folder: runs are written there unless told otherwise."""
    folder = Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        remedy = "go to a folder that can be written, or give --out"
        return Check(
            name="current folder",
            status="broken",
            needed=True,
            found=f"{folder}: {error.strerror}",
            remedy=remedy,
        )
    enough = free >= _ROOM_FOR_A_RUN
    return Check(
        name="current folder",
        status="ok" if enough else "broken",
        needed=True,
        found=f"{folder}, {free / 1e9:.1f} GB free",
        remedy=None if enough else f"free at least {_ROOM_FOR_A_RUN // 10**6} MB, or give --out on another disk",
    )


def _sandbox() -> Check:
    from akrasia.core import UtilityUnavailable
    from akrasia.utilities.sandbox import Sandbox

    program = shutil.which("bwrap")
    try:
        Sandbox().check()
    except UtilityUnavailable as error:
        return Check(
            name="sandbox",
            status="broken" if program else "missing",
            needed=False,
            found=program or "no bwrap",
            remedy=f"only for the utility `code`: {error}",
        )
    return Check(name="sandbox", status="ok", needed=False, found=f"{program} runs a program")


def _browser() -> Check:
    """A Chromium: nothing but the project's own checks of its pages needs one; a report opens in any browser."""
    remedy = "only for checking pages: install chromium (a report opens in any browser)"
    for place in _browsers():
        try:
            said = subprocess.run(  # noqa: S603 - a program found on this machine, asked for its version
                [place, "--version"], capture_output=True, text=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Check(name="browser", status="broken", needed=False, found=f"{place}: {error}", remedy=remedy)
        works = said.returncode == 0
        found = f"{said.stdout.strip()} at {place}" if works else f"{place} exits with {said.returncode}"
        return Check(
            name="browser",
            status="ok" if works else "broken",
            needed=False,
            found=found,
            remedy=None if works else remedy,
        )
    return Check(name="browser", status="missing", needed=False, found="no Chromium or Chrome", remedy=remedy)


def _browsers() -> list[str]:
    on_path = [place for name in _BROWSERS if (place := shutil.which(name))]
    return on_path + [place for name in _MAC_BROWSERS if os.access(place := f"/Applications/{name}", os.X_OK)]


def _from_lacking(name: str, lacking: list[str], found: str, *, needed: bool) -> Check:
    if not lacking:
        return Check(name=name, status="ok", needed=needed, found=found)
    return Check(name=name, status="missing", needed=needed, found=found, remedy="; ".join(lacking))


def _show(diagnosis: Diagnosis) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = {"ok": "green", "missing": "yellow", "broken": "red"}
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("check", "status", "what was found, and what to do"):
        shown.add_column(heading, overflow="fold")
    for check in diagnosis.checks:
        style = "red" if check.needed and check.status != "ok" else styles[check.status]
        text = Text("\n".join(part for part in (check.found, check.remedy and f"→ {check.remedy}") if part))
        shown.add_row(check.name, Text(check.status, style=style), text)
    console = Console()
    # A path that is broken in two cannot be copied: rather than that, lines are longer than the terminal.
    longest = max(len(word) for check in diagnosis.checks for word in f"{check.found} {check.remedy or ''}".split())
    beside = sum(max(len(str(getattr(check, key))) + 2 for check in diagnosis.checks) for key in ("name", "status"))
    console.width = max(console.width, beside + longest + 2)
    console.print(shown)
    console.print("Ready for `akrasia demo`." if diagnosis.ready else "Not ready: mend what is marked above.")
