"""What came of the texts that the platform took, row by row: the delivery columns of a results frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gcbulk.campaign.journal import News
from gcbulk.codes import DeliveryStatus, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

UNDELIVERED: Final = (DeliveryStatus.FAILED, DeliveryStatus.EXPIRED)
"""What is said of texts that did not arrive, and will not."""
FINAL: Final = (DeliveryStatus.DELIVERED, *UNDELIVERED)
"""After these nothing more is to come: a "sent" that comes later was only slower on its way to us."""
TAKEN: Final = (Status.ACCEPTED, Status.PARTLY_ACCEPTED)

_SAID_BY_THE_WORD: Final = {"delivered", "failed", "expired"}


def filled(results: pd.DataFrame) -> pd.DataFrame:
    """A results frame with its delivery columns, empty where nobody was to report on the campaign."""
    return results if "DeliveryStatus" in results.columns else with_delivery(results, [], awaited=False)


def with_delivery(results: pd.DataFrame, news: Iterable[News], *, awaited: bool = True) -> pd.DataFrame:
    """A results frame with its delivery columns, of the types that `campaign_results` names.

    Of several pieces of news about a row the newest counts, by the platform's clock, and a final one before one that
    is not. An accepted row that nothing was heard of yet is `pending` where news is `awaited`. DeliveryError is the
    platform's reason, or its own word where that is not ours; DeliveredAt is when delivery was first reported.
    """
    told = pd.DataFrame.from_records(list(news), columns=list(News._fields))
    told["final"] = told["delivery"].isin([d.value for d in FINAL])
    told = told.sort_values(["final", "happened_at"], kind="stable")
    newest = told.drop_duplicates("position", keep="last").set_index("position")
    rows = pd.RangeIndex(len(results))
    status = newest["delivery"].reindex(rows).astype(object)
    if awaited:
        taken = results["Status"].isin([s.value for s in TAKEN]).to_numpy(dtype=bool)
        status[taken & status.isna().to_numpy(dtype=bool)] = DeliveryStatus.PENDING.value
    word = newest["status"].where(~newest["status"].str.lower().isin(_SAID_BY_THE_WORD))
    reason = newest["error"].astype(object).where(newest["error"].notna(), word)
    reason = reason.where(~newest["delivery"].isin([DeliveryStatus.DELIVERED.value, DeliveryStatus.PENDING.value]))
    arrived = told[told["delivery"] == DeliveryStatus.DELIVERED.value].groupby("position")["happened_at"].min()
    arrived = arrived.reindex(rows).where((status == DeliveryStatus.DELIVERED.value).to_numpy(dtype=bool))
    units = told.dropna(subset="units").drop_duplicates("position", keep="last").set_index("position")["units"]
    frame = results.copy()
    frame["DeliveryStatus"] = pd.array(status.to_numpy(dtype=object), dtype="str")
    frame["DeliveredAt"] = pd.to_datetime(arrived.to_numpy(dtype=float), unit="s", utc=True).as_unit("us")
    frame["DeliveryError"] = pd.array(reason.reindex(rows).to_numpy(dtype=object), dtype="str")
    frame["UnitsBilled"] = pd.array(units.reindex(rows).to_numpy(dtype=float, na_value=np.nan), dtype="Int64")
    return frame


def undelivered(results: pd.DataFrame) -> pd.DataFrame:
    """The rows of a results frame with delivery news whose text did not arrive, and will not."""
    return results[results["DeliveryStatus"].isin([d.value for d in UNDELIVERED]).to_numpy(dtype=bool)]
