"""The form of the log's lines, and what verification makes of logs that were tampered with."""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akrasia.core import InputError
from akrasia.gateway import verify
from akrasia.gateway.chain import GENESIS, is_torn, read_key, read_line, write_line
from akrasia.gateway.logfile import LogFile
from akrasia.gateway.logparts import rotated
from akrasia.gateway.verify import Verification, verify_log

KEY = b"a key of thirty-two bytes, surely"
DOCS = Path(__file__).parents[2] / "docs" / "audit-log.md"


def write(path: Path, records: int = 8, *, key: bytes | None = None, rotate_bytes: int | None = None) -> Path:
    """A log of so many requests, each committed alone."""
    file = LogFile(path, key, rotate_bytes, lambda _: None)
    file.write("2030-01-01T00:00:00.000Z", [])
    for number in range(records):
        # Nested keys named as the log's own, and their very bytes inside a text, must not lead the reader astray.
        record = {"id": f"r{number}", "nested": {"previous": "x", "hash": "y"}, "text": ',"hash":"é\n' * number}
        file.write("", [("2030-01-01T00:00:01.000Z", json.dumps(record).encode())])
    file.close()
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("log") / "audit.jsonl").read_bytes()


def checked(path: Path, content: bytes, **options: object) -> Verification:
    path.write_bytes(content)
    return verify_log(path, **options)  # type: ignore[arg-type]


def kinds(found: Verification) -> list[str]:
    return [fault.kind for fault in found.faults]


def test_a_line_by_hand() -> None:
    line, digest = write_line((3, "2030-01-01T00:00:00.000Z", "request"), b'{"id":"a"}', GENESIS, None)
    body = '{"seq":3,"time":"2030-01-01T00:00:00.000Z","type":"request","id":"a","previous":"' + "0" * 64 + '"}'
    assert digest.decode() == hashlib.sha256(body.encode()).hexdigest()
    assert line.decode() == body[:-1] + f',"hash":"{digest.decode()}"' + "}\n"
    assert json.loads(line)["previous"] == "0" * 64
    read = read_line(line)
    assert read is not None
    assert (read.seq, read.kind, read.previous, read.hash, read.hashed) == (
        3,
        "request",
        GENESIS,
        digest,
        body.encode(),
    )


@given(
    record=st.dictionaries(st.text(min_size=1), st.text() | st.integers() | st.lists(st.text()), min_size=1),
    seq=st.integers(0, 2**60),
    key=st.none() | st.binary(min_size=16),
)
def test_what_is_written_is_read(record: dict[str, object], seq: int, key: bytes | None) -> None:
    line, digest = write_line((seq, "t", "request"), json.dumps(record).encode(), GENESIS, key)
    read = read_line(line)
    assert read is not None
    assert (read.seq, read.previous, read.hash) == (seq, GENESIS, digest)
    assert line.count(b"\n") == 1
    assert all(is_torn(line[:cut]) for cut in range(len(line)))


def test_a_whole_log(tmp_path: Path, whole: bytes) -> None:
    found = checked(tmp_path / "audit.jsonl", whole)
    assert (found.status, found.records, found.lines, found.first_seq, found.fault_count) == ("whole", 8, 9, 0, 0)
    assert found.head == json.loads(whole.splitlines()[-1])["hash"]


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_edited_byte_is_found(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, whole: bytes) -> None:
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != whole[place]))
    edited = whole[:place] + bytes([byte]) + whole[place + 1 :]
    path = tmp_path_factory.getbasetemp() / "edited.jsonl"
    found = checked(path, edited)
    line = whole[:place].count(b"\n") + 1
    assert found.status == "broken"
    assert (found.faults[0].kind, found.faults[0].line) == ("edited", line)


def test_every_byte_of_a_short_log(tmp_path: Path) -> None:
    content = write(tmp_path / "short.jsonl", 1).read_bytes()
    for place in range(len(content)):
        found = checked(tmp_path / "audit.jsonl", content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert found.status == "broken", place


@pytest.mark.parametrize("place", range(8))
def test_a_first_line_that_was_broken_in_two_is_edited(tmp_path: Path, whole: bytes, place: int) -> None:
    found = checked(tmp_path / "audit.jsonl", whole[:place] + b"\n" + whole[place + 1 :])
    assert (found.status, found.faults[0].kind, found.faults[0].line) == ("broken", "edited", 1)


def rehashed(line: bytes, change: Callable[[dict[str, object]], None]) -> bytes:
    """An attacker without need of a key: a line changed, with a hash of its own again."""
    record = json.loads(line)
    change(record)
    seq, time, kind, previous = (record.pop(key) for key in ("seq", "time", "type", "previous"))
    record.pop("hash")
    return write_line((seq, time, kind), json.dumps(record).encode(), previous.encode(), None)[0]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_deleted_swapped_repeated_and_replaced_lines(
    seed: int, tmp_path_factory: pytest.TempPathFactory, whole: bytes
) -> None:
    draw, path = random.Random(seed), tmp_path_factory.getbasetemp() / "moved.jsonl"
    lines = whole.splitlines(keepends=True)
    last = len(lines) - 1
    gone = draw.randrange(0, last)
    found = checked(path, b"".join(lines[:gone] + lines[gone + 1 :]))
    assert (found.status, kinds(found)) == ("broken", ["deleted"])
    assert found.faults[0].line == gone + 1

    first, second = sorted(draw.sample(range(1, last + 1), 2))
    swapped = lines.copy()
    swapped[first], swapped[second] = lines[second], lines[first]
    found = checked(path, b"".join(swapped))
    assert found.status == "broken"
    assert set(kinds(found)) == {"reordered"}

    again = draw.randrange(0, last)
    place = draw.randrange(again + 1, last + 2)
    found = checked(path, b"".join((*lines[:place], lines[again], *lines[place:])))
    assert (found.status, kinds(found)) == ("broken", ["repeated"])
    assert found.faults[0].line == place + 1

    changed = draw.randrange(1, last)
    lines[changed] = rehashed(lines[changed], lambda record: record.update(id="another"))
    found = checked(path, b"".join(lines))
    assert (found.status, kinds(found), found.faults[0].line) == ("broken", ["edited"], changed + 2)


def test_a_cut_tail_is_told_by_a_head_alone(tmp_path: Path, whole: bytes) -> None:
    lines = whole.splitlines(keepends=True)
    heads = [json.loads(line)["hash"] for line in lines]
    path = tmp_path / "audit.jsonl"
    assert checked(path, b"".join(lines[:-2])).status == "whole"
    assert kinds(checked(path, b"".join(lines[:-2]), head=heads[-1])) == ["cut tail"]
    assert checked(path, b"".join(lines[:-2]), head=heads[-3]).status == "whole"
    assert checked(path, whole, head=heads[2]).status == "whole", "the log may have gone on after the head was noted"
    torn = checked(path, whole[:-9], head=heads[-1])
    assert (torn.status, kinds(torn)) == ("broken", ["torn", "cut tail"])


def test_a_torn_last_line_is_incomplete(tmp_path: Path, whole: bytes) -> None:
    before = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(before + 1, len(whole)):
        found = checked(tmp_path / "audit.jsonl", whole[:cut])
        assert (found.status, kinds(found), found.lines) == ("incomplete", ["torn"], 8), cut
    assert checked(tmp_path / "audit.jsonl", whole[:before]).status == "whole"
    assert checked(tmp_path / "audit.jsonl", whole + b"junk").status == "broken"


def test_keys(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl", key=KEY)
    assert verify_log(path, key=KEY).status == "whole"
    found = verify_log(path, key=b"another key of some length")
    assert (found.status, kinds(found)) == ("broken", ["wrong key"])
    with pytest.raises(InputError, match="was written with a key: give it with --key-file"):
        verify_log(path)
    # Whoever has no key can only write the log anew without one.
    plain = write(tmp_path / "plain.jsonl")
    found = verify_log(plain, key=KEY)
    assert (found.status, kinds(found)) == ("broken", ["wrong key"])
    assert "without a key" in found.faults[0].message
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = rehashed(lines[3], lambda record: record.update(id="another"))
    path.write_bytes(b"".join(lines))
    found = verify_log(path, key=KEY)
    assert (kinds(found), found.faults[0].line) == (["edited"], 4)


def test_where_keys_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AKRASIA_LOG_KEY", raising=False)
    assert read_key() is None
    monkeypatch.setenv("AKRASIA_LOG_KEY", KEY.decode())
    assert read_key() == KEY
    file = tmp_path / "key"
    file.write_bytes(b"sixteen bytes ok\n")
    assert read_key(file) == b"sixteen bytes ok"
    file.write_bytes(b"short")
    with pytest.raises(InputError, match="has 5 bytes: give at least 16"):
        read_key(file)
    with pytest.raises(InputError, match="cannot read the log's key file"):
        read_key(tmp_path / "absent")


def test_the_chain_goes_on_over_files(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl", 40, rotate_bytes=3000)
    earlier = rotated(path)
    assert len(earlier) >= 3
    assert [one.name for one in earlier[:2]] == ["audit.000001.jsonl", "audit.000002.jsonl"]
    found = verify_log(path)
    assert (found.status, found.records, found.first_seq, found.notes) == ("whole", 40, 0, ())
    assert len(found.files) == len(earlier) + 1
    assert verify_log(earlier[1]).status == "whole"
    assert "follows on audit.000001.jsonl, which was not read with it" in verify_log(earlier[1]).notes[0]
    opened = json.loads(earlier[1].read_bytes().splitlines()[0])
    last = json.loads(earlier[0].read_bytes().splitlines()[-1])
    assert (opened["type"], opened["after"], opened["previous"]) == ("opened", "audit.000001.jsonl", last["hash"])
    assert verify_log(path, head=last["hash"]).status == "whole"

    content = earlier[0].read_bytes()
    earlier[0].unlink()
    kept = verify_log(path)
    assert (kept.status, kept.first_seq) == ("whole", last["seq"] + 1), "the oldest may be archived elsewhere"
    assert "audit.000001.jsonl, which is not here" in kept.notes[0]
    earlier[0].write_bytes(content)

    content = earlier[1].read_bytes()
    earlier[1].unlink()
    missing = verify_log(path)
    assert (missing.status, kinds(missing)) == ("broken", ["deleted"])
    assert (missing.faults[0].file, missing.faults[0].line) == ("audit.000003.jsonl", 1)
    assert "audit.000003.jsonl follows on audit.000002.jsonl, which is not here" in missing.notes[0]
    earlier[1].write_bytes(content[:-5])
    assert kinds(verify_log(path)) == ["deleted"], "the line that was cut is missing, and the rest stands"
    earlier[1].write_bytes(content)

    path.unlink()
    absent = verify_log(path)
    assert (absent.status, kinds(absent)) == ("broken", ["cut tail"]), "the note beside it names entries of it"
    (tmp_path / "audit.jsonl.lock").unlink()
    absent = verify_log(path)
    assert absent.status == "incomplete"
    assert "is not there: the log ends with" in absent.notes[0]


def test_a_log_that_is_rotated_while_it_is_verified_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rotations = write(tmp_path / "audit.jsonl"), list[Path]()
    file = LogFile(path, None, None, lambda _: None)
    read = verify.lines_of

    def lines_of(one: Path) -> Iterator[bytes]:
        if not rotations:
            rotations.append(file.rotate())  # between looking for the files and opening them
        try:
            yield from read(one)
        finally:
            file.write("t", [("t", b'{"id":"later"}')])

    monkeypatch.setattr(verify, "lines_of", lines_of)
    found = verify_log(path)
    file.close()
    assert (found.status, len(found.files)) == ("whole", 2)


def test_what_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        verify_log(tmp_path / "absent.jsonl")
    with pytest.raises(InputError, match="does not exist"):
        verify_log(tmp_path / "absent" / "audit.jsonl")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot read the folder of"):
        verify_log(tmp_path / "file" / "audit.jsonl")
    with pytest.raises(InputError, match="cannot read the audit log"):
        verify_log(tmp_path)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match="holds no line"):
        verify_log(tmp_path / "empty.jsonl")
    (tmp_path / "other.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(InputError, match="is not an audit log"):
        verify_log(tmp_path / "other.jsonl")
    with pytest.raises(InputError, match="is no hash of a line"):
        verify_log(write(tmp_path / "audit.jsonl"), head="abc")


def test_ten_lines_of_python_verify_it(tmp_path: Path, whole: bytes) -> None:
    """The program in the docs needs nothing of ours."""
    found = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    program = found[1]
    assert len(program.strip().splitlines()) <= 12

    def run(content: bytes) -> subprocess.CompletedProcess[str]:
        (tmp_path / "audit.jsonl").write_bytes(content)
        line = [sys.executable, "-I", "-c", program, str(tmp_path / "audit.jsonl")]
        return subprocess.run(line, capture_output=True, text=True)

    done = run(whole)
    assert done.returncode == 0
    assert verify_log(tmp_path / "audit.jsonl").head in done.stdout  # type: ignore[operator]
    lines = whole.splitlines(keepends=True)
    assert "line 4" in run(whole.replace(b'"id": "r2"', b'"id": "rX"')).stderr
    assert "line 5" in run(b"".join(lines[:4] + lines[5:])).stderr
    assert run(whole[:-3]).returncode != 0
