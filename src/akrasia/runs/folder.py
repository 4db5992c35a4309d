"""The folder of a run before it is opened: what lies in it, whether it may be gone on with, and its making.

What the records in it hold is `manifest` and `store`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from akrasia.core import InputError, RunIncomplete
from akrasia.runs import manifest
from akrasia.runs.config import RunConfig

LEFT_BEHIND = frozenset(
    {"run.sqlite", "run.sqlite-journal", "run.sqlite-wal", "run.sqlite-shm", "run.lock", "run.toml.new"}
)
"""What a run that was killed before it wrote `run.toml` may leave; its store is empty."""


def previous_run(out: Path, config: RunConfig) -> manifest.Manifest | None:
    """The record of the run that a folder holds, or None when a run may begin there.

    Raises:
        InputError: something else lies there, half a run, or a run that the configuration does not go on with.
    """
    previous = manifest.read(out)
    if previous is not None:
        manifest.check_resume(out, previous, config)
        if not (out / "run.sqlite").exists():
            raise InputError(
                f"--out {out} has a run.toml and no run.sqlite, so its answers are gone and all would be bought again: "
                "put run.sqlite back, or name a new folder"
            )
        return previous
    if out.is_file():
        raise InputError(f"--out {out} is a file: name a folder")
    names = {entry.name for entry in out.iterdir()} if out.is_dir() else set()
    if "run.sqlite" in names and (answers := _answers(out / "run.sqlite")):
        raise InputError(
            f"--out {out} has {answers} paid answers in run.sqlite and no run.toml, which says what was asked: put "
            f"run.toml back, or give a new --out with --reuse {out}, which takes every answer that matches"
        )
    if not names <= LEFT_BEHIND:
        raise InputError(
            f"--out {out} is not empty and holds no run: name a new folder, or that of a run to go on with"
        )
    return None


def _answers(path: Path) -> int:
    """How many answers a store holds; none where it was only half made, which opening it for writing mends."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as store:
            return int(store.execute("SELECT count(*) FROM calls").fetchone()[0])
    except sqlite3.Error:
        return 0


def store_of(folder: Path) -> Path:
    """The store of another run whose calls may be taken.

    Raises:
        InputError: there is none.
    """
    path = folder / "run.sqlite"
    if not path.is_file():
        raise InputError(f"--reuse {folder} holds no run: name the folder that `akrasia run --out` wrote")
    return path


@contextlib.contextmanager
def made_folder(out: Path) -> Iterator[None]:
    """The run's folder; one that was made for a run that bought nothing goes again, and so do those above it.

    Raises:
        InputError: it cannot be written.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "run.lock").touch()
    except OSError as error:
        raise InputError(
            f"cannot write to --out {out}: {error.strerror}; name a folder that you may write to"
        ) from None
    try:
        yield
    except (InputError, RunIncomplete):
        if made and [entry.name for entry in out.iterdir()] == ["run.lock"]:
            (out / "run.lock").unlink()
            with contextlib.suppress(OSError):  # something else came to stand there meanwhile
                for folder in made:
                    folder.rmdir()
        raise
