"""What must not leave in an email, or not twice: odd names and files, empty bodies, markup from cells."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import gcbulk
from gcbulk.campaign.attachments import Attachments, File, FileChangedError, enclose, encoded

if TYPE_CHECKING:
    from pathlib import Path

    from gcbulk.sandbox import Sandbox


def pdf(words: object) -> bytes:
    return f"%PDF-1.4 {words}".encode()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["a\r\nBcc: x.pdf", "a\tb.pdf", "a\u202efdp.pdf", 'a"; x=".pdf', "a\u2028b.pdf"])
def test_a_name_that_could_be_taken_for_a_header_or_another_ending_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pdf(1))
    options = Attachments(column="letter", folder=tmp_path)
    (problem,) = enclose(pd.DataFrame({"letter": [name]}), options, wanted=np.array([True])).problems
    assert "has a character in its name that no email can carry, " in problem
    assert problem.isprintable()


@pytest.mark.timeout(20)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_a_file_that_has_become_a_pipe_or_has_grown_is_not_read_on_and_on(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    planned = File(str(path), path.name, len(pdf(1)), hashlib.blake2b(pdf(1), digest_size=16).hexdigest())
    os.mkfifo(path)
    with pytest.raises(FileChangedError, match="is gone since"):
        encoded(planned)
    path.unlink()
    path.write_bytes(pdf(1))
    os.truncate(path, 1 << 40)  # a sparse file: nothing that reads all of it comes to an end
    with pytest.raises(FileChangedError, match="has changed since"):
        encoded(planned)


# -- never twice


@pytest.mark.parametrize("code", [200, 500])
def test_letters_made_anew_write_to_nobody_twice(code: int, platform: Sandbox, tmp_path: Path) -> None:
    people = pd.DataFrame({"email": ["07700900940@example.org" if code == 500 else "a@example.org"] * 2, "upn": [1, 2]})
    folder = tmp_path / "letters"

    def send(made: int, **options: Any) -> pd.DataFrame:
        for upn in people["upn"]:
            (folder / str(upn)).mkdir(parents=True, exist_ok=True)
            (folder / str(upn) / "report.pdf").write_bytes(pdf(f"{made} {upn}"))
        files = [f"{folder}/{{{{ upn }}}}/report.pdf"]
        return gcbulk.send_email(people, "Report", "Enclosed.", attachments=files, progress=False, **options)

    first = send(1, max_attempts=1)
    assert set(first["Status"]) == {"accepted" if code == 200 else "unknown"}  # of two children, each its own letter
    calls = len(platform.calls)
    preview = gcbulk.preview_email(people, "Report", "Enclosed.", attachments=[f"{folder}/{{{{ upn }}}}/report.pdf"])
    assert "ready" not in set(preview.frame["Status"])
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left to send"):
        again = send(2)
    assert set(again["Status"]) == {"duplicate" if code == 200 else "unknown"}
    assert len(platform.calls) == calls
    if code == 200:
        assert again["ErrorDetail"].str.contains("Since then report.pdf has changed").all()
        assert again["ErrorDetail"].str.contains("--repeat").all()
