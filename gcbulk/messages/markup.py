"""Bodies of emails: Markdown and text made HTML, HTML as plain words. markdown-it's home."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final, Literal

from gcbulk.messages.language import read, with_tags_aside
from gcbulk.messages.unsafe import refuse_unsafe

BodyFormat = Literal["text", "markdown", "html"]
FORMATS: Final[tuple[BodyFormat, ...]] = ("text", "markdown", "html")

_LOOKS_LIKE_HTML: Final = re.compile(
    r"^\s*<!doctype html|</?(?:html|body|head|p|div|table|tr|td|span|br|h[1-6]|ul|ol|li|a|b|i|strong|em|img)\b[^<>]*>"
    # what would be refused, or is never seen, is not shown as words because nothing else is there: ended or not
    r"|<(?:style|svg|script|iframe|embed|applet)\b|<!--",
    re.IGNORECASE,
)


def format_of(body: str) -> BodyFormat:
    """What a body is, where nobody said so: HTML where it holds tags, plain text else.

    >>> format_of("<p>Dear {{ name }}</p>"), format_of("<script>"), format_of("Dear {{ name }}, 5 < 6")
    ('html', 'html', 'text')
    """
    return "html" if _LOOKS_LIKE_HTML.search(body) else "text"


def as_html(body: str, form: BodyFormat) -> str:
    """A body as HTML, its merge fields untouched. Raises TemplateError where it cannot be used.

    >>> as_html("Dear {{ name }},\\n\\nschool is *closed*.", "markdown")
    '<p>Dear {{ name }},</p>\\n<p>school is <em>closed</em>.</p>\\n'
    """
    read(body)  # so that what is wrong in a tag is told by the line in which the user wrote it
    if form == "html":
        refuse_unsafe(body)
        return body
    made = with_tags_aside(body, _from_markdown if form == "markdown" else _from_text)
    refuse_unsafe(made)
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
