"""What only the browser itself can do: hand over a file in pieces, take a key without keeping it, save a download.

Files, keys and numbers travel as messages and are never a widget's state: a notebook saved with its widgets has none.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anywidget
import traitlets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_HERE: Final = Path(__file__).parent
PIECE: Final = 1 << 20
"""Bytes of a file in one message: far below the limit that a notebook server sets (10 MiB)."""


class Upload(anywidget.AnyWidget):
    """A button that takes a file; `received` is called with its name and content once all of it is here."""

    _esm = _HERE / "upload.js"
    label = traitlets.Unicode().tag(sync=True)
    accept = traitlets.Unicode().tag(sync=True)
    piece = traitlets.Int(PIECE).tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, label: str, *, accept: str, received: Callable[[str, bytes], None], refused: Callable[[str], None]
    ) -> None:
        super().__init__(label=label, accept=accept)
        self._received, self._refused = received, refused
        self._pieces: list[bytes] = []
        self.on_msg(self._take)

    def _take(self, _widget: object, content: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        """One piece of a file, answered so that the next may come."""
        number, pieces, name = int(content["number"]), int(content["pieces"]), str(content["name"])
        if number == 0:
            self._pieces = []
        if number != len(self._pieces):
            self._pieces = []
            self._refused(f"{name} did not arrive whole. Choose it again.")
            return
        self._pieces.append(bytes(buffers[0]) if buffers else b"")
        self.send({"taken": number, "upload": content["upload"]})
        if number + 1 == pieces:
            whole, self._pieces = b"".join(self._pieces), []
            if len(whole) == int(content["size"]):
                self._received(name, whole)
            else:
                self._refused(f"{name} did not arrive whole. Choose it again.")


class PrivateField(anywidget.AnyWidget):
    """A field whose content is handed to `entered` and is no widget's state, so that no saved notebook holds it.

    What is entered at kind `password` is handed over once the field is left, and gone from the page then; at the others
    with every key.
    """

    _esm = _HERE / "private.js"
    label = traitlets.Unicode().tag(sync=True)
    kind = traitlets.Enum(("password", "tel", "email", "search")).tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, label: str, *, kind: str, entered: Callable[[str], None], hint: str = "") -> None:
        super().__init__(label=label, kind=kind, hint=hint)
        self._entered = entered
        self.on_msg(lambda _widget, content, _buffers: self._entered(str(content["entered"])))

    def empty(self) -> None:
        """Take out what stands there."""
        self.send({"empty": True})


class Page(anywidget.AnyWidget):
    """The form's hand in the page: saves downloads, inserts at the cursor, and tells when no answer comes any more."""

    _esm = _HERE / "page.js"

    def __init__(self, *, opened: Callable[[], None]) -> None:
        super().__init__()
        self._opened = opened
        self.unfinished: Callable[[bool], None] = lambda _unfinished: None  # a time of which a part is missing
        self.on_msg(self._answer)

    def save(self, name: str, content: bytes) -> None:
        """Have the browser save a file."""
        pieces = [content[start : start + PIECE] for start in range(0, len(content), PIECE)] or [b""]
        for number, piece in enumerate(pieces):
            self.send({"save": name, "number": number, "pieces": len(pieces)}, [piece])

    def _answer(self, _widget: object, content: Mapping[str, Any], _buffers: Sequence[Any]) -> None:
        if "ping" in content:
            self.send({"pong": content["ping"]})
        if content.get("opened"):
            self._opened()
        if "unfinished" in content:
            self.unfinished(bool(content["unfinished"]))
