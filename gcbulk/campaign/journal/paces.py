"""The pace that all runs on a campaign share: who may start a call when, by the journal's clock.

Each run takes the next moments for itself, a few at a time (a leaky bucket without a burst: GCRA, ITU-T I.371), so
that however many machines send, their calls together keep to the pace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from gcbulk.campaign.journal.tables import paces
from gcbulk.campaign.journal.transactions import outlasting

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.store import Campaign, Journal


@outlasting
def take_moments(journal: Journal, campaign: Campaign, customer_id: str | None, *, apart: float, count: int) -> float:
    """Take the next `count` moments, `apart` seconds from each other, for a run of the campaign's customer.

    Returns in how many seconds the first of them is.
    """
    with journal.writing() as connection:
        now = journal.now(connection)
        first = max(now, _next_at(connection, campaign, customer_id))
        _set(connection, campaign, customer_id, first + count * apart)
    return first - now


@outlasting
def put_off(journal: Journal, campaign: Campaign, customer_id: str | None, *, seconds: float) -> None:
    """Let no run take a moment within so many seconds: the platform asked to wait."""
    with journal.writing() as connection:
        until = journal.now(connection) + seconds
        if until > _next_at(connection, campaign, customer_id):
            _set(connection, campaign, customer_id, until)


def _next_at(connection: Connection, campaign: Campaign, customer_id: str | None) -> float:
    found = connection.execute(sa.select(paces.c.next_at).where(*_of(campaign, customer_id))).scalar_one_or_none()
    return float("-inf") if found is None else float(found)


def _set(connection: Connection, campaign: Campaign, customer_id: str | None, next_at: float) -> None:
    known = connection.execute(paces.update().where(*_of(campaign, customer_id)).values(next_at=next_at))
    if not known.rowcount:
        connection.execute(
            paces.insert().values(campaign_id=campaign.id, customer_id=customer_id or "", next_at=next_at)
        )


def _of(campaign: Campaign, customer_id: str | None) -> tuple[sa.ColumnElement[bool], ...]:
    return paces.c.campaign_id == campaign.id, paces.c.customer_id == (customer_id or "")
