"""What must not leave in an email, or not twice: odd names and files, empty bodies, markup from cells."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gcbulk.campaign.attachments import Attachments, File, FileChangedError, enclose, encoded


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
