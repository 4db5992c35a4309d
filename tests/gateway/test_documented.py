"""The gateway's page says what the gateway does: its examples load, and its tables name every key with its default."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import msgspec

from akrasia.audit import constitution_target
from akrasia.audit.adherence import failed_required, verdict_of
from akrasia.core import Judgement, Reading
from akrasia.gateway.policy import Deadlines, Limits, Policy
from akrasia.gateway.policy_file import read_policies
from akrasia.values import parse_constitution

PAGE = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text(encoding="utf-8")
HOUSE = 'name = "house"\n[[value]]\nid = "humility"\n'
ROWS = dict(re.findall(r"^\| (`[^|]*`) \| ([^|]*) \|", PAGE, re.MULTILINE))


def said(key: str) -> str:
    """The second column of the row of a key."""
    (found,) = [column for head, column in ROWS.items() if f"`{key}`" in head]
    return found


def test_every_policy_of_the_page_loads(tmp_path: Path) -> None:
    (tmp_path / "house.toml").write_text(HOUSE, encoding="utf-8")
    found = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    constitutions = [text for text in found if "[[value]]" in text]
    policies_told = [text for text in found if "[[value]]" not in text]
    assert (len(constitutions), len(policies_told)) == (1, 3)
    for text in policies_told:
        path = tmp_path / "policy.toml"
        path.write_text(text, encoding="utf-8")
        policies = read_policies(path)
    assert policies.policy_for("large", {"x-team": "ward-3"}).mode == "enforce"
    assert policies.policy_for("small-1", {}).mode == "pass"


def test_the_first_constitution_stops_no_greeting() -> None:
    """A neutral text upholds nothing (½ of each value) and must pass what the page begins with."""
    (text,) = [one for one in re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE) if "[[value]]" in one]
    values = parse_constitution(text)
    assert not any(value.required for value in values.values)
    neutral = Judgement({value: Reading(0.0, None, None) for value in values.ids})
    verdict = verdict_of(neutral, constitution_target(values), values)
    assert verdict.adherence == 0.5
    assert failed_required(verdict, constitution_target(values)) == ()


def test_every_key_of_a_policy_has_its_row_and_its_default() -> None:
    keys = {field.name: field.default for field in msgspec.structs.fields(Policy)} | {"name": None}
    del keys["route"]
    spoken = {"stop_text", "name", "rewriter", "planner", "guard", "deadline_s", "redact"}  # defaults in words
    for key, default in keys.items():
        column = said(key)
        if key in spoken:
            assert column
        elif default is None:
            assert column == "none"
        else:
            shown = ast.literal_eval(column.strip("`"))
            assert (tuple(shown) if isinstance(shown, list) else shown) == default


def test_every_limit_has_its_row_and_its_default() -> None:
    units = {"16 MiB": 16 * 2**20, "16 KiB": 16 * 2**10}
    for field in msgspec.structs.fields(Limits):
        head = next(head for head in ROWS if f"`{field.name}`" in head)
        place = [part.strip(" `") for part in head.split(",")].index(field.name)
        shown = ROWS[head].split(", ")[place].strip()
        known = {"none": None, **units}
        assert (known[shown] if shown in known else float(shown)) == field.default


def test_every_stage_is_named() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `deadline_s`"))
    for stage in Deadlines.__struct_fields__:
        assert f"`{stage}`" in row
