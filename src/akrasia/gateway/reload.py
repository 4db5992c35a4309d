"""Policies that change while the gateway runs: a good file applies from the next request on, a bad one never."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from akrasia.core import InputError
from akrasia.gateway.keys import Keys
from akrasia.gateway.policy import OF_THE_START
from akrasia.gateway.policy_file import read_policies, refuse_empty
from akrasia.gateway.stamps import GONE, Stamp, stamp_of

if TYPE_CHECKING:
    from akrasia.gateway.policy import Limits, Policies
    from akrasia.gateway.server import Gateway

_EVERY_S = 1.0
_REST_S = 0.5
"""Seconds that files must have rested before they are read: an editor empties a file before it writes it."""


class Reloader:
    """Looks after the policy file, the files that it names, and the keys.

    Args:
        gateway: whose policies are renewed.
        path: the policy file.
        keys: a keys file that was given apart from the policy; None: the policy's.
    """

    def __init__(self, gateway: Gateway, path: Path, keys: Path | None = None) -> None:
        self._gateway = gateway
        self._path = path
        self._keys = keys
        self._began = gateway.limits
        self._told = ""
        self._bad_keys = False
        self._wanted = asyncio.Event()
        self._seen: dict[str, Stamp] = self._read(gateway.policies)

    def ask(self) -> None:
        """Read the files again, whether or not they changed."""
        self._wanted.set()

    async def watch(self) -> None:
        """Reload whenever a file changed or `ask` was called, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_EVERY_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            mended = self._bad_keys and self._renew_keys()
            if mended or self._wanted.is_set() or self._look() != self._seen:
                self._wanted.clear()
                await self._rested()
                await self.reload()

    async def reload(self) -> None:
        """Let the files as they are now apply; where they are bad, keep what applies and tell.

        Keys are renewed whatever becomes of the policy: one that was taken back must not go on working.
        """
        gateway = self._gateway
        self._seen = self._look()
        self._renew_keys()
        good, read = False, dict[str, Stamp]()
        try:
            # A judge may take a while to load, and requests must not wait for it.
            policies = await asyncio.to_thread(read_policies, self._path, read)
            self._refuse_silence(policies)
            audited, limits = _audits(gateway.policies), gateway.limits
            await gateway.use(policies)
        except InputError as error:
            gateway.notice(f"the old policy stays: {error}")
            self._seen |= read  # what is to be mended may be a file that only the new policy names
        else:
            good = self._renew_keys()
            self._seen = self._read(policies)
            gateway.notice(f"policy {policies.default.name} reloaded ({policies.default.fingerprint})")
            self._tell_limits(limits)
            if audited and not _audits(policies):
                gateway.notice(f"nothing is audited any more: every mode in {self._path} is pass")
        gateway.metrics.reloads.add("applied" if good else "refused")
        gateway.metrics.stale.set(to=not good)

    def _tell_limits(self, before: Limits) -> None:
        """Tell which limits are others than before, and which of the file's wait for the next start."""
        gateway = self._gateway
        now, began = asdict(gateway.limits), {name: getattr(self._began, name) for name in OF_THE_START}
        if gateway.audits is not None:
            began["audits"] = gateway.audits.at_once
        changed = [f"{name} = {_said(now[name])}" for name, old in asdict(before).items() if old != now[name]]
        applies = [one for one in changed if one.partition(" ")[0] not in began]
        if applies:
            gateway.notice(f"limits that changed: {', '.join(applies)}")
        waiting = [f"{name} stays {_said(old)}" for name, old in began.items() if old != now[name]]
        if waiting:
            gateway.notice(f"limits in {self._path} that wait for the next start, until which {', '.join(waiting)}")

    def _refuse_silence(self, policies: Policies) -> None:
        """A file that was emptied or cut short must not end the audits: only one that says so does.

        Raises:
            InputError: it says nothing of the mode, and what applies audits; or nothing at all, and a log is kept.
        """
        if not policies.mode_given and _audits(self._gateway.policies):
            said = 'no mode is given, and the policy that applies audits: write mode = "pass" to audit nothing'
            raise InputError(f"{self._path}: {said}")
        if self._gateway.log is not None:
            refuse_empty(policies, self._path)

    def _renew_keys(self) -> bool:
        """Let the keys of the policy that applies be let in; a door that was locked never opens. False: a bad file."""
        door, place = self._gateway.door, self._keys_place(self._gateway.policies)
        self._bad_keys = False
        if place is None and door.keys is None:
            return True
        if place is None or stamp_of(place) == GONE:
            door.keys = Keys({})
        else:
            try:
                door.keys = Keys.read(place)
            except InputError as error:
                # A line that is gone was taken out, however bad another is; a new one may be cut short.
                door.keys = (door.keys or Keys({})).still_in(place)
                self._bad_keys = True
                self._tell(f"of the old keys those are let in that still stand in the file, {len(door.keys)}: {error}")
                return False
        where = f"{place} has none" if place is not None else f"{self._path} names no file of them"
        self._tell("" if door.keys else f"no API key is left, so nobody is let in: {where}; add one, or start again")
        return True

    def _tell(self, line: str) -> None:
        """Tell the operator once of the state of the keys; "" when there is nothing to tell."""
        if line and line != self._told:
            self._gateway.notice(line)
        self._told = line

    async def _rested(self) -> None:
        """Return when two looks at the files, one after the other, find the same."""
        before = None
        while (now := self._look()) != before:
            before = now
            await asyncio.sleep(_REST_S)

    def _keys_place(self, policies: Policies) -> Path | None:
        return self._keys or (Path(policies.keys) if policies.keys else None)

    def _look(self) -> dict[str, Stamp]:
        """The files as they are now."""
        policies = self._gateway.policies
        keys = self._keys_place(policies)
        places = [str(self._path), *policies.stamps, *self._seen, *([] if keys is None else [str(keys)])]
        return {place: stamp_of(Path(place)) for place in places}

    def _read(self, policies: Policies) -> dict[str, Stamp]:
        """The files as they were when these policies, and the keys, were read from them."""
        door, place = self._gateway.door, self._keys_place(policies)
        keys = {} if place is None else {str(place): GONE if door.keys is None else door.keys.stamp}
        return {str(self._path): GONE, **policies.stamps, **keys}


def _said(limit: float | None) -> str:
    return "none" if limit is None else f"{limit:.15g}"


def _audits(policies: Policies) -> bool:
    return any(policy.mode != "pass" for policy in policies.all)
