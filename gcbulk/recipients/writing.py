"""DataFrames -> files, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gcbulk.errors import InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


def check_writable(path: Path, *, option: str, others: Mapping[Path, str]) -> None:
    """Raise OptionError, naming the option, where a file cannot be written or is one of those to be kept.

    `others` are those, each with the words for what it is.
    """
    if path.is_dir():
        raise OptionError(f"{option} {path} is a folder. Give the name of a file.")
    for other, words in others.items():
        if path.resolve() == other.resolve() or (path.exists() and other.exists() and path.samefile(other)):
            raise OptionError(f"{option} {path} is {words}. Give another name, so that it is kept.")
    if not path.parent.is_dir():
        raise OptionError(f"{option} {path} cannot be written: the folder {path.parent} does not exist.")
    if path.exists() and not os.access(path, os.W_OK):
        raise OptionError(f"{option} {path} cannot be written: the file is read-only. Give another name.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return
    except OSError as error:
        raise OptionError(f"{option} {path} cannot be written: {error.strerror}. Give another place.") from None


def write_table(frame: pd.DataFrame, path: Path, *, byte_order_mark: bool = True) -> None:
    """Write a CSV through a temporary file and a rename: readers see the old file or the whole new one.

    UTF-8; with a byte order mark, by which Excel knows it. Raises InputError where the disk refuses.
    """
    encoding = "utf-8-sig" if byte_order_mark else "utf-8"
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding=encoding, newline="", errors="replace") as file:
                frame.to_csv(file, index=False, lineterminator="\r\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None
