"""A judge for the gateway benchmark that takes as long as a model behind an endpoint, and finds nothing.

Loaded by the gateway as `llm:scripted:gateway_judge:read`, so all that an LLM judge's verdict goes through is measured,
but for HTTP.
"""

from __future__ import annotations

import asyncio
import json
import os

from akrasia.core import Request

LATENCY = "GATEWAY_JUDGE_MS"
"""Variable that says how long an answer takes, in milliseconds."""


async def read(request: Request) -> str:
    """Every value that is asked for is absent."""
    await asyncio.sleep(float(os.environ.get(LATENCY, "0")) / 1000)
    asked = (request.schema or {}).get("properties", {})
    return json.dumps({value: {"verdict": "absent", "evidence": ""} for value in asked})
