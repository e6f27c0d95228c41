"""What the steps share: the list, the message, the plan, and the platform that it all goes to."""

from __future__ import annotations

import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcbulk.api.client import CommunicationsClient
from gcbulk.api.credentials import reaches_people
from gcbulk.campaign import schedule
from gcbulk.campaign.options import SendOptions
from gcbulk.campaign.plan import Plan, make_plan
from gcbulk.errors import CredentialsError, OptionError
from gcbulk.messages.options import TextOptions
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import pandas as pd

    from gcbulk.recipients.optouts import OptOuts


class Desk:
    """Everything chosen so far. Steps write their own part of it and read that of the steps before."""

    def __init__(
        self,
        *,
        recipients: pd.DataFrame | None,
        campaign: str | None,
        client: CommunicationsClient | None,
        number_column: Hashable | None,
        number_columns: Sequence[Hashable] | None,
        international: bool,
        opt_outs: OptOuts | None,
        sandbox: bool,
        options: dict[str, Any],
    ) -> None:
        self.recipients = recipients
        self.number_column, self.number_columns = number_column, number_columns
        self.international = international
        self.opt_outs = opt_outs
        self.test_to = str(options.pop("test_to", None) or "")
        self.one_per_number = bool(options.pop("one_per_number", False))
        self.texts = TextOptions(
            **{one.name: options.pop(one.name) for one in fields(TextOptions) if one.name in options}
        )
        self.checked: pd.DataFrame | None = None
        self.message = ""
        self.campaign = campaign
        self.plan: Plan | None = None
        self.results: pd.DataFrame | None = None
        self._own_client = client is None
        self._sandbox: Sandbox | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if sandbox:
            if client is not None:
                raise OptionError("sandbox=True brings its own client. Leave client out, or leave sandbox out.")
            self._folder = tempfile.TemporaryDirectory(prefix="gcbulk-form-", ignore_cleanup_errors=True)
            options = {"journal": Path(self._folder.name) / "journal.sqlite3", **options}
            self._sandbox = Sandbox()
            self._sandbox.start()
        self.options = SendOptions(**{**options, "progress": False})
        self.client = client or self._client()

    def _client(self, customer_id: str | None = None, api_key: str | None = None) -> CommunicationsClient | None:
        """A client with these credentials, or those of the settings; None where there are none."""
        place: dict[str, Any] = {}
        if self._sandbox is not None:
            place = {"base_url": self._sandbox.url}
            customer_id = customer_id or self._sandbox.customer_id
            api_key = api_key or self._sandbox.api_key
        try:
            return CommunicationsClient(customer_id, api_key, timeout=self.options.timeout, **place)
        except CredentialsError:
            return None

    def use(self, customer_id: str, api_key: str) -> None:
        """Send with these credentials from now on."""
        client = self._client(customer_id, api_key)
        if client is not None:
            self._close_client()
            self.client, self._own_client = client, True

    @property
    def nobody_is_texted(self) -> bool:
        """Whether all this goes to a stand-in on this machine."""
        return self.client is not None and not reaches_people(self.client.base_url)

    @property
    def intake(self) -> IntakeOptions:
        """How the list is taken in."""
        return IntakeOptions(
            number_column=self.number_column,
            number_columns=self.number_columns,
            international=self.international,
            opt_outs=self.opt_outs,
            one_per_number=self.one_per_number,
        )

    def shape(self, **options: Any) -> None:
        """Change sending options; OptionError, naming the option, where one cannot be used."""
        self.options = replace(self.options, **options)

    def shape_texts(self, **options: Any) -> None:
        """Change what shapes the texts and their cost; OptionError, naming the option, where one cannot be used."""
        self.texts = replace(self.texts, **options)

    def another_message(self) -> None:
        """Nothing that was chosen for one message holds for the next, but who is sending and the list."""
        self.results = self.plan = self.checked = self.campaign = None
        self.shape(send_at=None, urgent=False)

    def quiet_now(self) -> str:
        """Why it is too late or too early in the day to text anybody now; "" where it is not, or it is urgent."""
        refused = self.options.refusal(schedule.now(), None, reaches_people=not self.nobody_is_texted)
        return str(refused) if refused is not None else ""

    def plan_of(self, recipients: pd.DataFrame) -> Plan:
        """The plan for the message as it stands: for the whole list, or for some of its rows."""
        return make_plan(recipients, self.message, intake=self.intake, texts=self.texts)

    def close(self) -> None:
        """Close what was opened here."""
        self._close_client()
        if self._sandbox is not None:
            self._sandbox.stop()
        if self._folder is not None:
            self._folder.cleanup()

    def _close_client(self) -> None:
        if self.client is not None and self._own_client:
            self.client.close()
