"""Looking after the journal: settling by hand what stayed unknown, and purging what is old."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from gcbulk.campaign.journal.drafting import sweep
from gcbulk.campaign.journal.liveness import bury_dead_runs, live_runs
from gcbulk.campaign.journal.tables import IN_FLIGHT, batches, campaigns, events, paces, recipients, runs
from gcbulk.campaign.journal.transactions import outlasting
from gcbulk.codes import Status
from gcbulk.errors import CampaignError, OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcbulk.campaign.journal.store import Campaign, Journal

KEEP_DAYS: Final = 90
"""For how many days numbers and texts are kept."""
_AT_ONCE: Final = 10_000  # positions in a statement


def keep_days() -> float:
    """For how many days numbers and texts are kept: GCBULK_KEEP_DAYS, or 90. Raises OptionError for what is no age."""
    given = os.environ.get("GCBULK_KEEP_DAYS", "").strip()
    try:
        days = float(given or KEEP_DAYS)
    except ValueError:
        days = math.nan
    if not days >= 1:
        raise OptionError(f"GCBULK_KEEP_DAYS must be a number of days from 1, not {given!r}.")
    return days


def settle(journal: Journal, campaign: Campaign, *, sent: bool, positions: Sequence[int] | None = None) -> int:
    """Settle rows that are `unknown`, after a look at the platform's history; returns how many.

    `positions` are row positions (0-based); None means all that are unknown. A row settled as sent gets the
    MessageId `settled:<ClientRef>`; one settled as not sent will go with `resume`. Raises CampaignError while a
    run may still have the rows in flight.
    """
    with journal.writing() as connection:
        now = journal.now(connection)
        _refuse_while_sending(connection, campaign, now)
        which = (recipients.c.campaign_id == campaign.id, recipients.c.state == Status.UNKNOWN)
        values = (
            {
                "state": Status.ACCEPTED,
                "message_id": sa.literal("settled:") + recipients.c.client_ref,
                "accepted_at": sa.func.coalesce(recipients.c.claimed_at, now),
                "counts_at": sa.func.coalesce(recipients.c.counts_at, now),
                "claimed_at": sa.func.coalesce(recipients.c.claimed_at, now),
                "batch_id": sa.func.coalesce(recipients.c.batch_id, 0),
            }
            if sent
            else {"state": Status.READY, "batch_id": None, "claimed_at": None, "counts_at": None}
        )
        settled = recipients.update().where(*which).values(**values, error_code=None, error_detail=None)
        if positions is None:
            return int(connection.execute(settled).rowcount)
        return sum(
            connection.execute(settled.where(recipients.c.position.in_(positions[start : start + _AT_ONCE]))).rowcount
            for start in range(0, len(positions), _AT_ONCE)
        )


def refuse_while_sending(journal: Journal, campaign: Campaign) -> None:
    """Raise CampaignError while a run has rows of the campaign in flight: their answers may still come."""
    with journal.writing() as connection:
        _refuse_while_sending(connection, campaign, journal.now(connection))


def _refuse_while_sending(connection: sa.engine.Connection, campaign: Campaign, now: float) -> None:
    bury_dead_runs(connection, now)
    if live_runs(connection, campaign.id) and _has_state(connection, campaign, IN_FLIGHT):
        raise CampaignError(
            f"Campaign {campaign.name!r} is being sent at this moment, so its unknown rows may still be answered. "
            "Settle them when the run has ended."
        )


def calls_over_in(journal: Journal, campaign: Campaign) -> float:
    """Seconds until every call of the campaign that was never answered must have ended: its run's lease bounds it."""
    with journal.reading() as connection:
        now = journal.now(connection)
        last = connection.execute(
            sa.select(sa.func.max(batches.c.claimed_at + runs.c.lease))
            .join(runs, runs.c.id == batches.c.run_id)
            .where(batches.c.campaign_id == campaign.id, batches.c.settled_at.is_(None))
        ).scalar_one()
    return max(0.0, (last or now) - now)


@outlasting
def purge(journal: Journal, *, older_than_days: float = KEEP_DAYS, campaign: str | None = None) -> list[str]:
    """Take numbers, texts and their hashes out of old campaigns (or of one); returns the campaigns' names.

    The counts by state are kept. Nothing of the rest stays behind in free pages or the write-ahead log, and nothing of
    a list whose run died before it was a campaign.
    """
    swept = sweep(journal)
    with journal.writing() as connection:
        now = journal.now(connection)
        bury_dead_runs(connection, now)
        found = connection.execute(
            sa.select(campaigns.c.id, campaigns.c.name).where(
                campaigns.c.purged_at.is_(None),
                campaigns.c.name == campaign
                if campaign is not None
                else campaigns.c.created_at < now - older_than_days * 86_400,
            )
        ).all()
        old = [row for row in found if not live_runs(connection, row.id)]
        if old:
            journal.overwrite_deleted(connection)
        for row in old:
            counts = connection.execute(
                sa.select(recipients.c.state, sa.func.count())
                .where(recipients.c.campaign_id == row.id)
                .group_by(recipients.c.state)
            ).all()
            connection.execute(events.delete().where(events.c.campaign_id == row.id))
            connection.execute(recipients.delete().where(recipients.c.campaign_id == row.id))
            connection.execute(batches.delete().where(batches.c.campaign_id == row.id))
            connection.execute(paces.delete().where(paces.c.campaign_id == row.id))
            connection.execute(
                campaigns.update()
                .where(campaigns.c.id == row.id)
                .values(
                    purged_at=now,
                    recipients_hash=None,
                    texts_hash=None,
                    counts={str(state): int(n) for state, n in counts},
                )
            )
    if old or swept:
        journal.vacuum()
    return [row.name for row in old]


def _has_state(connection: sa.engine.Connection, campaign: Campaign, state: str) -> bool:
    return (
        connection.execute(
            sa.select(sa.literal(1))
            .where(recipients.c.campaign_id == campaign.id, recipients.c.state == state)
            .limit(1)
        ).first()
        is not None
    )
