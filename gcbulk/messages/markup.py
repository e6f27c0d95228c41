"""Bodies of emails: Markdown and text made HTML, HTML looked through, HTML as plain words. markdown-it's home."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final, Literal

from gcbulk.errors import TemplateError
from gcbulk.messages.language import read, with_tags_aside

if TYPE_CHECKING:
    from collections.abc import Callable

BodyFormat = Literal["text", "markdown", "html"]
FORMATS: Final[tuple[BodyFormat, ...]] = ("text", "markdown", "html")

_LOOKS_LIKE_HTML: Final = re.compile(
    r"^\s*<!doctype html|</?(?:html|body|head|p|div|table|tr|td|span|br|h[1-6]|ul|ol|li|a|b|i|strong|em|img)\b[^<>]*>",
    re.IGNORECASE,
)
_ACTIVE: Final = frozenset(
    {"script", "iframe", "frame", "object", "embed", "applet", "form", "input", "button", "base"}
)
_ADDRESSES: Final = frozenset({"href", "src", "action", "formaction", "background", "poster", "xlink:href"})
UNSAFE_LINK: Final = r"(?i)\b(?:href|src|background)\s*=\s*[\"']?\s*(?:javascript|vbscript|data\s*:\s*text)\s*:?"
"""A link that would run something; such a one can also come from a cell."""


def format_of(body: str) -> BodyFormat:
    """What a body is, where nobody said so: HTML where it holds tags, plain text else.

    >>> format_of("<p>Dear {{ name }}</p>"), format_of("Dear {{ name }}, 5 < 6")
    ('html', 'text')
    """
    return "html" if _LOOKS_LIKE_HTML.search(body) else "text"


def as_html(body: str, form: BodyFormat) -> str:
    """A body as HTML, its merge fields untouched. Raises TemplateError where it cannot be used.

    >>> as_html("Dear {{ name }},\\n\\nschool is *closed*.", "markdown")
    '<p>Dear {{ name }},</p>\\n<p>school is <em>closed</em>.</p>\\n'
    """
    if form == "html":
        _refuse_what_runs(body)
        return body
    read(body)  # so that what is wrong in a tag is told by the line in which the user wrote it
    made = with_tags_aside(body, _from_markdown if form == "markdown" else _from_text)
    _refuse_what_runs(made)
    return made


def _from_markdown(text: str) -> str:
    from markdown_it import MarkdownIt

    # HTML in it is shown, not taken for HTML: whoever wants HTML has a format for it
    return str(MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").render(text))


def _from_text(text: str) -> str:
    from markdown_it import MarkdownIt

    return str(MarkdownIt("zero", {"breaks": True}).enable("newline").render(text))


def plain_words(html: str) -> str:
    """HTML as somebody reads it in a terminal: its words, a line for each block.

    >>> plain_words("<h1>News</h1><p>Dear Ann,<br>see <a href='https://example.org'>this</a>.</p>")
    'News\\n\\nDear Ann,\\nsee this (https://example.org).'
    """
    reader = _Words()
    reader.feed(html)
    reader.close()
    lines = "".join(reader.pieces).split("\n")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(" ".join(line.split()) for line in lines)).strip()


class _Words(HTMLParser):
    """Reads the words of HTML."""

    _BLOCKS: Final = frozenset({"p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote"})
    _LINES: Final = frozenset({"br", "li", "tr", "hr"})
    _UNSHOWN: Final = frozenset({"style", "title", "head"})

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._unshown = 0
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._UNSHOWN:
            self._unshown += 1
        if tag in self._BLOCKS:
            self.pieces.append("\n\n")
        elif tag in self._LINES:
            self.pieces.append("\n- " if tag == "li" else "\n")
        elif tag in {"td", "th"}:
            self.pieces.append("  ")
        elif tag == "a":
            self._link = dict(attrs).get("href")
        elif tag == "img":
            self.pieces.append(f"[{dict(attrs).get('alt') or 'picture'}]")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._UNSHOWN:
            self._unshown -= 1
        if tag in self._BLOCKS:
            self.pieces.append("\n\n")
        if tag == "a" and self._link:
            self.pieces.append(f" ({self._link})")
            self._link = None

    def handle_data(self, data: str) -> None:
        if not self._unshown:
            self.pieces.append(re.sub(r"\s+", " ", data))


class _Looker(HTMLParser):
    """Looks for what mail programs refuse to run, and calls `found` with it and its line."""

    def __init__(self, found: Callable[[str, int], None]) -> None:
        super().__init__()
        self._found = found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line = self.getpos()[0]
        if tag in _ACTIVE:
            self._found(f"<{tag}>", line)
        for name, value in attrs:
            if re.fullmatch(r"on[a-z]+", name):
                self._found(f"{name}=", line)
            if name in _ADDRESSES and re.match(r"\s*(?:javascript|vbscript)\s*:", value or "", re.IGNORECASE):
                self._found(f"a link that starts with {str(value).partition(':')[0].strip()}:", line)


def _refuse_what_runs(html: str) -> None:
    def refuse(what: str, line: int) -> None:
        raise TemplateError(
            f"Line {line}: the body holds {what}. Mail programs run no scripts and send no forms, and many throw such "
            "an email away. Take it out."
        )

    looker = _Looker(refuse)
    looker.feed(html)
    looker.close()
