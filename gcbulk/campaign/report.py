"""A campaign on one page, to print or to send on: HTML that needs nothing from elsewhere, addresses masked."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from gcbulk.campaign.delivery import filled, undelivered
from gcbulk.campaign.enclosing import parsed
from gcbulk.campaign.history import campaign_results
from gcbulk.campaign.journal import Journal, count_unmatched, texts_used, told
from gcbulk.campaign.preview import mask_number
from gcbulk.campaign.results import NOT_TOLD, held_by, summarise, what_is_meant
from gcbulk.campaign.views.facts import LIKE_AN_ADDRESS
from gcbulk.codes import DeliveryStatus, ErrorCode
from gcbulk.messages.markup import plain_words
from gcbulk.recipients.kinds import KINDS, NUMBER
from gcbulk.recipients.writing import write_text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from gcbulk.campaign.journal import Campaign, TextUsed
    from gcbulk.recipients.kinds import Kind

TEXTS_SHOWN: Final = 20
ROWS_SHOWN: Final = 200
_LIKE_A_NUMBER: Final = re.compile(r"\+?\d(?:[\W_]{0,3}\d){7,}")
"""Eight digits and more, whatever signs stand between them: better a date masked than a number shown."""
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f1f1f}
table{border-collapse:collapse;margin:.5rem 0 1.5rem}th,td{border-bottom:1px solid #ccc;padding:.25rem .9rem .25rem 0;
text-align:left;vertical-align:top}td.n{text-align:right}pre{white-space:pre-wrap;background:#f4f4f4;padding:.6rem;margin:0;
font:inherit}img{max-width:100%}
"""
_ENVELOPE: Final = {"sent_from_name": "From", "sent_from_address": "From the address", "reply_to": "Answers go to"}
_NO_SCRIPTS: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """A campaign's report: `html` is the whole page. A notebook shows it; `save(path)` writes it."""

    campaign: str
    html: str

    def save(self, path: Path) -> None:
        """Write the page, whole or not at all. Raises InputError where the disk refuses."""
        write_text(self.html, path)

    def __repr__(self) -> str:
        return f"Report of campaign {self.campaign!r}: .save(path) writes it"

    def _repr_html_(self) -> str:
        return (
            f'<iframe sandbox title="Report" style="width:100%;height:40rem;border:1px solid #ccc" '
            f'srcdoc="{escape(self.html)}"></iframe>'
        )


def report(campaign: str, *, journal: str | os.PathLike[str] | None = None) -> Report:
    """A campaign on one page: what was sent, to how many, what came of it, how long it took, what was billed.

    The page is HTML that fetches nothing; numbers and addresses are masked, and every word of others is shown as text.
    Raises CampaignError for a name that is not known, or a campaign that was purged.
    """
    results = filled(campaign_results(campaign, journal=journal))
    results["DeliveryError"] = _without_addresses(results["DeliveryError"])
    with Journal(journal) as book:
        known = book.campaign(campaign)
        by = book.begun_by().get(known.id, "")
        texts, different = texts_used(book, known, most=TEXTS_SHOWN)
        unmatched = count_unmatched(book, known)
    kind = KINDS[known.channel]
    sections = (
        _what_was_sent(known, by, results),
        _outcomes(results),
        _customers(results),
        _delivery(results, unmatched),
        _missed(results, kind),
        _texts(texts, different, kind),
    )
    title = escape(f"Campaign {campaign}")
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_NO_SCRIPTS}"><style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1>{''.join(sections)}</body></html>\n"
    )
    return Report(campaign, page)


def _without_addresses(reasons: pd.Series[str]) -> pd.Series[str]:
    """The platform's reasons with all masked that could be a telephone number, however written, or an address."""
    masked = {
        reason: _LIKE_A_NUMBER.sub(_last_digits, re.sub(LIKE_AN_ADDRESS, r"\1•••\2", reason))
        for reason in reasons.dropna().unique()
    }
    return reasons.map(masked).astype("str")


def _last_digits(number: re.Match[str]) -> str:
    return f"•••{''.join(filter(str.isdigit, number[0]))[-3:]}"


def _what_was_sent(campaign: Campaign, by: str, results: pd.DataFrame) -> str:
    summary, kind = summarise(results), KINDS[campaign.channel]
    facts = [
        ("Begun", f"{told(campaign.created_at)} UK time"),
        ("By", by),
        ("Customer", campaign.customer_id),
        ("Sender", str(campaign.options.get("sender", ""))),
        *((words, str(campaign.options.get(name, ""))) for name, words in _ENVELOPE.items()),
        ("Scheduled for", f"{told(campaign.send_at)} UK time" if campaign.send_at else ""),
        ("Rows", f"{summary.total:,}"),
        (f"Different {kind.noun}{'es' if kind.noun.endswith('s') else 's'}", f"{results['SentTo'].nunique():,}"),
        ("Accepted by the platform", f"{summary.accepted:,}"),
        ("Not told, as far as is known", f"{summary.not_told:,} ({', '.join(NOT_TOLD)})"),
        ("Did not arrive, by the delivery news", f"{summary.undelivered:,}" if summary.undelivered else ""),
        ("SMS parts planned, of what was accepted", f"{summary.parts:,}" if kind is NUMBER else ""),
        ("SMS parts billed, as far as was reported", _billed(results)),
    ]
    return _table("What was sent", ("", ""), [fact for fact in facts if fact[1]])


def _billed(results: pd.DataFrame) -> str:
    """What the platform says it bills, against what was planned for the same rows."""
    reported = results["UnitsBilled"].notna()
    if not reported.any():
        return ""
    billed, planned = int(results.loc[reported, "UnitsBilled"].sum()), int(results.loc[reported, "Parts"].sum())
    more = "" if billed == planned else f", where {planned:,} were planned"
    return f"{billed:,} for {int(reported.sum()):,} texts{more}"


def _counted(results: pd.DataFrame, *columns: str) -> list[list[str]]:
    """How many rows have each combination of these columns' words, the most first; a missing word is blank."""
    counts = results[list(columns)].fillna("").value_counts().reset_index()
    return [[str(cell) for cell in row] for row in counts.to_numpy().tolist()]


def _outcomes(results: pd.DataFrame) -> str:
    counts = _counted(results, "Status", "ErrorCode")
    held = held_by(results)  # not what is said of files: their names may be people's
    rows = [
        (status, code, f"{int(n):,}", what_is_meant(code, held if code == ErrorCode.HELD_BACK else ()) if code else "")
        for status, code, n in counts
    ]
    return _table("Outcome", ("Status", "Reason", "Rows", "What it means"), rows)


def _customers(results: pd.DataFrame) -> str:
    """What came of each customer's rows, in a partner's campaign."""
    counts = summarise(results).customers
    rows = [(name, *(f"{n[what]:,}" for what in ("rows", "accepted", "not_told"))) for name, n in counts.items()]
    return _table("By customer", ("Customer", "Rows", "Accepted", "Not told"), rows) if rows else ""


def _delivery(results: pd.DataFrame, unmatched: int) -> str:
    if results["DeliveryStatus"].isna().all():
        return "<h2>Delivery</h2><p>No delivery news: the campaign was sent without a callback URL.</p>"
    counts = _counted(results[results["DeliveryStatus"].notna()], "DeliveryStatus", "DeliveryError")
    rows = [(status, reason, f"{int(n):,}") for status, reason, n in counts]
    parts = [_table("Delivery", ("DeliveryStatus", "The platform's reason", "Rows"), rows)]
    took = (results["DeliveredAt"] - results["AcceptedAt"]).dropna().dt.total_seconds().clip(lower=0)
    if len(took):
        median, most = took.quantile([0.5, 0.95]).tolist()
        parts.append(
            f"<p>Time to deliver: half of them within {escape(_duration(median))} (median), "
            f"95 % within {escape(_duration(most))}.</p>{_chart(results)}"
        )
    if unmatched:
        parts.append(f"<p>{unmatched:,} pieces of news fit no one row, and are counted nowhere.</p>")
    return "".join(parts)


def _chart(results: pd.DataFrame) -> str:
    from gcbulk.campaign.plots import delivery_chart, png

    data = base64.b64encode(png(delivery_chart(results))).decode("ascii")
    return f'<img alt="How many were delivered by when" src="data:image/png;base64,{data}">'


def _missed(results: pd.DataFrame, kind: Kind) -> str:
    """The people who have not been reached, to look up by row."""
    bad = results["Status"].isin([s.value for s in NOT_TOLD])
    rows = pd.concat([results[bad], undelivered(results[~bad])])
    if rows.empty:
        return ""
    lines = [
        (
            str(position + 1),
            mask_number(number) if isinstance(number, str) else "",
            status if pd.isna(delivery) or delivery == DeliveryStatus.PENDING else delivery,
            next((word for word in (reason, code) if pd.notna(word)), ""),
        )
        for position, number, status, delivery, reason, code in zip(
            rows.index[:ROWS_SHOWN],
            *(
                rows[name].iloc[:ROWS_SHOWN]
                for name in ("SentTo", "Status", "DeliveryStatus", "DeliveryError", "ErrorCode")
            ),
            strict=True,
        )
    ]
    more = f"<p>And {len(rows) - ROWS_SHOWN:,} more.</p>" if len(rows) > ROWS_SHOWN else ""
    return _table("Not reached", ("Row", kind.noun.capitalize(), "What came of it", "Reason"), lines) + more


def _texts(texts: Sequence[TextUsed], different: int, kind: Kind) -> str:
    """What was written, that which most rows share first; of an email its subject, and the words of its body."""
    if not texts:
        return ""
    second, third = ("Parts", "Text") if kind is NUMBER else ("Subject", "Body")
    lines = "".join(
        f'<tr><td class="n">{used.rows:,}</td><td>{escape(_beside(used))}</td>'
        f"<td><pre>{escape(used.text if kind is NUMBER else plain_words(used.text))}</pre></td></tr>"
        for used in texts
    )
    title = f"{kind.message.capitalize()}s"
    more = (
        f"<p>{different:,} different {title.lower()}; {len(texts):,} are shown.</p>" if different > len(texts) else ""
    )
    return f"<h2>{title}</h2>{more}<table><tr><th>Rows</th><th>{second}</th><th>{third}</th></tr>{lines}</table>"


def _beside(used: TextUsed) -> str:
    """Of a text its parts, of an email its subject."""
    if used.first_content is None or used.last_content is None:
        return str(used.parts)
    first, last = parsed(used.first_content)[0], parsed(used.last_content)[0]
    return first if first == last else f"{first} (and others)"


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads) if any(heads) else ""
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><table><tr>{head}</tr>{body}</table>"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"
