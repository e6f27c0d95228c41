"""A campaign that is planned and in the journal: where most measurements begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcbulk.campaign.journal import Identity, Journal, begin

if TYPE_CHECKING:
    from gcbulk.campaign.journal import Run
    from gcbulk.campaign.plan import Plan

NOWHERE: Final = "http://127.0.0.1:1"
"""An address at which nothing is sent."""


def planned(
    journal: Journal,
    plan: Plan,
    name: str,
    *,
    base_url: str = NOWHERE,
    customer_id: str = "1469",
    chunk: int = 20,
) -> Run:
    """A run on a new campaign whose rows are all in the journal; calls of `chunk` recipients."""
    identity = Identity(
        base_url=base_url,
        customer_id=customer_id,
        channel="sms",
        options={},
        recipients_hash=plan.recipients_hash(),
        texts_hash=plan.texts_hash(),
        row_count=len(plan.frame),
    )
    run = begin(journal, identity, name=name, send_at=None, repeat=False, lease=600.0).run
    calls = plan.calls(chunk, share_identical=False)
    journal.write_rows(run.campaign, plan.rows(calls, base_url=base_url, customer_id=customer_id))
    return run
