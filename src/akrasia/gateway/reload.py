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
        """Let the files as they are now apply; where they are bad, keep what applies and tell."""
        gateway = self._gateway
        try:
            # A judge may take a while to load, and requests must not wait for it.
            policies = await asyncio.to_thread(read_policies, self._path)
            place = self._keys or (Path(policies.keys) if policies.keys else None)
            keys = None if place is None else Keys.read(place)
            if gateway.door.keys is not None and not keys:
                raise InputError(f"{self._path}: no API keys are left, and clients need one: restart to open the door")
            await gateway.use(policies)
        except InputError as error:
            gateway.metrics.reloads.add("refused")
            gateway.metrics.stale.set(to=1)
            gateway.notice(f"the old policy stays: {error}")
            return
        gateway.door.keys = keys
        self._seen = self._signature()
        gateway.metrics.reloads.add("applied")
        gateway.metrics.stale.set(to=0)
        gateway.notice(f"policy {policies.default.name} reloaded ({policies.default.fingerprint})")

    def _signature(self) -> Signature:
        policies = self._gateway.policies
        places = [str(self._path), *policies.files, *filter(None, (str(self._keys or ""), policies.keys))]
        return tuple((place, *_stamp(Path(place))) for place in dict.fromkeys(places))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)  # gone is a change as well
    return (found.st_mtime_ns, found.st_size)
