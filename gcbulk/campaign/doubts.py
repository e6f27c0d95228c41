"""What may have gone on an earlier day: said before it goes again, with the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcbulk.campaign.journal import only_those_not_told, told
from gcbulk.messages.findings import Finding, are

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gcbulk.campaign.journal import Doubt
    from gcbulk.recipients.kinds import Kind

_NAMED: Final = 3


def about_doubts(doubts: Mapping[int, Doubt], kind: Kind) -> list[Finding]:
    """What there is to say of doubts, by position, before anything is sent."""
    if not doubts:
        return []
    return [Finding("outcome_unknown", "warning", in_doubt(doubts.values(), kind), tuple(doubts))]


def in_doubt(doubts: Collection[Doubt], kind: Kind) -> str:
    """How many may have gone already, in which campaign, and what to do.

    To settle them is half of it: what turns out to have gone on an earlier day is held by nothing, and goes again.
    """
    tried: dict[str, float] = {}
    for doubt in doubts:
        tried[doubt.campaign] = min(doubt.tried_at, tried.get(doubt.campaign, doubt.tried_at))
    first, *others = tried
    named = ", ".join(f"{name!r} (tried on {told(at)})" for name, at in list(tried.items())[:_NAMED])
    more = f" and {len(tried) - _NAMED} more" if len(tried) > _NAMED else ""
    return (
        f"{are(len(doubts), kind.message)} of this list may have gone already, in campaign{'s' if others else ''} "
        f"{named}{more}: the outcome is not known, and whoever has one would get it twice. First "
        f"{only_those_not_told(first)}"
    )
