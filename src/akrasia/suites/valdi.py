"""`valdi`: human situations in five domains, each neutral and under nine pressures, as minimal pairs.

Order: all neutral items first, one family of each domain in turn; then nine rounds in which every family comes with one
more of its pressures, never all with the same one. So a small ``--limit`` asks many families of every domain once, and
any larger one is balanced over domains and pressures. For whole sets of minimal pairs name the number of families.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from akrasia.core import Spec, Suite
from akrasia.suites.source import SuiteSource, build_suite, no_variant, read_settings, spec_text
from akrasia.suites.valdi_families import (
    DOMAINS,
    NEUTRAL,
    PRESSURES,
    SPOKEN,
    chosen,
    chosen_families,
    scenario_item,
)


class _Settings(Struct, frozen=True):
    """Settings; several names are separated by commas.

    Attributes:
        domain: which domains; None is all five.
        pressure: which variants, "none" being the neutral text; None is all ten.
        families: how many families, the first in the suite's order; None is all.
    """

    domain: str | None = None
    pressure: str | None = None
    families: Annotated[int, Meta(ge=1)] | None = None


def load(spec: Spec, seed: int) -> Suite:  # noqa: ARG001 - nothing is generated here
    """The scenarios.

    Raises:
        InputError: an unknown setting, domain or pressure.
    """
    no_variant(spec)
    settings = read_settings(spec, _Settings)
    domains = chosen(spec, "domain", settings.domain, DOMAINS)
    pressures = chosen(spec, "pressure", settings.pressure, (NEUTRAL, *PRESSURES))
    families = list(chosen_families(domains, settings.families))
    items = []
    for turn in range(1 + len(PRESSURES)):
        for place, head, family in families:
            variant = PRESSURES[(place + turn) % len(PRESSURES)] if turn else NEUTRAL
            if variant in pressures:
                items.append(scenario_item(head, family, variant, family.variant(variant)))
    return build_suite(
        spec_text(spec),
        items,
        sampling=SPOKEN,
        description=f"{len(families)} human situations in {len(domains)} domains, {len(pressures)} variants each",
    )


SOURCE = SuiteSource(
    load,
    "human situations in five domains, each neutral and under nine pressures (minimal pairs); needs a judge",
    settings=_Settings,
)
