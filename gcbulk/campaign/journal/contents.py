"""Which of an email's files have changed, by what the journal keeps of them beside the body."""

from __future__ import annotations

import json
from typing import Final

_NAME: Final = 1  # of a file's path, name, size and digest
_DIGEST: Final = 3


def changed_files(before: str | None, now: str | None) -> list[str]:
    """The names of an email's files that have other bytes than before.

    >>> changed_files('{"files": [["/a.pdf", "a.pdf", 9, "1f"]]}', '{"files": [["/a.pdf", "a.pdf", 9, "2e"]]}')
    ['a.pdf']
    """
    if before is None or now is None or before == now:
        return []
    was, files = (json.loads(content)["files"] for content in (before, now))
    return [file[_NAME] for old, file in zip(was, files, strict=False) if old[_DIGEST] != file[_DIGEST]]
