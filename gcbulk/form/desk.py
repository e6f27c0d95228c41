"""What the steps share: the list, the message, its plans, and the platform that it all goes to."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcbulk.api.client import CommunicationsClient
from gcbulk.api.credentials import reaches_people
from gcbulk.api.partner import resolve_partner
from gcbulk.campaign import schedule
from gcbulk.campaign.attachments import Attachments
from gcbulk.campaign.connecting import a_sandbox, default_client, known_customers, rehearsed_customers, sandbox_client
from gcbulk.campaign.either import Leg, Message, check_each, names_of, plan_each
from gcbulk.campaign.emailing import OF_FILES
from gcbulk.campaign.kept_files import FOLDER, folder_of_kept, keep
from gcbulk.campaign.options import SendOptions, take
from gcbulk.errors import CredentialsError, OptionError
from gcbulk.form.words import WAYS, Way
from gcbulk.messages.letter import Letter, names_a_file, read_body
from gcbulk.messages.options import TextOptions
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.kinds import KINDS

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable, Mapping, Sequence

    import pandas as pd

    from gcbulk.api.customers import Customer
    from gcbulk.messages.markup import BodyFormat
    from gcbulk.recipients.optouts import OptOuts
    from gcbulk.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Whose:
    """On whose behalf a list goes: of the school that a column names, of one school, or of the user's own account."""

    column: Hashable | None = None
    school: str | None = None


@dataclass(frozen=True, slots=True)
class Errand:
    """One campaign of what is being sent, and at which positions of the list its rows stand; None: all of them."""

    campaign: str
    channel: str = "sms"
    rows: Any = None


@dataclass(frozen=True, slots=True)
class Body:
    """An email as it stands in its boxes."""

    subject: str = ""
    body: str = ""
    body_format: BodyFormat | None = None


class Desk:
    """Everything chosen so far. Steps write their own part of it and read that of the steps before."""

    def __init__(
        self,
        *,
        recipients: pd.DataFrame | None,
        channel: str,
        campaign: str | None,
        client: CommunicationsClient | None,
        number_column: Hashable | None,
        number_columns: Sequence[Hashable] | None,
        email_column: Hashable | None,
        international: bool,
        opt_outs: OptOuts | None,
        customer_column: Hashable | None,
        sandbox: bool,
        options: dict[str, Any],
    ) -> None:
        if channel not in WAYS:
            raise OptionError(f"channel must be {', '.join(map(repr, WAYS))}, not {channel!r}.")
        self.channel = channel
        self.recipients = recipients
        self.email_column = email_column
        self.number_column, self.number_columns = number_column, number_columns
        self.international = international
        self.opt_outs = opt_outs
        self.whose: Whose | None = Whose(column=customer_column)  # None: not chosen yet
        self.test_to = str(options.pop("test_to", None) or "")
        self.one_per = {
            "sms": bool(options.pop("one_per_number", False)),
            "email": bool(options.pop("one_per_address", False)),
        }
        self.texts = TextOptions(**take(options, {one.name: one.name for one in fields(TextOptions)}))
        self.attachments = Attachments(**take(options, OF_FILES))
        self.body = Body(body_format=options.pop("body_format", None))
        self.checked: pd.DataFrame | None = None
        self.message = ""
        self.campaign = campaign
        self.legs: tuple[Leg, ...] | None = None  # the plans, once they are made
        self.errands: list[Errand] = []  # the campaigns that the results are of
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
            email_column=self.email_column,
            international=self.international,
            opt_outs=self.opt_outs,
            customer_column=self.whose.column if self.whose is not None else None,
            customer=self.whose.school if self.whose is not None else None,
        )

    def write(self, subject: str, body: str | os.PathLike[str]) -> None:
        """Fill in an email beforehand; a body of a path is read. Raises OptionError where it cannot be."""
        words, by_ending = (body, None) if isinstance(body, str) else read_body(body)
        self.body = Body(subject, words, self.body.body_format or by_ending)

    @property
    def way(self) -> Way:
        """How the list is told, in words."""
        return WAYS[self.channel]

    def intake_for(self, channel: str) -> IntakeOptions:
        """How the list is taken in for a channel."""
        return replace(self.intake, kind=KINDS[channel], one_per_number=self.one_per[channel])

    @property
    def intakes(self) -> dict[str, IntakeOptions]:
        """How the list is taken in, by channel."""
        return {channel: self.intake_for(channel) for channel in self.way.channels}

    @property
    def names(self) -> dict[str, str | None]:
        """What the campaigns will be called, by channel."""
        return names_of(self.campaign, self.way.channels)

    def shape(self, **options: Any) -> None:
        """Change sending options; OptionError, naming the option, where one cannot be used."""
        self.options = replace(self.options, **options)

    def shape_texts(self, **options: Any) -> None:
        """Change what shapes the texts and their cost; OptionError, naming the option, where one cannot be used."""
        self.texts = replace(self.texts, **options)

    def another_message(self) -> None:
        """Nothing that was chosen for one message holds for the next, but who is sending and the list."""
        self.results = self.legs = self.checked = self.campaign = None
        self.errands = []
        self.body = Body(body_format=self.body.body_format)
        self.attachments = replace(self.attachments, files=())
        self.shape(send_at=None, urgent=False)

    def quiet_now(self) -> str:
        """Why it is too late or too early in the day to text anybody now; "" where it is not, or it is urgent."""
        refused = self.options.refusal(schedule.now(), None, reaches_people=not self.nobody_is_texted)
        return str(refused) if refused is not None else ""

    @property
    def lacking(self) -> str:
        """What of the message is still to be written; "" where nothing is."""
        parts = {
            "sms": {"message" if self.channel == "sms" else "text": self.message},
            "email": {"subject": self.body.subject, "body": self.body.body},
        }
        wanted = {name: words for channel in self.way.channels for name, words in parts[channel].items()}
        return next((f"there is no {name} yet." for name, words in wanted.items() if not words.strip()), "")

    @property
    def written(self) -> tuple[object, ...]:
        """All that makes a message another one."""
        return self.channel, self.message, self.body, self.attachments

    def plan_of(self, recipients: pd.DataFrame) -> tuple[Leg, ...]:
        """The plans for the message as it stands: for the whole list, or for some of its rows."""
        letter = None
        if "email" in self.way.channels:
            if names_a_file(self.body.body):  # what the wings say of it is for whoever writes code
                raise OptionError(
                    "The email is no more than the name of a file. Copy what is in the file into the box, or attach it."
                )
            letter = Letter(**asdict(self.body))
        message = Message(sms=self.message, texts=self.texts, letter=letter, attachments=self.attachments)
        return plan_each(recipients, message, self.intakes, customers=self._known(self.intake))

    def check(self, recipients: pd.DataFrame) -> pd.DataFrame:
        """What is wrong with which row, and for a partner whose each row is."""
        intakes = {channel: replace(one, one_per_number=False) for channel, one in self.intakes.items()}
        return check_each(recipients, intakes, self._known(self.intake))

    def keep_file(self, name: str, content: bytes) -> Path:
        """Keep a file that was handed over, until its emails can have gone; OptionError where none can carry it."""
        kept = Path(self._folder.name) / FOLDER if self._folder is not None else folder_of_kept(self.options.journal)
        return keep(name, content, folder=kept, limits=self.attachments)

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
