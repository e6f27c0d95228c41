"""Which row of a list was the first of its text, where the list is larger than memory.

What was seen is kept in a scratch database that the operating system takes away with the process. It holds no
number and no text: only hashes with a secret that this process alone knows, and never writes down.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    _Numbers = np.ndarray[Any, np.dtype[np.int64]]

_KEY: Final = 16  # bytes of a hash: two contents of one hash are not to be met with in any list
_CACHE_KIB: Final = 32_768
_ASKED_AT_ONCE: Final = 500


class Firsts:
    """The first position of each key, however many there are, in memory that does not grow. Close it after use."""

    def __init__(self) -> None:
        self._secret = os.urandom(32)
        self._scratch = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._scratch.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        self._scratch.execute("PRAGMA journal_mode=OFF")
        self._scratch.execute("PRAGMA synchronous=OFF")
        self._scratch.execute(
            "CREATE TABLE firsts (key BLOB PRIMARY KEY, position INTEGER NOT NULL, other BLOB) WITHOUT ROWID"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _where: TracebackType | None) -> None:
        self._scratch.close()

    def first_of(self, keys: Sequence[str], positions: _Numbers, others: Sequence[str] | None = None) -> _Numbers:
        """For each key the position at which it came first, in this piece or an earlier one.

        `positions` rise, from piece to piece too. `others` may be told of each first, to be asked `differ` for.
        """
        if not len(keys):
            return positions
        codes, different = pd.factorize(np.asarray(keys, dtype=object))
        at = np.flatnonzero(~pd.Series(codes).duplicated().to_numpy())
        hashes = [self._hash(key) for key in different]
        told = [None] * len(at) if others is None else [self._hash(others[place]) for place in at.tolist()]
        first = positions[at]
        rows = sorted(zip(hashes, first.tolist(), told, strict=True))  # in order, each page is met with once
        before = self._scratch.total_changes
        self._scratch.execute("BEGIN")
        self._scratch.executemany("INSERT OR IGNORE INTO firsts VALUES (?, ?, ?)", rows)
        self._scratch.execute("COMMIT")
        if self._scratch.total_changes - before < len(rows):
            known = self._known(hashes, int(positions[0]))
            first = np.array([known.get(key, own) for key, own in zip(hashes, first.tolist(), strict=True)], np.int64)
        found: _Numbers = first[codes]
        return found

    def differ(self, keys: Sequence[str], others: Sequence[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether what was told of each key's first is something else."""
        asked = "SELECT other FROM firsts WHERE key = ?"
        pairs = zip(keys, others, strict=True)
        found = [
            self._scratch.execute(asked, (self._hash(key),)).fetchone()[0] != self._hash(one) for key, one in pairs
        ]
        return np.array(found, dtype=bool)

    def __len__(self) -> int:
        with closing(self._scratch.execute("SELECT count(*) FROM firsts")) as found:
            return int(found.fetchone()[0])

    def _known(self, hashes: Sequence[bytes], before: int) -> dict[bytes, int]:
        """Those of the keys that came in an earlier piece, and where."""
        known: dict[bytes, int] = {}
        for start in range(0, len(hashes), _ASKED_AT_ONCE):
            some = hashes[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(some))
            asked = f"SELECT key, position FROM firsts WHERE key IN ({marks}) AND position < {before}"  # noqa: S608 - marks and a number
            known.update(self._scratch.execute(asked, some).fetchall())
        return known

    def _hash(self, key: str) -> bytes:
        return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_KEY, key=self._secret).digest()
