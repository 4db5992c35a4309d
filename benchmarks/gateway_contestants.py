"""The contestants of the gateway benchmark: how each proxy is started, and how a client speaks to it.

Standard library only. LiteLLM gets an environment of its own, and the fastest settings that its documentation names.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
LITELLM_ENV = HERE / ".env-litellm"
KEY = "sk-gateway-benchmark"

# A reply that the judge misreads leaves, marked: it took the same time, and can be held to its question like all.
_AUDITING = """\
constitution = "schwartz-19"
judge = "%s"
on_fail = "annotate"
"""

_REWRITING = """\
constitution = "schwartz-19"
judge = "llm:scripted:gateway_judge:find"
on_fail = "rewrite"
planner = "scripted:gateway_judge:plan"
rewriter = "scripted:gateway_judge:rewrite"
guard = "scripted:gateway_judge:guard"
"""


@dataclass(frozen=True)
class Started:
    """How a proxy is started.

    Attributes:
        command: program and arguments.
        ready: the path that answers once it serves.
        env: variables on top of the common ones.
    """

    command: list[str]
    ready: str
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Direct:
    """No proxy: the client asks the upstream."""

    name: str = "no proxy"


@dataclass(frozen=True)
class Bare:
    """A plain aiohttp proxy."""

    name: str = "bare aiohttp"

    def start(self, port: int, upstream: str, folder: Path) -> Started:
        """See `Started`."""
        del folder
        script = str(HERE / "gateway_bare.py")
        return Started([sys.executable, script, "--upstream", upstream, "--port", str(port)], "/health")


@dataclass(frozen=True)
class Akrasia:
    """`akrasia serve` in one mode.

    Attributes:
        program: the command.
        mode: of the policy; those that audit do so against the 19 values.
        log: whether an audit log is kept.
        judge_ms: None: the encoder judge; else an LLM judge that takes so many milliseconds.
        rewrites: half of all replies fall short to that judge, and are mended by models that take as long.
    """

    program: str
    mode: str = "pass"
    log: bool = False
    judge_ms: float | None = None
    rewrites: bool = False

    @property
    def name(self) -> str:
        """For people."""
        judge = "" if self.judge_ms is None else f", LLM judge of {self.judge_ms:g} ms"
        judge += ", half rewritten" if self.rewrites else ""
        return f"akrasia {self.mode}{' + log' if self.log else ''}{judge}"

    def start(self, port: int, upstream: str, folder: Path) -> Started:
        """See `Started`."""
        policy = folder / f"{self.mode}-{port}.toml"
        judge = "encoder" if self.judge_ms is None else "llm:scripted:gateway_judge:read"
        audits = _REWRITING if self.rewrites else "" if self.mode == "pass" else _AUDITING % judge
        policy.write_text(f'mode = "{self.mode}"\n{audits}', encoding="utf-8")
        command = [self.program, "serve", "--upstream", upstream, "--policy", str(policy), "--port", str(port)]
        if self.log:
            command += ["--log", str(folder / f"{self.mode}-{port}.jsonl")]
        env = {} if self.judge_ms is None else {"PYTHONPATH": str(HERE), "GATEWAY_JUDGE_MS": str(self.judge_ms)}
        return Started(command, "/health", env)


@dataclass(frozen=True)
class LiteLLM:
    """The LiteLLM proxy.

    Attributes:
        server: `uvicorn` or `granian`.
        provider: `openai` or `aiohttp_openai`.
    """

    server: str = "uvicorn"
    provider: str = "openai"
    name: str = "litellm"

    def start(self, port: int, upstream: str, folder: Path) -> Started:
        """See `Started`."""
        base = f"{upstream}/chat/completions" if self.provider == "aiohttp_openai" else upstream
        # JSON is YAML. Nothing else is switched on: no callbacks, database, cache or alerts. The upstream's model has a
        # price that the proxy knows, since looking for an unknown one costs it time.
        config = {
            "model_list": [
                {
                    "model_name": "bench",
                    "litellm_params": {
                        "model": f"{self.provider}/gpt-4o-mini",
                        "api_base": base,
                        "api_key": "sk-upstream",
                    },
                }
            ],
            "litellm_settings": {"set_verbose": False, "num_retries": 0, "request_timeout": 600},
            "general_settings": {"master_key": KEY},
        }
        file = folder / "litellm.yaml"
        file.write_text(json.dumps(config), encoding="utf-8")
        command = [str(LITELLM_ENV / "bin" / "litellm"), "--config", str(file), "--host", "127.0.0.1"]
        command += ["--port", str(port), "--num_workers", "1"]
        if self.server == "granian":
            command.append("--run_granian")
        env = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        return Started(command, "/health/liveliness", env)


Proxy = Bare | Akrasia | LiteLLM
Contestant = Direct | Proxy


def find_akrasia(program: str | None) -> str:
    """The command that was named, or the one installed beside the running interpreter.

    Raises:
        FileNotFoundError: there is none.
    """
    beside = Path(sys.executable).with_name("akrasia")
    found = program or (str(beside) if beside.exists() else shutil.which("akrasia"))
    if found is None:
        raise FileNotFoundError("no akrasia command beside this interpreter: pip install . or name it with --akrasia")
    return found


def environment() -> dict[str, str]:
    """What every server gets: the caller's environment, with a key for the upstream and no proxy."""
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    return kept | {"AKRASIA_API_KEY": "sk-upstream"}


def install_litellm() -> str:
    """Create LiteLLM's environment at first use.

    Returns:
        The version that is installed there.
    """
    ready = LITELLM_ENV / "installed"
    python = str(LITELLM_ENV / "bin" / "python")
    if not ready.exists():
        print(f"installing litellm[proxy] into {LITELLM_ENV}", file=sys.stderr)
        venv.create(LITELLM_ENV, clear=True, with_pip=True)
        # uvicorn takes the faster loop and parser where they are installed.
        wanted = ["litellm[proxy]", "uvloop", "httptools"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True, stdout=sys.stderr)
        ready.touch()
    show = "from importlib.metadata import version; print(version('litellm'))"
    return subprocess.run([python, "-c", show], check=True, capture_output=True, text=True).stdout.strip()
