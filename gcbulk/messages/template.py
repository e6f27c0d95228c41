"""Merge fields: a message text that is read and checked once, then filled in for every row."""

from __future__ import annotations

import difflib
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.errors import TemplateError
from gcbulk.messages.cells import UNSEEN, Cell, RowProblem, cell_texts, field_name, missing, quoted
from gcbulk.messages.characters import character_name, plain
from gcbulk.messages.columns import CHUNK, to_arrow, to_pandas
from gcbulk.messages.language import HELP, NO_CHARACTER, read
from gcbulk.messages.options import TextOptions, Writing
from gcbulk.messages.parts import composed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import jinja2

__all__ = ["Template", "field_name"]

_Filled = tuple["pa.Array", "pa.Array"]  # the texts, null where a row has a problem, and the problems
_TEXT = pa.large_string()
_NEWLINE = "\n"


@dataclass(frozen=True, slots=True)
class Cells:
    """The columns that a message uses, as words: `columns[i]` is the field `names[i]`, null where it is blank."""

    names: tuple[str, ...]
    labels: tuple[str, ...]  # what the user calls them, quoted
    columns: tuple[pa.Array, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """The text of every row, as it is sent. `frame`: Text, ErrorCode, ErrorDetail; `replaced`: see `plain`."""

    frame: pd.DataFrame
    replaced: pd.Series[str]


def _join(pieces: Sequence[str | int], cells: Sequence[pa.Array], labels: Sequence[str]) -> _Filled:
    """Fill in a plain message column by column."""
    words = [cells[piece] if isinstance(piece, int) else pa.scalar(piece, _TEXT) for piece in pieces]
    texts = pc.binary_join_element_wise(*words, pa.scalar("", _TEXT))
    problems = pa.nulls(len(texts), _TEXT)
    for cell, label in reversed([*zip(cells, labels, strict=True)]):
        if cell.null_count:
            problems = pc.if_else(pc.is_null(cell), pa.scalar(missing(label), _TEXT), problems)
    return texts, problems


def _fill(template: jinja2.Template, cells: Sequence[pa.Array], labels: Sequence[str]) -> _Filled:
    """Fill in any message, row by row."""
    columns = [_as_cells(cell, label) for cell, label in zip(cells, labels, strict=True)]
    names = [f"field_{number}" for number in range(len(cells))]
    values: dict[str, Cell] = {}
    render, context = template.root_render_func, template.new_context(values, shared=True)  # one for all rows
    texts: list[str | None] = []
    problems: list[str | None] = []
    for row in zip(*columns, strict=True) if columns else [()]:
        text = problem = None
        try:
            values.update(zip(names, row, strict=True))
            text = "".join(render(context))
        except RowProblem as exc:
            problem = str(exc)
        texts.append(text)
        problems.append(problem)
    return pa.array(texts, _TEXT), pa.array(problems, _TEXT)


def _writing(options: TextOptions | Writing) -> Writing:
    return options.writing if isinstance(options, TextOptions) else options


def _as_html(column: pa.Array) -> pa.Array:
    """Write a column as HTML shows it; what `html.escape` does, for all cells at once."""
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#x27;")):
        column = pc.replace_substring(column, sign, entity)
    return column


def _as_cells(column: pa.Array, label: str) -> list[Cell]:
    """Make the cells of a column, each that comes again only once."""
    known = column.dictionary_encode(null_encoding="encode")
    once = [Cell(text or "", label) for text in known.dictionary.to_pylist()]
    return [once[place] for place in known.indices.to_pylist()]


# Nothing in such a text is typographic, composed or a control character: most are spared every other look.
_NOT_SIMPLE = "[^\n -~]"
_SEEN = f"[^{UNSEEN}]"


def _written(words: pa.Array, options: Writing) -> tuple[pa.Array, pa.Array]:
    """Write texts as they are sent, plain and in NFC; and for each what was replaced, null where nothing could be."""
    suspects = pc.fill_null(pc.match_substring_regex(words, _NOT_SIMPLE), False)
    replaced = pa.nulls(len(words), _TEXT)
    if not pc.any(suspects).as_py():
        return words, replaced
    some = composed(words.filter(suspects))
    if options.smart_characters == "replace":
        some, left = plain(some)
        replaced = pc.replace_with_mask(replaced, suspects, left)
    return pc.replace_with_mask(words, suspects, some), replaced


def _judged(texts: pa.Array, problems: pa.Array, options: Writing) -> dict[str, pa.Array]:
    """Name what is wrong with each text, or with the row that has none."""
    codes = pc.if_else(pc.is_valid(problems), pa.scalar(ErrorCode.FIELD_MISSING.value, _TEXT), pa.scalar(None, _TEXT))
    empty = pc.invert(pc.fill_null(pc.match_substring_regex(texts, _SEEN), True))
    room = sys.maxsize if options.most is None else options.most - options.header_length
    too_long = pc.fill_null(pc.greater(pc.utf8_length(texts), room), False)
    control = pc.fill_null(pc.match_substring_regex(texts, options.refused), False)
    for code, rows, details in (
        (ErrorCode.INVALID_CHARACTERS, control, _refused(options)),
        (ErrorCode.MESSAGE_TOO_LONG, too_long, _lengths(options)),
        (ErrorCode.MESSAGE_EMPTY, empty, None),
    ):
        if pc.any(rows).as_py():
            sentences = pa.array(details(texts.filter(rows)), _TEXT) if details else pa.scalar(SENTENCES[code], _TEXT)
            codes = pc.replace_with_mask(codes, rows, pa.scalar(code.value, _TEXT))
            problems = pc.replace_with_mask(problems, rows, sentences)
    return {"Text": pc.if_else(empty, pa.scalar(None, _TEXT), texts), "ErrorCode": codes, "ErrorDetail": problems}


def _refused(options: Writing) -> Callable[[pa.Array], list[str]]:
    def sentences(texts: pa.Array) -> list[str]:
        found = [character_name(re.search(options.refused, text)[0]) for text in texts.to_pylist()]  # type: ignore[index]
        return [f"This text holds a character {options.why}, {one}. Take it out of the cell." for one in found]

    return sentences


def _lengths(options: Writing) -> Callable[[pa.Array], list[str]]:
    header = f", with {options.header_length} for the header" if options.header_length else ""

    def sentences(texts: pa.Array) -> list[str]:
        counts = pc.add(pc.utf8_length(texts), options.header_length).to_pylist()
        return [options.too_long.format(n=f"{n} characters{header}") for n in counts]

    return sentences


class Template:
    """A message text with merge fields: read once, checked against the columns, filled in for every row.

    text: plain text with `{{ parent_name }}` for the column "Parent Name" (any case), `{{ x | default('Parent') }}`,
    `{% if %}`, the filters and tests of this module, and Jinja2's comments and raw blocks. One newline at the end is
    dropped and line ends become "\\n"; the platform's own tokens (`$Firstname$`) are left alone.
    With `html` the text is HTML, and what stands in a cell is written so that it is shown there as it is.
    Raises TemplateError, with line and column, for anything else and for a text that is blank.

    >>> message = Template("Dear {{ parent_name | default('Parent') }}, school is closed.")
    >>> message.render(pd.DataFrame({"Parent Name": ["Ms Khan", ""]}))["Text"].tolist()
    ['Dear Ms Khan, school is closed.', 'Dear Parent, school is closed.']
    """

    def __init__(self, text: str, *, html: bool = False) -> None:
        if not isinstance(text, str):
            raise TemplateError(f"The message must be a text, and this is a {type(text).__name__}.")
        self.text = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
        if not self.text.strip(UNSEEN):
            raise TemplateError(f"The message is empty. {HELP}")
        if NO_CHARACTER.search(self.text):
            raise TemplateError("The message holds bytes that are no characters. Save it as UTF-8.")
        self.reading = read(self.text, html=html)
        self.html = html

    @property
    def fields(self) -> frozenset[str]:
        """Return the names of the fields that the text uses, wherever it uses them."""
        return frozenset(self.reading.names)

    def check(self, columns: Iterable[object]) -> None:
        """Raise TemplateError unless every field is provided by exactly one column.

        columns: the labels of a frame. The error lists the fields that can be used, and those that come near.

        >>> Template("Dear {{ parent_name }}").check(["Parent Name", "Mobile"])
        """
        self._positions(list(columns))

    def check_characters(self, options: TextOptions | Writing) -> None:
        """Raise TemplateError, with line and column, where the message itself holds a control character."""
        options = _writing(options)
        taken = "\t" if options.smart_characters == "replace" else ""
        control = next((found for found in re.finditer(options.refused, self.text) if found[0] not in taken), None)
        if control is not None:
            before = self.text[: control.start()]
            raise TemplateError(
                f"Line {before.count(_NEWLINE) + 1}, column {len(before) - before.rfind(_NEWLINE)}: the message holds "
                f"a character {options.why}, {character_name(control[0])}. Take it out."
            )

    def render(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Fill in the text for every row of a frame, which is not modified.

        Returns a frame of the same index, its columns of str dtype: Text, NaN where it cannot be filled in; ErrorCode
        FIELD_MISSING (a cell that would be printed is blank: white space, None, NaN, NaT, NA, infinite; or one that
        is compared with < or > is no number, or a filter cannot write it), MESSAGE_EMPTY, MESSAGE_TOO_LONG or
        INVALID_CHARACTERS (the Text is there); ErrorDetail. Both are NaN where all is well. Texts are in NFC, their
        characters kept (see `write`); a cell's text is never read as a template.
        Raises TemplateError as `check` does, and for a field whose column holds lists, bytes and the like.

        >>> Template("Dear {{ name }}").render(pd.DataFrame({"Name": ["Ms Khan", " "]}, index=[7, 7])).iloc[:, :2]
                   Text      ErrorCode
        7  Dear Ms Khan            NaN
        7           NaN  FIELD_MISSING
        """
        return self.write(self.cells(frame), TextOptions(smart_characters="keep")).frame.set_axis(frame.index)

    def cells(self, frame: pd.DataFrame) -> Cells:
        """Return the columns that the message uses, as words. Raises TemplateError as `render` does."""
        positions = self._positions(list(frame.columns))
        labels = tuple(quoted(frame.columns[position]) for position in positions)
        columns = [cell_texts(frame.iloc[:, at], label) for at, label in zip(positions, labels, strict=True)]
        return Cells(self.reading.names, labels, tuple(map(to_arrow, columns)), len(frame))

    def write(self, cells: Cells, options: TextOptions | Writing) -> Rendered:
        """Fill in the text for every row of the cells, as it is sent: see `render`. The frame has a RangeIndex."""
        options = _writing(options)
        pieces: dict[str, list[pa.Array]] = {"Text": [], "ErrorCode": [], "ErrorDetail": [], "Replaced": []}
        for start in range(0, cells.rows if cells.columns else 1, CHUNK):
            some = [column.slice(start, CHUNK) for column in cells.columns]
            if self.reading.pieces is not None and some:
                shown = [*map(_as_html, some)] if self.html else some
                words, problems = _join(self.reading.pieces, shown, cells.labels)
            else:
                words, problems = _fill(self.reading.template, some, cells.labels)
            texts, replaced = _written(words, options)
            for name, piece in {**_judged(texts, problems, options), "Replaced": replaced}.items():
                pieces[name].append(piece)
        if not cells.columns:
            pieces = {name: [piece.take(pa.array([0] * cells.rows, pa.int8()))] for name, (piece,) in pieces.items()}
        columns = {name: to_pandas(arrays) for name, arrays in pieces.items()}
        return Rendered(pd.DataFrame(columns).drop(columns="Replaced"), columns["Replaced"])

    def _positions(self, columns: Sequence[object]) -> list[int]:
        """Find the column of each field, in the order of their first use."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for position, column in enumerate(columns):
            found[field_name(column)].append(position)
        unknown = [name for name in self.reading.names if name not in found]
        if unknown:
            raise TemplateError(_unknown(unknown, [name for name in found if name]))
        for name in self.reading.names:
            if len(found[name]) > 1:
                several = " and ".join(quoted(columns[position]) for position in found[name])
                raise TemplateError(
                    f"{_braced(name)} could be any of the columns {several}. Rename all but one of them."
                )
        return [found[name][0] for name in self.reading.names]


def _unknown(names: Iterable[str], available: Sequence[str]) -> str:
    words = []
    for name in names:
        near = " or ".join(map(_braced, difflib.get_close_matches(name, available)))
        words.append(f"{_braced(name)} (did you mean {near}?)" if near else _braced(name))
    usable = ", ".join(map(_braced, available)) or "none"
    return f"No column provides {' or '.join(words)}. The fields that can be used: {usable}."


def _braced(name: str) -> str:
    return f"{{{{ {name} }}}}"
