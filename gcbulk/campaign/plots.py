"""Charts of results (matplotlib's home)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcbulk.codes import Status

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
    """A bar for each status and reason of `Overview.counts`; no pyplot, so that any thread may draw."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    labels = [
        status if code != code else f"{status}: {code}"
        for status, code in zip(counts["Status"], counts["ErrorCode"], strict=True)
    ]
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
