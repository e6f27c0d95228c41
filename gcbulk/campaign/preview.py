"""What a send would do, shown before anything is sent: in a notebook, in a terminal, as data."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.recipients.columns import row_name

if TYPE_CHECKING:
    import pandas as pd

FIRST_TEXTS: Final = 3
EXAMPLE_ROWS: Final = 3


def mask_number(number: str) -> str:
    """A number with its middle hidden, for screens that others may see.

    >>> mask_number("+447700900123")
    '+44 7700 •••123'
    """
    return (
        f"{number[:3]} {number[3:7]} •••{number[-3:]}" if number.startswith("+44") else f"{number[:4]} •••{number[-2:]}"
    )


def check_summary(checked: pd.DataFrame) -> dict[str, Any]:
    """Counts of a validated frame: rows, rows by status and by error code, numbers mended."""
    return {
        "rows": len(checked),
        "statuses": {str(name): int(n) for name, n in checked["Status"].value_counts().items()},
        "error_codes": {str(name): int(n) for name, n in checked["ErrorCode"].value_counts().items()},
        "repaired": int(checked["Repair"].notna().sum()),
    }


def check_report(checked: pd.DataFrame) -> str:
    """What a validated frame shows, in words for a terminal."""
    counts = check_summary(checked)
    ready = counts["statuses"].get(Status.READY, 0)
    mended = counts["repaired"]
    lines = [
        f"{ready} of {counts['rows']} rows can be texted; {mended} number{'s were' if mended != 1 else ' was'} mended."
    ]
    problems = _problem_lines(checked)
    return "\n".join(
        [*lines, *(["", "Rows to look at (row 1 is the first below the header):"] if problems else []), *problems]
    )


def _problems(frame: pd.DataFrame) -> list[tuple[str, int, str, list[str]]]:
    """For each reason why rows are not sent: code, how many, what it means, the first such rows."""
    found = []
    for code, n in check_summary(frame)["error_codes"].items():
        positions = (frame["ErrorCode"] == code).to_numpy(dtype=bool).nonzero()[0][:EXAMPLE_ROWS]
        found.append((code, n, SENTENCES[ErrorCode(code)], [row_name(frame.index, row) for row in positions]))
    return found


def _problem_lines(frame: pd.DataFrame) -> list[str]:
    lines = []
    for code, n, sentence, rows in _problems(frame):
        more = ", ..." if n > len(rows) else ""
        lines += [f"  {n:>5}  {code}  ({', '.join(rows)}{more})", f"         {sentence}"]
    return lines


@dataclass(frozen=True, slots=True, repr=False)
class Preview:
    """What a send would do. `frame` is row by row: the user's columns, the annotations, and `Text`.

    In a notebook it shows itself; `str(preview)` is the same for a terminal; `summary()` is a dict.
    """

    frame: pd.DataFrame

    def summary(self) -> dict[str, Any]:
        """Counts: rows, texts to send, recipients, SMS parts, rows by status and by error code."""
        ready = self.frame[self.frame["Status"] == Status.READY.value]
        return {
            **check_summary(self.frame),
            "texts": len(ready),
            "numbers": int(ready["SentTo"].nunique()),
            "parts": int(ready["Parts"].sum()),
        }

    def first_texts(self) -> list[tuple[str, str, int]]:
        """The first texts that would go: masked number, text, parts."""
        ready = self.frame[self.frame["Status"] == Status.READY.value].head(FIRST_TEXTS)
        columns = zip(ready["SentTo"], ready["Text"], ready["Parts"], strict=True)
        return [(mask_number(number), text, int(parts)) for number, text, parts in columns]

    def __str__(self) -> str:
        counts = self.summary()
        lines = [_in_one_sentence(counts), ""]
        for number, text, parts in self.first_texts():
            lines += [f"  to {number} ({parts} part{'s' * (parts != 1)}):", *_indented(text)]
        problems = _problem_lines(self.frame)
        if problems:
            lines += ["", "Rows that would not be sent (row 1 is the first below the header):", *problems]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """The preview as a piece of HTML, every value escaped, numbers masked."""
        texts = "".join(
            f"<li><b>{escape(number)}</b> ({parts} part{'s' * (parts != 1)})<br>"
            f"<span style='white-space:pre-wrap'>{escape(text)}</span></li>"
            for number, text, parts in self.first_texts()
        )
        rows = "".join(
            f"<tr><td style='text-align:right'>{n}</td><td>{escape(code)}</td><td style='text-align:left'>"
            f"{escape(sentence)}</td><td style='text-align:left'>{escape(', '.join(names))}"
            f"{', …' * (n > len(names))}</td></tr>"
            for code, n, sentence, names in _problems(self.frame)
        )
        table = (
            "<table><thead><tr><th>Rows</th><th>Reason</th><th>What it means</th><th>Such as</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )
        return (
            f"<div class='gcb-preview'><p><b>{escape(_in_one_sentence(self.summary()))}</b></p>"
            f"<ul>{texts}</ul>{table * bool(rows)}</div>"
        )


def _in_one_sentence(counts: dict[str, Any]) -> str:
    left_out = counts["rows"] - counts["texts"]
    rest = f" {left_out} of the {counts['rows']} rows would not be sent." if left_out else ""
    return f"Sends {counts['texts']} texts ({counts['parts']} SMS parts) to {counts['numbers']} numbers.{rest}"


def _indented(text: str) -> list[str]:
    return [f"      {line}" for line in text.splitlines()]
