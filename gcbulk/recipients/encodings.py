"""Bytes -> text: UTF-8 where it can be, else by a mark, by the zeros of UTF-16, or by what makes sense as a name."""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from gcbulk.errors import RecipientsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The first bytes of a file that say how it is encoded. UTF-32 before UTF-16: its mark begins with the other's.
_BYTE_ORDER_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}

_NAMES: Final = {
    "utf-8-sig": "UTF-8",
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250 (Central European)",
    "mac_roman": "Mac Roman",
}

_WESTERN: Final = "cp1252"
_GUESSES: Final = (_WESTERN, "mac_roman", "cp1250")  # what British offices save besides UTF-8
_FEW: Final = 10  # characters beyond ASCII on which no choice of an encoding is safe
_EVIDENCE: Final = 3  # letters beyond ASCII without which nothing but Windows-1252 is believed
_SAMPLE: Final = 1 << 16  # bytes
_BLOCK: Final = 1 << 22  # bytes of a large file that are looked at together
_EVIDENCE_BYTES: Final = 1 << 24  # of lines beyond ASCII that are kept of a large file

_CONTROL_CHARACTERS: Final = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_UNCERTAIN: Final = re.compile(rb"\xa3(?! ?\d)|[\x80-\xa2\xa4-\xff]")  # pounds before digits are certain
_LINES_BEYOND_ASCII: Final = re.compile(rb"[^\r\n\x80-\xff]{0,200}[\x80-\xff][^\r\n]{0,200}")
_SPREAD_ZEROS: Final = {  # UTF-16 without a mark: letters are half zeros, always on the same side
    "utf-16-le": re.compile(rb"(?:[^\x00]\x00){4}"),
    "utf-16-be": re.compile(rb"(?:\x00[^\x00]){4}"),
}


def decoded(content: bytes | str, name: str) -> tuple[str, str, bool]:
    """The text of a file without its byte order mark, the encoding's name, and whether that should be looked at.

    It should where the encoding is a guess, or rests on few characters.

    Raises RecipientsError for what is no text, for a mark that lies, and for half characters.
    """
    if isinstance(content, str):
        if _SURROGATES.search(content):
            raise _half_a_character(name)
        return content.removeprefix("\ufeff"), "text", False
    encoding, guessed = _marked(content), False
    try:
        text = content.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding:
            raise _no_text(name) from None
        encoding, guessed = _single_bytes(content, name)
        text = content.decode(encoding)
    if "\0" in text:
        raise _no_text(name) if text.count("\0") * _FEW > len(text) else _zero_byte(name, text)
    return text.removeprefix("\ufeff"), _NAMES[encoding or "utf-8"], guessed


class FileEncoding(NamedTuple):
    """How a file on a disk is decoded, what that is called, and whether it should be looked at (and where)."""

    encoding: str
    called: str
    guessed: bool = False
    beyond: tuple[int, ...] = ()  # the first lines beyond ASCII


def encoding_of_file(path: Path) -> FileEncoding:
    """What `decoded` finds out of a file's content, told of a file that no memory might hold.

    Raises RecipientsError as it does.
    """
    name = str(path)
    with path.open("rb") as file:
        encoding = _marked(file.read(_SAMPLE)) or "utf-8"
    if (line := _line_of_zero(path, encoding)) is not None:
        if encoding == "utf-8" and not _file_decodes(path, "utf-8"):
            raise _no_text(name)
        raise RecipientsError(f"{name} holds a zero byte in line {line}, as damaged files do. Export it again.")
    if _file_decodes(path, encoding):
        return FileEncoding(encoding, _NAMES[encoding])
    if encoding != "utf-8":
        raise _no_text(name)
    if _file_decodes(path, encoding, "surrogatepass"):
        raise _half_a_character(name)
    content, beyond = _beyond_ascii(path)
    encoding, guessed = _single_bytes(content, name)
    return FileEncoding(encoding, _NAMES[encoding], guessed, beyond if guessed else ())


def _file_decodes(path: Path, encoding: str, errors: str = "strict") -> bool:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _line_of_zero(path: Path, encoding: str) -> int | None:
    """The line of the first zero character, if there is one."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    line = 1
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            text = decoder.decode(block) if encoding.startswith(("utf-16", "utf-32")) else None
            at = block.find(b"\0") if text is None else text.find("\0")
            if at >= 0:
                return line + (block.count(b"\n", 0, at) if text is None else text.count("\n", 0, at))
            line += block.count(b"\n") if text is None else text.count("\n")
    return None


def _beyond_ascii(path: Path) -> tuple[bytes, tuple[int, ...]]:
    """What of a file tells its encoding: lines beyond ASCII, and each byte that it holds; and where they are."""
    found: list[bytes] = []
    lines: list[int] = []
    held: set[int] = set()
    size = 0
    with path.open("rb") as file:
        for number, line in enumerate(_lines(file), 1):
            if line.isascii():
                if _CONTROL_CHARACTERS.search(line):
                    held.update(line)
                continue
            if len(lines) <= _FEW:
                lines.append(number)
            if size < _EVIDENCE_BYTES:
                found.append(line)
                size += len(line)
            else:
                held.update(line)
    return b"\n".join([*found, bytes(sorted(held))]), tuple(lines)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, ended by either sign or both."""
    for line in file:
        if b"\r" in line:
            yield from line.removesuffix(b"\n").removesuffix(b"\r").split(b"\r")
        else:
            yield line


def _marked(content: bytes) -> str | None:
    """The encoding that a mark, or the zeros of UTF-16 without one, give away."""
    marked = (encoding for mark, encoding in _BYTE_ORDER_MARKS.items() if content.startswith(mark))
    spread = (encoding for encoding, zeros in _SPREAD_ZEROS.items() if zeros.match(content))
    return next(marked, None) or next(spread, None)


def _single_bytes(content: bytes, name: str) -> tuple[str, bool]:
    """An encoding of one byte a character for what is not UTF-8, and whether it is a guess."""
    if _decodes(content, "utf-8", "surrogatepass"):
        raise _half_a_character(name)
    # one byte a character gives a meaning to nearly any bytes: those of pictures and programs hold control characters
    if _CONTROL_CHARACTERS.search(content):
        raise _no_text(name)
    return _guessed(content, name)


def _guessed(content: bytes, name: str) -> tuple[str, bool]:
    """Windows-1252 wherever that makes as much sense as anything else; another only on good evidence."""
    sample = b"\n".join(_LINES_BEYOND_ASCII.findall(content))[:_SAMPLE]
    chaos = {encoding: _chaos(sample, encoding) for encoding in _GUESSES if _decodes(content, encoding)}
    best = min(chaos, key=lambda encoding: chaos[encoding], default=None)  # the first of equals
    if best not in (None, _WESTERN) and _reads_as_names(sample, best):
        return best, True
    if _WESTERN in chaos:
        return _WESTERN, 0 < len(_UNCERTAIN.findall(content)) < _FEW
    raise _no_text(name)


def _chaos(sample: bytes, encoding: str) -> float:
    """How little sense the text makes in this encoding, by charset-normalizer: from 0 to 1."""
    from charset_normalizer import from_bytes  # slow to load, and only files in another encoding need it

    match = from_bytes(sample, cp_isolation=[encoding], threshold=1.0).best()
    return 1.0 if match is None else match.chaos


def _reads_as_names(sample: bytes, encoding: str) -> bool:
    """Whether what is beyond ASCII are letters and a few quotation marks, and enough of them to tell."""
    beyond = [c for c in sample.decode(encoding, "replace") if ord(c) > 127]
    letters = [c for c in beyond if unicodedata.category(c) in ("Lu", "Ll")]
    plausible = all(unicodedata.category(c) in ("Lu", "Ll", "Pi", "Pf", "Pd", "Zs") for c in beyond)
    return plausible and len(letters) >= _EVIDENCE


def _decodes(content: bytes, encoding: str, errors: str = "strict") -> bool:
    try:
        content.decode(encoding, errors)
    except UnicodeDecodeError:
        return False
    return True


def _half_a_character(name: str) -> RecipientsError:
    return RecipientsError(f"{name} holds half a character that no file can hold. Export it again as UTF-8.")


def _zero_byte(name: str, text: str) -> RecipientsError:
    line = text[: text.index("\0")].count("\n") + 1
    return RecipientsError(f"{name} holds a zero byte in line {line}, as damaged files do. Export it again.")


def _no_text(name: str) -> RecipientsError:
    return RecipientsError(f"{name} is no text in an encoding that we know. Export or save it again as CSV UTF-8.")
