"""The language of messages: a small part of Jinja2's, all of it in the tables below. Jinja2's one home.

Fields, `default` and a few filters, `{% if %}`, comments and `{% raw %}`. Nothing in it can loop, call, or reach an
attribute, a file or Python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from jinja2 import TemplateSyntaxError, nodes
from jinja2.filters import FILTERS
from jinja2.sandbox import SandboxedEnvironment

from gcbulk.errors import TemplateError
from gcbulk.messages.cells import UNSEEN, Cell, Default, RowProblem, field_name, printed, quoted
from gcbulk.messages.filters import UNREADABLE, name_case, pounds, uk_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import jinja2

HELP = (
    "A message is plain text with {{ parent_name }}, {{ parent_name | default('Parent') }} "
    "and {% if year == '7' %} ... {% else %} ... {% endif %}."
)


def _default(cell: Cell, instead: object) -> Cell:
    if str(cell):
        return cell
    return instead if isinstance(instead, Cell) else Default(str(instead), cell.label)


def _on_text(name: str) -> Callable[[Cell], Cell]:
    change: Callable[[str], str] = FILTERS[name]
    return lambda cell: type(cell)(change(str(cell)), cell.label)


def _written_by(writer: Callable[[str], str | None]) -> Callable[[Cell], Cell]:
    def write(cell: Cell) -> Cell:
        if not str(cell):
            return cell
        written = writer(str(cell))
        if written is None:
            raise RowProblem(f"Column {cell.label}: {UNREADABLE[writer]}")
        return type(cell)(written, cell.label)

    return write


# Every filter; only `default` takes a value, and takes exactly one.
_FILTERS: dict[str, Callable[..., Cell]] = {
    "default": _default,  # the words for a blank cell
    "upper": _on_text("upper"),  # ANNA O'NEILL
    "lower": _on_text("lower"),  # anna o'neill
    "title": _on_text("title"),  # Anna O'neill
    "capitalize": _on_text("capitalize"),  # Anna o'neill
    "name_case": _written_by(name_case),  # Anna O'Neill
    "uk_date": _written_by(uk_date),  # 2026-11-24 -> 24/11/2026
    "pounds": _written_by(pounds),  # 1234.5 -> £1,234.50
    "trim": lambda cell: type(cell)(
        str(cell).strip(UNSEEN), cell.label
    ),  # without white space around it, as every cell is already
}
_SET_THE_CASE = frozenset({"upper", "lower", "title", "capitalize", "name_case"})
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

# Written in a tag, these are no column's name but the language: a word of Jinja2's among words without a capital
# ("Mother and Father" may be a column), a text in quotes, a name of Python's own.
_NO_COLUMN = re.compile(r"^(?=[^A-Z]*$).*\b(?:if|else|not|and|or|in|is)\b|(?<!\w)'|__")

_NEWLINE = "\n"
NO_CHARACTER = re.compile("[\ud800-\udfff]")
_JINJA = SandboxedEnvironment(finalize=printed, keep_trailing_newline=True, cache_size=0)
_JINJA.globals = {}
_JINJA.filters = dict(_FILTERS)
_JINJA.tests = dict(_TESTS)
_HTML = _JINJA.overlay(finalize=lambda value: escape(str(printed(value))))


def _fault(node: nodes.Node) -> str | None:
    """Say in words why a node that has its place in the grammar is refused all the same."""
    match node:
        case nodes.Const(value=value) if type(value) not in {str, int, float}:
            return f"{value} is no text and no number"
        case nodes.Const(value=str(value)) if NO_CHARACTER.search(value):
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
        written = column[1] if column and not _NO_COLUMN.search(column[1]) else ""
        name = field_name(written)
        hint = f"For the column {quoted(written)} write {{{{ {name} }}}}. " if name != written.lower() else ""
        if re.search("[‘’“”]", self.source):
            hint += "Quotation marks in a tag must be straight: ' or \". "
        shown = " ".join(self.source.split())[:60]
        return TemplateError(f"{self.where}: {shown} cannot be used: {problem}. {hint or HELP}".rstrip())


def _plain(exc: TemplateSyntaxError) -> str:
    return str(exc.message).rstrip(".").replace("end of print statement", "}}").replace("end of statement block", "%}")


def with_tags_aside(text: str, change: Callable[[str], str]) -> str:
    """A message changed by what knows nothing of tags: they stand aside, as words of their own, in the meantime.

    A tag that writes nothing, alone in an HTML paragraph, loses the paragraph.

    >>> with_tags_aside("<b>{{ name }}</b>", str.upper)
    '<B>{{ name }}</B>'
    """
    mark = "gcbulkTag"
    while mark.casefold() in text.casefold():
        mark += "g"
    pieces: list[str] = []
    tags: list[str] = []
    position = 0
    for tag in _tags(text):
        begin = text.index(tag.source, position)
        pieces += [text[position:begin], f"{mark}{len(tags)}z"]
        tags.append(tag.source)
        position = begin + len(tag.source)
    changed = change("".join([*pieces, text[position:]]))
    changed = re.sub(
        rf"<p>{mark}(\d+)z</p>\n?",
        lambda found: found[0] if tags[int(found[1])].startswith("{{") else f"{mark}{found[1]}z",
        changed,
        flags=re.IGNORECASE,
    )
    return re.sub(rf"{mark}(\d+)z", lambda found: tags[int(found[1])], changed, flags=re.IGNORECASE)


def with_marks(text: str, *, field: str, tag: str) -> str:
    """A message with a mark in the place of each field, and of each tag that writes nothing; its lines stay its lines.

    >>> with_marks("<b>{% if name %}{{ name }}{% endif %}</b>", field="F", tag="T")
    '<b>TFT</b>'
    """
    pieces: list[str] = []
    position = 0
    for one in _tags(text):
        begin = text.index(one.source, position)
        mark = field if one.source.startswith("{{") else tag
        pieces += [text[position:begin], mark, _NEWLINE * one.source.count(_NEWLINE)]
        position = begin + len(one.source)
    return "".join([*pieces, text[position:]])


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


def _pieces(tree: nodes.Template, names: Sequence[str], *, html: bool) -> list[str | int] | None:
    """Return a message as texts and the positions of its fields' names, or None if it is more than that."""
    pieces: list[str | int] = []
    for node in tree.iter_child_nodes():
        for child in node.iter_child_nodes() if isinstance(node, nodes.Output) else [node]:
            match child:
                case nodes.TemplateData(data=text):
                    pieces.append(text)
                case nodes.Const(value=value):
                    pieces.append(escape(str(value)) if html else str(value))
                case nodes.Name(name=name):
                    pieces.append(names.index(field_name(name)))
                case _:
                    return None
    return pieces


@dataclass(frozen=True, slots=True)
class Reading:
    """A message that was read: what is in it, and how it is filled in."""

    names: tuple[str, ...]  # its fields, in the order of their first use
    pieces: Sequence[str | int] | None  # its texts and the positions of its fields' names, if it is no more than that
    template: jinja2.Template
    words: tuple[str, ...]  # what stands in it outside all tags
    as_typed: frozenset[str]  # fields that are printed, and in no filter that changes their case
    printed: frozenset[str]  # fields that are printed


def read(text: str, *, html: bool = False) -> Reading:
    """Read a message; in HTML what a tag writes is escaped. Raises TemplateError for what a message cannot have."""
    try:
        _check_language(text)
        tree = _JINJA.parse(text)
        used = list(tree.find_all(nodes.Name))
        names = tuple(dict.fromkeys(field_name(node.name) for node in used))
        pieces = _pieces(tree, names, html=html)
        words = tuple(node.data for node in tree.find_all(nodes.TemplateData))
        as_typed, printed_names = _printed(tree)
        for node in used:
            # A name of our own for each: Jinja2 has other plans for some, such as `self`.
            node.name = f"field_{names.index(field_name(node.name))}"
        return Reading(names, pieces, (_HTML if html else _JINJA).from_string(tree), words, as_typed, printed_names)
    except TemplateError:
        raise
    except TemplateSyntaxError as exc:
        raise TemplateError(f"Line {exc.lineno}: {_plain(exc)}. {HELP}") from exc
    except (RecursionError, ValueError) as exc:
        raise TemplateError("The message cannot be read: a tag in it is too long, or nested too deeply.") from exc


def _printed(tree: nodes.Template) -> tuple[frozenset[str], frozenset[str]]:
    """Return the fields that are printed as they were typed, and all that are printed."""
    as_typed, all_of_them = set[str](), set[str]()
    for node in (node for output in tree.find_all(nodes.Output) for node in output.nodes):
        inside = [node, *node.find_all(nodes.Expr)]
        names = {field_name(found.name) for found in inside if isinstance(found, nodes.Name)}
        filters = {found.name for found in inside if isinstance(found, nodes.Filter)}
        all_of_them |= names
        as_typed |= set() if filters & _SET_THE_CASE else names
    return frozenset(as_typed), frozenset(all_of_them)
