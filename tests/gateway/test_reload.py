"""Policies and keys that change while the gateway runs: what applies then, and what never does."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.audited import BAD, policy
from tests.gateway.conftest import Serve, Served
from tests.upstream import Upstream

from akrasia.gateway.keys import new_key
from akrasia.gateway.reload import Reloader

pytestmark = pytest.mark.asyncio


async def test_a_policy_that_changed_applies_and_a_bad_one_does_not(
    upstream: Upstream, serve: Serve, tmp_path: Path
) -> None:
    served = await serve()
    path = tmp_path / "policy.toml"
    reloader = Reloader(served.gateway, path)
    watching = asyncio.create_task(reloader.watch())

    async def until(line: str) -> None:
        async with asyncio.timeout(10):
            while line not in (await served.metrics()).splitlines():
                await asyncio.sleep(0.05)

    assert (await served.ask(model="tiny@best_of_n:4")).status == 400
    path.write_text('mode = "pass"\nstrategies = ["direct"]\n[limits]\nconcurrency = 3\n', encoding="utf-8")
    await until('akrasia_policy_reloads_total{result="applied"} 1')
    assert served.gateway.limits.concurrency == 3

    path.write_text('mode = "enforce"\n', encoding="utf-8")
    await until('akrasia_policy_reloads_total{result="refused"} 1')
    await until("akrasia_policy_stale 1")
    assert served.gateway.policies.default.mode == "pass"
    assert re.search(r"the old policy stays: .*policy\.toml:1: mode 'enforce' audits", served.notices[-1])
    assert (await served.ask()).status == 200

    reloader.ask()  # as SIGHUP does: read again, though nothing changed
    await until('akrasia_policy_reloads_total{result="refused"} 2')
    path.write_text("", encoding="utf-8")
    await until("akrasia_policy_stale 0")
    assert served.gateway.limits.concurrency == 1024
    watching.cancel()


async def test_limits_that_changed_are_told_and_those_that_wait(serve: Serve, tmp_path: Path) -> None:
    text = policy(tmp_path, "observe", limits={"idle_s": 60.0, "audits": 4})
    served = await serve(text)
    path = tmp_path / "policy.toml"
    reloader = Reloader(served.gateway, path)
    before = len(served.notices)

    async def told(limits: str) -> list[str]:
        path.write_text(text.partition("[limits]")[0] + limits, encoding="utf-8")
        del served.notices[before:]
        await reloader.reload()
        return served.notices[before + 1 :]

    waits = f"limits in {path} that wait for the next start, until which"
    assert await told("[limits]\nidle_s = 60\naudits = 4") == []
    assert await told("[limits]\nidle_s = 10\naudits = 4\nbody_bytes = 16777217") == [
        "limits that changed: body_bytes = 16777217",
        f"{waits} idle_s stays 60",
    ]
    assert await told("[limits]\nidle_s = 10\naudits = 5\nrotate_mb = 1") == [
        "limits that changed: body_bytes = 16777216",
        f"{waits} idle_s stays 60, rotate_mb stays none, audits stays 4",
    ]
    assert await told("[limits]\nidle_s = 60\naudits = 4") == []


async def test_a_request_under_way_keeps_its_policy(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve('name = "old"')
    upstream.latency_s = 0.5
    asking = asyncio.create_task(served.ask())
    while not upstream.calls:
        await asyncio.sleep(0.01)
    (tmp_path / "policy.toml").write_text('name = "new"\ndeadline_s = 0.01', encoding="utf-8")
    await Reloader(served.gateway, tmp_path / "policy.toml").reload()
    assert (await asking).status == 200
    assert (await served.ask()).status == 504


async def test_keys_that_were_taken_out_stop_working(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    first, second = new_key(path), new_key(path)
    served = await serve('keys = "keys.txt"')
    path.write_text(path.read_text().splitlines()[1] + "\n", encoding="ascii")
    reloader = Reloader(served.gateway, tmp_path / "policy.toml")
    await reloader.reload()
    assert (await served.ask({"Authorization": f"Bearer {first}"})).status == 401
    assert (await served.ask({"Authorization": f"Bearer {second}"})).status == 200


@pytest.mark.parametrize("how", ["emptied", "removed", "no longer named"])
async def test_the_last_key_can_be_taken_out(upstream: Upstream, serve: Serve, tmp_path: Path, how: str) -> None:
    path, policy = tmp_path / "keys.txt", tmp_path / "policy.toml"
    key = new_key(path)
    served = await serve('keys = "keys.txt"')
    if how == "emptied":
        path.write_text("# nobody\n", encoding="ascii")
    elif how == "removed":
        path.unlink()
    named = "" if how == "no longer named" else 'keys = "keys.txt"\n'
    policy.write_text(f'{named}name = "later"', encoding="utf-8")
    reloader = Reloader(served.gateway, policy)
    await reloader.reload()
    await reloader.reload()
    assert (await served.ask()).status == 401  # the door does not open by accident
    assert (await served.ask({"Authorization": f"Bearer {key}"})).status == 401
    assert served.gateway.policies.default.name == "later"
    assert sum("no API key is left, so nobody is let in" in line for line in served.notices) == 1

    policy.write_text('keys = "keys.txt"', encoding="utf-8")
    another = new_key(path)
    await reloader.reload()
    assert (await served.ask({"Authorization": f"Bearer {another}"})).status == 200


async def test_a_key_is_taken_out_beside_a_policy_that_is_bad(serve: Serve, tmp_path: Path) -> None:
    key = new_key(tmp_path / "keys.txt")
    served = await serve('keys = "keys.txt"')
    (tmp_path / "keys.txt").write_text("", encoding="ascii")
    (tmp_path / "policy.toml").write_text("mode =", encoding="utf-8")
    await Reloader(served.gateway, tmp_path / "policy.toml").reload()
    assert (await served.ask({"Authorization": f"Bearer {key}"})).status == 401
    assert any("the old policy stays" in line for line in served.notices)


BAD_LINES = {"no key's line": b"what is this", "no text": "näh".encode("latin-1"), "cut short": b"0a0b 00 00"}


@pytest.mark.parametrize("name", BAD_LINES)
async def test_a_bad_file_of_keys_lets_in_what_still_stands_in_it(serve: Serve, tmp_path: Path, name: str) -> None:
    path, more = tmp_path / "keys.txt", tmp_path / "more.txt"
    first, second, third = new_key(path), new_key(path), new_key(more)
    served = await serve('keys = "keys.txt"')
    kept = path.read_bytes().splitlines()[1]
    path.write_bytes(b"\n".join([kept, BAD_LINES[name], more.read_bytes()]))
    reloader = Reloader(served.gateway, tmp_path / "policy.toml")
    await reloader.reload()

    async def let_in() -> list[bool]:
        shown = ({"Authorization": f"Bearer {key}"} for key in (first, second, third))
        return [(await served.ask(headers)).status == 200 for headers in shown]

    assert await let_in() == [False, True, False]
    assert (await served.ask()).status == 401
    said = "of the old keys those are let in that still stand in the file, 1: "
    assert sum(said in line for line in served.notices) == 1
    assert served.gateway.metrics.stale.value() == 1

    path.write_bytes(more.read_bytes())
    await reloader.reload()
    assert await let_in() == [False, False, True]
    assert served.gateway.metrics.stale.value() == 0


async def test_keys_that_cannot_be_read_are_tried_again(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key(tmp_path / "keys.txt")
    served = await serve('keys = "keys.txt"')
    read_text = Path.read_text

    def fails(path: Path, *arguments: Any, **more: Any) -> str:
        if path.name == "keys.txt":
            raise OSError(24, "Too many open files")
        return read_text(path, *arguments, **more)

    reloader = Reloader(served.gateway, tmp_path / "policy.toml")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", fails)
        await reloader.reload()
        assert (await served.ask({"Authorization": f"Bearer {key}"})).status == 401
    watching = asyncio.create_task(reloader.watch())
    async with asyncio.timeout(10):
        while served.gateway.metrics.stale.value():
            await asyncio.sleep(0.05)
    assert (await served.ask({"Authorization": f"Bearer {key}"})).status == 200
    watching.cancel()


def eventually(served: Served) -> Callable[[str], Awaitable[None]]:
    """Waits for a line of the metrics."""

    async def until(line: str) -> None:
        async with asyncio.timeout(10):
            while line not in (await served.metrics()).splitlines():
                await asyncio.sleep(0.05)

    return until


@pytest.mark.parametrize("text", ["", "# later\n", 'name = "x"\n'])
async def test_a_file_without_a_mode_ends_no_audit(upstream: Upstream, serve: Serve, tmp_path: Path, text: str) -> None:
    served = await serve(policy(tmp_path, "enforce"))
    upstream.message = lambda body, index: BAD
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    await Reloader(served.gateway, path).reload()
    assert BAD not in await (await served.ask()).text()
    said = 'no mode is given, and the policy that applies audits: write mode = "pass" to audit nothing'
    assert served.notices[-1] == f"the old policy stays: {path}: {said}"
    assert served.gateway.metrics.stale.value() == 1

    path.write_text('mode = "pass"', encoding="utf-8")
    await Reloader(served.gateway, path).reload()
    assert BAD in await (await served.ask()).text()
    assert served.notices[-1] == f"nothing is audited any more: every mode in {path} is pass"


async def test_a_route_that_audits_is_kept_as_well(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    route = policy(tmp_path, "enforce").replace("mode =", '[[route]]\nmodel = "tiny"\nmode =')
    served = await serve(f'mode = "pass"\n{route}')
    (tmp_path / "policy.toml").write_text("", encoding="utf-8")
    await Reloader(served.gateway, tmp_path / "policy.toml").reload()
    assert [one.mode for one in served.gateway.policies.all] == ["pass", "enforce"]


async def test_a_file_is_read_when_it_rests(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve('name = "old"\nmode = "pass"')
    path = tmp_path / "policy.toml"
    reloader = Reloader(served.gateway, path)
    watching = asyncio.create_task(reloader.watch())
    with path.open("w", encoding="utf-8") as file:
        reloader.ask()  # as SIGHUP does, in the midst of it
        for letter in 'name = "new"\n[limits]\nconcurrency = 3\n':
            file.write(letter)
            file.flush()
            await asyncio.sleep(0.03)  # 40 letters: more than a second
    await eventually(served)('akrasia_policy_reloads_total{result="applied"} 1')
    assert served.gateway.limits.concurrency == 3
    (line,) = (line for line in served.notices if "policy" in line)
    assert line.startswith("policy new reloaded")
    watching.cancel()


async def test_a_file_that_only_the_refused_policy_names_is_watched(serve: Serve, tmp_path: Path) -> None:
    served = await serve('mode = "pass"')
    path = tmp_path / "policy.toml"
    reloader = Reloader(served.gateway, path)
    text = policy(tmp_path, "observe")
    values = (tmp_path / "values.toml").read_text(encoding="utf-8")
    (tmp_path / "values.toml").write_text("what is this", encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    await reloader.reload()
    assert served.gateway.metrics.stale.value() == 1
    watching = asyncio.create_task(reloader.watch())
    (tmp_path / "values.toml").write_text(values, encoding="utf-8")
    await eventually(served)("akrasia_policy_stale 0")
    assert served.gateway.policies.default.mode == "observe"
    watching.cancel()


@pytest.mark.parametrize("watched", [True, False])
async def test_an_edit_that_keeps_size_and_time_is_noticed(serve: Serve, tmp_path: Path, watched: bool) -> None:
    """Also one that came before anybody looked, while a judge was loaded, say."""
    served = await serve('name = "one"')
    path = tmp_path / "policy.toml"
    watching = asyncio.create_task(Reloader(served.gateway, path).watch()) if watched else None
    await asyncio.sleep(0.1)
    before = path.stat()
    path.write_text('name = "two"', encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    watching = watching or asyncio.create_task(Reloader(served.gateway, path).watch())
    await eventually(served)('akrasia_policy_reloads_total{result="applied"} 1')
    assert served.gateway.policies.default.name == "two"
    watching.cancel()
