"""Where the sentences and passages of a text begin and end, so that each can be read, and quoted, as it stands.

A few rules for prose and chat: no language model, no list of a language's words beyond common abbreviations. What a
sentence expresses is left to the judges.
"""

from __future__ import annotations

import re
from bisect import bisect_right

MAX_WORDS = 60
"""A longer sentence is cut, at a comma or, where there is none, between words: the encoder reads no further."""
PASSAGE_WORDS = 60
WHOLE_LINE = 3
"""How much is read at once: about what the encoder was trained on. A sentence alone often says too little."""

_ABBREVIATIONS = frozenset(
    re.findall(
        r"\S+",
        "mr mrs ms dr prof st sr jr rev hon gen col capt lt sgt no nos vol pp fig eq approx dept est etc vs cf al e.g "
        "i.e a.m p.m u.s u.k ph.d inc ltd co corp jan feb mar apr jun jul aug sep sept oct nov dec",
    )
)
# Nothing here is tried again from the middle of a run: a reply of dots alone must cost no more than its length.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]*_]*+(?=\s)|[。！？]++[」』”’]*+|\n++")
_MARKER = re.compile(r"(?:[-*•–—>#]+|\(?\d{1,3}[.)])\s+")
_LAST_WORD = re.compile(r"[^\s\"'“‘(]+$")
_LAST_WORD_LETTERS = 40
"""More than an abbreviation has."""
_ALONE = re.compile(r"(\S{1,3})\s*")
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"\S+")
_CUT = re.compile(r"(?<=[,;:—–])\s+")


def split_sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, in order, each verbatim: every one is a substring of `text`.

    List markers and surrounding space are left out, and so are pieces without a letter or a digit. No piece has more
    than `MAX_WORDS` words.
    """
    return tuple(text[start:end] for start, end in _spans(text))


def split_passages(text: str) -> tuple[str, ...]:
    """The passages of a text, in order, each verbatim: what is read at once.

    A line of at most `WHOLE_LINE` sentences is one passage; a longer one is read two sentences at a time. No passage of
    several sentences has more than `PASSAGE_WORDS` words.
    """
    lines: list[list[tuple[int, int]]] = []
    for span in _spans(text):
        if lines and "\n" not in text[lines[-1][-1][1] : span[0]]:
            lines[-1].append(span)
        else:
            lines.append([span])
    found: list[tuple[int, int]] = []
    for line in lines:
        if len(line) <= WHOLE_LINE and _short(text, line[0][0], line[-1][1]):
            found.append((line[0][0], line[-1][1]))
            continue
        at = 0
        while at < len(line):
            pair = line[at : at + 2]
            size = len(pair) if _short(text, pair[0][0], pair[-1][1]) else 1
            found.append((pair[0][0], pair[size - 1][1]))
            at += size
    return tuple(text[start:end] for start, end in found)


def _short(text: str, start: int, end: int) -> bool:
    return len(text[start:end].split()) <= PASSAGE_WORDS


def _spans(text: str) -> list[tuple[int, int]]:
    """Where the sentences begin and end."""
    spans: list[tuple[int, int]] = []
    start = _after_space(text, 0)
    for match in _END.finditer(text):
        if match.start() < start or not _ends_here(text, start, match):
            continue
        spans.extend(_tidy(text, start, match.end()))
        start = _after_space(text, match.end())
    spans.extend(_tidy(text, start, len(text)))
    return spans


def _ends_here(text: str, start: int, match: re.Match[str]) -> bool:
    """Whether the stop ends a sentence rather than an abbreviation, an initial, a list marker or a trailing-off."""
    mark = match.group()
    if mark[0] not in ".…":
        return True
    after = _after_space(text, match.end())
    following = text[after : after + 1]
    if mark[0] == "…" or mark.startswith(".."):
        return not following.islower()
    if mark != ".":
        return True
    word = _LAST_WORD.search(text, max(start, match.start() - _LAST_WORD_LETTERS), match.start())
    if word is None:
        return False
    last = word.group().casefold()
    if following.islower() or last in _ABBREVIATIONS:
        return False
    alone = _ALONE.fullmatch(text, start, match.start())
    return not (len(last) == 1 and last.isalpha() and last != "i") and not (alone and alone[1].isdigit())


def _after_space(text: str, place: int) -> int:
    """Where the next character is that is no space."""
    found = _SPACE.match(text, place)
    return place if found is None else found.end()


def _tidy(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """A piece without surrounding space and list marker, cut where it is too long; nothing where it has no letter."""
    start, end = _trim(text, start, end)
    marker = _MARKER.match(text, start, end)
    if marker is not None:
        start = marker.end()
    if not any(character.isalnum() for character in text[start:end]):
        return []
    return [(start, end)] if len(text[start:end].split()) <= MAX_WORDS else _cut(text, start, end)


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def _cut(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """A sentence that is too long, in pieces: at commas as far as they help, else after every `MAX_WORDS` words."""
    pieces: list[tuple[int, int]] = []
    breaks = [match.end() for match in _CUT.finditer(text, start, end)]
    words = [match.end() for match in _WORD.finditer(text, start, end)]
    at = 0
    while len(words) - at > MAX_WORDS:
        limit = words[at + MAX_WORDS - 1]
        before = bisect_right(breaks, limit)
        stop = breaks[before - 1] if before and breaks[before - 1] > words[at + MAX_WORDS // 3] else limit
        pieces.append(_trim(text, start, stop))
        start = stop
        at = bisect_right(words, stop)
    pieces.append(_trim(text, start, end))
    return [(first, last) for first, last in pieces if any(character.isalnum() for character in text[first:last])]
