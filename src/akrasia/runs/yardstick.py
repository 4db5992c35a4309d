"""What made the figures of a run beside its model: the yardstick of a suite, and the settings that a cell drew with.

A yardstick is all that makes utilities of candidates: what the suite's utilities declare that they rest on. Figures by
two yardsticks are of two kinds, and not compared. Settings shape what is drawn, which may be just what is to be
compared: they are told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from akrasia.core import Sampling
from akrasia.models import model_identity
from akrasia.runs.auditing import audits
from akrasia.runs.config import AUDIT_ROLES, MAY_CHANGE, RunConfig
from akrasia.runs.value_labels import rates, states
from akrasia.stats.diagnostic import Diagnostic
from akrasia.utilities.registry import ADHERENCE, UTILITIES

if TYPE_CHECKING:
    from akrasia.core import Fingerprint
    from akrasia.core.cell import Cell
    from akrasia.runs.reader import Run

NAMED = frozenset({"model", "suite", "strategy", "temperature", "seed"})
"""Keys of a configuration by which cells are named, and so matched or told apart."""

AMOUNTS = frozenset({"samples", "limit", "until_width", "judge_repeats"})
"""Keys that say how much is drawn and read: figures are of what both sides have, and of each judge's first reading."""

DRAWN = frozenset({"max_tokens", "top_p", "stop", "logprobs", "auditor", "allow_same_judge", *AUDIT_ROLES})
"""Keys that shape what is drawn. The others are of a yardstick (a utility's `settings`), or change nothing measured."""

MOST_NAMED = 3
"""So many cells are named by a setting that does not differ in all, the others counted."""


class Trait(Struct, frozen=True):
    """One thing that figures depend on.

    Attributes:
        shown: for readers.
        exact: what must be equal for two to be the same; it may say more than is shown.
    """

    shown: str
    exact: object


Traits = dict[str, Trait]


def yardstick(run: Run, suite: str) -> Traits:
    """All by which candidates of a suite get their utilities in a run, by name, beside the suite itself.

    Args:
        run: an open run.
        suite: as the run names it.
    """
    found: Traits = {}
    for utility in sorted({item.utility or ADHERENCE for item in run.items(suite)}):
        kind = _kind(utility)
        for key in _keys(kind):
            found[key] = _setting(run, key)
        for family in map(_family, getattr(kind, "prompts", ())):
            found[f"prompt {family}"] = _prompts(run, family)
        if utility == ADHERENCE:
            found |= _statements(run, suite)
    return found


def _keys(kind: object) -> tuple[str, ...]:
    """The keys by which a utility measures; all that can be, where it is gone, or asks a judge and declares none."""
    if kind is None or (hasattr(kind, "judge") and not hasattr(kind, "settings")):
        others = NAMED | AMOUNTS | DRAWN | MAY_CHANGE
        return tuple(key for key in RunConfig.__struct_fields__ if key not in others)
    return getattr(kind, "settings", ())


def _kind(utility: str) -> object:
    """What a name of a utility stands for: its class, or whatever makes it; None where it is not installed."""
    if utility != ADHERENCE:
        return UTILITIES.get(utility) if utility in UTILITIES else None
    from akrasia.utilities.adherence import Adherence  # it loads the judges

    return Adherence


def _setting(run: Run, key: str) -> Trait:
    """A key of the configuration; where it names something, what that was."""
    value = getattr(run.manifest.run, key)
    if key == "judge":
        judges = run.manifest.judges
        return Trait(", ".join(sorted(name for name in judges if not name.endswith(" model"))) or "none", judges)
    if key == "values":
        return Trait(value, run.manifest.values)
    return _plain(value)


def _plain(value: object) -> Trait:
    if value is None or value == ():
        return Trait("not set", None)
    return Trait(", ".join(map(repr, value)) if isinstance(value, tuple | list) else str(value), value)


def _family(prompt: str) -> str:
    """A prompt's name without its version."""
    return prompt.rpartition(".v")[0]


def _prompts(run: Run, family: str) -> Trait:
    """The versions of a prompt that a run used."""
    used = {name: print_ for name, print_ in run.manifest.prompts.items() if _family(name) == family}
    return Trait(", ".join(name.rpartition(".")[2] for name in used) or "none", used)


def _statements(run: Run, suite: str) -> Traits:
    """What actions are held against: the first cell that states, as `value_labels.arms` takes it."""
    stating = next((cell.strategy for cell in run.cells if cell.suite == suite and states(cell)), None)
    if stating is None:
        return {}
    wording = stating.partition(":")[2] or "1"
    return {"statements": Trait(stating, (wording, _prompts(run, f"task-state-{wording}").exact))}


def settings(run: Run, cell: Cell) -> Traits:
    """What shaped the candidates of a cell, by name, beside what its own name tells.

    Args:
        run: an open run.
        cell: one of its cells.
    """
    found = {key: _plain(getattr(cell.sampling, key)) for key in Sampling.__struct_fields__ if key not in NAMED}
    model = model_identity(cell.model)
    if (print_ := run.manifest.models.get(model)) is not None:
        shown = " ".join(part for part in (print_.name, print_.revision[:12], print_.backend) if part)
        found[f"model {model}"] = Trait(shown, print_)
    if (rests_on := run.manifest.strategies.get(cell.strategy)) is not None:
        found[f"what {cell.strategy} rests on"] = Trait(rests_on, rests_on)
    auditors = run.manifest.auditors
    if auditors and audits([cell.strategy]):  # strategies are not built again without need: their files may be gone
        found |= {role: _auditing(auditors, role) for role in ("auditor", *AUDIT_ROLES)}
        found["values of the audit"] = Trait(run.manifest.run.values, (run.manifest.run.values, run.manifest.values))
    return found


def _auditing(auditors: Mapping[str, Fingerprint], role: str) -> Trait:
    """Who took a part in an audit, and the model behind it."""
    mine = {name.removeprefix(f"{role} "): who for name, who in auditors.items() if name.startswith(f"{role} ")}
    named = [name for name in mine if not name.startswith("model ")] or [name.removeprefix("model ") for name in mine]
    return Trait(", ".join(named) or "the model itself", mine)


def differing(sides: Sequence[tuple[str, Traits]], *, lacking: bool) -> dict[str, str]:
    """What does not agree among several sides, by name, as a clause: "votes 2 in a and 8 in b".

    Args:
        sides: a name for each, and its traits.
        lacking: whether a trait that some side does not have is a difference; else it does not apply there.
    """
    found = {}
    for name in dict.fromkeys(name for _, traits in sides for name in traits):
        if not lacking and any(name not in traits for _, traits in sides):
            continue
        nothing = Trait("none", None)
        having = [(side, traits.get(name, nothing)) for side, traits in sides]
        if all(trait.exact == having[0][1].exact for _, trait in having):
            continue
        if len({trait.shown for _, trait in having}) == 1:
            found[name] = f"{name} {having[0][1].shown} in several versions"
        else:
            found[name] = f"{name} {' and '.join(f'{trait.shown} in {side}' for side, trait in having)}"
    return found


def settings_note(pairs: Sequence[tuple[str, Sequence[tuple[str, Traits]]]]) -> list[Diagnostic]:
    """Which settings differ, in one line; nothing where none does.

    Args:
        pairs: of what is compared its name, and each side's name and settings.
    """
    told: dict[str, list[str]] = {}
    for cell, sides in pairs:
        for clause in differing(sides, lacking=False).values():
            told.setdefault(clause, []).append(cell)
    if not told:
        return []
    clauses = [clause + _where(cells, len(pairs)) for clause, cells in told.items()]
    return [
        Diagnostic(
            "settings_differ",
            f"What is compared was drawn with different settings, and differs by them as well: {'; '.join(clauses)}.",
            "warning",
        )
    ]


def _where(cells: Sequence[str], total: int) -> str:
    if len(cells) == total:
        return ""
    more = f" and {len(cells) - MOST_NAMED} more" if len(cells) > MOST_NAMED else ""
    return f" (of {', '.join(cells[:MOST_NAMED])}{more})"


def prompts_note(a: Mapping[str, str], b: Mapping[str, str]) -> list[Diagnostic]:
    """Which prompts two runs used in different versions.

    Args:
        a: fingerprints of the prompts of one run, by name.
        b: of the other.
    """
    families: list[dict[str, dict[str, str]]] = [{}, {}]
    for side, prompts in zip(families, (a, b), strict=True):
        for name, print_ in prompts.items():
            side.setdefault(_family(name), {})[name] = print_
    changed = {
        name
        for family in families[0].keys() & families[1].keys()
        if families[0][family] != families[1][family]
        for name in (*families[0][family], *families[1][family])
    }
    if not changed:
        return []
    said = f"The runs used different versions of the prompts {', '.join(sorted(changed))}."
    return [Diagnostic("prompts_differ", said, "warning")]


def side_by_side(runs: Sequence[tuple[str, Run]]) -> list[Diagnostic]:
    """What a reader of several runs on one page must know: where they were measured, or drawn, differently.

    Args:
        runs: a name for each, and the open run.
    """
    measured: list[Diagnostic] = []
    drawn: list[tuple[str, list[tuple[str, Traits]]]] = []
    for suite, asked in _shared_suites(runs):
        parts = differing([(name, yardstick(run, mine)) for name, run, mine in asked], lacking=True)
        if parts:
            said = f"{suite} is measured with several yardsticks, and figures by one are not of a kind with those by "
            said += f"another: {'; '.join(parts.values())}."
            measured.append(Diagnostic("yardsticks_differ", said, "warning"))
        drawn += _shared_strategies(suite, asked)
    return measured + settings_note(drawn)


def _shared_suites(runs: Sequence[tuple[str, Run]]) -> Iterator[tuple[str, list[tuple[str, Run, str]]]]:
    """Every suite that several runs asked, with each run and its name for it; one suite may go by two names."""
    asked: dict[str, list[tuple[str, Run, str]]] = {}
    for name, run in runs:
        for suite, print_ in run.manifest.suites.items():
            if any(cell.suite == suite for cell in run.cells):
                asked.setdefault(print_, []).append((name, run, suite))
    for those in asked.values():
        if len({name for name, _, _ in those}) > 1:
            yield those[0][2], those


def _shared_strategies(
    suite: str, asked: Sequence[tuple[str, Run, str]]
) -> Iterator[tuple[str, list[tuple[str, Traits]]]]:
    """Every strategy that several runs took to a suite, with each run's settings."""
    sides: dict[str, dict[str, Traits]] = {}
    for name, run, mine in asked:
        for cell in run.cells:
            if cell.suite == mine and not states(cell) and not rates(cell):
                sides.setdefault(cell.strategy, {}).setdefault(name, settings(run, cell))
    for strategy, those in sides.items():
        if len(those) > 1:
            yield f"{suite} {strategy}", list(those.items())
