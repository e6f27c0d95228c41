"""An email as it is written: subject and body with merge fields, filled in for every row."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import pandas as pd

from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.errors import OptionError, TemplateError
from gcbulk.messages.cells import UNSEEN
from gcbulk.messages.columns import to_arrow
from gcbulk.messages.markup import FORMATS, BodyFormat, as_html, format_of
from gcbulk.messages.options import Writing
from gcbulk.messages.shown import shown_words, shows_nothing
from gcbulk.messages.template import Cells, Rendered, Template
from gcbulk.messages.unsafe import cells_are_in_tags, unsafe_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_Made = TypeVar("_Made")

MOST_SUBJECT: Final = 255
"""Characters of a subject. The API's pages name no limit; this is what mail programs and servers are sure to keep."""
_CONTROL: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_OF_A_SUBJECT: Final = Writing(
    most=MOST_SUBJECT,
    refused=f"[{_CONTROL}\t\n\r\u2028\u2029]",
    why="that a subject cannot hold",
    too_long=f"The subject has {{n}}; {MOST_SUBJECT} can be sent. Shorten it.",
)
_OF_A_BODY: Final = Writing(most=None, refused=f"[{_CONTROL}]", why="that no mail program shows")
ONE_LINE: Final = _OF_A_SUBJECT.refused
"""What must not stand in a subject or a name: behind a line end, a mail server would look for further headers."""

_BY_ENDING: Final[dict[str, BodyFormat]] = {
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
}
_FILE_NAME: Final = re.compile(r"(?!\w+://)\S+\.(?:html?|md|markdown|txt|docx?)", re.IGNORECASE)
_NO_TEXT: Final = {
    b"PK\x03\x04": "a Word document or another packed file",
    b"\xd0\xcf\x11\xe0": "an old Word document",
    b"%PDF": "a PDF",
    b"{\\rtf": "a rich text document",
}


def read_body(file: str | os.PathLike[str]) -> tuple[str, BodyFormat]:
    """Read the body of an email from a file of UTF-8 text: .html, .md or .txt say what it is.

    Raises OptionError where it cannot be read, or is no text, such as a Word document.
    """
    path = Path(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OptionError(f"The body {path} cannot be read: {error.strerror}.") from None
    other = next((words for start, words in _NO_TEXT.items() if content.startswith(start)), None)
    form = _BY_ENDING.get(path.suffix.casefold())
    if other is not None or form is None:
        raise OptionError(
            f"The body {path} is {other or 'of a kind that no body can be'}. "
            "Save the text as .html, .md or .txt; a document can go with the email as an attachment."
        )
    try:
        return content.decode("utf-8-sig"), form
    except UnicodeDecodeError:
        raise OptionError(f"The body {path} is not UTF-8. Save it as UTF-8 and try again.") from None


def too_long_a_subject(subject: str) -> str:
    """In words, that a subject without fields is too long for every row; "" where it is not, or its fields decide.

    >>> too_long_a_subject("x" * 256), too_long_a_subject("News")
    ('The subject has 256 characters; 255 can be sent. Shorten it.', '')
    """
    if "{" in subject or len(subject) <= MOST_SUBJECT:
        return ""
    return _OF_A_SUBJECT.too_long.format(n=f"{len(subject)} characters")


def names_a_file(body: str) -> bool:
    """Whether a body is no more than the name of a file: its words would go, and not what is in it.

    >>> names_a_file("letter.md"), names_a_file("See letter.md.")
    (True, False)
    """
    name = body.strip()
    return "\n" not in name and (_FILE_NAME.fullmatch(name) is not None or _is_there(name))


def _refuse_file_name(body: str) -> None:
    name = body.strip()
    if names_a_file(body):
        raise OptionError(
            f"The body is {name!r}, which is the name of a file, and these words would be sent. "
            f'Give pathlib.Path("{name}") to send what is in it (on the command line, --body-file).'
        )


def _is_there(name: str) -> bool:
    try:
        return bool(name) and Path(name).is_file()
    except (OSError, ValueError):
        return False


@dataclass(frozen=True, slots=True)
class WrittenLetters:
    """The email of every row. `frame`: EmailSubject, Text (the body, HTML), ErrorCode, ErrorDetail; a RangeIndex."""

    frame: pd.DataFrame
    subject_cells: Cells
    subject: Rendered
    cells: Cells
    body: Rendered


class Letter:
    """The subject and the body of an email with merge fields: read once, filled in for every row.

    body: HTML, Markdown or plain text; a path is read (`read_body`). `body_format` says which it is: "html",
    "markdown" or "text"; without it a path's ending does, and a text is HTML where it holds tags. Markdown and text
    are made HTML. What cells hold is escaped: it is shown as it stands, and is never markup.
    Raises TemplateError for what a message cannot hold, for scripts and for a subject of more than one line;
    OptionError for a file that cannot be used, and for a text that is no more than the name of one.

    >>> letter = Letter("News for {{ name }}", "Dear {{ name }}")
    >>> letter.write(pd.DataFrame({"Name": ["Ann <3"]})).frame[["EmailSubject", "Text"]].values.tolist()
    [['News for Ann <3', '<p>Dear Ann &lt;3</p>']]
    """

    def __init__(self, subject: str, body: str | os.PathLike[str], *, body_format: BodyFormat | None = None) -> None:
        if body_format is not None and body_format not in FORMATS:
            raise OptionError(f"body_format must be {' or '.join(map(repr, FORMATS))}, not {body_format!r}.")
        if isinstance(body, os.PathLike):
            body, by_ending = read_body(body)
            body_format = body_format or by_ending
        elif isinstance(body, str):
            _refuse_file_name(body)
        for part, words in (("subject", subject), ("body", body)):
            if isinstance(words, str) and not words.strip():
                raise TemplateError(f"The {part} of the email is empty. Write what it says.")
        self.subject = _about("subject", lambda: Template(subject))
        self.body_format = body_format or (format_of(body) if isinstance(body, str) else "text")
        self.body = _about("body", lambda: Template(body))
        self.html = _about("body", lambda: Template(as_html(self.body.text, self.body_format), html=True))
        pieces = self.html.reading.pieces
        same_words = "".join(piece for piece in pieces or () if isinstance(piece, str))
        self._never_empty = bool(shown_words(same_words).strip(UNSEEN))
        self._same_markup = pieces is not None and not cells_are_in_tags(self.html.text)
        _about("subject", lambda: self.subject.check_characters(_OF_A_SUBJECT))
        _about("body", lambda: self.body.check_characters(_OF_A_BODY))

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that subject and body use."""
        return self.subject.fields | self.body.fields

    def check(self, columns: Iterable[object]) -> None:
        """Raise TemplateError unless every field is provided by exactly one column."""
        labels = list(columns)
        _about("subject", lambda: self.subject.check(labels))
        _about("body", lambda: self.body.check(labels))

    def write(self, frame: pd.DataFrame) -> WrittenLetters:
        """Fill in subject and body for every row of a frame, which is not modified. Raises as `check` does."""
        subject_cells = self.subject.cells(frame)
        subject = self.subject.write(subject_cells, _OF_A_SUBJECT)
        subjects = subject.frame
        cells = self.html.cells(frame)
        body = self.html.write(cells, _OF_A_BODY)
        written = body.frame
        names_itself = subjects["ErrorCode"] == ErrorCode.MESSAGE_TOO_LONG.value
        details = subjects["ErrorDetail"].where(names_itself, "In the subject: " + subjects["ErrorDetail"])
        wrong = {
            "ErrorCode": subjects["ErrorCode"].fillna(written["ErrorCode"]),
            "ErrorDetail": details.fillna(written["ErrorDetail"]),
        }
        if not self._never_empty:
            empty = shows_nothing(to_arrow(written["Text"])) & wrong["ErrorCode"].isna()
            wrong["ErrorCode"] = wrong["ErrorCode"].mask(empty, ErrorCode.MESSAGE_EMPTY.value)
            wrong["ErrorDetail"] = wrong["ErrorDetail"].mask(empty, SENTENCES[ErrorCode.MESSAGE_EMPTY])
        if not self._same_markup:
            unsafe = unsafe_in(written["Text"])
            wrong["ErrorCode"] = wrong["ErrorCode"].mask(unsafe.notna(), ErrorCode.INVALID_CHARACTERS.value)
            wrong["ErrorDetail"] = wrong["ErrorDetail"].mask(
                unsafe.notna(), "With the cells of this row the body holds " + unsafe + ", and must not. Mend the cell."
            )
        return WrittenLetters(
            pd.DataFrame({"EmailSubject": subjects["Text"], "Text": written["Text"], **wrong}),
            subject_cells,
            subject,
            cells,
            body,
        )


def _about(part: str, make: Callable[[], _Made]) -> _Made:
    try:
        return make()
    except TemplateError as error:
        raise TemplateError(f"In the {part}: {error}") from None
