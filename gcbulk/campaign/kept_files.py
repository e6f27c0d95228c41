"""Files for everybody that were handed over rather than named by a path: kept until their emails can all have gone."""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gcbulk.campaign.attachments import Attachments, problem_of
from gcbulk.campaign.journal import journal_file, keep_days
from gcbulk.errors import OptionError
from gcbulk.private_files import alone, replace_file
from gcbulk.settings import home

if TYPE_CHECKING:
    import os

FOLDER: Final = "attachments"
_DAY: Final = 86_400


def folder_of_kept(journal: str | os.PathLike[str] | None = None) -> Path:
    """Where such files are kept: beside the journal, which knows them by their paths."""
    file = journal_file(journal)
    return (home() if file is None else file.parent) / FOLDER


def keep(name: str, content: bytes, *, folder: Path, limits: Attachments = Attachments()) -> Path:  # noqa: B008 - frozen
    """Keep a file, readable by its owner alone; the path to send it by. The same file is kept once.

    What was kept longer ago than journals keep personal data is taken away. Raises OptionError for a file that no
    email can carry, by the limits given.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     keep("dates.txt", b"Term ends on 18 December.", folder=Path(folder)).name
    'dates.txt'
    """
    plain = Path(name.replace("\\", "/")).name
    if not plain or not plain.isprintable():
        raise OptionError(f"{name!r} is no name that a file can have. Give it another.")
    file = folder / hashlib.blake2b(content, digest_size=8).hexdigest() / plain
    with alone(folder / "kept", "The folder of files"):
        _forget_old(folder)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        replace_file(file, content)
    if problem := problem_of(file, limits):
        shutil.rmtree(file.parent, ignore_errors=True)
        raise OptionError(f"{plain} {problem}")
    return file


def _forget_old(folder: Path) -> None:
    """Take away what was kept too long ago; what another program holds open stays until the next time."""
    before = time.time() - keep_days() * _DAY
    for one in folder.iterdir():
        if one.is_dir() and max((file.stat().st_mtime for file in one.iterdir()), default=0.0) < before:
            shutil.rmtree(one, ignore_errors=True)
