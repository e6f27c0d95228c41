"""A frame of results, or of validated rows, at a glance: counts by status and reason, rows to mend, numbers masked."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from gcbulk.campaign.results import reasons_of, what_is_meant
from gcbulk.campaign.views.facts import CUSTOMERS_SHOWN, LIKE_AN_ADDRESS, mask_number
from gcbulk.codes import REASONS, ErrorCode, Status
from gcbulk.errors import RecipientsError
from gcbulk.messages.findings import are
from gcbulk.recipients.columns import ANNOTATIONS, OF_CUSTOMERS, SENT_AS, row_name
from gcbulk.recipients.kinds import NUMBER, kind_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from matplotlib.figure import Figure

TO_MEND: Final = (Status.INVALID, Status.REJECTED)
"""The statuses of rows that a person must put right before they can be told."""
ROWS_SHOWN: Final = 10
OWN_COLUMNS_SHOWN: Final = 5

# What stands in a cell as a telephone number does: from nine digits on, begun as British ones are. No date does.
_GAP: Final = r"[ ().\-]{0,3}"
_LIKE_A_NUMBER: Final = rf"(?<!\d)\(?(?:\+|0|44|7)(?:{_GAP}\d){{6,13}}{_GAP}(\d){_GAP}(\d){_GAP}(\d)(?![\d:])"


def summary(frame: pd.DataFrame) -> Overview:
    """A results frame, or one from `validate`, at a glance; the frame itself stays an ordinary DataFrame.

    In a notebook the answer shows itself as tables with masked numbers, in a terminal as text; `.counts()` is
    a DataFrame, `.plot()` a chart. Raises RecipientsError for a frame without our annotations.

    >>> import gcbulk
    >>> checked = gcbulk.validate(pd.DataFrame({"Mobile": ["07700 900123", "020 7946 0123"]}))
    >>> print(summary(checked))
    2 rows: 1 ready, 1 invalid
    <BLANKLINE>
        1  ready
        1  invalid: NUMBER_NOT_MOBILE (row 2)
           Only mobiles can be texted. Phone this number, or find a mobile.
    """
    if not isinstance(frame, pd.DataFrame) or not {"SentTo", "Status", "ErrorCode", "ErrorDetail"} <= set(
        frame.columns
    ):
        raise RecipientsError("There is nothing to sum up: give what validate, send_sms or campaign_results returned.")
    return Overview(frame)


@dataclass(frozen=True, slots=True, repr=False)
class Overview:
    """What `summary` returns: `frame` at a glance."""

    frame: pd.DataFrame

    def counts(self) -> pd.DataFrame:
        """Rows by status and reason, in the order of Status: Status, ErrorCode (`str`), Rows (`int64`)."""
        found = self.frame.groupby(["Status", "ErrorCode"], dropna=False, sort=False).size()
        counted = found.rename("Rows").reset_index()
        order = {status.value: place for place, status in enumerate(Status)}
        places = counted["Status"].map(order)
        counted = counted.iloc[pd.DataFrame({"s": places, "n": -counted["Rows"]}).sort_values(["s", "n"]).index]
        return counted.reset_index(drop=True)

    def counts_in_words(self) -> pd.DataFrame:
        """`counts` for the screen: Status, Reason (`str`: a few words for each code, "" where there is none), Rows."""
        counted = self.counts()
        return counted.assign(ErrorCode=reasons(counted["ErrorCode"])).rename(columns={"ErrorCode": "Reason"})

    def to_mend(self, rows: int | None = ROWS_SHOWN) -> pd.DataFrame:
        """The first rows that a person must put right, for the screen: numbers masked, and what to do."""
        wanted = self.frame["Status"].isin([status.value for status in TO_MEND]).to_numpy(dtype=bool).nonzero()[0]
        return on_screen(self.frame, wanted[:rows]).drop(columns=[_address_column(self.frame), "Status"])

    def plot(self) -> Figure:
        """A bar for each status and reason, as a matplotlib Figure; a notebook shows it."""
        from gcbulk.campaign.plots import bar_chart

        return bar_chart(self.counts_in_words())

    def first_line(self) -> str:
        """How many rows, and how many of each status."""
        by_status = self.frame["Status"].value_counts()
        parts = [f"{by_status[s.value]:,} {s.value.replace('_', ' ')}" for s in Status if s.value in by_status.index]
        return f"{are(len(self.frame), 'row')}: {', '.join(parts)}"

    def __str__(self) -> str:
        lines = [self.first_line(), ""]
        for status, code, rows in self._counted():
            if code is None:
                lines.append(f"{rows:>5}  {status}")
                continue
            meant = what_is_meant(code, reasons_of(code, self.frame))
            lines += [f"{rows:>5}  {status}: {code} ({self._such_as(code)})", f"       {meant}"]
        lines += [f"{len(at):>5}  to look at: {question} ({self._named(at)})" for question, at in questions(self.frame)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """The overview as a piece of HTML, every value escaped, numbers masked."""
        pieces = [f"<p><b>{escape(self.first_line())}</b></p>", self.counts_html()]
        pieces += [
            f"<p>To look at, {escape(self._named(at))}: {escape(question)}</p>"
            for question, at in questions(self.frame)
        ]
        mend = self.to_mend()
        if len(mend):
            total = int(self.frame["Status"].isin([status.value for status in TO_MEND]).sum())
            words = f"The first {len(mend)} of {total:,} rows to mend" if total > len(mend) else "Rows to mend"
            pieces.append(f"<p><b>{words}</b></p>{html_table(list(mend.columns), mend.itertuples(index=False))}")
        return f"<div class='gcb-overview'>{''.join(pieces)}</div>"

    def counts_html(self) -> str:
        """Rows by status and reason as an HTML table, with what each reason means; its code, for support, last."""
        counted = [
            (f"{rows:,}", status.replace("_", " "), *self._explained(ErrorCode(code) if code else None))
            for status, code, rows in self._counted()
        ]
        columns = ("Rows", "Status", "Reason", "What it means, and what to do", "Code")
        return html_table(columns, counted, classes="gcb-table gcb-reasons")

    def _explained(self, code: ErrorCode | None) -> tuple[str, str, str]:
        """A code in a few words, in a sentence, and itself."""
        if code is None:
            return ("", "", "")
        return (REASONS[code], what_is_meant(code, reasons_of(code, self.frame)), code.value)

    def _counted(self) -> list[tuple[str, str | None, int]]:
        columns = self.counts()
        codes = columns["ErrorCode"].astype(object).where(columns["ErrorCode"].notna(), None)
        return list(zip(columns["Status"].tolist(), codes.tolist(), columns["Rows"].tolist(), strict=True))

    def _such_as(self, code: str) -> str:
        return self._named((self.frame["ErrorCode"] == code).to_numpy(dtype=bool).nonzero()[0])

    def _named(self, positions: np.ndarray[Any, Any]) -> str:
        more = ", ..." if len(positions) > 3 else ""
        return ", ".join(row_name(self.frame.index, row) for row in positions[:3].tolist()) + more


def questions(frame: pd.DataFrame) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """What is asked about rows that can be sent all the same, and of which rows by position; the most rows first."""
    asked = frame["ErrorDetail"].where(frame["Status"] == Status.READY).reset_index(drop=True)
    found = [(str(question), pd.Index(at).to_numpy()) for question, at in asked.groupby(asked).indices.items()]
    return sorted(found, key=lambda one: -len(one[1]))


def by_customer_html(frame: pd.DataFrame) -> str:
    """The rows of each customer of a partner by status, as an HTML table; "" where there is no customer."""
    if not {*OF_CUSTOMERS} <= {*frame.columns}:
        return ""
    names = frame["CustomerName"].fillna("") + " (" + frame["CustomerId"] + ")"
    names = names.fillna("not known").str.strip()
    counts = pd.crosstab(names.to_numpy(), frame["Status"].to_numpy()).reindex(names.unique())
    statuses = [status.value for status in Status if status.value in counts.columns]
    rows = [(name, sum(of_each), *of_each) for name, *of_each in counts[statuses].itertuples(name=None)]
    shown = [(name, *(f"{n:,}" for n in numbers)) for name, *numbers in rows[:CUSTOMERS_SHOWN]]
    more = f"<p>and {len(rows) - len(shown):,} more</p>" if len(rows) > len(shown) else ""
    columns = ("School", "Rows", *(status.replace("_", " ") for status in statuses))
    return f"{html_table(columns, shown, classes='gcb-table gcb-by-school')}{more}"


def reasons(codes: pd.Series[Any]) -> pd.Series[str]:
    """A column of error codes in a few words each; "" where there is none.

    >>> reasons(pd.Series(["NUMBER_MISSING", None])).tolist()
    ['no number', '']
    """
    return codes.astype(object).map({code.value: words for code, words in REASONS.items()}).fillna("").astype("str")


def on_screen(frame: pd.DataFrame, positions: Iterable[int]) -> pd.DataFrame:
    """Some rows of a frame as others may see them: the first of the user's columns, all addresses masked."""
    chosen = list(positions)
    part: pd.DataFrame = frame.iloc[chosen]
    ours = (*ANNOTATIONS, "Text", *(OF_CUSTOMERS if {*OF_CUSTOMERS} <= {*part.columns} else ()))
    own = [i for i, name in enumerate(part.columns) if name not in ours]
    shown: dict[str, Any] = {"Row": [row_name(frame.index, row).removeprefix("row ") for row in chosen]}
    for i in own[:OWN_COLUMNS_SHOWN]:
        shown[str(part.columns[i])] = masked(part.iloc[:, i]).tolist()
    numbers = part["SentTo"].astype(object)
    shown[_address_column(frame)] = [mask_number(number) if isinstance(number, str) else "" for number in numbers]
    shown["Status"] = part["Status"].str.replace("_", " ").tolist()
    shown["Reason"] = reasons(part["ErrorCode"]).tolist()
    shown["What it means"] = masked(part["ErrorDetail"]).tolist()
    return pd.DataFrame(shown)


def _address_column(frame: pd.DataFrame) -> str:
    """What the masked addresses stand under: nothing that a list of email addresses has as a column of its own."""
    texts_alone = SENT_AS not in frame.columns and kind_in(frame["SentTo"]) is NUMBER
    return "Number" if texts_alone else "Sent to"


def masked(column: pd.Series[Any]) -> pd.Series[str]:
    """A column as strings, with all that looks like a telephone number or an email address masked; blank where missing.

    >>> masked(pd.Series(["07700 900123", "call 07700900124 at 9", "2026-11-24", "to ann@example.org", None])).tolist()
    ['•••123', 'call •••124 at 9', '2026-11-24', 'to a•••@example.org', '']
    """
    words = column.astype(object).where(column.notna(), "").astype(str)
    words = words.str.replace(LIKE_AN_ADDRESS, r"\1•••\2", regex=True)
    return words.str.replace(_LIKE_A_NUMBER, r"•••\1\2\3", regex=True)


def html_table(
    columns: Sequence[object], rows: Iterable[Sequence[object]], *, classes: str = "dataframe gcb-table"
) -> str:
    """A table that a screen reader can read, every value escaped; a `dataframe` shows rows of the user's list."""
    head = "".join(f"<th scope='col'>{escape(str(name))}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table class='{classes}'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_chart(figure: Figure, words: str) -> str:
    """A chart as an image inside HTML; `words` are read out in its place."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f"<img class='gcb-chart' alt='{escape(words, quote=True)}' src='data:image/png;base64,{data}'>"


def _cell(value: object) -> str:
    """A cell's HTML; a code such as NUMBER_MISSING may be broken after its underscores."""
    words = escape(str(value))
    return words.replace("_", "_<wbr>") if words.isupper() else words
