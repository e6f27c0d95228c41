"""A preview in a notebook: one compact piece of HTML, readable on light and dark pages. Every value is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from gcbulk.campaign.views.facts import BY_CUSTOMER, NOT_SENT, REPLACED, TO_LOOK_AT
from gcbulk.codes import REASONS, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcbulk.campaign.views.facts import Facts, Remark, Text
    from gcbulk.messages.findings import Severity

# Styles stand with their elements: a notebook that is not trusted drops style sheets.
_LINE: Final = "1px solid rgba(128,128,128,.35)"
_CELL: Final = f"padding:3px 12px 3px 0;border:0;border-bottom:{_LINE};text-align:left;vertical-align:top"
_NUMBER: Final = f"{_CELL};text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap"
_CODE: Final = f"{_CELL};font-size:.8em;opacity:.7"  # for support: the reason stands before it in words
_HEADING: Final = "margin:14px 0 4px;font-weight:600"
_BAR: Final = "display:inline-block;height:.8em;min-width:2px;background:#4c78a8"
_BUBBLE: Final = (
    "white-space:pre-wrap;overflow-wrap:anywhere;background:rgba(128,128,128,.12);border-radius:8px;padding:8px 12px;"
    "max-width:40em"
)
_FRAME: Final = f"box-sizing:border-box;width:100%;height:22em;border:{_LINE};border-radius:8px;background:#fff"
_NOTHING_FETCHED: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_MARKS: Final[dict[Severity, tuple[str, str]]] = {
    "stop": ("Stop", "background:#b3261e;color:#fff"),
    "warning": ("Look", "background:#f2c037;color:#222"),
    "note": ("Note", f"border:{_LINE}"),
}


def to_html(facts: Facts) -> str:
    """The facts as a piece of HTML."""
    sections = (
        f"<p style='margin:0 0 8px;font-size:1.1em'><b>{escape(facts.headline)}</b></p>",
        f"<div style='display:flex;flex-wrap:wrap;gap:8px 40px'>{_counts(facts)}{_histogram(facts.histogram)}</div>",
        _lines(BY_CUSTOMER, facts.customers),
        _section(TO_LOOK_AT, remarks_html(facts.remarks)) if facts.remarks else "",
        f"<div style='display:flex;flex-wrap:wrap;gap:0 24px'>{''.join(map(_bubble, facts.texts))}</div>",
        _problems(facts),
        _lines(REPLACED, facts.replaced),
    )
    return f"<div class='gcb-plan' style='max-width:62em;line-height:1.4'>{''.join(sections)}</div>"


def _counts(facts: Facts) -> str:
    return _table(
        (f"<th style='{_CELL};font-weight:normal;opacity:.75'>{escape(name)}</th>", _cell(value))
        for name, value in facts.counts.items()
    )


def _histogram(by_parts: dict[int, int]) -> str:
    most = max(by_parts.values(), default=1)
    return _table(
        (
            f"<th style='{_CELL};font-weight:normal;white-space:nowrap'>{n} part{'s' * (n != 1)}</th>",
            f"<td style='{_CELL};width:14em'><span style='{_BAR};width:{12 * count / most:.2f}em'></span></td>",
            f"<td style='{_NUMBER}'>{count:,}</td>",
        )
        for n, count in by_parts.items()
    )


def remarks_html(remarks: Iterable[Remark]) -> str:
    """Remarks as a list, each with a word that says how grave it is; nothing where there are none."""
    items = "".join(
        f"<li style='margin:3px 0'><span style='{_MARKS[remark.severity][1]};border-radius:3px;padding:0 6px;"
        f"margin-right:6px;font-size:.85em'>{_MARKS[remark.severity][0]}</span>{escape(remark.sentence)}"
        f"{f' <i>({escape(remark.rows)})</i>' if remark.rows else ''}</li>"
        for remark in remarks
    )
    return f"<ul style='list-style:none;margin:0;padding:0'>{items}</ul>" if items else ""


def _bubble(text: Text) -> str:
    about = f"<div style='opacity:.75'>{escape(f'{text.row}, to {text.number}; {text.size}')}</div>"
    words = letter_html(text.subject, text.html) if text.html else f"<div style='{_BUBBLE}'>{escape(text.text)}</div>"
    noun = "email" if text.html else "text"
    return f"<div style='flex:1 1 26em'>{_section(f'The {text.why} {noun}', about + words)}</div>"


def letter_html(subject: str, html: str) -> str:
    """An email as a mail program shows it, in a frame that runs nothing and fetches nothing."""
    page = f"<meta http-equiv='Content-Security-Policy' content=\"{_NOTHING_FETCHED}\">{html}"
    return (
        f"<div><b>{escape(subject)}</b></div><iframe sandbox='' referrerpolicy='no-referrer' title='The email' "
        f"srcdoc='{escape(page)}' style='{_FRAME}'></iframe>"
    )


def _problems(facts: Facts) -> str:
    if not facts.problems:
        return ""
    head = "".join(
        f"<th style='{_CELL}'>{name}</th>" for name in ("Rows", "Reason", "What it means", "Such as", "Code")
    )
    rows = (
        (
            f"<td style='{_NUMBER}'>{found.count:,}</td>",
            *map(_cell, (REASONS[ErrorCode(found.code)], found.sentence, found.rows)),
            f"<td style='{_CODE}'>{escape(found.code)}</td>",
        )
        for found in facts.problems
    )
    return _section(NOT_SENT, _table(rows, head))


def _lines(heading: str, lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return _section(heading, f"<ul style='margin:0'>{items}</ul>") if items else ""


def _section(heading: str, body: str) -> str:
    return f"<div style='{_HEADING}'>{escape(heading)}</div>{body}"


def _cell(words: str) -> str:
    return f"<td style='{_CELL}'>{escape(words)}</td>"


def _table(rows: Iterable[Iterable[str]], head: str = "") -> str:
    body = "".join(f"<tr style='background:none'>{''.join(cells)}</tr>" for cells in rows)
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f"<table style='border-collapse:collapse;margin:0;align-self:flex-start'>{top}<tbody>{body}</tbody></table>"
