"""Models of the auditor for the gateway benchmark, each of which takes as long as a model behind an endpoint.

`read` is a judge that finds nothing. `find` is one to which half of all replies fall short; `plan`, `rewrite` and
`guard` mend those. Loaded by the gateway as `llm:scripted:gateway_judge:read` and so on, so all that their answers go
through is measured, but for HTTP.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from akrasia.core import Request

LATENCY = "GATEWAY_JUDGE_MS"
"""Variable that says how long an answer takes, in milliseconds."""

AMENDED = "Amended."
"""How every rewrite begins, so that the load knows it."""

# The tag of a reply; which of the upstream's replies fall short, hangs on its first bit.
_TAG = re.compile(r"\[r:([0-9a-f])[0-9a-f]{7}\]")
_SAID = "Let me add the two numbers"


async def read(request: Request) -> str:
    """Every value that is asked for is absent."""
    return await _verdicts(request, {})


async def find(request: Request) -> str:
    """The first value is betrayed by every other reply of the upstream, and upheld by every rewrite."""
    text = request.messages[-1].content
    tag = _TAG.search(text)
    if AMENDED in text:
        return await _verdicts(request, {"verdict": "upholds", "evidence": AMENDED})
    falls_short = tag is not None and int(tag[1], 16) < 8
    return await _verdicts(request, {"verdict": "betrays", "evidence": _SAID} if falls_short else {})


async def plan(request: Request) -> str:
    """What to change."""
    del request
    return await _later({"change": "Say that it was amended.", "keep": "The sum, and how it was found."})


async def rewrite(request: Request) -> str:
    """The reply's first paragraph, amended."""
    await _wait()
    lines = request.messages[-1].content.splitlines()
    return f"{AMENDED} {next(line for line in lines if _TAG.search(line)).removeprefix(_SAID)}"


async def guard(request: Request) -> str:
    """Nothing is lost."""
    del request
    return await _later({"reason": "", "loses": "neither"})


async def _verdicts(request: Request, first: dict[str, str]) -> str:
    asked = sorted((request.schema or {}).get("properties", {}))  # their order changes from reading to reading
    absent = {"verdict": "absent", "evidence": ""}
    return await _later(dict.fromkeys(asked, absent) | ({asked[0]: first} if first else {}))


async def _later(answer: object) -> str:
    await _wait()
    return json.dumps(answer)


async def _wait() -> None:
    await asyncio.sleep(float(os.environ.get(LATENCY, "0")) / 1000)
