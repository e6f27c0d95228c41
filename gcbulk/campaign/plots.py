"""Charts of results (matplotlib's home)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np

from gcbulk.codes import DeliveryStatus, Status
from gcbulk.recipients.kinds import kind_in

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# Told apart without colour too: every bar carries its own words.
COLOURS: Final = {
    Status.READY: "#2f6f9f",
    Status.ACCEPTED: "#2e7d4f",
    Status.PARTLY_ACCEPTED: "#7fae6a",
    Status.DUPLICATE: "#8a8f98",
    Status.OPTED_OUT: "#b3b7bd",
    Status.INVALID: "#c77700",
    Status.REJECTED: "#b3402a",
    Status.NOT_SENT: "#7a5ea8",
    Status.UNKNOWN: "#1f1f1f",
}


def bar_chart(counts: pd.DataFrame) -> Figure:
    """A bar for each row of `Overview.counts_in_words`; no pyplot, so that any thread may draw."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    words = counts["Status"].str.replace("_", " ")
    labels = words.where(counts["Reason"] == "", words + ": " + counts["Reason"])
    figure = Figure(figsize=(7.5, 0.8 + 0.34 * max(len(counts), 1)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(labels, counts["Rows"], color=[COLOURS[Status(status)] for status in counts["Status"]], height=0.7)
    axes.bar_label(bars, labels=[f" {rows:,}" for rows in counts["Rows"]], fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("rows")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


DOTS_PER_INCH: Final = 110
_DELIVERED: Final = "#2e7d4f"
_ALL: Final = "#8a8f98"


def delivery_chart(results: pd.DataFrame) -> Figure:
    """How many texts or emails had been delivered by when, of a results frame with delivery news.

    Times are London's, and begin with the first that was accepted. No pyplot, so that any thread may draw.
    """
    from matplotlib import dates
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    arrived = results.loc[results["DeliveryStatus"] == DeliveryStatus.DELIVERED.value, "DeliveredAt"]
    times = arrived.dropna().sort_values().dt.tz_convert("Europe/London").dt.tz_localize(None).to_numpy()
    accepted = int(results["AcceptedAt"].notna().sum())
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    axes = figure.subplots()
    if len(times):
        began = results["AcceptedAt"].min().tz_convert("Europe/London").tz_localize(None).to_numpy()
        steps = np.concatenate([[min(began, times[0])], times])
        axes.step(steps, np.arange(len(steps)), where="post", color=_DELIVERED)
        locator = dates.AutoDateLocator()  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.axhline(accepted, color=_ALL, linestyle="--", linewidth=1)
    axes.set_title(
        f"{len(times):,} of {accepted:,} accepted {kind_in(results['SentTo']).message}s delivered", fontsize=10
    )
    axes.set_ylim(0, max(1, accepted) * 1.08)
    axes.set_xlabel("UK time", fontsize=9)
    axes.set_ylabel("delivered")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def png(figure: Figure) -> bytes:
    """A chart as a picture, which needs nothing to be shown."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DOTS_PER_INCH)
    return picture.getvalue()
