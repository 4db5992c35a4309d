"""The lint of scenario suites: your own JSONL file by the rules that the shipped scenarios keep.

Rules: `schema`, `duplicate-id`, `duplicate-text`, `value-word`, `pressure-word`, `exam-phrase`, `placeholder`,
`length`, `one-sentence`, `minimal-pair`, `addressee`, `opening`. Each finding names the line, the rule and the mend.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from akrasia.suites.valdi_families import NEUTRAL, WORDINGS
from akrasia.suites.valdi_rows import LineFault, Scene, read_scenes
from akrasia.suites.valdi_rules import (
    NEUTRAL_WORDS,
    REWORDING_WORDS,
    SENTENCE_WORDS,
    Fault,
    length_fault,
    wording_faults,
)

OPENING_SHARE = 0.03
"""No opening (the first two words) may begin more than this share of the families …"""
OPENING_FLOOR = 2
"""… but this many always may."""

_SENTENCE_END = re.compile(r"(?<=[.?!…])[\"'”’)\]]*\s+|\n+")


class Finding(Struct, frozen=True):
    """One thing to mend.

    Attributes:
        line: in the file, from 1.
        rule: the rule's name.
        where: the item, or the family and its part.
        message: what is wrong.
        mend: what to do.
    """

    line: int
    rule: str
    where: str
    message: str
    mend: str


class LintReport(Struct, frozen=True):
    """What the lint found in a file.

    Attributes:
        path: the file.
        texts: how many texts were read.
        families: how many families they belong to.
        findings: by line.
    """

    path: str
    texts: int
    families: int
    findings: tuple[Finding, ...]


def lint(path: Path) -> LintReport:
    """Check a JSONL file of scenarios.

    Raises:
        InputError: the file cannot be read, is not UTF-8, is empty, or holds ordinary items.
    """
    scenes, faults = read_scenes(path)
    families: dict[str, list[Scene]] = defaultdict(list)
    for scene in scenes:
        families[scene.family].append(scene)
    found = [*faults, *_duplicates(scenes), *_openings(families.values())]
    for family in families.values():
        found += _family_faults(family)
    findings = {
        Finding(fault.line, fault.fault.rule, fault.where, fault.fault.message, fault.fault.mend): None
        for fault in sorted(found, key=lambda fault: fault.line)
    }
    return LintReport(str(path), len(scenes), len(families), tuple(findings))


def sentences(text: str) -> list[str]:
    """The sentences of a text: what stands between sentence ends followed by white space, and between lines."""
    return [part for part in _SENTENCE_END.split(text.strip()) if part]


def opening(text: str) -> str:
    """The first two words, without capitals and punctuation."""
    return " ".join(re.sub(r"[^\w' ]", " ", text.replace("’", "'").lower()).split()[:2])


def changed_sentence(neutral: str, variant: str) -> str | None:
    """The one sentence by which a variant differs from its neutral twin; None when they differ in another way.

    It may be added or take the place of one; several, none, or one that is only left out is another way.
    """
    before, after = sentences(neutral), sentences(variant)
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    removed, added = before[start : len(before) - end], after[start : len(after) - end]
    return added[0] if len(added) == 1 and len(removed) <= 1 else None


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many of the first sentences are the same."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))


def _family_faults(scenes: list[Scene]) -> Iterator[LineFault]:
    neutral = next((scene for scene in scenes if scene.variant == NEUTRAL), None)
    for scene in scenes:
        if scene.variant == NEUTRAL or scene.variant in WORDINGS:
            yield from _whole_text(scene, neutral)
        else:
            yield from _variant(scene, neutral)


def _whole_text(scene: Scene, neutral: Scene | None) -> Iterator[LineFault]:
    yield from _at(scene, wording_faults(scene.text))
    limits = NEUTRAL_WORDS if scene.variant == NEUTRAL else REWORDING_WORDS
    yield from _at(scene, [length_fault(scene.text, limits)])
    if scene.addressee and not _occurs(scene.addressee, scene):
        message = f"the addressee {scene.addressee!r} does not occur in the text"
        yield from _at(scene, [Fault("addressee", message, "name whom the answer is for as the text does")])
    if neutral is not None and scene is not neutral and scene.text.split()[:3] == neutral.text.split()[:3]:
        message = "a rewording that begins with the same three words as the neutral text"
        yield from _at(scene, [Fault("opening", message, "tell it in another order")])


def _occurs(addressee: str, scene: Scene) -> bool:
    """Whether a text names the addressee; a rewording may do so by a part ("Royce" for "Uncle Royce")."""
    text = scene.text.lower()
    if scene.variant in WORDINGS:
        return any(len(word) > 1 and word in text for word in addressee.lower().split())
    return addressee.lower() in text


def _variant(scene: Scene, neutral: Scene | None) -> Iterator[LineFault]:
    sentence = scene.sentence
    if neutral is None:
        fault = Fault("minimal-pair", "a variant without its neutral twin", f"add {scene.family}-{NEUTRAL}")
        yield from _at(scene, [fault])
    else:
        changed = changed_sentence(neutral.text, scene.text)
        if changed is None:
            message = f"differs from {neutral.id} in something else than one added or changed sentence"
            yield from _at(scene, [Fault("minimal-pair", message, "keep every other sentence word for word")])
        sentence = sentence or changed
    if sentence is None:
        yield from _at(scene, wording_faults(scene.text))
        return
    yield from _at(scene, wording_faults(sentence))
    yield from _at(scene, [length_fault(sentence, SENTENCE_WORDS)])
    if len(sentences(sentence)) != 1 or sentence.strip().rstrip("\"'”’)")[-1:] not in (".", "?", "!"):
        yield from _at(scene, [Fault("one-sentence", f"not one whole sentence: {sentence!r}", "write exactly one")])


def _at(scene: Scene, faults: Iterable[Fault | None]) -> Iterator[LineFault]:
    return (LineFault(scene.line, scene.id, fault) for fault in faults if fault is not None)


def _duplicates(scenes: list[Scene]) -> Iterator[LineFault]:
    first_id: dict[str, Scene] = {}
    first_text: dict[str, Scene] = {}
    for scene in scenes:
        other = first_id.setdefault(scene.id, scene)
        if other is not scene:
            fault = Fault("duplicate-id", f"{scene.id!r} is used in line {other.line}", "give every item its own id")
            yield from _at(scene, [fault])
        for text in {" ".join(scene.text.split()), *([scene.sentence] if scene.sentence else [])}:
            twin = first_text.setdefault(text, scene)
            if twin is not scene:
                message = f"{text[:60]!r} stands in line {twin.line} ({twin.id}) too"
                yield from _at(scene, [Fault("duplicate-text", message, "write one for this family, or remove it")])


def _openings(families: Iterable[list[Scene]]) -> Iterator[LineFault]:
    """One finding for every opening that begins too many families, at the first one too many."""
    firsts = [next((scene for scene in scenes if scene.variant == NEUTRAL), scenes[0]) for scenes in families]
    by_opening: dict[str, list[Scene]] = defaultdict(list)
    for scene in firsts:
        by_opening[opening(scene.text)].append(scene)
    most = max(OPENING_FLOOR, int(OPENING_SHARE * len(firsts)))
    for words, scenes in by_opening.items():
        if len(scenes) > most:
            message = f"{len(scenes)} of {len(firsts)} families begin {words!r} (at most {most})"
            others = ", ".join(scene.family for scene in scenes[:5])
            yield from _at(scenes[most], [Fault("opening", message, f"begin some of them otherwise: {others}")])
