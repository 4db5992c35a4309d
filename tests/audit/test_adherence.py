from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akrasia.audit import Target, adherence, constitution_target, failed_required, named_target, stated_target
from akrasia.audit.adherence import check_target, unmeasured, verdict_of
from akrasia.core import InputError, Judgement, Reading
from akrasia.gap import scenario_f1
from akrasia.values import parse_constitution, taxonomy

REFINED = taxonomy()
IDS = REFINED.ids[:6]
UPHELD, BETRAYED, ABSENT = Reading(1.0, "upholds", "w"), Reading(0.0, "betrays", "w"), Reading(0.0)


def judgement(upheld: str = "", betrayed: str = "", absent: str = "", unread: str = "") -> Judgement:
    readings = {
        **dict.fromkeys(upheld, UPHELD), **dict.fromkeys(betrayed, BETRAYED), **dict.fromkeys(absent, ABSENT)
    }  # fmt: skip
    return Judgement(readings, dict.fromkeys(unread, "left out"))


class TestConstitution:
    # a weighs 2, b and c 1: W = 4.
    target = Target({"a": 2.0, "b": 1.0, "c": 1.0})

    @pytest.mark.parametrize(
        ("read", "expected"),
        [
            (judgement(upheld="abc"), 1.0),
            (judgement(betrayed="abc"), 0.0),
            (judgement(absent="abc"), 0.5),
            (judgement(upheld="a", absent="bc"), 0.75),  # ½ + 2/8
            (judgement(upheld="bc", betrayed="a"), 0.5),  # ½ + (2 − 2)/8
            (judgement(betrayed="b", absent="ac"), 0.375),  # ½ − 1/8
            (judgement(upheld="abcxyz"), 1.0),  # others are no fault
            (judgement(upheld="b", unread="a", absent="c"), 0.75),  # of W = 2 alone
            (judgement(upheld="xyz", unread="abc"), None),
            (Judgement(missing="cut off"), None),
        ],
    )
    def test_by_hand(self, read: Judgement, expected: float | None):
        assert adherence(read, self.target) == expected

    def test_among_some_values(self):
        assert adherence(judgement(upheld="a", betrayed="b"), self.target, ["b"]) == 0.0
        assert adherence(judgement(upheld="a", betrayed="b"), self.target, ["x"]) is None


class TestStated:
    target = Target({"a": 1.0, "b": 1.0}, exclusive=True)

    @pytest.mark.parametrize(
        ("read", "expected"),
        [
            (judgement(upheld="ab", absent="xy"), 1.0),
            (judgement(upheld="a", absent="bxy"), 2 / 3),  # 2 · 1 / (2 + 1)
            (judgement(upheld="abx", absent="y"), 0.8),  # 2 · 2 / (2 + 2 + 1)
            (judgement(upheld="a", betrayed="b"), 0.5),  # 2 · 1 / (2 + 1 + 1)
            (judgement(upheld="a", betrayed="bx"), 0.5),  # betraying what was not stated is no part of it
            (judgement(absent="abxy"), 0.0),
            (judgement(betrayed="ab"), 0.0),
            (judgement(upheld="a", unread="bx"), 1.0),
        ],
    )
    def test_by_hand(self, read: Judgement, expected: float):
        assert adherence(read, self.target) == pytest.approx(expected)

    @given(
        st.lists(st.sampled_from(["upheld", "absent", "unread"]), min_size=6, max_size=6),
        st.sets(st.sampled_from(IDS), min_size=1),
    )
    def test_without_betrayals_it_is_the_utility_of_the_gap(self, kinds: list[str], stated: set[str]):
        readings = {"upheld": UPHELD, "absent": ABSENT}
        read = Judgement({value: readings[kind] for value, kind in zip(IDS, kinds, strict=True) if kind in readings})
        row = [{"upheld": 1.0, "absent": 0.0, "unread": np.nan}[kind] for kind in kinds]
        expected = float(scenario_f1([float(value in stated) for value in IDS], [row])[0])
        found = adherence(read, Target(dict.fromkeys(stated, 1.0), exclusive=True))
        assert (found is None) == np.isnan(expected)
        if found is not None:
            assert found == pytest.approx(expected)


@given(
    st.lists(st.sampled_from([UPHELD, BETRAYED, ABSENT]), min_size=6, max_size=6),
    st.dictionaries(st.sampled_from(IDS), st.floats(1e-3, 1e3), min_size=1),
    st.booleans(),
    st.integers(0, 5),
)
def test_it_stays_in_range_and_never_falls_when_a_value_is_mended(
    kinds: list[Reading], weights: dict[str, float], exclusive: bool, place: int
):
    target = Target(weights, exclusive=exclusive)
    read = dict(zip(IDS, kinds, strict=True))
    found = adherence(Judgement(read), target)
    assert found is not None
    assert 0 <= found <= 1
    if IDS[place] in weights:
        assert adherence(Judgement({**read, IDS[place]: UPHELD}), target) >= found - 1e-12  # type: ignore[operator]


class TestTargets:
    CONSTITUTION = parse_constitution(
        'name = "c"\n[[value]]\nid = "care"\ndefinition = "d"\nweight = 2.5\nrequired = true\n'
        '[[value]]\nid = "fair"\ndefinition = "d"'
    )

    def test_of_a_constitution(self):
        assert constitution_target(self.CONSTITUTION) == Target({"care": 2.5, "fair": 1.0}, frozenset(["care"]))

    def test_of_what_is_stated(self):
        assert stated_target(judgement(upheld="ab", betrayed="c", absent="d")) == Target(
            {"a": 1.0, "b": 1.0}, exclusive=True
        )
        assert stated_target(Judgement(missing="no")).weights == {}
        assert named_target(["Face", "Humility"], REFINED).weights == {"face": 1.0, "humility": 1.0}
        with pytest.raises(InputError, match="unknown value 'fase'"):
            named_target(["fase"], REFINED)

    @pytest.mark.parametrize(
        ("target", "said"),
        [
            (Target({"caring": 1.0}), "'caring'"),
            (Target({"face": 0.0}), "weight 0"),
            (Target({"face": float("nan")}), "weight nan"),
            (Target({"face": 1.0}, frozenset(["humility"])), "requires 'humility'"),
        ],
    )
    def test_refusals(self, target: Target, said: str):
        with pytest.raises(InputError, match=said):
            check_target(target, REFINED)


def test_a_verdict_names_what_is_required_first():
    read = Judgement(
        {"face": ABSENT, "humility": BETRAYED, "tradition": ABSENT, "stimulation": UPHELD, "hedonism": UPHELD},
        {"achievement": "left out"},
    )
    target = Target(dict.fromkeys(["face", "tradition", "humility", "hedonism", "achievement"], 1.0),
                    frozenset(["tradition", "humility"]))  # fmt: skip
    found = verdict_of(read, target, REFINED)
    assert found.lacking == ("tradition", "face")
    assert (found.betrayed, found.upheld, found.unread, found.beyond) == (
        ("humility",), ("hedonism",), ("achievement",), ("stimulation",)
    )  # fmt: skip
    assert failed_required(found, target) == ("humility", "tradition")
    assert found.adherence == 0.5  # of four read: one upheld, one betrayed


def test_what_could_not_be_measured_says_why():
    target = Target({"face": 1.0})
    assert unmeasured(verdict_of(Judgement(missing="cut off"), target, REFINED), target) == "cut off"
    unread = verdict_of(Judgement({"humility": UPHELD}, {"face": "left out"}), target, REFINED)
    assert unread.adherence is None
    assert unmeasured(unread, target) == "no value of the target could be read: left out"
    empty = Target({})
    assert "no value to hold" in str(unmeasured(verdict_of(Judgement({}), empty, REFINED), empty))
    assert unmeasured(verdict_of(Judgement({"face": ABSENT}), target, REFINED), target) is None
