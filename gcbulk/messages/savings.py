"""What the parts cost, and where they come from: the rows that tip into another part, why, and what would save it."""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gcbulk.messages.blame import THE_MESSAGE, tipped_by_characters
from gcbulk.messages.findings import Batch, Finding, are, costing, do
from gcbulk.messages.parts import room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcbulk.messages.options import TextOptions

    _Numbers = np.ndarray[Any, np.dtype[np.int64]]

SHORTENED_BY: Final = 40
"""How many characters less are looked at, when it is said what shortening would save."""


def savings(batch: Batch, options: TextOptions) -> list[Finding]:
    """Name the rows that tip into another part, the character or column that does it, and what shortening saves."""
    at = np.flatnonzero(batch.sent)
    if not len(at):
        return []
    by_characters, tipped = tipped_by_characters(batch, at, options)
    rest = at[~tipped]
    return [*by_characters, *_tipped_by_length(batch, rest, options), *_shortening(batch, at, options)]


def _tipped_by_length(batch: Batch, at: _Numbers, options: TextOptions) -> Iterator[Finding]:
    """Rows that take more parts than most, and the column that is longer in them than in most."""
    parts = batch.counts["Parts"].to_numpy()[at]
    if not len(parts) or not (usual := int(np.bincount(parts).argmax())) or not (parts > usual).any():
        return
    rows = at[parts > usual]
    where = pa.array(rows)
    excess, labels = [], []
    for label, column in zip(batch.cells.labels, batch.cells.columns, strict=True):
        lengths = pc.fill_null(pc.utf8_length(column), 0).to_numpy(zero_copy_only=False)
        excess.append(pc.fill_null(pc.utf8_length(column.take(where)), 0).to_numpy() - int(np.median(lengths[at])))
        labels.append(f"column {label}")
    longest = np.argmax(np.vstack([np.zeros(len(rows), dtype=np.int64), *excess]), axis=0)
    over = _overshoot(batch, rows)
    for place, source in enumerate([THE_MESSAGE, *labels]):
        chosen = longest == place
        if not chosen.any():
            continue
        more = int((batch.counts["Parts"].to_numpy()[rows[chosen]] - usual).sum())
        yield Finding.counted(
            "long_field",
            "note",
            tuple(rows[chosen].tolist()),
            lambda n, more, nearest, source=source, usual=usual: (
                f"{do(n, 'text', 'tip')} into another part by the length of {source}: "
                f"{are(more, 'part')} more than the usual {usual}{costing(more, options)}. "
                f"The nearest is {are(nearest, 'character')} too long."
            ),
            about=(source, usual),
            more=(more, add),
            nearest=(int(over[chosen].min()), min),
        )


def _shortening(batch: Batch, at: _Numbers, options: TextOptions) -> Iterator[Finding]:
    """What a shorter message would save: as few characters as save the most, up to SHORTENED_BY."""
    several = at[batch.counts["Parts"].to_numpy()[at] > 1]
    over = _overshoot(batch, several)
    near = over <= SHORTENED_BY
    several, over = several[near], over[near]
    if len(over):
        yield Finding.counted(
            "shorten",
            "note",
            tuple(several.tolist()),
            lambda n, by: (
                f"Shortening the message by {are(by, 'character')} would save {are(n, 'part')}{costing(n, options)}."
            ),
            by=(int(over.max()), max),
        )


def _overshoot(batch: Batch, rows: _Numbers) -> _Numbers:
    """How many units each text is above what one part less would hold."""
    counts = batch.counts.iloc[rows]
    parts = counts["Parts"].to_numpy()
    over: _Numbers = counts["Units"].to_numpy() - room(counts["Encoding"].to_numpy(), parts - 1)
    return np.maximum(over, 1)
