"""Lists larger than memory: pieces of one list, that can be gone over as often as it takes.

A file is looked through once before any of it is given out, so that what must hold for all of it (encoding, separator,
header, columns without content, rows that end early) is decided as it is for a file that is read in one piece.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from gcbulk.errors import RecipientsError, warn
from gcbulk.recipients.delimited import NAMED_LINES, convert_options, delimiter_of, named_lines, parse_options
from gcbulk.recipients.encodings import encoding_of_file
from gcbulk.recipients.headers import distinct, header_row, looks_like_a_recipient
from gcbulk.recipients.reading import refuse_other_kinds, with_content
from gcbulk.recipients.workbooks import is_workbook

if TYPE_CHECKING:
    import io
    import os
    from collections.abc import Callable, Sequence

    from gcbulk.recipients.encodings import FileEncoding

PIECE_ROWS: Final = 25_000
"""Rows of a piece, by default."""
LARGE_FILE: Final = 64 << 20
"""Bytes from which the command line works through a list in pieces."""
LARGE_ROWS: Final = 500_000
"""Rows from which the command line reads a campaign's results in pieces."""
_HEAD: Final = 40  # rows among which the header is looked for
_HEAD_BYTES: Final = 1 << 18
_LOOKED_AT: Final = 1 << 16  # characters from which the separator is told
_BLOCK: Final = 1 << 21  # bytes that pyarrow takes at a time
_END: Final = "\x00"  # no text that comes here holds it


class Pieces:
    """A list of recipients in pieces: frames of the same columns, one after the other.

    `again` gives an iterator over all of them each time it is called. `once` is said of a list that can be gone over
    a single time only. Raises RecipientsError where a piece has other columns than the first.
    """

    def __init__(self, again: Callable[[], Iterable[pd.DataFrame]], *, once: bool = False) -> None:
        self._again = again
        self.once = once
        self._begun = False

    def __iter__(self) -> Iterator[pd.DataFrame]:
        if self.once and self._begun:
            raise RecipientsError(
                "These recipients can be gone over only once, and have been. Give a list that can be gone over again: "
                "gcbulk.read_in_pieces(file), a Dask DataFrame, or a list of DataFrames."
            )
        self._begun = True
        columns: pd.Index | None = None
        for number, piece in enumerate(self._again(), 1):
            if not isinstance(piece, pd.DataFrame):
                raise RecipientsError(f"Piece {number} of the recipients is no DataFrame, but {type(piece).__name__}.")
            if columns is None:
                columns = piece.columns
            elif not columns.equals(piece.columns):
                raise RecipientsError(
                    f"Piece {number} of the recipients has other columns than the first: {list(piece.columns)}, not "
                    f"{list(columns)}. Give every piece the same columns, in the same order."
                )
            yield piece


def as_pieces(recipients: object) -> Pieces | None:
    """What is to be worked through in pieces: a list of DataFrames, an iterator of them, a Dask DataFrame; else None.

    >>> as_pieces(pd.DataFrame({"Mobile": ["07700 900123"]})) is None
    True
    >>> len(list(as_pieces([pd.DataFrame({"Mobile": ["07700 900123"]})] * 3)))
    3
    """
    if isinstance(recipients, Pieces):
        return recipients
    partitions: Any = getattr(recipients, "partitions", None)
    if partitions is not None and hasattr(recipients, "npartitions"):  # Dask's, or what is made like it
        return Pieces(lambda: (partitions[number].compute() for number in range(recipients.npartitions)))
    if isinstance(recipients, list | tuple) and any(isinstance(piece, pd.DataFrame) for piece in recipients):
        return Pieces(lambda: recipients)
    return Pieces(lambda: recipients, once=True) if isinstance(recipients, Iterator) else None


@dataclass(frozen=True, slots=True)
class _Layout:
    """What was decided of a file from a look through the whole of it."""

    stamp: tuple[int, int]  # size and time of the last change
    encoding: str
    delimiter: str
    width: int  # cells of a row
    regular: bool = True  # every row has them, so that pyarrow reads it
    header_at: int = 0  # among the rows that hold anything
    kept: list[int] = field(default_factory=list)  # columns that have a name or content
    names: list[str] = field(default_factory=list)
    rows: int = 0
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


class FilePieces(Pieces):
    """A file of recipients in pieces, each under its place in the whole list; `reading` says how it was read."""

    def __init__(self, path: Path, *, rows: int = PIECE_ROWS) -> None:
        self.path = path
        self._piece_rows = rows
        self._layout = _looked_through(path)
        self.reading = self._layout.notes
        self.row_count = self._layout.rows
        super().__init__(self._frames)
        for doubt in self._layout.doubts:
            warn(doubt)

    def _frames(self) -> Iterator[pd.DataFrame]:
        layout, done = self._layout, 0
        below = layout.header_at + 1  # rows to leave out
        for cells in _regrouped(_filled(_rows(self.path, layout)), self._piece_rows, skip=below):
            self._check_unchanged()
            frame = cells.iloc[:, layout.kept]
            frame.columns = pd.Index(layout.names)
            frame.index = pd.RangeIndex(done, done + len(frame))
            done += len(frame)
            yield frame
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        if _stamp(self.path) != self._layout.stamp:
            raise RecipientsError(
                f"{self.path} was changed while it was being read. Nobody else may write to it: begin again."
            )


def read_in_pieces(source: str | os.PathLike[str], *, rows: int = PIECE_ROWS) -> FilePieces:
    """A large CSV in pieces, for `send_sms` and `preview`: what `read_recipients` reads, without holding it all.

    Args:
        source: a path to text separated by commas, semicolons, tabs or pipes. Workbooks are read in one piece only.
        rows: rows of a piece.

    Returns:
        An iterable of frames, to be gone over as often as it takes. Together they are what `read_recipients` returns,
        columns, cells and places. It is looked through once at the start; a file that changes later is refused.

    Warns, raises:
        As `read_recipients` does.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "all.csv")
        ...     _ = path.write_text("Name,Mobile\\nZoe,07700 900123\\nAl,07700 900124\\n", encoding="utf-8")
        ...     [piece["Name"].tolist() for piece in read_in_pieces(path, rows=1)]
        [['Zoe'], ['Al']]
    """
    return FilePieces(Path(source), rows=rows)


def is_large(path: Path) -> bool:
    """Whether a file is to be worked through in pieces: text that is larger than LARGE_FILE."""
    try:
        if path.stat().st_size < LARGE_FILE:
            return False
        with path.open("rb") as file:
            return not is_workbook(file.read(_HEAD_BYTES), str(path))
    except OSError:
        return False  # `read_recipients` says what is wrong with it


def _looked_through(path: Path) -> _Layout:
    """Decide how a file is read. Raises RecipientsError as `read_recipients` does."""
    name = str(path)
    try:
        stamp = _stamp(path)
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise RecipientsError(f"There is no file {path}. Check its name and folder.") from None
    except OSError as error:
        raise RecipientsError(f"{path} cannot be read ({error.strerror}). Check that you may open it.") from None
    if is_workbook(head, name):
        raise RecipientsError(
            f"{name} is a workbook, which can only be read whole: Excel's own limit is 1,048,576 rows. "
            "Save a larger list as CSV UTF-8."
        )
    refuse_other_kinds(head, name)
    found = encoding_of_file(path)
    with _opened(path, found.encoding) as text:
        start = text.read(_LOOKED_AT + 1)
    if not start or (start.isspace() and len(start) <= _LOOKED_AT):
        raise RecipientsError(f"{name} is empty. Export it again.")
    delimiter, width = delimiter_of(start[:_LOOKED_AT], name, whole=len(start) <= _LOOKED_AT)
    layout = _Layout(stamp, found.encoding, delimiter, width)
    seen = _content(layout, path)
    short: list[int] = []
    if seen is None:
        width, short = _ragged(path, layout, name)
        layout = replace(layout, width=width, regular=False)
        seen = _content(layout, path)
    assert seen is not None
    return _decided(layout, seen, name, short, found)


@dataclass(slots=True)
class _Seen:
    """The first rows, how many there are, and in which columns anything stands below the header."""

    head: list[list[str]]
    lines: list[int]
    rows: int
    header_at: int
    filled: Any


def _content(layout: _Layout, path: Path) -> _Seen | None:
    """Go over all rows once; None where pyarrow refuses them, or a quotation mark is left open."""
    seen: _Seen | None = None
    last = None
    try:
        for cells in _filled(_rows(path, layout)):
            if not len(cells):
                continue
            below = cells
            if seen is None:
                head = cells.head(_HEAD).to_numpy(dtype=object).tolist()
                at = header_row(head)
                seen = _Seen(head, [int(n) + 1 for n in cells.index[:_HEAD]], 0, at, np.zeros(layout.width, dtype=bool))
                below = cells.iloc[at + 1 :]
            seen.rows += len(below)
            for column in np.flatnonzero(~seen.filled):
                seen.filled[column] = bool((below[column].str.strip() != "").any())
            last = cells.iloc[-1, -1]
    except pa.ArrowInvalid:
        return None
    if layout.regular and last is not None and _left_open(path, layout.encoding, str(last)):
        return None
    if seen is None:
        raise RecipientsError(f"{path} is empty. Export it again.")
    return seen


def _decided(layout: _Layout, seen: _Seen, name: str, short: list[int], found: FileEncoding) -> _Layout:
    header = seen.head[seen.header_at]
    if any(map(looks_like_a_recipient, header)):
        raise RecipientsError(
            f"{name} begins with a row that looks like a recipient. Put a row with the columns' names above it."
        )
    if not seen.rows:
        raise RecipientsError(f"{name} has a header but no rows below it. Export it again with the recipients.")
    kept = [i for i, label in enumerate(header) if label.strip() or seen.filled[i]]
    names, twice = distinct([header[i] if header[i].strip() else f"Column {i + 1}" for i in kept])
    notes = [f"Read as {found.called} text."] if found.called != "UTF-8" else []
    if seen.header_at:
        notes.append(f"Left out {named_lines(seen.lines[: seen.header_at])}, above the header.")
    doubts = []
    if found.guessed:
        doubts.append(
            f"{name} is not UTF-8, and was read as {found.called}. Check the letters with accents in "
            f"{named_lines(found.beyond)}."
        )
    if short:
        doubts.append(
            f"{name} has fewer cells in {named_lines(short)} than in its header. The missing ones were left blank."
        )
    if twice:
        listed = ", ".join(f'"{" ".join(label.split())}"' for label in twice)
        doubts.append(f"{name} has more than one column called {listed}. They were numbered: (1), (2).")
    return replace(layout, header_at=seen.header_at, kept=kept, names=names, rows=seen.rows, notes=notes, doubts=doubts)


def _left_open(path: Path, encoding: str, last_cell: str) -> bool:
    """Whether a quotation mark has taken all that follows it into the last cell."""
    if last_cell.endswith(("\r", "\n")):
        return True
    marks, last = 0, ""
    with _opened(path, encoding) as text:
        while block := text.read(_BLOCK):
            marks += block.count('"')
            last = block[-1]
    return last not in "\r\n" and marks % 2 == 1


def _ragged(path: Path, layout: _Layout, name: str) -> tuple[int, list[int]]:
    """How many cells a row of an irregular file has, and the first lines of those with fewer.

    Raises RecipientsError where a row has more, or a quotation mark is never closed.
    """
    first: list[tuple[int, list[str]]] = []
    for line, row in _one_by_one(path, layout, name):
        if any(map(str.strip, row)):
            first.append((line, row))
            if len(first) == _HEAD:
                break
    if not first:
        raise RecipientsError(f"{name} is empty. Export it again.")
    at = header_row([row for _, row in first])
    begins, header = first[at]
    width = max(i + 1 for i, cell in enumerate(header) if cell.strip())
    of_header = len(header)
    long: list[tuple[int, int, int]] = []  # line, cells, cells up to the last with content
    short: list[tuple[int, int]] = []
    used = width
    for line, row in _one_by_one(path, layout, name):
        content = next((i + 1 for i in range(len(row) - 1, -1, -1) if row[i].strip()), 0)
        if line >= begins and width < of_header:  # blank names at its end: as many as have anything below them
            used = max(used, min(content, of_header))
        if content > width and len(long) < 4 * NAMED_LINES:
            long.append((line, len(row), content))
        if len(row) < of_header and line > begins and content and len(short) < 100_000:
            short.append((line, len(row)))
    too_long = [(line, cells) for line, cells, content in long if content > used]
    if too_long:
        raise RecipientsError(
            f"{name} has {too_long[0][1]} cells in {named_lines([line for line, _ in too_long])}, but its header has "
            f"{of_header}. Put a cell that contains the separator in quotation marks, or remove the extra cells."
        )
    return used, [line for line, cells in short if cells < used]


def _one_by_one(path: Path, layout: _Layout, name: str) -> Iterator[tuple[int, list[str]]]:
    """Every row with the line it begins in, blank ones included."""
    with _opened(path, layout.encoding) as text:
        reader = csv.reader(chain(text, [_END]), delimiter=layout.delimiter)  # which an open quotation takes in
        line = 1
        try:
            for row in reader:
                if row and row[-1].endswith(_END):
                    if row == [_END]:
                        return
                    break
                yield line, row
                line = reader.line_num + 1
        except csv.Error:  # a cell that never ends grew too large
            pass
    raise RecipientsError(
        f"{name} has a quotation mark in or after line {line} that is never closed. Close or remove it."
    )


def _rows(path: Path, layout: _Layout) -> Iterator[pd.DataFrame]:
    """All rows in frames of columns numbered from 0, under the number of their line (or row) less one."""
    yield from _by_pyarrow(path, layout) if layout.regular else _by_csv(path, layout)


_ARROWS: Final = {"utf-8": "utf8", "utf-8-sig": "utf8"}  # read without a detour through Python, mark or not


def _by_pyarrow(path: Path, layout: _Layout) -> Iterator[pd.DataFrame]:
    done = 0
    with pacsv.open_csv(
        path,
        read_options=pacsv.ReadOptions(
            autogenerate_column_names=True,
            block_size=_BLOCK,
            use_threads=False,
            encoding=_ARROWS.get(layout.encoding, layout.encoding),
        ),
        parse_options=parse_options(layout.delimiter),
        convert_options=convert_options(layout.width),
    ) as reader:
        if len(reader.schema) != layout.width:
            raise pa.ArrowInvalid("another number of columns")
        for batch in reader:
            cells = batch.to_pandas()
            cells.columns = pd.RangeIndex(layout.width)
            cells.index = pd.RangeIndex(done, done + len(cells))
            done += len(cells)
            yield cells


def _by_csv(path: Path, layout: _Layout) -> Iterator[pd.DataFrame]:
    width = layout.width
    blank = [""] * width
    rows = _one_by_one(path, layout, str(path))
    while some := list(islice(rows, PIECE_ROWS)):
        cells = [row[:width] + blank[len(row) :] for _, row in some]
        columns = {i: pd.array(column, dtype="str") for i, column in enumerate(zip(*cells, strict=True))}
        yield pd.DataFrame(columns, index=pd.Index([line - 1 for line, _ in some]))


def _filled(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The rows that hold anything."""
    for frame in frames:
        filled = with_content(frame)
        yield frame if filled.all() else frame[filled]


def _regrouped(frames: Iterable[pd.DataFrame], rows: int, *, skip: int) -> Iterator[pd.DataFrame]:
    """The same rows without the first few, so many in each frame but the last."""
    held: list[pd.DataFrame] = []
    count = 0
    for frame in frames:
        left_out = min(skip, len(frame))
        skip -= left_out
        rest = frame.iloc[left_out:] if left_out else frame
        while len(rest):
            taken = rest.iloc[: rows - count]
            rest = rest.iloc[rows - count :]
            held.append(taken)
            count += len(taken)
            if count == rows:
                yield _joined(held)
                held, count = [], 0
    if held:
        yield _joined(held)


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return frames[0] if len(frames) == 1 else pd.concat(frames)


def _opened(path: Path, encoding: str) -> io.TextIOWrapper:
    return path.open("r", encoding=encoding, newline="")


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
