"""One progress bar for every long job: a widget in a notebook, a line on stderr in a terminal, else silent."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a job is: `done` of `total` items, the named counts, what it waits for, seconds since it began.

    `before` of the `done` were done before that. `what` is counted: "Texts", say.
    """

    total: int = 0
    done: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    words: str = ""
    seconds: float = 0.0
    before: int = 0
    what: str = ""

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at the pace so far; None where that cannot be told."""
        done = self.done - self.before
        return self.seconds / done * (self.total - self.done) if done > 0 else None


class Watch:
    """Looks on at a long job from another thread, as often as it likes, and may ask it to stop.

    >>> watch = Watch()
    >>> with Progress(3, "Texts", enabled=False, watch=watch) as bar:
    ...     bar.add(2, accepted=2)
    ...     watch.now().done, watch.now().counts
    (2, {'accepted': 2})
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._began: float | None = None
        self._now = Standing()
        self._stop: Callable[[], None] | None = None
        self.stop_asked = False

    def now(self) -> Standing:
        """How far the job is at this moment."""
        with self._lock:
            seconds = 0.0 if self._began is None else self._clock() - self._began
            return replace(self._now, seconds=seconds)

    def stop(self) -> None:
        """Ask the job to end cleanly; one that has not begun yet ends as soon as it begins."""
        with self._lock:
            self.stop_asked, stop = True, self._stop
        if stop is not None:
            stop()

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Say what ends the job; it is called, in the asking thread, once somebody asks."""
        with self._lock:
            self._stop, asked = stop, self.stop_asked
        if asked:
            stop()

    def _begin(self) -> None:
        """A job begins, maybe after another one: its time is reckoned from now on."""
        with self._lock:
            self._began = self._clock()

    def _see(self, standing: Standing) -> None:
        with self._lock:
            self._now = standing


class Progress:
    """Counts items towards a total, with named counts beside it; safe to call from many threads.

    `watch` lets another thread look on and ask for a stop, whether the bar is shown or not. `before` items were done
    when somebody began to count: the time left is reckoned without them.
    """

    def __init__(
        self,
        total: int,
        description: str,
        *,
        unit: str = "recipients",
        enabled: bool = True,
        watch: Watch | None = None,
        before: int = 0,
    ) -> None:
        self._lock = threading.Lock()
        self._total, self._done, self._before = total, before, before
        self._counts: dict[str, int] = {}
        self._bar: Any = _make_bar(total, description, unit, before) if enabled and total and _can_be_seen() else None
        self._watch = watch or Watch()
        self._what = description
        self._watch._begin()
        self._show("")

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
            self._done += done
            if self._bar is not None:
                self._bar.set_postfix(self._counts, refresh=False)
                self._bar.update(done)
            self._show("")

    def say(self, words: str) -> None:
        """Show what the job is waiting for, or nothing."""
        with self._lock:
            if self._bar is not None:
                self._bar.set_postfix_str(words, refresh=True)
            self._show(words)

    @property
    def stop_asked(self) -> bool:
        """Whether somebody who watches has asked the job to stop."""
        return self._watch.stop_asked

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Say what ends the job when somebody who watches asks."""
        self._watch.on_stop(stop)

    def _show(self, words: str) -> None:
        self._watch._see(
            Standing(self._total, self._done, dict(self._counts), words, before=self._before, what=self._what)
        )


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and shell.has_trait("kernel")


def _can_be_seen() -> bool:
    return _in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def _make_bar(total: int, description: str, unit: str, before: int) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, initial=before, desc=description, unit=f" {unit}", dynamic_ncols=True, smoothing=0.1)
