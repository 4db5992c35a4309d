"""Where the sentences of a text begin and end, so that each can be read, and quoted, as it stands.

A few rules for prose and chat: no language model, no list of a language's words beyond common abbreviations. What a
sentence expresses is left to the judges.
"""

from __future__ import annotations

import re

MAX_WORDS = 60
"""A longer sentence is cut, at a comma or, where there is none, between words: the encoder reads no further."""

_ABBREVIATIONS = frozenset(
    re.findall(
        r"\S+",
        "mr mrs ms dr prof st sr jr rev hon gen col capt lt sgt no nos vol pp fig eq approx dept est etc vs cf al e.g "
        "i.e a.m p.m u.s u.k ph.d inc ltd co corp jan feb mar apr jun jul aug sep sept oct nov dec",
    )
)
_END = re.compile(r"[.!?…]+[\"'”’»)\]*_]*(?=\s)|[。！？]+[」』”’]*|\n+")
_MARKER = re.compile(r"(?:[-*•–—>#]+|\(?\d{1,3}[.)])\s+")
_LAST_WORD = re.compile(r"([^\s\"'“‘(]+)$")
_CUT = re.compile(r"(?<=[,;:—–])\s+")


def split_sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, in order, each verbatim: every one is a substring of `text`.

    List markers and surrounding space are left out, and so are pieces without a letter or a digit. No piece has more
    than `MAX_WORDS` words.
    """
    pieces: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if match.start() < start or not _ends_here(text, start, match):
            continue
        pieces.extend(_tidy(text[start : match.end()]))
        start = match.end()
    pieces.extend(_tidy(text[start:]))
    return tuple(pieces)


def _ends_here(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether the stop ends a sentence rather than an abbreviation, an initial, a list marker or a trailing-off."""
    mark = match.group()
    if mark[0] not in ".…":
        return True
    following = text[match.end() :].lstrip()[:1]
    if mark[0] == "…" or mark.startswith(".."):
        return not following.islower()
    if mark != ".":
        return True
    before = text[start : match.start()]
    word = _LAST_WORD.search(before)
    if word is None:
        return False
    last = word.group().casefold()
    if following.islower() or last in _ABBREVIATIONS:
        return False
    alone = before.strip()
    return not (len(last) == 1 and last.isalpha() and last != "i") and not (alone.isdigit() and len(alone) <= 3)


def _tidy(piece: str) -> list[str]:
    stripped = piece.strip()
    marker = _MARKER.match(stripped)
    if marker is not None:
        stripped = stripped[marker.end() :]
    if not any(character.isalnum() for character in stripped):
        return []
    return [stripped] if len(stripped.split()) <= MAX_WORDS else _cut(stripped)


def _cut(sentence: str) -> list[str]:
    """A sentence that is too long, in pieces: at commas as far as they help, else after every `MAX_WORDS` words."""
    pieces: list[str] = []
    start = 0
    breaks = [match.end() for match in _CUT.finditer(sentence)]
    words = [match.span() for match in re.finditer(r"\S+", sentence)]
    while start < len(sentence):
        inside = [(a, b) for a, b in words if a >= start]
        if len(inside) <= MAX_WORDS:
            pieces.append(sentence[start:].strip())
            break
        limit = inside[MAX_WORDS - 1][1]
        end = max((at for at in breaks if inside[MAX_WORDS // 3][1] < at <= limit), default=limit)
        pieces.append(sentence[start:end].strip())
        start = end
    return [piece for piece in pieces if any(character.isalnum() for character in piece)]
