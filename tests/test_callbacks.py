"""Delivery news from end to end: the receiver over HTTP, what it refuses, and what survives its death."""

from __future__ import annotations

import gc
import io
import json
import multiprocessing
import queue
import random
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import pytest
import requests

import gcbulk
from gcbulk.callbacks import CallbackApp, serve
from gcbulk.campaign.journal import Journal, news_of, note_receiver
from gcbulk.campaign.journal.tables import events
from gcbulk.campaign.receiving import MOST_BYTES, Receiver
from gcbulk.sandbox import CallbackPlan, Sandbox
from tests import jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    import pandas as pd

ANYHOW = {"strangers_per_second": 1e9, "news_per_second": 1e9}


@contextmanager
def receiving(journal: str, *, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`gcbulk callbacks` in a process of its own: its address, and the process."""
    command = [sys.executable, "-m", "gcbulk", "callbacks", "--port", str(port), "--journal", journal]
    with subprocess.Popen(
        [*command, "--public-url", "http://127.0.0.1:9/news"], stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"port (\d+)", process.stderr.readline())
            assert found
            yield f"http://127.0.0.1:{found[1]}/news", process
        finally:
            process.kill()


def send(sandbox: Sandbox, journal: str, rows: int, **options: Any) -> pd.DataFrame:
    with gcbulk.CommunicationsClient(sandbox.customer_id, sandbox.api_key, base_url=sandbox.url) as client:
        return gcbulk.send_sms(
            jobs.people(rows), jobs.MESSAGE, client=client, journal=journal, progress=False, campaign="trip", **options
        )


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.01)


@pytest.mark.parametrize("share_identical", [False, True])
def test_every_row_s_delivery_is_what_the_platform_reported(tmp_path: Path, share_identical: bool) -> None:
    journal = str(tmp_path / "journal.sqlite3")
    plan = CallbackPlan(
        delay=(0.0, 2.0), lost=0.02, doubled=0.1, early=0.05, shape="both", connections=8, seed=share_identical
    )
    message = "School is closed." if share_identical else jobs.MESSAGE
    with receiving(journal) as (url, _), Sandbox(callback_plan=plan) as sandbox:
        with gcbulk.CommunicationsClient(sandbox.customer_id, sandbox.api_key, base_url=sandbox.url) as client:
            gcbulk.send_sms(
                jobs.people(2_000),
                message,
                client=client,
                journal=journal,
                progress=False,
                campaign="trip",
                callback_url=url,
                share_identical=share_identical,
            )
        until(lambda: not sandbox.callbacks_waiting)
        reported, callbacks = sandbox.reported, sandbox.callbacks
    assert callbacks["failed"] == callbacks["ignored"] == 0
    assert len(reported) == 2_000
    assert sum(news.times == 0 for news in reported) > 10
    assert sum(news.times == 2 for news in reported) > 100
    assert sum(news.early for news in reported) > 50
    results = gcbulk.campaign_results("trip", journal=journal)
    assert set(results["Status"]) == {"accepted"}
    assert results["MessageId"].str.contains("-").all()  # the whole one, also where a callback told it first without
    expected = {news.recipient: "delivered" if news.times else "pending" for news in reported}
    # a merged message's parameters cannot tell its recipients apart: `{recipient}` is not asked for
    told = dict(zip(results["SentTo"], results["DeliveryStatus"], strict=True))
    if share_identical:
        assert {n for n, status in told.items() if status == "delivered"} <= {
            n for n, status in expected.items() if status == "delivered"
        }
        assert sum(status == "delivered" for status in told.values()) > 800
    else:
        assert told == expected
        delivered = results["DeliveryStatus"] == "delivered"
        assert results["DeliveredAt"].notna().equals(delivered)
        assert set(results.loc[delivered, "UnitsBilled"]) == {1}


def receive(journal: str, told: Connection) -> None:
    """Receive in a process of its own, and tell the port."""
    serve(
        journal, port=0, public_url="http://127.0.0.1:9/news", ready=lambda where: told.send(where.rpartition(" ")[2])
    )


def receiver_started(journal: str) -> tuple[BaseProcess, str]:
    """A process that receives, and where: started from one that has everything loaded."""
    method = "spawn" if sys.platform == "win32" else "forkserver"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["gcbulk.campaign.run", "gcbulk.callbacks", "gcbulk.sandbox", "tests.jobs"])
    ours, theirs = context.Pipe()
    process = context.Process(target=receive, args=(journal, theirs), daemon=True)
    process.start()
    return process, f"http://127.0.0.1:{ours.recv()}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kills", [8, pytest.param(20, marks=pytest.mark.soak)])
def test_what_was_answered_with_2xx_survives_kills(kills: int, tmp_path: Path) -> None:
    journal = str(tmp_path / "journal.sqlite3")
    with Journal(journal) as book:
        note_receiver(book, "http://127.0.0.1:9/news")
    with Sandbox() as sandbox:
        results = send(sandbox, journal, 2_000, callback_url="http://127.0.0.1:9/news", chunk_size=100)
        paths = {entry.client_ref: urlsplit(str(entry.callback_url)).path for entry in sandbox.queued}
    left = queue.SimpleQueue[str]()
    for ref in list(paths) * 3:
        left.put(ref)
    answered: list[str] = []

    def report(url: str, process: BaseProcess, kill_at: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while True:
                ref = left.get_nowait()
                body = {"ClientRef": ref, "Status": "Delivered"}
                try:
                    answer = session.post(url + paths[ref], json=body, timeout=10)
                except requests.RequestException:
                    return  # it was killed
                assert answer.status_code == 200
                answered.append(ref)
                if len(answered) >= kill_at:
                    process.kill()

    for seed in range(kills):
        kill_at = len(answered) + random.Random(seed).randrange(1, 150)
        process, url = receiver_started(journal)
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(report, url, process, kill_at) for _ in range(8)]:
                done.result(60)
        process.join(30)
        assert process.exitcode
    assert len(answered) > 25 * kills
    with Journal(journal) as book:
        kept = Counter(news.position for news in news_of(book, book.campaign("trip")))
    positions = dict(zip(results["ClientRef"], range(len(results)), strict=True))
    asked = Counter(positions[ref] for ref in answered)
    assert all(kept[position] >= times for position, times in asked.items())
    now = gcbulk.campaign_results("trip", journal=journal).set_index("ClientRef")
    assert set(now.loc[answered, "DeliveryStatus"]) == {"delivered"}


# -- what is refused


@pytest.fixture
def campaign(tmp_path: Path) -> tuple[str, str, list[str]]:
    """A campaign that was sent: its journal, the path of its callbacks, and the references of its rows."""
    journal = str(tmp_path / "journal.sqlite3")
    with Journal(journal) as book:
        note_receiver(book, "http://127.0.0.1:9/news")
    with Sandbox() as sandbox:
        results = send(sandbox, journal, 20, callback_url="http://127.0.0.1:9/news")
        path = urlsplit(str(sandbox.queued[0].callback_url)).path
    return journal, path, results["ClientRef"].tolist()


class Caller:
    """Calls a WSGI application in this process, with whatever bytes."""

    def __init__(self, application: CallbackApp) -> None:
        self.application = application

    def __call__(
        self,
        path: str,
        body: bytes = b"",
        *,
        method: str = "POST",
        query: str = "",
        content_type: str = "application/json",
        length: str | None = None,
    ) -> tuple[int, bytes]:
        statuses: list[int] = []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path.encode("utf-8", "replace").decode("latin-1"),  # as PEP 3333 has it
            "QUERY_STRING": query,
            "CONTENT_TYPE": content_type,
            "CONTENT_LENGTH": str(len(body)) if length is None else length,
            "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True,
            "wsgi.url_scheme": "http",
            "wsgi.errors": io.StringIO(),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
        }

        def start_response(status: str, _headers: list[tuple[str, str]], _error: object = None) -> Callable[..., Any]:
            statuses.append(int(status.split()[0]))
            return lambda _data: None

        answer = b"".join(self.application(environ, start_response))
        return statuses[0], answer


@contextmanager
def called(journal: str, **caps: float) -> Iterator[tuple[Caller, Journal]]:
    with Journal(journal) as book:
        receiver = Receiver(book, **(caps or ANYHOW))
        yield Caller(CallbackApp(lambda: receiver)), book


def written(book: Journal) -> int:
    with book.reading() as connection:
        return len(connection.execute(events.select()).all())


NASTY = (
    "'; DROP TABLE recipients; --",
    '" OR 1=1 --',
    "<script>alert(1)</script>",
    "{{ 7*7 }}",
    "${jndi:ldap://127.0.0.1/a}",
    "../../../../etc/passwd",
    "%00",
    "\x00",
    "\ud800",
    "\u202e\u2066",
    "A" * 5_000,
    "-1",
    "1e999",
    "null",
    "🙂" * 50,
    "\r\nSet-Cookie: a=b",
    "07700 900123",
)
ODD_CODECS = ("utf-8", "utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7", "cp037", "shift_jis")


def broken_bodies(rng: random.Random, ref: str) -> Iterator[bytes]:
    """Bodies that are no delivery news, for ever: cut, nested, huge, in odd encodings, of wrong kinds."""
    good = json.dumps({"ClientRef": ref, "Status": "Delivered", "Units": 1}).encode()
    while True:
        nasty = rng.choice(NASTY)
        yield good[: rng.randrange(1, len(good) - 1)]
        yield bytes(rng.randrange(256) for _ in range(rng.randrange(1, 60)))
        yield b"[" * rng.choice([1, 900, 5_000, MOST_BYTES])
        yield b'{"a":' * rng.choice([1, 900, 3_000])
        yield rng.choice([b"null", b"1", b"[]", b'"Delivered"', b"{}", b"NaN", b"true", b"[" + good + b"]", b" " * 99])
        yield b"x" * (MOST_BYTES + rng.randrange(1, 50))
        yield json.dumps({"ClientRef": nasty, "Status": "Delivered"}).encode()
        yield json.dumps({"MessageId": nasty + " ", "Status": nasty}, ensure_ascii=True).encode() + b"}"
        yield json.dumps(
            {"ClientRef": ref, "Status": rng.choice([None, [], {}, "", "   ", True, "\x00", "{status}"])}
        ).encode()
        yield json.dumps({"Status": "Delivered", "Recipient": nasty}).encode()
        yield json.dumps({"ClientRef": [ref], "MessageId": {"a": 1}, "Status": "Delivered"}).encode()
        yield json.dumps({"clientRef": f"{ref}x", "status": nasty}).encode(rng.choice(ODD_CODECS), "replace")
        yield b'{"ClientRef": "' + bytes([rng.randrange(128, 256)]) + b'", "Status": "Delivered"}'
        yield b'{"Units": ' + b"9" * 5_000 + b', "Status": "Delivered"}'


def wrong_tokens(rng: random.Random, path: str) -> Iterator[str]:
    """Addresses that are nobody's, for ever: near the right one, and far from it."""
    base, _, token = path.rpartition("/")
    number, _, secret = token.partition("-")
    while True:
        at = rng.randrange(len(secret))
        other = rng.choice([letter for letter in "abcXYZ019_" if letter != secret[at]])
        yield f"{base}/{number}-{secret[:at]}{other}{secret[at + 1 :]}"
        yield f"{base}/{number}-{secret[:at]}"
        yield f"{base}/{number}-{secret}{secret[at]}"
        yield f"{base}/{rng.choice(['2', '0', '-1', '١', '9' * 30, '1 OR 1=1', ''])}-{secret}"
        yield f"{base}/{rng.choice(NASTY)}"
        yield f"{base}/{token}/{rng.choice(['x', '..', '%2e'])}"
        yield "/" * rng.randrange(1, 2_000)
        yield "".join(chr(rng.randrange(256)) for _ in range(rng.randrange(1, 40)))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("requests_made", [12_000, pytest.param(51_000, marks=pytest.mark.soak)])
def test_a_fuzzed_receiver_neither_fails_nor_grows_nor_writes(
    requests_made: int, campaign: tuple[str, str, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    journal, path, refs = campaign
    rng = random.Random(11)
    bodies, tokens = broken_bodies(rng, refs[0]), wrong_tokens(rng, path)
    seen: dict[int, int] = {}
    sizes: list[int] = []
    with called(journal) as (call, book):
        for number in range(requests_made):
            stranger = number % 3 != 0
            where = next(tokens) if stranger else path
            odd = urlencode(
                {rng.choice(["status", "sentid", "units", "err", "x"]): rng.choice(NASTY)}, errors="replace"
            )
            status, answer = call(
                where,
                next(bodies),
                method=rng.choice(["POST", "POST", "POST", "GET", "PUT", "HEAD", "DELETE", "BREW"]),
                query=odd if stranger or not re.match("status|sentid", odd) else "",
                content_type=rng.choice(["application/json", "text/plain", "", "multipart/form-data", "a/b; c=\xff"]),
                length=rng.choice([None, None, None, "", "-5", "abc", "99999999999999999999"]),
            )
            seen[status] = seen.get(status, 0) + 1
            assert len(answer) < 200
            if number in (6_000, requests_made - 1):
                gc.collect()
                sizes.append(sys.getallocatedblocks())
        assert set(seen) == {400, 404, 413}, seen
        assert sizes[1] - sizes[0] < 5_000
        assert written(book) == 0
        assert set(gcbulk.campaign_results("trip", journal=journal)["DeliveryStatus"]) == {"pending"}
        assert call(path, json.dumps({"ClientRef": refs[0], "Status": "Delivered"}).encode())[0] == 200
    logged = "".join(record.getMessage() for record in caplog.records)
    assert "900123" not in logged
    assert "script" not in logged


def raw(port: int, data: bytes) -> bytes:
    """What a server answers to bytes that need be no HTTP."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        found = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65_536):
                found += piece
        except OSError:  # it did not wait for the rest
            pass
    return found


def test_a_receiver_over_http_is_as_calm(campaign: tuple[str, str, list[str]]) -> None:
    journal, path, refs = campaign
    rng = random.Random(13)
    bodies, tokens = broken_bodies(rng, refs[0]), wrong_tokens(rng, path)
    with receiving(journal) as (url, process):
        port = int(url.split(":")[2].split("/")[0])
        for number in range(600):
            body = next(bodies)
            target = path if number % 2 else next(tokens).encode("ascii", "ignore").decode().replace(" ", "") or "/"
            head = f"POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            kind = number % 5
            if kind == 0:
                data = (
                    head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + f"{len(body):x}".encode() + b"\r\n" + body
                )
            elif kind == 1:
                data = head.encode() + b"Content-Length: 1000000\r\n\r\n" + body
            elif kind == 2:
                data = bytes(rng.randrange(256) for _ in range(200)) + b"\r\n\r\n"
            else:
                data = head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
            answer = raw(port, data)
            assert not answer.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5", b"HTTP/1.1 2")), answer[:200]
        good = requests.post(
            f"http://127.0.0.1:{port}{path}", json={"ClientRef": refs[1], "Status": "Delivered"}, timeout=10
        )
        assert good.status_code == 200
        assert process.poll() is None
    with Journal(journal) as book:
        assert written(book) == 1


@pytest.mark.parametrize("passphrase", ["", "correct horse"])
def test_the_command_warns_where_no_key_could_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passphrase: str
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("GCBULK_STORE_KEY", passphrase)
    with receiving(str(tmp_path / "journal.sqlite3")) as (url, process):
        assert requests.get(f"{url}/1-nobody", timeout=10).status_code == 404  # it listens in either case
        process.terminate()
        said = process.communicate(timeout=30)[1]
    assert ("cannot be kept" in said, "GCBULK_STORE_KEY" in said) == (not passphrase, not passphrase)


def test_the_command_says_where_it_listens_and_what_is_wrong(tmp_path: Path) -> None:
    journal = str(tmp_path / "journal.sqlite3")
    with receiving(journal) as (url, process):
        port = url.split(":")[2].split("/")[0]
        for options, says in (
            (("--port", port, "--public-url", "https://example.org"), f"Port {port} of 127.0.0.1 cannot be used"),
            (("--port", "0", "--public-url", "http://example.org"), "--public-url http://example.org is refused"),
            (("--port", "0", "--public-url", "example.org"), "--public-url must be an address such as https://"),
            (("--port", "0", "--public-url", "https://x.org", "--journal", str(tmp_path)), "is a folder"),
        ):
            command = [sys.executable, "-m", "gcbulk", "callbacks", "--journal", journal, *options]
            done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=60)
            assert done.returncode == 2
            assert says in done.stderr.splitlines()[-1]
            assert "Traceback" not in done.stderr
        process.terminate()
        assert process.wait(30) == (1 if sys.platform == "win32" else 0)
