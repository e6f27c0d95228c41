"""The thin client: one method a call. It keeps no journal; `gcbulk.send_sms` does."""

from __future__ import annotations

import json
import logging
import math
import os
import random
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import requests
from requests.structures import CaseInsensitiveDict

from gcbulk.api.credentials import Credentials, Secret, resolve_base_url, resolve_credentials
from gcbulk.api.customers import Customers
from gcbulk.api.outcomes import CONSEQUENCES, Answer, CallResult, Consequence, Outcome, interpret, not_called
from gcbulk.api.partner import resolve_partner
from gcbulk.api.payloads import (
    EMAIL_PATH,
    PARTNER_PATH,
    SMS_PATH,
    Email,
    Message,
    encode,
    make_email,
    make_message,
    path_of,
)
from gcbulk.api.retry import call_until_taken
from gcbulk.api.transport import MOST_BYTES, CallRecord, OneShotAdapter, SentOnceError, recorded
from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.errors import CampaignError, CommunicationsError, CredentialsError, InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    from gcbulk.api.customers import Directory
    from gcbulk.api.partner import Partner
    from gcbulk.api.payloads import Recipient

TEST_NUMBER: Final = "+447700900000"
"""The number of the vendor's own credential test: never a real phone (Ofcom's drama range)."""
READ_BYTES: Final = 65_536
_HEADERS: Final = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}
_REFUSALS: Final = (InputError, CredentialsError, CampaignError)  # raised before anything is sent
_TAKEN: Final = (Status.ACCEPTED, Status.PARTLY_ACCEPTED)


@dataclass(frozen=True, slots=True)
class SendResult:
    """What the platform said of a message that it queued. `accepted_at` is aware, in UTC."""

    message_id: str
    message_sent_id: int | None
    status: str
    accepted_at: datetime | None
    queued: int | None
    warnings: tuple[str, ...]
    client_ref: str | None


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """An HTTP answer with the credentials taken out."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class CredentialCheck:
    """What the vendor's test call showed. `detail` is a sentence."""

    result: Literal["valid", "invalid", "cannot tell"]
    detail: str


class CommunicationsClient:
    """One customer's connection to the Communications API; safe to share between threads.

    `customer_id` and `api_key` default to GCBULK_CUSTOMER_ID and GCBULK_API_KEY, then the keyring; `base_url`
    to GCBULK_BASE_URL, then production. `timeout` is for a whole answer, `connect_timeout` for a connection,
    `read_timeout` for the longest silence, all in seconds. `max_attempts` counts tries of what was certainly
    not taken; nothing else is ever tried again. A `session` of your own gives its proxies, certificates, headers
    and hooks; calls travel by our adapter alone, and certificates are always checked. As a context manager it
    logs start, end and failure, and closes.

    With a `partner` (or GCBULK_PARTNER_KEY and GCBULK_STYLE_CLASS) calls go by the partner's route: for the customer
    that is named, whose key may come from the customers' store (`gcbulk partner`), or where none is named, or
    `customers` are given, for each of the store's or of those, by `gcbulk.send_sms(..., customer_column=...)`.

    Raises OptionError for an address or number that cannot be used, CredentialsError where a credential is missing.

    >>> CommunicationsClient("1469", "not-a-key", base_url="https://apitesting.groupcall.com")
    CommunicationsClient(customer_id='1469', base_url='https://apitesting.groupcall.com')
    """

    def __init__(
        self,
        customer_id: str | int | None = None,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = 30.0,
        connect_timeout: float = 10.0,
        read_timeout: float | None = None,
        max_attempts: int = 6,
        partner: Partner | None = None,
        customers: Directory | None = None,
        session: requests.Session | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self.base_url = resolve_base_url(base_url)
        self.timeout = _seconds("timeout", timeout)
        self._connect_timeout = min(_seconds("connect_timeout", connect_timeout), timeout)
        self._read_timeout = timeout if read_timeout is None else min(_seconds("read_timeout", read_timeout), timeout)
        if isinstance(max_attempts, bool) or not isinstance(max_attempts, int) or max_attempts < 1:
            raise OptionError(f"max_attempts must be a whole number from 1, not {max_attempts!r}.")
        self._max_attempts = max_attempts
        self.partner = resolve_partner(partner)
        if self.partner is None and customers is not None:
            raise OptionError("customers are a partner's: give partner=Partner(key, style_class) too.")
        self.customers: Directory | None = None
        self._credentials: Credentials | None = None
        named = customer_id or api_key or os.environ.get("GCBULK_CUSTOMER_ID") or os.environ.get("GCBULK_API_KEY")
        if self.partner is not None and (customers is not None or not named):
            self.customers = customers or Customers(self.base_url)
            self.customer_id = self.partner.campaign_id
        else:
            self._credentials = self._of_one_customer(customer_id, api_key)
            self.customer_id = self._credentials.customer_id
        self._logger = logger or logging.getLogger("gcbulk")
        self._urls = {
            path: str(requests.Request("POST", self.base_url + path).prepare().url)
            for path in ((SMS_PATH, EMAIL_PATH) if self.partner is None else (PARTNER_PATH,))
        }
        self._owns_session = session is None
        any_url = next(iter(self._urls.values()))
        self._session = session or _session_for(any_url)
        self._manner: tuple[Any, dict[str, Any]] | None = None
        if self._owns_session:  # which nobody changes: looked at once, and as a dict, which is soon copied
            headers, settings = _manner_of(self._session, any_url)
            self._manner = (dict(headers), settings)
        self._adapter = OneShotAdapter()
        for url in self._urls.values():
            self._session.mount(url, self._adapter)
        self._rng = random.SystemRandom()
        self._sleep = time.sleep

    def __repr__(self) -> str:
        whose = f"customer_id={self.customer_id!r}, " if self.customers is None else ""
        partner = f", partner={self.partner!r}" if self.partner is not None else ""
        return f"CommunicationsClient({whose}base_url={self.base_url!r}{partner})"

    def _of_one_customer(self, customer_id: str | int | None, api_key: str | None) -> Credentials:
        """Who is sending; a partner's customer may have its key in the customers' store."""
        named = str(customer_id or os.environ.get("GCBULK_CUSTOMER_ID") or "").strip()
        if self.partner is not None and named and not (api_key or os.environ.get("GCBULK_API_KEY")):
            found = Customers(self.base_url).key(named)
            if found is not None:
                return Credentials(named, found)
        return resolve_credentials(customer_id, api_key, base_url=self.base_url)

    def __enter__(self) -> CommunicationsClient:
        self._logger.info("Client for customer %s at %s opened", self.customer_id, self.base_url)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._logger.info("Client for customer %s closed", self.customer_id)
        else:
            # a refusal before anything left is told by its own sentence, and no failure of the client
            level = logging.INFO if isinstance(error, _REFUSALS) else logging.ERROR
            self._logger.log(level, "Client for customer %s closed after %s", self.customer_id, type(error).__name__)
        self.close()

    def close(self) -> None:
        """Close our connections; a session that was handed in stays open."""
        self._adapter.close()
        if self._owns_session:
            self._session.close()

    @contextmanager
    def message_session(self, name: str = "messages") -> Iterator[CommunicationsClient]:
        """A block of sends that logs its start, its end with its length, and its failure."""
        began = time.monotonic()
        self._logger.info("%s: started", name)
        try:
            yield self
        except BaseException as error:
            # not .exception(): a traceback may show what was sent
            self._logger.error("%s: failed after %.1f s (%s)", name, time.monotonic() - began, type(error).__name__)  # noqa: TRY400
            raise
        self._logger.info("%s: ended after %.1f s", name, time.monotonic() - began)

    def send_sms(self, recipients: Recipient | Sequence[Recipient], message: str, **options: Any) -> SendResult:
        """Send one text now. This bypasses the journal: called twice, it sends twice. `gcbulk.send_sms` does not.

        `recipients` is a number, a recipient object (`{"MobileNumber": ...}`), or a list of them. Options:
        `client_ref`, `sender`, `send_at` (aware datetime or ISO 8601), `callback_url`, or the API's own names;
        unknown ones are passed through.

        Raises CommunicationsError with `.code` and `.response` where the text was refused, and where it is not
        known whether it was taken (`OUTCOME_UNKNOWN`: no answer; `INVALID_RESPONSE`: one that cannot be read).
        """
        (result,) = self._send([make_message(recipients, message, options)])
        if isinstance(result, CommunicationsError):
            raise result
        return result

    def send_email(
        self, recipients: Recipient | Sequence[Recipient], subject: str, body: str, **options: Any
    ) -> SendResult:
        """Send one email now, its body HTML or plain text. Bypasses the journal: called twice, it sends twice.

        `recipients` as for `send_sms`, by address. Options: `client_ref`, `from_name`, `from_address`, `reply_to`,
        `send_at`, `callback_url`, `attachments` (pairs of a file's name and its bytes), or the API's own names.
        Raises as `send_sms` does, and OptionError for a subject or name of more than one line.
        """
        (result,) = self._send([make_email(recipients, subject, body, options)])
        if isinstance(result, CommunicationsError):
            raise result
        return result

    def send_messages(self, messages: Sequence[Mapping[str, Any]]) -> tuple[SendResult | CommunicationsError, ...]:
        """Send several message objects in one call: for each its result, or the error it met. Bypasses the journal.

        Each has `recipients` and `message`, and options as in `send_sms`. Only those that were certainly not
        taken are tried again.
        """
        made = []
        for given in messages:
            options = dict(given)
            made.append(make_message(options.pop("recipients", ()), options.pop("message", ""), options))
        return self._send(made) if made else ()

    def post(
        self, messages: Sequence[Message | Email], *, key_works: bool = False, customer_id: str | None = None
    ) -> CallResult:
        """One attempt at one call, and what it means for each message; never raises for what the network does.

        `key_works`: the credentials are known to be good, so that "Data is not valid" speaks of the data.
        `customer_id` says on whose behalf, where the client sends for many customers.
        """
        try:
            whose = self._credentials_of(customer_id)
        except CredentialsError as error:
            return not_called(ErrorCode.AUTH_INVALID, str(error), len(messages))
        key = whose.api_key.reveal()
        body = encode(messages, customer_id=whose.customer_id, api_key=key, partner=self.partner)
        with recorded(self.timeout) as record:
            answer = self._attempt(self._urls[path_of(messages, self.partner)], body, record)
        self._logger.debug("Call with %d messages: HTTP %s %s", len(messages), answer.status, answer.failure)
        result = interpret(answer, messages, key_works=key_works, secrets=self._secrets(key))
        return result if self.customers is None else replace(result, key=whose.api_key)

    def _credentials_of(self, customer_id: str | None) -> Credentials:
        """On whose behalf a call is made. Raises CredentialsError where no key is known."""
        if self._credentials is not None:
            if customer_id not in (None, self._credentials.customer_id):
                raise CredentialsError(f"This client sends for customer {self._credentials.customer_id} alone.")
            return self._credentials
        assert self.customers is not None
        if customer_id is None:
            raise OptionError(
                "This client sends for many customers. Name one, CommunicationsClient(customer_id, partner=...), or "
                "say whose each row is, gcbulk.send_sms(..., customer_column=...)."
            )
        try:
            found = self.customers.key(customer_id)
        except OptionError as error:  # the table itself cannot be read
            raise CredentialsError(str(error)) from None
        if found is None:
            raise CredentialsError(f"No key of customer {customer_id} is kept here.")
        return Credentials(customer_id, found)

    def _secrets(self, key: str) -> tuple[str, ...]:
        """What no answer may repeat to anybody."""
        return (key,) if self.partner is None else (key, self.partner.key.reveal())

    def key_of(self, customer_id: str | None) -> Secret | None:
        """The key of one of a partner's customers as it is now; None where it is not known, or it is not a partner."""
        if self.customers is None or customer_id is None:
            return None
        try:
            return self.customers.key(customer_id)
        except (CredentialsError, OptionError):
            return None

    def newer_key(self, customer_id: str | None, than: Secret | None) -> bool:
        """Whether a customer's key has been replaced since a call was made with this one."""
        found = self.key_of(customer_id)
        return found is not None and (than is None or found.reveal() != than.reveal())

    def check_credentials(self, customer_id: str | None = None) -> CredentialCheck:
        """The vendor's test call: a text to a number that can never be reached shows whether the key works."""
        outcome = self.post([Message((TEST_NUMBER,), "Credential test")], customer_id=customer_id).outcomes[0]
        customer = customer_id or self.customer_id
        if outcome.code is ErrorCode.INVALID_RECIPIENTS or outcome.status in _TAKEN:
            return CredentialCheck("valid", f"Customer {customer} and its key work at {self.base_url}.")
        if outcome.code is ErrorCode.AUTH_INVALID or outcome.code is ErrorCode.PARTNER_NOT_AUTHORISED:
            return CredentialCheck("invalid", _without_advice(outcome))
        return CredentialCheck("cannot tell", _without_advice(outcome))

    def _attempt(self, url: str, body: bytes, record: CallRecord) -> Answer:
        """Post once; foreign exceptions end here, and with them the request that carries the key."""
        try:
            response = self._sent(url, body)
        except (requests.RequestException, OSError, SentOnceError) as error:
            return Answer(record.began, failure=_in_plain_words(error, began=record.began))
        with response:
            try:
                content = _read(response)
            except (requests.RequestException, OSError) as error:
                return Answer(record.began, response.status_code, dict(response.headers), failure=_CUT[type(error)])
        return Answer(record.began, response.status_code, dict(response.headers), content)

    def _sent(self, url: str, body: bytes) -> requests.Response:
        """Send with the session's settings but by our adapter alone: no redirect, no adapter of theirs, no password."""
        request = requests.PreparedRequest()
        request.method, request.url, request.body = "POST", url, body
        headers, settings = self._manner or _manner_of(self._session, url)
        request.headers = headers.copy()
        request.headers["Content-Length"] = str(len(body))
        request.hooks = self._session.hooks
        response = self._adapter.send(request, timeout=(self._connect_timeout, self._read_timeout), **settings)
        for hook in request.hooks.get("response", ()):
            response = hook(response, **settings) or response
        return response

    def _send(self, messages: Sequence[Message | Email]) -> tuple[SendResult | CommunicationsError, ...]:
        results: dict[int, SendResult | CommunicationsError] = {}
        left = list(range(len(messages)))

        def attempt() -> CallResult:
            some: Any = [messages[index] for index in left]
            result = self.post(some)
            again = []
            for index, outcome in zip(left, result.outcomes, strict=True):
                results[index] = self._told(messages[index], outcome, result.answer)
                if _may_be_tried_again(outcome):
                    again.append(index)
            left[:] = again
            return result

        call_until_taken(
            attempt,
            again=lambda _result: bool(left),
            max_attempts=self._max_attempts,
            rng=self._rng,
            sleep=self._sleep,
        )
        return tuple(results[index] for index in range(len(messages)))

    def _told(self, message: Message | Email, outcome: Outcome, answer: Answer) -> SendResult | CommunicationsError:
        if outcome.status in _TAKEN and outcome.message_id:
            return SendResult(
                message_id=outcome.message_id,
                message_sent_id=outcome.message_sent_id,
                status=outcome.status_msg,
                accepted_at=outcome.accepted_at,
                queued=outcome.queued,
                warnings=outcome.warnings,
                client_ref=message.client_ref,
            )
        code = outcome.code or ErrorCode.UNKNOWN_ERROR
        if code is ErrorCode.OUTCOME_UNKNOWN and answer.status is not None:
            code = ErrorCode.INVALID_RESPONSE
        detail = _without_advice(outcome)
        if outcome.code is ErrorCode.OUTCOME_UNKNOWN:
            detail = f"{detail} The message may or may not have been sent."
        return CommunicationsError(detail, code=code, response=self._without_credentials(answer))

    def _without_credentials(self, answer: Answer) -> ApiResponse | None:
        if answer.status is None:
            return None
        secrets = self._secrets(self._credentials_of(None).api_key.reveal())
        forms = {
            form for one in secrets for form in (one, json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1])
        }
        hide = partial(re.sub, "|".join(map(re.escape, sorted(forms, key=len, reverse=True))), "***")
        headers = {name: hide(value) for name, value in (answer.headers or {}).items()}
        return ApiResponse(answer.status, headers, hide(answer.body.decode("utf-8", "replace")))


def check_credentials(client: CommunicationsClient | None = None) -> CredentialCheck:
    """Whether the key works, by the vendor's test call: `valid`, `invalid`, or `cannot tell` and why."""
    with a_client(client) as ours:
        return ours.check_credentials()


@contextmanager
def a_client(client: CommunicationsClient | None = None, *, timeout: float = 30.0) -> Iterator[CommunicationsClient]:
    """The client that a caller handed in, left open; or one of our own with the credentials at hand, closed after.

    Raises OptionError for what is no client, before anything is sent.
    """
    if client is None:
        with CommunicationsClient(timeout=timeout) as own:
            yield own
    else:
        yield checked_client(client)


def checked_client(client: CommunicationsClient) -> CommunicationsClient:
    """A client that a caller handed in. Raises OptionError for what is none."""
    if not isinstance(client, CommunicationsClient):
        raise OptionError(f"client must be a CommunicationsClient, not a {type(client).__name__}.")
    return client


def _session_for(url: str) -> requests.Session:
    """A session with the system's proxies and certificates for this address, looked up once and not at each call."""
    session = requests.Session()
    settings = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies = settings["proxies"]
    if url.startswith("https:"):  # a path to certificates is looked for at each call
        session.verify = settings["verify"]
    session.trust_env = False
    return session


def _manner_of(session: requests.Session, url: str) -> tuple[CaseInsensitiveDict[str], dict[str, Any]]:
    """The headers that a session's calls carry, and its proxies and certificates, as they are now."""
    headers: dict[str, Any] = {**session.headers, **_HEADERS}
    settings: Any = session.merge_environment_settings(url, {}, True, None, None)
    return CaseInsensitiveDict(headers), settings


def _without_advice(outcome: Outcome) -> str:
    """What happened, without what a row of results says to do about it: here is no campaign to resume or settle."""
    told = outcome.detail.removesuffix(SENTENCES[ErrorCode.OUTCOME_UNKNOWN])
    return told.replace(", then resume", "").strip()


def _seconds(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise OptionError(f"{name} must be a number of seconds above 0, not {value!r}.")
    return float(value)


def _may_be_tried_again(outcome: Outcome) -> bool:
    return (
        outcome.status is Status.NOT_SENT
        and outcome.code is not None
        and CONSEQUENCES[outcome.code] is Consequence.RETRY
    )


def _read(response: requests.Response) -> bytes:
    pieces, size = [], 0
    for piece in response.iter_content(READ_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise requests.exceptions.ContentDecodingError("the answer is too long")
    return b"".join(pieces)


class _Words(dict[type[BaseException], str]):
    """Words for a kind of exception, the general ones for the rest."""

    def __missing__(self, _kind: type[BaseException]) -> str:
        return "The answer broke off."


_CUT: Final = _Words(
    {
        requests.exceptions.ReadTimeout: "The answer did not come in time.",
        requests.exceptions.ContentDecodingError: "The answer could not be decoded.",
    }
)

_BEFORE: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (requests.exceptions.ProxyError, "The proxy refused the connection."),
    (
        requests.exceptions.SSLError,
        "The secure connection could not be made: the certificate was not accepted, or the server speaks no TLS.",
    ),
    (requests.exceptions.ConnectTimeout, "The connection was not made in time."),
    (OSError, "The connection could not be made."),
)
_AFTER: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (requests.exceptions.Timeout, "The answer did not come in time."),
    (SentOnceError, "The session tried to send the call a second time, which was prevented."),
    (OSError, "The connection broke before the answer was whole."),
)


def _in_plain_words(error: BaseException, *, began: bool) -> str:
    """What happened, without the exception's own text: it may hold an address with secrets, or the request."""
    return next(words for kind, words in (_AFTER if began else _BEFORE) if isinstance(error, kind))
