"""SendForm: the five steps put together, and what passes between them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import ipywidgets as widgets

from gcbulk.campaign.delivering import resume_campaign, send_plan
from gcbulk.campaign.history import ask_to_stop, campaign_results, whereabouts
from gcbulk.campaign.history import settle as settle_unknown
from gcbulk.codes import Status
from gcbulk.errors import CredentialsError
from gcbulk.form.background import Helper, Job
from gcbulk.form.browser import Page
from gcbulk.form.check import CheckStep, Credentials
from gcbulk.form.controls import Notice, button, html, in_words, quiet_log, row, sentence, show
from gcbulk.form.desk import Desk
from gcbulk.form.message import MessageStep
from gcbulk.form.recipients import RecipientsStep
from gcbulk.form.results import ResultsStep
from gcbulk.form.sending import SendStep
from gcbulk.form.style import STYLE
from gcbulk.messages.findings import are
from gcbulk.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import pandas as pd

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.campaign.delivering import Sent
    from gcbulk.campaign.history import Whereabouts
    from gcbulk.progress import Standing, Watch
    from gcbulk.recipients.optouts import OptOuts

FOLLOW_POLL: Final = 0.5
"""Seconds between looks at a run in another process."""


BEING_SENT: Final = (
    "“{name}”, begun on {begun}, is being sent: from this page before it was loaded again, or from another window or "
    "program. It goes on by itself, whether you look on here or not; Stop ends it cleanly."
)


class SendForm(widgets.VBox):
    """A form that sends: choose a list, write, check, send, see the results. Show it as the last line of a cell.

    `recipients` is a DataFrame, or None for an upload; `message`, `campaign`, `number_column` or `number_columns`,
    `international`, `opt_outs`, `customer_column` and the sending options of `send_sms` fill the form in beforehand.
    A partner chooses the school, or the column that names each row's. `sandbox=True` sends to a stand-in that the form
    brings with it, with a journal that ends with it. A form opened on a campaign that the journal knows shows where it
    stands; running the cell again, or clicking twice, sends nothing twice. `results` is the DataFrame, None until
    there is one.

    >>> form = SendForm(sandbox=True)
    >>> form
    SendForm(campaign=None)
    >>> form.results is None
    True
    >>> form.close()
    """

    def __init__(
        self,
        recipients: pd.DataFrame | None = None,
        message: str = "",
        *,
        campaign: str | None = None,
        client: CommunicationsClient | None = None,
        number_column: Hashable | None = None,
        number_columns: Sequence[Hashable] | None = None,
        international: bool = False,
        opt_outs: OptOuts | None = None,
        customer_column: Hashable | None = None,
        sandbox: bool = False,
        **options: Any,
    ) -> None:
        self._desk = Desk(
            recipients=recipients,
            campaign=campaign,
            client=client,
            number_column=number_column,
            number_columns=number_columns,
            international=international,
            opt_outs=opt_outs,
            customer_column=customer_column,
            sandbox=sandbox,
            options=options,
        )
        self._helper, self._network = Helper(self._failed), Helper(self._failed)
        self._lock = threading.Lock()
        self._job: Job[Any] | None = None
        self._message_given = message
        self._page = Page(opened=self._opened)
        self._steps = widgets.VBox([])
        self._earlier = _Earlier(self._show_campaign)
        super().__init__([widgets.HTML(STYLE), html(_TITLE, "gcb-title"), self._page, self._earlier, self._steps])
        self.add_class("gcb-form")
        self._lay_out()
        if campaign is not None:
            self._opened()

    def __repr__(self) -> str:
        return f"SendForm(campaign={self.campaign!r})"

    @property
    def results(self) -> pd.DataFrame | None:
        """The results as `send_sms` returns them; None until there are some."""
        return self._desk.results

    @property
    def campaign(self) -> str | None:
        """The name of the campaign, once it has one."""
        return self._desk.campaign

    def wait(self, timeout: float = 60.0) -> bool:
        """Wait until the form has nothing left to do, a send included; False where that took too long."""
        job = self._job
        return (job is None or job.wait(timeout)) and self._helper.wait(timeout) and self._network.wait(timeout)

    def close(self) -> None:
        """Take the form off the screen, and close what it opened; a run under way is stopped cleanly."""
        job = self._job
        if job is not None:
            job.stop()
            job.wait()
        self._helper.close()
        self._network.close()
        self._desk.close()
        super().close()

    def _lay_out(self) -> None:
        """Five new steps, the first of them open."""
        desk, helper = self._desk, self._helper
        self._credentials = Credentials(desk, self._network, self._plan_changed)
        self._check = CheckStep(desk, helper, self._credentials, self._send_it)
        self._sending = SendStep(self._stop_it, self._again)
        self._results = ResultsStep(
            desk, helper, self._page, resume=self._resume, settle=self._settle, again=self._again
        )
        self._message = MessageStep(desk, helper, self._page, self._message_given, self._plan_changed)
        self._recipients = RecipientsStep(desk, helper, self._page, self._list_changed)
        self._recipients.unfold()
        self._steps.children = [self._recipients, self._message, self._check, self._sending, self._results]
        self._list_changed()

    def _list_changed(self) -> None:
        if hasattr(self, "_recipients"):
            self._message.unfold(self._desk.checked is not None and self._job is None)
            self._message.new_list()

    def _plan_changed(self) -> None:
        self._check.look()
        opened = self._desk.plan is not None and self._job is None
        self._check.unfold(opened)
        if opened:
            self._credentials.check()

    # -- sending

    def _send_it(self) -> None:
        desk, plan = self._desk, self._desk.plan
        recipients, client = desk.recipients, desk.client
        if plan is None or recipients is None or client is None:
            return
        options, name = replace(desk.options), desk.campaign

        def work(watch: Watch) -> _Ended:
            return _of_a_run(send_plan(plan, recipients, options, campaign=name, client=client, watch=watch))

        self._begin(work, "You can stop at any time.")

    def _resume(self, late: bool) -> None:
        desk, name = self._desk, self._desk.campaign
        if name is None:
            return
        client = None
        with in_words(self._results.notice):
            known = whereabouts(name, journal=desk.options.journal)
            client = desk.client_of(known[0].customer_id) if known else desk.client
            if client is None:
                raise CredentialsError("Who is sending? Give your customer id and API key first.")
        if client is None:
            return

        def work(watch: Watch) -> _Ended:
            options = replace(desk.options, late=late)
            sent = resume_campaign(
                name, options, recipients=desk.recipients, intake=desk.intake, client=client, watch=watch
            )
            return _of_a_run(sent)

        self._begin(work, "Those not sent so far. You can stop at any time.")

    def _begin(self, work: Any, words: str, *, another: bool = False) -> None:
        """Start a run, or to look on at another's, unless one is under way: whoever clicks twice sends once."""
        with self._lock:
            if self._job is not None:
                return
            self._rest(False)
            self._sending.begin(words, another=another)

            def quietly(watch: Watch) -> Any:
                with quiet_log():
                    return work(watch)

            self._job = Job(quietly, seen=self._seen, ended=self._ended)

    def _stop_it(self) -> None:
        job = self._job
        if job is not None:
            job.stop()

    def _seen(self, job: Job[Any], standing: Standing) -> None:
        if job is self._job:
            self._sending.see(standing)

    def _ended(self, job: Job[Any], ended: _Ended | None, error: Exception | None) -> None:
        """A run has come back, in whatever way: say so, and show what is known."""
        with self._lock:
            if job is not self._job:  # the user went on to another message
                return
            self._job = None
        desk = self._desk
        desk.plan = None
        if ended is None:
            self._sending.end("failed", sentence(error) if error else "")
            if desk.results is None:
                self._rest(True)
            else:  # going on with a campaign was refused: it can still be gone on with
                with in_words(self._results.notice):
                    self._show_results()
            return
        desk.results, desk.campaign = ended.results, ended.campaign
        self._sending.end(ended.word(stopped_by_hand=job.watch.stop_asked), ended.words)
        with in_words(self._results.notice):
            self._show_results()

    def _failed(self, error: Exception) -> None:
        """What nobody foresaw, in words, at the top of the form."""
        self._earlier.notice.error(sentence(error))

    def _rest(self, opened: bool) -> None:
        """The first three steps: shut while a run is under way and once it has ended, open while one is prepared."""
        self._recipients.unfold(opened)
        self._message.unfold(opened and self._desk.checked is not None)
        self._check.unfold(False)
        if opened:
            self._message.look()
        else:
            self._results.unfold(False)
            show(self._earlier, False)

    # -- results, and campaigns that are known already

    def _opened(self) -> None:
        """The form has come on a screen: show where its campaign stands, or what else is not finished."""
        self._helper.ask("opened", self._look_around)

    def _look_around(self) -> None:
        if self._job is not None or self._desk.results is not None:
            return
        desk = self._desk
        with in_words(self._earlier.notice):
            if desk.campaign is not None:
                known = whereabouts(desk.campaign, journal=desk.options.journal)
            else:
                everything = whereabouts(journal=desk.options.journal)
                self._earlier.offer(everything)
                fresh = desk.recipients is None
                known = [c for c in everything if c.at_work or (fresh and c.today and c.to_send)][:1]
            if known:
                self._show_where_it_stands(known[0])

    def _show_campaign(self, name: str) -> None:
        def look() -> None:
            with in_words(self._earlier.notice):
                for known in whereabouts(name, journal=self._desk.options.journal):
                    self._show_where_it_stands(known)

        self._helper.ask("campaign", look)

    def _show_where_it_stands(self, known: Whereabouts) -> None:
        self._desk.campaign = known.campaign
        if known.at_work:
            words = BEING_SENT.format(name=known.campaign, begun=known.begun)
            self._begin(lambda watch: self._follow(known, watch), words, another=True)
            return
        self._read_results()
        self._rest(False)
        words = f"{_in_words(self._desk.results, '')} Begun on {known.begun}."
        self._sending.end("stopped" if known.to_send else "done", words)
        self._sending.unfold()
        self._show_results()

    def _follow(self, known: Whereabouts, watch: Watch) -> _Ended:
        """Look on at a run in another process until it has ended."""
        desk, name = self._desk, known.campaign
        journal = desk.options.journal
        watch.on_stop(lambda: ask_to_stop(name, journal=journal))
        now, went = known, sum(known.answered.values())
        with Progress(went + known.to_send, "Texts", enabled=False, watch=watch, before=went) as bar:
            bar.add(0, **known.answered)
            while now.at_work:
                time.sleep(FOLLOW_POLL)
                before, (now,) = now, whereabouts(name, journal=journal)
                more = {kind: n - before.answered[kind] for kind, n in now.answered.items()}
                bar.add(sum(more.values()), **more)
        results = campaign_results(
            name,
            recipients=desk.recipients,
            number_column=desk.number_column,
            number_columns=desk.number_columns,
            journal=journal,
        )
        return _Ended(results, name, _in_words(results, ""), stopped=bool(now.to_send), by_hand=True)

    def _read_results(self) -> None:
        desk = self._desk
        desk.results = campaign_results(
            str(desk.campaign),
            recipients=desk.recipients,
            number_column=desk.number_column,
            number_columns=desk.number_columns,
            journal=desk.options.journal,
        )

    def _show_results(self) -> None:
        desk = self._desk
        known = whereabouts(str(desk.campaign), journal=desk.options.journal)
        self._rest(False)
        begun = "" if not known or known[0].today else known[0].begun
        self._results.show(begun_earlier=begun, credentials=self._credentials)
        self._results.unfold()

    def _settle(self, sent: bool) -> None:
        """Settle what is unknown; `not sent` may have to wait until a call that broke off must have ended."""

        def work() -> None:
            self._results.notice.hint("Settling: this may take a minute, until no call can be under way any more.")
            with in_words(self._results.notice):
                settle_unknown(str(self._desk.campaign), sent=sent, journal=self._desk.options.journal)
                self._results.notice.clear()
                self._read_results()
                self._show_results()

        self._network.ask("settle", work)

    def _again(self) -> None:
        """A new message: the same list, nothing else."""
        desk = self._desk
        with self._lock:
            self._job = None  # looking on at another's run ends; the run does not
        desk.another_message()
        self._message_given = ""
        self._lay_out()
        with in_words(self._earlier.notice):
            self._earlier.offer(whereabouts(journal=desk.options.journal))


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a run ended: `stopped` before everything was tried, and then `by_hand` where it is known that a user did."""

    results: pd.DataFrame
    campaign: str
    words: str
    stopped: bool
    by_hand: bool = False

    def word(self, *, stopped_by_hand: bool) -> str:
        """The status word."""
        if not self.stopped:
            return "done"
        return "stopped" if self.by_hand or stopped_by_hand else "failed"


def _of_a_run(sent: Sent) -> _Ended:
    why = sent.nothing_left or sent.report.stop_detail
    return _Ended(sent.results, sent.campaign, _in_words(sent.results, why), stopped=sent.report.stop_code is not None)


class _Earlier(widgets.VBox):
    """Campaigns that the journal knows, to look at or to go on with; out of sight where there are none."""

    def __init__(self, opened: Any) -> None:
        self.notice = Notice("gcb-earlier-notice")
        self._choice = widgets.Dropdown(description="Earlier campaigns")
        self._choice.add_class("gcb-campaigns")
        self._choice.add_class("gcb-labelled")
        self._look = button("Show where it stands", "gcb-show-campaign", lambda: opened(str(self._choice.value)))
        self._row = row(self._choice, self._look)
        super().__init__([self._row, self.notice])
        show(self._row, False)

    def offer(self, known: list[Whereabouts]) -> None:
        """Offer these, and say which are not finished."""
        self._choice.options = [(_label(campaign), campaign.campaign) for campaign in known]
        show(self._row, bool(known))
        show(self, True)


_TITLE: Final = "<h1>Text parents</h1>"


def _label(known: Whereabouts) -> str:
    unknown = known.states.get(Status.UNKNOWN, 0)
    parts = [are(known.rows, "row"), *([f"{known.to_send:,} to send"] if known.to_send else [])]
    return f"{known.campaign} ({', '.join([*parts, *([f'{unknown:,} unknown'] if unknown else [])])})"


def _in_words(results: pd.DataFrame | None, why: str) -> str:
    if results is None:
        return why
    counts = results["Status"].value_counts()
    accepted = int(counts.get(Status.ACCEPTED.value, 0) + counts.get(Status.PARTLY_ACCEPTED.value, 0))
    waiting, unknown = (int(counts.get(status.value, 0)) for status in (Status.NOT_SENT, Status.UNKNOWN))
    parts = [f"{accepted:,} of {len(results):,} rows accepted"]
    parts += [f"{waiting:,} not sent yet"] if waiting else []
    parts += [f"{unknown:,} unknown"] if unknown else []
    return f"{', '.join(parts)}.{' ' if why else ''}{why}"
