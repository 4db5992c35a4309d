"""What an estimate returns, and the machine-readable record that every surface prints.

The estimate's curve keeps whole figures (`point.reachable.low`); its record flattens them (`reachable_low`), so that a
curve is a table. `Estimate.record()` is the one place where the first becomes the second.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from akrasia.stats.diagnostic import Bounds, Diagnostic
from akrasia.stats.figure import Figure
from akrasia.stats.waterfall import Stage


class CurvePoint(Struct, frozen=True):
    """Reachable utility and risk when k base candidates can be had.

    Attributes:
        k: so many.
        reachable, risk: the figures.
        corrected: with gold, whether it corrects this point's reachable; None without gold.
        risk_corrected: the same of its risk, which needs a corrected deployed as well.
    """

    k: int
    reachable: Figure
    risk: Figure
    corrected: bool | None = None
    risk_corrected: bool | None = None


class CurveRow(Struct, frozen=True, omit_defaults=True):
    """A curve point as a table row; `corrected` and `risk_corrected` are there only with gold.

    The risk is None where it means nothing: of a degenerate cell.
    """

    k: int
    reachable: float
    reachable_low: float | None
    reachable_high: float | None
    risk: float | None
    risk_low: float | None
    risk_high: float | None
    corrected: bool | None = None
    risk_corrected: bool | None = None


class ErrorBudget(Struct, frozen=True):
    """How wrong the risk may be, by source, in utility; None where a source does not apply or is not known.

    Attributes:
        finite_candidates: what reachable@4k is expected to add to reachable@k (binary utilities only).
        finite_items: half-width of the interval of the headline risk, where that has a value.
        verifier: uncorrected minus corrected reachable, known only with gold.
    """

    finite_candidates: float | None
    finite_items: float | None
    verifier: float | None


class MissingBounds(Struct, frozen=True):
    """Bounds of the headline figures (with gold, of the raw ones) over all values that missing utilities could have.

    Attributes:
        deployed, reachable, risk: worst and best case of each.
        conservative: on the safe side, not exact: what is deployed is chosen among the draws that are missing.
        missing: how many utilities these are, of the pool and of what is deployed beside it; None: all of the record's.
    """

    deployed: Bounds
    reachable: Bounds
    risk: Bounds
    conservative: bool = False
    missing: int | None = None


class VarianceSplit(Struct, frozen=True):
    """Squared standard error of `deployed`, by source.

    Attributes:
        between_items: what only more items shrink.
        within_items: what more candidates per item shrink too.
        verifier: what gold adds, when the figure is corrected; else None.
    """

    between_items: float
    within_items: float
    verifier: float | None


class Extrapolation(Struct, frozen=True):
    """Reachable beyond the pool, for binary utilities.

    Attributes:
        k: the size that `reachable` speaks of (four times the headline k).
        reachable: by the non-parametric mixing distribution, with its profile-likelihood interval.
        beta_sensitivity: the same by a Beta with a point mass at 0: a second opinion without an interval.
        limit_low: reachable with unlimited candidates lies in [limit_low, 1]; more cannot be known.
    """

    k: int
    reachable: Figure
    beta_sensitivity: float
    limit_low: float


class Uncorrected(Struct, frozen=True):
    """The headline figures as the verifier had them, beside those that gold corrected."""

    deployed: Figure | None
    reachable: Figure | None
    risk: Figure | None


class ErrorRates(Struct, frozen=True):
    """Ranges of a verifier's error rates, low first, in [0, 1).

    Attributes:
        accept: shares of wrong candidates that pass.
        reject: shares of right candidates that fail.
    """

    accept: tuple[float, float] = (0.0, 0.08)
    reject: tuple[float, float] = (0.0, 0.05)


class Band(Struct, frozen=True):
    """A sensitivity band: the figure over a range of assumptions, not an interval.

    Attributes:
        naive: the figure that takes the verifier at its word.
        low: least over the range.
        high: most over the range.
        false_accept: the range of shares of wrong candidates that pass.
        false_reject: the range of shares of right candidates that fail.
    """

    naive: float
    low: float
    high: float
    false_accept: tuple[float, float]
    false_reject: tuple[float, float]


class CrossFit(Struct, frozen=True):
    """Best-of-k by judges that value each other's choices.

    Attributes:
        recoverable: mean of both ways: choose by one judge, value by the other. What is recoverable with such judges.
        naive: choose and value by the same judge, mean of both: biased upward, more so as k grows.
        curse: naive − recoverable, per item paired.
    """

    recoverable: Figure
    naive: Figure
    curse: Figure


class Counts(Struct, frozen=True):
    """Candidates of a cell, and how many of them count 0 as failures, were cut off, or could not be measured."""

    candidates: int
    failures: int
    truncated: int
    missing: int


class RiskRecord(Struct, frozen=True):
    """What `akrasia risk --json` prints for one cell: `msgspec.to_builtins` of this is the JSON.

    A figure that has no value is None, and a diagnostic says why. `items`, `candidates` and `missing` count the
    reference pool; the last four, known for runs alone, tell the cell's own candidates from it.

    Attributes:
        own_candidates: candidates of the cell itself; of a pooled strategy those of its pool.
        failures: how many of them count 0 because no answer could be read, they were cut off or refused.
        truncated: how many of them were cut off.
        pool: the same of the reference pool, where that is another cell's; else None.
        corrected: with gold, which of `deployed`, `reachable` and `risk` it corrects; None without gold.
    """

    items: int
    candidates: int
    k: int
    deployed: Figure | None
    reachable: Figure | None
    risk: Figure | None
    curve: tuple[CurveRow, ...]
    error_budget: ErrorBudget
    waterfall: tuple[Stage, ...]
    diagnostics: tuple[Diagnostic, ...]
    uncorrected: Uncorrected | None = None
    missing: int = 0
    missing_bounds: MissingBounds | None = None
    variance: VarianceSplit | None = None
    extrapolation: Extrapolation | None = None
    clusters: int = 0
    level: float = 0.95
    band: Band | None = None
    cross_fit: CrossFit | None = None
    own_candidates: int | None = None
    failures: int | None = None
    truncated: int | None = None
    pool: Counts | None = None
    corrected: tuple[str, ...] | None = None


def undefined_record(
    why: str, *, items: int, candidates: int, k: int, missing: int, level: float, bounds: MissingBounds | None = None
) -> RiskRecord:
    """The record of a cell of which no figure has a value.

    Args:
        why: what the diagnostic says.
        items: all items.
        candidates: all candidates, missing ones included.
        k: candidates of an item.
        missing: candidates whose utility is not known.
        level: nominal coverage that was asked for.
        bounds: what bounds the figures all the same.
    """
    return RiskRecord(
        items=items, candidates=candidates, k=k, deployed=None, reachable=None, risk=None, curve=(),
        error_budget=ErrorBudget(None, None, None), waterfall=(), diagnostics=(Diagnostic("undefined", why, "error"),),
        missing=missing, missing_bounds=bounds, level=level,
    )  # fmt: skip


class Estimate(Struct, frozen=True):
    """Rational value risk of one cell.

    Attributes:
        items: items that entered the figures.
        candidates: all candidates that were planned, missing ones included.
        k: size of the headline reachable.
        deployed: mean utility of what the deployed strategy commits to.
        reachable: mean best utility among k base candidates and the deployed one.
        risk: reachable − deployed.
        curve: every k that was asked for.
        error_budget: what may be wrong, by source.
        waterfall: from deployed to perfect.
        diagnostics: worst first.
        uncorrected: raw figures beside corrected ones, when gold was given.
        missing: candidates that were planned and whose utility is not known.
        missing_bounds: worst and best case over them; None when nothing is missing.
        variance: of `deployed`, by source; None for a given deployed candidate.
        extrapolation: reachable beyond the pool; None for graded utilities.
        clusters: independent units behind the intervals.
        level: nominal coverage of every interval.
        band: reachable over ranges of the verifier's error rates, when asked for; no interval.
        cross_fit: what two judges recover who value each other's choices, when asked for.
        corrected: with gold, which of deployed, reachable and risk it corrects; None without gold.
    """

    items: int
    candidates: int
    k: int
    deployed: Figure
    reachable: Figure
    risk: Figure
    curve: tuple[CurvePoint, ...]
    error_budget: ErrorBudget
    waterfall: tuple[Stage, ...]
    diagnostics: tuple[Diagnostic, ...]
    uncorrected: Uncorrected | None = None
    missing: int = 0
    missing_bounds: MissingBounds | None = None
    variance: VarianceSplit | None = None
    extrapolation: Extrapolation | None = None
    clusters: int = 0
    level: float = 0.95
    band: Band | None = None
    cross_fit: CrossFit | None = None
    corrected: tuple[str, ...] | None = None

    @property
    def degenerate(self) -> bool:
        """Whether every utility is the same: the arithmetic risk is then 0, and means nothing."""
        return any(diagnostic.code == "degenerate" for diagnostic in self.diagnostics)

    def record(self) -> RiskRecord:
        """The record for programs. A degenerate cell's risk is None in all of it, unless every candidate is perfect."""
        senseless = self.degenerate and self.deployed.value < 1
        budget = replace(self.error_budget, finite_items=None) if senseless else self.error_budget
        return RiskRecord(
            items=self.items,
            candidates=self.candidates,
            k=self.k,
            deployed=self.deployed,
            reachable=self.reachable,
            risk=None if senseless else self.risk,
            curve=tuple(_row(point, senseless=senseless) for point in self.curve),
            error_budget=budget,
            waterfall=self.waterfall,
            diagnostics=self.diagnostics,
            uncorrected=self.uncorrected,
            missing=self.missing,
            missing_bounds=self.missing_bounds,
            variance=self.variance,
            extrapolation=self.extrapolation,
            clusters=self.clusters,
            level=self.level,
            band=self.band,
            cross_fit=self.cross_fit,
            corrected=self.corrected,
        )


def _row(point: CurvePoint, *, senseless: bool) -> CurveRow:
    reachable, risk = point.reachable, point.risk
    value, low, high = (None, None, None) if senseless else (risk.value, risk.low, risk.high)
    best = reachable.value, reachable.low, reachable.high
    return CurveRow(point.k, *best, value, low, high, point.corrected, point.risk_corrected)
