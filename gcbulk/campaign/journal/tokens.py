"""Who may report on a campaign: the token in the address that delivery news comes to, and who listens for it."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from gcbulk.campaign.journal.tables import FOR_NEWS, campaigns, meta
from gcbulk.campaign.journal.transactions import outlasting

if TYPE_CHECKING:
    from gcbulk.campaign.journal.store import Campaign, Journal

TOKEN_BYTES: Final = 32
_MOST_DIGITS: Final = 18  # of a campaign's number: what a database's integer holds
_NOBODYS: Final = secrets.token_urlsafe(TOKEN_BYTES)  # compared with where there is no such campaign
_TOKEN_OF: Final = sa.select(campaigns.c.callback_token).where(campaigns.c.id == sa.bindparam("the_campaign"))
_RECEIVER: Final = "callback_receiver"
_JOURNAL: Final = "journal_token"


@outlasting
def journal_token(journal: Journal) -> str:
    """What tells this journal from every other, wherever it is reached from; made with its first use."""
    if (known := known_journal_token(journal)) is not None:
        return known
    with journal.writing() as connection:
        asked = sa.select(meta.c.value).where(meta.c.key == _JOURNAL)
        if (known := connection.execute(asked).scalar_one_or_none()) is None:
            known = secrets.token_hex(TOKEN_BYTES)
            connection.execute(meta.insert().values(key=_JOURNAL, value=known))
    return known


@outlasting
def known_journal_token(journal: Journal) -> str | None:
    """The journal's token; None where it was never asked for."""
    with journal.reading() as connection:
        return connection.execute(sa.select(meta.c.value).where(meta.c.key == _JOURNAL)).scalar_one_or_none()


@outlasting
def callback_token(journal: Journal, campaign: Campaign, callback_url: str) -> str:
    """The campaign's token, made with its first use; `callback_url` is noted, for runs that go on with it."""
    with journal.writing() as connection:
        known = connection.execute(
            sa.select(campaigns.c.callback_token).where(campaigns.c.id == campaign.id)
        ).scalar_one()
        token = known or secrets.token_urlsafe(TOKEN_BYTES)
        connection.execute(
            campaigns.update()
            .where(campaigns.c.id == campaign.id)
            .values(callback_token=token, callback_url=callback_url)
        )
    return f"{campaign.id}-{token}"


def campaign_of(journal: Journal, token: str) -> int | None:
    """The id of the campaign whose token this is, purged ones included; None for what is nobody's.

    The token is compared in constant time; the number before it is no secret.
    """
    number, _, given = token.partition("-")
    known = None
    if number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS:
        with journal.reading() as connection:
            known = next(
                (found for (found,) in journal.run(connection, _TOKEN_OF, {"the_campaign": int(number)})), None
            )
    same = hmac.compare_digest((known or _NOBODYS).encode(), given.encode("utf-8", "replace"))
    return int(number) if same and known else None


def note_receiver(journal: Journal, public_url: str) -> None:
    """Write down that a receiver listens on this journal, so that a send can tell when none does, and make it quick."""
    with journal.writing() as connection:
        for index in FOR_NEWS:
            connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
        connection.execute(meta.delete().where(meta.c.key == _RECEIVER))
        connection.execute(meta.insert().values(key=_RECEIVER, value=public_url))


@outlasting
def receiver_noted(journal: Journal) -> str | None:
    """The public address of the receiver that was last started on this journal; None where none ever was."""
    with journal.reading() as connection:
        return connection.execute(sa.select(meta.c.value).where(meta.c.key == _RECEIVER)).scalar_one_or_none()
