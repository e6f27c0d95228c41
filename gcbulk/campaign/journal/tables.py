"""The journal's tables. Times are seconds since 1970-01-01 UTC; one row of `recipients` is one input row.

What was sent is not written down twice: a recipient's own row, in one of `HELD`, *is* the memory that its
text went (or may have gone) to its address. It is taken with the claim and given back by the settlement, in
the same transactions, because it is the same row.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from gcbulk.codes import Status

SCHEMA_VERSION: Final = 3

IN_FLIGHT: Final = "in_flight"  # claimed by a run; the only state that is not also a Status
HELD: Final = (  # sent, or perhaps sent: whoever was claimed, got no usable answer and opted out then, perhaps was
    IN_FLIGHT,
    Status.ACCEPTED,
    Status.PARTLY_ACCEPTED,
    Status.UNKNOWN,
    Status.OPTED_OUT,
)

metadata = sa.MetaData()

_BYTEWISE: Final = sa.String().with_variant(sa.String(collation="C"), "postgresql")  # so that a prefix is a range

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)

campaigns = sa.Table(
    "campaigns",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String, nullable=False, unique=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("base_url", sa.String, nullable=False),
    sa.Column("customer_id", sa.String, nullable=False),
    sa.Column("channel", sa.String, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),  # what shapes the messages: sender, send_at, ...
    sa.Column("send_at", sa.Float),  # when a scheduled campaign counts as sent
    sa.Column("recipients_hash", sa.String),
    sa.Column("texts_hash", sa.String),
    sa.Column("row_count", sa.Integer, nullable=False),
    sa.Column("repeat", sa.Boolean, nullable=False),
    sa.Column("planned", sa.Boolean, nullable=False),  # false while its rows are still being written
    sa.Column("planner", sa.Integer),  # the run that may write them
    sa.Column("stop_code", sa.String),  # why the last run stopped before the end, for the rows it never tried
    sa.Column("stop_detail", sa.String),
    sa.Column("purged_at", sa.Float),
    sa.Column("counts", sa.JSON),  # kept when a purge takes the rows' personal data
    sa.Column("callback_url", sa.String),  # where delivery news goes, without what follows the base
    sa.Column("callback_token", sa.String),  # what nobody else can know, in the address that news comes to
    sa.Index("campaigns_content", "texts_hash"),
)

A_DRAFT: Final = sa.and_(
    campaigns.c.planned.is_(False), campaigns.c.texts_hash.is_(None), campaigns.c.purged_at.is_(None)
)
"""What holds of rows that are nobody's campaign yet: they have no name that a person knows."""

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("campaign_id", sa.ForeignKey("campaigns.id"), nullable=False, index=True),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("user", sa.String, nullable=False),  # who sent, by the name of the account on that machine
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("process_started", sa.Float, nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("heartbeat_at", sa.Float, nullable=False),
    sa.Column("lease", sa.Float, nullable=False),  # seconds after a heartbeat for which the run counts as alive
    sa.Column("ended_at", sa.Float),
)

batches = sa.Table(
    "batches",  # one API call each: written by the claim, closed by the settlement
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("campaign_id", sa.ForeignKey("campaigns.id"), nullable=False, index=True),
    sa.Column("run_id", sa.ForeignKey("runs.id"), nullable=False, index=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("claimed_at", sa.Float, nullable=False),
    sa.Column("settled_at", sa.Float),
    sa.Column("http_status", sa.Integer),  # 0 where its worker was lost
    sqlite_autoincrement=True,  # a claim's number is never given twice
)

IN_THE_AIR: Final = sa.Index(
    "batches_in_the_air",  # the few calls that are not settled
    batches.c.campaign_id,
    sqlite_where=batches.c.settled_at.is_(None),
    postgresql_where=batches.c.settled_at.is_(None),
)

paces = sa.Table(
    "paces",  # when the next call of a campaign's customer may start, whichever run makes it
    metadata,
    sa.Column("campaign_id", sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("customer_id", sa.String, primary_key=True),  # of a partner's; else empty
    sa.Column("next_at", sa.Float, nullable=False),
)

recipients = sa.Table(
    "recipients",
    metadata,
    sa.Column("campaign_id", sa.ForeignKey("campaigns.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("batch_number", sa.Integer),  # the planned call; none where the row is never sent
    sa.Column("address", sa.String),
    sa.Column("repair", sa.String),
    sa.Column("text", sa.String),
    sa.Column("parts", sa.Integer),
    sa.Column("client_ref", sa.String),
    sa.Column("content_key", sa.LargeBinary),  # hash of (API address, customer, channel, recipient, text)
    sa.Column("state", sa.String, nullable=False),
    sa.Column("batch_id", sa.Integer),  # the last claim that took this row
    sa.Column("claimed_at", sa.Float),
    sa.Column("counts_at", sa.Float),  # the claim's time, or the time it is scheduled for
    sa.Column("message_id", _BYTEWISE),
    sa.Column("accepted_at", sa.Float),
    sa.Column("error_code", sa.String),
    sa.Column("error_detail", sa.String),
    sa.Column("proven_at", sa.Float),  # when a callback proved that this row was taken, whatever its call said
    sa.Column("customer_id", sa.String),  # under whom a partner sends this row; none where under the campaign's own
    sa.Column("content", sa.String),  # what a message holds beside its text, as JSON: an email's subject, its files
    sa.Index("recipients_content", "content_key"),
    sa.Index("recipients_batch", "campaign_id", "batch_number"),
    # Every row is written twice after it was planned, and grows. With room for that beside it a server leaves its index
    # entries alone: at 50, one row in seven was moved, and a settlement took twice as long.
    postgresql_with={"fillfactor": 35},
)

FOR_NEWS: Final = (
    # By what delivery news names a row. Every answer of a send would have to write to them, so they are made for a
    # journal only when somebody listens for news on it.
    sa.Index("recipients_ref", recipients.c.campaign_id, recipients.c.client_ref),
    sa.Index("recipients_message", recipients.c.campaign_id, recipients.c.message_id),
)
recipients.indexes.difference_update(FOR_NEWS)

events = sa.Table(
    "events",  # delivery news as it came, every piece of it
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("campaign_id", sa.ForeignKey("campaigns.id"), nullable=False),
    sa.Column("position", sa.Integer),  # the row that it speaks of; none where that cannot be told
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Column("happened_at", sa.Float, nullable=False),  # by the platform's clock, or else when it came
    sa.Column("status", sa.String, nullable=False),  # the platform's own word
    sa.Column("delivery", sa.String, nullable=False),  # ours for it
    sa.Column("error", sa.String),
    sa.Column("units", sa.Integer),
    sa.Column("message_id", sa.String),
    sa.Column("client_ref", sa.String),
    sa.Column("address", sa.String),
    sa.Index("events_row", "campaign_id", "position"),
)
