"""Looking back: what the journal knows of campaigns, settling what stayed unknown, purging what is old."""

from __future__ import annotations

import operator
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, overload

import pandas as pd

from gcbulk.campaign import journal as journals
from gcbulk.campaign.delivery import with_delivery
from gcbulk.campaign.journal import Journal, london_date, told
from gcbulk.campaign.result_pieces import Piece, ResultPieces, result_pieces, sum_up_pieces
from gcbulk.campaign.results import check_same_list, customer_names, results_frame
from gcbulk.codes import Status
from gcbulk.errors import CampaignError, OptionError, RecipientsError, warn
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.pieces import as_pieces

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    from gcbulk.api.customers import Directory
    from gcbulk.campaign.journal import Campaign
    from gcbulk.recipients.pieces import Pieces


@overload
def campaign_results(campaign: str, *, recipients: pd.DataFrame | None = None, **options: Any) -> pd.DataFrame: ...
@overload
def campaign_results(campaign: str, *, recipients: Iterable[pd.DataFrame], **options: Any) -> ResultPieces: ...
def campaign_results(  # type: ignore[misc]  # the overloads leave the options to be named here
    campaign: str,
    *,
    recipients: pd.DataFrame | Iterable[pd.DataFrame] | None = None,
    number_column: Hashable | None = None,
    number_columns: Sequence[Hashable] | None = None,
    email_column: Hashable | None = None,
    journal: str | os.PathLike[str] | None = None,
) -> pd.DataFrame | ResultPieces:
    """The results of a campaign as they are known now; `recipients` rejoins the user's columns.

    The columns of `send_sms`, and where the campaign has a callback URL, as callbacks told it: DeliveryStatus (`str`:
    `delivered`, `failed`, `expired`, `pending`, `other`), DeliveredAt (`datetime64[us, UTC]`), DeliveryError (`str`)
    and UnitsBilled (`Int64`, SMS parts). `recipients` in pieces bring a ResultPieces, as from `send_sms`.
    Raises CampaignError for a name that is not known, or a list that the campaign was not sent from.
    """
    with Journal(journal) as book:
        known = _not_purged(book, campaign)
        intake = IntakeOptions(number_column=number_column, number_columns=number_columns, email_column=email_column)
        if (pieces := as_pieces(recipients)) is not None:
            names = customer_names(known)
            summary = sum_up_pieces(result_pieces(book, known, pieces, intake=intake, names=names))
            return ResultPieces(known.name, summary, journal, None if pieces.once else pieces, names)
        frame = cast("pd.DataFrame | None", recipients)
        if frame is not None:
            check_same_list(known, book.records(known), frame, intake)
        return known_results(book, known, frame)


def known_results(
    book: Journal, campaign: Campaign, recipients: pd.DataFrame | None = None, *, directory: Directory | None = None
) -> pd.DataFrame:
    """The results of a campaign in an open journal, with its delivery news where somebody is to report on it.

    `directory` knows what a partner's customers are called; by default it is the table of the campaign's address.
    """
    names = customer_names(campaign, directory)
    if campaign.callback_url is None:
        return results_frame(campaign, book.records(campaign), recipients, names=names)
    journals.match_again(book, campaign)
    results = results_frame(campaign, book.records(campaign), recipients, names=names)
    return with_delivery(results, journals.news_of(book, campaign))


@contextmanager
def campaign_results_in_pieces(
    campaign: str, recipients: Pieces | None, intake: IntakeOptions, *, journal: str | os.PathLike[str] | None = None
) -> Iterator[Iterator[Piece]]:
    """What `campaign_results` returns, piece by piece. Raises as it does; for another list where it differs."""
    with Journal(journal) as book:
        known = _not_purged(book, campaign)
        names = customer_names(known)
        yield result_pieces(book, known, recipients, intake=None if recipients is None else intake, names=names)


def _not_purged(book: Journal, campaign: str) -> Campaign:
    book.bury_dead()
    known = book.campaign(campaign)
    if known.purged_at is not None:
        raise CampaignError(f"Campaign {campaign!r} was purged on {told(known.purged_at)}: only its counts are left.")
    return known


def campaigns(*, journal: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Every campaign in the journal, the newest first: one row each.

    Columns Campaign, CustomerId, StartedBy (`str`: who, on which machine), StartedAt (`datetime64[us, UTC]`), Rows,
    and one of each status that occurs (`int64`), `ready` being what is left to send.
    """
    with Journal(journal) as book:
        book.bury_dead()
        known = book.campaigns()
        counts = [book.count_states(campaign) for campaign in known]
        begun_by = book.begun_by()
    frame = pd.DataFrame(
        {
            "Campaign": pd.array([c.name for c in known], dtype="str"),
            "CustomerId": pd.array([c.customer_id for c in known], dtype="str"),
            "StartedBy": pd.array([begun_by.get(c.id) for c in known], dtype="str"),
            "StartedAt": pd.to_datetime([c.created_at for c in known], unit="s", utc=True).as_unit("us"),
            "Rows": pd.array([c.row_count for c in known], dtype="int64"),
        }
    )
    for state in sorted({state for by_state in counts for state in by_state}):
        frame[state] = pd.array([by_state.get(state, 0) for by_state in counts], dtype="int64")
    return frame


def settle(
    campaign: str,
    *,
    sent: bool,
    rows: Sequence[int] | None = None,
    journal: str | os.PathLike[str] | None = None,
) -> int:
    """Settle rows whose outcome is `unknown`, after a look at the platform's history; returns how many.

    `sent=True` marks them accepted, with the MessageId `settled:<ClientRef>`; `sent=False` lets `resume` send
    them; that waits until a call that was broken off can be under way no longer. `rows` are positions in the
    list, from 0; None means every unknown row. Raises CampaignError for a name that is not known, or while a
    run still has rows in flight.
    """
    if not isinstance(sent, bool):
        raise OptionError(f"sent must be True or False, not {sent!r}.")
    positions = None if rows is None else _positions(rows)
    with Journal(journal) as book:
        known = book.campaign(campaign)
        if not sent:
            _wait_for_broken_calls(book, known)
        return journals.settle(book, known, sent=sent, positions=positions)


def _positions(rows: Iterable[int]) -> list[int]:
    """Positions as the journal takes them; pandas' own whole numbers are whole numbers too."""
    try:
        return [operator.index(row) for row in rows]
    except TypeError:
        raise OptionError("rows must be positions in the list: whole numbers from 0, such as [0, 3].") from None


def settle_listed(
    campaign: str, rows: pd.DataFrame, *, sent: bool, journal: str | os.PathLike[str] | None = None
) -> int:
    """Settle the unknown rows that a table lists by ClientRef, as a results file does; returns how many."""
    if "ClientRef" not in rows.columns:
        raise RecipientsError(
            "The file of rows to settle has no column ClientRef. Give some rows of the results file: "
            "gcbulk results CAMPAIGN --out FILE"
        )
    with Journal(journal) as book:
        known = book.campaign(campaign)
        listed = set(rows["ClientRef"])
        positions = [record.position for record in book.records(known) if record.client_ref in listed]
        if not sent:
            _wait_for_broken_calls(book, known)
        return journals.settle(book, known, sent=sent, positions=positions)


def _wait_for_broken_calls(book: Journal, campaign: Campaign) -> None:
    """A call that nobody heard the end of may still be queued: what is called not sent now would then go twice."""
    journals.refuse_while_sending(book, campaign)
    seconds = journals.calls_over_in(book, campaign)
    if seconds > 0:
        warn(
            f"A call of campaign {campaign.name!r} was broken off and may still be under way. Waiting {seconds:.0f} s."
        )
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a campaign stands: rows by state (`ready` and `in_flight` beside the statuses), and whether it runs now."""

    campaign: str
    begun: str
    today: bool
    states: Mapping[str, int]
    at_work: bool
    customer_id: str = ""  # as campaigns know it: a partner's has a name of its own
    channel: str = "sms"

    @property
    def rows(self) -> int:
        """How many rows the campaign has."""
        return sum(self.states.values())

    @property
    def to_send(self) -> int:
        """Rows that are still to be sent, or are being sent at this moment."""
        return sum(self.states.get(state, 0) for state in (Status.READY, journals.IN_FLIGHT))

    @property
    def answered(self) -> dict[str, int]:
        """Rows that went: those `accepted`, `failed` and `unknown`, as a run's progress counts them."""
        accepted = sum(self.states.get(state, 0) for state in (Status.ACCEPTED, Status.PARTLY_ACCEPTED))
        failed, unknown = (self.states.get(state, 0) for state in (Status.REJECTED, Status.UNKNOWN))
        return {"accepted": accepted, "failed": failed, "unknown": unknown}


def whereabouts(
    campaign: str | None = None, *, newest: int = 20, journal: str | os.PathLike[str] | None = None
) -> list[Whereabouts]:
    """Where a campaign stands, or the newest ones, the newest first; an empty list where there is none.

    `{date}` in a name is today's, as in `send_sms`. Purged campaigns are left out.
    """
    if not journals.journal_exists(journal):
        return []
    name = None if campaign is None else campaign.replace("{date}", london_date(time.time()).isoformat())
    with Journal(journal) as book:
        with book.writing() as connection:
            at_work = journals.campaigns_at_work(connection, book.now(connection))
        known = [c for c in book.campaigns() if c.purged_at is None and c.planned and name in (None, c.name)][:newest]
        today = london_date(time.time())
        return [
            Whereabouts(
                c.name,
                told(c.created_at),
                london_date(c.created_at) == today,
                book.count_states(c),
                c.id in at_work,
                c.customer_id,
                c.channel,
            )
            for c in known
        ]


def ask_to_stop(campaign: str, *, journal: str | os.PathLike[str] | None = None) -> None:
    """Have the runs at work on a campaign stop cleanly, in whatever process they are; `resume` goes on.

    Raises CampaignError for a name that is not known.
    """
    with Journal(journal) as book:
        journals.ask_to_stop(book, book.campaign(campaign))


def purge(
    campaign: str | None = None,
    *,
    older_than_days: float | None = None,
    journal: str | os.PathLike[str] | None = None,
) -> list[str]:
    """Take numbers and texts out of one campaign, or of all that are older; returns the campaigns' names.

    The counts are kept. It happens by itself, at each send, to what is older than GCBULK_KEEP_DAYS (90 days), which
    is the default here too. Raises OptionError for an age below one day: today's texts could go again.
    """
    if older_than_days is None:
        older_than_days = journals.keep_days()
    if not older_than_days >= 1:
        raise OptionError(f"older_than_days must be a number of days from 1, not {older_than_days!r}.")
    with Journal(journal) as book:
        if campaign is not None:
            book.campaign(campaign)
        return journals.purge(book, older_than_days=older_than_days, campaign=campaign)
