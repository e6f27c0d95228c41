"""Watching delivery as it comes in: a progress bar, in a notebook a chart as well, until everything is settled."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from gcbulk.campaign.delivery import FINAL, filled
from gcbulk.campaign.history import campaign_results
from gcbulk.codes import DeliveryStatus
from gcbulk.errors import CampaignError
from gcbulk.progress import Progress
from gcbulk.recipients.kinds import kind_in

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import pandas as pd

WATCH_EVERY: Final = 2.0
"""Seconds between looks."""
WATCH_FOR: Final = 3_600.0
"""Seconds after which a watch ends though texts are still on their way: some news never comes."""


def watch(
    campaign: str,
    *,
    seconds: float = WATCH_FOR,
    journal: str | os.PathLike[str] | None = None,
    progress: bool = True,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> pd.DataFrame:
    """Show a campaign's delivery as it comes in, until nothing is on its way; returns the results then.

    A progress bar counts what has arrived, failed or expired; a notebook shows how it adds up as a chart too. It ends
    after `seconds` (an hour), or when it is interrupted: nothing is lost by that, and it can be called again.
    Raises CampaignError for a name that is not known, and for a campaign that nobody reports on.
    """
    results = filled(campaign_results(campaign, journal=journal))
    if results["DeliveryStatus"].isna().all():
        raise CampaignError(
            f"There is no delivery news of campaign {campaign!r} to watch: it was sent without callback_url "
            "(--callback-url), or nothing of it was accepted."
        )
    ends, chart = clock() + seconds, _Chart(enabled=progress)
    total = int(results["DeliveryStatus"].notna().sum())
    with Progress(total, "Delivery", unit=f"{kind_in(results['SentTo']).message}s", enabled=progress) as bar:
        before = dict.fromkeys(FINAL, 0)
        try:
            while True:
                now = _counts(results)
                news = {status.value: now[status] - before[status] for status in FINAL}
                if any(news.values()):
                    bar.add(sum(news.values()), **news)
                    chart.show(results)
                before = now
                if not results["DeliveryStatus"].eq(DeliveryStatus.PENDING.value).any() or clock() >= ends:
                    return results
                sleep(WATCH_EVERY)
                results = campaign_results(campaign, journal=journal)
        except KeyboardInterrupt:
            return results


def _counts(results: pd.DataFrame) -> dict[DeliveryStatus, int]:
    found = results["DeliveryStatus"].value_counts()
    return {status: int(found.get(status.value, 0)) for status in FINAL}


class _Chart:
    """The chart of a notebook, drawn again in its place; nothing elsewhere."""

    def __init__(self, *, enabled: bool) -> None:
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None and enabled else None
        self._ipython = ipython if shell is not None else None
        self._handle = None

    def show(self, results: pd.DataFrame) -> None:
        if self._ipython is None:
            return
        from gcbulk.campaign.plots import delivery_chart, png

        picture = self._ipython.display.Image(png(delivery_chart(results)))
        if self._handle is None:
            self._handle = self._ipython.display.display(picture, display_id=True)
        else:
            self._handle.update(picture)
