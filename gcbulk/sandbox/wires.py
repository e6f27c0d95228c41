"""How an answer's bytes leave: whole, cut short, in drops, or not at all."""

from __future__ import annotations

import math
import socket
import struct
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gcbulk.sandbox.web import Handler

Wire = Callable[["Handler", bytes], None]


def send(handler: Handler, data: bytes) -> None:
    handler.connection.sendall(data)


def close_after(end: int) -> Wire:
    def wire(handler: Handler, data: bytes) -> None:
        handler.connection.sendall(data[:end])
        handler.close_connection = True

    return wire


def reset(handler: Handler, _data: bytes) -> None:
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # zero seconds: RST instead of FIN
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()
    handler.close_connection = True


def hang(handler: Handler, data: bytes) -> None:
    handler.server.sandbox.pause(handler.server.sandbox.hang_seconds)
    reset(handler, data)


def dribble(handler: Handler, data: bytes) -> None:
    sandbox, pieces = handler.server.sandbox, 20
    size = math.ceil(len(data) / pieces)
    for start in range(0, len(data), size):
        handler.connection.sendall(data[start : start + size])
        sandbox.pause(sandbox.slow_seconds / pieces)
