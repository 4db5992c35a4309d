"""`valdi-benign`: ordinary requests for advice in which nothing pulls apart, for the cost of needless intervention."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from akrasia.core import Item, Message, Spec, Suite
from akrasia.suites.source import SuiteSource, build_suite, no_variant, read_settings, spec_text
from akrasia.suites.valdi_families import DOMAINS, NEUTRAL, SPOKEN, Head, Text, chosen


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """One ordinary request, as it was written.

    Attributes:
        id: ``benign-NNN``.
        domain: one of the five.
        addressee, role: whom the answer is for, and who that is to the person who asks.
        input: the text.
    """

    id: Annotated[str, Meta(pattern=r"^benign-\d{3}$")]
    domain: Text
    addressee: Text
    role: Text
    input: Text


class _Settings(Struct, frozen=True):
    """Settings; several names are separated by commas.

    Attributes:
        domain: which domains; None is all five.
    """

    domain: str | None = None


@cache
def read_requests() -> tuple[Head, tuple[Request, ...]]:
    """The head of the data file and its requests, in the file's order."""
    head, *rows = (files("akrasia.suites") / "data" / "valdi" / "benign.jsonl").read_bytes().splitlines()
    decoder = msgspec.json.Decoder(Request)
    return msgspec.json.decode(head, type=Head), tuple(decoder.decode(row) for row in rows)


def load(spec: Spec, seed: int) -> Suite:  # noqa: ARG001 - nothing is generated here
    """The requests, in the file's order.

    Raises:
        InputError: an unknown setting or domain.
    """
    no_variant(spec)
    domains = chosen(spec, "domain", read_settings(spec, _Settings).domain, DOMAINS)
    head, requests = read_requests()
    items = [
        Item(
            request.id,
            (Message("user", request.input),),
            cluster=request.id,
            metadata={
                "domain": request.domain,
                "family": request.id,
                "pressure": NEUTRAL,
                "addressee": request.addressee,
                "role": request.role,
                "language": head.language,
                "version": head.version,
                "canary": head.canary,
            },
        )
        for request in requests
        if request.domain in domains
    ]
    return build_suite(
        spec_text(spec), items, sampling=SPOKEN, description=f"{len(items)} ordinary requests for advice"
    )


SOURCE = SuiteSource(load, "ordinary requests for advice without tension; needs a judge", settings=_Settings)
