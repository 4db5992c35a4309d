"""What a dry run says that a run would take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.runs.conftest import records
from tests.runs.test_budget import preferences, prices

import akrasia
from akrasia.core import BudgetReached, Fingerprint, Message
from akrasia.judges import build_judge, judge_identity
from akrasia.risk import Prior
from akrasia.runs.config import build_config
from akrasia.runs.execute import Options, plan_run
from akrasia.runs.forecast import prompt_tokens
from akrasia.runs.plan import Left, Taken
from akrasia.strategies.prior_file import PriorFile, Provenance, Verifier, write_prior
from akrasia.strategies.scorers import STATED

Write = Callable[[int], str]
SCRIPT = "scripted:tests.runs.scripts:"


def planned(suite: str, out: Path = Path("nowhere"), reuse: tuple[Path, ...] = (), **keys: Any) -> Any:
    config = build_config({"model": f"{SCRIPT}half", "suite": suite, **keys})
    return plan_run(config, out, Options(reuse=reuse)).cells


def test_tokens_of_a_prompt() -> None:
    # 24 for a conversation, 6 for a message; "What is " and " " and " " are runs of 8, 1 and 1 letters and spaces, so
    # 3 + 1/3 tokens, rounded up; "0", "+", "0" and "?" count one each.
    assert prompt_tokens([Message("user", "What is 0 + 0?")]) == 24 + 6 + 4 + 4
    assert prompt_tokens([Message("user", "友達"), Message("user", "")]) == 24 + 6 + 2 + 6


def test_a_draw(tmp_path: Path, suite_file: Write) -> None:
    file = prices(tmp_path, ("scripted:*", 1.0, 2.0))
    (count,) = planned(suite_file(2), samples=2, max_tokens=10, prices=file)
    # Two items × two samples: 38 tokens of prompt and at most 10 of answer each.
    assert (count.calls, count.prompt_tokens, count.completion_tokens, count.tokens) == (4, 152, 40, 192)
    assert count.cost == pytest.approx((152 * 1.0 + 40 * 2.0) / 1e6)
    assert count.left is None


def test_without_a_cap_or_a_price_it_is_unknown(tmp_path: Path, suite_file: Write) -> None:
    file = prices(tmp_path, ("scripted:*", 1.0, 2.0))
    (count,) = planned(suite_file(2), samples=2, prices=file)
    assert (count.candidates, count.calls, count.prompt_tokens) == (4, 4, 152)
    assert (count.tokens, count.cost) == (None, None)
    (count,) = planned(suite_file(2), samples=2, max_tokens=10)
    assert count.cost is None


def test_every_call_of_a_strategy_counts_with_all_that_it_shows(suite_file: Write) -> None:
    direct, slow, shots, forced, vote = planned(
        suite_file(9), strategy=["direct", "slow", "few_shot:4", "budget_forced:64", "self_consistency:2"], samples=2,
        max_tokens=10,
    )  # fmt: skip
    assert (direct.calls, slow.calls, shots.calls, forced.calls, vote.calls) == (18, 36, 18, 54, 0)
    # The reasoning of up to 512 tokens stands in the second prompt, so it counts twice.
    assert slow.completion_tokens == 18 * (512 + 10)
    assert slow.prompt_tokens > 18 * 512 + 2 * direct.prompt_tokens
    assert shots.prompt_tokens > 3 * direct.prompt_tokens
    # An endpoint that cannot continue a turn is asked for the answer once more.
    assert forced.completion_tokens == 18 * (64 + 2 * 10)
    assert forced.fewest == Taken(36, None, None)
    assert (vote.tokens, vote.cost) == (0, 0.0)


def test_judges_count_at_their_own_price(tmp_path: Path) -> None:
    file = prices(tmp_path, ("scripted:*:judge", 0.0, 1e6), ("scripted:*", 0.0, 0.0))
    (count,) = planned(
        preferences(tmp_path), model=f"{SCRIPT}adviser", judge=f"llm:{SCRIPT}judge", votes=4, samples=2, max_tokens=8,
        prices=file,
    )  # fmt: skip
    # Six candidates, four votes each, each vote of at most 2,048 tokens.
    assert count.calls == 6 + 24
    assert count.cost == pytest.approx(24 * 2048)


COIN = Prior((0.0, 1.0), (0.5,), (1.0,), ((0.5, 0.5),))


def learnt(folder: Path, verifier: str, judge: str = "") -> str:
    came = Provenance("cell", "s", "f", Fingerprint("m", "", ""), None, "", 50, 12, 0, "0.1.0")
    path = folder / "prior.json"
    write_prior(PriorFile(verifier=Verifier(verifier, judge), prior=COIN, provenance=came), path)
    return str(path)


def test_what_decides_by_its_candidates_how_many_it_draws_is_bounded(tmp_path: Path, suite_file: Write) -> None:
    file, prior = prices(tmp_path, ("scripted:*", 1.0, 2.0)), learnt(tmp_path, "numeric")
    few = f"adaptive:{prior}?cost=0.1&most=4"
    direct, adaptive, slow, several = planned(
        suite_file(2), samples=2, max_tokens=10, prices=file,
        strategy=["direct", few, f"{few}&inner=slow", f"{few}&at_once=3"],
    )  # fmt: skip
    assert (direct.fewest, direct.expected) == (None, None)
    # 2 items × 2 samples. One draw asks what `direct` asks, and four cost at most four times as much; a reply may be
    # short. Of a fair coin at 0.1 one draws until the first success: 1 + 1/2 + 1/4 + 1/8 = 1.875 draws, 7.5 of four
    # commitments.
    assert adaptive.fewest == Taken(direct.calls, None, None)
    assert (adaptive.calls, adaptive.tokens) == (4 * direct.calls, 4 * direct.tokens)
    assert adaptive.cost == pytest.approx(4 * direct.cost)
    assert (adaptive.expected.calls, adaptive.expected.tokens) == (8, pytest.approx(1.875 * direct.tokens, rel=0.01))
    assert (slow.fewest.calls, slow.calls) == (8, 32)  # reasons, then acts
    # Unseen, three are each worth 0.1 (0.5, 0.25, 0.125): so many come at once, and none fewer.
    assert (several.fewest.calls, several.calls, several.expected) == (12, 16, None)


def test_a_verifier_that_asks_counts_with_every_candidate(tmp_path: Path) -> None:
    judge = f"llm:{SCRIPT}judge"
    prior = learnt(tmp_path, STATED, judge_identity(build_judge(judge)))
    cells = planned(
        "valdi", limit=1, samples=1, max_tokens=10, judge="encoder", auditor=judge,
        strategy=["fast", f"adaptive:{prior}?cost=0.1&most=5"],
    )  # fmt: skip
    fast, adaptive = (cell for cell in cells if "fast" in cell.cell or "adaptive" in cell.cell)
    # The action and its reading, up to five times; once what the model states, and the reading of that. The statement
    # is the other cell's, and a text that was read before is not read again: only one action is sure.
    assert fast.calls == 1
    assert (adaptive.fewest.calls, adaptive.calls) == (1, 5 * 2 + 2)


def test_what_is_left(tmp_path: Path, suite_file: Write) -> None:
    out, suite = tmp_path / "run", suite_file(10)
    akrasia.run(out, model=f"{SCRIPT}refuses_three", suite=suite, samples=4, limit=5, max_tokens=10)
    keys: dict[str, Any] = {"model": f"{SCRIPT}refuses_three", "samples": 4, "max_tokens": 10}
    (count,) = planned(suite, out, **keys)
    assert count.left == Left(candidates=20, calls=20, tokens=count.tokens // 2, cost=None)
    (count,) = planned(suite, out, retry_missing=True, **keys)
    assert count.left is not None
    assert count.left.candidates == 21  # one is stored without a measurement
    (count,) = planned(suite, tmp_path / "other", reuse=(out,), **keys)
    assert count.left is not None
    assert count.left.candidates == 21  # what was refused there is asked again
    (count,) = planned(suite, tmp_path / "other", reuse=(out,), **{**keys, "max_tokens": 11})
    assert count.left is not None
    assert count.left.candidates == 40  # other settings, other calls
    assert not (tmp_path / "other").exists()


def test_calls_that_are_bought_for_half_drawn_items_are_not_left(tmp_path: Path, suite_file: Write) -> None:
    """A stop leaves calls without their candidates: the same command finds them, and buys the others alone."""
    out, suite = tmp_path / "run", suite_file(10)
    keys: dict[str, Any] = {"model": f"{SCRIPT}with_usage", "suite": suite, "samples": 8, "max_tokens": 10}
    with pytest.raises(BudgetReached):
        akrasia.run(out, **keys, max_tokens_total=300)
    (count,) = planned(out=out, **keys)
    stored = records(out)
    assert len(stored["calls"]) > len(stored["scores"])  # else there is nothing to see
    assert count.left.candidates == 80 - len(stored["scores"])
    assert count.left.calls == 80 - len(stored["calls"])
    assert count.left.tokens == pytest.approx(count.tokens * count.left.calls / 80, abs=1)
    (again,) = planned(out=tmp_path / "other", reuse=(out,), **keys)
    assert again.left == count.left
    bought = akrasia.run(out, **keys).cells[0].calls
    assert bought == len(stored["calls"]) + count.left.calls == 80


def test_what_a_judge_is_asked_again_is_left_and_the_draft_is_not(tmp_path: Path) -> None:
    out = tmp_path / "run"
    keys: dict[str, Any] = {"model": f"{SCRIPT}adviser", "suite": preferences(tmp_path), "samples": 4, "max_tokens": 10}
    keys |= {"judge": f"llm:{SCRIPT}sick_judge", "votes": 2}
    missing = akrasia.run(out, **keys).cells[0].missing
    assert missing
    (count,) = planned(out=out, retry_missing=True, **keys)
    whole = count.calls / count.candidates
    assert count.left.candidates == missing
    assert count.left.calls == missing * (whole - 1)
