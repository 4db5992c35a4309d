"""What a store holds in all, by cell: candidates, tokens by role, what auditors did. Unknown tokens are no zeros."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class RoleTotals(Struct, frozen=True):
    """What one role answered in a cell. Token sums are of the calls that reported any; None where none did.

    Attributes:
        unknown: calls of which the endpoint did not report all tokens.
        no_prompt, no_completion: calls of which it did not report those of the prompt, or those generated.
    """

    role: str
    calls: int
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    unknown: int
    no_prompt: int
    no_completion: int


class AuditCount(Struct, frozen=True):
    """What the audits of a cell came to, in candidates.

    Attributes:
        audited: those with a trail.
        revised: those of which a rewrite stands.
        refused_by_guard: those of which the guard refused a rewrite.
        unmade: those of which a revision came to no rewrite: the planner or the rewriter could not be read, or refused.
        missing: those of which a text could not be measured, so that it stands unaudited.
    """

    audited: int
    revised: int
    refused_by_guard: int
    unmade: int
    missing: int


class CellTotals(Struct, frozen=True):
    """What a cell holds, and what was bought for it by role."""

    name: str
    candidates: int
    failures: int
    missing: int
    items: int
    roles: tuple[RoleTotals, ...]

    @property
    def calls(self) -> int:
        """Of all roles."""
        return sum(role.calls for role in self.roles)

    @property
    def prompt_tokens(self) -> int | None:
        """Of all calls; None where those of one are not known, since a part is not the whole."""
        return None if any(role.no_prompt for role in self.roles) else _sum(role.prompt_tokens for role in self.roles)

    @property
    def completion_tokens(self) -> int | None:
        """As the prompt's."""
        found = _sum(role.completion_tokens for role in self.roles)
        return None if any(role.no_completion for role in self.roles) else found

    @property
    def tokens(self) -> int | None:
        """Of prompts and replies; None where any are not known."""
        prompt, completion = self.prompt_tokens, self.completion_tokens
        return None if prompt is None or completion is None else prompt + completion

    @property
    def tokens_reported(self) -> int:
        """Those that calls reported: a lower bound of all."""
        return sum(_sum((role.prompt_tokens, role.completion_tokens)) for role in self.roles)


def _sum(numbers: Iterable[int | None]) -> int:
    return sum(number for number in numbers if number is not None)
