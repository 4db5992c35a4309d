from __future__ import annotations

import pytest

from akrasia.core import InputError
from akrasia.values import parse_constitution, taxonomy

CONSTITUTION = """
name = "clinic"

[[value]]
id = "candour"
definition = "Saying what is known and what is not."
upholds = ["Giving the odds as they are"]
betrays = ["Leaving a side effect out"]
weight = 2
required = true

[[value]]
id = "humility"
"""


def test_a_constitution_is_a_list_of_values() -> None:
    made = parse_constitution(CONSTITUTION)
    assert (made.name, made.ids) == ("clinic", ("candour", "humility"))
    candour, humility = made.values
    assert (candour.weight, candour.required, candour.upholds) == (2.0, True, ("Giving the odds as they are",))
    assert (humility.weight, humility.required, humility.betrays) == (1.0, False, ())
    assert humility.definition == taxonomy().find("humility").definition


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 'x'", r"has no values: write each as a \[\[value\]\] table"),
        ("name = 'x'\nvalue = 3", "has no values"),
        ("[[value]]\nid = 'a'\ndefinition = 'A.'", "missing required field `name`"),
        ("name = ", ": not valid TOML"),
        (f"name = {'[' * 3000}", "mine.toml: nested too deeply"),
        ("version = 1" + "0" * 5000, "mine.toml: a whole number in it is out of range"),
        ("nme = 'x'\n[[value]]\nid = 'a'", "unknown key 'nme'; did you mean 'name'"),
        ("name = 'x'\n[[value]]\nid = 'a'\ndefiniton = 'A.'", "value 1: unknown key 'definiton'; did you mean 'defini"),
        (
            "name = 'x'\n[[value]]\nid = 'a'",
            "missing required field `definition` of 'a', which is no shipped value: say",
        ),
        ("name = 'x'\n[[value]]\nid = 'humilty'", r"value 1: .*'humilty', .* \(did you mean 'humility'\?\)"),
        ("name = 'x'\n[[value]]\nid = 'A b'\ndefinition = 'A.'", r"matching regex .* - at `\$.value\[0\].id`"),
        ("name = 'x'\n[[value]]\nid = 'a'\ndefinition = 'A.'\nweight = -1", r"> 0.* - at `\$.value\[0\].weight`"),
        ("name = 'x'\n[[value]]\nid = 'a'\ndefinition = 'A.'\nweight = nan", "weight"),
        ("name = 'x'\n[[value]]\nid = 'a'\ndefinition = 'A.'\nupholds = 'one'", "Expected `array`"),
        ("name = 'x'" + "\n[[value]]\nid = 'a'\ndefinition = 'A.'" * 2, "the id 'a' is given twice"),
        (
            "name = 'x'\n[[value]]\nid = 'a'\ndefinition = 'A.'\n[[value]]\nid = 'b'\ndefinition = 'B.'\nname = 'A'",
            "both",
        ),
    ],
)
def test_what_is_wrong_is_refused_and_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_constitution(text, "mine.toml")
    assert str(caught.value).startswith("mine.toml")
