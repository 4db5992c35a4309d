"""From options to a gateway that runs until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from akrasia.core import InputError, RunIncomplete
from akrasia.gateway.door import Door, is_loopback
from akrasia.gateway.keys import Keys
from akrasia.gateway.listening import Listening
from akrasia.gateway.policy_file import read_policies, refuse_empty
from akrasia.gateway.reload import Reloader
from akrasia.gateway.server import Gateway
from akrasia.gateway.spans import spans_from
from akrasia.gateway.upstream import Upstream, parse_upstream
from akrasia.models.endpoint import read_key


class ServeOptions(Struct, frozen=True, kw_only=True):
    """What `akrasia serve` was asked for.

    Attributes:
        upstream: base URL, with /v1.
        policy: the policy file.
        host, port: where it listens.
        keys: file of API keys; None: the policy's, if it names one.
        log: the audit log; None: none.
    """

    upstream: str
    policy: Path
    host: str = "127.0.0.1"
    port: int = 8181
    keys: Path | None = None
    log: Path | None = None


async def serve(options: ServeOptions, on_notice: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; requests under way then have `drain_s` to end. SIGHUP reloads the policy.

    A second signal ends them at once; their clients and the log are told before this returns.

    Args:
        options: see `ServeOptions`.
        on_notice: called with each line that the operator should see.

    Raises:
        InputError: it cannot begin as asked.
        RunIncomplete: requests were cut off, or replies left unaudited, since the time to drain was over or a second
            signal came.
    """
    gateway = build_gateway(options, on_notice)
    listening = Listening(gateway, options.host, options.port)
    async with listening:
        reloader = Reloader(gateway, options.policy, options.keys)
        watching = asyncio.create_task(reloader.watch())
        stop = _on_signals(gateway, reloader)
        policy = gateway.policies.default
        on_notice(
            f"serving {listening.url} in front of {gateway.upstream.address}: policy {policy.name}, mode {policy.mode}"
            f"{'' if gateway.policies.mode_given else ' (none is given)'}"
            f"{', routes: ' + str(len(gateway.policies.routes)) if gateway.policies.routes else ''}"
        )
        await stop.wait()
        watching.cancel()
        if gateway.under_way:
            on_notice(f"stopping; requests under way: {gateway.under_way}, with {gateway.limits.drain_s:g} s to end")
    lost = {"requests cut off": gateway.cut_off, "replies that nobody audited": gateway.unaudited}
    if any(lost.values()):
        why = "by a second signal" if gateway.hurried.is_set() else f"they had {gateway.limits.drain_s:g} s to end"
        raise RunIncomplete(f"{', '.join(f'{what}: {many}' for what, many in lost.items() if many)} ({why})")
    on_notice("stopped; every request was answered")


def build_gateway(options: ServeOptions, on_notice: Callable[[str], None]) -> Gateway:
    """The gateway that the options describe, not open yet.

    Raises:
        InputError: an option, the policy or the keys file cannot be used; or it would be open to the network without
            keys.
    """
    base = parse_upstream(options.upstream)
    policies = read_policies(options.policy)
    if options.log is not None:
        refuse_empty(policies, options.policy)
    place = options.keys or (Path(policies.keys) if policies.keys else None)
    keys = None if place is None else Keys.read(place)
    if not is_loopback(options.host) and not keys:
        raise InputError(
            f"listening on {options.host} opens the gateway to the network, and it has no API keys: make one with "
            "`akrasia serve --new-key --keys FILE`, and name the file with --keys or in the policy"
        )
    log = None
    if options.log is not None:
        from akrasia.gateway.chain import read_key as read_log_key
        from akrasia.gateway.log import AuditLog

        size = policies.limits.rotate_mb
        rotate = None if size is None else int(size * 2**20)
        log = AuditLog(options.log, key=read_log_key(), rotate_bytes=rotate, on_notice=on_notice)
    upstream = Upstream(base, read_key(), policies.limits)
    spans = spans_from(on_notice=on_notice)
    return Gateway(upstream, policies, Door(options.host, keys), log=log, spans=spans, on_notice=on_notice)


def _on_signals(gateway: Gateway, reloader: Reloader) -> asyncio.Event:
    """An event that the first signal to stop sets; a second waits for nothing more."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def told() -> None:
        if stop.is_set():
            gateway.hurry()
        stop.set()

    with suppress(NotImplementedError):  # Windows: there Ctrl-C cancels the task, and requests end as well
        loop.add_signal_handler(signal.SIGINT, told)
        loop.add_signal_handler(signal.SIGTERM, told)
        loop.add_signal_handler(signal.SIGHUP, reloader.ask)
    return stop
