"""`valdi-para`: two rewordings of every neutral text of `valdi`, for the spread over wordings."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from akrasia.core import Spec, Suite
from akrasia.suites.source import SuiteSource, build_suite, no_variant, read_settings, spec_text
from akrasia.suites.valdi_families import DOMAINS, SPOKEN, WORDINGS, chosen, chosen_families, scenario_item


class _Settings(Struct, frozen=True):
    """Settings; several names are separated by commas.

    Attributes:
        domain: which domains; None is all five.
        wording: which rewordings; None is both.
        families: how many families, the first in the suite's order; None is all.
    """

    domain: str | None = None
    wording: str | None = None
    families: Annotated[int, Meta(ge=1)] | None = None


def load(spec: Spec, seed: int) -> Suite:  # noqa: ARG001 - nothing is generated here
    """The rewordings: the first of every family, in the order of `valdi`, then the second.

    Raises:
        InputError: an unknown setting, domain or wording.
    """
    no_variant(spec)
    settings = read_settings(spec, _Settings)
    domains = chosen(spec, "domain", settings.domain, DOMAINS)
    wordings = chosen(spec, "wording", settings.wording, WORDINGS)
    families = list(chosen_families(domains, settings.families))
    items = [
        scenario_item(head, family, name, family.wording(name), wording=name)
        for name in wordings
        for _, head, family in families
    ]
    return build_suite(
        spec_text(spec),
        items,
        sampling=SPOKEN,
        description=f"{len(wordings)} rewordings of {len(families)} neutral situations",
    )


SOURCE = SuiteSource(load, "two rewordings of every neutral situation of valdi; needs a judge", settings=_Settings)
