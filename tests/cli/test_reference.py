from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.cli.test_run import akrasia

from akrasia.runs.config import build_config, read_config
from akrasia.runs.execute import plan_run

ROOT = Path(__file__).parents[2]


def test_the_command_line_page_is_fresh() -> None:
    code = "import runpy; print(runpy.run_path('docs/generate_cli.py')['page'](), end='')"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert made.stdout == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), "run: python docs/generate_cli.py"


def test_the_examples_can_be_run(tmp_path: Path) -> None:
    for config in sorted((ROOT / "examples").glob("*.toml")):
        assert plan_run(build_config(read_config(config)), tmp_path).cells
    for suite in sorted((ROOT / "examples").glob("*.jsonl")):
        assert plan_run(build_config({"model": "local:smollm2", "suite": str(suite)}), tmp_path).cells


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from akrasia.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numpy', 'scipy', 'aiohttp', 'pyarrow', 'matplotlib', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


def test_a_run_loads_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "answers.py").write_text("def two(request):\n    return '#### 2'\n")
    (tmp_path / "suite.jsonl").write_text('{"id": 1, "input": "1 + 1?", "target": "2", "utility": "numeric"}\n')
    code = (
        "import sys, akrasia\n"
        "akrasia.run('run', model='scripted:answers:two', suite='suite.jsonl', samples=2)\n"
        "print(sorted({'numpy', 'scipy', 'aiohttp', 'pyarrow', 'matplotlib', 'akrasia.risk'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert out.splitlines()[-1] == "[]"


def test_version_is_written_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert akrasia("--version").out == akrasia("-V").out == f"akrasia {project['version']}\n"
