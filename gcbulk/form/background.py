"""Work off the kernel's own thread, so that the form answers while a list is read or sent."""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from gcbulk.progress import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcbulk.progress import Standing

T = TypeVar("T")

TICK: Final = 0.2
"""Seconds between looks at a run: five updates of the screen a second."""
LAST_CALLS: Final = 35.0
"""Seconds that calls in flight are waited for when the kernel ends."""


@dataclass(slots=True)
class _Task:
    due: float
    work: Callable[[], None]


class Helper:
    """One thread that does what it is asked, one thing after another; what is asked again replaces what waits.

    `failed` is told what a piece of work raised.
    """

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._turn = threading.Condition()
        self._tasks: dict[str, _Task] = {}
        self._busy = False
        self._closed = False
        threading.Thread(target=self._run, name="gcbulk-form", daemon=True).start()

    def ask(self, name: str, work: Callable[[], None], *, pause: float = 0.0) -> None:
        """Do this after `pause` seconds, unless the same name is asked for again before that."""
        with self._turn:
            self._tasks[name] = _Task(time.monotonic() + pause, work)
            self._turn.notify_all()

    def wait(self, timeout: float = 60.0) -> bool:
        """Wait until there is nothing left to do; False where that took too long."""
        with self._turn:
            return self._turn.wait_for(lambda: not self._tasks and not self._busy, timeout)

    def close(self) -> None:
        """Do nothing more."""
        with self._turn:
            self._closed = True
            self._tasks.clear()
            self._turn.notify_all()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - told, and the next piece of work is still done
                self._failed(error)
            with self._turn:
                self._busy = False
                self._turn.notify_all()

    def _next(self) -> Callable[[], None] | None:
        with self._turn:
            while not self._closed:
                name = min(self._tasks, key=lambda name: self._tasks[name].due, default=None)
                pause = None if name is None else self._tasks[name].due - time.monotonic()
                if name is not None and pause is not None and pause <= 0:
                    self._busy = True
                    return self._tasks.pop(name).work
                self._turn.wait(pause)
        return None


class Job(Generic[T]):
    """One long piece of work in a thread of its own, looked at a few times a second until it has ended.

    `work` is given a Watch. `seen` is told how far it is, `ended` what it returned or raised; both are given the job
    first, and are called in a thread that is not the kernel's.
    """

    def __init__(
        self,
        work: Callable[[Watch], T],
        *,
        seen: Callable[[Job[T], Standing], None],
        ended: Callable[[Job[T], T | None, Exception | None], None],
    ) -> None:
        self.watch = Watch()
        self._work, self._seen, self._ended = work, seen, ended
        self._result: T | None = None
        self._error: Exception | None = None
        self._over = threading.Event()
        self._told = threading.Event()
        _JOBS.add(self)
        threading.Thread(target=self._do, name="gcbulk-send", daemon=True).start()
        threading.Thread(target=self._look_on, name="gcbulk-send-watch", daemon=True).start()

    def stop(self) -> None:
        """Ask the work to end cleanly."""
        self.watch.stop()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the work has ended and everybody has been told."""
        return self._told.wait(timeout)

    def _do(self) -> None:
        try:
            self._result = self._work(self.watch)
        except Exception as error:  # noqa: BLE001 - handed to `ended`, which turns it into words
            self._error = error
        finally:
            self._over.set()

    def _look_on(self) -> None:
        try:
            while not self._over.wait(TICK):
                self._seen(self, self.watch.now())
            self._seen(self, self.watch.now())
            self._ended(self, self._result, self._error)
        finally:
            self._told.set()


_JOBS: Final[weakref.WeakSet[Job[Any]]] = weakref.WeakSet()


@atexit.register
def _end_jobs() -> None:
    """A kernel that is shut down in mid-send lets calls in flight come back: nobody is left in doubt."""
    running = [job for job in _JOBS if not job._over.is_set()]
    for job in running:
        job.stop()
    ends = time.monotonic() + LAST_CALLS
    for job in running:
        job._over.wait(max(0.0, ends - time.monotonic()))
