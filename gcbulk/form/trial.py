"""A test on the sender's own phone: the texts worth reading go there and to nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import ipywidgets as widgets

from gcbulk.campaign.delivering import send_plan
from gcbulk.campaign.preview import mask_number
from gcbulk.codes import Status
from gcbulk.form.browser import PrivateField
from gcbulk.form.controls import Notice, button, in_words, quiet_log, row
from gcbulk.messages.findings import are

if TYPE_CHECKING:
    import pandas as pd

    from gcbulk.campaign.delivering import Sent
    from gcbulk.campaign.plan import Plan
    from gcbulk.form.background import Helper
    from gcbulk.form.desk import Desk

_ACCEPTED: Final = (Status.ACCEPTED.value, Status.PARTLY_ACCEPTED.value)


class Trial(widgets.VBox):
    """A field for a number, a button, and what came of it. It sends the plan that is on the screen."""

    def __init__(self, desk: Desk, helper: Helper) -> None:
        self._desk, self._helper = desk, helper
        self._ready = self._under_way = False
        self._number = desk.test_to  # here alone: a person's number is no widget's state
        hint = f"given: •••{self._number[-3:]}" if self._number else "07..."
        field = PrivateField("Your own phone", kind="tel", entered=self._entered, hint=hint)
        for name in ("gcb-test-to", "gcb-labelled"):
            field.add_class(name)
        self._button = button("Send a test to my phone", "gcb-test", self._clicked)
        self._notice = Notice("gcb-test-notice")
        beside = row(field, self._button)
        beside.add_class("gcb-low")
        super().__init__([beside, self._notice])
        self._show()

    def allow(self, ready: bool) -> None:
        """Whether there is something to test, and a key that works."""
        self._ready = ready
        self._show()

    def clear(self) -> None:
        """Another message: what came of a test was about the one before."""
        self._notice.clear()

    def _entered(self, number: str) -> None:
        self._number = number
        self._show()

    def _show(self) -> None:
        self._button.disabled = not (self._ready and self._number) or self._under_way

    def _clicked(self) -> None:
        plan, recipients = self._desk.plan, self._desk.recipients
        if self._button.disabled or plan is None or recipients is None:
            return
        self._under_way = True
        self._show()
        self._notice.hint("Sending the test ...")
        self._helper.ask("test", lambda: self._try(plan, recipients))

    def _try(self, plan: Plan, recipients: pd.DataFrame) -> None:
        desk = self._desk
        try:
            with in_words(self._notice):
                options = replace(desk.options, test_to=self._number)
                with quiet_log():
                    sent = send_plan(plan, recipients, options, client=desk.client)
                self._tell(sent)
        finally:
            self._under_way = False
            self._show()

    def _tell(self, sent: Sent) -> None:
        results = sent.results
        accepted = int(results["Status"].isin(_ACCEPTED).sum())
        if accepted == len(results):
            of = "; ".join(results["Sample"])
            self._notice.good(
                f"{are(accepted, 'text')} ({of}) accepted for {mask_number(results['SentTo'].iloc[0])}, and for nobody "
                "else. Read what comes before you send to everybody."
            )
            return
        why = sent.report.stop_detail or results["ErrorDetail"].dropna().iloc[0]
        self._notice.error(f"Of {are(len(results), 'test text')}, {accepted} accepted. {why}")
