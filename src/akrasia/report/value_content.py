"""What a report shows of value suites, as plain frozen records: no run, no array and no markup in them.

An arm is one way of acting (fast, slow …) of one model on one suite; a group is the arms that share what was stated.
How they are filled is `value_gather` and `value_cards`; how they look is the templates, `value_figures` and
`value_tables`.
"""

from __future__ import annotations

from msgspec import Struct

from akrasia.report.content import Diagnostic, Interval, Stage


class PartRow(Struct, frozen=True, kw_only=True):
    """The gap in one value, one domain, or under one pressure.

    Attributes:
        name: of the part, for people.
        scenarios: of a value, those that state it or act on it, in any arm; of a group, those that the arm was asked.
        stated: cells in which it is stated and the action could be read.
        supported: False for a value that stays out of macro-F1.
        figures: metric → figure; None where undefined.
    """

    name: str
    scenarios: int
    stated: int
    supported: bool = True
    figures: dict[str, Interval | None]


class HeatMap(Struct, frozen=True):
    """Retention by value (rows) and group of scenarios (columns).

    Attributes:
        rows, columns: names.
        kept: how many stated cells were acted on, by row and column.
        stated: of how many; 0 where the value was never stated there, and retention is then missing.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    kept: tuple[tuple[int, ...], ...]
    stated: tuple[tuple[int, ...], ...]


class SplitContent(Struct, frozen=True, kw_only=True):
    """Where the loss against the stated values comes from; see `akrasia.gap.split.Split`."""

    sentence: str
    deployed: Interval
    reachable: Interval
    loss: Interval
    not_taken: Interval
    by_chance: Interval | None
    corrected: Interval | None
    unreachable: Interval
    waterfall: tuple[Stage, ...]
    k: int
    scenarios: int
    cross_fitted: bool


class ThresholdPoint(Struct, frozen=True):
    """The figures if a value counted as present from another grade on."""

    threshold: float
    macro_f1: Interval | None
    retention: Interval | None
    emergence: Interval | None


class MissingContent(Struct, frozen=True):
    """What is not known of an arm.

    Attributes:
        cells: draws times values.
        stated, reasoning, action: cells without a label; reasoning is None for an arm that has none.
        share: of all labels.
        retention: (worst, best) retention over all labels that the missing could have; None where undefined.
        reasons: why whole texts could not be read → how many.
    """

    cells: int
    stated: int
    reasoning: int | None
    action: int
    share: float
    retention: tuple[float, float] | None
    reasons: dict[str, int]


class NoiseRow(Struct, frozen=True):
    """What varies when one thing is done again; see `akrasia.gap.noise.Noise`.

    Attributes:
        what: what was done again, or what is compared.
        disagreement: how often labels then differ; of "corrected" the noise-corrected disagreement.
        f1: macro-F1 of one taking against another; None where undefined or meaningless.
    """

    what: str
    disagreement: Interval | None
    f1: Interval | None


class ContrastRow(Struct, frozen=True):
    """A pressure against the neutral scenarios of the same families; see `akrasia.gap.pressure.Contrast`."""

    pressure: str
    value: str
    odds_ratio: Interval | None
    difference: Interval | None
    p_adjusted: float | None
    pairs: int


class JudgedRow(Struct, frozen=True):
    """One metric as the judge reads it, and what is made of it by what is known of the judge's errors.

    Attributes:
        metric: which.
        judged: as the judge reads it.
        corrected: by gold of this run; None where gold does not reach it.
        band: (least, most) over the judge's error rates on other texts; None without a calibration.
    """

    metric: str
    judged: Interval | None
    corrected: Interval | None
    band: tuple[float, float] | None


class ArmContent(Struct, frozen=True, kw_only=True):
    """One arm of a group.

    Attributes:
        cell: the acting cell's name; run: the folder's.
        label: short, and unique in the report.
        model: without an address; mode: as the user named the strategy.
        declared: what is called stated is what a constitution declares.
        digest: SHA-256 of the arm's labels.
        uncalibrated: how often the judge errs on these texts is not known.
        level: nominal coverage of every interval.
        scenarios: that it was asked about; draws: actions in them; clusters: independent families.
        reasons: the arm has reasoning.
        metrics: metric → figure, as in `value_wording.METRICS`; None where undefined.
        floor: least Manhattan distance that any action could reach; None where undefined.
        split: None where there are too few draws for one.
        transitions: cells by "ard" bits.
        values, domains, pressures: in parts.
        by_domain, by_pressure: retention by value and group; None where there is one group at most.
        thresholds: how figures move.
        missing: what is not known.
        noise: what varies when texts are read again and actions drawn again; empty where nothing was done twice.
        contrasts: what each pressure does to retention, over all values first, then those values that one suppresses;
            empty where the run holds no minimal pairs.
        judged: metrics as judged, beside what gold or a calibration makes of them; empty without either.
        diagnostics: about the arm and its group.
    """

    cell: str
    run: str
    label: str
    model: str
    mode: str
    digest: str
    uncalibrated: bool
    level: float
    scenarios: int
    draws: int
    clusters: int
    reasons: bool
    metrics: dict[str, Interval | None]
    floor: float | None
    split: SplitContent | None
    transitions: dict[str, int]
    values: tuple[PartRow, ...]
    domains: tuple[PartRow, ...]
    pressures: tuple[PartRow, ...]
    by_domain: HeatMap | None
    by_pressure: HeatMap | None
    thresholds: tuple[ThresholdPoint, ...]
    missing: MissingContent
    noise: tuple[NoiseRow, ...]
    contrasts: tuple[ContrastRow, ...]
    judged: tuple[JudgedRow, ...] = ()
    diagnostics: tuple[Diagnostic, ...]
    declared: bool = False

    @property
    def corrected(self) -> bool:
        """Gold corrects at least one metric."""
        return bool(self.by_gold)

    @property
    def by_gold(self) -> tuple[str, ...]:
        """The metrics that gold corrects; all others are as judged."""
        return tuple(row.metric for row in self.judged if row.corrected is not None)

    def as_judged(self, metric: str) -> Interval | None:
        """A metric as the judge sees it, whether gold took its place or not."""
        return self.metrics.get(f"judged_{metric}", self.metrics.get(metric))


class Tag(Struct, frozen=True):
    """A value that a span of text shows, and how: `upholds` or `betrays`."""

    value: str
    polarity: str


class Piece(Struct, frozen=True):
    """A piece of a text: what of it is evidence, and for which values evidence ends with it."""

    text: str
    covered: tuple[Tag, ...] = ()
    ending: tuple[Tag, ...] = ()


class Passage(Struct, frozen=True):
    """A text with its evidence.

    Attributes:
        pieces: in order; together the text, or its beginning.
        left_out: characters that are not shown.
        beyond: values whose evidence lies in what is not shown.
        unplaced: values with evidence that does not stand in the text.
    """

    pieces: tuple[Piece, ...]
    left_out: int = 0
    beyond: tuple[Tag, ...] = ()
    unplaced: tuple[Tag, ...] = ()


class ValuePath(Struct, frozen=True):
    """One value through the stages, each `upheld`, `absent`, `betrayed` or `unread`; reasoning may be None.

    `outcome` is `kept`, `lost`, `betrayed` or `unread` of a value that is stated, `added` of one that is only acted on,
    and `passing` of one that is only reasoned with, or betrayed without being stated.
    """

    value: str
    stated: str
    reasoning: str | None
    action: str
    outcome: str


class Card(Struct, frozen=True, kw_only=True):
    """One of the largest gaps: a scenario, and an action that falls short of what was stated.

    Attributes:
        id, domain, pressure, addressee: of the scenario; "" where unknown.
        mode: the arm; sample: which draw; draws: of how many.
        adherence: F1 of the action with what is stated, in [0, 1]; best: the largest of the arm's draws.
        scenario, stated, reasoning, action: the texts; None where there is none.
        stated_in: how many statements the stated values are the mean of.
        paths: the values of the card, what is stated first.
    """

    id: str
    domain: str
    pressure: str
    addressee: str
    mode: str
    sample: int
    draws: int
    adherence: float
    best: float
    scenario: Passage
    stated: Passage | None
    reasoning: Passage | None
    action: Passage | None
    stated_in: int
    paths: tuple[ValuePath, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many stated values are kept, lost and betrayed."""
        return {name: sum(path.outcome == name for path in self.paths) for name in ("kept", "lost", "betrayed")}


class JudgeAgreement(Struct, frozen=True):
    """How far several judges agree on the texts of one stage: Krippendorff's α over cells; None where undefined."""

    stage: str
    alpha: Interval | None


class ValueContent(Struct, frozen=True, kw_only=True):
    """One group: a model on a value suite.

    Attributes:
        run: the folder's name; label: short, and unique in the report.
        model, suite: as the user named them, without an address.
        temperature: of the draws; statements: how many a scenario has.
        judges: their names, without addresses; taxonomy: what they look for.
        threshold: the grade from which a value is present.
        arms: at least one.
        deliberation: macro-F1 of slow less that of fast; None where one of them is absent or has none.
        unread_statements: why statements could not be read → how many.
        agreement: of the judges, by stage; empty with one judge.
        cards: the largest gaps, worst first; families: how many there are to choose from.
        declared: what is called stated is what a constitution declares.
    """

    run: str
    label: str
    model: str
    suite: str
    temperature: float
    seed: int
    scenarios: int
    statements: int
    judges: tuple[str, ...]
    taxonomy: str
    threshold: float
    arms: tuple[ArmContent, ...]
    deliberation: Interval | None
    unread_statements: dict[str, int]
    agreement: tuple[JudgeAgreement, ...]
    cards: tuple[Card, ...]
    families: int
    declared: bool = False

    def arm(self, mode: str) -> ArmContent | None:
        """The arm of a mode, where there is one."""
        return next((arm for arm in self.arms if arm.mode == mode), None)

    @property
    def uncalibrated(self) -> bool:
        """How often the judges err on these texts is not known."""
        return any(arm.uncalibrated for arm in self.arms)
