"""The sandbox's HTTP: the platform's addresses, and some of its own to look in."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from gcbulk.sandbox.answers import JSON
from gcbulk.sandbox.customers import authorise_page
from gcbulk.sandbox.faults import HTML, MAGIC_NUMBERS, describe_numbers
from gcbulk.sandbox.wires import send

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcbulk.sandbox.stand_in import Sandbox

_WIRE = "sandbox.wire"  # where a view leaves, in the WSGI environ, how its answer is to go out


class Handler(WSGIRequestHandler):
    """Keeps connections alive, which werkzeug's own handler does not, and lets a wire send the answer."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        environ = self.make_environ()
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self.close_connection = True  # whatever of the body is left unread goes with the connection
        else:
            environ["wsgi.input"] = io.BytesIO(self.rfile.read(length))
        head: list[str] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _failure: object = None
        ) -> Callable[[bytes], object]:
            head[:] = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "", ""]
            return self.wfile.write

        body = b"".join(self.server.app(environ, start_response))
        environ.get(_WIRE, send)(self, "\r\n".join(head).encode("latin-1") + body)

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Say nothing: a call is looked up in `calls`, and stderr belongs to the program."""


class Server(ThreadedWSGIServer):
    """Knows its open connections, so that stopping can end them."""

    def __init__(self, sandbox: Sandbox, listener: socket.socket) -> None:
        # given a bound socket, because werkzeug ends the program where a port is taken
        host, port = listener.getsockname()
        super().__init__(host, port, make_app(sandbox), Handler, fd=listener.fileno())
        self.sandbox = sandbox
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._connections.discard(request)
            self._changed.notify_all()

    def end_connections(self, patience: float = 1.0) -> None:
        """Read no more from clients, and wait until the answers under way are out."""
        with self._changed:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
            self._changed.wait_for(lambda: not self._connections, patience)


def make_app(sandbox: Sandbox) -> flask.Flask:
    app = flask.Flask("gcbulk-sandbox", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # a mistake of a test's on_call shows as its traceback

    def json_of(value: object) -> flask.Response:
        return flask.Response(json.dumps(value, default=datetime.isoformat), headers=JSON)

    def send(channel: str) -> flask.Response:
        reply = sandbox.answer(flask.request.path, channel, flask.request.get_data())
        flask.request.environ[_WIRE] = reply.wire
        return flask.Response(reply.body, reply.status or 200, dict(reply.headers))

    def numbers() -> flask.Response:
        return json_of([{"number": n, "fault": f.name, "help": f.help} for n, f in MAGIC_NUMBERS.items()])

    def reset() -> flask.Response:
        sandbox.reset()
        return flask.Response(status=204)

    def about() -> flask.Response:
        return flask.Response(_ABOUT.format(numbers=describe_numbers()), mimetype="text/plain")

    def authorise() -> flask.Response:
        form = flask.request.form
        endpoint, said = form.get("endpoint", ""), ""
        if form.get("revoke"):
            sandbox.revoke(form["revoke"])
            said = "Revoked."
        elif form.get("authorise"):
            try:
                status = sandbox.authorise(form["authorise"], endpoint)
                said = "Nobody answered there." if status is None else f"The partner was told, and answered {status}."
            except ValueError as error:
                said = str(error)
        page = authorise_page(sandbox.customers.values(), sandbox.style_class, endpoint, said)
        return flask.Response(page, headers=HTML)

    def logo(customer_id: str) -> flask.Response:
        sandbox.logos_fetched.append(customer_id)
        return flask.Response(status=404)

    app.post("/api/SendMessage_V3/<any(SMS, Email, PartnerRoute):channel>")(send)
    app.route("/sandbox/authorise", methods=["GET", "POST"])(authorise)
    app.get("/sandbox/logo/<customer_id>")(logo)
    app.get("/sandbox/queued", endpoint="queued")(lambda: json_of([asdict(one) for one in sandbox.queued]))
    app.get("/sandbox/reported", endpoint="reported")(lambda: json_of([asdict(one) for one in sandbox.reported]))
    app.get("/sandbox/calls", endpoint="calls")(lambda: json_of([asdict(one) for one in sandbox.calls]))
    app.get("/sandbox/numbers")(numbers)
    app.post("/sandbox/reset")(reset)
    app.get("/")(about)
    return app


_ABOUT = """\
This is the gcbulk sandbox, a local stand-in for the Communications API. Nothing leaves this computer.

POST /api/SendMessage_V3/SMS     send text messages
POST /api/SendMessage_V3/Email   send emails
POST /api/SendMessage_V3/PartnerRoute   send for a customer, as a partner
GET  /sandbox/authorise          be a school that lets the partner send for it
GET  /sandbox/queued             who would have been contacted
GET  /sandbox/calls              the calls so far
GET  /sandbox/reported           the delivery news of callbacks so far
GET  /sandbox/numbers            the magic numbers below, as JSON
POST /sandbox/reset              forget everything

{numbers}
"""
