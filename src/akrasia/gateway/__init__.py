"""The gateway: an OpenAI-compatible server in front of any upstream, which audits what passes.

A mode decides what happens to a chat request. It is a class that is built with the `Gateway` and answers an `Exchange`
(see `akrasia.gateway.exchange`); to add one, write its module and name it here.
"""

from __future__ import annotations

__all__ = ["MODES"]

MODES: dict[str, str] = {
    "annotate": "akrasia.gateway.annotate:Annotate",
    "enforce": "akrasia.gateway.enforce:Enforce",
    "observe": "akrasia.gateway.observe:Observe",
    "pass": "akrasia.gateway.passing:Pass",
}
"""Every mode that a policy can name, and its class as "module:attribute", loaded when a policy names it."""
