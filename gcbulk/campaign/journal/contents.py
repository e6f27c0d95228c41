"""Whether two emails have the same files, by what the journal keeps of them beside the body."""

from __future__ import annotations

import json
from typing import Final

_PATH: Final = 0  # of a file's path, name, size and digest
_NAME: Final = 1
_DIGEST: Final = 3


def same_files(before: str | None, now: str | None) -> bool:
    """Whether two emails of the same words and names of files have the same files: equal bytes, or the same place.

    A letter that was made anew in its place is the same letter; one of that name out of another folder, with other
    bytes, is another. What is not known any longer counts as the same: better not twice.

    >>> content = '{"files": [["/%s/a.pdf", "a.pdf", 9, "%s"]]}'
    >>> same_files(content % ("autumn", "1f"), content % ("autumn", "2e"))
    True
    >>> same_files(content % ("autumn", "1f"), content % ("spring", "2e"))
    False
    """
    if before is None or now is None or before == now:
        return True
    was, files = (json.loads(content)["files"] for content in (before, now))
    return all(
        old[_DIGEST] == file[_DIGEST] or old[_PATH] == file[_PATH] for old, file in zip(was, files, strict=False)
    )


def changed_files(before: str | None, now: str | None) -> list[str]:
    """The names of an email's files that have other bytes than before.

    >>> changed_files('{"files": [["/a.pdf", "a.pdf", 9, "1f"]]}', '{"files": [["/a.pdf", "a.pdf", 9, "2e"]]}')
    ['a.pdf']
    """
    if before is None or now is None or before == now:
        return []
    was, files = (json.loads(content)["files"] for content in (before, now))
    return [file[_NAME] for old, file in zip(was, files, strict=False) if old[_DIGEST] != file[_DIGEST]]
