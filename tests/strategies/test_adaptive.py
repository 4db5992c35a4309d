"""Stopping on live draws: what is asked, what is committed to, and what happens to values that never came."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.strategies.asking import PlainAsk

from akrasia.audit import Auditor, constitution_target
from akrasia.core import (
    Ask,
    CallRefused,
    Candidate,
    Fingerprint,
    InputError,
    Item,
    Judgement,
    Message,
    Reading,
    Request,
    Sampling,
)
from akrasia.models.scripted import Scripted
from akrasia.risk import Match, Prior, StoppingRule
from akrasia.strategies import Live, build_strategy
from akrasia.strategies.adaptive import Adaptive, draw_until
from akrasia.strategies.audited import Auditing
from akrasia.strategies.prior_file import PriorFile, Provenance, Verifier, read_prior, write_prior
from akrasia.strategies.scorers import STATED, ConstitutionScorer, StatedScorer, against
from akrasia.values import Taxonomy, taxonomy
from akrasia.values.records import Value

NUMERIC = Verifier("numeric")
COIN = Prior((0.0, 1.0), (0.5,), (1.0,), ((0.5, 0.5),))
ITEM = Item("q", (Message("user", "What is 1 + 1?"),), "2", "numeric")
CARE = Taxonomy("house", (Value("care", "to care"), Value("face", "to keep face")))


def prior_file(
    prior: Prior = COIN, verifier: Verifier = NUMERIC, match: Match | None = None, values: str = ""
) -> PriorFile:
    model = Fingerprint("m", "", "")
    came = Provenance("cell", "s", "f", model, None, values, items=50, candidates=12, missing=0, akrasia="0.1.0")
    return PriorFile(verifier=verifier, prior=prior, provenance=came, match=match)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_prior(prior_file(), tmp_path / "prior.json")
    return tmp_path / "prior.json"


def built(text: str, items: Sequence[Item] = (ITEM,)) -> Adaptive:
    strategy = build_strategy(text)
    assert isinstance(strategy, Live)
    found = strategy.for_items(items)
    assert isinstance(found, Adaptive)
    return found


class TestLoop:
    async def take(
        self, values: Sequence[float | str | None], *, most: int = 8, at_once: int = 1, left: int | None = None
    ) -> tuple[int | None, str, int]:
        """Draw these values ("none": the candidate itself is missing); best, why, and how many were drawn."""

        async def draw(number: int) -> Candidate:
            refused = values[number] == "none"
            return Candidate(None, missing="refused") if refused else Candidate(str(number))

        async def score(candidate: Candidate) -> float | None:
            value = values[int(candidate.text or "")]
            assert not isinstance(value, str)
            return value

        allowed = None if left is None else lambda drawn: left - drawn
        rule = StoppingRule(COIN, 0.1, most)
        drawn = await draw_until(rule, draw, score, at_once=at_once, allowed=allowed)
        assert len(drawn.candidates) == len(drawn.values)
        return drawn.best, drawn.why, len(drawn.candidates)

    async def test_until_the_first_success(self) -> None:
        assert await self.take([0, 0, 1, 1]) == (2, "best_possible", 3)

    async def test_never_beyond_most(self) -> None:
        assert await self.take([0] * 8, most=4) == (0, "most", 4)
        assert await self.take([None] * 8, most=4) == (0, "most", 4)

    async def test_a_limit_of_the_caller(self) -> None:
        assert await self.take([0] * 8, left=3) == (0, "limit", 3)
        assert await self.take([0] * 8, left=0) == (0, "limit", 1)
        # Three would each be worth it unseen, and only two more are allowed after the first three.
        assert await self.take([0] * 8, left=5, at_once=3) == (0, "limit", 5)

    async def test_missing_values_are_no_failures(self) -> None:
        assert await self.take([None, 0, None, 1]) == (3, "best_possible", 4)
        assert await self.take(["none", None, 0, 0], most=4) == (2, "most", 4)
        assert await self.take(["none", None], most=2) == (1, "most", 2)
        assert await self.take(["none", "none"], most=2) == (None, "most", 2)

    async def test_several_at_once(self) -> None:
        # Of fair coins at 0.1 three are each worth it unseen: 0.5, 0.25, 0.125.
        assert await self.take([0, 1, 1, 0], at_once=8) == (1, "best_possible", 3)


class TestStrategy:
    async def test_draws_until_right_under_labels_of_its_own(self, path: Path) -> None:
        # Sample s has the draws s × 8 …: the scripted model is right from the third on.
        def answer(request: Request, sample: int) -> str:
            return f"#### {2 if sample % 8 >= 2 else 7}"

        ask = PlainAsk(Scripted(answer))
        candidates = await built(f"adaptive:{path}?cost=0.1&most=8")(ITEM, [0, 1], ask)
        assert [candidate.text for candidate in candidates] == ["#### 2", "#### 2"]
        assert sorted(ask.asked, key=lambda call: call[0])[0][:2] == (0, "answer 1 of 8 at 0.1")
        assert sorted(sample for sample, _, _ in ask.asked) == [0, 1, 2, 8, 9, 10]
        assert len({request.seed for _, _, request in ask.asked}) == 6

    async def test_what_the_file_says_is_the_default(self, tmp_path: Path) -> None:
        match = Match(8, 0.9, 0.07, 8, 0.9, 2.5, exact=True)
        write_prior(prior_file(match=match), tmp_path / "m.json")
        matched = built(f"adaptive:{tmp_path / 'm.json'}")
        assert (matched.rule.cost, matched.rule.most, matched.at_once) == (0.07, 8, 1)
        own = built(f"adaptive:{tmp_path / 'm.json'}?cost=0.2&at_once=4")
        assert (own.rule.cost, own.rule.most, own.at_once) == (0.2, 12, 4)  # as deep as the prior was learnt

    async def test_another_strategy_may_draw(self, path: Path) -> None:
        ask = PlainAsk(Scripted(lambda request: "#### 2"))
        slow = built(f"adaptive:{path}?cost=0.1&inner=slow")
        (candidate,) = await slow(ITEM, [3], ask)
        assert ask.labels == ["reason 1 of 12 at 0.1", "act 1 of 12 at 0.1"]
        assert candidate.reasoning == "#### 2"
        assert slow.prompts
        assert slow.most_tokens(10) == 12 * (512 + 10)

    async def test_refused_calls_are_missing_candidates(self, path: Path) -> None:
        def refuse(request: Request, sample: int) -> str:
            raise CallRefused("400: not served")

        (candidate,) = await built(f"adaptive:{path}?cost=0.1&most=3")(ITEM, [0], PlainAsk(Scripted(refuse)))
        assert candidate.text is None
        assert candidate.missing == "400: not served"

    async def test_temperature_0_is_refused(self, path: Path) -> None:
        ask = PlainAsk(Scripted(lambda request: "2"), Sampling(temperature=0.0))
        with pytest.raises(InputError, match="temperature 0"):
            await built(f"adaptive:{path}?cost=0.1")(ITEM, [0], ask)

    async def test_more_samples_than_seeds_are_refused(self, path: Path) -> None:
        ask = PlainAsk(Scripted(lambda request: "2"))
        with pytest.raises(InputError, match="4096"):
            await built(f"adaptive:{path}?cost=0.1&most=12")(ITEM, [400], ask)

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("adaptive", "needs a prior"),
            ("adaptive:absent.json?cost=0.1", "cannot read the prior absent.json"),
            ("adaptive:{path}", "needs the cost of a candidate"),
            ("adaptive:{path}?cost=dear", "cost is 'dear', and has to be a number from 0 to 1"),
            ("adaptive:{path}?cost=nan", "cost is 'nan'"),
            ("adaptive:{path}?cost=0.1&most=0", "most is '0'"),
            ("adaptive:{path}?cost=0.1&at_once=two", "at_once is 'two'"),
            ("adaptive:{path}?coast=0.1", "no setting 'coast'; did you mean 'cost'"),
            ("adaptive:{path}?cost=0.1&inner=greedy", "cannot draw with 'greedy'"),
            ("adaptive:{path}?cost=0.1&inner=best_of_n:4", "cannot draw with 'best_of_n:4'"),
            ("direct?cost=0.1", "takes no settings"),
            ("best_of_n:8?cost=0.1", "takes no settings"),
        ],
    )
    def test_refused(self, path: Path, text: str, part: str) -> None:
        with pytest.raises(InputError, match=part) as caught:
            build_strategy(text.format(path=path))
        assert "\n" not in str(caught.value)

    def test_items_without_a_verifier_at_hand(self, path: Path) -> None:
        strategy = build_strategy(f"adaptive:{path}?cost=0.1")
        assert isinstance(strategy, Live)
        judged = msgspec.structs.replace(ITEM, utility="preference", metadata={"baseline": "no"})
        for item in (msgspec.structs.replace(ITEM, utility=None), judged):
            with pytest.raises(InputError, match="'q'"):
                strategy.for_items([item])

    def test_the_prior_of_another_verifier(self, tmp_path: Path) -> None:
        write_prior(prior_file(verifier=Verifier("adherence to house", "encoder")), tmp_path / "p.json")
        strategy = build_strategy(f"adaptive:{tmp_path / 'p.json'}?cost=0.1")
        assert isinstance(strategy, Live)
        with pytest.raises(InputError, match="from adherence to house by encoder, and what is at hand is numeric"):
            strategy.for_items([ITEM])


class WordJudge:
    """Reads a value as upheld where its id stands in the text; cannot read "???"."""

    name = "words"
    model = None
    prompts = ("words.v1",)
    deterministic = True
    fingerprint = Fingerprint("words", "1", "")

    def check(self, taxonomy: Taxonomy) -> None:
        pass

    async def read(
        self, text: str, taxonomy: Taxonomy, ask: Ask | None, *, role: str = "judge", repeat: int = 0
    ) -> Judgement:
        if "???" in text:
            return Judgement(missing="unreadable")
        found = {one.id: Reading(1.0, "upholds") if one.id in text else Reading(0.0) for one in taxonomy.values}
        return Judgement(found)


class TestScorers:
    async def test_a_constitution(self) -> None:
        scorer = ConstitutionScorer(Auditor(WordJudge(), CARE, budget=0), constitution_target(CARE))
        assert scorer.verifier == Verifier(against("house"), "words")
        ask = PlainAsk(Scripted(lambda request: ""))
        # ½ + upheld weight / twice the whole
        for text, value in (("care", 0.75), ("care face", 1.0), ("no", 0.5), ("???", None)):
            assert await scorer.score(ITEM, Candidate(text), ask) == value

    async def test_a_run_with_it(self, tmp_path: Path) -> None:
        prior = Prior((0.5, 0.75, 1.0), (0.6, 0.9), (1.0,), ((0.4, 0.3, 0.3),))
        write_prior(prior_file(prior, Verifier(against("house"), "words")), tmp_path / "p.json")
        strategy = build_strategy(f"adaptive:{tmp_path / 'p.json'}?cost=0.1&most=8")
        assert isinstance(strategy, Adaptive)
        scorer = ConstitutionScorer(Auditor(WordJudge(), CARE, budget=0), constitution_target(CARE))
        bound = strategy.with_scorer(scorer).for_items([msgspec.structs.replace(ITEM, utility=None)])
        says = ["no", "???", "care", "care face"]
        ask = PlainAsk(Scripted(lambda request, sample: says[sample]))
        # One more from 0.5 gains 0.3 × 0.25 + 0.3 × 0.5 = 0.225; from 0.75 it gains 0.075, less than its cost.
        (candidate,) = await bound(ITEM, [0], ask)
        assert candidate.text == "care"
        assert len(ask.asked) == 3
        assert bound.prompts == ("words.v1",)

    def test_the_auditor_of_a_run_steers(self, tmp_path: Path) -> None:
        write_prior(prior_file(verifier=Verifier(against("house"), "words")), tmp_path / "p.json")
        strategy = build_strategy(f"adaptive:{tmp_path / 'p.json'}?cost=0.1&inner=slow")
        assert isinstance(strategy, Live)
        assert strategy.needs_auditor
        assert strategy.pool_on_scenarios == "slow"
        bound = strategy.audited_by(Auditing(WordJudge(), CARE, constitution_target(CARE)))
        assert bound.for_items([ITEM]).prompts[-1] == "words.v1"
        with pytest.raises(InputError, match="what is at hand is adherence to stated values by words"):
            strategy.audited_by(Auditing(WordJudge(), CARE))

    def test_other_values_of_the_same_name_do_not_steer(self, tmp_path: Path) -> None:
        other = Taxonomy("house", (*CARE.values[:1], Value("humility", "to be humble")))
        heavier = Taxonomy("house", (*CARE.values[:1], msgspec.structs.replace(CARE.values[1], weight=2.0)))
        auditings = [Auditing(WordJudge(), one, constitution_target(one)) for one in (CARE, other, heavier)]
        for verifier in (Verifier(against("house"), "words"), Verifier(STATED, "words")):
            file = prior_file(verifier=verifier, values=CARE.fingerprint)
            write_prior(file, tmp_path / "p.json")
            strategy = build_strategy(f"adaptive:{tmp_path / 'p.json'}?cost=0.1")
            assert isinstance(strategy, Live)
            same, *changed = (
                msgspec.structs.replace(one, constitution=None) if verifier.measure == STATED else one
                for one in auditings
            )
            assert strategy.audited_by(same).prompts[-1] == "words.v1"
            for one in changed:
                with pytest.raises(InputError, match="a list of the same name has changed"):
                    strategy.audited_by(one)

    def test_the_auditor_steers_what_it_audits(self, tmp_path: Path) -> None:
        """Within `audited` as well: there the run's auditor was not passed on, and the drawing had nothing to go by."""
        match = Match(8, 0.9, 0.07, 8, 0.9, 2.5, exact=True)
        write_prior(prior_file(verifier=Verifier(against("house"), "words"), match=match), tmp_path / "p.json")
        strategy = build_strategy(f"audited:adaptive:{tmp_path / 'p.json'}")
        assert isinstance(strategy, Live)
        scenario = msgspec.structs.replace(ITEM, utility=None, metadata={"addressee": "your friend"})
        auditing = Auditing(WordJudge(), CARE, constitution_target(CARE))
        assert "words.v1" in strategy.audited_by(auditing).for_items([scenario]).prompts

    async def test_stated_values(self) -> None:
        values = taxonomy("schwartz-19")
        one, two = values.ids[:2]
        scorer = StatedScorer(Auditor(WordJudge(), values, budget=0))
        scenario = Item("s", (Message("user", "A friend asks."),), metadata={"addressee": "your friend"})
        states = PlainAsk(Scripted(lambda request: one))
        # Stated {one}: F1 of {one} is 1, of {one, two} 2 / 3, of {two} 0.
        assert await scorer.score(scenario, Candidate(one), states) == 1
        states = PlainAsk(Scripted(lambda request: one))
        assert await scorer.score(scenario, Candidate(f"{one} {two}"), states) == pytest.approx(2 / 3)
        assert states.labels == ["state"]
        assert scorer.prompts == ("task-state-1.v1", "words.v1")
        nothing = PlainAsk(Scripted(lambda request: "nothing"))
        assert await scorer.score(scenario, Candidate(one), nothing) is None


class TestFile:
    def test_round_trip(self, tmp_path: Path) -> None:
        prior = Prior((0.1, 0.5, 0.9), (0.3, 0.7), (0.25, 0.75), ((0.5, 0.3, 0.2), (0.1, 0.1, 0.8)), (0.1, 0.4, 0.8))
        file = prior_file(prior, match=Match(4, 0.8, 0.01, 8, 0.81, 2.2, exact=False))
        write_prior(file, tmp_path / "p.json")
        assert read_prior(tmp_path / "p.json") == file
        write_prior(prior_file(), tmp_path / "p.json")
        assert read_prior(tmp_path / "p.json") == prior_file()

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            (b"", "is no prior"),
            (b"\xff\xfe", "is no prior"),
            (b"[]", "is no prior"),
            (b'{"format": "other"}', "is no prior"),
        ],
    )
    def test_no_prior(self, tmp_path: Path, text: bytes, part: str) -> None:
        (tmp_path / "p.json").write_bytes(text)
        with pytest.raises(InputError, match=part):
            read_prior(tmp_path / "p.json")
        with pytest.raises(InputError, match="exists and is no prior"):
            write_prior(prior_file(), tmp_path / "p.json")
        assert (tmp_path / "p.json").read_bytes() == text

    @pytest.mark.parametrize(
        ("field", "value", "part"),
        [
            ("weights", [0.5], "weights must be positive"),
            ("levels", [0.0, "x"], r"\$.prior.levels"),
            ("shape", 3, "unknown field `shape`"),
        ],
    )
    def test_damaged(self, path: Path, field: str, value: object, part: str) -> None:
        record = msgspec.json.decode(path.read_bytes())
        record["prior"][field] = value
        path.write_bytes(msgspec.json.encode(record))
        with pytest.raises(InputError, match=part):
            read_prior(path)

    def test_a_later_version(self, path: Path) -> None:
        record = msgspec.json.decode(path.read_bytes())
        path.write_bytes(msgspec.json.encode({**record, "version": 2}))
        with pytest.raises(InputError, match="no prior of this version"):
            read_prior(path)


def test_the_example_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "adaptive.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(example, names)
    drawn = names["drawn"]
    assert (drawn.best, drawn.why, len(drawn.candidates)) == (2, "best_possible", 3)
