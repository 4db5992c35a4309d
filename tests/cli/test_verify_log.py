"""`akrasia verify-log` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_run import akrasia, assert_refused
from tests.gateway.test_chain import KEY, write


def test_whole_broken_incomplete(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl")
    done = akrasia("verify-log", path, "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["status"], found["records"], found["faults"], found["keyed"]) == ("whole", 8, [], False)
    assert akrasia("verify-log", path, "--head", found["head"]).code == 0
    shown = akrasia("verify-log", path)
    assert shown.out.splitlines()[0] == f"{path}: whole, 8 requests in 9 lines of 1 file"
    assert f"head {found['head']}" in shown.out
    assert "lines/s" in shown.err

    content = path.read_bytes()
    path.write_bytes(content[:-4])
    torn = akrasia("verify-log", path)
    assert (torn.code, "torn: audit.jsonl, line 9: the last line ends after" in torn.out) == (3, True)
    assert "it had been whole (audit.jsonl.lock), and was cut" in torn.out
    path.with_name("audit.jsonl.lock").unlink()
    torn = akrasia("verify-log", path)
    assert (torn.code, "its writer was killed, or is writing" in torn.out) == (3, True)
    path.write_bytes(b"".join(content.splitlines(keepends=True)[:-2]) + b'{"seq":7')
    assert akrasia("verify-log", path).code == 3
    path.write_bytes(content[:-4])
    cut = akrasia("verify-log", path, "--head", found["head"])
    assert (cut.code, "cut tail" in cut.out) == (1, True)

    path.write_bytes(content.replace(b'"id": "r5"', b'"id": "r6"'))
    done = akrasia("verify-log", path, "--json")
    assert done.code == 1
    (fault,) = json.loads(done.out)["faults"]
    assert (fault["kind"], fault["file"], fault["line"]) == ("edited", "audit.jsonl", 7)


def test_keys(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl", key=KEY)
    key = tmp_path / "key"
    key.write_bytes(KEY)
    assert akrasia("verify-log", path, "--key-file", key).code == 0
    assert akrasia("verify-log", path, AKRASIA_LOG_KEY=KEY.decode()).code == 0
    wrong = akrasia("verify-log", path, AKRASIA_LOG_KEY="another key of some length")
    assert (wrong.code, "wrong key" in wrong.out) == (1, True)
    assert_refused(akrasia("verify-log", path), "was written with a key", "--key-file")


def test_bad_input(tmp_path: Path) -> None:
    assert_refused(akrasia("verify-log", tmp_path / "absent.jsonl"), "does not exist")
    assert_refused(akrasia("verify-log", tmp_path), "cannot read the audit log")
    (tmp_path / "other.jsonl").write_text('{"id": 1}\n')
    assert_refused(akrasia("verify-log", tmp_path / "other.jsonl"), "is not an audit log")
    path = write(tmp_path / "audit.jsonl")
    assert_refused(akrasia("verify-log", path, "--head", "abc"), "is no hash of a line")
    assert_refused(akrasia("verify-log", path, "--key-file", tmp_path / "absent"), "key file")
