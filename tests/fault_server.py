"""A server on 127.0.0.1 that speaks raw bytes, to go wrong in every way that a network can.

It shares nothing with the sandbox: that one knows the API, this one knows sockets. A script says what is
done with each request as it comes; whatever comes after the script's end is answered as the API would.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence
    from types import TracebackType

PATIENCE = 20.0
"""Seconds after which a test that waits for this server has failed."""


# -- what was received, and how the API would answer it


@dataclass(frozen=True, slots=True)
class Received:
    """One whole request. `connection` counts the connections from 1."""

    connection: int
    line: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def path(self) -> str:
        return self.line.split(" ")[1]

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(json.loads(self.body)["messageData"])

    @property
    def refs(self) -> list[str | None]:
        return [message.get("ClientRef") for message in self.messages]


def faithful(request: Received) -> list[dict[str, Any]]:
    """What the API says where it queues every message."""
    return [
        {
            "WarningMessages": [],
            "errorMsg": f"OK {len(message['Recipients'])} messages queued for sending",
            "MessageSentId": 0,
            "MessageId": f"1469.20250704.{secrets.token_hex(16)}",
            "statusMsg": "In Queue",
            "transmitDateTime": "2025-07-04T17:28:54.5859378Z",
            "ClientRef": message.get("ClientRef"),
        }
        for message in request.messages
    ]


def http(
    body: object = b"",
    *,
    status: str = "200 OK",
    version: str = "HTTP/1.1",
    headers: dict[str, str] | None = None,
    sized: bool = True,
) -> bytes:
    """An HTTP answer as bytes; `sized`: with a Content-Length. A body that is no bytes goes out as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Type": "application/json; charset=utf-8"} | (headers or {})
    if sized:
        lines["Content-Length"] = str(len(content))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{version} {status}\r\n{head}\r\n".encode("latin-1") + content


def chunked(body: bytes, size: int = 40) -> bytes:
    """A faithful answer's head, and its body in chunks."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return http(b"", headers={"Transfer-Encoding": "chunked"}, sized=False) + framed + b"0\r\n\r\n"


# -- behaviours: what is done with one request


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on its connection; `request` is None where it was not read."""

    server: FaultServer
    sock: socket.socket
    request: Received | None

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait, but no longer than until the server stops; whether it stopped."""
        return self.server.stopping.wait(seconds)

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.sock.close()


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`reads`: the request is read first. `keeps`: the connection then waits for another request."""

    name: str
    act: Callable[[Exchange], object]
    reads: bool = True
    keeps: bool = False

    def __str__(self) -> str:
        return self.name


Make = bytes | Callable[[Received], bytes]


def _made(make: Make, exchange: Exchange) -> bytes:
    assert exchange.request is not None
    return make if isinstance(make, bytes) else make(exchange.request)


def whole(request: Received) -> bytes:
    """The bytes of the API's ordinary answer."""
    return http(faithful(request))


def reply(make: Make, *, keeps: bool = False, name: str = "reply") -> Behaviour:
    """Send these bytes, or those made from the request, and close (or keep the connection)."""
    return Behaviour(name, lambda exchange: exchange.send(_made(make, exchange)), keeps=keeps)


def cut(at: int, make: Make = whole) -> Behaviour:
    """Close in mid-answer, after so many bytes; a negative number counts from the answer's end."""
    return Behaviour(f"cut at {at}", lambda exchange: exchange.send(_made(make, exchange)[:at]))


def dribble(seconds: float, make: Make = whole) -> Behaviour:
    """Send one byte every so many seconds."""

    def act(exchange: Exchange) -> None:
        data = _made(make, exchange)
        for start in range(len(data)):
            exchange.send(data[start : start + 1])
            if exchange.wait(seconds):
                return

    return Behaviour("dribble", act)


def pause(seconds: float, make: Make = whole) -> Behaviour:
    """Say nothing for a time, then answer whole."""

    def act(exchange: Exchange) -> None:
        if not exchange.wait(seconds):
            exchange.send(_made(make, exchange))

    return Behaviour("pause", act, keeps=True)


def _in_mid_body(exchange: Exchange) -> None:
    data = _made(whole, exchange)
    exchange.send(data[: (data.index(b"\r\n\r\n") + 4 + len(data)) // 2])


OK = reply(whole, keeps=True, name="ok")
OK_THEN_CLOSE = reply(whole, name="ok, then close while idle")
RESET_UNREAD = Behaviour("reset before reading", Exchange.reset, reads=False)
RESET = Behaviour("reset after reading", Exchange.reset)
CLOSE = Behaviour("close without an answer", lambda _exchange: None)
CLOSE_UNREAD = Behaviour("close before reading", lambda _exchange: None, reads=False)
CUT_IN_STATUS = cut(7)
CUT_IN_HEADERS = cut(40)
CUT_IN_BODY = Behaviour("close in mid-body", _in_mid_body)
HANG = Behaviour("hang", Exchange.wait)
HANG_UNREAD = Behaviour("hang without reading", Exchange.wait, reads=False)

Script = list[Behaviour] | Callable[[int], Behaviour]


# -- servers


@dataclass
class _Listener:
    """Accepts connections on a port from the system, each served in a thread of its own, while a `with` lasts."""

    stopping: threading.Event = field(default_factory=threading.Event, init=False)
    connections: int = field(default=0, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False, repr=False)
    _threads: list[threading.Thread] = field(default_factory=list, init=False, repr=False)
    _open: set[socket.socket] = field(default_factory=set, init=False, repr=False)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.settimeout(0.05)  # closing a listener does not wake an accept everywhere
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        with self._changed:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        self._listener.close()

    @property
    def open_connections(self) -> int:
        """How many connections are open at this moment."""
        return len(self._open)

    def wait_until(self, true: Callable[[], object]) -> None:
        """Wait for what a thread of the server brings about."""
        with self._changed:
            assert self._changed.wait_for(true, PATIENCE)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _address = self._listener.accept()
            except TimeoutError:
                continue
            with self._changed:
                self.connections += 1
                self._open.add(sock)
                self._changed.notify_all()
            self._start(self._guarded, self.connections, sock)

    def _guarded(self, number: int, sock: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):  # the client left, or the server stops
                self._serve(number, sock)
        finally:
            sock.close()
            with self._changed:
                self._open.discard(sock)
                self._changed.notify_all()

    def _serve(self, number: int, sock: socket.socket) -> None:
        raise NotImplementedError


@dataclass
class FaultServer(_Listener):
    """Does with each request what its script says. `requests` are those that arrived whole, in their order."""

    script: Script = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    requests: list[Received] = field(default_factory=list, init=False)
    failed_handshakes: int = field(default=0, init=False)
    _turns: int = field(default=0, init=False)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def refs(self) -> list[str | None]:
        """The references of every message that arrived, in their order."""
        with self._changed:
            return [ref for request in self.requests for ref in request.refs]

    def _serve(self, number: int, sock: socket.socket) -> None:
        if self.tls is None:
            self._converse(number, sock)
            return
        try:
            wrapped = self.tls.wrap_socket(sock, server_side=True)
        except OSError:
            with self._changed:
                self.failed_handshakes += 1
                self._changed.notify_all()
            raise
        with wrapped:
            with self._changed:  # wrapping has emptied the first
                self._open ^= {sock, wrapped}
            try:
                self._converse(number, wrapped)
            finally:
                with self._changed:
                    self._open.discard(wrapped)

    def _converse(self, number: int, sock: socket.socket) -> None:
        keeps = True
        while keeps:
            # TLS cannot peek; there the first bytes are read, and every behaviour reads.
            first = sock.recv(65_536) if self.tls else sock.recv(1, socket.MSG_PEEK)
            if not first:
                return
            behaviour = self._next()
            request = self._read(number, sock, first if self.tls else b"") if behaviour.reads or self.tls else None
            if behaviour.reads and request is None:
                return
            behaviour.act(Exchange(self, sock, request))
            keeps = behaviour.keeps

    def _next(self) -> Behaviour:
        with self._changed:
            self._turns += 1
            self._changed.notify_all()
            if callable(self.script):
                return self.script(self._turns)
            return self.script[self._turns - 1] if self._turns <= len(self.script) else OK

    def _read(self, number: int, sock: socket.socket, begun: bytes) -> Received | None:
        data = begun
        while b"\r\n\r\n" not in data:
            piece = sock.recv(65_536)
            if not piece:
                return None
            data += piece
        head, _, rest = data.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        pieces, missing = [rest], int(headers.get("content-length", 0)) - len(rest)
        while missing > 0:
            piece = sock.recv(65_536)
            if not piece:
                return None
            pieces.append(piece)
            missing -= len(piece)
        request = Received(number, line, headers, b"".join(pieces))
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        return request


@dataclass
class ConnectProxy(_Listener):
    """A proxy that answers CONNECT: by leading every name to `target`, or, without one, with `answer` and a close.

    `asked` are the heads of what it was asked.
    """

    target: FaultServer | None = None
    answer: bytes = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    dribble: float = 0.0  # seconds between the answer's bytes
    asked: list[str] = field(default_factory=list, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _serve(self, number: int, sock: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(65_536)
            if not piece:
                return
            head += piece
        with self._changed:
            self.asked.append(head.decode("latin-1"))
            self._changed.notify_all()
        if self.target is None:
            self._refuse(sock)
            return
        with socket.create_connection(("127.0.0.1", self.target.port), timeout=PATIENCE) as onward:
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._pump(sock, onward)

    def _refuse(self, sock: socket.socket) -> None:
        size = 1 if self.dribble else len(self.answer) or 1
        for start in range(0, len(self.answer), size):
            sock.sendall(self.answer[start : start + size])
            if self.dribble and self.stopping.wait(self.dribble):
                return

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        while not self.stopping.is_set():
            for source in select.select([one, other], [], [], 0.05)[0]:
                data = source.recv(65_536)
                if not data:
                    return
                (other if source is one else one).sendall(data)


@contextlib.contextmanager
def dead_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody else can begin to."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def statuses(outcomes: Sequence[Any]) -> list[str]:
    """The outcomes' states as plain words."""
    return [str(outcome.status) for outcome in outcomes]
