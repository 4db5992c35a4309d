from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

MEASURE = """
import sys, time
import numpy as np
from akrasia.risk import Options, estimate
start = time.perf_counter()
utilities = np.load(sys.argv[1], mmap_mode="r")
result = estimate(utilities, options=Options(method="bootstrap"))
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(time.perf_counter() - start, int(peak) * 1024, len(result.curve))
"""
# VmHWM, since ru_maxrss also counts what the process that started this one had before the exec.


@pytest.mark.slow
def test_a_million_items_in_seconds_and_little_memory(tmp_path):
    path = tmp_path / "utilities.npy"
    rng = np.random.default_rng(0)
    stored = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(1_000_000, 64))
    for start in range(0, 1_000_000, 50_000):
        p = rng.random((50_000, 1), dtype=np.float32)
        stored[start : start + 50_000] = rng.random((50_000, 64), dtype=np.float32) < p
    stored.flush()
    size = path.stat().st_size
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    seconds, peak, points = done.stdout.split()
    print(f"1,000,000 × 64: {float(seconds):.1f} s, {float(peak) / size:.2f} × the file")
    assert int(points) == 64
    assert float(seconds) < 20
    assert float(peak) < 3 * size
