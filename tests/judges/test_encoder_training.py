"""Fitting the head: the regression by hand, pooling, storing, and training end to end on little data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from akrasia.core import PRESENT, InputError
from akrasia.judges.encoder import CARD_FILE, Encoder
from akrasia.judges.encoder_head import (
    CATEGORIES,
    HEAD_FILE,
    Head,
    Layer,
    Threshold,
    both,
    load_head,
    pool,
    save_head,
    sigmoid,
)
from akrasia.judges.logistic import fit_layer, platt_slope
from akrasia.judges.training import train
from akrasia.judges.training_rows import SENTENCES, unseen, valueeval_rows
from akrasia.values import VALUEEVAL_COLUMNS


def test_without_features_the_bias_is_the_log_odds() -> None:
    # Of four rows three are 1: log(3 / 1). The second label is known for two rows only, one of them 1: log(1) = 0.
    labels = np.array([[1, 1], [1, 0], [1, np.nan], [0, np.nan]])
    layer = fit_layer(np.zeros((4, 3)), labels, ridge=1.0)
    assert np.allclose(layer.bias, [np.log(3), 0], atol=1e-3)
    assert np.allclose(layer.weights, 0)


def test_ridge_solution_has_no_slope() -> None:
    rng = np.random.default_rng(0)
    vectors, labels = rng.normal(size=(40, 3)), (rng.random((40, 2)) < 0.4).astype(float)
    layer = fit_layer(vectors, labels, ridge=0.7)
    # At the optimum the gradient, Σ x (p − y) + ridge · w, is zero.
    assert np.allclose(vectors.T @ (sigmoid(layer.logits(vectors)) - labels) + 0.7 * layer.weights, 0, atol=1e-2)


def test_common_weights_carry_over_to_a_label_that_is_hardly_known() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(200, 2))
    truth = (vectors[:, 0] > 0).astype(float)
    labels = np.column_stack([truth, np.where(np.arange(200) < 2, truth, np.nan)])
    alone = fit_layer(vectors, labels, ridge=5.0).weights[0, 1]
    assert fit_layer(vectors, labels, ridge=5.0, shared=0.1).weights[0, 1] > 3 * abs(alone)


def test_platt_slope_finds_the_scale_of_the_logits() -> None:
    logits = np.random.default_rng(2).normal(size=(4000, 1)) * 2
    labels = (np.random.default_rng(3).random((4000, 1)) < sigmoid(0.5 * logits)).astype(float)
    assert abs(platt_slope(logits, labels) - 0.5) < 0.06


@given(arrays(float, 2, elements=st.floats(-30, 30)))
def test_logit_of_a_product(pair: np.ndarray) -> None:
    together = both(pair[:1], pair[1:])
    assert np.isclose(sigmoid(together), sigmoid(pair[:1]) * sigmoid(pair[1:]), atol=1e-9)
    assert np.isfinite(together).all()


def test_the_most_telling_passage_speaks_for_the_text() -> None:
    upheld = np.array([[0.2, 0.9, 0.1, 0.6], [0.4, 0.3, 0.1, 0.1]])
    betrayed = np.array([[0.1, 0.6, 0.2, 0.7], [0.2, 0.1, 0.8, 0.1]])
    scores, polarity, decided = pool(upheld, betrayed)
    assert scores.tolist() == [0.4, 0.9, 0.0, 0.0]
    assert polarity.tolist() == [0, 1, -1, -1]
    assert decided.tolist() == [1, 0, 1, 0]


def _head(bias: dict[str, float], at: float = 0.0) -> Head:
    def layer(name: str, count: int) -> Layer:
        return Layer(np.zeros((2, count)), np.full(count, bias.get(name, 0.0)))

    threshold = Threshold(2.0, np.full(20, at))
    counts = {"anything": 1, "present": 20, "polarity": 20, "argument": 20, "register": 1}
    layers = [layer(name, count) for name, count in counts.items()]
    return Head(*layers, Threshold(1.0, np.zeros(1)), threshold, threshold, threshold)


def test_the_threshold_of_a_register_is_a_score_of_one_half() -> None:
    vectors = np.zeros((1, 2))
    speech = {"anything": 9.0, "present": 40.0, "polarity": 1.5, "register": -40.0}
    assert np.allclose(_head(speech, at=1.5).read(vectors)[0], PRESENT)
    argument = {"argument": 0.7, "register": 40.0}
    upheld, betrayed = _head(argument, at=0.7).read(vectors)
    assert np.allclose(upheld, PRESENT)
    assert betrayed.max() < 0.001


def test_where_nothing_is_expressed_no_value_is_present() -> None:
    upheld, betrayed = _head({"anything": -1.0, "present": 40.0, "polarity": 9.0, "register": -40.0}).read(
        np.zeros((1, 2))
    )
    assert upheld.max() < PRESENT
    assert betrayed.max() < PRESENT


def test_a_head_is_stored_whole(tmp_path: Path) -> None:
    head = _head({"present": 0.25, "register": -3.0}, at=0.5)
    save_head(head, tmp_path / HEAD_FILE)
    vectors = np.random.default_rng(0).normal(size=(3, 2))
    for mine, theirs in zip(head.read(vectors), load_head(tmp_path / HEAD_FILE).read(vectors), strict=True):
        assert np.allclose(mine, theirs)


def _valueeval(folder: Path, texts: dict[str, tuple[str, str]]) -> None:
    """A folder in ValueEval's form: two arguments on each of some conclusions, one appeal each."""
    topics = [f"We should do {number}" for number in range(40)]
    for split in ("training", "validation"):
        arguments, labels = (
            ["Argument ID\tConclusion\tStance\tPremise"],
            ["\t".join(["Argument ID", *VALUEEVAL_COLUMNS])],
        )
        for number, topic in enumerate(topics):
            for place, (column, text) in enumerate(texts.values()):
                name = f"A{number}-{place}"
                arguments.append(f'{name}\t{topic}\tin favor of\t{text} "{number}"')
                labels.append("\t".join([name, *(str(int(column == other)) for other in VALUEEVAL_COLUMNS)]))
        (folder / f"arguments-{split}.tsv").write_text("\n".join(arguments) + "\n")
        (folder / f"labels-{split}.tsv").write_text("\n".join(labels) + "\n")


TEXTS = {
    "nature": ("Universalism: nature", "it should be banned because it destroys forests and kills wild animals"),
    "wealth": ("Power: resources", "it should be subsidised because investors would become much richer"),
}


def test_training_end_to_end_on_little_data(tmp_path: Path) -> None:
    _valueeval(tmp_path, TEXTS)
    lines = SENTENCES.read_text().splitlines()
    mine = tmp_path / "mine.jsonl"
    mine.write_text("\n".join([lines[0], *lines[1:240]]) + "\n")
    report = train(tmp_path, mine, tmp_path / "head", seed=1)
    assert report.arguments == 80
    assert 0 < report.tuned_on < report.arguments + report.speech
    assert (tmp_path / "head" / CARD_FILE).is_file()
    judge = Encoder(tmp_path / "head")
    assert judge.name == f"encoder:{tmp_path / 'head'}"
    assert judge.fingerprint != Encoder().fingerprint
    scores, _ = judge.read_texts([TEXTS["nature"][1], TEXTS["wealth"][1]])
    rows = [CATEGORIES.index("universalism-nature"), CATEGORIES.index("power-resources")]
    assert (scores[:, rows] >= PRESENT).tolist() == [[True, False], [False, True]]
    again = train(tmp_path, mine, tmp_path / "again", seed=1)
    assert again.card == report.card
    assert (tmp_path / "again" / HEAD_FILE).read_bytes() == (tmp_path / "head" / HEAD_FILE).read_bytes()


def test_files_that_are_not_valueeval_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"arguments-training.tsv cannot be read"):
        valueeval_rows(tmp_path, "training")
    _valueeval(tmp_path, TEXTS)
    assert len(valueeval_rows(tmp_path, "training")) == 80
    (tmp_path / "labels-training.tsv").write_text("Argument ID\tTradition\n")
    with pytest.raises(InputError, match="has no column 'Self-direction: thought'"):
        valueeval_rows(tmp_path, "training")
    (tmp_path / "labels-training.tsv").write_bytes("Argument ID\nrôle\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"labels-training\.tsv, line 2: not UTF-8 text"):
        valueeval_rows(tmp_path, "training")


def test_about_a_fifth_of_the_groups_is_unseen() -> None:
    assert 0.15 < np.mean([unseen(f"group {number}") for number in range(2000)]) < 0.25
