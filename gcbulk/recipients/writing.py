"""DataFrames -> files, whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from gcbulk.errors import InputError, OptionError
from gcbulk.recipients.columns import ANNOTATIONS, is_annotated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd

_WORKBOOK: Final = ".xlsx"
_OTHER_KINDS: Final = frozenset(  # of files, which a name would promise and the content not be
    {
        *(".xls", ".xlsm", ".xlsb", ".ods", ".numbers"),
        *(".pdf", ".doc", ".docx", ".odt", ".rtf", ".pages", ".ppt", ".pptx", ".json", ".zip", ".png", ".jpg", ".jpeg"),
    }
)

# What a spreadsheet runs as a formula when it opens a CSV. A phone number's plus is none: it is shown as a number.
_FORMULA: Final = r"^[=+\-@\t\r]"
_PHONE_NUMBER: Final = r"^\+\d+$"


def check_writable(path: Path, *, option: str, others: Mapping[Path, str]) -> None:
    """Raise OptionError, naming the option, where a file cannot be written or is one of those to be kept.

    `others` are those, each with the words for what it is.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:  # a name that no disk can hold
        raise OptionError(f"{option} {path} cannot be written: {error.strerror}. Give another name.") from None
    if path.is_dir():
        raise OptionError(f"{option} {path} is a folder. Give the name of a file.")
    if path.suffix.lower() in _OTHER_KINDS:
        raise OptionError(f"{option} {path} cannot be written as {path.suffix}. Give a name in .xlsx or .csv.")
    for other, words in others.items():
        if path.resolve() == other.resolve() or (path.exists() and other.exists() and path.samefile(other)):
            raise OptionError(f"{option} {path} is {words}. Give another name, so that it is kept.")
    if not path.parent.is_dir():
        raise OptionError(f"{option} {path} cannot be written: the folder {path.parent} does not exist.")
    if path.exists() and not os.access(path, os.W_OK):
        raise OptionError(f"{option} {path} cannot be written: the file is read-only. Give another name.")
    if _is_device(path):
        return
    target = path.resolve()
    try:
        if not target.exists():  # the disk may have no room for its very name
            target.touch(exist_ok=False)
            target.unlink()
        with tempfile.TemporaryFile(dir=target.parent):
            return
    except OSError as error:
        raise OptionError(f"{option} {path} cannot be written: {error.strerror}. Give another place.") from None


def check_fits(frame: pd.DataFrame, path: Path, *, option: str) -> None:
    """Raise OptionError, before anything is sent, where a workbook of that name could not hold the frame's results."""
    if path.suffix.lower() == _WORKBOOK:
        from gcbulk.recipients.spreadsheets import check_fits as fits

        fits(frame, path, option=option, more_columns=len(ANNOTATIONS))


def write_table(frame: pd.DataFrame, path: Path, *, byte_order_mark: bool = True) -> None:
    """Write a frame through a temporary file and a rename: readers see the old file or the whole new one.

    A name in .xlsx becomes a workbook, for Excel: every cell a string. Any other becomes a CSV in UTF-8, by
    default with the byte order mark by which Excel knows it: the user's own cells exactly as they are, and none
    of our own columns with what a spreadsheet would run as a formula.

    Raises:
        InputError: the disk refuses, or a workbook cannot hold it.
    """
    with _replacing(path) as handle:
        if path.suffix.lower() == _WORKBOOK:
            _write_workbook(frame, handle, path)
        else:
            _write_csv(frame, handle, "utf-8-sig" if byte_order_mark else "utf-8")


@contextmanager
def writing_table(path: Path, *, byte_order_mark: bool = True) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write a table in pieces, as `write_table` writes a whole one: the block is given what takes the next of them.

    A workbook can hold no more than memory can, so its pieces are kept until the end. Raises InputError as that does.
    """
    if path.suffix.lower() == _WORKBOOK:
        import pandas as pd

        kept: list[pd.DataFrame] = []
        yield kept.append
        write_table(pd.concat(kept) if kept else pd.DataFrame(), path)
        return
    with (
        _replacing(path) as handle,
        os.fdopen(
            handle, "w", encoding="utf-8-sig" if byte_order_mark else "utf-8", newline="", errors="replace"
        ) as file,
    ):
        begun = False

        def take(frame: pd.DataFrame) -> None:
            nonlocal begun
            _harmless(frame).to_csv(file, index=False, lineterminator="\r\n", header=not begun)
            begun = True

        yield take
        _sync(file)


def write_text(text: str, path: Path) -> None:
    """Write a UTF-8 text as `write_table` writes a table: readers see the old file or the whole new one."""
    with _replacing(path) as handle, os.fdopen(handle, "w", encoding="utf-8", newline="", errors="replace") as file:
        file.write(text)
        _sync(file)


@contextmanager
def _replacing(path: Path) -> Iterator[int]:
    """The handle of a temporary file that takes the place of `path` at the block's end, which must close it.

    A link goes on leading to the file, which is replaced where it is. Devices and pipes are written into: no file
    may take their place.
    """
    try:
        if _is_device(path):
            yield os.open(path, os.O_WRONLY)
            return
        target = path.resolve()
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".gcbulk-", suffix=".part")
        temporary = Path(name)
        try:
            yield handle
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None


def _is_device(path: Path) -> bool:
    """Whether something is there that is no file on a disk: a device or a pipe."""
    return path.exists() and not path.is_file()


def _sync(file: IO[Any]) -> None:
    """See that what was written is on the disk, where there is one."""
    file.flush()
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        os.fsync(file.fileno())


def table_bytes(frame: pd.DataFrame, name: str) -> bytes:
    """A frame as the content of a file of this name, as `write_table` would write it: a workbook, or else a CSV.

    Raises InputError where a workbook cannot hold it.
    """
    if Path(name).suffix.lower() == _WORKBOOK:
        from gcbulk.recipients.spreadsheets import check_fits as fits
        from gcbulk.recipients.spreadsheets import sheet_of

        fits(frame, Path(name), option="The file")
        return sheet_of(frame)
    return _harmless(frame).to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig", "replace")


def _write_csv(frame: pd.DataFrame, handle: int, encoding: str) -> None:
    with os.fdopen(handle, "w", encoding=encoding, newline="", errors="replace") as file:
        _harmless(frame).to_csv(file, index=False, lineterminator="\r\n")
        _sync(file)


def _write_workbook(frame: pd.DataFrame, handle: int, path: Path) -> None:
    from gcbulk.recipients.spreadsheets import check_fits as fits
    from gcbulk.recipients.spreadsheets import sheet_of

    fits(frame, path, option="The file")
    with os.fdopen(handle, "wb") as file:
        file.write(sheet_of(frame, scratch_in=None if _is_device(path) else path.resolve().parent))
        _sync(file)


def _harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with an apostrophe before what would run, in our own columns: the platform's words stand there too."""
    if not is_annotated(frame.columns):
        return frame
    ours = {}
    for name in ANNOTATIONS:
        if name in frame.columns and frame[name].dtype == "str":
            texts = frame[name]
            runs = texts.str.contains(_FORMULA, na=False) & ~texts.str.contains(_PHONE_NUMBER, na=False)
            if runs.any():
                ours[name] = texts.mask(runs, "'" + texts)
    return frame.assign(**ours)
