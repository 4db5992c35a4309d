"""Citations of a reply: read as a part of their own where they pass, told as not audited in any other shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.gateway.audited import GOOD, policy, records, told_in
from tests.gateway.conftest import Serve
from tests.gateway.upstreams import broken, chunk
from tests.upstream import Upstream

from akrasia.gateway.citations import cited
from akrasia.gateway.unread import unread_fields

BAD = "I act against face."


def source(title: str, **more: Any) -> dict[str, Any]:
    inner = {"title": title, "url": "https://a.example/page", "start_index": 0, "end_index": 7, **more}
    return {"type": "url_citation", "url_citation": inner}


@pytest.mark.parametrize(
    ("annotations", "text"),
    [
        ([source("On soup")], "On soup\nhttps://a.example/page"),
        ([source("On soup"), source("On bread", content="Bake it.")],
         "On soup\nhttps://a.example/page\nOn bread\nBake it."),
        ([{"type": "url_citation", "url": "https://b.example", "title": "Flat", "start_index": 0}],
         "https://b.example\nFlat"),
        ([source("\\u0061bc", url=None)], "\\u0061bc\nabc"),
        ([source("", url=" ")], None),
        ([], None),
        (None, None),
        ("On soup", None),
        ([source("On soup"), "On bread"], None),
        ([source("On soup", note="Mind this.")], None),
        ([{**source("On soup"), "note": "Mind this."}], None),
        ([source("On soup", start_index="Mind this.")], None),
        ([{"type": "url_citation", "url_citation": "On soup"}], None),
        ([{"type": "file_citation", "title": "On soup"}], None),
    ],
)  # fmt: skip
def test_what_is_cited(annotations: Any, text: str | None) -> None:
    message = {"content": GOOD, "annotations": annotations}
    found = cited(message)
    assert (None if found is None else found.text) == text
    holds_words = annotations not in ([], None, [source("", url=" ")])
    assert unread_fields({"message": message}) == ({"annotations": annotations} if text is None and holds_words else {})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("title", ["On soup", BAD])
async def test_a_source_is_audited_with_the_reply(
    upstream: Upstream, serve: Serve, tmp_path: Path, title: str, stream: bool
) -> None:
    log = tmp_path / "audit.jsonl"
    served = await serve(policy(tmp_path, "annotate"), log=log)
    sources = [source("On bread"), source(title)]
    upstream.message = lambda body, index: {"role": "assistant", "content": GOOD, "annotations": sources}
    if stream:
        deltas = [{"content": GOOD}, {"annotations": sources[:1]}, {"annotations": sources[1:]}]
        pieces = [chunk({"model": "tiny"}, [{"index": 0, "delta": delta}]) for delta in deltas]
        upstream.always = broken([*pieces, b"data: [DONE]\n\n"], "whole")
    response = await served.ask(stream=stream)
    told = told_in(await response.read())[-1] if stream else (await response.json())["akrasia"]
    (choice,) = told["choices"]
    assert "missing" not in choice
    assert (choice["decision"], choice.get("failed", False)) == ("passed", title == BAD)
    assert choice.get("failed_in", []) == (["citations"] if title == BAD else [])
    (record,) = records(log)
    assert record["choices"][0]["others"]["citations"]["judgement"]["readings"]


async def test_what_stays_behind_is_not_held_against_a_reply(upstream: Upstream, serve: Serve, tmp_path: Path) -> None:
    served = await serve(policy(tmp_path, "enforce"))
    upstream.message = lambda body, index: {"role": "assistant", "content": GOOD, "annotations": [source(BAD)]}
    response = await served.ask()
    assert (response.status, response.headers["x-akrasia-decision"]) == (200, "passed")
    assert b"annotations" not in await response.read()
