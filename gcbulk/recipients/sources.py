"""Where recipients come from: a path, an open file, bytes, or what was chosen in a notebook's upload box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gcbulk.errors import RecipientsError

if TYPE_CHECKING:
    import os
    from typing import TypeAlias

    # An upload is the `value` of an ipywidgets FileUpload, or one of the files in it.
    Upload: TypeAlias = tuple[Mapping[str, Any], ...] | Mapping[str, Any]
    Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | IO[str] | Upload

_UNNAMED = "The file"


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """What a source holds, and what to call it in a sentence."""

    name: str
    data: bytes | str


def is_upload(source: object) -> bool:
    """Whether this is what an upload box holds: files with a name and content, none or several of them."""
    if isinstance(source, tuple):
        return bool(source) and all(map(is_upload, source))
    return isinstance(source, Mapping) and ("content" in source or any(map(is_upload, source.values())))


def content_of(source: Source) -> Content:
    """Read a source to its end.

    Raises:
        RecipientsError: there is no such file, it is a folder or cannot be opened, or an upload box holds no
            file or several.

    Example:
        >>> content_of(({"name": "absent.csv", "content": memoryview(b"Mobile")},)).name
        'absent.csv'
    """
    if isinstance(source, (tuple, Mapping)):
        return _uploaded(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Content(_UNNAMED, bytes(source))
    if not isinstance(source, (str, Path)) and hasattr(source, "read"):
        return _opened(source)
    return _on_disk(source)


def _opened(file: Any) -> Content:
    given = getattr(file, "name", None)
    name = str(given) if isinstance(given, (str, Path)) else _UNNAMED
    try:
        data = file.read()
    except (OSError, ValueError) as error:  # it is closed, or its bytes are no text of its encoding
        raise RecipientsError(f'{name} cannot be read ({error}). Open it afresh in binary mode, "rb".') from None
    return Content(name, data if isinstance(data, str) else bytes(data))


def _on_disk(source: Any) -> Content:
    try:
        path = Path(source)
    except TypeError:
        raise RecipientsError(
            f"Recipients are read from a path, an open file or bytes, not from a value of type {type(source).__name__}."
        ) from None
    try:
        folder = path.is_dir()
        if not folder:
            return Content(str(path), path.read_bytes())
    except FileNotFoundError:
        raise RecipientsError(f"There is no file {path}. Check its name and folder.") from None
    except (OSError, ValueError) as error:
        raise RecipientsError(f"{path} cannot be read ({error}). Check that you may open it.") from None
    raise RecipientsError(f"{path} is a folder. Name the file in it.")


def _uploaded(value: Upload) -> Content:
    """The one file of an upload box: `(file, ...)` in ipywidgets 8, `{name: file}` in 7, or one file of it."""
    files = list(value) if isinstance(value, tuple) else [value] if "content" in value else list(value.values())
    if len(files) != 1:
        many = f"{len(files)} files were" if files else "No file was"
        raise RecipientsError(f"{many} chosen in the upload box. Choose the one with the recipients.")
    (file,) = files
    if not is_upload(file):
        raise RecipientsError("This is no uploaded file. Give the value of the upload box: upload.value.")
    name = file.get("name") or file.get("metadata", {}).get("name") or _UNNAMED
    return Content(str(name), bytes(file["content"]))
