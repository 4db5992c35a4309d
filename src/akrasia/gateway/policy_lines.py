"""On which line of a TOML text a key stands, since the parser does not say."""

from __future__ import annotations

import re

_TABLE = re.compile(r"^\s*\[(\[)?\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"""^\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*(?:\.\s*([A-Za-z0-9_-]+)\s*)?=""")
_FENCE = re.compile(r'"""|\'\'\'')


class Lines:
    """The lines of a text's tables and keys, read by their form; text between triple quotes holds none."""

    def __init__(self, text: str) -> None:
        self._found: dict[tuple[str, str | None], int] = {}
        table, counts, inside = "", dict[str, int](), False
        for number, line in enumerate(text.splitlines(), start=1):
            fences = len(_FENCE.findall(line))
            if not inside:
                table = self._read(line, number, table, counts)
            inside ^= bool(fences % 2)

    def _read(self, line: str, number: int, table: str, counts: dict[str, int]) -> str:
        if head := _TABLE.match(line):
            name = head[2]
            if head[1]:
                counts[name] = counts.get(name, 0) + 1
            owner, dot, rest = name.partition(".")
            table = f"{owner} {counts[owner]}" if owner in counts else name
            self._found.setdefault((table, rest if dot else None), number)
            self._found.setdefault(("", name), number)
        elif key := _KEY.match(line):
            name = key[1] or key[2] or key[3]
            self._found.setdefault((table, name), number)
            if key[4]:
                self._found.setdefault((table or name, key[4]), number)
        return table

    def of(self, table: str, key: str | None) -> int | None:
        """The line of a key, or else of its table; None where neither is found."""
        return self._found.get((table, key)) or self._found.get((table, None)) or self._found.get(("", table))
