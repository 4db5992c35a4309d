"""Policies that change while the gateway runs: a good file applies from the next request on, a bad one never."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from akrasia.core import InputError
from akrasia.gateway.keys import Keys
from akrasia.gateway.policy_file import read_policies

if TYPE_CHECKING:
    from akrasia.gateway.server import Gateway

_EVERY_S = 1.0
_GONE = (0, 0)

Signature = tuple[tuple[str, int, int], ...]


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
        self._told = ""
        self._wanted = asyncio.Event()
        self._seen = self._signature()

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
            seen = self._signature()
            if self._wanted.is_set() or seen != self._seen:
                self._wanted.clear()
                self._seen = seen
                await self.reload()

    async def reload(self) -> None:
        """Let the files as they are now apply; where they are bad, keep what applies and tell.

        Keys are renewed whatever becomes of the policy: one that was taken back must not go on working.
        """
        gateway = self._gateway
        self._renew_keys()
        good = False
        try:
            # A judge may take a while to load, and requests must not wait for it.
            policies = await asyncio.to_thread(read_policies, self._path)
            await gateway.use(policies)
        except InputError as error:
            gateway.notice(f"the old policy stays: {error}")
        else:
            good = self._renew_keys()
            self._seen = self._signature()
            gateway.notice(f"policy {policies.default.name} reloaded ({policies.default.fingerprint})")
        gateway.metrics.reloads.add("applied" if good else "refused")
        gateway.metrics.stale.set(to=not good)

    def _renew_keys(self) -> bool:
        """Let the keys of the policy that applies be let in; a door that was locked never opens. False: a bad file."""
        door, named = self._gateway.door, self._gateway.policies.keys
        place = self._keys or (Path(named) if named else None)
        if place is None and door.keys is None:
            return True
        before = door.keys
        try:
            door.keys = Keys.read(place) if place is not None and _stamp(place) != _GONE else Keys({})
        except InputError as error:
            door.keys = before if before is not None else Keys({})
            self._tell(f"the old keys stay: {error}")
            return False
        where = f"{place} has none" if place is not None else f"{self._path} names no file of them"
        self._tell("" if door.keys else f"no API key is left, so nobody is let in: {where}; add one, or start again")
        return True

    def _tell(self, line: str) -> None:
        """Tell the operator once of the state of the keys; "" when there is nothing to tell."""
        if line and line != self._told:
            self._gateway.notice(line)
        self._told = line

    def _signature(self) -> Signature:
        policies = self._gateway.policies
        places = [str(self._path), *policies.files, *filter(None, (str(self._keys or ""), policies.keys))]
        return tuple((place, *_stamp(Path(place))) for place in dict.fromkeys(places))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return _GONE  # which is a change as well
    return (found.st_mtime_ns, found.st_size)
