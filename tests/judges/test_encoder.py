"""The embedded judge, run for real: what it reads, what it leaves alone, and the promises made for it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from akrasia.core import PRESENT, InputError
from akrasia.judges import build_judge
from akrasia.judges.encoder import CARD_FILE, SHIPPED, Encoder, build
from akrasia.judges.encoder_card import Card
from akrasia.judges.encoder_head import CATEGORIES, HEAD_FILE, load_head
from akrasia.judges.training_rows import read_sentences, sentence_rows
from akrasia.values import OBJECTIVITY, Taxonomy, Value, parse_constitution, taxonomy

REFINED = Taxonomy("twenty", (*taxonomy("schwartz-19").values, OBJECTIVITY))
KEPT = "I gave him my word that I would look after his dog, so I will, every single day, whatever it costs me."
NEUTRAL = "The ticket office is on the ground floor, and it opens at nine."


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    judge = build_judge("encoder")
    assert isinstance(judge, Encoder)
    return judge


async def test_it_reads_a_kept_promise_and_quotes_it(encoder: Encoder) -> None:
    text = f"{NEUTRAL}\n\n{KEPT}\n\n{NEUTRAL}"
    found = (await encoder.read(text, REFINED, None)).readings
    assert list(found) == list(CATEGORIES)
    assert found["benevolence-dependability"].upheld
    assert found["benevolence-dependability"].evidence == KEPT
    for reading in found.values():
        assert 0 <= reading.score <= 1
        assert (reading.polarity == "upholds") == (reading.score >= PRESENT)
        assert (reading.evidence is None) == (reading.polarity is None)
        assert reading.evidence is None or reading.evidence in text


@pytest.mark.parametrize("text", [NEUTRAL, "", "   \n", "?!", "Which of the two forms did you send?"])
async def test_it_abstains(encoder: Encoder, text: str) -> None:
    readings = (await encoder.read(text, REFINED, None)).readings.values()
    assert len(readings) == 20
    assert all(reading.polarity is None and reading.score < PRESENT for reading in readings)


async def test_repeats_roles_and_neighbours_change_nothing(encoder: Encoder) -> None:
    alone = await encoder.read(KEPT, REFINED, None)
    assert await encoder.read(KEPT, REFINED, None, role="other", repeat=3) == alone
    scores, polarity = encoder.read_texts([NEUTRAL, KEPT, ""])
    assert scores.shape == polarity.shape == (3, 20)
    assert [alone.readings[value].score for value in CATEGORIES] == list(scores[1])
    assert not scores[2].any()
    assert encoder.read_texts([])[0].shape == (0, 20)


@pytest.mark.parametrize("name", ["schwartz-10", "higher-order"])
async def test_coarser_values_take_their_strongest_member(encoder: Encoder, name: str) -> None:
    coarse = taxonomy(name)
    encoder.check(coarse)
    refined = (await encoder.read(KEPT, taxonomy("schwartz-19"), None)).readings
    for value, reading in (await encoder.read(KEPT, coarse, None)).readings.items():
        members = [one.id for one in taxonomy("schwartz-19").values if one.broader[name] == value]
        if reading.polarity != "betrays":
            assert reading.score == max(refined[member].score for member in members)


async def test_a_short_text_does_not_wait_for_a_long_one(encoder: Encoder) -> None:
    """Some 600 passages, which take seconds, and two."""
    values = taxonomy()
    passages = [f"I promised to call {number} times, and I will." for number in range(600)]
    long = asyncio.create_task(encoder.read("\n".join(passages), values, None))
    await asyncio.sleep(0.05)
    short = await encoder.read(KEPT, values, None)
    assert not long.done()
    assert short == encoder.judge_texts([KEPT], values)[0]
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)
    began = time.perf_counter()
    await encoder.read(KEPT, values, None)
    assert time.perf_counter() - began < 1, "the rest of what nobody waits for is not read"


async def test_turns_change_nothing(encoder: Encoder) -> None:
    values = taxonomy()
    rows = [f"Row {number} of the table." for number in range(150)]
    text = "\n".join(["Nothing to say.", *rows, KEPT, "Bye now."] * 2)
    found = await encoder.read(text, values, None)
    assert found == encoder.judge_texts([text], values)[0]
    assert any(reading.evidence and reading.evidence in KEPT for reading in found.readings.values())


def test_values_that_it_does_not_know_are_refused(encoder: Encoder) -> None:
    with pytest.raises(InputError, match=r"care, fairness.*llm:MODEL"):
        encoder.check(taxonomy("moral-foundations"))
    mixed = Taxonomy("mixed", (taxonomy("schwartz-19").find("face"), taxonomy("schwartz-10").find("power")))
    with pytest.raises(InputError, match="as one list"):
        encoder.check(mixed)
    encoder.check(REFINED)
    encoder.check(parse_constitution('name = "house"\n[[value]]\nid = "humility"\n'))
    with pytest.raises(InputError, match="thrift"):
        encoder.check(Taxonomy("own", (Value(id="thrift", definition="Wasting nothing."),)))


def test_a_folder_without_a_head_is_refused(tmp_path: object) -> None:
    with pytest.raises(InputError, match="no trained head"):
        build(str(tmp_path))


def test_the_fingerprint_names_the_files(encoder: Encoder) -> None:
    assert len(encoder.fingerprint.revision) == 64
    assert encoder.fingerprint.backend.startswith("onnxruntime ")
    assert encoder.fingerprint == Encoder().fingerprint


def test_what_ships_is_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 26_000_000
    head = load_head(SHIPPED / HEAD_FILE)
    assert head.present.weights.shape[1] == head.argument.weights.shape[1] == len(CATEGORIES)


def test_promises_on_held_out_sentences(encoder: Encoder) -> None:
    """The promises of the card, measured again on the held-out sentences: macro-F1, abstention, time."""
    import msgspec

    card = msgspec.json.decode((SHIPPED / CARD_FILE).read_bytes(), type=Card)
    held = sentence_rows(read_sentences(), "heldout")
    started = time.process_time()
    scores, polarity = encoder.read_texts(held.texts)
    per_text = (time.process_time() - started) / len(held)
    assert per_text < 0.03  # 0.010 on a quiet core; here the bound only catches a blunder
    upheld, truth = (scores >= PRESENT).astype(float), held.upholds
    f1 = 2 * (upheld * truth).sum(axis=0) / (upheld + truth).sum(axis=0)
    assert card.sentences_macro_f1_refined is not None
    assert np.isclose(f1.mean(), card.sentences_macro_f1_refined.value, atol=0.01)  # processors may round apart
    neutral = (held.upholds + held.betrays).sum(axis=1) == 0
    assert neutral.sum() >= 100
    assert (polarity[neutral] != 0).any(axis=1).mean() <= 0.10


def test_the_encoder_leaves_nothing_behind_in_the_home_folder(tmp_path: Path) -> None:
    code = "from akrasia.judges.encoder import build; build('').read_texts(['I keep my word.'])"
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache"), "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", code], check=True, env=home)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
