"""What a suite of scenarios covers: domains, stakes, values in tension, openings, and near duplicates.

It takes what the items' metadata says and counts families, not items; a suite that says nothing of the kind still has
its openings and near duplicates. Whether a text is well written is not to be counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from akrasia.core import Item
from akrasia.suites.valdi_families import NEUTRAL, PRESSURES, WORDINGS
from akrasia.suites.valdi_lint import OPENING_FLOOR, OPENING_SHARE, opening
from akrasia.values import taxonomy

if TYPE_CHECKING:
    from scipy.sparse import csr_array

VALUE_SHARE = 0.04
"""Each of the refined 19 is in tension in at least this share of the families."""
NEAR_DUPLICATE = 0.2
"""Two families whose TF-IDF cosine (words and pairs of words, neutral texts) reaches this are near duplicates.

97 % of the shipped rewordings reach it with their own neutral text, so the same story in other words is found; no two
shipped families come near it.
"""
_BLOCK = 512
_VARIANTS = {name: place for place, name in enumerate((NEUTRAL, *PRESSURES, *WORDINGS))}


class NearPair(Struct, frozen=True):
    """Two families that are alike."""

    first: str
    second: str
    cosine: float


class Coverage(Struct, frozen=True):
    """Coverage tables; every count is of families.

    Attributes:
        items: how many items the suite has.
        families: how many families.
        variants: items per variant.
        domains: families per domain.
        stakes: domain → stakes → families.
        values: refined value → families in which it is in tension.
        group_pairs: domain → pair of higher-order groups ("conservation · self-enhancement") → families.
        openings: the ten commonest first two words.
        near_duplicates: pairs at or above `NEAR_DUPLICATE`, the most alike first.
        nearest: the highest cosine of any pair; None with fewer than two families.
        unmet: what falls short of the coverage that the shipped scenarios keep, one line each; nothing where the suite
            holds no scenarios, of which alone that is asked.
        scenarios: whether it does.
    """

    items: int
    families: int
    variants: dict[str, int]
    domains: dict[str, int]
    stakes: dict[str, dict[str, int]]
    values: dict[str, int]
    group_pairs: dict[str, dict[str, int]]
    openings: dict[str, int]
    near_duplicates: tuple[NearPair, ...]
    nearest: float | None
    unmet: tuple[str, ...]
    scenarios: bool = True


def coverage(items: Sequence[Item]) -> Coverage:
    """The coverage of a suite's items; a family is an item's cluster, or the item itself where it has none."""
    firsts = _first_of_families(items)
    scenarios = [item for item in firsts.values() if item.metadata.get("tension")]
    texts = {family: _text(item) for family, item in firsts.items()}
    openings = Counter(opening(text) for text in texts.values())
    values = {id_: sum(id_ in item.metadata["tension"] for item in scenarios) for id_ in taxonomy().ids}
    pairs = _group_pairs(scenarios)
    stakes: dict[str, Counter[str]] = {}
    for item in scenarios:
        stakes.setdefault(_domain(item), Counter())[str(item.metadata.get("stakes", "not said"))] += 1
    near, nearest = near_duplicates(texts)
    are_scenarios = any(map(_is_scenario, items))
    return Coverage(
        items=len(items),
        families=len(firsts),
        variants=dict(sorted(Counter(map(_variant, items)).items(), key=lambda row: _VARIANTS.get(row[0], 99))),
        domains=dict(Counter(_domain(item) for item in firsts.values())),
        stakes={domain: dict(sorted(counts.items())) for domain, counts in stakes.items()},
        values=values if scenarios else {},
        group_pairs=pairs,
        openings=dict(openings.most_common(10)),
        near_duplicates=near,
        nearest=nearest,
        unmet=tuple(_unmet(len(firsts), values if scenarios else {}, pairs, openings, near)) if are_scenarios else (),
        scenarios=are_scenarios,
    )


def _is_scenario(item: Item) -> bool:
    """A scenario has no right answer to be compared with, or says where it belongs."""
    return item.utility is None or any(key in item.metadata for key in ("domain", "tension", "pressure"))


def near_duplicates(
    texts: dict[str, str], threshold: float = NEAR_DUPLICATE
) -> tuple[tuple[NearPair, ...], float | None]:
    """The pairs of families whose texts reach a cosine, and the highest cosine of any pair.

    Each text is a vector of its words and pairs of neighbouring words (lower case), weighted 1 + ln(count) times
    ln((1 + N) / (1 + texts with the word)) + 1 and scaled to length 1. Blocks of rows are compared in turn, so that
    memory grows with the number of families and not with its square.
    """
    names = list(texts)
    if len(names) < 2:
        return (), None
    import numpy as np

    vectors = _vectors(list(texts.values()))
    found: list[NearPair] = []
    nearest = 0.0
    for start in range(0, len(names), _BLOCK):
        similar = (vectors[start : start + _BLOCK] @ vectors.T).toarray()
        above = np.triu(similar, k=start + 1)  # each pair once, and no text with itself
        nearest = max(nearest, float(above.max(initial=0.0)))
        for row, column in zip(*np.nonzero(above >= threshold), strict=True):
            found.append(NearPair(names[start + row], names[column], round(float(above[row, column]), 3)))
    return tuple(sorted(found, key=lambda pair: -pair.cosine)), round(nearest, 3)


def _vectors(texts: list[str]) -> csr_array:
    import numpy as np
    from scipy.sparse import csr_array

    counts = []
    for text in texts:
        words = [word.strip(".,;:!?\"'“”‘’()") for word in text.lower().split()]
        counts.append(Counter([*words, *(" ".join(pair) for pair in pairwise(words))]))
    spread = Counter(term for count in counts for term in count)
    column = {term: index for index, term in enumerate(spread)}
    rows = [row for row, count in enumerate(counts) for _ in count]
    columns = [column[term] for count in counts for term in count]
    weights = []
    for count in counts:
        tf = 1 + np.log(np.fromiter(count.values(), float))
        idf = np.log((1 + len(texts)) / (1 + np.array([spread[term] for term in count], float))) + 1
        weights.append(tf * idf / np.linalg.norm(tf * idf))
    return csr_array((np.concatenate(weights), (rows, columns)), shape=(len(texts), len(column)))


def _first_of_families(items: Sequence[Item]) -> dict[str, Item]:
    """One item for every family: the neutral one, else the first."""
    firsts: dict[str, Item] = {}
    for item in items:
        family = item.cluster or item.id
        if family not in firsts or (_variant(item) == NEUTRAL != _variant(firsts[family])):
            firsts[family] = item
    return firsts


def _text(item: Item) -> str:
    return "\n".join(message.content for message in item.input if message.role == "user")


def _domain(item: Item) -> str:
    return str(item.metadata.get("domain", "not said"))


def _variant(item: Item) -> str:
    said: dict[str, Any] = item.metadata
    return str(said.get("wording") or said.get("pressure") or NEUTRAL)


def _group_pairs(scenarios: list[Item]) -> dict[str, dict[str, int]]:
    groups = {value.id: value.broader["higher-order"] for value in taxonomy().values}
    names = sorted(taxonomy("higher-order").ids)
    table: dict[str, dict[str, int]] = {}
    for item in scenarios:
        row = table.setdefault(_domain(item), {" · ".join(pair): 0 for pair in combinations(names, 2)})
        present = sorted({groups[id_] for id_ in item.metadata["tension"] if id_ in groups})
        for pair in combinations(present, 2):
            row[" · ".join(pair)] += 1
    return table


def _unmet(
    families: int,
    values: dict[str, int],
    pairs: dict[str, dict[str, int]],
    openings: Counter[str],
    near: tuple[NearPair, ...],
) -> list[str]:
    lines = [
        f"value {id_} is in tension in {count} of {families} families, less than {VALUE_SHARE:.0%}"
        for id_, count in values.items()
        if count < VALUE_SHARE * families
    ]
    lines += [
        f"no family of {domain} sets {pair} against each other"
        for domain, row in pairs.items()
        for pair, count in row.items()
        if not count
    ]
    most = max(OPENING_FLOOR, int(OPENING_SHARE * families))
    lines += [
        f"{count} families begin {words!r}, more than {most}" for words, count in openings.items() if count > most
    ]
    lines += [f"{pair.first} and {pair.second} are near duplicates (cosine {pair.cosine})" for pair in near]
    return lines
