"""What a SQLite journal's write-ahead log holds goes into its file beside the calls, not within the commit of one.

SQLite does that by itself in whatever commit finds the log long, and every call waits for that one meanwhile. It still
does where nobody does it here. Source: https://www.sqlite.org/wal.html#performance_considerations.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from gcbulk.campaign.journal.addresses import file_of
from gcbulk.campaign.journal.opening import reach_the_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import URL

logger = logging.getLogger("gcbulk")

EVERY: Final = 0.5
"""Seconds between checkpoints: long enough for many writes of one page to become one, short enough to write little."""
_PASSES: Final = 3


@contextmanager
def checkpoints(url: URL) -> Iterator[None]:
    """Write the log of a journal to its file every now and then for the length of the block, in a thread.

    Nobody ever waits for that (PRAGMA wal_checkpoint(PASSIVE)). A journal on a server or in memory has no such log.
    """
    path = file_of(url)
    if path is None:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_work, args=(path, ended), name="gcbulk-checkpoints", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _work(path: Path, ended: threading.Event) -> None:
    address = f"{path.absolute().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=0, isolation_level=None)) as beside:
            reach_the_disk(beside)
            while not ended.wait(EVERY):
                _checkpoint(beside)
    except sqlite3.Error as error:  # which the next claim meets too, and puts into words
        logger.debug("The journal's log is left to its commits: %s", type(error).__name__)


def _checkpoint(beside: sqlite3.Connection) -> None:
    """Write the whole log, what is committed meanwhile too: only behind that does it begin anew."""
    for _ in range(_PASSES):
        _busy, frames, written = beside.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if written == frames:
            return
