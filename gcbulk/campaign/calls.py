"""Which messages go together in a call, and which rows share a message."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    _Numbers = np.ndarray[Any, np.dtype[np.int64]]


class Calls(NamedTuple):
    """For each row of a list the number of its call and of its message object; -1 where it is not sent."""

    numbers: _Numbers
    messages: _Numbers


def in_calls(
    whose: _Numbers,
    groups: _Numbers,
    *,
    chunk_size: int,
    sizes: _Numbers | None = None,
    most_bytes: int | None = None,
) -> tuple[_Numbers, _Numbers]:
    """For each row that is to be sent the number of its call and of its message object, in the order of the rows.

    A call is one customer's, `whose`; a message is that of one group. Both are numbered by which came first. A call
    has `chunk_size` recipients at the most; with `sizes` of the rows' emails, in bytes, no more than `most_bytes` of
    them either. What is larger by itself goes alone.
    """
    together = np.lexsort((groups, whose))
    whose, groups = whose[together], groups[together]
    if sizes is not None and most_bytes is not None:
        begins = _begins_by_size(whose, groups, sizes[together], chunk_size, most_bytes)
    else:
        order = np.arange(len(whose))
        another = np.flatnonzero(np.diff(whose, prepend=-1))
        begins = (order - np.repeat(another, np.diff(another, append=len(whose)))) % chunk_size == 0
    numbers, messages = np.empty((2, len(whose)), dtype=np.int64)
    numbers[together] = np.cumsum(begins) - 1
    messages[together] = np.cumsum(begins | (np.diff(groups, prepend=-1) != 0)) - 1
    return numbers, messages


def _begins_by_size(
    whose: _Numbers, groups: _Numbers, sizes: _Numbers, chunk_size: int, most: int
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where a call begins: no more emails in one, and no more bytes, a message that is shared counted once."""
    begins = np.zeros(len(sizes), dtype=bool)
    held = count = 0
    before = (-1, -1)
    for place, (*now, size) in enumerate(zip(whose.tolist(), groups.tolist(), sizes.tolist(), strict=True)):
        more = 0 if count and now[1] == before[1] else size
        if now[0] != before[0] or count >= chunk_size or (more and held + more > most):
            held, count, more = 0, 0, size
            begins[place] = True
        held, count, before = held + more, count + 1, (now[0], now[1])
    return begins


def client_refs(messages: _Numbers) -> list[str]:
    """A random reference for each message object, in the form of the vendor's example: a GUID."""
    total = int(messages.max(initial=-1)) + 1
    digits = os.urandom(16 * total).hex()
    refs = (digits[32 * n : 32 * n + 32] for n in range(total))
    return [f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in refs]
