"""What a stored run teaches about items not yet asked: the prior of `akrasia.risk`, with where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from akrasia import __version__
from akrasia.audit import adherence, constitution_target
from akrasia.core import Fingerprint, InputError, Judgement, Reading
from akrasia.core.cell import Cell
from akrasia.gap.overlap import scenario_f1
from akrasia.judges import build_judge, judge_identity
from akrasia.models import model_identity
from akrasia.risk import Replay, StoppingRule, fit_prior, match_best_of, replay
from akrasia.runs.gold import direct_cell
from akrasia.runs.value_labels import arms, mean_known, stage_reads
from akrasia.strategies.prior_file import PriorFile, Provenance, Verifier
from akrasia.strategies.scorers import STATED, against
from akrasia.values import find_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from akrasia.runs.reader import Run


class Values(Struct, frozen=True):
    """What a verifier said of a cell's candidates.

    Attributes:
        verifier: whose values.
        values: (M, K) in [0, 1], NaN where missing.
        utilities: (M, K) what the run's other judges say, their mean; None where there is no other.
        clusters: (M,) families.
    """

    verifier: Verifier
    values: NDArray[np.float64]
    utilities: NDArray[np.float64] | None
    clusters: tuple[str, ...]


class Learnt(Struct, frozen=True):
    """A prior, and how its rule does on the run itself.

    Attributes:
        file: what is written.
        replay: the matched rule beside best-of-n on the run's own candidates; None where nothing was matched, or the
            run's items have too few candidates.
        left_out: items of the run of which no candidate has a value.
    """

    file: PriorFile
    replay: Replay | None
    left_out: int = 0


def learn_prior(
    run: Run,
    cell: str | None = None,
    *,
    judge: str | None = None,
    constitution: bool = False,
    match: int | None = None,
    most: int | None = None,
) -> Learnt:
    """Learn a prior from one cell.

    Args:
        run: an open run; it may be unfinished.
        cell: which, by (part of) its name; None: the first of direct draws, of a value run the first that acts.
        judge: of a value run: whose values; None: the only judge's. The others' mean is then taken for the utility.
        constitution: hold actions against the values that the judges looked for, as a gateway does; else against what
            the model states.
        match: n of the best-of-n that the rule should be as good as.
        most: horizon for that; None: see `akrasia.risk.match_best_of`.

    Raises:
        InputError: there is no such cell or judge, or the run tells nothing of the kind.
    """
    chosen = _cell(run, cell)
    found = _values(run, chosen, judge, constitution=constitution)
    prior = fit_prior(found.values, clusters=list(found.clusters), utilities=found.utilities)
    file = PriorFile(verifier=found.verifier, prior=prior, provenance=_provenance(run, chosen, found))
    left_out = int(np.isnan(found.values).all(axis=1).sum())
    if match is None:
        return Learnt(file, None, left_out)
    matched = match_best_of(prior, match, most=most)
    file = replace(file, match=matched)
    needed = max(match, matched.most)
    deep = (~np.isnan(found.values)).sum(axis=1) >= needed
    if len({family for family, enough in zip(found.clusters, deep, strict=True) if enough}) < 2:
        return Learnt(file, None, left_out)
    rule = StoppingRule(prior, matched.cost, matched.most)
    shown = replay(rule, found.values, match, utilities=found.utilities, clusters=list(found.clusters))
    return Learnt(file, shown, left_out)


def _cell(run: Run, name: str | None) -> Cell:
    if name is None and any(cell.strategy.partition(":")[0] == "state" for cell in run.cells):
        acting = [cell for group in arms(run) for cell in group.modes.values() if not cell.pooled]
        if not acting:
            raise InputError(f"{run.folder} states values and never acts: add --strategy fast and run again")
        chosen = acting[0]
    else:
        chosen = direct_cell(run, name)
    if chosen.sampling.temperature == 0:
        raise InputError(f"{chosen.name} is deterministic: one more candidate is the same again; name another --cell")
    if run.manifest.run.until_width is not None and chosen.strategy == "direct":
        return chosen
    if chosen.samples < 2:
        raise InputError(f"{chosen.name} has one candidate of each item, which tells no items apart: add --samples 16")
    return chosen


def _values(run: Run, cell: Cell, judge: str | None, *, constitution: bool) -> Values:
    pool = run.pool(cell)
    judged = [item.id for item in pool.items if item.utility is None]
    if judged:
        return _judged(run, cell, judge, constitution=constitution)
    for option, given in (("--judge", judge is not None), ("--against constitution", constitution)):
        if given:
            raise InputError(f"{option} is for runs of value suites, and the candidates of {cell.name} have utilities")
    names = sorted({str(item.utility) for item in pool.items})
    reader = next(iter(run.manifest.judges), "") if "preference" in names else ""
    return Values(Verifier("+".join(names), reader), pool.utilities, None, pool.clusters)


def _judged(run: Run, cell: Cell, judge: str | None, *, constitution: bool) -> Values:
    group = next((one for one in arms(run) if cell in one.modes.values()), None)
    if group is None:
        raise InputError(f"{cell.name} does not act, so there is nothing to value: name a cell that does")
    acted, stated = stage_reads(run, group, cell, "action"), stage_reads(run, group, group.stated, "stated")
    if acted is None or (stated is None and not constitution):
        raise InputError(f"{run.folder}: no judge has read {cell.name} yet: go on with its `akrasia run`")
    reader = _judge(run, acted.judges, judge)
    if constitution:
        values = {name: _constitution_values(run, cell, name, acted.scores.shape[2:4]) for name in acted.judges}
        measure = against(find_values(run.manifest.run.values).name)
    else:
        measure, values = STATED, {}
        for name in acted.judges:
            if stated is not None and name in stated.judges:
                said = mean_known(stated.scores[stated.judges.index(name), 0], 1)
                values[name] = scenario_f1(said, acted.scores[acted.judges.index(name), 0])
        if reader not in values:
            raise InputError(f"{reader} has read no statement of {run.folder}: go on with its `akrasia run`")
    others = [found for name, found in values.items() if name != reader]
    utilities = mean_known(np.stack(others), 0) if others else None
    clusters = tuple(item.cluster or item.id for item in group.items)
    return Values(Verifier(measure, reader), values[reader], utilities, clusters)


def _judge(run: Run, judges: tuple[str, ...], wanted: str | None) -> str:
    if wanted is None:
        if len(judges) > 1:
            raise InputError(f"{run.folder} was read by {' and '.join(judges)}: name the one that steers with --judge")
        return judges[0]
    identity = judge_identity(build_judge(wanted))
    if identity not in judges:
        raise InputError(f"{identity} has read nothing in {run.folder}; its judges: {', '.join(judges)}")
    return identity


def _constitution_values(run: Run, cell: Cell, judge: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(S, K) adherence of every action to the values of the run."""
    import msgspec

    sought = find_values(run.manifest.run.values)
    if sought.fingerprint != run.manifest.values:
        raise InputError(
            f"{run.manifest.run.values} has changed since the judges of {run.folder} looked for its values"
        )
    target = constitution_target(sought)
    decode = msgspec.json.Decoder(dict[str, Reading]).decode
    row_of = {item.position: row for row, item in enumerate(run.items(cell.suite))}
    found = np.full(shape, np.nan)
    for row in run.judgements(cell, "action"):
        if row.judge != judge or row.repeat or row.missing is not None or row.sample >= shape[1]:
            continue
        value = adherence(Judgement(decode(row.readings)), target)
        if value is not None and row.position in row_of:
            found[row_of[row.position], row.sample] = value
    return found


def _provenance(run: Run, cell: Cell, found: Values) -> Provenance:
    manifest = run.manifest
    known = ~np.isnan(found.values)
    items = known.any(axis=1)
    drawn = sum(1 for _ in run.drawn(cell))
    unknown = Fingerprint(cell.model, "", "")
    return Provenance(
        cell=cell.name,
        suite=cell.suite,
        suite_fingerprint=manifest.suites.get(cell.suite, ""),
        model=manifest.models.get(model_identity(cell.model), unknown),
        judge=manifest.judges.get(found.verifier.judge) if found.verifier.judge else None,
        values=manifest.values,
        items=int(items.sum()),
        candidates=int(known.sum(axis=1).max()),
        missing=max(0, min(drawn, int(found.values[items].size)) - int(known.sum())),
        akrasia=__version__,
    )
