"""What a report shows, as plain frozen records: no run, no array and no markup in them.

How they are filled from run folders is `gather`; how they look is the templates, `figures` and `tables`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from akrasia.report.value_content import ValueContent
    from akrasia.stats.figure import Figure


class Interval(Struct, frozen=True):
    """A utility, or a difference of two, with its interval; the ends are None where the data give none."""

    value: float
    low: float | None = None
    high: float | None = None


def interval(figure: Figure | None) -> Interval | None:
    """An estimate as the report shows it; None where it has no value."""
    return None if figure is None else Interval(figure.value, figure.low, figure.high)


class CurvePoint(Struct, frozen=True):
    """Reachable@k and the risk against it.

    Attributes:
        k, reachable, risk: the point; its risk is None where that means nothing.
        uncorrected: gold corrects the headline's reachable and not this point.
        risk_uncorrected: gold leaves this point's risk as the verifier had it, though it corrects the headline's
            reachable.
    """

    k: int
    reachable: Interval
    risk: Interval | None
    uncorrected: bool = False
    risk_uncorrected: bool = False


class Stage(Struct, frozen=True):
    """One stage of the waterfall.

    Attributes:
        stage: `deployed`, `recoverable`, `reachable`, `reachable_4k` or `perfect`.
        at: its utility.
        note: what a reader must know about this stage, else "".
    """

    stage: str
    at: Interval
    note: str = ""


class Diagnostic(Struct, frozen=True):
    """A finding about the data that the reader should know first; severity is `error`, `warning` or `info`."""

    code: str
    message: str
    severity: str


class CandidateRow(Struct, frozen=True, kw_only=True):
    """Candidates of one item that say the same, shown once.

    Attributes:
        samples: their numbers.
        text: what they say; None when they are missing.
        reasoning: the deliberation of the first of them.
        utility: None when it is missing.
        answer: the answer that was extracted.
        failure, missing: why it counts 0, or is not counted.
        truncated: the model was cut off.
        deployed: the strategy committed to it.
        best: no candidate of the item has a higher utility, and that utility is above 0.
    """

    samples: tuple[int, ...]
    text: str | None
    reasoning: str | None = None
    utility: float | None = None
    answer: str | None = None
    failure: str | None = None
    missing: str | None = None
    truncated: bool = False
    deployed: bool = False
    best: bool = False


class ItemRow(Struct, frozen=True, kw_only=True):
    """One item with its candidates.

    Attributes:
        id: the item's.
        prompt: the last message that the model saw.
        earlier: how many messages came before it.
        target: what a right answer is, where there is one.
        deployed: expected utility of what the strategy commits to; None when it is missing.
        best: largest utility of the reference pool, the deployed candidate included.
        mean: mean utility of the pool's candidates.
        candidates: those that are shown, the deployed first, then by utility.
        hidden: candidates that are not shown.
        drawn: True when the item was drawn at random, False when it was chosen for its loss.
    """

    id: str
    prompt: str
    target: str | None
    deployed: float | None
    best: float | None
    mean: float | None
    candidates: tuple[CandidateRow, ...]
    earlier: int = 0
    hidden: int = 0
    drawn: bool = False

    @property
    def loss(self) -> float | None:
        """What deployment loses against the best candidate of the item."""
        return None if self.best is None or self.deployed is None else max(0.0, self.best - self.deployed)


class ItemChoice(Struct, frozen=True):
    """The items that are shown.

    Attributes:
        rows: by falling loss.
        total: how many items the cell has.
        seed: of the random draw among those that were not chosen for their loss.
    """

    rows: tuple[ItemRow, ...]
    total: int
    seed: int

    @property
    def sampled(self) -> int:
        """How many were drawn at random."""
        return sum(row.drawn for row in self.rows)

    @property
    def complete(self) -> bool:
        """True when every item is shown."""
        return len(self.rows) == self.total


class CellContent(Struct, frozen=True, kw_only=True):
    """One cell of the report.

    Attributes:
        name: unique in its run; run: the folder's name.
        label: short, and unique in the report.
        model, suite: as the user named them, without an address; strategy: as the user named it.
        temperature: of the draws; 0 is greedy. seed: of the cell.
        utilities: names of the utilities that scored it.
        level: nominal coverage of every interval.
        k: candidates per item that the headline stands on.
        own_pool: True when the reference pool is the cell's own draws; False when it is the direct draws beside it.
        items, candidates, failures, missing: counts; candidates and failures are the cell's own. Failures count 0,
            missing ones do not count.
        pool_candidates, pool_failures: the same of the reference pool, where that is another cell's; else None.
        tokens: prompt plus generated tokens bought; None where the endpoint did not report those of every call.
        deployed, reachable, risk: the headline; None where undefined, and a diagnostic says why.
        corrected: with gold, which of `deployed`, `reachable` and `risk` it corrects; None without gold.
        raw: deployed, reachable and risk as the verifier had them, where gold corrects any; else None.
        apart: what tells its headline from another cell's, where it would read alike without: the run, or the seed.
        missing_risk: (worst, best) risk over all values that missing utilities could have; None when none is missing.
        missing_raw: whether that is the uncorrected risk, beside one that gold corrects.
        budget: how wrong the risk may be, by source (see `wording.SOURCES`); None for one that does not apply.
        limit_low: with unlimited candidates reachable lies in [limit_low, 1]; None where nothing is extrapolated.
        curve: reachable@k for rising k.
        waterfall: the stages that apply, from deployed to perfect.
        diagnostics: what the reader should know first.
        success: (items,) mean utility of each item's candidates; None where all are missing.
        binary: True when every utility is 0 or 1.
        digest: SHA-256 of the utilities as little-endian float64, row by row.
        shown: the items in the table.
    """

    name: str
    run: str
    label: str
    model: str
    suite: str
    strategy: str
    temperature: float
    seed: int
    utilities: tuple[str, ...]
    level: float
    k: int
    own_pool: bool
    items: int
    candidates: int
    failures: int
    missing: int
    tokens: int | None
    deployed: Interval | None
    reachable: Interval | None
    risk: Interval | None
    missing_risk: tuple[float, float] | None
    budget: dict[str, float | None]
    limit_low: float | None
    curve: tuple[CurvePoint, ...]
    waterfall: tuple[Stage, ...]
    diagnostics: tuple[Diagnostic, ...]
    success: tuple[float | None, ...]
    binary: bool
    digest: str
    shown: ItemChoice
    missing_raw: bool = False
    pool_candidates: int | None = None
    pool_failures: int | None = None
    corrected: tuple[str, ...] | None = None
    raw: tuple[Interval | None, Interval | None, Interval | None] | None = None
    apart: str = ""


class Provenance(Struct, frozen=True):
    """Where one run comes from.

    Attributes:
        run: the folder's name.
        command: the command line that made it, without any secret; "" when it was made from Python.
        platform: operating system and processor.
        settings: the configuration that shapes candidates, as (key, text).
        models: (name, fingerprint) of each model; suites, prompts: the same.
        versions: (package, version).
        folder: the run's folder as the user named it, for commands that can be run again; "" for its bare name.
        gold: what to add to these commands for the labels that corrected the figures; "" without.
        value_labels: the same for the gap: its gold and the calibration of its judge.
    """

    run: str
    command: str
    platform: str
    settings: tuple[tuple[str, str], ...]
    models: tuple[tuple[str, str], ...]
    suites: tuple[tuple[str, str], ...]
    prompts: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    folder: str = ""
    gold: str = ""
    value_labels: str = ""


class ReportContent(Struct, frozen=True):
    """Everything that one report shows.

    Attributes:
        cells: those on problems, with their risk.
        provenance: of every run.
        values: the groups of cells on value suites, with their gap.
        diagnostics: what the reader should know of the runs beside one another, where they are several.
    """

    cells: tuple[CellContent, ...]
    provenance: tuple[Provenance, ...]
    values: tuple[ValueContent, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
