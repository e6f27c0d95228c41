"""SendForm: the five steps put together, and what passes between them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import ipywidgets as widgets

from gcbulk.campaign.history import settle as settle_unknown
from gcbulk.campaign.history import whereabouts
from gcbulk.form.background import Helper, Job
from gcbulk.form.browser import Page
from gcbulk.form.check import CheckStep, Credentials
from gcbulk.form.controls import html, in_words, quiet_log, sentence, show
from gcbulk.form.desk import Desk, Errand
from gcbulk.form.earlier import Earlier
from gcbulk.form.message import MessageStep
from gcbulk.form.recipients import RecipientsStep
from gcbulk.form.results import ResultsStep
from gcbulk.form.runs import errands_known, following, going_on, read_results, sending
from gcbulk.form.runs import in_words as told
from gcbulk.form.sending import SendStep
from gcbulk.form.style import STYLE

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Hashable, Sequence

    import pandas as pd

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.campaign.history import Whereabouts
    from gcbulk.form.runs import Ended
    from gcbulk.progress import Standing, Watch
    from gcbulk.recipients.optouts import OptOuts

BEING_SENT: Final = (
    "“{name}”, begun on {begun}, is being sent: from this page before it was loaded again, or from another window or "
    "program. It goes on by itself, whether you look on here or not; Stop ends it cleanly."
)


class SendForm(widgets.VBox):
    """A form that sends: choose a list, write, check, send, see the results. Show it as the last line of a cell.

    `recipients` is a DataFrame, or None for an upload; `message`, `campaign`, `number_column` or `number_columns`,
    `international`, `opt_outs`, `customer_column` and the sending options of `send_sms` fill the form in beforehand.
    `channel` is "sms", "email" or "either" (a text where it can be, else an email, as `send_message` does), with
    `subject`, `body`, `email_column` and the options of `send_email`; it can be changed in the form.
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
        channel: str = "sms",
        subject: str = "",
        body: str | os.PathLike[str] = "",
        campaign: str | None = None,
        client: CommunicationsClient | None = None,
        number_column: Hashable | None = None,
        number_columns: Sequence[Hashable] | None = None,
        email_column: Hashable | None = None,
        international: bool = False,
        opt_outs: OptOuts | None = None,
        customer_column: Hashable | None = None,
        sandbox: bool = False,
        **options: Any,
    ) -> None:
        self._desk = Desk(
            recipients=recipients,
            channel=channel,
            campaign=campaign,
            client=client,
            number_column=number_column,
            number_columns=number_columns,
            email_column=email_column,
            international=international,
            opt_outs=opt_outs,
            customer_column=customer_column,
            sandbox=sandbox,
            options=options,
        )
        self._desk.write(subject, body)
        self._helper, self._network = Helper(self._failed), Helper(self._failed)
        self._lock = threading.Lock()
        self._job: Job[Any] | None = None
        self._message_given = message
        self._page = Page(opened=self._opened)
        self._steps = widgets.VBox([])
        self._earlier = Earlier(self._show_campaign)
        self._title = html("", "gcb-title")
        super().__init__([widgets.HTML(STYLE), self._title, self._page, self._earlier, self._steps])
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
        self._title.value = f"<h1>{desk.way.title}</h1>"
        self._credentials = Credentials(desk, self._network, self._plan_changed)
        self._check = CheckStep(desk, helper, self._credentials, self._send_it)
        self._sending = SendStep(self._stop_it, self._again)
        self._results = ResultsStep(
            desk, helper, self._page, resume=self._resume, settle=self._settle, again=self._again
        )
        self._message = MessageStep(desk, helper, self._page, self._message_given, self._plan_changed)
        self._recipients = RecipientsStep(
            desk, helper, self._page, changed=self._list_changed, another_way=self._way_changed
        )
        self._recipients.unfold()
        self._steps.children = [self._recipients, self._message, self._check, self._sending, self._results]
        self._list_changed()

    def _way_changed(self) -> None:
        """The list is told in another way: other boxes, and nothing is planned until it is checked again."""
        self._title.value = f"<h1>{self._desk.way.title}</h1>"
        self._desk.checked = None
        self._message.arrange()
        self._check.arrange()
        self._list_changed()

    def _list_changed(self) -> None:
        if hasattr(self, "_recipients"):
            self._message.unfold(self._desk.checked is not None and self._job is None)
            self._message.new_list()

    def _plan_changed(self) -> None:
        self._check.look()
        opened = self._desk.legs is not None and self._job is None
        self._check.unfold(opened)
        if opened:
            self._credentials.check()

    # -- sending

    def _send_it(self) -> None:
        desk = self._desk
        if desk.legs is not None and desk.recipients is not None and desk.client is not None:
            self._begin(sending(desk, desk.legs), "You can stop at any time.")

    def _resume(self, late: bool) -> None:
        with in_words(self._results.notice):
            self._begin(going_on(self._desk, late=late), "Those not sent so far. You can stop at any time.")

    def _begin(self, work: Callable[[Watch], Ended], words: str, *, another: bool = False) -> None:
        """Start a run, or to look on at another's, unless one is under way: whoever clicks twice sends once."""
        with self._lock:
            if self._job is not None:
                return
            self._rest(False)
            self._sending.begin(words, another=another)

            def quietly(watch: Watch) -> Ended:
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

    def _ended(self, job: Job[Any], ended: Ended | None, error: Exception | None) -> None:
        """A run has come back, in whatever way: say so, and show what is known."""
        with self._lock:
            if job is not self._job:  # the user went on to another message
                return
            self._job = None
        desk = self._desk
        desk.legs = None
        if ended is None:
            self._sending.end("failed", sentence(error) if error else "")
            if desk.results is None:
                self._rest(True)
            else:  # going on with a campaign was refused: it can still be gone on with
                with in_words(self._results.notice):
                    self._show_results()
            return
        self._take(ended.results, ended.errands)
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
                errands, known = errands_known(desk)
                if len(errands) == len(desk.names) or any(one.at_work for one in known):
                    self._show_where_they_stand(errands, known)
                return
            everything = whereabouts(journal=desk.options.journal)
            self._earlier.offer(everything)
            fresh = desk.recipients is None
            for known_one in [c for c in everything if c.at_work or (fresh and c.today and c.to_send)][:1]:
                self._show_where_they_stand([Errand(known_one.campaign, known_one.channel)], [known_one])

    def _show_campaign(self, name: str) -> None:
        def look() -> None:
            with in_words(self._earlier.notice):
                for known in whereabouts(name, journal=self._desk.options.journal):
                    self._show_where_they_stand([Errand(known.campaign, known.channel)], [known])

        self._helper.ask("campaign", look)

    def _show_where_they_stand(self, errands: list[Errand], known: list[Whereabouts]) -> None:
        desk = self._desk
        desk.errands = errands
        for errand, one in zip(errands, known, strict=True):
            if one.at_work:
                desk.errands = [errand]
                desk.campaign = one.campaign
                words = BEING_SENT.format(name=one.campaign, begun=one.begun)
                self._begin(following(desk, one), words, another=True)
                return
        self._take(read_results(desk), errands)
        self._rest(False)
        words = f"{told(desk.results, '')} Begun on {known[0].begun}."
        self._sending.end("stopped" if any(one.to_send for one in known) else "done", words)
        self._sending.unfold()
        self._show_results()

    def _take(self, results: pd.DataFrame, errands: list[Errand]) -> None:
        """Results, and the campaigns that they are of, on the desk."""
        desk = self._desk
        desk.results, desk.errands = results, errands
        if len(errands) == 1 or desk.campaign is None:
            desk.campaign = errands[0].campaign

    def _show_results(self) -> None:
        desk = self._desk
        known = [one for errand in desk.errands for one in whereabouts(errand.campaign, journal=desk.options.journal)]
        self._rest(False)
        begun = next((one.begun for one in known if not one.today), "")
        self._results.show(begun_earlier=begun, credentials=self._credentials)
        self._results.unfold()

    def _settle(self, sent: bool) -> None:
        """Settle what is unknown; `not sent` may have to wait until a call that broke off must have ended."""

        def work() -> None:
            self._results.notice.hint("Settling: this may take a minute, until no call can be under way any more.")
            with in_words(self._results.notice):
                for errand in self._desk.errands:
                    settle_unknown(errand.campaign, sent=sent, journal=self._desk.options.journal)
                self._results.notice.clear()
                self._desk.results = read_results(self._desk)
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
