"""Which key goes to which endpoint: the upstream's stays with the upstream."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.gateway.audited import policy, records
from tests.gateway.conftest import KEY, Serve
from tests.upstream import Upstream, status
from yarl import URL

from akrasia.core import InputError
from akrasia.gateway import upstream as ours
from akrasia.gateway.policy import AUDIT_KEY_VARIABLE, Limits

pytestmark = pytest.mark.asyncio

AUDIT_KEY = "sk-audit-0123456789abcdef"


def keys_at(endpoint: Upstream) -> set[str | None]:
    return {headers.get("Authorization") for headers in endpoint.headers}


@pytest.mark.parametrize("audit_key", [None, AUDIT_KEY])
async def test_the_upstreams_key_goes_to_no_other_host(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit_key: str | None
) -> None:
    if audit_key is not None:
        monkeypatch.setenv("AKRASIA_AUDIT_API_KEY", audit_key)
    async with Upstream() as elsewhere:
        served = await serve(policy(tmp_path, "enforce", judge=f"llm:openai:reader@{elsewhere.url}"))
        await served.ask()
        assert elsewhere.calls > 0
        assert keys_at(elsewhere) == {None if audit_key is None else f"Bearer {AUDIT_KEY}"}
    assert keys_at(upstream) == {f"Bearer {KEY}"}


async def test_a_judge_at_the_upstream_gets_its_key(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AKRASIA_AUDIT_API_KEY", AUDIT_KEY)
    served = await serve(policy(tmp_path, "enforce", judge=f"llm:openai:reader@{upstream.url}"))
    await served.ask()
    assert {body["model"] for body in upstream.bodies} == {"tiny", "reader"}
    assert keys_at(upstream) == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("http://host:8000/v1", True),
        ("http://HOST:8000/other", True),
        ("https://host:8000/v1", False),
        ("http://host:8001/v1", False),
        ("http://host.example:8000/v1", False),
    ],
)
async def test_scheme_host_and_port_make_the_same_place(address: str, same: bool) -> None:
    here = ours.Upstream(URL("http://host:8000/v1"), KEY, Limits())
    assert (here.key_variables(f"openai:m@{address}") != (AUDIT_KEY_VARIABLE,)) is same


@pytest.mark.parametrize("role", ["judge", "rewriter"])
async def test_an_address_with_a_key_is_told_with_the_variable_for_judges(
    serve: Serve, tmp_path: Path, role: str
) -> None:
    model = "openai:reader@http://me:secret@127.0.0.1:9/v1"
    named = {"judge": f"llm:{model}"} if role == "judge" else {"rewriter": model, "on_fail": "rewrite"}
    with pytest.raises(InputError) as told:
        await serve(policy(tmp_path, "enforce", **named))
    assert str(told.value).endswith("put the key in AKRASIA_AUDIT_API_KEY (or AKRASIA_API_KEY, OPENAI_API_KEY)")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("audit_key", [None, AUDIT_KEY])
async def test_a_judge_that_wants_another_key_is_told_with_its_variable(
    upstream: Upstream, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit_key: str | None
) -> None:
    if audit_key is not None:
        monkeypatch.setenv("AKRASIA_AUDIT_API_KEY", audit_key)
    log = tmp_path / "audit.jsonl"
    async with Upstream() as elsewhere:
        elsewhere.always = status(401, {"message": "no"})
        served = await serve(policy(tmp_path, "enforce", judge=f"llm:openai:reader@{elsewhere.url}"), log=log)
        assert (await served.ask()).status == 503
    told = [records(log)[0]["choices"][0]["missing"], *served.notices]
    assert all("AKRASIA_API_KEY" not in one for one in told)
    assert "AKRASIA_AUDIT_API_KEY" in told[0]
