"""A preview in a terminal: as wide as it is, in colour where there is any; plain text, one line each, elsewhere."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, TextIO

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Words

from gcbulk.campaign.views.facts import BY_CUSTOMER, NOT_SENT, REPLACED, TO_LOOK_AT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from gcbulk.campaign.views.facts import Facts
    from gcbulk.messages.findings import Severity

_UNWRAPPED: Final = 10_000  # columns: in a file or a log a sentence is one line
_BAR: Final = 30
_STYLES: Final[dict[Severity, tuple[str, str]]] = {
    "stop": ("STOP", "bold red"),
    "warning": ("Look", "bold yellow"),
    "note": ("Note", "dim"),
}


def plain_text(facts: Facts) -> str:
    """The facts as plain text, every sentence on one line."""
    page = io.StringIO()
    _console(page, width=_UNWRAPPED, color_system=None).print(_page(facts))
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines())


def show(facts: Facts, stream: TextIO) -> None:
    """Print the facts: laid out and coloured at a terminal, plain where the stream goes into a file or a pipe."""
    if stream.isatty():
        _console(stream).print(_page(facts))
    else:
        print(plain_text(facts), file=stream)


def _console(stream: TextIO, **options: Any) -> Console:
    # not jupyter: rich would show there what was asked for as a string
    return Console(file=stream, highlight=False, emoji=False, force_jupyter=False, **options)


def _page(facts: Facts) -> Group:
    return Group(*_sections(facts))


def _sections(facts: Facts) -> Iterator[RenderableType]:
    yield Words(facts.headline, "bold")
    yield ""
    yield _table(facts.counts.items())
    if facts.histogram:
        yield from ("", _histogram(facts.histogram))
    if facts.customers:
        yield from ("", Words(BY_CUSTOMER, "bold"))
        yield _indented(("-", Words(line)) for line in facts.customers)
    for text in facts.texts:
        yield ""
        noun = "email" if text.html else "text"
        yield Words.assemble((f"The {text.why} {noun}", "bold"), f" ({text.row}, to {text.number}; {text.size}):")
        if text.subject:
            yield Padding(Words(text.subject, "bold"), (0, 0, 1, 4))
        yield Padding(Words(text.text), (0, 0, 0, 4))
    if facts.problems:
        yield from ("", Words(NOT_SENT, "bold"))
        yield _indented(
            (f"{problem.count:,}", Words.assemble((problem.code, "bold"), f"  ({problem.rows})\n{problem.sentence}"))
            for problem in facts.problems
        )
    if facts.replaced:
        yield from ("", Words(REPLACED, "bold"))
        yield _indented(("-", Words(line)) for line in facts.replaced)
    if facts.remarks:
        yield from ("", Words(TO_LOOK_AT, "bold"))
        yield _indented(
            (Words(*_STYLES[remark.severity]), Words(remark.sentence + f" ({remark.rows})" * bool(remark.rows)))
            for remark in facts.remarks
        )


def _histogram(by_parts: dict[int, int]) -> Table:
    most = max(by_parts.values())
    return _table(
        (f"{n} part{'s' * (n != 1)}", Words.assemble("#" * max(1, round(_BAR * count / most)), f" {count:,}"))
        for n, count in by_parts.items()
    )


def _table(rows: Iterable[tuple[RenderableType, RenderableType]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in rows:
        table.add_row(name, value)
    return table


def _indented(rows: Iterable[tuple[RenderableType, RenderableType]]) -> Padding:
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for name, value in rows:
        table.add_row(name, value)
    return Padding(table, (0, 0, 0, 2))
