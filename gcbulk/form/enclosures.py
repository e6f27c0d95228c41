"""The files that go with an email: handed over for everybody, or one for each row by a name with fields."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

import ipywidgets as widgets

from gcbulk.campaign.attachments import TYPES, check_folder, size_in_words
from gcbulk.form.browser import Upload
from gcbulk.form.controls import Notice, button, html, in_words, row, show
from gcbulk.form.manner import Field

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcbulk.form.background import Helper
    from gcbulk.form.desk import Desk

NONE_YET: Final = "It goes with every email, as it is on your machine now."
WHERE: Final = "Looked for in {folder}, on the machine that this form runs on."


class Enclosures(widgets.VBox):
    """A button for files for all, a name and a folder for a row's own. `changed` is called when they are others."""

    def __init__(self, desk: Desk, helper: Helper, changed: Callable[[], None]) -> None:
        self._desk, self._helper, self._changed = desk, helper, changed
        given = [str(file) for file in desk.attachments.files]
        own = next((one for one in given if "{" in one), "")
        self._for_all: list[str] = [one for one in given if one != own]
        self._notice = Notice("gcb-attach-notice")
        self._upload = Upload("Attach a file", accept=",".join(TYPES), received=self._came, refused=self._notice.error)
        self._upload.add_class("gcb-attach")
        self._words = html("", "gcb-attached", "gcb-live")
        self._none = button("Take the files out", "gcb-attach-none", self._take_out)
        self._pattern = Field(
            widgets.Text(own, description="A file for each row", placeholder="such as {{ upn }}.pdf"),
            "gcb-attach-each",
            lambda typed: self._each(typed.strip()),
            changed,
        )
        folder = desk.attachments.folder
        self._folder = Field(
            widgets.Text(
                "" if folder is None else str(folder), description="In the folder", placeholder="such as C:\\Letters"
            ),
            "gcb-attach-folder",
            self._look_in,
            changed,
        )
        self._own = own
        self._where = html("", "gcb-attach-where", "gcb-live")
        super().__init__(
            [row(self._upload, self._words, self._none), self._notice, row(self._pattern, self._folder), self._where]
        )
        self.add_class("gcb-body")
        self._pattern.children[0].add_class("gcb-writable")
        self._show()

    @property
    def refused(self) -> bool:
        """Whether what stands in one of the fields cannot be used."""
        return self._pattern.refused or self._folder.refused

    def _came(self, name: str, content: bytes) -> None:
        self._words.value = f"<span>Looking at {escape(name)} ...</span>"
        self._helper.ask(f"file {name}", lambda: self._keep(name, content))

    def _keep(self, name: str, content: bytes) -> None:
        self._notice.clear()
        with in_words(self._notice):
            kept = str(self._desk.keep_file(name, content))
            self._for_all = [one for one in self._for_all if Path(one).name != Path(kept).name] + [kept]
        self._take()

    def _take_out(self) -> None:
        self._for_all = []
        self._notice.clear()
        self._take()

    def _each(self, pattern: str) -> None:
        self._own = pattern
        self._shape()

    def _look_in(self, typed: str) -> None:
        folder = typed.strip().strip('"').strip()  # as a file manager copies a path
        self._where.value = ""  # of a folder that is refused, another would stand below
        if folder:
            check_folder(Path(folder))
        self._desk.attachments = replace(self._desk.attachments, folder=folder or None)
        self._show()

    def _take(self) -> None:
        self._shape()
        self._changed()

    def _shape(self) -> None:
        own = [self._own] if self._own else []
        self._desk.attachments = replace(self._desk.attachments, files=[*self._for_all, *own])
        self._show()

    def _show(self) -> None:
        folder = Path(self._desk.attachments.folder or ".").absolute()
        files = [folder / one for one in self._for_all]
        told = ", ".join(f"{file.name} ({_size(file)})" for file in files)
        self._words.value = f"<span>{escape(told or NONE_YET)}</span>"
        show(self._none, bool(files))
        self._where.value = f"<span>{escape(WHERE.format(folder=folder))}</span>" if self._own else ""


def _size(file: Path) -> str:
    """How big a file is; of a further pattern that was handed in, whose it is."""
    if "{" in file.name:
        return "for each row"
    try:
        return size_in_words(file.stat().st_size)
    except OSError:
        return "not there"
