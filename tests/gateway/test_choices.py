"""Replies of several choices in mode `enforce`: each has its own decision, and the header names them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.gateway.audited import BAD, GOOD, HALF, policy, records
from tests.gateway.conftest import Serve
from tests.upstream import Upstream

from akrasia.gateway import enforce

pytestmark = pytest.mark.asyncio


async def test_every_choice_is_audited(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "enforce", stop_text="No."), log=log)
    upstream.message = lambda body, index: [GOOD, BAD, HALF][index]
    response = await served.ask(n=3)
    choices = (await response.json())["choices"]
    assert [choice["message"]["content"] for choice in choices] == [GOOD, "No.", HALF]
    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert response.headers["x-akrasia-decision"] == "passed,stopped,passed"
    assert [choice["decision"] for choice in records(log)[0]["choices"]] == ["passed", "stopped", "passed"]


async def test_very_many_choices_make_no_endless_header(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "enforce", stop_text="No."))
    upstream.message = lambda body, index: BAD if index == 1 else GOOD
    one_by_one = (await served.ask(n=enforce.MOST_NAMED)).headers["x-akrasia-decision"].split(",")
    assert one_by_one == ["passed", "stopped", *["passed"] * (enforce.MOST_NAMED - 2)]
    many = await served.ask(n=enforce.MOST_NAMED + 1)
    assert many.headers["x-akrasia-decision"] == f"passed*{enforce.MOST_NAMED},stopped*1"
    told = (await many.json())["akrasia"]["choices"]
    assert [one["decision"] for one in told] == [*one_by_one, "passed"]
