"""The judges of a run: who they are, which models answer for them, and the values that they look for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from akrasia.core import Fingerprint, Model
from akrasia.models import ModelSettings, build_model
from akrasia.runs.auditing import Auditors
from akrasia.runs.config import RunConfig

if TYPE_CHECKING:
    from akrasia.judges import Judge
    from akrasia.strategies.audited import Auditing
    from akrasia.utilities.adherence import Adherence
    from akrasia.values import Taxonomy


def model_settings(config: RunConfig, on_notice: Callable[[str], None]) -> ModelSettings:
    """How all models of a run are run."""
    return ModelSettings(
        concurrency=config.concurrency, timeout_s=config.timeout_s, keep_raw=config.keep_raw, on_notice=on_notice
    )


class Bench:
    """The judges that a configuration names, built but not open.

    Args:
        config: the run's.
        on_notice: called with one line that the user should see.
        auditing: who audits; None where nothing is audited.

    Raises:
        InputError: an unknown judge, a taxonomy that is not there, or one that a judge cannot read.
    """

    def __init__(self, config: RunConfig, on_notice: Callable[[str], None], auditing: Auditing | None = None) -> None:
        self._config = config
        self._settings = model_settings(config, on_notice)
        self.auditors = Auditors(config, auditing, self._settings)
        self.judges: tuple[Judge, ...] = ()
        self.taxonomy: Taxonomy | None = None
        if config.judge:
            # Loaded on use: a run without judges starts without them.
            from akrasia.judges import build_judge
            from akrasia.values import find_values

            self.judges = tuple(build_judge(text) for text in config.judge)
            self.taxonomy = find_values(config.values)

    @cached_property
    def roles(self) -> dict[str, Model]:
        """The model that answers for each judge that asks one, by role."""
        return {
            role: build_model(judge.model, settings=self._settings)
            for judge, role in zip(self.judges, self._names, strict=True)
            if judge.model is not None
        }

    @property
    def _names(self) -> list[str]:
        return ["judge" if number == 1 else f"judge-{number}" for number in range(1, len(self.judges) + 1)]

    @cached_property
    def adherence(self) -> Adherence | None:
        """What has them read value suites; None where there is no judge."""
        if self.taxonomy is None:
            return None
        from akrasia.utilities.adherence import Adherence

        for judge in self.judges:
            judge.check(self.taxonomy)
        return Adherence(self.judges, self._names, self.taxonomy, repeats=self._config.judge_repeats)

    @property
    def asking(self) -> Adherence | None:
        """As `adherence`, of those judges alone who ask a model; None where there is none."""
        from akrasia.utilities.adherence import Adherence

        pairs = [(judge, role) for judge, role in zip(self.judges, self._names, strict=True) if judge.model is not None]
        if self.taxonomy is None or not pairs:
            return None
        judges, roles = zip(*pairs, strict=True)
        return Adherence(judges, roles, self.taxonomy, repeats=self._config.judge_repeats)

    @property
    def models(self) -> dict[str, str]:
        """The name of the model that answers under each role: of the judges that ask one, and of those who audit."""
        judges = {
            role: judge.model for judge, role in zip(self.judges, self._names, strict=True) if judge.model is not None
        }
        return {**judges, **self.auditors.models}

    def fingerprints(self) -> dict[str, Fingerprint]:
        """What the verdicts of each judge depend on, and the models behind them, once these are open."""
        from akrasia.judges import judge_identity

        found = {judge_identity(judge): judge.fingerprint for judge in self.judges}
        for judge, role in zip(self.judges, self._names, strict=True):
            if judge.model is not None:
                found[f"{judge_identity(judge)} model"] = self.roles[role].fingerprint
        return found

    def values_fingerprint(self) -> str:
        """A hash over the values that are looked for; "" without judges."""
        return "" if self.taxonomy is None else self.taxonomy.fingerprint
