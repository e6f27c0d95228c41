"""What the steps share: the list, the message, the plan, and the platform that it all goes to."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcbulk.api.client import CommunicationsClient
from gcbulk.api.credentials import reaches_people
from gcbulk.api.partner import resolve_partner
from gcbulk.campaign import schedule
from gcbulk.campaign.connecting import a_sandbox, default_client, known_customers, rehearsed_customers, sandbox_client
from gcbulk.campaign.options import SendOptions
from gcbulk.campaign.plan import Plan, check_list, make_plan
from gcbulk.errors import CredentialsError, OptionError
from gcbulk.messages.options import TextOptions
from gcbulk.recipients.intake import IntakeOptions

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import pandas as pd

    from gcbulk.api.customers import Customer
    from gcbulk.recipients.optouts import OptOuts
    from gcbulk.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Whose:
    """On whose behalf a list goes: of the school that a column names, of one school, or of the user's own account."""

    column: Hashable | None = None
    school: str | None = None


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
        customer_column: Hashable | None,
        sandbox: bool,
        options: dict[str, Any],
    ) -> None:
        self.recipients = recipients
        self.number_column, self.number_columns = number_column, number_columns
        self.international = international
        self.opt_outs = opt_outs
        self.whose: Whose | None = Whose(column=customer_column)  # None: not chosen yet
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
        self._opened: list[CommunicationsClient] = []
        self._sandbox: Sandbox | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if sandbox:
            if client is not None:
                raise OptionError("sandbox=True brings its own client. Leave client out, or leave sandbox out.")
            self._folder = tempfile.TemporaryDirectory(prefix="gcbulk-form-", ignore_cleanup_errors=True)
            options = {"journal": Path(self._folder.name) / "journal.sqlite3", **options}
            schools = rehearsed_customers()
            self._sandbox = a_sandbox(schools)
            self._sandbox.start()
        self.options = SendOptions(**{**options, "progress": False})
        self._alone, self._many = client, None
        if client is not None and client.customers is not None:
            self._alone, self._many = None, client
        elif self._sandbox is not None:
            self._many = self._open(sandbox_client(self._sandbox, self.options, customers=schools, many=True))
            self._alone = None if resolve_partner() else self._client()
        elif client is None and resolve_partner():
            self._many = self._open(default_client(self.options, many=True))
            self._alone = self._client()
        elif client is None:
            self._alone = self._client()

    @property
    def client(self) -> CommunicationsClient | None:
        """Who sends: the partner where the list is a school's or several's; else the user's own account, if any."""
        return self._many if self._many is not None and (self.intake.for_customers or not self._alone) else self._alone

    def client_of(self, customer_id: str) -> CommunicationsClient | None:
        """The client that a known campaign can be gone on with."""
        both = (self._alone, self._many)
        return next((one for one in both if one is not None and one.customer_id == customer_id), self.client)

    @property
    def is_partner(self) -> bool:
        """Whether there are schools to choose from."""
        return self._many is not None

    @property
    def schools(self) -> Mapping[str, Customer]:
        """The schools that a partner may send for, by id; nobody is a partner without them."""
        return self._many.customers.all() if self._many is not None and self._many.customers is not None else {}

    @property
    def own_account(self) -> dict[Whose, str]:
        """The user's own account, as a choice beside the schools, where there is one."""
        return {} if self._alone is None else {Whose(): f"customer {self._alone.customer_id}, your own account"}

    def _client(self, customer_id: str | None = None, api_key: str | None = None) -> CommunicationsClient | None:
        """A client with these credentials, or those of the settings; None where there are none."""
        place: dict[str, Any] = {}
        if self._sandbox is not None:
            place = {"base_url": self._sandbox.url}
            customer_id = customer_id or self._sandbox.customer_id
            api_key = api_key or self._sandbox.api_key
        try:
            client = self._open(CommunicationsClient(customer_id, api_key, timeout=self.options.timeout, **place))
        except CredentialsError:
            return None
        return client if client.customers is None else None  # a partner's, where no customer is named

    def _open(self, client: CommunicationsClient) -> CommunicationsClient:
        self._opened.append(client)
        return client

    def use(self, customer_id: str, api_key: str) -> None:
        """Send with these credentials from now on."""
        client = self._client(customer_id, api_key)
        if client is not None:
            self._alone = client

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
            customer_column=self.whose.column if self.whose is not None else None,
            customer=self.whose.school if self.whose is not None else None,
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
        intake = self.intake
        return make_plan(recipients, self.message, intake=intake, texts=self.texts, customers=self._known(intake))

    def check(self, recipients: pd.DataFrame) -> pd.DataFrame:
        """What is wrong with which row, and for a partner whose each row is."""
        intake = replace(self.intake, one_per_number=False)
        return check_list(recipients, intake, self._known(intake))

    def _known(self, intake: IntakeOptions) -> Mapping[str, Customer] | None:
        return known_customers(intake, self.options, self.client)

    def close(self) -> None:
        """Close what was opened here."""
        for client in self._opened:
            client.close()
        if self._sandbox is not None:
            self._sandbox.stop()
        if self._folder is not None:
            self._folder.cleanup()
