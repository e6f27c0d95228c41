"""Small files for their owner's eyes alone: changed by one process at a time, replaced whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock, Timeout

from gcbulk.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_SECONDS: Final = 30
"""For how many seconds a change waits for another."""


@contextmanager
def alone(file: Path, what: str) -> Iterator[None]:
    """One change of a file at a time, among all processes: none may write over what another has just added.

    The file's folder is made where there is none. Raises OptionError, which says `what` the file is, where another
    program holds it, or the disk refuses what is done within the block.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock"), timeout=LOCK_SECONDS, mode=0o600):
            yield
    except Timeout:
        raise OptionError(f"{what} {file} is held by another program. Try again when that has ended.") from None
    except OSError as error:
        raise OptionError(f"{what} {file} cannot be written: {error.strerror}. Is the folder yours?") from None


def replace_file(file: Path, content: bytes) -> None:
    """Put a file in the place of what was there, on disk on return; readable by its owner alone."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}.", suffix=".part")  # made with mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
