"""What `akrasia judge` does: judges and files of texts in, records and files out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from akrasia.core import InputError, Judgement
from akrasia.judges.base import Judge, build_judge
from akrasia.judges.calibration import Calibration, calibrate, read_calibration, write_calibration
from akrasia.judges.evaluate import Evaluation, evaluate, evaluate_panel
from akrasia.judges.injections import InjectionRecord, injections, measure_injections
from akrasia.judges.label_rows import TextRow, read_gold_texts, read_texts_file
from akrasia.judges.panel import Panel, combine
from akrasia.judges.reading import ReadingOptions, read_texts
from akrasia.values import Taxonomy, taxonomy


class Bench(Struct, frozen=True):
    """The judges of one command: one, or several as a panel.

    Attributes:
        judges: each.
        weights: of a panel; None: all equal.
    """

    judges: tuple[Judge, ...]
    weights: tuple[float, ...] | None = None

    @property
    def whole(self) -> Judge:
        """The one judge, or the panel."""
        return self.judges[0] if len(self.judges) == 1 else Panel(self.judges, self.weights)

    def together(self, found: Sequence[Sequence[Judgement]]) -> list[Judgement]:
        """One judgement per text from those of each judge."""
        if len(found) == 1:
            return list(found[0])
        return [combine(verdicts, self.weights) for verdicts in zip(*found, strict=True)]


class LabelSummary(Struct, frozen=True):
    """What was labelled.

    Attributes:
        judge: its name.
        texts: how many were read.
        missing: those of which nothing could be read.
        unread: values without a reading in the others.
        out: the file written.
    """

    judge: str
    texts: int
    missing: int
    unread: int
    out: str


def build_bench(names: Sequence[str], weights: Sequence[float] | None = None) -> Bench:
    """The judges of those names.

    Raises:
        InputError: none, one named twice, an unknown one, or weights that do not fit them.
    """
    if not names:
        raise InputError("no judge is given: name at least one with --judge")
    if len(set(names)) != len(names):
        raise InputError(f"the same judge is named twice: {', '.join(names)}")
    judges = tuple(build_judge(name) for name in names)
    if weights:
        Panel(judges, weights)
    return Bench(judges, tuple(weights) if weights else None)


async def evaluate_file(
    bench: Bench,
    gold_file: Path,
    *,
    values: Taxonomy | None = None,
    calibration: Path | None = None,
    reading: ReadingOptions = ReadingOptions(),  # noqa: B008 - frozen
    level: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """A judge or panel against a file of gold.

    Args:
        bench: the judges.
        gold_file: see `label_rows`.
        values: see `read_gold_texts`.
        calibration: a calibration of this judge, which must fit it.
        reading: how texts are read.
        level: nominal coverage.
        seed: of the resamples.

    Raises:
        InputError, RunIncomplete: see `read_gold_texts`, `read_calibration` and `read_texts`.
    """
    gold = read_gold_texts(gold_file, values)
    whole = bench.whole
    if calibration is not None and not read_calibration(calibration).fits(whole):
        raise InputError(f"{calibration} was made with another judge, or another version of {whole.name}: make it anew")
    found = [repeats[0] for repeats in await read_texts(bench.judges, gold.texts, gold.taxonomy, reading)]
    record = evaluate(
        whole.name, bench.together(found), gold, calibrated=calibration is not None, level=level, seed=seed
    )
    if len(bench.judges) == 1:
        return record
    members = {judge.name: verdicts for judge, verdicts in zip(bench.judges, found, strict=True)}
    return evaluate_panel(record, members, gold, seed=seed)


async def calibrate_file(
    bench: Bench,
    gold_file: Path,
    out: Path,
    *,
    values: Taxonomy | None = None,
    reading: ReadingOptions = ReadingOptions(),  # noqa: B008 - frozen
    level: float = 0.95,
    seed: int = 0,
) -> Calibration:
    """Measure a judge's errors on a file of gold, and write them.

    Args:
        bench: the judges.
        gold_file: see `label_rows`.
        out: the file to write.
        values: see `read_gold_texts`.
        reading: how texts are read; every one of them twice.
        level: nominal coverage.
        seed: of the resamples.

    Raises:
        InputError, RunIncomplete: see `read_gold_texts` and `read_texts`; the file cannot be written.
    """
    gold = read_gold_texts(gold_file, values)
    _check_writable(out)
    by_judge = await read_texts(bench.judges, gold.texts, gold.taxonomy, replace(reading, repeats=2))
    most = max(len(repeats) for repeats in by_judge)
    # A judge that always says the same stands in both repeats of a panel.
    repeats = [bench.together([found[min(number, len(found) - 1)] for found in by_judge]) for number in range(most)]
    made = calibrate(bench.whole, repeats, gold, level=level, seed=seed)
    write_calibration(made, out)
    return made


async def label_file(
    bench: Bench,
    texts_file: Path,
    out: Path,
    *,
    values: Taxonomy | None = None,
    reading: ReadingOptions = ReadingOptions(),  # noqa: B008 - frozen
) -> LabelSummary:
    """Read every text of a file and write the judgements, one a line; `label_rows` reads them as gold.

    Raises:
        InputError, RunIncomplete: see `read_texts_file` and `read_texts`; the file cannot be written.
    """
    rows = read_texts_file(texts_file)
    asked = values or taxonomy()
    _check_writable(out)
    found = [repeats[0] for repeats in await read_texts(bench.judges, [row.text for row in rows], asked, reading)]
    judgements = bench.together(found)
    lines = [_line(row, judgement, bench.whole.name) for row, judgement in zip(rows, judgements, strict=True)]
    partial = _partial(out)
    try:
        partial.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        partial.replace(out)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}") from None
    missing = sum(judgement.missing is not None for judgement in judgements)
    return LabelSummary(bench.whole.name, len(rows), missing, sum(len(one.unread) for one in judgements), str(out))


async def try_injections(
    bench: Bench,
    *,
    limit: int | None = None,
    reading: ReadingOptions = ReadingOptions(),  # noqa: B008 - frozen
) -> list[InjectionRecord]:
    """The success rate of the shipped attacks on each judge, and on the panel where there are several.

    Args:
        bench: the judges.
        limit: so many attacks only, spread evenly over the suite; None: all.
        reading: how texts are read.

    Raises:
        InputError, RunIncomplete: see `read_texts`; a limit below 1.
    """
    suite = injections() if limit is None else injections().spread(limit)
    texts = suite.texts()
    found = [repeats[0] for repeats in await read_texts(bench.judges, texts, taxonomy(), reading)]
    named = [(judge.name, verdicts) for judge, verdicts in zip(bench.judges, found, strict=True)]
    if len(bench.judges) > 1:
        named.append((bench.whole.name, bench.together(found)))
    return [measure_injections(name, suite, dict(zip(texts, verdicts, strict=True))) for name, verdicts in named]


def _partial(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


def _check_writable(out: Path) -> None:
    """Refuse a place where nothing can be written, before anything is bought for it."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.is_dir():
            raise InputError(f"cannot write {out}: it is a folder: name a file")
        if out.exists():
            raise InputError(f"{out} exists, and nothing is written over: name another file, or move it away")
        _partial(out).write_bytes(b"")
        _partial(out).unlink()
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}") from None


def _line(row: TextRow, judgement: Judgement, judge: str) -> dict[str, Any]:
    kept = {"cluster": row.cluster, "author": row.author, "paraphrase_of": row.paraphrase_of}
    line: dict[str, Any] = {
        "id": row.id,
        "text": row.text,
        **{key: held for key, held in kept.items() if held is not None},
    }
    line["judge"] = judge
    line["values"] = {value: int(reading.upheld) for value, reading in judgement.readings.items()}
    line["readings"] = judgement.readings
    for name in ("unread", "order", "missing"):
        if getattr(judgement, name):
            line[name] = getattr(judgement, name)
    return line
