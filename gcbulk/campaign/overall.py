"""All campaigns together: what was sent to whom, to one number, and which numbers are dead."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Final

import pandas as pd

from gcbulk.campaign.delivery import filled
from gcbulk.campaign.enclosing import parsed
from gcbulk.campaign.history import campaign_results
from gcbulk.campaign.journal import Journal, rows_of_number, told
from gcbulk.campaign.journal.days import LONDON
from gcbulk.campaign.preview import mask_number
from gcbulk.codes import DeliveryStatus, ErrorCode
from gcbulk.errors import OptionError
from gcbulk.messages.markup import plain_words
from gcbulk.recipients.kinds import EMAIL, NUMBER

if TYPE_CHECKING:
    import os

    from gcbulk.campaign.journal import Campaign
    from gcbulk.campaign.journal.looking_back import Kept

DEAD_AFTER: Final = 3
"""Campaigns running in which a number failed, after which it counts as dead."""
COLUMNS: Final = (
    "Campaign",
    "StartedAt",
    "SentTo",
    "Status",
    "MessageId",
    "ErrorCode",
    "ErrorDetail",
    "Parts",
    "AcceptedAt",
    "DeliveryStatus",
    "DeliveredAt",
    "DeliveryError",
    "UnitsBilled",
)


def history(
    *,
    since: date | datetime | str | None = None,
    number: str | None = None,
    journal: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Every row of every campaign that the journal still holds, the oldest first.

    `since` is a date (London) or a time with its offset: campaigns begun from then on. `number` leaves the rows of one
    number or email address, as anybody may write it, and adds what it was sent, Text (`str`; of an email the subject,
    the words of its body and its files' names): for a subject access request. What was purged is not here. Columns
    Campaign, StartedAt (`datetime64[us, UTC]`), and from SentTo on a results frame's.
    Raises OptionError for a date or number that cannot be read.
    """
    begins = _begins(since)
    address = _address(number)
    with Journal(journal) as book:
        known = [c for c in reversed(book.campaigns()) if c.planned and c.purged_at is None and c.created_at >= begins]
        texts = rows_of_number(book, address) if address is not None else None
    frames = [_rows(campaign, journal, texts) for campaign in known if texts is None or campaign.name in texts]
    if frames:
        return pd.concat(frames, ignore_index=True)
    empty = {name: pd.Series(dtype=dtype) for name, dtype in _DTYPES.items()}
    return pd.DataFrame(empty | ({} if texts is None else {"Text": pd.Series(dtype="str")}))


def dead_numbers(
    running: int = DEAD_AFTER,
    *,
    since: date | datetime | str | None = None,
    journal: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Numbers that failed in at least so many campaigns `running`, the last ones: to mend in the MIS.

    Failed is what the platform said could not be delivered, or refused as no valid recipient; a campaign without such
    news of a number says nothing. Columns SentTo (`str`), Campaigns (`int64`, failed running), LastCampaign,
    LastReason (`str`), the deadest first.
    """
    if isinstance(running, bool) or not isinstance(running, int) or running < 1:
        raise OptionError(f"running must be a whole number of campaigns from 1, not {running!r}.")
    rows = history(since=since, journal=journal)
    refused = rows["ErrorCode"] == ErrorCode.INVALID_RECIPIENTS.value
    failed = rows["DeliveryStatus"].isin([DeliveryStatus.FAILED.value, DeliveryStatus.EXPIRED.value]) | refused
    arrived = rows["DeliveryStatus"] == DeliveryStatus.DELIVERED.value
    rows = rows.assign(
        failed=failed, Reason=rows["DeliveryError"].fillna(rows["DeliveryStatus"]).fillna(rows["ErrorCode"])
    )
    told = rows[failed | arrived]
    # in one campaign a number may have several texts: it lives if one of them arrived
    each = told.groupby(["SentTo", "Campaign"], sort=False).agg(
        StartedAt=("StartedAt", "first"), dead=("failed", "all"), LastReason=("Reason", "last")
    )
    newest_first = each.reset_index().sort_values("StartedAt", ascending=False, kind="stable")
    newest_first["running"] = newest_first.groupby("SentTo")["dead"].cumprod().astype(bool)
    dead = newest_first[newest_first["running"]].groupby("SentTo", sort=False)
    found = dead.agg(
        Campaigns=("Campaign", "size"), LastCampaign=("Campaign", "first"), LastReason=("LastReason", "first")
    )
    found = found[found["Campaigns"] >= running].sort_values("Campaigns", ascending=False, kind="stable")
    return found.reset_index().astype(
        {"SentTo": "str", "Campaigns": "int64", "LastCampaign": "str", "LastReason": "str"}
    )


def history_text(frame: pd.DataFrame) -> str:
    """What `history` or `dead_numbers` found, for a terminal.

    What was sent to one number with every text in full; all campaigns as counts; dead numbers masked.
    """
    if frame.empty:
        return "There is nothing of this in the journal."
    if "Text" not in frame.columns:
        by_campaign = "Status" in frame.columns
        shown = _by_campaign(frame) if by_campaign else frame.assign(SentTo=frame["SentTo"].map(mask_number))
        return shown.to_string(index=False, na_rep="")
    lines = []
    for row in frame.to_dict("records"):
        lines += [
            f"{told(row['StartedAt'].timestamp())}, campaign {row['Campaign']!r}: {row['Status']}"
            + "".join(f", {row[name]}" for name in ("ErrorCode", "DeliveryStatus") if isinstance(row[name], str)),
            *(f"    {line}" for line in (row["Text"].splitlines() if isinstance(row["Text"], str) else ["(not sent)"])),
        ]
    return "\n".join(lines)


def _by_campaign(frame: pd.DataFrame) -> pd.DataFrame:
    """How many rows each campaign has, and how many of each status and delivery status."""
    counts = [
        pd.crosstab(frame["Campaign"], frame[name]).reindex(frame["Campaign"].unique(), fill_value=0)
        for name in ("Status", "DeliveryStatus")
    ]
    rows = frame.groupby("Campaign", sort=False).size().rename("Rows")
    return pd.concat([rows, *counts], axis=1).rename_axis("Campaign").reset_index()


_DTYPES: Final = dict.fromkeys(COLUMNS, "str") | {
    "StartedAt": "datetime64[us, UTC]",
    "Parts": "Int64",
    "AcceptedAt": "datetime64[us, UTC]",
    "DeliveredAt": "datetime64[us, UTC]",
    "UnitsBilled": "Int64",
}


def _rows(
    campaign: Campaign, journal: str | os.PathLike[str] | None, texts: dict[str, dict[int, Kept]] | None
) -> pd.DataFrame:
    """The rows of one campaign; where `texts` are given, those alone, with their texts."""
    frame = filled(campaign_results(campaign.name, journal=journal))
    frame.insert(0, "Campaign", pd.Series(campaign.name, index=frame.index, dtype="str"))
    frame.insert(1, "StartedAt", pd.Timestamp(campaign.created_at, unit="s", tz="UTC").as_unit("us"))
    frame = frame[list(COLUMNS)].astype(_DTYPES)
    frame.attrs = {}
    if texts is None:
        return frame
    mine = texts[campaign.name]
    frame = frame.iloc[list(mine)]
    return frame.assign(Text=pd.array([_in_words(*one) for one in mine.values()], dtype="str"))


def _in_words(text: str | None, content: str | None) -> str | None:
    """What one row was sent, to be read: of an email its subject, the words of its body, the names of its files."""
    if text is None or content is None:
        return text
    subject, files = parsed(content)
    return "\n\n".join([subject, plain_words(text), *(f"[{file.name}]" for file in files)])


def _begins(since: date | datetime | str | None) -> float:
    """Seconds since 1970 of a date's beginning in London, or of a time."""
    if since is None:
        return float("-inf")
    moment: date | datetime | None = None
    if isinstance(since, str):
        try:
            moment = datetime.fromisoformat(since.strip())
        except ValueError:
            moment = None
    elif isinstance(since, date):
        moment = since
    if moment is None:
        raise OptionError(f"since must be a date such as 2026-11-01, not {since!r}.")
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return (moment if moment.tzinfo else moment.replace(tzinfo=LONDON)).timestamp()


def _address(number: str | None) -> str | None:
    if number is None:
        return None
    kind = EMAIL if "@" in str(number) else NUMBER
    found = kind.judge(pd.Series([number]), True).iloc[0]
    if not isinstance(found["SentTo"], str):
        raise OptionError(f"number cannot be looked up: {found['ErrorDetail']}")
    return found["SentTo"]
