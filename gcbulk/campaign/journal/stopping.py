"""Asking a run to stop from another process: a line in the journal, which a run looks for and the next one removes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from gcbulk.campaign.journal.tables import meta

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.store import Campaign, Journal


def _key(campaign_id: int) -> str:
    return f"stop {campaign_id}"


def ask_to_stop(journal: Journal, campaign: Campaign) -> None:
    """Have the runs at work on a campaign stop cleanly, within a second or so, wherever they run."""
    with journal.writing() as connection:
        forget_stop(connection, campaign.id)
        connection.execute(meta.insert().values(key=_key(campaign.id), value="asked"))


def stop_is_asked(journal: Journal, campaign_id: int) -> bool:
    """Whether somebody asked the campaign's runs to stop."""
    with journal.reading() as connection:
        return connection.execute(sa.select(meta.c.key).where(meta.c.key == _key(campaign_id))).first() is not None


def forget_stop(connection: Connection, campaign_id: int) -> None:
    """A run that begins now was asked for after the stop was."""
    connection.execute(meta.delete().where(meta.c.key == _key(campaign_id)))
