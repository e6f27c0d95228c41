"""What the parts cost, and where they come from: the rows that tip into another part, why, and what would save it."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gcbulk.messages.characters import plain
from gcbulk.messages.columns import to_arrow, to_pandas
from gcbulk.messages.findings import Batch, Finding, are
from gcbulk.messages.parts import OUTSIDE_GSM, composed, count_parts, outside_gsm, room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcbulk.messages.options import TextOptions

    _Numbers = np.ndarray[Any, np.dtype[np.int64]]

SHORTENED_BY: Final = 40
"""How many characters less are looked at, when it is said what shortening would save."""
_NAMED_CHARACTERS: Final = 8
_THE_MESSAGE: Final = "the message itself"


def pounds_and_pence(amount: Decimal) -> str:
    """Write a sum of money; pence to two places, or as many as it takes.

    >>> pounds_and_pence(Decimal("1234.5")), pounds_and_pence(Decimal("0.035"))
    ('£1,234.50', '£0.035')
    """
    return f"£{amount:,.2f}" if amount == amount.quantize(Decimal("0.01")) else f"£{amount.normalize():,f}"


def savings(batch: Batch, options: TextOptions) -> list[Finding]:
    """Name the rows that tip into another part, the character or column that does it, and what shortening saves."""
    at = np.flatnonzero(batch.sent)
    if not len(at):
        return []
    by_characters, tipped = _tipped_by_characters(batch, at, options)
    rest = at[~tipped]
    return [*by_characters, *_tipped_by_length(batch, rest, options), *_shortening(batch, at, options)]


def _tipped_by_characters(batch: Batch, at: _Numbers, options: TextOptions) -> tuple[list[Finding], Any]:
    """Rows that take more parts because of characters that are in neither GSM table; and which they are."""
    ucs2 = batch.counts["Encoding"].to_numpy()[at] == "UCS-2"
    tipped = np.zeros(len(at), dtype=bool)
    if not ucs2.any():
        return [], tipped
    some = at[ucs2]
    texts = batch.rendered.frame["Text"].iloc[some]
    without = to_pandas(pc.replace_substring_regex(to_arrow(texts), OUTSIDE_GSM, "x"))
    fewer = count_parts(without, header_length=options.header_length)["Parts"].to_numpy()
    saved = batch.counts["Parts"].to_numpy()[some] - fewer
    tipped[ucs2] = saved > 0
    rows, saved, characters = some[saved > 0], saved[saved > 0], outside_gsm(texts)[saved > 0].tolist()
    found = []
    for source, places in _by_source(batch, rows, options).items():
        used = dict.fromkeys("".join(characters[place] for place in places))
        shown = " ".join(list(used)[:_NAMED_CHARACTERS]) + " ..." * (len(used) > _NAMED_CHARACTERS)
        parts = int(saved[places].sum())
        found.append(
            Finding(
                "dear_characters",
                "note",
                f"{are(len(places), 'text')} with {shown} from {source} take {are(parts, 'part')} more"
                f"{_costing(parts, options)} than without: such characters leave room for 70 in a part, not 160.",
                tuple(rows[places].tolist()),
            )
        )
    return found, tipped


def _by_source(batch: Batch, rows: _Numbers, options: TextOptions) -> dict[str, list[int]]:
    """Where the characters outside the GSM tables come from: places in `rows` by source."""

    def outside(words: pa.Array) -> Any:
        sent = composed(plain(words)[0] if options.smart_characters == "replace" else words)
        return pc.fill_null(pc.match_substring_regex(sent, OUTSIDE_GSM), False).to_numpy(zero_copy_only=False)

    names: list[list[str]] = [[] for _ in rows]
    where = pa.array(rows)
    for label, column in zip(batch.cells.labels, batch.cells.columns, strict=True):
        for place in np.flatnonzero(outside(column.take(where))).tolist():
            names[place].append(f"column {label}")
    found: defaultdict[str, list[int]] = defaultdict(list)
    in_message = outside(pa.array(["".join(batch.template.reading.words)], pa.large_string())).any()
    for place, sources in enumerate(names):
        found[_THE_MESSAGE if in_message or not sources else " and ".join(sources)].append(place)
    return dict(found)


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
    for place, source in enumerate([_THE_MESSAGE, *labels]):
        chosen = longest == place
        if not chosen.any():
            continue
        more = int((batch.counts["Parts"].to_numpy()[rows[chosen]] - usual).sum())
        yield Finding(
            "long_field",
            "note",
            f"{are(int(chosen.sum()), 'text')} tip into another part by the length of {source}: "
            f"{are(more, 'part')} more than the usual {usual}{_costing(more, options)}. "
            f"The nearest is {are(int(over[chosen].min()), 'character')} too long.",
            tuple(rows[chosen].tolist()),
        )


def _shortening(batch: Batch, at: _Numbers, options: TextOptions) -> Iterator[Finding]:
    """What a shorter message would save: as few characters as save the most, up to SHORTENED_BY."""
    several = at[batch.counts["Parts"].to_numpy()[at] > 1]
    over = _overshoot(batch, several)
    over = over[over <= SHORTENED_BY]
    if len(over):
        yield Finding(
            "shorten",
            "note",
            f"Shortening the message by {are(int(over.max()), 'character')} would save {are(len(over), 'part')}"
            f"{_costing(len(over), options)}.",
        )


def _overshoot(batch: Batch, rows: _Numbers) -> _Numbers:
    """How many units each text is above what one part less would hold."""
    counts = batch.counts.iloc[rows]
    parts = counts["Parts"].to_numpy()
    over: _Numbers = counts["Units"].to_numpy() - room(counts["Encoding"].to_numpy(), parts - 1)
    return np.maximum(over, 1)


def _costing(parts: int, options: TextOptions) -> str:
    return f" ({pounds_and_pence(parts * options.price)})" if options.price else ""
