"""What `akrasia audit` says of each text and of all of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from akrasia.audit.records import Trail


class Finding(Struct, frozen=True):
    """A value that a text upholds or betrays, and the words of the text that show it."""

    value: str
    evidence: str | None


class Audited(Struct, frozen=True, omit_defaults=True):
    """One text, audited.

    Attributes:
        id: the transcript's.
        adherence: of the text as it was given; None where `missing` says why.
        lacking, betrayed, upheld: values of the target, those required first.
        trail: everything that the audit did; None where there was no audit.
        required: the required values among those lacking and betrayed: with any, the text fails as a whole.
        required_unread: the required values that could not be read.
        unread: value → why the judge could not read it.
        divided: where a panel audits: value of the target → judge → "upholds", "betrays", "absent" or "unread", of the
            values on which its judges differ. What each of them shows is in the trail.
        text: the mended text, where a rewrite was accepted.
        mended_adherence: its adherence.
        missing: why there is no measurement.
    """

    id: str
    adherence: float | None
    lacking: tuple[str, ...]
    betrayed: tuple[Finding, ...]
    upheld: tuple[Finding, ...]
    trail: Trail | None
    required: tuple[str, ...] = ()
    required_unread: tuple[str, ...] = ()
    unread: dict[str, str] = {}
    divided: dict[str, dict[str, str]] = {}
    text: str | None = None
    mended_adherence: float | None = None
    missing: str | None = None


class AuditSummary(Struct, frozen=True):
    """All texts of a file.

    Attributes:
        texts: how many there are.
        adherence: mean over those that were measured; None where none was.
        missing: how many were not measured.
        mended: how many have an accepted rewrite.
        required: required value → the number of texts that lack or betray it.
        required_unread: required value → the number of texts in which it could not be read, those missing included.
    """

    texts: int
    adherence: float | None
    missing: int
    mended: int
    required: dict[str, int]
    required_unread: dict[str, int]

    def failures(self, threshold: float) -> list[str]:
        """Why the texts fail below a threshold of their mean adherence; none: they pass.

        What is missing passes nothing: it fails where there is no other text, or no other reading of a required value.
        """
        found = [f"{value} is required, and {number} of {self.texts} texts lack or betray it"
                 for value, number in self.required.items() if number]  # fmt: skip
        found += [f"{value} is required, and could be read in no text"
                  for value, number in self.required_unread.items() if number == self.texts]  # fmt: skip
        if self.adherence is None:
            found.append("no text could be measured")
        elif self.adherence < threshold:
            found.append(f"adherence {self.adherence:.3f} is below {threshold:g}")
        return found


class Tally:
    """Sums over texts, so that none has to be kept.

    Args:
        required: the required values of what texts are held against.
    """

    def __init__(self, required: Iterable[str]) -> None:
        self._required = dict.fromkeys(required, 0)
        self._required_unread = dict(self._required)
        self._texts = self._missing = self._mended = 0
        self._total = 0.0

    def add(self, audited: Audited) -> None:
        """Count one text."""
        self._texts += 1
        self._mended += audited.text is not None
        if audited.adherence is None:
            self._missing += 1
        else:
            self._total += audited.adherence
        for value in audited.required:
            self._required[value] += 1
        for value in self._required_unread if audited.trail is None else audited.required_unread:
            self._required_unread[value] += 1

    def summary(self) -> AuditSummary:
        """All that was counted."""
        measured = self._texts - self._missing
        mean = self._total / measured if measured else None
        return AuditSummary(self._texts, mean, self._missing, self._mended, self._required, self._required_unread)
