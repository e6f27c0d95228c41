"""What the journal still holds of texts and numbers: for reports, for another try, for a person's own file."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from gcbulk.campaign.journal.contents import same_files
from gcbulk.campaign.journal.days import london_date
from gcbulk.campaign.journal.tables import A_DRAFT, HELD, IN_FLIGHT, campaigns, recipients
from gcbulk.codes import ErrorCode, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcbulk.campaign.journal.store import Campaign, Journal

_POSITIONS_AT_ONCE = 10_000


class TextUsed(NamedTuple):
    """A text of a campaign, or an email's body, and to how many rows it was to go."""

    text: str
    rows: int
    parts: int | None
    first_content: str | None = None
    last_content: str | None = None  # of emails: of the same body, the first and the last content in order


class Kept(NamedTuple):
    """What is kept of one row: its text, or an email's body and what it holds beside that."""

    text: str | None
    content: str | None


class PlannedText(NamedTuple):
    """What one row was to be sent."""

    position: int
    address: str
    text: str
    content_key: bytes
    customer_id: str | None
    content: str | None


def texts_used(journal: Journal, campaign: Campaign, *, most: int) -> tuple[list[TextUsed], int]:
    """The texts of a campaign that most rows share, and how many different ones there are."""
    of_it = (recipients.c.campaign_id == campaign.id, recipients.c.text.is_not(None))
    contents = (sa.func.min(recipients.c.content), sa.func.max(recipients.c.content))
    by_text = (
        sa.select(recipients.c.text, sa.func.count(), sa.func.max(recipients.c.parts), *contents)
        .where(*of_it)
        .group_by(recipients.c.text)
        .order_by(sa.func.count().desc(), sa.func.min(recipients.c.position))
        .limit(most)
    )
    with journal.reading() as connection:
        found = [TextUsed(*row) for row in connection.execute(by_text).all()]
        different = sa.select(sa.func.count(recipients.c.text.distinct())).where(*of_it)
        return found, int(connection.execute(different).scalar_one())


def texts_of(journal: Journal, campaign: Campaign, positions: list[int]) -> list[PlannedText]:
    """The texts of some rows, in the order of the rows."""
    found: list[PlannedText] = []
    for start in range(0, len(positions), _POSITIONS_AT_ONCE):
        asked = (
            sa.select(*(recipients.c[name] for name in PlannedText._fields))
            .where(
                recipients.c.campaign_id == campaign.id,
                recipients.c.position.in_(positions[start : start + _POSITIONS_AT_ONCE]),
            )
            .order_by(recipients.c.position)
        )
        with journal.reading() as connection:
            found += [PlannedText(*row) for row in connection.execute(asked).all()]
    return found


def campaign_called(journal: Journal, name: str) -> Campaign | None:
    """The campaign of this name, `{date}` in it being today's, if there is one."""
    with journal.reading() as connection:
        return journal.named(connection, name.replace("{date}", london_date(journal.now(connection)).isoformat()))


def can_go_on(journal: Journal, campaign: Campaign) -> bool:
    """Whether a run on the campaign could send anything: what is left, and what is looked at afresh (`Run.recall`)."""
    afresh = sa.and_(recipients.c.state == Status.UNKNOWN, recipients.c.batch_id.is_(None))
    left = sa.or_(
        recipients.c.state.in_([Status.READY, IN_FLIGHT]), recipients.c.error_code == ErrorCode.ALREADY_SENT, afresh
    )
    asked = sa.select(sa.literal(1)).where(recipients.c.campaign_id == campaign.id, left).limit(1)
    with journal.reading() as connection:
        return not campaign.planned or connection.execute(asked).first() is not None


def gone_again(
    journal: Journal, campaign: Campaign, texts: Sequence[PlannedText], *, besides: Campaign | None = None
) -> set[int]:
    """Of these texts of a campaign, by position, those that a later one has sent to the same recipient, or may have.

    What the campaign `besides` has sent does not count.
    """
    found: set[int] = set()
    apart = [] if besides is None else [recipients.c.campaign_id != besides.id]
    for start in range(0, len(texts), _POSITIONS_AT_ONCE):
        some = texts[start : start + _POSITIONS_AT_ONCE]
        asked = (
            sa.select(recipients.c.content_key, recipients.c.content)
            .distinct()
            .where(
                recipients.c.content_key.in_([text.content_key for text in some]),
                recipients.c.campaign_id > campaign.id,
                recipients.c.batch_id.is_not(None),
                recipients.c.state.in_(HELD),
                *apart,
            )
        )
        with journal.reading() as connection:
            later: defaultdict[bytes, list[str | None]] = defaultdict(list)
            for key, content in connection.execute(asked):
                later[key].append(content)
        found |= {
            text.position for text in some if any(same_files(text.content, one) for one in later[text.content_key])
        }
    return found


def rows_of_number(journal: Journal, address: str) -> dict[str, dict[int, Kept]]:
    """By campaign, and by position in it, what was written to this number or address, sent or not."""
    asked = (
        sa.select(campaigns.c.name, recipients.c.position, recipients.c.text, recipients.c.content)
        .join(campaigns, campaigns.c.id == recipients.c.campaign_id)
        .where(recipients.c.address == address, ~A_DRAFT)
        .order_by(campaigns.c.id, recipients.c.position)
    )
    found: dict[str, dict[int, Kept]] = {}
    with journal.reading() as connection:
        for name, position, *kept in connection.execute(asked).all():
            found.setdefault(name, {})[position] = Kept(*kept)
    return found
