"""Who audits in a run: the auditor's judge, the models that plan, rewrite and guard, and that none of it evaluates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from akrasia.core import Fingerprint, InputError, Model
from akrasia.models import ModelSettings, build_model, model_identity
from akrasia.runs.config import AUDIT_ROLES, RunConfig
from akrasia.strategies import build_strategy
from akrasia.strategies.base import Live

if TYPE_CHECKING:
    from akrasia.core.cell import Cell
    from akrasia.judges import Judge
    from akrasia.runs.reader import Run
    from akrasia.stats.diagnostic import Diagnostic
    from akrasia.strategies.audited import Auditing


def audits(strategies: Iterable[str]) -> bool:
    """Whether any of these strategies needs an auditor."""
    found = map(build_strategy, strategies)
    return any(isinstance(strategy, Live) and strategy.needs_auditor for strategy in found)


def auditing_of(config: RunConfig) -> Auditing | None:
    """Who audits in a run of this configuration, and what texts are held against; None where nothing is audited.

    Raises:
        InputError: a strategy audits and no auditor is named, it cannot read the values, or it evaluates as well.
    """
    auditing = [text for text in config.strategy if audits([text])]
    if not auditing:
        return None
    if config.auditor is None:
        raise InputError(
            f"strategy {auditing[0]!r} needs somebody who audits: name a judge with --auditor encoder or llm:MODEL, "
            "another one than evaluates (--judge)"
        )
    # Loaded on use: a run without an audit starts without them.
    from akrasia.audit import constitution_target
    from akrasia.judges import build_judge
    from akrasia.strategies.audited import Auditing
    from akrasia.values import TAXONOMIES, find_values

    judge = build_judge(config.auditor)
    taxonomy = find_values(config.values)
    judge.check(taxonomy)
    same = same_judge(config, judge)
    if same and not config.allow_same_judge:
        raise InputError(
            f"{same} would evaluate (--judge) what it steers (--auditor), and find its own work good: name another "
            "judge, or --allow-same-judge, which every report of the run then says"
        )
    constitution = None if config.values in TAXONOMIES else constitution_target(taxonomy)
    return Auditing(judge, taxonomy, constitution, _state_wording(config))


def _state_wording(config: RunConfig) -> int:
    """The wording of the cell that actions are measured against: the first that states."""
    stating = [text.partition(":")[2] for text in config.strategy if text.partition(":")[0] == "state"]
    return int(stating[0]) if stating and stating[0] else 1


def same_judge(config: RunConfig, auditor: Judge) -> str:
    """The name of the judge that evaluates and steers as well; "" where there is none."""
    from akrasia.judges import build_judge, judge_identity

    for judge in map(build_judge, config.judge):
        # The same head under two names is one judge.
        twins = auditor.model is None and judge.model is None and auditor.fingerprint == judge.fingerprint
        if twins or judge_identity(judge) == judge_identity(auditor):
            return judge_identity(judge)
    return ""


def audit_identity(key: str, name: str) -> str:
    """An auditor's or a model's name without its address.

    Args:
        key: of the configuration.
        name: what it holds.
    """
    if key != "auditor":
        return model_identity(name)
    from akrasia.judges import build_judge, judge_identity

    return judge_identity(build_judge(name))


class Auditors:
    """The models behind an audit, built but not open, and what identifies them.

    Args:
        config: the run's.
        auditing: of `auditing_of`; None: nothing is audited.
        settings: how models are run.
    """

    def __init__(self, config: RunConfig, auditing: Auditing | None, settings: ModelSettings) -> None:
        self._auditing = auditing
        self._settings = settings
        named = {role: getattr(config, role) for role in AUDIT_ROLES}
        if auditing is not None and auditing.judge.model is not None:
            named["auditor"] = auditing.judge.model
        self.models: dict[str, str] = (
            {} if auditing is None else {role: name for role, name in named.items() if name is not None}
        )
        """The name of the model that answers under each role; a role that is not here is the cell's own model."""
        self.same_judge = "" if auditing is None else same_judge(config, auditing.judge)

    def roles(self, there: Mapping[str, Model]) -> dict[str, Model]:
        """The model of every role; those that the run has open anyway are not built again.

        Args:
            there: the run's own models, by name.
        """
        built: dict[str, Model] = {}
        for name in self.models.values():
            if name not in built:
                built[name] = there[name] if name in there else build_model(name, settings=self._settings)
        return {role: built[name] for role, name in self.models.items()}

    def fingerprints(self, roles: Mapping[str, Model]) -> dict[str, Fingerprint]:
        """What the auditor's verdicts and the rewrites depend on, once the models are open."""
        if self._auditing is None:
            return {}
        from akrasia.judges import judge_identity

        judge = self._auditing.judge
        found = {f"auditor {judge_identity(judge)}": judge.fingerprint}
        for role, name in self.models.items():
            found[f"{role} model {model_identity(name)}"] = roles[role].fingerprint
        return found


def same_judge_note(run: Run, cells: Sequence[Cell]) -> list[Diagnostic]:
    """What a reader must know of cells that were audited by the judge that evaluates them; empty for all others."""
    from akrasia.stats.diagnostic import Diagnostic

    judge = run.manifest.same_judge
    if not judge:
        return []  # strategies are not built again without need: their files may be gone by now
    steered = [cell.strategy for cell in cells if audits([cell.strategy])]
    if not steered:
        return []
    return [
        Diagnostic(
            "same_judge",
            f"same judge: {judge} steered {', '.join(steered)} and evaluates it: what looks like a gain may be no more "
            "than that judge's own liking. Evaluate with another judge to know.",
            "warning",
        )
    ]


def check_audit_keys(config: RunConfig, on_notice: Callable[[str], None]) -> None:
    """Say which keys of an audit have nothing to do."""
    idle = [key for key in ("auditor", *AUDIT_ROLES) if getattr(config, key) is not None]
    if idle and not audits(config.strategy):
        on_notice(f"--{idle[0]} has nothing to do: no strategy audits (--strategy audited)")
