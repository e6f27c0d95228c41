"""Merge fields: a message text that is read and checked once, then filled in for every row. Jinja2's one home.

The language is a small part of Jinja2's, and all of it is in the tables below: fields, `default` and a few filters,
`{% if %}`, comments and `{% raw %}`. Nothing in it can loop, call, or reach an attribute, a file or Python.
"""

from __future__ import annotations

import difflib
import functools
import math
import operator
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

import jinja2
import numpy as np
import pandas as pd
from jinja2 import TemplateSyntaxError, nodes
from jinja2.filters import FILTERS
from jinja2.sandbox import SandboxedEnvironment

from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.errors import TemplateError
from gcbulk.messages.parts import MAX_CHARACTERS, compose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_HELP = (
    "A message is plain text with {{ parent_name }}, {{ parent_name | default('Parent') }} "
    "and {% if year == '7' %} ... {% else %} ... {% endif %}."
)

# ---------------------------------------------------------------------------------------------------- field names

# Jinja2 reads these as its own words, so a column of that name gets an underscore in front.
_RESERVED = frozenset({"and", "else", "false", "if", "in", "is", "none", "not", "or", "true"})


def field_name(column: object) -> str:
    """Return the name by which a message calls a column: letters, digits and underscores, in lower case.

    Whatever else stands in the label is a gap (an apostrophe is not); a digit in front, or a word of Jinja2's, gets
    an underscore. Labels that are no strings are written out, and the levels of a MultiIndex label joined. "" for a
    label without a letter or digit: no message can use that column. The name of a name is itself.

    >>> field_name("Parent Name"), field_name("1st contact"), field_name(("Parent", "Mobile"))
    ('parent_name', '_1st_contact', 'parent_mobile')
    """
    label = "_".join(map(str, column)) if isinstance(column, tuple) else str(column)
    # NFKC, as Python reads identifiers: two names that it takes for one must be one here too.
    label = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).lower())
    letters = (letter if f"_{letter}".isidentifier() else " " for letter in re.sub("['’ʼ]", "", label))
    name = "_".join("".join(letters).replace("_", " ").split())
    return f"_{name}" if name and (not name.isidentifier() or name in _RESERVED) else name


def _quoted(column: object) -> str:
    label = " / ".join(map(str, column)) if isinstance(column, tuple) else str(column)
    return f'"{" ".join(label.split())}"'


# ------------------------------------------------------------------------------------------------- cells as texts

# White space, and the marks that look like none: a cell that holds nothing else is blank.
_UNSEEN = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\xad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
)


def _write_moment(value: datetime) -> str:
    if value.time() == time.min:
        return value.date().isoformat()
    return f"{value.date().isoformat()} {_write_time(value.time())}"


def _write_time(value: time) -> str:
    return value.isoformat("seconds" if value.second else "minutes")


def _write_float(value: float) -> str:
    return np.format_float_positional(value + 0, trim="-") if math.isfinite(value) else ""


# How the values of a cell are written. The first that fits is taken: NaT is a datetime, which is a date.
_WRITERS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (str, lambda value: value.strip(_UNSEEN)),
    ((type(None), type(pd.NA), type(pd.NaT)), lambda _: ""),
    ((bool, int, np.bool_, np.integer), str),
    ((float, np.floating), _write_float),  # 5.0 -> 5, what a spreadsheet leaves of a whole number
    (Decimal, lambda value: format(value, "f") if value.is_finite() else ""),
    (datetime, _write_moment),  # as the clock of its own time zone shows it
    (date, date.isoformat),
    (time, _write_time),
    (np.datetime64, lambda value: _write(pd.Timestamp(value))),
    (pd.Period, str),
)


def _write(value: object) -> str:
    for types, writer in _WRITERS:
        if isinstance(value, types):
            return writer(value)
    raise TypeError(type(value).__name__)


def _cell_texts(column: pd.Series[Any], label: str) -> pd.Series[str]:
    """Write every cell of a column as text, NaN where it is blank; the index is dropped."""
    column = column.reset_index(drop=True)
    if isinstance(column.dtype, (pd.ArrowDtype, pd.SparseDtype, pd.CategoricalDtype)):
        column = column.astype(object).infer_objects()
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "string":
        column = column.astype("str")
    if isinstance(column.dtype, pd.StringDtype):
        texts = column.astype("str").str.strip(_UNSEEN)
        return texts.mask(texts == "")
    try:
        if column.dtype == object:  # in which 1, 1.0 and True would be one value
            texts = pd.Series([_write(value) for value in column.array], dtype="str")
        else:
            codes, values = column.array.factorize()
            texts = pd.Series([*map(_write, values), ""], dtype="str").take(codes).reset_index(drop=True)
    except TypeError as exc:
        raise TemplateError(
            f"The column {label} holds a value of the type {exc}, which cannot be put into a message. "
            "Give it plain text, a number or a date, or leave it out of the message."
        ) from exc
    return texts.mask(texts == "")


class _RowProblem(Exception):  # noqa: N818 - it ends one row, not the run
    """Raised while a row is filled in, when its text would be wrong; its text is the row's `ErrorDetail`."""


def _missing(label: str) -> str:
    return f"Column {label}: {SENTENCES[ErrorCode.FIELD_MISSING]}"


def _not_a_number(label: str) -> str:
    return (
        f"Column {label}: the message compares this cell with a number, and it is none. "
        "Correct it, or compare it with == and quotation marks."
    )


_NUMBER = re.compile(r"-?£?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)):
        return value
    match = _NUMBER.fullmatch(str(value))
    return float(match[0].replace("£", "").replace(",", "")) if match else None


def _compared(value: _Cell | float) -> float:
    number = _number(value)
    if number is None and isinstance(value, _Cell):
        raise _RowProblem(_not_a_number(value.label) if str(value) else _missing(value.label))
    return float(number or 0)


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[_Cell, Any], bool]:
    """Make a comparison of numbers, so that "9" is less than "10"; what is none would choose the wrong words."""
    return lambda self, other: compare(_compared(self), _compared(other))


class _Cell(str):
    """A cell in a template: equal to the same text or number; blank, it is false and cannot be printed."""

    __slots__ = ("label",)
    label: str  # its column, quoted

    def __new__(cls, text: str, label: str) -> Self:
        cell = super().__new__(cls, text)
        cell.label = label
        return cell

    def __bool__(self) -> bool:
        # A spreadsheet's FALSE is false, whether it was read as a bool or as a word.
        return self.casefold() not in {"", "false"}

    def __eq__(self, other: object) -> bool:
        return _number(self) == other if isinstance(other, (int, float)) else str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__
    __lt__ = _ordered(operator.lt)
    __le__ = _ordered(operator.le)
    __gt__ = _ordered(operator.gt)
    __ge__ = _ordered(operator.ge)


class _Default(_Cell):
    """What `default` put in the place of a blank cell; it may be empty on purpose."""

    __slots__ = ()


def _printed(value: object) -> object:
    if isinstance(value, _Cell) and not str(value) and not isinstance(value, _Default):
        raise _RowProblem(_missing(value.label))
    return value


# --------------------------------------------------------------------------------------------------- the language


def _default(cell: _Cell, instead: object) -> _Cell:
    if str(cell):
        return cell
    return instead if isinstance(instead, _Cell) else _Default(str(instead), cell.label)


def _on_text(name: str) -> Callable[[_Cell], _Cell]:
    change: Callable[[str], str] = FILTERS[name]
    return lambda cell: type(cell)(change(str(cell)), cell.label)


# Every filter; only `default` takes a value, and takes exactly one.
_FILTERS: dict[str, Callable[..., _Cell]] = {
    "default": _default,  # the words for a blank cell
    "upper": _on_text("upper"),  # ANNA O'NEILL
    "lower": _on_text("lower"),  # anna o'neill
    "title": _on_text("title"),  # Anna O'neill
    "capitalize": _on_text("capitalize"),  # Anna o'neill
    "trim": _on_text("trim"),  # without white space around it, as every cell is already
}
# Every test: {% if email is defined %}.
_TESTS: dict[str, Callable[[object], bool]] = {
    "defined": lambda value: str(value) != "",  # the cell is not blank
    "undefined": lambda value: str(value) == "",
}
_ORDERINGS = frozenset({"lt", "lteq", "gt", "gteq"})
# Nobody needs more, and Jinja2 takes seconds to read a few hundred.
_DEEPEST = 10  # {% if %} in {% if %}
_LONGEST = 100  # conditions joined in one
_COMPARISONS = _ORDERINGS | {"eq", "ne"}

_VALUE = (nodes.Name, nodes.Const, nodes.Neg, nodes.Filter)
_CONDITION = (*_VALUE, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Test)
# What may stand in what: the whole grammar, given to every tag by itself.
_GRAMMAR: dict[type[nodes.Node], tuple[type[nodes.Node], ...]] = {
    nodes.Template: (nodes.Output, nodes.If),
    nodes.Output: _VALUE,
    nodes.If: (*_CONDITION, nodes.If),  # an If in an If is its elif
    nodes.And: _CONDITION,
    nodes.Or: _CONDITION,
    nodes.Not: _CONDITION,
    nodes.Compare: (*_VALUE, nodes.Operand),
    nodes.Operand: _VALUE,
    nodes.Test: _VALUE,
    nodes.Filter: _VALUE,
    nodes.Neg: (nodes.Const,),
    nodes.Name: (),
    nodes.Const: (),
}
# What users will try. The first that fits is named.
_REFUSED: tuple[tuple[tuple[type[nodes.Node], ...], str], ...] = (
    ((nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Test), "a condition inside {{ }} or a comparison"),
    ((nodes.Call,), "a call"),
    ((nodes.Getattr,), "a dot"),
    ((nodes.Getitem,), "a look-up in square brackets"),
    ((nodes.List, nodes.Tuple, nodes.Dict), "a list"),
    ((nodes.Concat,), "joining with ~"),
    ((nodes.CondExpr,), "an if inside {{ }}"),
    ((nodes.Keyword,), "a named value"),
    ((nodes.Node,), "arithmetic"),
)
# Around each tag, what makes a whole template of it. Other tags there are none.
_AROUND = {
    "if": ("", "{% endif %}"),
    "elif": ("{% if 1 %}", "{% endif %}"),
    "else": ("{% if 1 %}", "{% endif %}"),
    "endif": ("{% if 1 %}", ""),
}

_NEWLINE = "\n"
_NO_CHARACTER = re.compile("[\ud800-\udfff]")
_JINJA = SandboxedEnvironment(finalize=_printed, keep_trailing_newline=True, cache_size=0)
_JINJA.globals = {}
_JINJA.filters = dict(_FILTERS)
_JINJA.tests = dict(_TESTS)


def _fault(node: nodes.Node) -> str | None:
    """Say in words why a node that has its place in the grammar is refused all the same."""
    match node:
        case nodes.Const(value=value) if type(value) not in {str, int, float}:
            return f"{value} is no text and no number"
        case nodes.Const(value=str(value)) if _NO_CHARACTER.search(value):
            return "an escape in it stands for no character"
        case nodes.Neg(node=nodes.Const(value=str())):
            return "a minus belongs before a number"
        case nodes.Filter(name=name) if name not in _FILTERS:
            return f"there is no filter {name!r} (there are {', '.join(_FILTERS)})"
        case nodes.Filter(node=nodes.Const() | nodes.Neg()):
            return "a filter needs a field before it"
        case nodes.Filter(name=name) if len(node.args) != (name == "default") or node.dyn_args or node.dyn_kwargs:
            return "default takes one value, as in default('Parent'), and the other filters take none"
        case nodes.Test(name=name) if name not in _TESTS or node.args:
            return f"there is no test 'is {name}' (there are {', '.join(_TESTS)})"
        case nodes.Operand(op=op) if op not in _COMPARISONS:
            return "the comparisons are ==, !=, <, <=, > and >="
        case nodes.Compare(expr=expr, ops=ops) if any(operand.op in _ORDERINGS for operand in ops):
            sides = (expr, *(operand.expr for operand in ops))
            if any(isinstance(side, nodes.Const) and isinstance(side.value, str) for side in sides):
                return "<, <=, > and >= compare numbers, which have no quotes"
    return None


def _refusal(node: nodes.Node, *, depth: int = 0) -> str | None:
    """Say in words what a node has in it that a message cannot have."""
    if depth > _LONGEST:
        return "it is nested too deeply"
    for child in node.iter_child_nodes():
        if not isinstance(child, _GRAMMAR[type(node)]):
            what = next(words for types, words in _REFUSED if isinstance(child, types))
            return f"a message cannot have {what}"
        if problem := _fault(child) or _refusal(child, depth=depth + 1):
            return problem
    return None


@dataclass(frozen=True, slots=True)
class _Tag:
    """One `{{ }}` or `{% %}` of a message."""

    source: str
    where: str

    @property
    def word(self) -> str:
        """Return the first word of a `{% %}`, "" for a `{{ }}`."""
        match = re.match(r"{%[-+]?\s*(\w*)", self.source)
        return match[1] if match else ""

    def check(self) -> None:
        """Raise TemplateError unless the tag is one a message can have."""
        if self.source.startswith("{%") and self.word not in _AROUND:
            raise self.error(f"there is no tag {{% {self.word} %}} in a message")
        before, after = _AROUND.get(self.word, ("", ""))
        try:
            problem = _refusal(_JINJA.parse(f"{before}{self.source}{after}"))
        except TemplateSyntaxError as exc:
            raise self.error(_plain(exc)) from exc
        if problem:
            raise self.error(problem)

    def error(self, problem: str) -> TemplateError:
        """Return the error for this tag, with the way out where a column's own name was written."""
        column = re.match(r"{{[-+]?\s*(\w[\w\s.'’&/-]*?)\s*([|,}]|-}|$)", self.source)
        name = field_name(column[1]) if column else ""
        hint = (
            f"For the column {_quoted(column[1])} write {{{{ {name} }}}}. "
            if column and name != column[1].lower()
            else ""
        )
        if re.search("[‘’“”]", self.source):
            hint += "Quotation marks in a tag must be straight: ' or \". "
        shown = " ".join(self.source.split())[:60]
        return TemplateError(f"{self.where}: {shown} cannot be used: {problem}. {hint or _HELP}".rstrip())


def _plain(exc: TemplateSyntaxError) -> str:
    return str(exc.message).rstrip(".").replace("end of print statement", "}}").replace("end of statement block", "%}")


def _where(text: str, position: int) -> str:
    before = text[:position]
    return f"Line {before.count(_NEWLINE) + 1}, column {position - before.rfind(_NEWLINE)}"


_CLOSED_BY = {"{{": "}}", "{%": "%}", "{#": "#}"}


def _tags(text: str) -> Iterator[_Tag]:
    """Yield the tags of a message in order; raises TemplateError for one that cannot be read to its end."""
    start = position = 0
    opened = ""
    problem = ""
    try:
        for _, kind, token in _JINJA.lex(text):
            position = text.index(token, position)  # white space that a {%- takes away is no token
            if kind.endswith("_begin"):
                start, opened = position, token[:2]
            position += len(token)
            if kind.endswith("_end"):
                if kind in {"variable_end", "block_end"}:
                    yield _Tag(text[start:position].rstrip(), _where(text, start))
                opened = ""
    except TemplateSyntaxError as exc:
        problem = _plain(exc)
    if opened:
        rest = text[start + 2 :]
        closed = rest.partition(opened)[0].find(_CLOSED_BY[opened]) >= 0
        problem = problem if closed and problem else f"it is not closed with {_CLOSED_BY[opened]}"
        raise _Tag(text[start:].partition(_NEWLINE)[0], _where(text, start)).error(problem)


def _check_language(text: str) -> None:
    """Raise TemplateError for anything that a message cannot have, with its line and column."""
    branches: list[_Tag] = []  # for each {% if %} that is not closed yet, its newest branch
    for tag in _tags(text):
        tag.check()
        if tag.word == "if":
            branches.append(tag)
            if len(branches) > _DEEPEST:
                raise tag.error(f"it stands more than {_DEEPEST} deep in others")
        elif tag.word and not branches:
            raise tag.error("it has no {% if %} before it")
        elif tag.word == "endif":
            branches.pop()
        elif tag.word:
            if branches[-1].word == "else":
                raise tag.error("it comes after {% else %}, the last branch of an {% if %}")
            branches[-1] = tag
    if branches:
        raise branches[-1].error("it has no {% endif %} after it")


def _pieces(tree: nodes.Template, names: Sequence[str]) -> list[str | int] | None:
    """Return a message as texts and the positions of its fields' names, or None if it is more than that."""
    pieces: list[str | int] = []
    for node in tree.iter_child_nodes():
        for child in node.iter_child_nodes() if isinstance(node, nodes.Output) else [node]:
            match child:
                case nodes.TemplateData(data=text):
                    pieces.append(text)
                case nodes.Const(value=value):
                    pieces.append(str(value))
                case nodes.Name(name=name):
                    pieces.append(names.index(field_name(name)))
                case _:
                    return None
    return pieces


def _read(text: str) -> tuple[tuple[str, ...], list[str | int] | None, jinja2.Template]:
    """Read a message: its fields in the order of their first use, its pieces if it is plain, and the template."""
    try:
        _check_language(text)
        tree = _JINJA.parse(text)
        used = list(tree.find_all(nodes.Name))
        names = tuple(dict.fromkeys(field_name(node.name) for node in used))
        pieces = _pieces(tree, names)
        for node in used:
            # A name of our own for each: Jinja2 has other plans for some, such as `self`.
            node.name = f"field_{names.index(field_name(node.name))}"
        return names, pieces, _JINJA.from_string(tree)
    except TemplateError:
        raise
    except TemplateSyntaxError as exc:
        raise TemplateError(f"Line {exc.lineno}: {_plain(exc)}. {_HELP}") from exc
    except (RecursionError, ValueError) as exc:
        raise TemplateError("The message cannot be read: a tag in it is too long, or nested too deeply.") from exc


# ------------------------------------------------------------------------------------------------ filling it in

_Filled = tuple["pd.Series[str]", "pd.Series[str]"]  # the texts, NaN where a row has a problem, and the problems


def _join(pieces: Sequence[str | int], cells: Sequence[pd.Series[str]], labels: Sequence[str]) -> _Filled:
    """Fill in a plain message column by column."""
    words: list[Any] = [cells[piece] if isinstance(piece, int) else piece for piece in pieces]
    texts: pd.Series[str] = functools.reduce(operator.add, words)
    problems = pd.Series(dtype="str").reindex(texts.index)
    for column, label in reversed([*zip(cells, labels, strict=True)]):
        problems = problems.mask(column.isna(), _missing(label))
    return texts, problems


def _fill(template: jinja2.Template, cells: Sequence[pd.Series[str]], labels: Sequence[str]) -> _Filled:
    """Fill in any message, row by row."""
    columns = [[_Cell(text, label) for text in texts.fillna("")] for texts, label in zip(cells, labels, strict=True)]
    names = [f"field_{number}" for number in range(len(cells))]
    render, context = template.root_render_func, template.new_context
    texts: list[str | None] = []
    problems: list[str | None] = []
    for row in zip(*columns, strict=True) if columns else [()]:
        text = problem = None
        try:
            text = "".join(render(context(dict(zip(names, row, strict=True)))))
        except _RowProblem as exc:
            problem = str(exc)
        texts.append(text)
        problems.append(problem)
    return pd.Series(texts, dtype="str"), pd.Series(problems, dtype="str")


def _judge(texts: pd.Series[str], problems: pd.Series[str]) -> pd.DataFrame:
    """Name what is wrong with each text, or with the row that has none."""
    texts = compose(texts)
    empty = ~texts.str.contains(f"[^{_UNSEEN}]", na=True)
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
        if not self.text.strip(_UNSEEN):
            raise TemplateError(f"The message is empty. {_HELP}")
        if _NO_CHARACTER.search(self.text):
            raise TemplateError("The message holds bytes that are no characters. Save it as UTF-8.")
        self._names, self._pieces, self._jinja = _read(self.text)

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
        labels = [_quoted(frame.columns[position]) for position in positions]
        cells = [_cell_texts(frame.iloc[:, at], label) for at, label in zip(positions, labels, strict=True)]
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
                several = " and ".join(_quoted(columns[position]) for position in found[name])
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
