"""A server that accepts every message at once and remembers nothing: for runs in which the sandbox would be slowest.

python -m benchmarks.stand_in     prints its address, and serves until it is ended
"""

from __future__ import annotations

import json
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Accepts(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def do_POST(self) -> None:
        """Accept every message of a call."""
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = [
            {
                "WarningMessages": [],
                "errorMsg": f"OK {len(message['Recipients'])} messages queued for sending",
                "MessageSentId": 0,
                "MessageId": f"1.{uuid.uuid4().hex}",
                "statusMsg": "In Queue",
                "transmitDateTime": "2026-11-24T09:00:00.0000000Z",
                "ClientRef": message.get("ClientRef"),
            }
            for message in told["messageData"]
        ]
        body = json.dumps(answers).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve on a free port of this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Accepts) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
