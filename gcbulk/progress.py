"""One progress bar for every long job: a widget in a notebook, a line on stderr in a terminal, else silent."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType


class Progress:
    """Counts items towards a total, with named counts beside it; safe to call from many threads."""

    def __init__(self, total: int, description: str, *, unit: str = "recipients", enabled: bool = True) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._bar: Any = _make_bar(total, description, unit) if enabled and total and _can_be_seen() else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, done: int, **counts: int) -> None:
        """Move the bar by `done` items and add to the named counts (`accepted=20`)."""
        with self._lock:
            for name, count in counts.items():
                self._counts[name] = self._counts.get(name, 0) + count
            if self._bar is not None:
                self._bar.set_postfix(self._counts, refresh=False)
                self._bar.update(done)

    def say(self, words: str) -> None:
        """Show what the job is waiting for, or nothing."""
        with self._lock:
            if self._bar is not None:
                self._bar.set_postfix_str(words, refresh=True)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and shell.has_trait("kernel")


def _can_be_seen() -> bool:
    return _in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def _make_bar(total: int, description: str, unit: str) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, desc=description, unit=f" {unit}", dynamic_ncols=True, smoothing=0.1)
