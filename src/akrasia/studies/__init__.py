"""The shipped studies and what they conclude. A study is a TOML file here, and one line below."""

from __future__ import annotations

STUDIES: dict[str, str] = {
    "widespread": "widespread.toml",
    "strategies": "strategies.toml",
    "length": "length.toml",
    "alignment": "alignment.toml",
    "deliberation": "deliberation.toml",
    "pressure": "pressure.toml",
    "audit": "audit.toml",
}
"""Name → file beside this one."""

__all__ = ["STUDIES"]
