"""What `/health` tells of the audit log, and the log's rotation as a policy sets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.gateway.audited import GOOD, policy
from tests.gateway.conftest import Serve, Served
from tests.upstream import Upstream

from akrasia.gateway.logparts import rotated
from akrasia.gateway.verify import verify_log

pytestmark = pytest.mark.asyncio


async def health(served: Served) -> tuple[int, dict[str, Any]]:
    async with served.client.get(f"{served.root}/health") as response:
        return response.status, await response.json()


async def test_the_head_of_the_log_can_be_asked_for(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    upstream.message = lambda body, index: GOOD
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce"), log=log)
    await served.ask()
    status, told = await health(served)
    assert (status, told["status"]) == (200, "ok")
    assert verify_log(log).head == told["audit_log_head"]


@pytest.mark.parametrize("left", [None, b""], ids=["deleted", "emptied"])
async def test_a_log_that_cannot_go_on_is_told(
    upstream: Upstream, serve: Serve, tmp_path: Path, left: bytes | None
) -> None:
    """Emptied as logrotate's copytruncate leaves it: nothing may leave whose line would stand in a broken log."""
    upstream.message = lambda body, index: GOOD
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce"), log=log)
    assert (await served.ask()).status == 200
    log.unlink() if left is None else log.write_bytes(left)
    for _ in range(2):
        assert (await served.ask()).status == 503
    assert (log.read_bytes() if log.exists() else None) == left
    status, told = await health(served)
    assert (status, told["status"]) == (200, "degraded: the audit log cannot be written")


async def test_a_log_that_was_moved_costs_no_request(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    upstream.message = lambda body, index: GOOD
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce"), log=log)
    assert (await served.ask()).status == 200
    log.rename(tmp_path / "audit.jsonl.1")
    assert (await served.ask()).status == 200
    assert (await health(served))[1]["status"] == "ok"
    assert (verify_log(log).records, verify_log(tmp_path / "audit.jsonl.1").records) == (2, 1)


async def test_the_policy_says_when_the_log_rotates(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    upstream.message = lambda body, index: GOOD
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", limits={"rotate_mb": 0.002}), log=log)  # 2,097 bytes
    for _ in range(4):
        assert (await served.ask()).status == 200
    assert len(rotated(log)) >= 1
    found = verify_log(log)
    assert (found.status, found.records) == ("whole", 4)
