"""The line of progress says how fast it goes, however slow."""

from __future__ import annotations

import io

import pytest

from akrasia.cli.progress import Progress
from akrasia.core import Score
from akrasia.runs.meter import Meter


@pytest.mark.parametrize(
    ("made", "after_s", "said"),
    [
        (0, 10.0, "0/500 candidates · 0 tokens · cost 0 · 0 failures"),
        (1, 25.0, "1/500 candidates · one in 25 s · 0 tokens · cost 0 · 0 failures"),
        (4, 10.0, "4/500 candidates · 0.4/s · 0 tokens · cost 0 · 0 failures"),
        (300, 10.0, "300/500 candidates · 30/s · 0 tokens · cost 0 · 0 failures"),
    ],
)
def test_the_rate(made: int, after_s: float, said: str) -> None:
    meter = Meter()
    meter.cost_known = True
    progress = Progress(meter, 500, 0, io.StringIO())
    for _ in range(made):
        meter.made(0, Score(1.0))
    assert progress.line(progress._began + after_s) == said
