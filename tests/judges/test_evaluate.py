from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from akrasia.core import InputError, Judgement, Reading
from akrasia.judges.calibration import calibrate, read_calibration, write_calibration
from akrasia.judges.evaluate import evaluate, evaluate_panel, upheld
from akrasia.judges.label_rows import GoldTexts, read_gold_texts, read_texts_file
from akrasia.judges.llm import build
from akrasia.stats import Figure
from akrasia.values import VALUEEVAL_COLUMNS, Taxonomy, taxonomy

JUDGE = build("openai:big@http://h/v1")


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def row(name: str, face: int | None = None, tradition: int | None = None, **more: object) -> dict[str, object]:
    labels = {"face": face, "Tradition": tradition}
    values = {key: label for key, label in labels.items() if label is not None}
    return {"id": name, "text": f"text {name}", "values": values, **more}


def says(face: int | None, tradition: int | None) -> Judgement:
    def reading(label: int) -> Reading:
        return Reading(float(label), "upholds", "text") if label else Reading(0.0)

    labels = {"face": face, "tradition": tradition}
    return Judgement(
        {value: reading(label) for value, label in labels.items() if label is not None},
        {value: "no span" for value, label in labels.items() if label is None},
    )


def gold(tmp_path: Path, *rows: dict[str, object]) -> GoldTexts:
    return read_gold_texts(write(tmp_path / "gold.jsonl", *rows))


class TestRows:
    def test_names_of_valueeval_are_aliases_and_its_twentieth_category_is_known(self, tmp_path: Path):
        labels = {name: int(place % 2) for place, name in enumerate(VALUEEVAL_COLUMNS)}
        found = gold(tmp_path, {"id": 1, "text": "a", "values": labels})
        assert found.taxonomy.ids[:19] == taxonomy().ids
        assert found.taxonomy.ids[19] == "universalism-objectivity"
        assert found.truth.tolist() == [[place % 2 for place in range(20)]]

    def test_an_absent_label_is_none(self, tmp_path: Path):
        found = gold(tmp_path, row("a", face=1), {"id": "b", "text": "b", "values": {"tradition": None, "face": False}})
        assert [found.taxonomy.ids[column] for column in found.labelled] == ["face"]
        assert found.truth[:, found.labelled[0]].tolist() == [1, 0]

    def test_values_of_a_taxonomy_of_choice(self, tmp_path: Path):
        path = write(tmp_path / "g.jsonl", {"id": "a", "text": "b", "values": {"benevolence": 1}})
        assert read_gold_texts(path, taxonomy("schwartz-10")).taxonomy.name == "schwartz-10"
        with pytest.raises(InputError, match="unknown value 'benevolence'"):
            read_gold_texts(path)

    def test_clusters(self, tmp_path: Path):
        found = gold(tmp_path, row("a", 1), row("b", 1, paraphrase_of="a"), row("c", 1, cluster="f"),
                     row("d", 1, paraphrase_of="c"), row("e", 1))  # fmt: skip
        first, again, family, in_family, alone = found.clusters
        assert first == again
        assert family == in_family
        assert len({first, family, alone}) == 3

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ([], "has no rows"),
            (["{"], "line 1: not valid JSON"),
            ([f'{{"id": "a", "text": "b", "values": {"[" * 3000}'], "line 1: nested too deeply"),
            ([{"id": "a", "text": "b", "values": {"face": 10**400}}], "line 1: Number out of range"),
            (['["a"]'], "line 1"),
            ([row("a", 1), row("a", 1)], "line 2: id 'a' is already used in line 1"),
            ([{**row("a", 1), "clusters": "x"}], "unknown key 'clusters'; did you mean 'cluster'"),
            ([{"id": "a", "text": " ", "values": {"face": 1}}], "the text is empty"),
            ([{"id": "a", "text": "b", "values": {"face": 0.5}}], "a label is 0 or 1"),
            ([{"id": "a", "text": "b", "values": {"face": "yes"}}], "line 1"),
            ([{"id": "a", "text": "b", "values": {"faze": 1}}], "unknown value 'faze'"),
            ([{"id": "a", "text": "b", "values": {"face": 1, "Face": 0}}], "labelled twice"),
            ([{"id": "a", "text": "b"}], "holds no label"),
            ([row("a", 1, paraphrase_of="z")], "paraphrases 'z', which is not in the file"),
        ],
    )
    def test_refusals(self, tmp_path: Path, rows: list[object], said: str):
        with pytest.raises(InputError, match=r"gold\.jsonl") as refused:
            read_gold_texts(write(tmp_path / "gold.jsonl", *rows))
        assert said in str(refused.value)

    def test_a_missing_file_and_a_byte_order_mark(self, tmp_path: Path):
        with pytest.raises(InputError, match="cannot read"):
            read_texts_file(tmp_path / "none.jsonl")
        path = tmp_path / "bom.jsonl"
        path.write_bytes(b'\xef\xbb\xbf{"id": 7, "text": "b"}\r\n\r\n')
        assert read_texts_file(path)[0].id == 7


class TestEvaluate:
    def test_by_hand(self, tmp_path: Path):
        labelled = gold(tmp_path, row("a", 1, 0), row("b", 1, 1), row("c", 0, 1), row("d", 0))
        found = evaluate("j", [says(1, 0), says(0, 1), says(1, 1), says(0, 1)], labelled)
        # face: tp 1, fp 1, fn 1: 2/4. tradition, d unlabelled: tp 2, no error: 1. Mean 0.75.
        assert found.categories["face"].f1 is not None
        assert found.categories["face"].f1.value == 0.5
        assert found.categories["tradition"].rows == 3
        assert found.macro_f1 is not None
        assert found.macro_f1.value == 0.75
        assert (found.texts, found.missing, found.unread, found.missing_bounds) == (4, 0, 0, None)

    def test_missing_is_no_zero_and_has_bounds(self, tmp_path: Path):
        labelled = gold(tmp_path, row("a", 1), row("b", 1), row("c", 0), row("d", 0))
        found = evaluate("j", [says(1, 0), says(None, 0), Judgement(missing="cut off"), says(0, 0)], labelled)
        assert found.macro_f1 is not None
        assert found.macro_f1.value == 1
        assert (found.missing, found.unread) == (1, 2)
        # Worst: b absent, c present: tp 1, fp 1, fn 1. Best: both right.
        assert found.missing_bounds is not None
        assert (found.missing_bounds.worst, found.missing_bounds.best) == (0.5, 1.0)
        assert {note.code for note in found.diagnostics} >= {"missing", "unread", "few-labels"}

    def test_betrayal_is_not_upheld(self, tmp_path: Path):
        betrayed = Judgement({"face": Reading(0.0, "betrays", "text"), "tradition": Reading(0.4)})
        assert upheld([betrayed], ["face", "tradition", "hedonism"])[0, :2].tolist() == [0, 0]
        assert np.isnan(upheld([betrayed], ["hedonism"])).all()

    def test_nothing_found_anywhere_is_undefined(self, tmp_path: Path):
        found = evaluate("j", [says(0, 0)] * 3, gold(tmp_path, *(row(name, 0) for name in "abc")))
        assert found.macro_f1 is None
        assert "undefined" in {note.code for note in found.diagnostics}

    def test_a_panel_shows_its_members_and_how_they_agree(self, tmp_path: Path):
        labelled = gold(tmp_path, *(row(str(number), number % 2) for number in range(40)))
        right = [says(number % 2, 0) for number in range(40)]
        wrong = [says(1 - number % 2, 0) for number in range(40)]
        whole = evaluate("panel", right, labelled)
        same = evaluate_panel(whole, {"a": right, "b": right}, labelled)
        assert same.members is not None
        assert same.members["a"] == whole.macro_f1
        assert same.agreement is not None
        assert same.agreement.value == 1
        opposite = evaluate_panel(whole, {"a": right, "b": wrong}, labelled)
        assert opposite.agreement is not None
        # 40 units of which none agree: observed 1, by chance 40·40·2/(80·79): α = 1 − 79/40.
        assert opposite.agreement.value == pytest.approx(1 - 79 / 40)


class TestCalibration:
    def rows(self) -> list[dict[str, object]]:
        """Texts 0 … 39: face is 1 in every second; the last 20 are by the judge's own model."""
        return [row(str(n), n % 2, author="big" if n >= 20 else "other") for n in range(40)]

    def test_error_rates_by_hand(self, tmp_path: Path):
        # False present in 2 of the 20 negatives (texts 20, 22: by itself), false absent in 5 of the 20 positives.
        first = [says(1 if n in (20, 22) else int(n % 2 and n > 9), 0) for n in range(40)]
        second = [says(1 if n == 20 else int(n % 2 and n > 9), 0) for n in range(40)]
        made = calibrate(JUDGE, [first, second], gold(tmp_path, *self.rows()))
        face = made.values["face"]
        assert (face.negatives, face.positives) == (20, 20)
        assert values(face.false_present, face.false_absent) == [0.1, 0.25]
        assert face.false_present == made.overall.false_present
        assert face.false_present is not None
        assert face.false_present.low is not None
        assert face.false_present.low < 0.1 < face.false_present.high  # type: ignore[operator]
        # One of 40 flips; 17 are present in the first reading and none only in the second.
        assert made.order_flip is not None
        assert values(made.order_flip.rate, made.order_flip.present_rate) == [1 / 40, 1 / 17]
        preference = made.self_preference
        assert preference is not None
        assert values(preference.own, preference.others, preference.difference) == [0.2, 0.0, 0.2]
        assert preference.difference.low is not None
        assert preference.difference.low < 0 < preference.difference.high  # type: ignore[operator]
        assert (preference.own_texts, preference.other_texts) == (20, 20)

    def test_paraphrases(self, tmp_path: Path):
        rows = [*(row(str(n), 1) for n in range(4)), *(row(f"{n}'", 1, paraphrase_of=str(n)) for n in range(4))]
        judgements = [*[says(1, 0)] * 4, says(0, 0), *[says(1, 0)] * 3]
        made = calibrate(JUDGE, [judgements], gold(tmp_path, *rows))
        assert made.paraphrase_flip is not None
        assert (made.paraphrase_flip.pairs, made.paraphrase_flip.rate.value) == (4, 0.25)
        assert made.order_flip is None
        assert made.self_preference is None

    def test_the_file_comes_back_and_fits_its_judge_alone(self, tmp_path: Path):
        made = calibrate(JUDGE, [[says(1, 0)] * 40], gold(tmp_path, *self.rows()))
        write_calibration(made, tmp_path / "deep" / "c.json")
        again = read_calibration(tmp_path / "deep" / "c.json")
        assert again == made
        assert again.fits(JUDGE)
        assert again.fits(build("openai:big@http://elsewhere/v1"))
        assert not again.fits(build("openai:small@http://h/v1"))
        assert not again.fits(build("openai:big@http://h/v1?each=1"))

    def test_something_else_is_refused(self, tmp_path: Path):
        with pytest.raises(InputError, match="is no calibration"):
            read_calibration(write(tmp_path / "c.json", {"judge": "me"}))
        with pytest.raises(InputError, match="cannot read"):
            read_calibration(tmp_path / "none.json")


def values(*figures: Figure | None) -> list[float]:
    assert all(figures)
    return [pytest.approx(figure.value) for figure in figures if figure is not None]


def test_the_taxonomy_of_the_file_is_the_19_where_it_labels_nothing_else(tmp_path: Path):
    assert isinstance(gold(tmp_path, row("a", 1)).taxonomy, Taxonomy)
    assert gold(tmp_path, row("a", 1)).taxonomy.name == "schwartz-19"
