"""How one call travels: once, within a deadline, and with a record of whether its first byte ever left.

urllib3 raises the same exceptions before and after a request has begun, so its classes prove nothing. The
connections here write down, for the call at hand, that the request began; and they read every answer against
one deadline, however slowly its bytes arrive.
"""

from __future__ import annotations

import io
import ssl
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import truststore
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.retry import Retry

from gcbulk.api.credentials import is_loopback
from gcbulk.api.payloads import Body

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    import requests
    from urllib3.poolmanager import PoolManager, ProxyManager

IDLE_SECONDS: Final = 2.0
"""A connection that was idle for longer is not used again: the server may just be closing it."""
POOL_SIZE: Final = 64
MOST_JOINED: Final = 65_536
READ_AT_ONCE: Final = 65_536
"""Bytes that are taken from a socket in one go, where they are there: the answers of a hundred messages and more."""
MOST_BYTES: Final = 32 * 1024 * 1024


class DeadlineError(OSError):
    """Raised when an answer was not whole within the call's deadline."""


class SentOnceError(Exception):
    """Raised when something above us tries to send a call a second time."""


@dataclass(slots=True)
class CallRecord:
    """What is known of the call at hand. `deadline` is a monotonic time."""

    deadline: float
    clock: Callable[[], float] = time.monotonic
    began: bool = False
    sends: int = field(default=0)

    def left(self) -> float:
        """Seconds until the deadline; DeadlineError where there are none."""
        seconds = self.deadline - self.clock()
        if seconds <= 0:
            raise DeadlineError("the deadline has passed")
        return seconds


_CALL: ContextVar[CallRecord | None] = ContextVar("gcbulk_call", default=None)


@contextmanager
def recorded(seconds: float) -> Iterator[CallRecord]:
    """Everything that this thread sends in the block belongs to one call, with so many seconds to its end."""
    record = CallRecord(time.monotonic() + seconds)
    token = _CALL.set(record)
    try:
        yield record
    finally:
        _CALL.reset(token)


class _DeadlineReader(io.RawIOBase):
    """Reads from a socket, each read allowed no longer than the call has left."""

    def __init__(self, sock: socket.socket, record: CallRecord) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._record = record
        self._silence = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._record.left()
        self._sock.settimeout(left if self._silence is None else min(left, self._silence))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _DeadlineSocket:
    """As much of a socket as `http.client.HTTPResponse` uses."""

    def __init__(self, sock: socket.socket, record: CallRecord) -> None:
        self._sock, self._record = sock, record

    def makefile(self, _mode: str, *_rest: object) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._sock, self._record), READ_AT_ONCE)


class _Recording:
    """Mixed into urllib3's connections: notes the first byte of a request, and reads by the deadline."""

    sock: Any
    _connecting = False
    _held: list[bytes] | None = None
    _used_at = float("-inf")

    def connect(self) -> None:
        self._connecting = True  # what a proxy is told while connecting is not the request
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._connecting = False

    def request(self, *args: Any, **named: Any) -> None:
        """Send a request in one go: its head alone would be a packet of its own. A long body is not copied for that."""
        held: list[bytes] = []
        self._held = held
        try:
            super().request(*args, **named)  # type: ignore[misc]
        finally:
            self._held = None
        for piece in held if sum(map(len, held)) > MOST_JOINED else [Body(b"".join(held))]:
            self.send(piece)

    def send(self, data: Any) -> None:
        if self._held is not None:
            self._held.append(data)
            return
        record = _CALL.get()
        if record is not None and not self._connecting:
            if self.sock is None:
                self.connect()
            self.sock.settimeout(record.left())
            record.began = True
        super().send(data)  # type: ignore[misc]

    def response_class(self, sock: socket.socket, *rest: Any, **named: Any) -> HTTPResponse:
        """What http.client reads every answer with, a proxy's too."""
        record = _CALL.get()
        source = sock if record is None else _DeadlineSocket(sock, record)
        return HTTPResponse(source, *rest, **named)  # type: ignore[arg-type]

    def getresponse(self) -> Any:
        try:
            response = super().getresponse()  # type: ignore[misc]
        finally:
            self._used_at = time.monotonic()
        if response.status < 200:  # an interim answer: the real one may still come, and is nobody's then
            self.close()  # type: ignore[attr-defined]
        return response

    def is_stale(self, now: float) -> bool:
        """Whether it was idle for too long to be trusted with another request."""
        return now - self._used_at > IDLE_SECONDS


class _HTTPConnection(_Recording, HTTPConnection):  # type: ignore[misc]  # response_class is a method here
    """A plain connection (loopback only) that records."""


class _HTTPSConnection(_Recording, HTTPSConnection):  # type: ignore[misc]
    """A TLS connection that records."""


class _FreshPool:
    """Mixed into urllib3's pools: a connection that sat idle is closed, and a fresh one made in its place."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        if connection.sock is not None and connection.is_stale(time.monotonic()):
            connection.close()
        return connection


class _HTTPPool(_FreshPool, HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(_FreshPool, HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class OneShotAdapter(HTTPAdapter):
    """Sends each call at most once: no retries, no proxy for this machine, the system's certificates."""

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._latest: tuple[Any, Any] = (None, None)
        super().__init__(pool_maxsize=POOL_SIZE, max_retries=Retry(0, read=False, redirect=False))

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        options["ssl_context"] = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        super().init_poolmanager(*args, **options)
        _use_our_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> ProxyManager:
        with self._making:
            known = proxy in self.proxy_manager
            options["ssl_context"] = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            manager: ProxyManager = super().proxy_manager_for(proxy, **options)
            if not known:
                _use_our_pools(manager)
            return manager

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: bool | str | None, proxies: Any = None, cert: Any = None
    ) -> Any:
        """The pool for a call: that of the call before, where it went to the same address in the same manner."""
        manner = (request.url, verify, dict(proxies or {}), cert)
        known, pool = self._latest
        if manner != known:
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            self._latest = (manner, pool)
        return pool

    def close(self) -> None:
        self._latest = (None, None)
        super().close()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        record = _CALL.get()
        if record is not None:
            record.sends += 1
            if record.sends > 1 and record.began:
                raise SentOnceError("this call was sent already")
        return super().send(request, stream, timeout, verify, cert, {} if _stays_here(request.url or "") else proxies)


@lru_cache(maxsize=64)
def _stays_here(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


def _use_our_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
