"""Merge fields: a message text that is read and checked once, then filled in for every row."""

from __future__ import annotations

import difflib
import functools
import operator
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.errors import TemplateError
from gcbulk.messages.cells import UNSEEN, Cell, RowProblem, cell_texts, field_name, missing, quoted
from gcbulk.messages.language import HELP, NO_CHARACTER, read
from gcbulk.messages.parts import MAX_CHARACTERS, compose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import jinja2

__all__ = ["Template", "field_name"]

_Filled = tuple["pd.Series[str]", "pd.Series[str]"]  # the texts, NaN where a row has a problem, and the problems


def _join(pieces: Sequence[str | int], cells: Sequence[pd.Series[str]], labels: Sequence[str]) -> _Filled:
    """Fill in a plain message column by column."""
    words: list[Any] = [cells[piece] if isinstance(piece, int) else piece for piece in pieces]
    texts: pd.Series[str] = functools.reduce(operator.add, words)
    problems = pd.Series(dtype="str").reindex(texts.index)
    for column, label in reversed([*zip(cells, labels, strict=True)]):
        problems = problems.mask(column.isna(), missing(label))
    return texts, problems


def _fill(template: jinja2.Template, cells: Sequence[pd.Series[str]], labels: Sequence[str]) -> _Filled:
    """Fill in any message, row by row."""
    columns = [[Cell(text, label) for text in texts.fillna("")] for texts, label in zip(cells, labels, strict=True)]
    names = [f"field_{number}" for number in range(len(cells))]
    render, context = template.root_render_func, template.new_context
    texts: list[str | None] = []
    problems: list[str | None] = []
    for row in zip(*columns, strict=True) if columns else [()]:
        text = problem = None
        try:
            text = "".join(render(context(dict(zip(names, row, strict=True)))))
        except RowProblem as exc:
            problem = str(exc)
        texts.append(text)
        problems.append(problem)
    return pd.Series(texts, dtype="str"), pd.Series(problems, dtype="str")


def _judge(texts: pd.Series[str], problems: pd.Series[str]) -> pd.DataFrame:
    """Name what is wrong with each text, or with the row that has none."""
    texts = compose(texts)
    empty = ~texts.str.contains(f"[^{UNSEEN}]", na=True)
    lengths = texts.str.len()
    codes = problems.mask(problems.notna(), ErrorCode.FIELD_MISSING.value)
    if empty.any():
        codes = codes.mask(empty, ErrorCode.MESSAGE_EMPTY.value)
        problems = problems.mask(empty, SENTENCES[ErrorCode.MESSAGE_EMPTY])
        texts = texts.mask(empty)
    too_long = lengths > MAX_CHARACTERS
    if too_long.any():
        counts = lengths.where(too_long, 0).astype("int64").astype("str")
        codes = codes.mask(too_long, ErrorCode.MESSAGE_TOO_LONG.value)
        sentence = SENTENCES[ErrorCode.MESSAGE_TOO_LONG]
        problems = problems.mask(too_long, "This text has " + counts + " characters. " + sentence)
    return pd.DataFrame({"Text": texts, "ErrorCode": codes, "ErrorDetail": problems})


class Template:
    """A message text with merge fields: read once, checked against the columns, filled in for every row.

    text: plain text with `{{ parent_name }}` for the column "Parent Name" (any case), `{{ x | default('Parent') }}`,
    `{% if %}`, the filters and tests of this module, and Jinja2's comments and raw blocks. One newline at the end is
    dropped and line ends become "\\n"; the platform's own tokens (`$Firstname$`) are left alone.
    Raises TemplateError, with line and column, for anything else and for a text that is blank.

    >>> message = Template("Dear {{ parent_name | default('Parent') }}, school is closed.")
    >>> message.render(pd.DataFrame({"Parent Name": ["Ms Khan", ""]}))["Text"].tolist()
    ['Dear Ms Khan, school is closed.', 'Dear Parent, school is closed.']
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TemplateError(f"The message must be a text, and this is a {type(text).__name__}.")
        self.text = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
        if not self.text.strip(UNSEEN):
            raise TemplateError(f"The message is empty. {HELP}")
        if NO_CHARACTER.search(self.text):
            raise TemplateError("The message holds bytes that are no characters. Save it as UTF-8.")
        self._names, self._pieces, self._jinja = read(self.text)

    @property
    def fields(self) -> frozenset[str]:
        """Return the names of the fields that the text uses, wherever it uses them."""
        return frozenset(self._names)

    def check(self, columns: Iterable[object]) -> None:
        """Raise TemplateError unless every field is provided by exactly one column.

        columns: the labels of a frame. The error lists the fields that can be used, and those that come near.

        >>> Template("Dear {{ parent_name }}").check(["Parent Name", "Mobile"])
        """
        self._positions(list(columns))

    def render(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Fill in the text for every row of a frame, which is not modified.

        Returns a frame of the same index, its columns of str dtype: Text, NaN where it cannot be filled in; ErrorCode
        FIELD_MISSING (a cell that would be printed is blank: white space, None, NaN, NaT, NA, infinite; or one that
        is compared with < or > is no number), MESSAGE_EMPTY or MESSAGE_TOO_LONG (the Text is there); ErrorDetail.
        Both are NaN where all is well. Texts are in NFC; a cell's text is never read as a template.
        Raises TemplateError as `check` does, and for a field whose column holds lists, bytes and the like.

        >>> Template("Dear {{ name }}").render(pd.DataFrame({"Name": ["Ms Khan", " "]}, index=[7, 7])).iloc[:, :2]
                   Text      ErrorCode
        7  Dear Ms Khan            NaN
        7           NaN  FIELD_MISSING
        """
        positions = self._positions(list(frame.columns))
        labels = [quoted(frame.columns[position]) for position in positions]
        cells = [cell_texts(frame.iloc[:, at], label) for at, label in zip(positions, labels, strict=True)]
        if self._pieces is not None and cells:
            filled = _judge(*_join(self._pieces, cells, labels))
        else:
            filled = _judge(*_fill(self._jinja, cells, labels))
        if not cells:
            filled = filled.take(np.zeros(len(frame), dtype="int64"))
        return filled.set_axis(frame.index)

    def _positions(self, columns: Sequence[object]) -> list[int]:
        """Find the column of each field, in the order of their first use."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for position, column in enumerate(columns):
            found[field_name(column)].append(position)
        unknown = [name for name in self._names if name not in found]
        if unknown:
            raise TemplateError(_unknown(unknown, [name for name in found if name]))
        for name in self._names:
            if len(found[name]) > 1:
                several = " and ".join(quoted(columns[position]) for position in found[name])
                raise TemplateError(
                    f"{_braced(name)} could be any of the columns {several}. Rename all but one of them."
                )
        return [found[name][0] for name in self._names]


def _unknown(names: Iterable[str], available: Sequence[str]) -> str:
    words = []
    for name in names:
        near = " or ".join(map(_braced, difflib.get_close_matches(name, available)))
        words.append(f"{_braced(name)} (did you mean {near}?)" if near else _braced(name))
    usable = ", ".join(map(_braced, available)) or "none"
    return f"No column provides {' or '.join(words)}. The fields that can be used: {usable}."


def _braced(name: str) -> str:
    return f"{{{{ {name} }}}}"
