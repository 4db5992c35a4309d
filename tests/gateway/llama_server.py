"""llama.cpp's own HTTP server with the embedded model, on a free port: `python -m tests.gateway.llama_server`.

It prints its address on the first line and ends with its standard input.
"""

from __future__ import annotations

import sys

from akrasia.models.local_server import load_library
from akrasia.weights import ready


def main() -> None:
    """Serve until standard input ends."""
    path = ready("smollm2")
    library = load_library(path.parent)
    wanted = library.CommonParams()
    wanted.model.path = str(path)
    wanted.n_parallel = 2
    wanted.n_ctx = 2 * 512
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = 1
    wanted.n_threads_http = 2
    wanted.warmup = wanted.fit_params = wanted.ui = False
    wanted.verbosity = -1
    server = library.Server(wanted)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
