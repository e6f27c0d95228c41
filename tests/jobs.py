"""Real processes that send, to be killed: each starts from a server process that has pandas loaded already."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd

import gcbulk
from gcbulk.api import retry
from gcbulk.campaign import sending, starting
from gcbulk.campaign.journal import transactions
from gcbulk.errors import JournalLostError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from gcbulk.sandbox import Sandbox

JOURNAL_LOST = 3
MESSAGE = "Dear {{ name }}, school is closed today."


def people(count: int, *, first: int = 0) -> pd.DataFrame:
    """Invented parents with numbers made in memory, each with a text of their own."""
    return pd.DataFrame(
        {
            "name": [f"Parent {number}" for number in range(first, first + count)],
            "mobile": [f"074{number:08}" for number in range(first, first + count)],
            "email": [f"parent{number}@example.org" for number in range(first, first + count)],
        }
    )


def expected_texts(count: int, *, first: int = 0, channel: str = "sms") -> dict[str, str]:
    """Which number, or address, is to get which text."""
    to, text = {
        "sms": ("+4474{n:08}", "Dear Parent {n}, school is closed today."),
        "email": ("parent{n}@example.org", "<p>Dear Parent {n}, school is closed today.</p>"),
    }[channel]
    return {to.format(n=n): text.format(n=n) for n in range(first, first + count)}


SENDERS = {
    "sms": lambda recipients, **options: gcbulk.send_sms(recipients, MESSAGE, **options),
    "email": lambda recipients, **options: gcbulk.send_email(recipients, "News", MESSAGE, **options),
}


def send(url: str, key: str, journal: str, rows: int, options: dict[str, Any]) -> None:
    """Send to `rows` people; runs in a process of its own. Exits with 3 where the journal was lost."""
    os.environ.update(GCBULK_BASE_URL=url, GCBULK_CUSTOMER_ID="1469", GCBULK_API_KEY=key)
    transactions.AWAY_SECONDS = options.pop("away", transactions.AWAY_SECONDS)  # type: ignore[misc]
    lease = options.pop("lease", None)
    deliver = SENDERS[options.pop("channel", "sms")]
    if lease is not None:
        starting.lease = lambda _client: lease
    retry.FIRST_WAIT, retry.MOST_WAIT = 0.002, 0.01  # type: ignore[misc]
    sending.ELSEWHERE_POLL = 0.05  # type: ignore[misc]
    with contextlib.redirect_stderr(None), warnings.catch_warnings(action="ignore"):
        try:
            deliver(people(rows), journal=journal, progress=False, **options)
        except JournalLostError:
            sys.exit(JOURNAL_LOST)


def started(sandbox: Sandbox, journal: str, rows: int, **options: Any) -> BaseProcess:
    """A process that sends, started."""
    method = "spawn" if sys.platform == "win32" else "forkserver"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["gcbulk.campaign.run", "gcbulk.sandbox", "tests.warm"])
    process = context.Process(target=send, args=(sandbox.url, sandbox.api_key, journal, rows, options))
    process.start()
    return process
