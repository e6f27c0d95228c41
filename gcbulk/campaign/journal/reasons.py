"""Why rows are invalid, told anew where a list is sent again: another cell can be wrong in another way by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from gcbulk.campaign.journal.tables import recipients
from gcbulk.campaign.journal.transactions import outlasting
from gcbulk.codes import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcbulk.campaign.journal.store import Campaign, Journal

_INVALID: Final = (recipients.c.campaign_id == sa.bindparam("the_campaign"), recipients.c.state == Status.INVALID)
_READ: Final = sa.select(recipients.c.position, recipients.c.error_code, recipients.c.error_detail).where(*_INVALID)
_RENEW: Final[Any] = (
    recipients.update()
    .where(*_INVALID, recipients.c.position == sa.bindparam("the_position"))
    .values(error_code=sa.bindparam("new_code"), error_detail=sa.bindparam("new_detail"))
)


class Reason(NamedTuple):
    """Why a row is invalid."""

    position: int
    code: str
    detail: str


@outlasting
def reasons_of(journal: Journal, campaign: Campaign) -> list[Reason]:
    """Why the invalid rows of a campaign, or of a draft, are."""
    with journal.reading() as connection:
        return [Reason(*row) for row in connection.execute(_READ, {"the_campaign": campaign.id})]


@outlasting
def renew_reasons(journal: Journal, campaign: Campaign, now: Iterable[Reason]) -> None:
    """Say of the rows of a campaign that are invalid, and still are, why they are by now."""
    known = {reason.position: reason for reason in reasons_of(journal, campaign)}
    others = [reason for reason in now if known.get(reason.position, reason) != reason]
    if not others:
        return
    with journal.writing() as connection:
        journal.many(
            connection,
            _RENEW,
            (
                {"the_campaign": campaign.id, "the_position": at, "new_code": code, "new_detail": detail}
                for at, code, detail in others
            ),
        )
