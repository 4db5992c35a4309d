from __future__ import annotations

from pathlib import Path

import pytest

from akrasia.audit.transcripts import TranscriptFile
from akrasia.core import InputError

ROW = '{"messages": [{"role": "assistant", "content": "Schön."}]}\n'


@pytest.mark.parametrize(("encoding", "said"), [("utf-16", "looks like UTF-16"), ("latin-1", "line 1: not UTF-8 text")])
def test_transcripts_in_another_encoding_say_what_to_do(tmp_path: Path, encoding: str, said: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(ROW.encode(encoding))
    with TranscriptFile(str(path)) as transcripts, pytest.raises(InputError, match=f"{said}.*save") as refused:
        list(transcripts)
    assert str(refused.value).count("line 1") <= 1
