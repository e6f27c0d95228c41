"""The stand-in itself: whom it knows, what it has taken in so far, and how long it listens."""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from gcbulk.sandbox.answers import Turn
from gcbulk.sandbox.customers import example_schools, tell
from gcbulk.sandbox.faults import FAULTS, fault_of, ordinary
from gcbulk.sandbox.messages import CHANNELS, PARTNER_ROUTE, channel_of, is_well_formed, read_message
from gcbulk.sandbox.news import Reporter
from gcbulk.sandbox.records import Call, CallbackPlan, Queued
from gcbulk.sandbox.web import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from gcbulk.sandbox.answers import Reply
    from gcbulk.sandbox.customers import Account, SandboxCustomer
    from gcbulk.sandbox.faults import Fault
    from gcbulk.sandbox.messages import Message
    from gcbulk.sandbox.records import Reported


class Sandbox:
    """A Communications API of one's own on 127.0.0.1, while a `with` block or `serve_forever` lasts.

    `port` 0 takes any free one. Times are in seconds: every answer waits for `latency`, the fault "hang"
    takes `hang_seconds` and "slow" `slow_seconds`. `on_call` sees each call before it is answered, in the
    thread that answers it, and may return the name of a fault for it (see `FAULTS`); on None the magic
    numbers decide. `callback_plan` says how delivery news is reported. `customers` are those of a partner, with
    `partner_key` and `style_class`; by default three schools that have not authorised it yet. Starting
    raises OSError where the port is taken.

    >>> with Sandbox() as sandbox:
    ...     sandbox.url.startswith("http://127.0.0.1:"), sandbox.queued
    (True, [])
    """

    def __init__(
        self,
        *,
        port: int = 0,
        latency: float = 0.0,
        hang_seconds: float = 60.0,
        slow_seconds: float = 2.0,
        on_call: Callable[[Call], str | None] | None = None,
        callback_plan: CallbackPlan | None = None,
        customer_id: str = "1469",
        api_key: str = "sandbox-key-not-secret",
        partner_key: str = "sandbox-partner-key-not-secret",
        style_class: str = "SandboxTrust",
        customers: Iterable[SandboxCustomer] | None = None,
    ) -> None:
        self.latency = latency
        self.hang_seconds = hang_seconds
        self.slow_seconds = slow_seconds
        self.customer_id = customer_id
        self.api_key = api_key
        self.partner_key = partner_key
        self.style_class = style_class
        self.customers = {one.id: one for one in (example_schools() if customers is None else customers)}
        self.logos_fetched: list[str] = []  # by customer: a partner has no reason to
        self._port = port
        self._on_call = on_call
        self._server: Server | None = None
        self._serving: threading.Thread | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._arrived = 0
        self._calls: list[Call] = []
        self._queued: list[Queued] = []
        self._unread: list[tuple[Any, ...]] = []  # what was queued since anybody looked: the fields of each
        self._seen: set[tuple[str, str, str]] = set()  # what has had its "once": fault, address, text
        self._reporter = Reporter(callback_plan or CallbackPlan())

    def __repr__(self) -> str:
        return f"<Sandbox on port {self._port} for customer {self.customer_id}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base address; with port 0 it is known once the sandbox has started."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def queued(self) -> list[Queued]:
        """Everyone who would have been contacted so far: one entry for each recipient queued."""
        with self._lock:
            self._queued += itertools.starmap(Queued, self._unread)
            self._unread.clear()
            return list(self._queued)

    @property
    def calls(self) -> list[Call]:
        """The API calls so far, in the order in which they came; a call under way is among them."""
        with self._lock:
            return sorted(self._calls, key=lambda call: call.number)

    @property
    def callbacks(self) -> dict[str, int]:
        """How many callbacks were delivered, failed, or ignored as they would have left this computer."""
        return self._reporter.outcomes

    @property
    def reported(self) -> list[Reported]:
        """The delivery news so far, that which was lost on purpose included; some may still be on its way."""
        return self._reporter.reported

    @property
    def callbacks_waiting(self) -> int:
        """How many callbacks are still to be made, or being made."""
        return self._reporter.waiting

    def start(self) -> None:
        """Listen and answer in background threads, until `stop`."""
        if self._server:
            raise RuntimeError("the sandbox is running already")
        with socket.create_server(("127.0.0.1", self._port), backlog=128) as listener:
            self._port = listener.getsockname()[1]
            self._server = Server(self, listener)
        self._stopping.clear()
        self._serving = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
        self._serving.start()
        self._reporter.start()

    def stop(self) -> None:
        """End at once, hanging and slow answers included; what was recorded stays. Stopping twice is fine."""
        server, self._server = self._server, None
        if server is None:
            return
        self._stopping.set()
        self._reporter.stop()
        server.shutdown()
        server.end_connections()
        if self._serving is not None:
            self._serving.join(timeout=1)

    def serve_forever(self) -> None:
        """Serve until Ctrl-C, or until another thread calls `stop`."""
        if not self._server:
            self.start()
        try:
            with contextlib.suppress(KeyboardInterrupt):
                while not self._stopping.wait(0.5):  # a wait without end could not be interrupted on Windows
                    pass
        finally:
            self.stop()

    def reset(self) -> None:
        """Forget calls, recipients, callbacks, and which faults have had their first time."""
        with self._lock:
            for memory in (self._calls, self._queued, self._unread, self._seen):
                memory.clear()
        self._reporter.reset()

    def authorise(self, customer_id: str, endpoint: str, *, account: Account = "Customer") -> int | None:
        """A customer lets the partner send for it, from now on under a new key; the partner is told at its endpoint.

        The HTTP status of the partner's answer, None where there was none. The old key is void at once, whether the
        partner was told or not. Raises ValueError for an endpoint that is not on this computer, and no such customer.
        """
        with self._lock:
            if customer_id not in self.customers:
                raise ValueError("There is no such customer.")
            one = self.customers[customer_id]
            one.api_key, one.authorised = f"sandbox-key-{secrets.token_hex(12)}", True
            body = one.told(account, f"{self.url}/sandbox/logo/{one.id}")
        return tell(endpoint, body)

    def revoke(self, customer_id: str) -> None:
        """A customer lets the partner send for it no longer; the partner is not told."""
        with self._lock:
            if customer_id in self.customers:
                self.customers[customer_id].authorised = False

    def answer(self, path: str, route: str, body: bytes) -> Reply:
        """Take a call in, and answer it; `route` is the end of its address."""
        with self._lock:
            self._arrived += 1
            number = self._arrived
        turn = self._begin(Call(number, datetime.now(UTC), path, []), route, body)
        fault = turn.call_fault()
        reply = (fault.call if fault and fault.call else ordinary)(turn)
        with self._lock:
            self._calls.append(replace(turn.call, fault=next(iter(turn.applied), None), status=reply.status))
        self.pause(self.latency)
        return reply

    def _begin(self, call: Call, route: str, body: bytes) -> Turn:
        """Read the call, and check its credentials and its shape; a single bad message spoils it."""
        try:
            root = json.loads(body.decode())
            data = root["messageData"]
        except (ValueError, TypeError, KeyError):
            root, data = {}, None
        objects = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
        # out of every one, good or bad, so that no record holds a key
        keys = [item.pop("Password", None) for item in objects]
        channel = CHANNELS[route] if route in CHANNELS else channel_of(objects)
        good = (
            isinstance(data, list)
            and len(data) == len(objects) > 0
            and all(self._is_key(route, item.get("CustomerId"), key) for item, key in zip(objects, keys, strict=True))
            and all(is_well_formed(item, channel) for item in objects)
        )
        if route == PARTNER_ROUTE and isinstance(root, dict):
            call = replace(call, style_class=str(root.get("styleClass")))
        unauthorised = self._unauthorised(root, objects) if good and route == PARTNER_ROUTE else frozenset()
        call = replace(call, messages=objects)
        name = self._on_call(call) if self._on_call else None
        messages = [read_message(item, channel) for item in objects] if good else []
        ticks = time.time_ns() // 100  # the API counts time in 100 ns, hence its seven decimals
        moment = datetime.fromtimestamp(ticks // 10**7, UTC)
        return Turn(
            sandbox=self,
            call=call,
            channel=channel,
            messages=messages,
            refused=not good,
            unauthorised=unauthorised,
            forced=FAULTS[name] if name else None,
            transmitted=f"{moment:%Y-%m-%dT%H:%M:%S}.{ticks % 10**7:07d}Z",
            id_stem=f"{moment:%Y%m%d}.{ticks:020d}",
        )

    def _is_key(self, route: str, customer_id: object, key: object) -> bool:
        """Whether this is the key of this customer: the sandbox's own, or by the partner's route one of a partner's."""
        if customer_id == self.customer_id:
            return key == self.api_key
        known = self.customers.get(customer_id) if isinstance(customer_id, str) and route == PARTNER_ROUTE else None
        return known is not None and key == known.api_key

    def _unauthorised(self, root: dict[str, Any], objects: list[dict[str, Any]]) -> frozenset[str]:
        """The customers of a partner's call for whom this partner may not send."""
        asked = {item["CustomerId"] for item in objects}
        if (root.get("PartnerKey"), root.get("styleClass")) != (self.partner_key, self.style_class):
            return frozenset(asked)
        return frozenset(one for one in asked if one not in self.customers or not self.customers[one].authorised)

    def record_queued(self, turn: Turn, message: Message, message_id: str) -> None:
        """Keep everyone whom a message reaches, and plan the news of them."""
        call, get = turn.call, message.fields.get
        given = get("Attachments") or ()
        files = tuple([(one["FileName"], one["Size"], one["Sha256"]) for one in given])
        sent = (message.text, get("ClientRef"), get("CustomerId"), get(turn.channel.sender), get("sendDateTime"))
        rest = (get("CallbackUrl"), call.number, call.at, get("EmailSubject"), files)
        queued = [(message_id, address, *sent, *rest) for address in message.addresses]  # as Queued has its fields
        with self._lock:
            self._unread += queued
        if get("CallbackUrl"):
            for one in itertools.starmap(Queued, queued):
                for status in (turn.forced or fault_of(one.recipient)).news:
                    self._reporter.plan(one, status)

    def is_due(self, fault: Fault, address: str, text: str) -> bool:
        """Whether a fault strikes: always, or once for each address and text."""
        if not fault.once:
            return True
        with self._lock:
            first = (fault.name, address, text) not in self._seen
            self._seen.add((fault.name, address, text))
        return first

    def pause(self, seconds: float) -> None:
        """Sleep, but no longer than until `stop`."""
        if seconds > 0:
            self._stopping.wait(seconds)
