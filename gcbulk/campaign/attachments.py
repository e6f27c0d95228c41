"""Files that go with emails: which goes with which row, looked at before anything is sent, and read at the call.

The plan and the journal know a file by its path, name, size and digest; its bytes are held for one call at a time. A
file that is gone or another by then holds back its own row.
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
import stat
import unicodedata
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.errors import OptionError
from gcbulk.messages.characters import character_name
from gcbulk.messages.options import Writing
from gcbulk.messages.template import Template

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    import pandas as pd

MEGABYTE: Final = 1_000_000
_PIECE: Final = 1 << 20
_HEAD: Final = 1024  # bytes in which a file shows what it is
_PACKED: Final = (b"PK\x03\x04",)
_OLD_OFFICE: Final = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)
# What a file of this ending begins with; empty: text, which holds no NUL. (Each format's own specification.)
TYPES: Final[dict[str, tuple[bytes, ...]]] = {
    ".pdf": (b"%PDF-",),
    ".png": (b"\x89PNG\r\n\x1a\n",),
    **dict.fromkeys((".jpg", ".jpeg"), (b"\xff\xd8\xff",)),
    ".gif": (b"GIF87a", b"GIF89a"),
    ".webp": (b"RIFF",),
    **dict.fromkeys((".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp"), _PACKED),
    **dict.fromkeys((".doc", ".xls", ".ppt"), _OLD_OFFICE),
    ".rtf": (b"{\\rtf",),
    **dict.fromkeys((".txt", ".csv", ".ics", ".vcf"), ()),
}
"""Every kind of file that can go with an email."""
# Behind a line end or a quote mail servers would look for further headers; marks that turn the direction of writing
# make one ending look like another (CVE-2021-42574); a surrogate is a byte that was no character.
_IN_NO_NAME: Final = re.compile('[\x00-\x1f\x7f-\x9f"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]')


_WHAT_TO_DO: Final = SENTENCES[ErrorCode.ATTACHMENT_MISSING].partition(". ")[2]
"""Behind what is wrong with a row's own file."""


class File(NamedTuple):
    """One file as it was when the campaign was planned. `digest`: BLAKE2b of its bytes, in hex.

    `called`: of a row's own file, its path below the folder of such files, the same wherever that folder lies; by it
    `A1/report.pdf` is known from `A2/report.pdf`.
    """

    path: str
    name: str
    size: int
    digest: str
    called: str = ""


class FileChangedError(Exception):
    """Raised at a call, for a file that is not what it was when it was planned; its text is for the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """Which files go with an email. Raises OptionError for what cannot be used.

    files: paths of files that go with every email, and patterns of one for each row (`letters/{{ upn }}.pdf`).
    column: a column of paths, one for each row. folder: where both are looked for, and out of which a row's file may
    not lie; the current folder where none is given, and for a pattern the folder that it begins with.
    max_file_mb, max_call_mb: megabytes (of 1,000,000 bytes) that one file, and all emails of one call with their
    files, may have. The API's pages name no limit: these are what mail servers commonly take.
    """

    files: Sequence[str | os.PathLike[str]] = ()
    column: Hashable | None = None
    folder: str | os.PathLike[str] | None = None
    max_file_mb: float = 7.0
    max_call_mb: float = 10.0

    def __post_init__(self) -> None:
        if isinstance(self.files, (str, bytes)) or not isinstance(self.files, Sequence):
            raise OptionError(f'attachments must be a list of files, such as ["letter.pdf"], not {self.files!r}.')
        for name in ("max_file_mb", "max_call_mb"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1000:
                raise OptionError(f"{name} must be a number of megabytes above 0, not {value!r}.")

    @property
    def any(self) -> bool:
        """Whether any file goes with the emails."""
        return bool(self.files) or self.column is not None

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that the patterns use. Raises TemplateError for a pattern that cannot be read."""
        return frozenset[str]().union(*(Template(str(file)).fields for file in self.files if _is_pattern(file)))

    @property
    def most_bytes_a_call(self) -> int:
        """How many bytes the emails of one call may have."""
        return int(self.max_call_mb * MEGABYTE)


@dataclass(frozen=True, slots=True)
class Enclosed:
    """For every row its files, and what is wrong with one of them ("" where nothing is)."""

    files: list[tuple[File, ...]]
    problems: list[str]


def enclose(fields: pd.DataFrame, options: Attachments, *, wanted: Any) -> Enclosed:
    """Find and look at every row's files, each file once; `wanted` says of which rows.

    Raises OptionError where a file for all cannot go, TemplateError for a pattern with an unknown field.
    """
    looker = _Looker(int(options.max_file_mb * MEGABYTE))
    for_all: list[File] = []
    sources: list[tuple[list[str | None], Path]] = []
    folder = Path(options.folder or ".")
    for given in options.files:
        written = str(given)
        if _is_pattern(written):
            sources.append((_by_pattern(written, fields), folder / written.partition("{")[0].rpartition("/")[0]))
            continue
        found = looker.look(folder / written)
        if isinstance(found, str):
            raise OptionError(f"The attachment {_shown(written)} {found} Nothing was sent.")
        for_all.append(found)
    if options.column is not None:
        sources.append((_by_column(options.column, fields), folder))
    files: list[tuple[File, ...]] = [()] * len(fields)
    problems = [""] * len(fields)
    for row in map(int, wanted.nonzero()[0]):
        own = [_of_row(looker, names[row], folder, inside) for names, inside in sources]
        problems[row] = next((f"{one} {_WHAT_TO_DO}" for one in own if isinstance(one, str)), "")
        files[row] = _once((*for_all, *(one for one in own if isinstance(one, File))))
        if not problems[row] and sum(file.size for file in files[row]) > options.most_bytes_a_call:
            problems[row] = (
                f"The files of this email are more than {options.max_call_mb:g} MB together. Leave some out, or allow "
                "a call more (max_call_mb, --max-call-mb)."
            )
    return Enclosed(files, problems)


def _once(files: Iterable[File]) -> tuple[File, ...]:
    """A row's files, one that is named twice once."""
    by_path: dict[str, File] = {}
    for file in files:
        by_path.setdefault(file.path, file)
    return tuple(by_path.values())


def _is_pattern(written: str | os.PathLike[str]) -> bool:
    return "{{" in str(written) or "{%" in str(written)


def _by_pattern(pattern: str, fields: pd.DataFrame) -> list[str | None]:
    template = Template(pattern.replace("\\", "/"))
    written = template.write(template.cells(fields), Writing(most=None)).frame
    return written["Text"].where(written["ErrorCode"].isna(), None).astype(object).tolist()


def _by_column(column: Hashable, fields: pd.DataFrame) -> list[str | None]:
    labels = [label for label in fields.columns if label == column]
    if len(labels) != 1:
        listed = ", ".join(f'"{label}"' for label in fields.columns[:30])
        raise OptionError(
            f'attachment_column: there {"is no column" if not labels else "are several columns"} "{column}". '
            f"The columns are: {listed}."
        )
    cells = fields[column].astype("str").str.strip()
    return cells.where(cells.notna() & (cells != ""), None).astype(object).tolist()


def _of_row(looker: _Looker, name: str | None, folder: Path, inside: Path) -> File | str:
    if not isinstance(name, str):
        return "This row names no file."
    try:
        path = looker.as_on_disk(folder / name)
        outside = not path.resolve().is_relative_to(inside.resolve())
    except (OSError, ValueError, RuntimeError):
        return f"{Path(name).name!r} is no name that a file can have."
    if outside:
        return f"{name!r} lies outside the folder {inside}."
    found = looker.look(path)
    if isinstance(found, str):
        return f"The file {_shown(name)} {found}"
    called = Path(os.path.relpath(path, inside)).as_posix()
    return found._replace(called=unicodedata.normalize("NFC", called))


def _shown(name: str) -> str:
    return name if name.isprintable() else repr(name)


class _Looker:
    """Looks at each file once: a file, or in words what is wrong with it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: dict[Path, File | str] = {}
        self._folders: dict[Path, dict[str, str]] = {}

    def look(self, path: Path) -> File | str:
        path = self.as_on_disk(path)
        if path not in self._seen:
            self._seen[path] = self._looked(path)
        return self._seen[path]

    def as_on_disk(self, path: Path) -> Path:
        """The path of a file whose name is written on the disk with its accents encoded otherwise, as macOS does."""
        if str(path).isascii() or path in self._seen or path.is_file():
            return path
        found = self._names(path.parent).get(_composed(path.name))
        return path.parent / found if found else path

    def _names(self, folder: Path) -> dict[str, str]:
        """The names in a folder, by what they are in composed characters, and by that in small letters."""
        if folder not in self._folders:
            try:
                names = sorted(one.name for one in folder.iterdir())
            except OSError:  # no such folder, or one that only opens files whose names are known
                names = []
            composed = {_composed(name): name for name in names}
            self._folders[folder] = {name.casefold(): one for name, one in composed.items()} | composed
        return self._folders[folder]

    def _looked(self, path: Path) -> File | str:
        if odd := _IN_NO_NAME.search(path.name):
            return f"has a character in its name that no email can carry, {character_name(odd[0])}. Give it another."
        try:
            if path.exists() and not path.is_file():
                return "is no file: a folder, a pipe or a device has this name."
            if not path.is_file():
                near = self._names(path.parent).get(_composed(path.name).casefold())
                return f"is not there. There is {near}: mend the one name or the other." if near else "is not there."
            size = path.stat().st_size
            if not size:
                return "is empty."
            if size > self._most:
                return f"has {size_in_words(size)}, and one file may have {self._most / MEGABYTE:g} MB (max_file_mb)."
            with _opened(path) as file:
                if problem := _wrong_type(path.suffix.casefold(), file.read(_HEAD)):
                    return problem
                file.seek(0)
                digest = hashlib.blake2b(digest_size=16)
                while piece := file.read(_PIECE):
                    digest.update(piece)
        except OSError as error:
            return f"cannot be read: {error.strerror}."
        return File(str(path.resolve()), _composed(path.name), size, digest.hexdigest())


def _composed(path: str) -> str:
    """A path with each accent in one character with its letter, as Windows and Linux write it and macOS may not."""
    return unicodedata.normalize("NFC", path)


def _wrong_type(ending: str, head: bytes) -> str:
    if ending not in TYPES:
        return f"is of a kind that cannot go with an email; these can: {' '.join(TYPES)}."
    starts = TYPES[ending]
    if not starts:
        return "is no text, whatever its ending says." if b"\0" in head else ""
    # a PDF may have a few bytes in front of its mark (ISO 32000, annex H)
    right = any(head.startswith(start) or (ending == ".pdf" and start in head) for start in starts)
    return "" if right else f"is no {ending.removeprefix('.').upper()}, whatever its ending says."


def encoded(file: File) -> str:
    """A file's bytes in base64, as they go into a call. Raises FileChangedError where it is not what was planned."""
    return base64.b64encode(_content(file)).decode("ascii")


def size_in_words(size: int) -> str:
    """A number of bytes for people.

    >>> size_in_words(2_450_000), size_in_words(812)
    ('2.5 MB', '1 kB')
    """
    return f"{size / MEGABYTE:,.1f} MB" if size >= MEGABYTE / 10 else f"{math.ceil(size / 1000)} kB"


def check_folder(folder: Path) -> None:
    """Raise OptionError where no file can be found in a folder: there is none, it is no folder, or it is empty."""
    try:
        empty = next(folder.iterdir(), None) is None
    except FileNotFoundError:
        raise OptionError(f"There is no folder {folder}. Mend its name, or put the files there.") from None
    except NotADirectoryError:
        raise OptionError(f"{folder} is no folder. Give the folder that the files are in.") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no folder can have such a name"
        raise OptionError(f"The folder {folder} cannot be looked into: {why}.") from None
    if empty:
        raise OptionError(f"The folder {folder} is empty. Put the files there, or give another.")


def problem_of(path: Path, options: Attachments) -> str:
    """In words, what is wrong with a file that is to go with emails; "" where nothing is."""
    found = _Looker(int(options.max_file_mb * MEGABYTE)).look(path)
    return found if isinstance(found, str) else ""


def problem_now(files: Iterable[File]) -> str | None:
    """What is wrong by now with files that were looked at earlier; None where they are what they were."""
    try:
        for file in files:
            _content(file)
    except FileChangedError as error:
        return str(error)
    return None


def _content(file: File) -> bytes:
    """A file's bytes. Raises FileChangedError where it is not what was planned."""
    try:
        with _opened(Path(file.path)) as stream:
            content = stream.read(file.size + 1)
    except OSError:
        raise FileChangedError(f"The file {file.name} is gone since this was planned.") from None
    if len(content) != file.size or hashlib.blake2b(content, digest_size=16).hexdigest() != file.digest:
        raise FileChangedError(f"The file {file.name} has changed since this was planned.")
    return content


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be read. Raises OSError where it is no file: whoever reads a pipe may wait for ever."""
    with open(path, "rb", opener=_without_waiting) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(f"{path.name} is no file.")
        yield opened


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
