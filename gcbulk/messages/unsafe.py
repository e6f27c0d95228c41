"""What of an email's HTML must not go: what would run, and fields where a cell could become markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

import pandas as pd
import pyarrow.compute as pc

from gcbulk.errors import TemplateError
from gcbulk.messages.columns import to_arrow
from gcbulk.messages.language import with_marks

if TYPE_CHECKING:
    from collections.abc import Callable

_ACTIVE: Final = (
    "script",
    "iframe",
    "frame",
    "object",
    "embed",
    "applet",
    "base",
    "form",
    "input",
    "button",
    "textarea",
    "select",
)
_ADDRESSES: Final = ("href", "src", "action", "formaction", "background", "poster", "xlink:href")
_RUNS: Final = re.compile(r"(?:javascript|vbscript|data):(?!image/)")
# Browsers leave these out of an address before they read it (URL standard, 4.4).
_LEFT_OUT: Final = re.compile(r"[\x00-\x20\x7f]+")
# Wherever one of these is not found, the looker finds nothing: most rows are spared it.
_SUSPECT: Final = rf"(?i)<(?:{'|'.join(_ACTIVE)}|meta)|[^a-z]on[a-z]+\s*="
_UNENDED: Final = re.compile(rf"(?i)<({'|'.join(_ACTIVE)})\b[^>]*\Z")
_LINK: Final = rf"(?i)\b(?:{'|'.join(_ADDRESSES)})\s*="
_PLAIN_LINK: Final = rf"{_LINK}\s*[\"']?(?:https?:|mailto:|tel:|cid:|data:image/|#)"
_FIELD: Final = "f\ue000"  # stands for a field; its letter, so that a tag's name can begin with it
_SEVERAL: Final = ("srcset", "imagesrcset")  # hold several addresses, apart by commas
_IN_URL: Final = re.compile(rf"(?i)url\([^)]*{_FIELD}")


def refuse_unsafe(body: str) -> None:
    """Raise TemplateError, with the line, for HTML that mail programs throw away, or that cells could change."""
    _look(with_marks(body, field=_FIELD, tag=" "), _refuse)


def cells_are_in_tags(body: str) -> bool:
    """Whether a field stands inside a tag, so that what is in a cell has its part in the markup."""
    return _look(with_marks(body, field=_FIELD, tag=" "), lambda *_: None).with_cells


def _refuse(what: str, line: int, why: str = "") -> None:
    why = why or "Mail programs run no scripts and send no forms, and many throw such an email away. Take it out."
    raise TemplateError(f"Line {line}: the body holds {what}. {why}")


def unsafe_in(bodies: pd.Series[str]) -> pd.Series[str]:
    """For each finished body what it holds that must not go, in words; NaN where nothing does."""
    texts = to_arrow(bodies)
    suspects = pc.or_(
        pc.match_substring_regex(texts, _SUSPECT),
        pc.not_equal(pc.count_substring_regex(texts, _LINK), pc.count_substring_regex(texts, _PLAIN_LINK)),
    )
    rows = pc.fill_null(suspects, False).to_numpy(zero_copy_only=False)
    said = {body: _first_in(body) for body in bodies[rows].unique()}
    found = pd.Series([None] * len(bodies), index=bodies.index, dtype="str")
    found[rows] = [said[body] for body in bodies[rows]]
    return found


def _first_in(body: str) -> str | None:
    found: list[str] = []
    _look(body, lambda what, *_: found.append(what))
    return found[0] if found else None


def _look(body: str, found: Callable[..., None], line: int = 0) -> _Looker:
    looker = _Looker(found, line)
    looker.feed(body)
    looker.close()
    if unended := _UNENDED.search(body):  # the parser takes it for words; who knows what a mail program does
        found(f"<{unended[1].casefold()}>", line + 1 + body.count("\n", 0, unended.start()))
    return looker


class _Looker(HTMLParser):
    """Looks through HTML, and calls `found` with what must not be in it, its line, and what else there is to say."""

    def __init__(self, found: Callable[..., None], line: int) -> None:
        super().__init__()
        self._found, self._line = found, line
        self.with_cells = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line = self._here()
        if tag in _ACTIVE:
            self._found(f"<{tag}>", line)
        source = self.get_starttag_text() or ""
        self.with_cells |= _FIELD in source
        if _FIELD in _without_values(source):
            self._open_to_cells("in a tag without quotes around it", line)
        for name, value in attrs:
            if re.fullmatch(r"on[a-z]+", name):
                self._found(f"{name}=", line)
            address = _LEFT_OUT.sub("", value or "").casefold()
            if name in _ADDRESSES and (runs := _RUNS.match(address)):
                self._found(f"a link that starts with {runs[0]}", line)
            if _FIELD in (value or "") and (name in _SEVERAL or (name == "style" and _IN_URL.search(value or ""))):
                self._open_to_cells(f"in {name}=, where a cell could name addresses of its own", line)
            if tag == "meta" and name == "http-equiv" and address == "refresh":
                self._found("<meta http-equiv=refresh>", line)

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "style" and _FIELD in data:
            line = self._here() + data.count("\n", 0, data.index(_FIELD))
            self._open_to_cells("in <style>, where a cell would become CSS", line)

    def close(self) -> None:
        super().close()
        self.handle_data(self.rawdata)  # of a <style> that nothing ends, some versions of the parser say nothing

    def handle_endtag(self, tag: str) -> None:
        if _FIELD in tag:
            self._open_to_cells("in a tag without quotes around it", self._here())

    def handle_comment(self, data: str) -> None:
        if data.lstrip().startswith("[if"):  # Outlook reads on in it
            self.with_cells |= _look(data, self._found, self._here() - 1).with_cells
        elif _FIELD in data:
            self._open_to_cells("in a comment, where nobody reads it", self._here())

    def _here(self) -> int:
        return self._line + self.getpos()[0]

    def _open_to_cells(self, where: str, line: int) -> None:
        why = 'What a cell holds must not become markup: put it between tags, or in quotes as in href="{{ link }}".'
        self._found(f"a field {where}", line, why)


def _without_values(tag: str) -> str:
    """A tag's source without what stands in quotes."""
    return re.sub(r"=\s*(?:\"[^\"]*\"|'[^']*')", "=", tag)
