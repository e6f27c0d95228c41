"""Step 4: how far the run is, and the button that stops it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from gcbulk.form.controls import Step, button, html, row, show
from gcbulk.form.words import for_officers

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcbulk.progress import Standing


class SendStep(Step):
    """A run on the screen. `stop` and `again` are called when their buttons are clicked."""

    def __init__(self, stop: Callable[[], None], again: Callable[[], None]) -> None:
        super().__init__(4, "Send", "Leave this page open if you can. What went is written down as it goes.")
        self._stop = stop
        self._seen: Standing | None = None
        self._bar = html("", "gcb-progress")
        self._status = html("", "gcb-status", "gcb-live")
        self._button = button("Stop", "gcb-stop", self._clicked)
        self._button.tooltip = "No further call starts; those under way are waited for"
        self._another = button("Leave it, and write another message", "gcb-leave", again)
        show(self._another, False)
        self.fill(self._bar, self._status, row(self._button, self._another))

    def begin(self, words: str, *, another: bool = False) -> None:
        """A run begins; `another` program's may be left to itself."""
        self._bar.value, self._seen = "", None
        self.say("sending", words)
        self._button.disabled, self._button.description = False, "Stop"
        show(self._another, another)
        self.unfold()

    def see(self, standing: Standing) -> None:
        """Show how far it is."""
        self._seen = standing
        self._show(standing, standing.seconds_left)

    def _show(self, standing: Standing, left: float | None) -> None:
        counts = ", ".join(f"{n:,} {name}" for name, n in standing.counts.items() if n)
        time_left = f"; about {_duration(left)} left" if left is not None and standing.done < standing.total else ""
        what = standing.what or "Texts"
        gone = f"{standing.done:,} of {standing.total:,} {what.lower()}"
        words = f"{gone}{': ' if counts else ''}{counts}{time_left}"
        more = f" ({standing.words})" if standing.words else ""
        self._bar.value = (
            f"<progress max='{max(standing.total, 1)}' value='{standing.done}' aria-label='{what} sent'></progress>"
            f"<p>{escape(words + more)}</p>"
        )

    def end(self, word: str, words: str) -> None:
        """The run has ended: `done`, `stopped` or `failed`, and what that means."""
        self.say(word, words)
        if self._seen is not None:  # nothing is left of the time
            self._show(self._seen, None)
        self._button.disabled, self._button.description = True, "Stop"
        show(self._another, False)

    def say(self, word: str, words: str) -> None:
        """The status: one word, and a sentence."""
        self._status.value = f"<p><b class='gcb-word gcb-word-{word}'>{word}</b> {escape(for_officers(words))}</p>"

    def _clicked(self) -> None:
        self._button.disabled, self._button.description = True, "Stopping ..."
        self._stop()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
