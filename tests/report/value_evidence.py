"""Gold and calibrations of the shared value runs, made with the project's own commands."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_run import akrasia
from tests.report.value_runs import JUDGE


def filled_gold(run: Path, path: Path, labels: int) -> Path:
    """A drawn gold sample, filled in by someone who misses the first value of every third action that has one."""
    assert akrasia("gold", "sample", run, "--labels", labels, "-o", path).code == 0
    rows = []
    for number, line in enumerate(path.read_text().splitlines()):
        row = json.loads(line)
        for stage in ("stated", "reasoning", "action"):
            if row[stage] is None:
                continue
            row[stage] = {value: int(f"I act for {value}." in row["texts"][stage][0]) for value in row[stage]}
        found = [value for value, there in row["action"].items() if there]
        if number % 3 == 0 and found:
            row["action"][found[0]] = 0
        rows.append(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judge_errors(run: Path, path: Path) -> Path:
    """A calibration of the run's judge on twenty texts, in five of which people see one value that it does not."""
    texts = path.with_suffix(".jsonl")
    rows = [
        {
            "id": str(number),
            "text": "Well. I act for humility." if number % 2 else "Well. I act for face.",
            "values": {"humility": number % 2, "face": 1 - number % 2, "tradition": int(number % 4 == 0)},
        }
        for number in range(20)
    ]
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = akrasia("judge", "calibrate", "--judge", JUDGE, "--gold", texts, "-o", path)
    assert done.code == 0, done.err
    return path
