"""Beginning or going on with a campaign: is it new, the same as one we know, or the same name for another list?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from gcbulk.campaign.journal.contents import changed_files
from gcbulk.campaign.journal.days import london, london_date, told
from gcbulk.campaign.journal.drafting import adopt
from gcbulk.campaign.journal.liveness import bury_dead_runs, live_runs
from gcbulk.campaign.journal.runs import Run, begin_run
from gcbulk.campaign.journal.tables import recipients
from gcbulk.campaign.journal.transactions import outlasting
from gcbulk.errors import CampaignError, LateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.store import Campaign, Identity, Journal
    from gcbulk.errors import OptionError

KIND: Final = "kind"
"""The option that tells campaigns of another kind apart, a test on one's own phone; they are named by it."""
TEST: Final = "test"
"""The kind that goes to the sender's own phone alone."""
PLANNING_POLL: Final = 0.2
"""Seconds between looks at a campaign whose rows another process is still writing."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A run on a campaign; `fresh` where its rows are still to be written by this run."""

    run: Run
    fresh: bool


@outlasting
def begin(
    journal: Journal,
    identity: Identity,
    *,
    name: str | None,
    send_at: float | None,
    repeat: bool,
    lease: float,
    late: bool = False,
    again: bool = False,
    refusal: OptionError | None = None,
    written: Run | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Begun:
    """Find the campaign that this is, or create it, and register a run on it.

    Raises CampaignError where `name` belongs to a campaign with other content, saying what differs; LateError where
    it is of an earlier London day, without `late`; and `refusal`, if it is given. The last two only where anything is
    left to send, what is unknown included with `again`. A refusal leaves no trace.
    `written` is the run on a draft that holds the rows already: it becomes the campaign, unless that is known.
    """
    while True:
        with journal.writing() as connection:
            begun = _try_to_begin(
                journal,
                connection,
                identity,
                name=name,
                send_at=send_at,
                repeat=repeat,
                lease=lease,
                late=late,
                again=again,
                refusal=refusal,
                written=written,
            )
        if begun is not None:
            return begun
        sleep(PLANNING_POLL)


@outlasting
def go_on(
    journal: Journal,
    campaign: Campaign,
    *,
    lease: float,
    late: bool = False,
    again: bool = False,
    refusal: OptionError | None = None,
) -> Run:
    """Register a run on a known campaign, whatever the list; `late`, `again` and `refusal` as for `begin`."""
    with journal.writing() as connection:
        now = journal.check_clock(connection)
        if campaign.purged_at is not None:
            raise CampaignError(f"Campaign {campaign.name!r} was purged: its numbers and texts are gone.")
        if not campaign.planned:
            raise CampaignError(
                f"Campaign {campaign.name!r} was interrupted before anything was sent. Send the list again."
            )
        bury_dead_runs(connection, now)
        if not late:
            _refuse_late(journal, connection, campaign, now, again=again)
        if refusal is not None and journal.left_to_send(connection, campaign.id):
            raise refusal
        return begin_run(journal, connection, campaign, lease=lease, now=now)


def _try_to_begin(
    journal: Journal,
    connection: Connection,
    identity: Identity,
    *,
    name: str | None,
    send_at: float | None,
    repeat: bool,
    lease: float,
    late: bool,
    again: bool,
    refusal: OptionError | None,
    written: Run | None,
) -> Begun | None:
    now = journal.check_clock(connection)
    bury_dead_runs(connection, now)
    if name is not None:
        name = name.replace("{date}", london_date(now).isoformat())
        known = journal.named(connection, name)
        if known is not None:
            _refuse_other_content(connection, known, identity, now)
        elif repeat:
            _refuse_beside_unfinished(journal.same_campaign(connection, identity, now=now, repeat=True))
    else:
        known = journal.same_campaign(connection, identity, now=now, repeat=repeat)
    if known is not None and not known.planned and live_runs(connection, known.id):
        return None
    if known is not None and not late:
        _refuse_late(journal, connection, known, now, again=again)
    if refusal is not None and (known is None or not known.planned or journal.left_to_send(connection, known.id)):
        raise refusal
    if written is not None and not (known and known.planned):
        stem = str(identity.options.get(KIND, identity.channel))
        run = adopt(
            journal,
            connection,
            written,
            identity,
            name=known.name if known else name or _name_by_time(journal, connection, stem, now),
            now=now,
            send_at=send_at,
            repeat=repeat,
            instead_of=known,
        )
        return Begun(run, fresh=False)
    campaign = known or journal.create(
        connection,
        identity,
        name=name or _name_by_time(journal, connection, str(identity.options.get(KIND, identity.channel)), now),
        now=now,
        send_at=send_at,
        repeat=repeat,
    )
    run = begin_run(journal, connection, campaign, lease=lease, now=now)
    return Begun(run, fresh=not campaign.planned)


def _refuse_late(journal: Journal, connection: Connection, campaign: Campaign, now: float, *, again: bool) -> None:
    """Whoever was told on an earlier day is not told again by going on: is that what is wanted?"""
    of_this_day = london_date(campaign.created_at) == london_date(now)
    if of_this_day or live_runs(connection, campaign.id):
        return
    if journal.left_to_send(connection, campaign.id, again=again):
        raise LateError(
            f"Campaign {campaign.name!r} was begun on {told(campaign.created_at)} and is not finished. Going on sends "
            "only to those whom it has not reached yet. Is it still true? If it is, add --late (late=True). "
            "To tell everybody, send under a name of its own (--campaign, campaign=)."
        )


def _name_by_time(journal: Journal, connection: Connection, kind: str, now: float) -> str:
    stem = name = f"{kind} {london(now):%Y-%m-%d %H:%M:%S}"
    number = 1
    while journal.named(connection, name) is not None:
        number += 1
        name = f"{stem} ({number})"
    return name


_FILES_NAMED: Final = 3
_CONTENTS: Final = sa.select(recipients.c.position, recipients.c.content).where(
    recipients.c.campaign_id == sa.bindparam("the_campaign")
)
_DIFFERENCES: Final = {
    "recipients_hash": "the recipients",
    "texts_hash": "the text",
    "customer_id": "the customer",
    "base_url": "the API address",
    "channel": "the channel",
    "options": "the sending options",
}


def _refuse_beside_unfinished(identical: Campaign | None) -> None:
    if identical is not None:
        raise CampaignError(
            f"The identical campaign {identical.name!r}, begun on {told(identical.created_at)}, is not finished. "
            "Resume it first; then the texts can be sent again."
        )


def _refuse_other_content(connection: Connection, known: Campaign, identity: Identity, now: float) -> None:
    if known.purged_at is not None:
        raise CampaignError(f"There was a campaign named {known.name!r}, since purged. Choose another name.")
    differs = [words for name, words in _DIFFERENCES.items() if getattr(known, name) != getattr(identity, name)]
    if differs:
        said = _in_words(differs)
        if differs == [_DIFFERENCES["texts_hash"]] and identity.channel == "email":
            said = _of_emails(connection, known, identity)
        way_out = "Choose another name, or leave the name out: what went already today is not sent again."
        if london_date(known.created_at) != london_date(now):
            way_out = (
                "That was an earlier day: under another name, or under none, everybody on this list would get it "
                f"again, those who had it then included. To tell only the others: {only_those_not_told(known.name)}"
            )
        raise CampaignError(
            f"There is a campaign named {known.name!r} already, begun on {told(known.created_at)}, with other content: "
            f"{said}. {way_out}"
        )


def only_those_not_told(name: str) -> str:
    """How to send to those alone whom a campaign of an earlier day has not reached, in a sentence.

    What went then is held by nothing any longer, and who may have it stands on the list of those not told until it is
    settled. So that list must be new.
    """
    return (
        f"settle what is unknown, by the platform's history (gcbulk settle {name!r} --sent or --not-sent). After that "
        f"write the list of those not told anew (gcbulk results {name!r} --recipients LIST --not-told FILE), "
        "and send that."
    )


def _in_words(differs: list[str]) -> str:
    listed = " and ".join([", ".join(differs[:-1]), differs[-1]] if len(differs) > 1 else differs)
    return f"{listed} {'differ' if len(differs) > 1 or differs[0].endswith('s') else 'differs'}"


def _of_emails(connection: Connection, known: Campaign, identity: Identity) -> str:
    """Say that the emails differ, or no more than files of the same names, which are named where they can be."""
    if known.texts_hash is None or known.texts_hash.partition(":")[0] != identity.texts_hash.partition(":")[0]:
        return "the emails differ"
    kept = {row.position: row.content for row in connection.execute(_CONTENTS, {"the_campaign": known.id})}
    changed = (changed_files(kept.get(row), content) for row, content in enumerate(identity.contents))
    names = list(dict.fromkeys(name for names in changed for name in names))
    more = f" and {len(names) - _FILES_NAMED} more" if len(names) > _FILES_NAMED else ""
    named = f" ({', '.join(names[:_FILES_NAMED])}{more})" if names else ""
    return f"the content of the files{named}, and nothing else, differs"
