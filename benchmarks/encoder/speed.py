"""How long the embedded judge takes for a text, on one core: `OMP_NUM_THREADS=1 python benchmarks/encoder/speed.py`."""

from __future__ import annotations

import statistics
import time

from akrasia.judges.encoder import Encoder
from akrasia.judges.training_rows import read_sentences


def main() -> None:
    texts = [sentence.text for sentence in read_sentences() if sentence.part == "heldout"]
    judge = Encoder()
    started = time.perf_counter()
    judge.read_texts(texts[:1])
    print(f"first text, with loading: {time.perf_counter() - started:.2f} s")
    taken = []
    for text in texts:
        wall, processor = time.perf_counter(), time.process_time()
        judge.read_texts([text])
        taken.append((time.perf_counter() - wall, time.process_time() - processor))
    for name, column in (("wall", 0), ("processor", 1)):
        times = sorted(1000 * pair[column] for pair in taken)
        print(
            f"{name}: mean {statistics.fmean(times):.1f} ms, median {statistics.median(times):.1f} ms, "
            f"95 % within {times[int(0.95 * len(times))]:.1f} ms ({len(times)} texts)"
        )


if __name__ == "__main__":
    main()
