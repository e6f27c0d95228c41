"""Delivery news: what callbacks report of each recipient, when, how often, and in which shape."""

from __future__ import annotations

import contextlib
import heapq
import http.client
import json
import math
import random
import re
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from gcbulk.sandbox.answers import JSON
from gcbulk.sandbox.customers import is_loopback
from gcbulk.sandbox.records import Reported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcbulk.sandbox.records import CallbackPlan, Queued


Shape = Literal["json", "parameters"]


class News(NamedTuple):
    """A piece of delivery news to be brought once `due` (monotonic seconds); equal ones in the order of `order`."""

    due: float
    order: int
    queued: Queued
    status: str
    shape: Shape


def _parameters(news: News, units: int) -> dict[str, object]:
    """What a placeholder of each name stands for."""
    queued = news.queued
    return {
        "sentid": queued.message_id.partition("-")[0],
        "contactid": "",
        "externalid": "",
        "clientref": queued.client_ref or "",
        "recipient": queued.recipient,
        "status": news.status,
        "err": "Absent subscriber" if news.status == "Failed" else "",
        "units": units,
    }


def _fill(url: str, values: Mapping[str, object]) -> str:
    """Put the values in the place of `{sentid}` and the like; unknown placeholders stay."""
    return re.sub(r"\{(\w+)\}", lambda found: quote(str(values.get(found[1], found[0])), safe=""), url)


def call_back(news: News) -> str:
    """Bring one piece of delivery news: "delivered", "failed" or "ignored" (not loopback)."""
    queued = news.queued
    units = math.ceil(len(queued.text) / 153) if len(queued.text) > 160 else 1  # near enough for a sandbox
    body = {
        "MessageId": queued.message_id,
        "Status": news.status,
        "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z",
        "Recipient": queued.recipient,
        "ClientRef": queued.client_ref,
        "Units": units,
        "CustomerId": queued.customer_id,
    }
    values = _parameters(news, units)
    url = queued.callback_url or ""
    try:
        # checked after filling in: a placeholder may stand in the host. http.client knows neither proxies
        # nor redirects, so nothing leads away from here.
        parts = urlsplit(_fill(url, values))
        if parts.scheme != "http" or not is_loopback(parts.hostname):
            return "ignored"
        query = parts.query
        if news.shape == "parameters" and "{" not in url:  # an address that names none gets all of them
            query = f"{query}&{urlencode(values)}".lstrip("&")
        target = (parts.path or "/") + (f"?{query}" if query else "")
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
        with contextlib.closing(connection):
            if news.shape == "parameters":
                connection.request("GET", target)
            else:
                connection.request("POST", target, json.dumps(body).encode(), JSON)
            return "delivered" if connection.getresponse().status < 400 else "failed"
    except (OSError, http.client.HTTPException, ValueError):
        return "failed"


class Reporter:
    """Brings the news of one sandbox, with a thread for each connection that its plan allows."""

    def __init__(self, plan: CallbackPlan) -> None:
        self._plan = plan
        self._chance = random.Random(plan.seed)  # noqa: S311 - a test wants the same chances again
        self._order = count()
        self._coming: list[News] = []  # a heap
        self._came = threading.Condition()
        self._bringing = 0
        self._stopping = False
        self._reported: list[Reported] = []
        self._outcomes: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []

    @property
    def reported(self) -> list[Reported]:
        """The news so far, that which was lost on purpose included."""
        with self._came:
            return list(self._reported)

    @property
    def outcomes(self) -> dict[str, int]:
        """How many callbacks were delivered, failed, or ignored as they would have left this computer."""
        with self._came:
            return {outcome: self._outcomes[outcome] for outcome in ("delivered", "failed", "ignored")}

    @property
    def waiting(self) -> int:
        """How many callbacks are still to be made, or being made."""
        with self._came:
            return len(self._coming) + self._bringing

    def start(self) -> None:
        """Bring what is planned from now on, when it is due, until `stop`."""
        self._stopping, self._coming = False, []
        self._threads = [
            threading.Thread(target=self._report, name=f"sandbox-callbacks-{number}", daemon=True)
            for number in range(self._plan.connections)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End at once; what has not been brought by now never is."""
        with self._came:
            self._stopping = True
            self._came.notify_all()
        for thread in self._threads:
            thread.join(timeout=1)

    def reset(self) -> None:
        """Forget what was reported."""
        with self._came:
            self._reported.clear()
            self._outcomes.clear()

    def plan(self, queued: Queued, status: str) -> None:
        """Decide how a piece of news is brought: now, later, twice, or never."""
        plan, chance = self._plan, self._chance
        with self._came:
            times = 0 if chance.random() < plan.lost else 2 if chance.random() < plan.doubled else 1
            early = times > 0 and chance.random() < plan.early
            due = [time.monotonic() + chance.uniform(*plan.delay) for _ in range(times)]
            order = [next(self._order) for _ in range(times)]
            self._reported.append(
                Reported(queued.message_id, queued.recipient, queued.client_ref, status, times, early)
            )
        shapes: tuple[Shape, ...] = ("json", "parameters") if plan.shape == "both" else (plan.shape,)
        news = [
            News(when, number, queued, status, shapes[number % len(shapes)])
            for when, number in zip(due, order, strict=True)
        ]
        if early:
            self._bring(news.pop(0))
        with self._came:
            for one in news:
                heapq.heappush(self._coming, one)
            self._came.notify_all()

    def _report(self) -> None:
        while (news := self._next()) is not None:
            self._bring(news)
            with self._came:
                self._bringing -= 1

    def _next(self) -> News | None:
        with self._came:
            while not self._stopping:
                wait = self._coming[0].due - time.monotonic() if self._coming else None
                if wait is not None and wait <= 0:
                    self._bringing += 1
                    return heapq.heappop(self._coming)
                self._came.wait(wait)
            return None

    def _bring(self, news: News) -> None:
        outcome = call_back(news)
        with self._came:
            self._outcomes[outcome] += 1
