"""The receiver of news and authorisations: `gcbulk callbacks`, and `gcbulk.callbacks:app` for IIS, nginx and the like.

It reads HTTP and answers it; what is done with the news is done in `campaign`.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import waitress
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from gcbulk.campaign.authorising import Authoriser, warn_where_keys_cannot_be_kept
from gcbulk.campaign.callback_url import callback_base
from gcbulk.campaign.journal import Journal, note_receiver
from gcbulk.campaign.receiving import MOST_BYTES, WARN_EVERY, Answer, Receiver
from gcbulk.errors import GcbulkError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gcbulk.api.customers import Customers

logger = logging.getLogger("gcbulk")

THREADS: Final = 32
"""Requests that are answered at one time: as many as may share a transaction."""
_METHODS: Final = ("GET", "POST")
_HEADERS: Final = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class CallbackApp:
    """The receiver as a WSGI application, at any path: a campaign's token is the last part of it.

    `open_receiver` is called with the first request. Nothing of a request is ever repeated in an answer or a log.
    """

    def __init__(self, open_receiver: Callable[[], Receiver]) -> None:
        self._open_receiver = open_receiver
        self._receiver: Receiver | None = None
        self._authoriser = Authoriser()
        self._lock = threading.Lock()
        self._complained_at = -WARN_EVERY

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = self._answered(environ)
        headers = dict(_HEADERS)
        if answer in (Answer.TOO_FAST, Answer.NOT_NOW, Answer.NOT_KEPT):
            headers["Retry-After"] = "5"
        return Response(f"{answer.words}\n", answer.status, headers)(environ, start_response)

    def _answered(self, environ: dict[str, Any]) -> Answer:
        try:
            request = Request(environ)
            token = request.path.rstrip("/").rpartition("/")[2]
            customers = self._authoriser.admits(token)
            if isinstance(customers, Answer):
                return customers
            if customers is not None:
                return self._authorised(customers, request)
            receiver = self._opened()
            campaign = receiver.admits(token)
            if isinstance(campaign, Answer):
                return campaign
            if request.method not in _METHODS:
                return Answer.MALFORMED
            body = _body(request)
            if body is None:
                return Answer.TOO_LARGE
            return receiver.take(campaign, *_said(request, body))
        except GcbulkError as error:
            self._complain(error)
            return Answer.NOT_NOW
        except (HTTPException, ValueError, OSError):  # a request that is broken in itself, or broken off
            return Answer.MALFORMED

    def _authorised(self, customers: Customers, request: Request) -> Answer:
        if request.method != "POST":
            return Answer.NO_AUTHORISATION
        body = _body(request)
        if body is None:
            return Answer.TOO_LARGE
        try:
            return self._authoriser.take(customers, body)
        except GcbulkError as error:
            self._complain(error)
            return Answer.NOT_KEPT

    def _complain(self, error: GcbulkError) -> None:
        """Say now and then why the platform is told to come again. The words are ours; a traceback could show news."""
        now = time.monotonic()
        with self._lock:
            if now - self._complained_at < WARN_EVERY:
                return
            self._complained_at = now
        logger.error("%s Until then the platform is asked to try again later.", error)

    def _opened(self) -> Receiver:
        if self._receiver is None:
            with self._lock:
                if self._receiver is None:
                    self._receiver = self._open_receiver()
        return self._receiver


def _body(request: Request) -> bytes | None:
    """The request's body; None where it is too long, of which no more than that is read."""
    if (request.content_length or 0) > MOST_BYTES:
        return None
    body = request.stream.read(MOST_BYTES + 1)
    return body if len(body) <= MOST_BYTES else None


def _said(request: Request, body: bytes) -> tuple[bytes, dict[str, str]]:
    """The JSON body and the parameters; a form's fields are parameters too."""
    parameters = {name: values[-1] for name, values in request.args.lists()}
    if request.mimetype == "application/x-www-form-urlencoded":
        from urllib.parse import parse_qsl

        parameters |= dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=100))
        body = b""
    return body, parameters


def _open_from_environment() -> Receiver:
    journal = Journal()
    note_receiver(journal, os.environ.get("GCBULK_CALLBACK_URL") or "a WSGI server")
    return Receiver(journal)


app: Final = CallbackApp(_open_from_environment)
"""For a WSGI server of your own; the journal is that of GCBULK_JOURNAL or GCBULK_HOME."""


def serve(
    journal: str | os.PathLike[str] | None = None,
    *,
    port: int,
    public_url: str,
    host: str = "127.0.0.1",
    ready: Callable[[str], None] | None = None,
) -> None:
    """Receive delivery news until interrupted; `ready` is told what listens where.

    Raises OptionError for a port that is taken and for a public address that is not https, JournalError for a
    journal that cannot be opened.
    """
    base = callback_base(public_url, option="--public-url")
    assert base is not None
    with Journal(journal) as book, _listener(host, port) as listener:
        note_receiver(book, base)
        receiver = Receiver(book)
        server: Any = waitress.create_server(
            CallbackApp(lambda: receiver),
            sockets=[listener],
            threads=THREADS,
            max_request_body_size=MOST_BYTES,
            max_request_header_size=16_384,
            connection_limit=1_000,
            channel_timeout=30,
            ident=None,
            clear_untrusted_proxy_headers=True,
        )
        if ready is not None:
            ready(f"Delivery news for the journal {book.shown} is received on {host} port {listener.getsockname()[1]}")
        warn_where_keys_cannot_be_kept()
        try:
            server.run()
        finally:
            server.close()


def _listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=1_024)
    except OSError as error:
        raise OptionError(
            f"Port {port} of {host} cannot be used: {error.strerror}. Choose another --port, or stop the program that "
            "has it."
        ) from None
