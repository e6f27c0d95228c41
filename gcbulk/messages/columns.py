"""Whole columns of texts, between pandas and Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STR: Final = pd.StringDtype(na_value=np.nan)
CHUNK: Final = 65_536
"""Texts worked on at once: what they need on the way is then small beside the texts themselves."""


def to_arrow(texts: pd.Series[str]) -> pa.Array:
    """Return a column as one Arrow array of `large_string`, null where it is NaN."""
    arrow = pa.array(texts.astype(STR), pa.large_string(), from_pandas=True)
    return arrow.combine_chunks() if isinstance(arrow, pa.ChunkedArray) else arrow


def chunks(texts: pd.Series[str]) -> Iterator[pa.Array]:
    """Yield a column piece by piece, CHUNK texts in each, without a copy of the whole."""
    arrow = pa.array(texts.astype(STR), pa.large_string(), from_pandas=True)
    for start in range(0, len(arrow), CHUNK):
        piece = arrow.slice(start, CHUNK)
        yield piece.combine_chunks() if isinstance(piece, pa.ChunkedArray) else piece


def to_pandas(words: pa.Array | Sequence[pa.Array], index: pd.Index | None = None) -> pd.Series[str]:
    """Return an Arrow array, or several that follow each other, as a column of dtype `str`."""
    arrow = words if isinstance(words, pa.Array) else pa.chunked_array(words, pa.large_string())
    series: pd.Series[str] = arrow.to_pandas(types_mapper={pa.large_string(): STR}.get)
    return series if index is None else series.set_axis(index)
