"""What the gateway answers at which address. A new resource is a function and a line in a table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec
from aiohttp import web
from msgspec import Struct
from multidict import CIMultiDict

from akrasia.gateway.policy import split_strategy
from akrasia.gateway.query import MODELS, forwarded_query
from akrasia.gateway.sending import JSON, send_whole
from akrasia.gateway.wire import refused

if TYPE_CHECKING:
    from akrasia.gateway.server import Gateway

Answer = Callable[["Gateway", web.BaseRequest], Awaitable[web.StreamResponse]]


class Route(Struct, frozen=True):
    """A resource.

    Attributes:
        method: the only one that it takes; GET takes HEAD too.
        answer: gives the response.
        free: it needs no API key.
    """

    method: str
    answer: Answer
    free: bool = False


async def _chat(gateway: Gateway, request: web.BaseRequest) -> web.StreamResponse:
    return await gateway.chat(request)


async def _models(gateway: Gateway, request: web.BaseRequest) -> web.StreamResponse:
    body = await gateway.upstream.get("models", gateway.forwarded(request), forwarded_query(request.raw_path, MODELS))
    policies = gateway.policies
    if any(len(policy.strategies) > 1 for policy in policies.all):
        listing = msgspec.json.decode(body)
        models = listing.get("data") if isinstance(listing, dict) else None
        if isinstance(models, list):
            known = [model for model in models if isinstance(model, dict) and isinstance(model.get("id"), str)]
            taken = [(model, policies.policy_for(model["id"], request.headers)) for model in known]
            listing["data"] = [
                *models,
                *(
                    {**model, "id": f"{model['id']}@{text}"}
                    for model, policy in taken
                    for text in policy.strategies
                    if text != policy.default_strategy
                ),
            ]
            body = msgspec.json.encode(listing)
    return await _json(gateway, request, body)


async def _model(gateway: Gateway, request: web.BaseRequest) -> web.StreamResponse:
    name = unquote(request.raw_path.partition("?")[0].removeprefix("/v1/models/"))
    model, _ = split_strategy(name)
    if not model or any(part in ("", ".", "..") for part in model.split("/")):
        raise refused(404, f"there is no model {name!r}", "model_not_found", param="model")
    query = forwarded_query(request.raw_path, MODELS)
    found = await gateway.upstream.get(f"models/{model}", gateway.forwarded(request), query)
    return await _json(gateway, request, found)


async def _health(gateway: Gateway, request: web.BaseRequest) -> web.StreamResponse:
    status, told = (503, {"status": "stopping"}) if gateway.stopping else (200, {"status": "ok"})
    if gateway.log is not None and status == 200:
        told["audit_log_head"] = gateway.log.head
        if gateway.log.remark is not None:
            told["audit_log_remark"] = gateway.log.remark
    if status == 200 and (faults := _faults(gateway)):
        # The status stays 200: a balancer that sent no more requests would never see them mended.
        told["status"] = f"degraded: {'; '.join(faults)}"
    return await _json(gateway, request, msgspec.json.encode(told), status)


def _faults(gateway: Gateway) -> list[str]:
    """What keeps replies from being audited now."""
    found = []
    if gateway.log is not None and gateway.log.failing:
        found.append("the audit log cannot be written")
    if gateway.audits is not None and gateway.audits.judges.failing is not None:
        found.append(f"a judge fails ({gateway.audits.judges.failing})")
    return found


async def _audit(gateway: Gateway, request: web.BaseRequest) -> web.StreamResponse:
    audit_id = request.raw_path.partition("?")[0].removeprefix("/akrasia/audits/")
    told = None if gateway.audits is None else gateway.audits.told(audit_id)
    if told is None:
        raise refused(404, "no audit of this id is kept here: the audit log has all of them", "audit_not_found")
    return await _json(gateway, request, msgspec.json.encode(told))


async def _metrics(gateway: Gateway, request: web.BaseRequest) -> web.StreamResponse:
    gateway.metrics.under_way.set(to=gateway.under_way)
    headers: CIMultiDict[str] = CIMultiDict({"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
    return await send_whole(request, gateway.metrics.text(), headers, gateway.limits.write_s)


async def _json(gateway: Gateway, request: web.BaseRequest, body: bytes, status: int = 200) -> web.StreamResponse:
    headers: CIMultiDict[str] = CIMultiDict({"Content-Type": JSON})
    return await send_whole(request, body, headers, gateway.limits.write_s, status)


ROUTES: dict[str, Route] = {
    "/v1/chat/completions": Route("POST", _chat),
    "/v1/models": Route("GET", _models),
    "/health": Route("GET", _health, free=True),
    "/metrics": Route("GET", _metrics),
}
"""Resources by their path."""

UNDER: dict[str, Route] = {
    "/akrasia/audits/": Route("GET", _audit),
    "/v1/models/": Route("GET", _model),
}
"""Resources by the beginning of their path."""


def find_route(request: web.BaseRequest) -> Route:
    """The resource that a request is for.

    Raises:
        WireError: 404 where there is none, 405 where it takes another method.
    """
    path = request.raw_path
    route = ROUTES.get(path) or ROUTES.get(path.partition("?")[0])
    if route is None:
        route = next((under for start, under in UNDER.items() if path.startswith(start)), None)
    if route is None:
        known = ", ".join((*ROUTES, *(f"{start}ID" for start in UNDER)))
        raise refused(404, f"nothing is at {path.partition('?')[0][:200]!r}; known: {known}", "unknown_url")
    if request.method != route.method and not (route.method == "GET" and request.method == "HEAD"):
        raise refused(405, f"this address takes {route.method}, not {request.method[:20]}", "method_not_allowed")
    return route
