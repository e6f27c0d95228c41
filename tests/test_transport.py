"""How one call travels: at most once, within its deadline, and never "not sent" once it may have arrived."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import requests
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from gcbulk.api import client as client_module
from gcbulk.api import transport
from gcbulk.api.client import SMS_PATH, CommunicationsClient
from gcbulk.api.payloads import Message
from gcbulk.codes import ErrorCode, Status
from tests import fault_server as faults
from tests.fault_server import Behaviour, ConnectProxy, Exchange, FaultServer, Received, http, reply, whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcbulk.api.outcomes import CallResult

KEY = "transport-key-not-secret"
DEADLINE = 0.5
LONG = 20.0
"""A time that no test takes unless something is wrong."""
PROXY_SETTINGS = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxies, certificates or passwords of this machine."""
    for name in PROXY_SETTINGS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


class Clock:
    """A monotonic clock that a test can move on."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the transport."""
    moved = Clock()
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=moved))
    monkeypatch.setattr(transport, "CallRecord", partial(transport.CallRecord, clock=moved))
    return moved


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's certificate for this machine, and for a name that cannot be reached."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "api.invalid").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A session such as a caller may hand in: it looks at the environment."""
    with requests.Session() as made:
        yield made


def texts(*refs: str | None) -> list[Message]:
    return [Message(("+447700900123",), "School is closed today.", ref) for ref in refs]


def connected(url: str, **options: Any) -> CommunicationsClient:
    return CommunicationsClient("1469", KEY, base_url=url, **({"timeout": LONG} | options))


def post_once(url: str, *refs: str | None, **options: Any) -> CallResult:
    with connected(url, **options) as client:
        return client.post(texts(*(refs or ("a",))))


def timed_post(url: str, **options: Any) -> tuple[CallResult, float]:
    began = time.monotonic()
    result = post_once(url, **options)
    return result, time.monotonic() - began


def assert_not_sent(result: CallResult) -> None:
    assert result.answer.began is False
    assert result.answer.status is None
    assert {(one.status, one.code) for one in result.outcomes} == {(Status.NOT_SENT, ErrorCode.NETWORK_ERROR)}


def assert_unknown(result: CallResult) -> None:
    assert result.answer.began is True
    assert {(one.status, one.code) for one in result.outcomes} == {(Status.UNKNOWN, ErrorCode.OUTCOME_UNKNOWN)}


def assert_accepted(result: CallResult) -> None:
    assert result.answer.began is True
    assert {one.status for one in result.outcomes} == {Status.ACCEPTED}


# -- nothing left: certainly not sent


def test_a_refused_connection_is_not_sent() -> None:
    with faults.dead_port() as port:
        result = post_once(f"http://127.0.0.1:{port}", "a", "b")
    assert_not_sent(result)
    assert result.answer.failure == "The connection could not be made."
    assert len(result.outcomes) == 2


def test_a_connection_not_made_in_time_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float | None] = []

    class Silent(socket.socket):
        """What a connection to a host that drops every packet looks like."""

        def connect(self, _address: object) -> None:
            waited.append(self.gettimeout())
            raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "socket", Silent)
    result = post_once("http://127.0.0.1:9", connect_timeout=3.0)
    assert_not_sent(result)
    assert result.answer.failure == "The connection was not made in time."
    assert waited == [3.0]


@pytest.mark.parametrize(("connect_timeout", "timeout", "expected"), [(3.0, 20.0, 3.0), (10.0, 2.0, 2.0)])
def test_a_connection_gets_no_longer_than_the_whole_call(
    connect_timeout: float, timeout: float, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float | None] = []

    class Refused(socket.socket):
        def connect(self, _address: object) -> None:
            waited.append(self.gettimeout())
            raise ConnectionRefusedError

    monkeypatch.setattr(socket, "socket", Refused)
    assert_not_sent(post_once("http://127.0.0.1:9", connect_timeout=connect_timeout, timeout=timeout))
    assert waited == [expected]


def test_a_name_that_is_not_found_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def nowhere(host: str, *_rest: object, **_named: object) -> list[Any]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    assert_not_sent(post_once("https://api.invalid"))
    assert asked == ["api.invalid"]


def test_a_certificate_that_is_not_trusted_is_not_sent(tls: ssl.SSLContext) -> None:
    with FaultServer(tls=tls) as server:
        result = post_once(server.url)
        server.wait_until(lambda: server.failed_handshakes == 1)
    assert_not_sent(result)
    assert "certificate was not accepted" in result.answer.failure
    assert server.requests == []


def test_a_certificate_for_another_name_is_not_sent(
    authority: trustme.CA, ca_file: str, session: requests.Session
) -> None:
    elsewhere = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.invalid").configure_cert(elsewhere)
    session.verify = ca_file
    with FaultServer(tls=elsewhere) as server:
        assert_not_sent(post_once(server.url, session=session))
    assert server.requests == []


def test_a_plain_server_behind_https_is_not_sent() -> None:
    with FaultServer([reply(b"HTTP/1.1 400 Bad Request\r\n\r\n")]) as server:
        assert_not_sent(post_once(server.url.replace("http:", "https:"), connect_timeout=DEADLINE))
    assert server.requests == []


def test_a_handshake_that_never_ends_is_not_sent() -> None:
    with FaultServer([faults.HANG_UNREAD]) as server:
        result, seconds = timed_post(server.url.replace("http:", "https:"), connect_timeout=DEADLINE)
    assert_not_sent(result)
    assert DEADLINE * 0.8 < seconds < LONG / 2


# -- TLS works where the certificate is trusted


def test_a_trusted_certificate_is_accepted(
    tls: ssl.SSLContext, ca_file: str, monkeypatch: pytest.MonkeyPatch, session: requests.Session
) -> None:
    with FaultServer(tls=tls) as server:
        session.verify = ca_file
        assert_accepted(post_once(server.url, "a", session=session))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca_file)
        assert_accepted(post_once(server.url, "b"))
        assert server.refs == ["a", "b"]


def test_a_broken_call_over_tls_is_unknown(tls: ssl.SSLContext, ca_file: str, session: requests.Session) -> None:
    session.verify = ca_file
    script = [faults.RESET, faults.CLOSE, faults.CUT_IN_HEADERS, faults.CUT_IN_BODY]
    with FaultServer(script, tls=tls) as server, connected(server.url, session=session) as client:
        for number, _fault in enumerate(script):
            assert_unknown(client.post(texts(f"r{number}")))
        assert server.refs == ["r0", "r1", "r2", "r3"]


# -- proxies


REFUSALS = {
    "407": b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
    "403": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    "502": b"HTTP/1.0 502 Bad Gateway\r\n\r\n",
    "no answer": b"",
    "no HTTP": b"What is this?\r\n\r\n",
    "a tunnel that ends at once": b"HTTP/1.1 200 Connection established\r\n\r\n",
}


@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_proxy_that_refuses_the_tunnel_is_not_sent(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with ConnectProxy(answer=answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//office:proxy-password@"))
        result = post_once("https://api.invalid")
    assert_not_sent(result)
    assert "proxy-password" not in result.outcomes[0].detail
    assert [asked.split(" ")[:2] for asked in proxy.asked] == [["CONNECT", "api.invalid:443"]]
    assert KEY not in str(proxy.asked)


def test_a_proxy_that_is_down_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with faults.dead_port() as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        assert_not_sent(post_once("https://api.invalid"))


@pytest.mark.parametrize("own", [True, False])
def test_a_tunnel_is_used_and_its_calls_are_recorded(
    own: bool, tls: ssl.SSLContext, ca_file: str, monkeypatch: pytest.MonkeyPatch, session: requests.Session
) -> None:
    with FaultServer([faults.OK, faults.CLOSE, faults.OK], tls=tls) as server, ConnectProxy(server) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca_file)
        with connected("https://api.invalid", session=None if own else session) as client:
            assert_accepted(client.post(texts("a")))
            assert_unknown(client.post(texts("b")))
            assert_accepted(client.post(texts("c")))
        assert server.refs == ["a", "b", "c"]
        assert len(proxy.asked) == 2


def test_a_tunnel_that_sat_idle_is_made_again(
    tls: ssl.SSLContext, ca_file: str, session: requests.Session, clock: Clock
) -> None:
    session.verify = ca_file
    with FaultServer(tls=tls) as server, ConnectProxy(server) as proxy:
        session.proxies = {"https": proxy.url}
        with connected("https://api.invalid", session=session) as client:
            assert_accepted(client.post(texts("a")))
            clock.ahead = 10 * LONG
            assert_accepted(client.post(texts("b")))
        assert server.refs == ["a", "b"]


def test_a_proxy_that_dribbles_is_given_up_by_the_deadline(session: requests.Session) -> None:
    with ConnectProxy(answer=b"HTTP/1.1 403 Forbidden" + b" " * 20 + b"\r\n\r\n", dribble=0.1) as proxy:
        session.proxies = {"https": proxy.url}
        result, seconds = timed_post("https://api.invalid", session=session, timeout=DEADLINE)
    assert_not_sent(result)
    assert seconds < 2.5


def test_two_threads_that_meet_a_new_proxy_are_both_recorded(
    tls: ssl.SSLContext, ca_file: str, session: requests.Session
) -> None:
    class Managers(dict[str, Any]):
        """Holds up the thread that stores a manager, until the other one has used it."""

        stored, used = threading.Event(), threading.Event()

        def __setitem__(self, proxy: str, manager: Any) -> None:
            super().__setitem__(proxy, manager)
            self.stored.set()
            self.used.wait(1.0)

    session.verify = ca_file
    with FaultServer(lambda _turn: faults.CLOSE, tls=tls) as server, ConnectProxy(server) as proxy:
        session.proxies = {"https": proxy.url}
        client = connected("https://api.invalid", session=session)
        session.get_adapter(client.base_url + SMS_PATH).proxy_manager = Managers()  # type: ignore[attr-defined]
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(client.post, texts("a"))
            assert Managers.stored.wait(LONG)
            second = client.post(texts("b"))
            Managers.used.set()
            results = [first.result(LONG), second]
        assert sorted(map(str, server.refs)) == ["a", "b"]
    for result in results:
        assert_unknown(result)


@pytest.mark.parametrize("how", ["own session", "handed in", "handed in, with proxies of its own"])
def test_this_machine_is_never_reached_through_a_proxy(
    how: str, monkeypatch: pytest.MonkeyPatch, session: requests.Session
) -> None:
    with faults.dead_port() as port, FaultServer() as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
            monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{port}")
        if how.endswith("own"):
            session.proxies = {"http": f"http://127.0.0.1:{port}", "all": f"http://127.0.0.1:{port}"}
        with pytest.raises(requests.exceptions.ProxyError):  # the setting is one that requests heeds
            requests.post(server.url, timeout=LONG)
        given = None if how == "own session" else session
        assert_accepted(post_once(server.url, session=given))
        assert_accepted(post_once(server.url.replace("127.0.0.1", "localhost"), session=given))


# -- it began: unknown, unless a whole answer says otherwise


BROKEN = [
    faults.RESET_UNREAD,
    faults.CLOSE_UNREAD,
    faults.RESET,
    faults.CLOSE,
    faults.CUT_IN_STATUS,
    faults.CUT_IN_HEADERS,
    faults.CUT_IN_BODY,
    faults.cut(-1),
]


@pytest.mark.parametrize("fault", BROKEN, ids=str)
def test_a_call_that_broke_after_it_began_is_unknown(fault: Behaviour) -> None:
    with FaultServer([fault]) as server:
        assert_unknown(post_once(server.url, "a", "b"))
        assert server.connections == 1
        assert server.refs in ([], ["a", "b"])


@pytest.mark.parametrize("fault", BROKEN, ids=str)
def test_a_kept_connection_that_breaks_is_unknown_and_nothing_is_sent_again(fault: Behaviour) -> None:
    with FaultServer([faults.OK, fault]) as server, connected(server.url) as client:
        assert_accepted(client.post(texts("a")))
        assert_unknown(client.post(texts("b")))
        assert_accepted(client.post(texts("c")))
        assert Counter(server.refs) <= Counter(["a", "b", "c"])
        assert server.connections == 2


@pytest.mark.parametrize("fault", [faults.HANG, faults.HANG_UNREAD], ids=str)
def test_silence_until_the_deadline_is_unknown(fault: Behaviour) -> None:
    with FaultServer([fault]) as server:
        result, seconds = timed_post(server.url, timeout=DEADLINE)
    assert_unknown(result)
    assert result.answer.failure == "The answer did not come in time."
    assert DEADLINE * 0.8 < seconds < LONG / 2


def test_silence_longer_than_read_timeout_is_unknown() -> None:
    with FaultServer([faults.HANG]) as server:
        result, seconds = timed_post(server.url, timeout=LONG, read_timeout=DEADLINE)
    assert_unknown(result)
    assert DEADLINE * 0.8 < seconds < LONG / 2


def test_a_request_that_nobody_reads_ends_by_the_deadline() -> None:
    long_text = [Message(("+447700900123",), "x" * 20_000_000, "a")]  # more than the buffers on the way hold
    with FaultServer([faults.HANG_UNREAD]) as server, connected(server.url, timeout=DEADLINE) as client:
        began = time.monotonic()
        result = client.post(long_text)
        seconds = time.monotonic() - began
    assert_unknown(result)
    assert seconds < LONG / 2


def padded(request: Received) -> bytes:
    return http(faithful_with_padding(request), headers={"X-Padding": "x" * 200})


def faithful_with_padding(request: Received) -> bytes:
    return whole(request).partition(b"\r\n\r\n")[2] + b" " * 400


@pytest.mark.parametrize("where", ["in its headers", "in its body"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_an_answer_that_dribbles_past_the_deadline_is_unknown(
    where: str, secure: bool, tls: ssl.SSLContext, ca_file: str, session: requests.Session
) -> None:
    session.verify = ca_file

    def act(exchange: Exchange) -> None:
        assert exchange.request is not None
        data = padded(exchange.request)
        at_once = 20 if where == "in its headers" else data.index(b"\r\n\r\n") + 4
        exchange.send(data[:at_once])
        for start in range(at_once, len(data)):  # more than 400 bytes: more than twenty seconds
            exchange.send(data[start : start + 1])
            if exchange.wait(0.05):
                return

    with FaultServer([Behaviour("dribble", act)], tls=tls if secure else None) as server:
        result, seconds = timed_post(server.url, timeout=DEADLINE, session=session)
        assert server.refs == ["a"]
    assert_unknown(result)
    assert DEADLINE * 0.8 < seconds < 5


def test_dribbling_in_a_chunked_answer_ends_by_the_deadline() -> None:
    def make(request: Received) -> bytes:
        return faults.chunked(faithful_with_padding(request), size=1)

    with FaultServer([faults.dribble(0.05, make)]) as server:
        result, seconds = timed_post(server.url, timeout=DEADLINE)
    assert_unknown(result)
    assert seconds < 5


@pytest.mark.parametrize("slow", [faults.dribble(0.001), faults.pause(0.3)], ids=str)
def test_a_slow_answer_within_the_deadline_is_accepted(slow: Behaviour) -> None:
    with FaultServer([slow]) as server:
        assert_accepted(post_once(server.url, timeout=LONG, read_timeout=LONG / 2))


def test_a_deadline_belongs_to_one_call_and_not_to_the_connection(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "IDLE_SECONDS", 10 * LONG)
    with FaultServer() as server, connected(server.url, timeout=LONG) as client:
        for number in range(4):
            assert_accepted(client.post(texts(f"r{number}")))
            clock.ahead += LONG * 0.7
        assert server.connections == 1


@pytest.mark.parametrize(("most", "held"), [(transport.MOST_JOINED, [1, 1]), (100, [0, 1, 0, 1])])
def test_a_call_leaves_in_one_piece_but_a_long_body_is_not_copied(
    most: int, held: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MOST_JOINED", most)
    pieces: list[bytes] = []
    send = socket.socket.sendall

    def watched(sock: socket.socket, data: bytes) -> None:
        if b"POST" in data or b"SMSMessage" in data:  # the server's answer is neither
            pieces.append(bytes(data))
        send(sock, data)

    monkeypatch.setattr(socket.socket, "sendall", watched)
    with FaultServer() as server, connected(server.url) as client:
        for ref in ("a", "b"):
            assert_accepted(client.post(texts(ref)))
    assert [piece.count(b'"SMSMessage"') for piece in pieces] == held


# -- answers of every shape


def chunked_answer(request: Received) -> bytes:
    return faults.chunked(whole(request).partition(b"\r\n\r\n")[2])


def unsized(request: Received) -> bytes:
    return http(faults.faithful(request), sized=False)


def http_1_0(request: Received) -> bytes:
    return http(faults.faithful(request), version="HTTP/1.0", sized=False)


def gzipped(request: Received) -> bytes:
    packed = gzip.compress(whole(request).partition(b"\r\n\r\n")[2])
    return http(packed, headers={"Content-Encoding": "gzip"})


def continued(request: Received) -> bytes:
    return b"HTTP/1.1 100 Continue\r\n\r\n" + whole(request)


def bare_line_ends(request: Received) -> bytes:
    head, _, body = whole(request).partition(b"\r\n\r\n")
    return head.replace(b"\r\n", b"\n") + b"\n\n" + body


WHOLE = [whole, chunked_answer, unsized, http_1_0, gzipped, continued, bare_line_ends]


@pytest.mark.parametrize("make", WHOLE)
def test_a_whole_answer_is_accepted_in_any_framing(make: Any) -> None:
    with FaultServer([reply(make)]) as server:
        result = post_once(server.url, "a", "b")
    assert_accepted(result)
    assert len({one.message_id for one in result.outcomes}) == 2


UNREADABLE = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a line without end": b"HTTP/1.1 " + b"2" * 100_000,
    "a huge header": http(b"[]", headers={"X-Large": "x" * 70_000}),
    "too many headers": http(b"[]", headers={f"X-{number}": "x" for number in range(150)}),
    "lengths that disagree": http(b"[]", headers={"Content-Length": "2, 3"}, sized=False),
    "a length that is none": http(b"[]", headers={"Content-Length": "many"}, sized=False),
    "no gzip": http(b"[]", headers={"Content-Encoding": "gzip"}),
    "an unknown encoding": http(b"[]", headers={"Content-Encoding": "x-secret"}),
    "chunks that are none": http(b"zz\r\n[]", headers={"Transfer-Encoding": "chunked"}, sized=False),
    "a status that is none": http(b"[]", status="OK 200"),
    "an empty answer": http(b""),
    "nothing but an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_answer_that_cannot_be_read_is_unknown(answer: bytes) -> None:
    with FaultServer([reply(answer)]) as server:
        assert_unknown(post_once(server.url))
        assert server.refs == ["a"]


def test_an_answer_of_another_call_on_the_same_connection_is_never_taken() -> None:
    def named(request: Received) -> bytes:
        return http(
            [one | {"MessageId": f"1469.{request.messages[0]['SMSMessage']}"} for one in faults.faithful(request)]
        )

    twice = reply(lambda request: named(request) * 2, keeps=True)
    with FaultServer([twice, reply(named)]) as server, connected(server.url) as client:
        for text in ("first", "second"):
            result = client.post([Message(("+447700900123",), text)])
            assert result.outcomes[0].message_id == f"1469.{text}"


def test_a_late_answer_is_never_taken_for_the_next_call_s() -> None:
    ids: list[str] = []

    def hint_then_answer_late(exchange: Exchange) -> None:
        assert exchange.request is not None
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        exchange.sock.settimeout(LONG)
        if exchange.sock.recv(1, socket.MSG_PEEK):  # the next call comes on this connection
            answer = faults.faithful(exchange.request)
            ids.append(answer[0]["MessageId"])
            exchange.send(http(answer))
            exchange.sock.recv(1)

    script = [Behaviour("hint", hint_then_answer_late)]
    with FaultServer(script) as server, connected(server.url) as client:
        assert_unknown(client.post(texts(None)))
        second = client.post(texts(None))
    assert second.outcomes[0].message_id not in ids


def test_an_answer_that_is_too_long_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MOST_BYTES", 10_000)

    def long(request: Received) -> bytes:
        return http(faithful_with_padding(request) + b" " * 20_000)

    with FaultServer([reply(long)]) as server:
        assert_unknown(post_once(server.url))


def test_a_gzip_bomb_is_unknown_and_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MOST_BYTES", 1_000_000)
    unpacked: list[int] = []
    original = requests.Response.iter_content

    def counted(self: requests.Response, *args: Any, **named: Any) -> Iterator[bytes]:
        for piece in original(self, *args, **named):
            unpacked.append(len(piece))
            yield piece

    monkeypatch.setattr(requests.Response, "iter_content", counted)
    bomb = gzip.compress(bytes(64_000_000))
    with FaultServer([reply(http(bomb, headers={"Content-Encoding": "gzip"}))]) as server:
        assert_unknown(post_once(server.url))
    assert 1_000_000 <= sum(unpacked) < 4_000_000


@pytest.mark.parametrize(
    "status",
    [
        "200 OK",
        "500 Internal Server Error",
        "302 Found",
    ],
)
def test_an_endless_answer_is_not_read_to_its_end(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MOST_BYTES", 100_000)
    sent: list[int] = []

    def act(exchange: Exchange) -> None:
        headers = {"Content-Length": "1000000000", "Location": "/elsewhere"}
        exchange.send(http(status=status, headers=headers, sized=False))
        for _ in range(64):
            exchange.send(bytes(1_000_000))
            sent.append(1_000_000)

    with FaultServer([Behaviour("endless", act)]) as server:
        assert_unknown(post_once(server.url))
    assert sum(sent) < 40_000_000  # some wait in buffers


FRAMINGS = {"sized": whole, "chunked": chunked_answer, "unsized": unsized, "HTTP/1.0": http_1_0, "gzip": gzipped}


def test_an_answer_cut_anywhere_is_accepted_only_if_it_was_whole() -> None:
    """Cut at any byte, by FIN or by RST: never accepted unless all of it came, never "not sent"."""
    plan: dict[str, Any] = {}

    def act(exchange: Exchange) -> None:
        assert exchange.request is not None
        data = plan["make"](exchange.request)
        plan["came"] = int(len(data) * plan["share"])
        # what ends the content; of chunks, the last, empty one may go missing
        plan["whole"] = data.rindex(b"]") + 1 if plan["make"] is not gzipped else len(data)
        exchange.send(data[: plan["came"]])
        if plan["reset"]:
            exchange.reset()

    with FaultServer(lambda _turn: Behaviour("cut", act)) as server, connected(server.url) as client:

        @settings(max_examples=150, deadline=None, derandomize=True, database=None)
        @given(
            make=st.sampled_from(list(FRAMINGS.values())),
            share=st.floats(0, 1, exclude_max=True),
            reset=st.booleans(),
            number=st.integers(1, 3),
        )
        def cut_anywhere(make: Any, share: float, reset: bool, number: int) -> None:
            plan.update(make=make, share=share, reset=reset)
            seen = len(server.requests)
            result = client.post(texts(*(f"r{each}" for each in range(number))))
            assert len(server.requests) == seen + 1
            if plan["came"] < plan["whole"]:
                assert_unknown(result)
            else:
                assert {one.status for one in result.outcomes} <= {Status.ACCEPTED, Status.UNKNOWN}

        cut_anywhere()
        assert len(server.requests) > 50


# -- connections that wait


def answered_only_on(connection: int) -> Behaviour:
    """A server that closes the older connections just as a request comes."""

    def act(exchange: Exchange) -> None:
        assert exchange.request is not None
        if exchange.request.connection >= connection:
            exchange.send(whole(exchange.request))

    return Behaviour(f"answered only on connection {connection}", act, keeps=True)


def test_a_connection_used_a_moment_ago_is_used_again(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "IDLE_SECONDS", 5 * LONG)
    with FaultServer() as server, connected(server.url) as client:
        for number in range(5):
            assert_accepted(client.post(texts(f"r{number}")))
            clock.ahead += 3 * LONG
        assert server.connections == 1


def test_a_connection_that_sat_idle_is_not_trusted(clock: Clock) -> None:
    with FaultServer([faults.OK, answered_only_on(2)]) as server, connected(server.url) as client:
        assert_accepted(client.post(texts("a")))
        clock.ahead += transport.IDLE_SECONDS + 0.1
        assert_accepted(client.post(texts("b")))
        assert [request.connection for request in server.requests] == [1, 2]
        assert server.refs == ["a", "b"]


def test_the_server_may_close_while_idle(clock: Clock) -> None:
    with FaultServer(lambda _turn: faults.OK_THEN_CLOSE) as server, connected(server.url) as client:
        for number in range(10):
            assert_accepted(client.post(texts(f"r{number}")))
            server.wait_until(lambda: server.open_connections == 0)
            clock.ahead += transport.IDLE_SECONDS + 0.1
        assert server.connections == len(server.refs) == 10


def test_many_idle_connections_are_each_made_anew(clock: Clock) -> None:
    together = threading.Barrier(8)

    def meet(exchange: Exchange) -> None:
        assert exchange.request is not None
        together.wait(LONG)
        exchange.send(whole(exchange.request))

    with (
        FaultServer(lambda _turn: Behaviour("meet", meet, keeps=True)) as server,
        connected(server.url) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        for turn in range(2):
            for result in pool.map(client.post, [texts(f"r{turn}-{number}") for number in range(8)]):
                assert_accepted(result)
            clock.ahead += transport.IDLE_SECONDS + 0.1
        assert server.connections == 16
        assert len(set(server.refs)) == len(server.refs) == 16


# -- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("own", [True, False], ids=["own session", "handed in"])
def test_a_redirect_is_never_followed(status: int, own: bool, session: requests.Session) -> None:
    with FaultServer() as target:
        moved = reply(http(status=f"{status} Moved", headers={"Location": target.url + SMS_PATH}), keeps=True)
        with FaultServer([moved]) as server:
            result = post_once(server.url, session=None if own else session)
        assert (len(server.requests), target.connections) == (1, 0)
    if status in (302, 303):
        assert_unknown(result)
    else:
        assert (result.outcomes[0].status, result.outcomes[0].code) == (Status.NOT_SENT, ErrorCode.HTTP_REFUSED)


@pytest.mark.parametrize("location", ["http://[bad", "//[", "\xff\xfe"])
@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_to_no_address_is_an_answer_like_any_other(status: int, location: str) -> None:
    with FaultServer([reply(http(status=f"{status} Moved", headers={"Location": location}))]) as server:
        result = post_once(server.url)
    assert result.answer.status == status


# -- sessions handed in


def eager() -> HTTPAdapter:
    """An adapter that tries everything again."""
    retry = Retry(3, allowed_methods=None, status_forcelist=[429, 500, 503], backoff_factor=0, raise_on_status=False)
    return HTTPAdapter(max_retries=retry)


PREFIXES = {
    "scheme": lambda url: "http://",
    "host": lambda url: url,
    "our own prefix": lambda url: url + SMS_PATH,
    "longer than ours": lambda url: url + SMS_PATH + "/and/more",
    "in another case": lambda url: (url + SMS_PATH).upper(),
}


@pytest.mark.parametrize("fault", [faults.RESET, faults.CLOSE, reply(http(status="500 Oops"), name="500")], ids=str)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_adapters_that_try_again_never_send_twice(prefix: str, fault: Behaviour, session: requests.Session) -> None:
    with FaultServer(lambda _turn: fault) as server:
        session.mount(PREFIXES[prefix](server.url), eager())
        result = post_once(server.url, session=session)
        assert server.refs == ["a"]
    assert_unknown(result)


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_is_not_obeyed_by_the_session(status: int, session: requests.Session) -> None:
    busy = reply(http(status=f"{status} Busy", headers={"Retry-After": "0"}), keeps=True)
    with FaultServer(lambda _turn: busy) as server:
        session.mount(server.url, eager())
        result = post_once(server.url, session=session)
        assert server.refs == ["a"]
    assert (result.outcomes[0].code, result.retry_after) == (ErrorCode.RATE_LIMITED, 0.0)


ODD_PATHS = ["/a b", "/\N{LATIN SMALL LETTER E WITH ACUTE}", "/x/../y", "/a|b", "/%7Ebase"]


@pytest.mark.parametrize("path", ODD_PATHS)
def test_an_address_that_requests_mends_is_recorded_all_the_same(path: str) -> None:
    with FaultServer(lambda _turn: faults.RESET) as server:
        result = post_once(server.url + path)
        assert server.refs == ["a"]
    assert_unknown(result)


def test_no_password_travels_but_ours(
    session: requests.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login office password netrc-password\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with FaultServer([reply(http(b"[]"))]) as server:
        session.post(server.url, timeout=LONG)
        assert "authorization" in server.requests[0].headers  # requests heeds the file
        assert_accepted(post_once(server.url, "a", session=session))
        session.auth = ("office", "session-password")
        assert_accepted(post_once(server.url, "b", session=session))
        assert_accepted(post_once(server.url, "c"))
        for request in server.requests[1:]:
            assert not {"authorization", "proxy-authorization", "cookie"} & request.headers.keys()
            assert request.body.count(KEY.encode()) == 1
        assert [request.refs for request in server.requests[1:]] == [["a"], ["b"], ["c"]]


def test_a_hook_that_sends_again_is_stopped(session: requests.Session) -> None:
    def again(response: requests.Response, **options: Any) -> requests.Response:
        return response.connection.send(response.request, **options)  # as requests' own digest authentication does

    session.hooks["response"].append(again)
    with FaultServer() as server:
        result = post_once(server.url, session=session)
        assert server.refs == ["a"]
    assert_unknown(result)
    assert "second time" in result.answer.failure


def test_a_hook_that_reads_the_answer_does_no_harm(session: requests.Session) -> None:
    read: list[bytes] = []
    session.hooks["response"].append(lambda response, **_options: read.append(response.content))
    with FaultServer() as server:
        assert_accepted(post_once(server.url, session=session))
    assert len(read) == 1


class Stubborn(requests.Session):
    """A session that tries again by itself."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        for _ in range(2):
            with contextlib.suppress(requests.ConnectionError):
                return super().send(request, **options)
        return super().send(request, **options)


def test_a_session_that_tries_again_by_itself_is_not_asked_to() -> None:
    with Stubborn() as session, FaultServer(lambda _turn: faults.RESET) as server:
        assert_unknown(post_once(server.url, session=session))
        assert server.refs == ["a"]


def test_a_session_handed_in_keeps_its_headers_and_stays_open() -> None:
    class Watched(requests.Session):
        closed = 0

        def close(self) -> None:
            self.closed += 1
            super().close()

    with Watched() as session, FaultServer() as server:
        session.headers["X-School"] = "Example Primary"
        with connected(server.url, session=session) as client:
            assert_accepted(client.post(texts("a")))
        client.close()
        assert session.closed == 0
        assert_accepted(client.post(texts("b")))
        for request in server.requests:
            assert request.headers["x-school"] == "Example Primary"
            assert request.headers["content-type"] == "application/json; charset=utf-8"


def test_a_session_of_our_own_is_closed() -> None:
    with FaultServer() as server:
        with connected(server.url) as client:
            assert_accepted(client.post(texts("a")))
            assert server.open_connections == 1
        server.wait_until(lambda: server.open_connections == 0)


def test_the_environment_is_looked_up_once_for_a_session_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with ConnectProxy() as first, ConnectProxy() as second:
        monkeypatch.setenv("HTTPS_PROXY", first.url)
        with connected("https://api.invalid") as client:
            monkeypatch.setenv("HTTPS_PROXY", second.url)
            assert_not_sent(client.post(texts("a")))
        assert (len(first.asked), len(second.asked)) == (1, 0)


def test_a_session_handed_in_may_change_between_calls(
    tls: ssl.SSLContext, ca_file: str, session: requests.Session
) -> None:
    with FaultServer(tls=tls) as server, ConnectProxy(server) as first, ConnectProxy(server) as second:
        with connected("https://api.invalid", session=session) as client:
            session.proxies["https"] = first.url
            assert_not_sent(client.post(texts("a")))  # nothing is known of our authority yet
            session.verify = ca_file
            for number, proxy in enumerate((first, second)):
                session.proxies["https"] = proxy.url
                session.headers["X-Call"] = str(number)
                assert_accepted(client.post(texts(f"r{number}")))
        assert (len(first.asked), len(second.asked)) == (2, 1)
        assert [request.headers["x-call"] for request in server.requests] == ["0", "1"]


def test_a_header_of_the_session_in_another_case_is_replaced(session: requests.Session) -> None:
    session.headers = {"content-type": "text/plain", "ACCEPT": "*/*"}  # type: ignore[assignment]
    lines: list[bytes] = []
    with FaultServer() as server, pytest.MonkeyPatch.context() as patch:
        send = socket.socket.sendall
        patch.setattr(socket.socket, "sendall", lambda sock, data: lines.append(bytes(data)) or send(sock, data))
        assert_accepted(post_once(server.url, session=session))
    head = next(data for data in lines if data.startswith(b"POST")).partition(b"\r\n\r\n")[0].lower()
    assert (head.count(b"content-type:"), head.count(b"accept:")) == (1, 1)


# -- threads


def test_many_threads_share_a_client() -> None:
    with FaultServer() as server, connected(server.url) as client, ThreadPoolExecutor(16) as pool:

        def work(thread: int) -> list[CallResult]:
            return [client.post(texts(f"{thread}-{number}")) for number in range(20)]

        for result in (one for results in pool.map(work, range(16)) for one in results):
            assert_accepted(result)
        assert Counter(server.refs) == Counter(f"{thread}-{number}" for thread in range(16) for number in range(20))
        assert server.connections <= 16


def test_one_thread_s_lost_call_is_no_other_thread_s() -> None:
    def script(turn: int) -> Behaviour:
        return BROKEN[2:][turn % 6] if turn % 4 == 0 else faults.OK

    with FaultServer(script) as server, connected(server.url) as client, ThreadPoolExecutor(16) as pool:
        refs = [f"r{number}" for number in range(160)]
        results = dict(zip(refs, pool.map(lambda ref: client.post(texts(ref)), refs), strict=True))
        assert Counter(server.refs) == Counter(refs)
    found = Counter(result.outcomes[0].status for result in results.values())
    assert found == {Status.ACCEPTED: 120, Status.UNKNOWN: 40}


def test_a_refused_call_beside_others_is_still_told_apart() -> None:
    """What one thread's call has recorded says nothing of another's."""
    with (
        faults.dead_port() as port,
        FaultServer(lambda _turn: faults.CLOSE) as server,
        requests.Session() as session,
        ThreadPoolExecutor(8) as pool,
    ):
        lost = connected(server.url, session=session)
        refused = connected(f"http://127.0.0.1:{port}", session=session)
        jobs = [(pool.submit(one.post, texts(f"r{number}")), one) for number in range(40) for one in (lost, refused)]
        for job, client in jobs:
            (assert_unknown if client is lost else assert_not_sent)(job.result(LONG))
        assert len(server.refs) == 40
