"""What a reader must know before believing the figures: constant answers, chance, failures, duplicates, ceilings.

Each check is one function that returns a diagnostic or None; what needs the text of candidates comes in as `Notes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from akrasia.core.errors import InputError
from akrasia.risk.pool import Pool
from akrasia.risk.records import Estimate
from akrasia.risk.voting import Answers, parsed_codes
from akrasia.stats.diagnostic import Diagnostic, few_clusters
from akrasia.stats.waterfall import HARMS, NOT_CROSS_FITTED

_LONGEST = 80
"""Characters of an answer that a message quotes."""


class Notes(Struct, frozen=True):
    """What the caller knows about the candidates beyond their utilities; None: not known.

    Attributes:
        chance: utility that a random guess earns, in [0, 1] (0.25 with four options).
        constant: what the best constant answer earns and that answer (see `shared_target` and `best_constant`); None:
            read off the pool where answers are texts.
        unparsed: candidates that failed because no answer could be read.
        truncated: candidates that were cut off.
        texts: (M, K) texts or hashes of the candidates, to count duplicates within items.
        cross_fitted: whether the verifier given is one of two different judges, each valued by the other.
    """

    chance: float | None = None
    constant: tuple[float, str] | None = None
    unparsed: int | None = None
    truncated: int | None = None
    texts: Sequence[Sequence[object]] | None = None
    cross_fitted: bool = False


def pool_diagnostics(
    pool: Pool, answers: Answers | None, notes: Notes, deployed: ArrayLike | None, drawn: Pool | None = None
) -> list[Diagnostic | None]:
    """The checks that need only the pool, before any figure is computed.

    Args:
        pool: what the figures rest on.
        answers: (M, K) classes of its candidates' answers.
        notes: facts for the diagnostics.
        deployed: (M,) or (M, S) utilities of the deployed candidates; None: a random draw.
        drawn: all that was drawn, which is what is counted; None: the pool.
    """
    everything = pool if drawn is None else drawn
    planned = int(everything.planned.sum())
    unparsed = notes.unparsed
    if unparsed is None and answers is not None:
        inside = np.arange(pool.utilities.shape[1]) < pool.planned[:, None]
        unparsed = int(((parsed_codes(answers, pool) < 0) & inside).sum())
    return [
        _degenerate(pool, deployed),
        _missing(everything),
        _ragged(pool, deployed),
        _share("parse_failures", unparsed, planned, "candidates, cut off or without a readable answer, count 0", 0.1),
        _share("truncated", notes.truncated, planned, "candidates were cut off: raise the cap on tokens", 0.02),
        _duplicates(notes.texts),
    ]


def stopped_diagnostics(pool: Pool, notes: Notes, deployed: ArrayLike | None = None) -> list[Diagnostic | None]:
    """The same of pools that stopped where their plan said: how deep they are is no accident there."""
    found = pool_diagnostics(pool, None, notes, deployed)
    return [one for one in found if one is not None and one.code != "ragged"]


def figure_diagnostics(estimate: Estimate, notes: Notes, constant: tuple[float, str] | None) -> list[Diagnostic | None]:
    """The checks that look at the figures: ceiling, floor, constant answer, chance, a harmful verifier."""
    constant = notes.constant or constant
    checks = [
        _one_candidate(estimate),
        few_clusters(estimate.clusters),
        _ceiling(estimate),
        _floor(estimate),
        _constant_answer(estimate, constant),
        _chance(estimate, notes.chance),
    ]
    for stage in estimate.waterfall:
        if stage.stage == "recoverable":
            checks += _verifier_stage(estimate, stage.value, stage.note)
    return checks


def shared_target(targets: Sequence[str]) -> tuple[float, str] | None:
    """What always giving one answer earns, and that answer: the commonest target, valued on all items but one.

    An answer has to come from somewhere: it is taken from one item and valued on the others, since on its own item it
    is right for sure. With n items, m of them with the commonest target, that is (m − 1) / (n − 1); the plain share
    m / n would give 1 / n even where no two targets are alike.

    Returns:
        None with fewer than two items.
    """
    if len(targets) < 2:
        return None
    ((answer, times),) = Counter(sorted(targets)).most_common(1)
    return (times - 1) / (len(targets) - 1), answer


def constant_answer(pool: Pool, answers: Answers | None) -> tuple[float, str] | None:
    """As `shared_target` without targets: read off the pool; None where answers are not texts, or with one item.

    An answer earns an item's utility where some candidate gave it, and 0 elsewhere, so the figure is a lower bound. It
    is taken from the item on which it earns most, and valued on the others. Integer classes mean nothing across items
    and are not compared.
    """
    if answers is None or (isinstance(answers, np.ndarray) and answers.dtype.kind in "fiub"):
        return None
    rows = [list(row) for row in answers]  # type: ignore[arg-type, union-attr]
    if not any(isinstance(answer, str) for row in rows for answer in row):
        return None
    earnings: dict[str, list[float]] = {}
    for index, row in enumerate(rows):
        utilities = np.asarray(pool.utilities[index, : len(row)], dtype=np.float64)
        mine: dict[str, list[float]] = {}
        for answer, utility in zip(row, utilities, strict=True):
            if isinstance(answer, str) and answer and not np.isnan(utility):
                mine.setdefault(answer, []).append(float(utility))
        for answer, earned in mine.items():
            earnings.setdefault(answer, []).append(sum(earned) / len(earned))
    return best_constant(earnings, len(rows))


def best_constant(earnings: Mapping[str, Sequence[float]], items: int) -> tuple[float, str] | None:
    """What the best of several answers earns on the items that it was not taken from, and that answer.

    Args:
        earnings: answer → what it earns on each item on which it is known to earn anything.
        items: how many there are; on the others it earns nothing.

    Returns:
        None without an answer, or with fewer than two items.
    """
    if not earnings or items < 2:
        return None
    elsewhere = {answer: sum(earned) - max(earned) for answer, earned in earnings.items()}
    best = max(sorted(elsewhere), key=lambda answer: (elsewhere[answer], sum(earnings[answer])))
    return elsewhere[best] / (items - 1), best


def constant_pool(pool: Pool, deployed: ArrayLike | None) -> float | None:
    """The one utility that every candidate has, deployed ones included; None where two differ."""
    low, high = np.inf, -np.inf
    for _, block in pool.blocks():
        known = block[~np.isnan(block)]
        if known.size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    if deployed is not None:
        given = np.asarray(deployed, dtype=np.float64)
        low, high = min(low, float(np.nanmin(given))), max(high, float(np.nanmax(given)))
    return low if low == high else None


def _degenerate(pool: Pool, deployed: ArrayLike | None) -> Diagnostic | None:
    utility = constant_pool(pool, deployed)
    if utility is None:
        return None
    return Diagnostic(
        "degenerate",
        f"degenerate: every candidate has utility {utility:g}, so nothing can be told apart and risk means nothing "
        "here; check the verifier, the prompt and the difficulty",
        "error",
    )


def _missing(pool: Pool) -> Diagnostic | None:
    if pool.missing == 0:
        return None
    lost = int((pool.observed == 0).sum())
    planned = int(pool.planned.sum())
    verb = "item has no measured candidate and is" if lost == 1 else "items have no measured candidate and are"
    tail = f"; {lost} {verb} left out" if lost else ""
    are = "is" if pool.missing == 1 else "are"
    return Diagnostic(
        "missing",
        f"{pool.missing} of {planned} utilities {are} missing{tail}: see the worst-case and best-case bounds",
        "warning",
    )


def _ragged(pool: Pool, deployed: ArrayLike | None) -> Diagnostic | None:
    used = pool.observed > 0
    if deployed is not None:  # the curve is of the items with a known deployed candidate alone
        used &= ~np.isnan(np.asarray(deployed, dtype=np.float64).reshape(pool.items, -1)).all(axis=1)
    seen = pool.observed[used]
    if seen.size == 0 or seen.min() == seen.max():
        return None
    return Diagnostic(
        "ragged",
        f"items have {seen.min()} to {seen.max()} known candidates: the curve ends at {seen.min()}, and is unbiased "
        "only if how many an item has does not depend on how they turned out",
        "warning",
    )


def _share(code: str, count: int | None, planned: int, text: str, alarming: float) -> Diagnostic | None:
    if not count:
        return None
    share = count / planned
    return Diagnostic(code, f"{count} of {planned} {text} ({share:.1%})", "warning" if share > alarming else "info")


def _duplicates(texts: Sequence[Sequence[object]] | None) -> Diagnostic | None:
    if texts is None:
        return None
    total = sum(len(row) for row in texts)
    repeated = total - sum(len(set(row)) for row in texts)
    if not total or not repeated:
        return None
    share = repeated / total
    return Diagnostic(
        "duplicates",
        f"{repeated} of {total} candidates repeat another of the same item word for word ({share:.1%}): short answers "
        "do, and it biases nothing; there are fewer different candidates than k to choose from",
        "info",
    )


def _one_candidate(estimate: Estimate) -> Diagnostic | None:
    if estimate.k > 1 or estimate.risk.method != "identity":
        return None
    return Diagnostic(
        "one_candidate",
        "with one candidate there is nothing to choose from: risk@1 is 0 by definition; sample at least two per item",
        "warning",
    )


def _ceiling(estimate: Estimate) -> Diagnostic | None:
    if estimate.deployed.value < 0.95:
        return None
    return Diagnostic(
        "ceiling",
        f"deployed is {estimate.deployed.value:.3f}: hardly anything can be lost here; use harder items",
        "warning",
    )


def _floor(estimate: Estimate) -> Diagnostic | None:
    if estimate.reachable.value > 0.05:
        return None
    return Diagnostic(
        "floor",
        f"reachable@{estimate.k} is {estimate.reachable.value:.3f}: the model can hardly reach anything here; use "
        "easier items or check the verifier",
        "warning",
    )


def _constant_answer(estimate: Estimate, constant: tuple[float, str] | None) -> Diagnostic | None:
    if constant is None:
        return None
    value, answer = constant
    ours = f"deployed earns {estimate.deployed.value:.3f}, the best of {estimate.k} {estimate.reachable.value:.3f}"
    if value > 0:
        named = repr(answer if len(answer) <= _LONGEST else f"{answer[:_LONGEST]}…")
        message = f"always answering {named} earns {value:.3f} on the items that it was not taken from; {ours}"
    else:
        message = f"no answer is seen right on two items, so a constant one earns 0 where it was not taken from; {ours}"
    if estimate.reachable.value <= value:
        return Diagnostic("constant_answer", f"{message}: what is reached is luck", "error")
    if estimate.deployed.value <= value:
        return Diagnostic("constant_answer", f"{message}: deployed shows no skill", "warning")
    return Diagnostic("constant_answer", message, "info")


def _chance(estimate: Estimate, chance: float | None) -> Diagnostic | None:
    if chance is None:
        return None
    if not 0 <= chance <= 1:
        raise InputError(f"chance is the utility of a random guess and lies in [0, 1]: got {chance}")
    lucky = 1 - (1 - chance) ** estimate.k
    message = f"guessing earns {chance:.3f}, and the best of {estimate.k} guesses {lucky:.3f}"
    if estimate.reachable.value <= lucky:
        return Diagnostic(
            "chance", f"{message}: reachable@{estimate.k} = {estimate.reachable.value:.3f} may be luck", "error"
        )
    return Diagnostic("chance", message, "info")


def _verifier_stage(estimate: Estimate, value: float, note: str) -> list[Diagnostic | None]:
    found: list[Diagnostic | None] = []
    if HARMS in note:
        deployed = estimate.deployed.value
        below = f"the deployed {deployed:.3f}" if value < deployed else "what is deployed on the same items"
        found.append(
            Diagnostic(
                "verifier_harms",
                f"verifier harms: choosing the best of {estimate.k} by it gives {value:.3f}, below {below}",
                "warning",
            )
        )
    if NOT_CROSS_FITTED in note:
        found.append(
            Diagnostic(
                "not_cross_fitted",
                "recoverable is not cross-fitted: what the noise of one verifier adds to its choice is not told apart",
                "info",
            )
        )
    return found
