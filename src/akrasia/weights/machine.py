"""What a machine lacks to run the embedded model, said in one line before anything is downloaded.

It stands on the standard library alone and in the syntax of old Pythons, so that a system's Python, whichever it is,
can run the file itself before Akrasia is installed: `python3 machine.py [FOLDER]` is silent and exits 0, or names
what is missing and exits 2.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

OLDEST_PYTHON = (3, 11)
OLDEST_PIP = (25, 1)
_SPARE_BYTES = 64 * 2**20


def preflight(folder: Path, *, download_bytes: int = 0) -> None:
    """Stop when this machine cannot run the embedded model.

    Args:
        folder: where the weights will lie; created if need be.
        download_bytes: size of the file that is about to be fetched; 0 when it is there already.

    Raises:
        InputError: one line naming all that is missing, each with its remedy.
    """
    missing = [*lacking_library(), *lacking_installation()]
    if download_bytes:
        missing += [*lacking_pip(), *lacking_space(folder, download_bytes)]
    if missing:
        from akrasia.core import InputError

        raise InputError(f"cannot run the embedded model here: {'; '.join(missing)}")


def lacking(folder: Path) -> list[str]:
    """What a machine lacks on which nothing is installed yet, each with its remedy; empty when nothing."""
    return [
        *lacking_python(),
        *lacking_venv(),
        *lacking_platform(),
        *lacking_library(),
        *lacking_space(folder, 0),
    ]


def lacking_python() -> list[str]:
    """An interpreter that is too old."""
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return []
    return ["Python {}.{} is too old (install Python {}.{} or newer)".format(*sys.version_info[:2], *OLDEST_PYTHON)]


def lacking_venv() -> list[str]:
    """The modules that make virtual environments, which Debian and Ubuntu ship apart."""
    if importlib.util.find_spec("venv") is not None and importlib.util.find_spec("ensurepip") is not None:
        return []
    return ["Python's venv module is missing (Debian and Ubuntu: apt install python3-venv)"]


def lacking_platform() -> list[str]:
    """A platform for which the library that runs the weights is not published."""
    machine, system = platform.machine().lower(), platform.system()
    published = {
        "Linux": {"x86_64", "amd64", "aarch64", "arm64"},
        "Darwin": {"x86_64", "arm64"},
        "Windows": {"amd64", "x86_64"},
    }
    if machine not in published.get(system, set()) or sys.maxsize < 2**32:
        return [f"xllamacpp has no wheel for {system} on {machine} (use an openai: endpoint instead)"]
    if system == "Darwin" and int((platform.mac_ver()[0] or "0").split(".")[0]) < 13:
        return [f"xllamacpp needs macOS 13 and this is {platform.mac_ver()[0]} (use an openai: endpoint instead)"]
    if system == "Linux" and platform.libc_ver()[0] != "glibc":
        return ["xllamacpp has no wheel for Linux without glibc (use a glibc image or an openai: endpoint)"]
    return []


def lacking_library() -> list[str]:
    """GNU OpenMP, which the wheels for Linux expect from the system."""
    if platform.system() != "Linux":
        return []
    import ctypes

    calm_openmp()
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError as error:
        return [f"libgomp.so.1 cannot be loaded ({error}): apt install libgomp1 (Fedora: dnf install libgomp)"]
    return []


def lacking_installation() -> list[str]:
    """The library that runs the weights, in this environment."""
    if importlib.util.find_spec("xllamacpp") is not None:
        return []
    return lacking_platform() or ["the package xllamacpp is missing (install akrasia again with its dependencies)"]


def lacking_pip() -> list[str]:
    """A pip in this interpreter that is new enough to fetch the weights."""
    from importlib.metadata import PackageNotFoundError, version

    wanted = ".".join(map(str, OLDEST_PIP))
    remedy = f"python -m ensurepip, then python -m pip install 'pip>={wanted}'"
    try:
        found = version("pip")
    except PackageNotFoundError:
        return [f"pip is missing from this environment ({remedy})"]
    major, minor = [*found.split("."), "0"][:2]
    if major.isdigit() and minor.isdigit() and (int(major), int(minor)) < OLDEST_PIP:
        return [f"pip {found} is too old ({remedy})"]
    return []


def lacking_space(folder: Path, download_bytes: int) -> list[str]:
    """A folder that can be written, with room for the wheel twice (pip's copy and ours) and the file out of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=str(folder)):
            pass
        free = shutil.disk_usage(str(folder)).free
    except OSError as error:
        return [f"{folder} cannot be written ({error.strerror}): set AKRASIA_CACHE to a folder that can"]
    needed = 3 * download_bytes + _SPARE_BYTES
    if free < needed:
        room = f"{free // 2**20} MiB free and {needed // 2**20} MiB are needed"
        return [f"{folder} has {room}: free some or set AKRASIA_CACHE"]
    return []


def calm_openmp() -> None:
    """Let idle OpenMP threads sleep soon.

    By default they spin, and where something else wants the core too, a computation of seconds then takes minutes. Not
    spinning at all costs a small model two fifths of its speed in wake-ups: a thousand turns are some microseconds. The
    setting is read once, when the library is loaded.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ):
        os.environ["GOMP_SPINCOUNT"] = "1000"


if __name__ == "__main__":
    absent = lacking(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    if absent:
        sys.stderr.write(f"akrasia: this machine is not ready: {'; '.join(absent)}\n")
        raise SystemExit(2)
