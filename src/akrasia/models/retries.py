"""How long one call keeps trying after faults, and when it gives the endpoint up as lost."""

from __future__ import annotations

import random
import time

from akrasia.core import EndpointLost
from akrasia.models.build import ModelSettings
from akrasia.models.chat_faults import Fault, Kind

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0
_FIRST_CONTACT_RETRIES = 3


class Retries:
    """The retries of one call.

    Faults are counted; waits for a rate-limited endpoint are timed, since a busy endpoint is not a broken one. An
    endpoint that has never answered anything gets a few quick tries only: the address is probably wrong.

    Args:
        name: the model, for messages.
        settings: how often and how long.
    """

    def __init__(self, name: str, settings: ModelSettings) -> None:
        self._name = name
        self._settings = settings
        self._faults = 0
        self._waits = 0
        self._began = time.monotonic()

    def delay_s(self, fault: Fault, *, answered: bool) -> float:
        """How long to wait before the next try: full jitter under a doubling bound.

        A pause that the endpoint asked for is not in it: the limiter holds everybody back for that long.

        Args:
            fault: a fault that may pass.
            answered: the endpoint has answered something before, be it an error.

        Raises:
            EndpointLost: no try is left.
        """
        if fault.kind is Kind.RATE_LIMITED:
            return self._wait_s(fault)
        self._faults += 1
        first_contact = fault.unreachable and not answered
        allowed = (
            min(_FIRST_CONTACT_RETRIES, self._settings.max_retries) if first_contact else self._settings.max_retries
        )
        if self._faults > allowed:
            hint = "is the server running, and the address right?" if first_contact else "try again when it answers"
            raise EndpointLost(f"{self._name}: {fault.message}; gave up after {self._faults} tries: {hint}")
        self._check_patience(fault.pause_s or 0.0, fault)
        return _jitter_s(self._faults)

    def _wait_s(self, fault: Fault) -> float:
        self._waits += 1
        waited = time.monotonic() - self._began
        self._check_patience(waited + (fault.pause_s or 0.0), fault)
        return 0.0 if fault.pause_s is not None else _jitter_s(self._waits)

    def _check_patience(self, wait_s: float, fault: Fault) -> None:
        if wait_s > self._settings.patience_s:
            advice = "run the same command later, or with a lower concurrency"
            raise EndpointLost(
                f"{self._name}: {fault.message}; it wants {wait_s:.0f} s of waiting in all, and our patience ends at "
                f"{self._settings.patience_s:.0f} s{f': {advice}' if self._settings.resumable else ''}"
            )


def _jitter_s(attempt: int) -> float:
    return random.uniform(0.0, min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** (attempt - 1)))  # noqa: S311 (no secret)
