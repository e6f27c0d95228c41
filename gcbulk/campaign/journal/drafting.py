"""Rows that are written before it is known whose campaign they are: those of a list that is larger than memory.

Such a list is gone over once. Only at its end are its hashes known, by which a campaign is found again. So its rows
are written under a draft, which then becomes the campaign, or is thrown away where the campaign is known already.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final, TypeVar

import sqlalchemy as sa

from gcbulk.campaign.journal.liveness import bury_dead_runs, live_runs
from gcbulk.campaign.journal.runs import begin_run
from gcbulk.campaign.journal.store import Campaign, PlannedRow
from gcbulk.campaign.journal.tables import A_DRAFT, campaigns, recipients, runs
from gcbulk.campaign.journal.transactions import outlasting
from gcbulk.codes import Status
from gcbulk.errors import CampaignError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.runs import Run
    from gcbulk.campaign.journal.store import Identity, Journal

_T = TypeVar("_T")

_ROWS_AT_ONCE: Final = 20_000


@outlasting
def draft(journal: Journal, *, base_url: str, customer_id: str, channel: str, lease: float) -> Run:
    """Begin a draft, and a run that may write its rows."""
    name = f"draft {uuid.uuid4()}"
    with journal.writing() as connection:
        now = journal.check_clock(connection)
        connection.execute(
            campaigns.insert().values(
                name=name,
                created_at=now,
                base_url=base_url,
                customer_id=customer_id,
                channel=channel,
                options={},
                row_count=0,
                repeat=False,
                planned=False,
            )
        )
        begun = journal.named(connection, name)
        assert begun is not None
        return begin_run(journal, connection, begun, lease=lease, now=now)


def adopt(
    journal: Journal,
    connection: Connection,
    written: Run,
    identity: Identity,
    *,
    name: str,
    now: float,
    send_at: float | None,
    repeat: bool,
    instead_of: Campaign | None = None,
) -> Run:
    """Make a draft the campaign that its rows are, inside the caller's transaction; its run goes on.

    `instead_of` is a campaign of the same content whose rows were never all written: the draft takes its place.
    Raises CampaignError where another run took this one for dead, and the draft away.
    """
    if instead_of is not None:
        connection.execute(recipients.delete().where(recipients.c.campaign_id == instead_of.id))
        connection.execute(runs.delete().where(runs.c.campaign_id == instead_of.id))
        connection.execute(campaigns.delete().where(campaigns.c.id == instead_of.id))
    adopted = connection.execute(
        campaigns.update()
        .where(campaigns.c.id == written.campaign.id, campaigns.c.planner == written.campaign.planner, A_DRAFT)
        .values(
            name=name,
            created_at=now if instead_of is None else instead_of.created_at,
            options=dict(identity.options),
            send_at=send_at,
            recipients_hash=identity.recipients_hash,
            texts_hash=identity.texts_hash,
            row_count=identity.row_count,
            repeat=repeat,
            planned=True,
        )
    )
    campaign = journal.named(connection, name)
    if adopted.rowcount != 1 or campaign is None:
        raise CampaignError(
            "Another run took this one for dead while it stood still, and nothing was sent. "
            "Give the same command again."
        )
    written.campaign = campaign
    return written


@outlasting
def discard(journal: Journal, campaign: Campaign) -> None:
    """Take a draft away with all that was written of it; nothing of it stays in free pages."""
    with journal.writing() as connection:
        journal.overwrite_deleted(connection)
    last = -1
    while True:
        with journal.writing() as connection:
            of_it = recipients.c.campaign_id == campaign.id
            upper = connection.execute(
                sa.select(sa.func.min(recipients.c.position)).where(of_it, recipients.c.position > last)
            ).scalar_one()
            if upper is None:
                connection.execute(runs.delete().where(runs.c.campaign_id == campaign.id))
                connection.execute(campaigns.delete().where(campaigns.c.id == campaign.id, A_DRAFT))
                return
            last = upper + _ROWS_AT_ONCE - 1
            connection.execute(recipients.delete().where(of_it, recipients.c.position <= last))


def sweep(journal: Journal) -> bool:
    """Take away every draft that no live run is at work on: people's data that nobody would find. Whether any was."""
    left = _left_behind(journal)
    for campaign in left:
        discard(journal, campaign)
    return bool(left)


@outlasting
def _left_behind(journal: Journal) -> list[Campaign]:
    with journal.writing() as connection:
        bury_dead_runs(connection, journal.now(connection))
        found = connection.execute(sa.select(campaigns).where(A_DRAFT)).all()
        return [Campaign(**row._mapping) for row in found if not live_runs(connection, row.id)]


def renumber(journal: Journal, written: Run, calls: Iterable[tuple[int, int, str]]) -> None:
    """Say of each row of a draft, by position, which call it goes with, and under which reference."""
    of_it = {"the_campaign": written.campaign.id}
    for some in _in_stretches(calls):
        rows = [{**of_it, "the_position": row, "new_call": call, "new_ref": ref} for row, call, ref in some]
        journal.plan(written.campaign, _RENUMBER, rows)


def planned_rows(journal: Journal, campaign: Campaign, positions: Iterable[int]) -> Iterator[PlannedRow]:
    """What was written of some rows, as `take_in` takes it, but for those that are not to be sent."""
    for some in _in_stretches(positions):
        yield from _planned_rows(journal, campaign, some)


@outlasting
def _planned_rows(journal: Journal, campaign: Campaign, positions: Sequence[int]) -> list[PlannedRow]:
    with journal.reading() as connection:
        found = connection.execute(
            sa.select(*(recipients.c[name] for name in PlannedRow._fields))
            .where(
                recipients.c.campaign_id == campaign.id,
                recipients.c.position.in_(positions),
                recipients.c.state == Status.READY,
            )
            .order_by(recipients.c.position)
        ).all()
    return [PlannedRow(*row) for row in found]


@outlasting
def opted_out_addresses(journal: Journal, campaign: Campaign) -> set[str]:
    """The addresses of a draft that are on the opt-out list."""
    with journal.reading() as connection:
        return set(
            connection.execute(
                sa.select(recipients.c.address)
                .distinct()
                .where(recipients.c.campaign_id == campaign.id, recipients.c.state == Status.OPTED_OUT)
            ).scalars()
        )


def _in_stretches(rows: Iterable[_T]) -> Iterator[list[_T]]:
    some: list[_T] = []
    for row in rows:
        some.append(row)
        if len(some) == _ROWS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


_RENUMBER: Final = (
    recipients.update()
    .where(
        recipients.c.campaign_id == sa.bindparam("the_campaign"), recipients.c.position == sa.bindparam("the_position")
    )
    .values(batch_number=sa.bindparam("new_call"), client_ref=sa.bindparam("new_ref"))
)
