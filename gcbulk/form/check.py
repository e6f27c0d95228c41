"""Step 3: what will happen, who is sending, and the tick without which nothing goes."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any, Final

import ipywidgets as widgets

from gcbulk.campaign.journal.days import LONDON
from gcbulk.campaign.looking_ahead import preview_plan
from gcbulk.form.browser import PrivateField
from gcbulk.form.controls import Notice, Step, button, html, in_words, row, show
from gcbulk.form.trial import Trial
from gcbulk.form.words import URGENT, for_officers
from gcbulk.messages.findings import are, pounds_and_pence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gcbulk.api.customers import Customer
    from gcbulk.campaign.plan import Plan
    from gcbulk.campaign.preview import Preview
    from gcbulk.form.background import Helper
    from gcbulk.form.desk import Desk

KEYS_CHECKED: Final = 20
"""Schools whose keys are asked about before a send; the others' show when their turn comes."""
QUIET: Final = "quiet_hours"
"""The finding that a send would refuse because of the time of the day."""


class Credentials(widgets.VBox):
    """Who is sending. The key goes straight into the client; no widget holds it."""

    def __init__(self, desk: Desk, helper: Helper, changed: Callable[[], None]) -> None:
        self._desk, self._helper, self._changed = desk, helper, changed
        self.works = False
        self._asked: tuple[object, ...] = ()  # about whom the platform was asked
        self._words = html("", "gcb-who-sends", "gcb-live")
        self._notice = Notice("gcb-key-notice")
        self._customer = widgets.Text(description="Customer id", placeholder="such as 1469")
        self._customer.add_class("gcb-customer")
        self._customer.add_class("gcb-labelled")
        self._key = PrivateField("API key", kind="password", entered=self._entered)
        for name in ("gcb-key", "gcb-labelled"):
            self._key.add_class(name)
        self._fields = row(self._customer, self._key)
        self._change = button("Send as another customer", "gcb-change-key", lambda: show(self._fields, True))
        super().__init__([row(self._words, self._change), self._fields, self._notice])
        self._show()

    def check(self) -> None:
        """Ask the platform, once, whether the key works, or those of the schools that are asked for."""
        wanted = (self._desk.client, *self._schools())
        if self._desk.client is not None and wanted != self._asked:
            self._asked, self.works = wanted, False
            self._show()
            self._helper.ask("credentials", self._check)

    def _entered(self, key: str) -> None:
        self._notice.clear()
        customer = self._customer.value.strip()
        if not customer:
            self._notice.error("Give the customer id too, then the key again: it was not kept.")
            return
        with in_words(self._notice):
            self._desk.use(customer, key)
            self._asked, self.works = (), False
            self._show()
            self._changed()
            self.check()

    def _check(self) -> None:
        client = self._desk.client
        if client is None:
            return
        with in_words(self._notice):
            schools = self._schools()
            found = [client.check_credentials(one) for one in (schools[:KEYS_CHECKED] if schools else [None])]
            wrong = [one.detail for one in found if one.result == "invalid"]
            self.works = len(wrong) < len(found)  # one school's holds up no other
            self._notice.clear()
            if wrong:
                (self._notice.hint if self.works else self._notice.error)(" ".join(wrong))
            elif doubts := [one.detail for one in found if one.result == "cannot tell"]:
                self._notice.hint(f"The key could not be checked. {doubts[0]}")
        self._show()
        self._changed()

    def _schools(self) -> list[str]:
        """The schools that something is to be sent for; of a partner alone."""
        plan = self._desk.plan
        return [] if plan is None else plan.asked

    def _show(self) -> None:
        client = self._desk.client
        if client is None:
            self._words.value = (
                "<span>Who is sending? Your customer id and API key, as Groupcall gave them to you.</span>"
            )
        elif client.customers is not None:
            schools = [self._desk.schools[one] for one in self._schools() if one in self._desk.schools]
            works = " The keys were checked." if self.works and not self._notice.value else ""
            self._words.value = f"<span>Sending for <b>{escape(in_short(schools))}</b>.{works}</span>"
        else:
            works = " The key works." if self.works else ""
            self._words.value = f"<span>Sending as customer <b>{escape(client.customer_id)}</b>.{works}</span>"
        show(self._fields, client is None or (client.customers is None and not self.works and bool(self._notice.value)))
        show(self._change, client is not None and client.customers is None)


class Urgency(widgets.VBox):
    """Quiet hours: why nothing goes now, and the tick that sends all the same. Out of sight where they do not apply."""

    def __init__(self, desk: Desk, name: str, ticked: Callable[[], None]) -> None:
        self._desk = desk
        self._notice = Notice(f"{name}-notice")
        self._tick = widgets.Checkbox(desk.options.urgent, description=URGENT, indent=False)
        self._tick.add_class(name)
        self._tick.observe(lambda change: self._ticked(bool(change["new"]), ticked), "value")
        super().__init__([self._notice, self._tick])
        self.tell("")

    def tell(self, why: str) -> None:
        """Say why nothing goes at this time; "" where it may."""
        self._notice.error(why)
        show(self, bool(why) or self._tick.value)

    def _ticked(self, urgent: bool, ticked: Callable[[], None]) -> None:
        self._desk.shape(urgent=urgent)
        ticked()


def _but_for_stops(view: Preview) -> Preview:
    """A preview without what stops a send: that stands beside the tick or the field that can do something about it."""
    findings = tuple(found for found in view.plan.findings if found.severity != "stop")
    return replace(view, plan=replace(view.plan, findings=findings))


def in_short(schools: Sequence[Customer]) -> str:
    """One school by name and id, several by their number."""
    return f"{schools[0].name} ({schools[0].id})" if len(schools) == 1 else are(len(schools), "school")


class CheckStep(Step):
    """What will happen, in one sentence and in full; `send` is called once it is confirmed."""

    def __init__(self, desk: Desk, helper: Helper, credentials: Credentials, send: Callable[[], None]) -> None:
        super().__init__(3, "Check", "Read what will happen. Nothing has been sent so far.")
        self._desk, self._helper, self.credentials, self._send_it = desk, helper, credentials, send
        self._trial = Trial(desk, helper)
        self.texts = 0
        self._shown: Plan | None = None
        self._stopped = False
        self._notice = Notice("gcb-check-notice")
        self._urgency = Urgency(desk, "gcb-urgent", self._again)
        self._sentence = html("", "gcb-sentence", "gcb-live")
        self._view = html("", "gcb-scroll")
        self._confirm = widgets.Checkbox(False, description="I have read this, and it is right", indent=False)
        self._confirm.add_class("gcb-confirm")
        self._confirm.observe(lambda _change: self.allow(), "value")
        self._button = button("Send", "gcb-send", self._clicked, main=True)
        self.fill(
            self._sentence,
            self._notice,
            self._urgency,
            self._view,
            credentials,
            self._trial,
            row(self._confirm),
            row(self._button),
        )
        self.allow()

    def look(self) -> None:
        """Another plan, or none yet: the tick is taken back, and what will happen is worked out anew."""
        plan = self._desk.plan
        if plan is self._shown and plan is not None:
            self.allow()
            return
        self._shown, self.texts, self._stopped = None, 0, False
        self._confirm.value = False
        self.allow()
        self._trial.clear()
        if plan is not None:
            self._helper.ask("preview", lambda: self._preview(plan))

    def _again(self) -> None:
        """The same plan, to be sent in another way."""
        self._shown = None
        self.look()

    def _preview(self, plan: Plan) -> None:
        desk = self._desk
        self._notice.clear()
        with in_words(self._notice):
            view = preview_plan(plan, desk.options, client=desk.client)
            if desk.plan is not plan:
                return
            counts = view.summary()
            self._shown, self.texts = plan, counts["texts"]
            self._tell_stops(view)
            rehearsal = " <i>This is the sandbox: nobody is really texted.</i>" if desk.nobody_is_texted else ""
            self._sentence.value = f"<p>{escape(self._in_one_sentence(counts))}{rehearsal}</p>"
            self._view.value = for_officers(_but_for_stops(view).to_html())
            self._button.description = f"Send {are(counts['texts'], 'text')}"
        self.allow()

    def _tell_stops(self, view: Preview) -> None:
        """What a send would refuse as things are: the time of the day, or a time that is past by now."""
        stops = {found.code: found.sentence for found in view.plan.findings if found.severity == "stop"}
        self._stopped = bool(stops)
        self._urgency.tell(stops.pop(QUIET, ""))
        if stops:
            self._notice.error(" ".join(stops.values()))

    def _in_one_sentence(self, counts: dict[str, Any]) -> str:
        desk = self._desk
        if not counts["texts"]:
            return "There is nobody to send this to: see below why."
        when = "now"
        if (scheduled := desk.options.scheduled()) is not None:
            at = scheduled.astimezone(LONDON)
            when = f"at {at:%H:%M} on {at.day} {at:%B %Y}"
        cost = "" if counts["cost"] is None else f" {pounds_and_pence(counts['cost'])},"
        who = f" from school {desk.client.customer_id}" if desk.client is not None else ""
        if schools := [desk.schools[one["id"]] for one in counts.get("customers", []) if one["texts"]]:
            who = f" from {in_short(schools)}"
        return (
            f"Sends {are(counts['texts'], 'text')}, {are(counts['parts'], 'part')},{cost} "
            f"to {are(counts['numbers'], 'number')}{who} {when}."
        )

    def allow(self) -> None:
        """Send can be clicked only for what is on the screen, ticked, with a key that is not known to be wrong."""
        ready = self.texts > 0 and self._desk.client is not None and self.credentials.works
        self._confirm.disabled = self.texts == 0
        self._button.disabled = not (ready and self._confirm.value and not self._stopped)
        self._trial.allow(ready)

    def _clicked(self) -> None:
        if self._button.disabled or self._shown is None or self._shown is not self._desk.plan:
            return
        self._button.disabled = True
        self._confirm.value = False
        self._send_it()
