from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from akrasia.audit.transcripts import Transcript, TranscriptFile
from akrasia.core import InputError, Message

USER, REPLY = {"role": "user", "content": "Will you?"}, {"role": "assistant", "content": "I will."}


def read(content: str | bytes, name: str = "a.jsonl", folder: Path | None = None) -> list[Transcript]:
    raw = content.encode() if isinstance(content, str) else content
    if folder is None:
        with TranscriptFile("-", io.BytesIO(raw)) as file:
            return list(file)
    (folder / name).write_bytes(raw)
    with TranscriptFile(str(folder / name)) as file:
        return list(file)


def line(**keys: object) -> str:
    return json.dumps({"messages": [USER, REPLY], **keys}) + "\n"


def test_an_audit_log_is_no_transcript():
    opened = '{"seq":0,"time":"2030-01-31T09:30:00.000Z","type":"opened","format":1,"algorithm":"sha256"}\n'
    with pytest.raises(InputError, match=r"line 1: .* audit log, not a transcript: .*`akrasia import gateway LOG"):
        read(opened)


def test_the_last_assistant_message_and_what_stands_before_it():
    messages = [{"role": "system", "content": "Be brief."}, USER, REPLY, USER,
                {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Thanks."}]  # fmt: skip
    (found,) = read(json.dumps({"messages": messages, "id": 7, "model": "m", "tools": []}))
    assert (found.id, found.where, found.text, found.stated) == ("7", "standard input, line 1", "Yes.", None)
    assert found.context == (
        Message("system", "Be brief."), Message("user", "Will you?"), Message("assistant", "I will."),
        Message("user", "Will you?"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "one"}, {"type": "image_url", "image_url": {"url": "u"}}], "one\n[image_url]"),
        ([{"type": "refusal", "refusal": "No."}], "No."),
        (None, None),
        ("", None),
        ("  \n", None),
        ([], None),
    ],
)
def test_forms_of_content(content: object, text: str | None):
    last = {"role": "assistant", "content": content, "tool_calls": [{"id": "1"}]}
    (found,) = read(json.dumps({"messages": [USER, last]}))
    assert found.text == text


def test_a_refusal_is_what_was_said():
    (found,) = read(json.dumps({"messages": [{"role": "assistant", "content": None, "refusal": "I cannot."}]}))
    assert found.text == "I cannot."


def test_ids_stated_values_and_blank_lines():
    one, two, three = read("\ufeff" + line(id="a", stated="Care.") + "\n" + line(stated=["face"]) + line().rstrip())
    assert [found.id for found in (one, two, three)] == ["a", "line 3", "line 4"]
    assert [found.stated for found in (one, two, three)] == ["Care.", ("face",), None]


def test_it_can_be_read_again(tmp_path: Path):
    (tmp_path / "a.jsonl").write_text(line() * 3)
    with TranscriptFile(str(tmp_path / "a.jsonl")) as file:
        assert list(file) == list(file)
        assert len(list(file)) == 3


def test_a_long_standard_input_is_kept_on_disk(monkeypatch: pytest.MonkeyPatch):
    import akrasia.audit.transcripts as module

    monkeypatch.setattr(module, "_IN_MEMORY", 100)
    assert len(read(line() * 50)) == 50


@pytest.mark.parametrize(
    ("name", "content", "plain"),
    [
        ("a.txt", "{not json}", True),
        ("a.md", "Dear all,", True),
        ("a.log", "Dear all,\nsee you.", True),
        ("a.log", "\n" + line(), False),
        ("a.jsonl", line(), False),
    ],
)
def test_plain_text_or_lines(tmp_path: Path, name: str, content: str, plain: bool):
    found = read(content, name, tmp_path)
    assert (found[0].id == name and found[0].text == content) == plain


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (line() + "{'messages': []}", "line 2: not valid JSON"),
        (line() + '{"message": []}', "line 2: Object missing required field `messages`"),
        (
            line() + '{"messages": [{"content": "x"}]}',
            r"line 2: Object missing .*`role` - at `\$.messages",
        ),
        (json.dumps({"messages": [USER]}), "line 1: no message has the role 'assistant'"),
        (line() + '{"messages": [], "stated": 3}', "line 2: .*stated"),
        (line().encode() + b'{"messages": [{"role": "\xff"}]}', "line 2: "),
        ("", "holds no transcript"),
        ("\n\n", "holds no transcript"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: str | bytes, said: str):
    with pytest.raises(InputError, match=said):
        read(content, folder=tmp_path)


def test_files_that_cannot_be_read(tmp_path: Path):
    for name, said in ((tmp_path / "none", "No such file"), (tmp_path, "cannot read")):
        with pytest.raises(InputError, match=said):
            TranscriptFile(str(name))
    with pytest.raises(InputError, match="give a file"):
        TranscriptFile("-")
    with pytest.raises(InputError, match="not UTF-8"):
        read(b"\xff\xfe", "a.txt", tmp_path)
    with pytest.raises(InputError, match="is empty"):
        read(" \n", "a.txt", tmp_path)
