"""The thin client: what goes out on the wire, what comes back, and a key that shows itself nowhere."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import pickle
import re
import threading
import traceback
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests
from requests.adapters import HTTPAdapter

import gcbulk
from gcbulk.api.client import ApiResponse, CommunicationsClient, SendResult, check_credentials
from gcbulk.api.credentials import Secret
from gcbulk.codes import ErrorCode
from gcbulk.errors import CommunicationsError, CredentialsError, InputError, OptionError
from gcbulk.sandbox import MAGIC_NUMBERS, Sandbox
from tests import fault_server as faults
from tests.fault_server import PATIENCE, FaultServer, Received, dead_port, faithful, http, reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcbulk.sandbox import Call

NUMBER, OTHER, THIRD = "+447700900101", "+447700900102", "+447700900103"
NUMBER_OF = {fault.name: number for number, fault in MAGIC_NUMBERS.items()}
TEXT = "School is closed today."
KEY = "client-key-9f31-not-secret"


class Waits(list[float]):
    """In the place of time.sleep: notes the waits and takes none."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


def connected(server: Sandbox | FaultServer, waits: Waits | None = None, **options: Any) -> CommunicationsClient:
    key = server.api_key if isinstance(server, Sandbox) else KEY
    given: dict[str, Any] = {
        "customer_id": "1469",
        "api_key": key,
        "base_url": server.url,
        "timeout": PATIENCE,
    } | options
    client = CommunicationsClient(**given)
    client._sleep = Waits() if waits is None else waits
    return client


@pytest.fixture
def client(sandbox: Sandbox, waits: Waits) -> Iterator[CommunicationsClient]:
    """A client of the sandbox that never really waits."""
    with connected(sandbox, waits) as made:
        yield made


def wire(sandbox: Sandbox) -> dict[str, Any]:
    """The only message of the only call, as it arrived."""
    [call] = sandbox.calls
    [message] = call.messages
    return message


# -- one text


def test_a_text_to_a_number(client: CommunicationsClient, sandbox: Sandbox) -> None:
    result = client.send_sms(NUMBER, TEXT)
    [queued] = sandbox.queued
    assert (queued.recipient, queued.text, queued.message_id) == (NUMBER, TEXT, result.message_id)
    assert (result.status, result.queued, result.message_sent_id) == ("In Queue", 1, 0)
    assert (result.warnings, result.client_ref) == ((), None)
    assert wire(sandbox) == {"CustomerId": "1469", "Recipients": [{"MobileNumber": NUMBER}], "SMSMessage": TEXT}


RECIPIENTS = {
    "a number": (NUMBER, [{"MobileNumber": NUMBER}], 1),
    "a list of numbers": ([NUMBER, OTHER], [{"MobileNumber": NUMBER}, {"MobileNumber": OTHER}], 2),
    "a tuple": ((NUMBER, OTHER), [{"MobileNumber": NUMBER}, {"MobileNumber": OTHER}], 2),
    "an object": ({"Id": 17, "SendTo": 1}, [{"Id": 17, "SendTo": 1}], 1),
    "objects and numbers": ([{"IdaasId": "PL-1"}, OTHER], [{"IdaasId": "PL-1"}, {"MobileNumber": OTHER}], 2),
    "a key of everyone": (
        [{"ExternalId": "A"}, {"MessengerId": "B"}, {"MobileNumber": NUMBER}],
        [{"ExternalId": "A"}, {"MessengerId": "B"}, {"MobileNumber": NUMBER}],
        3,
    ),
}


@pytest.mark.parametrize(("given", "sent", "count"), RECIPIENTS.values(), ids=RECIPIENTS.keys())
def test_recipients_in_every_form(
    given: Any, sent: list[dict[str, object]], count: int, client: CommunicationsClient, sandbox: Sandbox
) -> None:
    result = client.send_sms(given, TEXT)
    assert result.queued == count == len(sandbox.queued)
    assert wire(sandbox)["Recipients"] == sent


@pytest.mark.parametrize("nobody", [[], "", (), {}, [""], [NUMBER, None], [7700900123]])
def test_nobody_to_send_to_is_an_error_before_any_call(
    nobody: Any, client: CommunicationsClient, sandbox: Sandbox
) -> None:
    with pytest.raises(OptionError, match="recipients must be"):
        client.send_sms(nobody, TEXT)
    assert sandbox.calls == []


def test_a_text_that_is_none_is_an_error_before_any_call(client: CommunicationsClient, sandbox: Sandbox) -> None:
    with pytest.raises(OptionError, match="must be a text, not a int"):
        client.send_sms(NUMBER, 7)  # type: ignore[arg-type]
    assert sandbox.calls == []


OPTIONS = {
    "client_ref": ("ClientRef", "ref-1"),
    "ClientRef": ("ClientRef", "ref-1"),
    "sender": ("SMSSender", "School"),
    "SMSSender": ("SMSSender", "School"),
    "send_at": ("sendDateTime", "2030-11-24T08:00:00Z"),
    "sendDateTime": ("sendDateTime", "2030-11-24T08:00:00Z"),
    "callback_url": ("CallbackUrl", "http://192.0.2.1/{sentid}"),
    "callbackUrl": ("CallbackUrl", "http://192.0.2.1/{sentid}"),
    "CallbackUrl": ("CallbackUrl", "http://192.0.2.1/{sentid}"),
    "SomethingNew": ("SomethingNew", {"of": ["any", "kind", 1, None]}),
}


@pytest.mark.parametrize("spelling", OPTIONS)
def test_an_option_in_every_spelling(spelling: str, client: CommunicationsClient, sandbox: Sandbox) -> None:
    field, value = OPTIONS[spelling]
    result = client.send_sms(NUMBER, TEXT, **{spelling: value})
    message = wire(sandbox)
    assert message.pop(field) == value
    assert message == {"CustomerId": "1469", "Recipients": [{"MobileNumber": NUMBER}], "SMSMessage": TEXT}
    assert result.client_ref == (value if field == "ClientRef" else None)


def test_options_that_are_none_are_left_out(client: CommunicationsClient, sandbox: Sandbox) -> None:
    client.send_sms(NUMBER, TEXT, client_ref=None, sender=None, send_at=None, callback_url=None, Other=None)
    assert wire(sandbox).keys() == {"CustomerId", "Recipients", "SMSMessage"}


def test_a_time_keeps_its_zone_on_the_wire(client: CommunicationsClient, sandbox: Sandbox) -> None:
    moment = datetime(2030, 11, 24, 8, 0, 30, 500, tzinfo=timezone(timedelta(hours=1)))
    client.send_sms(NUMBER, TEXT, send_at=moment)
    assert wire(sandbox)["sendDateTime"] == "2030-11-24T08:00:30+01:00"
    with pytest.raises(OptionError, match="send_at needs a time zone"):
        client.send_sms(NUMBER, TEXT, send_at=datetime(2030, 11, 24))  # noqa: DTZ001
    assert len(sandbox.calls) == 1


@pytest.mark.parametrize("text", ["£ € é \N{HIRAGANA LETTER A} \N{GRINNING FACE}", 'a "b" \\ c\r\n\td', "x" * 918])
def test_texts_arrive_as_they_were_given(text: str, client: CommunicationsClient, sandbox: Sandbox) -> None:
    client.send_sms(NUMBER, text)
    assert sandbox.queued[0].text == text


def test_called_twice_it_sends_twice(client: CommunicationsClient, sandbox: Sandbox) -> None:
    ids = {client.send_sms(NUMBER, TEXT, client_ref="same").message_id for _ in range(2)}
    assert len(ids) == len(sandbox.queued) == 2


# -- what comes back


def answering(**changes: object) -> faults.Behaviour:
    """The API's ordinary answer with some of its fields changed."""
    return reply(lambda request: http([one | changes for one in faithful(request)]), keeps=True)


def test_every_field_of_the_result() -> None:
    changed = answering(MessageSentId=17, WarningMessages=[" One was skipped. ", None, ""], statusMsg="Scheduled")
    with FaultServer([changed]) as server, connected(server) as client:
        result = client.send_sms([NUMBER, OTHER], TEXT, client_ref="ref-1")
    assert result == SendResult(
        message_id=result.message_id,
        message_sent_id=17,
        status="Scheduled",
        accepted_at=datetime(2025, 7, 4, 17, 28, 54, 585937, tzinfo=UTC),
        queued=2,
        warnings=("One was skipped.",),
        client_ref="ref-1",
    )
    assert result.message_id.startswith("1469.20250704.")
    assert result.accepted_at is not None
    assert result.accepted_at.tzinfo is UTC


MOMENTS = {
    "2025-07-04T17:28:54.5859378Z": datetime(2025, 7, 4, 17, 28, 54, 585937, tzinfo=UTC),
    "2025-07-04T17:28:54.9999999Z": datetime(2025, 7, 4, 17, 28, 54, 999999, tzinfo=UTC),
    "2025-07-04T18:28:54.5859378+01:00": datetime(2025, 7, 4, 17, 28, 54, 585937, tzinfo=UTC),
    "2025-07-04T17:28:54": datetime(2025, 7, 4, 17, 28, 54, tzinfo=UTC),
    "yesterday": None,
    "": None,
}


@pytest.mark.parametrize("given", MOMENTS)
def test_the_api_s_time_becomes_aware_utc(given: str) -> None:
    with FaultServer([answering(transmitDateTime=given)]) as server, connected(server) as client:
        result = client.send_sms(NUMBER, TEXT)
    assert result.accepted_at == MOMENTS[given]
    assert result.accepted_at is None or result.accepted_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(("given", "read"), [(0, 0), (None, None), ("12", None), (True, None)])
def test_a_sent_id_is_a_number_or_nothing(given: object, read: int | None) -> None:
    with FaultServer([answering(MessageSentId=given)]) as server, connected(server) as client:
        assert client.send_sms(NUMBER, TEXT).message_sent_id == read


def test_fewer_may_be_queued_than_were_given(client: CommunicationsClient, sandbox: Sandbox) -> None:
    result = client.send_sms([NUMBER, "not a number", OTHER], TEXT)
    assert result.queued == 2
    assert len(sandbox.queued) == 2


# -- refusals


REFUSED = {
    "no-recipients": ErrorCode.INVALID_RECIPIENTS,
    "no-recipients-error": ErrorCode.INVALID_RECIPIENTS,
    "ok-zero": ErrorCode.INVALID_RECIPIENTS,
    "nulls": ErrorCode.INVALID_RECIPIENTS,
    "too-long": ErrorCode.MESSAGE_TOO_LONG,
    "invalid-characters": ErrorCode.INVALID_CHARACTERS,
    "unknown-words": ErrorCode.UNKNOWN_ERROR,
    "permission-denied": ErrorCode.PERMISSION_DENIED,
    "data-invalid": ErrorCode.AUTH_INVALID,
    "rate-limited": ErrorCode.RATE_LIMITED,
    "http-413": ErrorCode.TOO_LARGE,
    "http-400": ErrorCode.HTTP_REFUSED,
    "http-401": ErrorCode.HTTP_REFUSED,
    "http-403": ErrorCode.HTTP_REFUSED,
    "http-404": ErrorCode.HTTP_REFUSED,
    "http-407": ErrorCode.HTTP_REFUSED,
    "redirect-301": ErrorCode.HTTP_REFUSED,
    "redirect-307": ErrorCode.HTTP_REFUSED,
    "redirect-308": ErrorCode.HTTP_REFUSED,
    # by name only
    "data-invalid-each": ErrorCode.AUTH_INVALID,
    "permission-denied-each": ErrorCode.PERMISSION_DENIED,
    "partner-refused-each": ErrorCode.PARTNER_NOT_AUTHORISED,
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refusal_is_raised_with_its_code_and_the_answer(fault: str) -> None:
    with Sandbox(on_call=lambda _call: fault) as sandbox, connected(sandbox, max_attempts=2) as client:
        with pytest.raises(CommunicationsError) as caught:
            client.send_sms(NUMBER, TEXT)
        assert len(sandbox.calls) == (2 if fault == "rate-limited" else 1)
        assert sandbox.queued == []
    error = caught.value
    assert error.code is REFUSED[fault]
    assert str(error).endswith(".")
    assert isinstance(error.response, ApiResponse)
    assert error.response.status == next(map(int, re.findall(r"(?:http|redirect)-(\d{3})$", fault)), 200)
    assert error.response.headers["Content-Type"].startswith(("application/json", "text/html"))


def test_words_that_nobody_knows_are_kept(client: CommunicationsClient) -> None:
    with pytest.raises(CommunicationsError, match="The platform said: Declined by gateway 12"):
        client.send_sms(NUMBER_OF["unknown-words"], TEXT)


UNREADABLE = {
    "http-500": 500,
    "http-500-all-queued": 500,
    "http-502-all-queued": 502,
    "http-504-all-queued": 504,
    "redirect-302": 302,
    "redirect-303": 303,
    "http-201-all-queued": 201,
    "http-418": 418,
    "null": 200,
    "empty-array": 200,
    "object": 200,
    "array-long": 200,
    "no-refs-long": 200,
    "html": 200,
    "cut-json": 200,
    "cut-connection": 200,
    "ok-without-id": 200,
    "id-without-ok": 200,
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_an_answer_that_cannot_be_read_is_invalid_and_not_tried_again(fault: str, waits: Waits) -> None:
    with Sandbox(on_call=lambda _call: fault) as sandbox, connected(sandbox, waits) as client:
        with pytest.raises(CommunicationsError, match="may or may not have been sent") as caught:
            client.send_sms(NUMBER, TEXT)
        assert len(sandbox.calls) == 1
    assert caught.value.code is ErrorCode.INVALID_RESPONSE
    assert isinstance(caught.value.response, ApiResponse)
    assert caught.value.response.status == UNREADABLE[fault]
    assert "gcbulk settle" not in str(caught.value)  # there is no journal here to settle anything in
    assert waits == []


@pytest.mark.parametrize("fault", ["reset", "reset-all-queued", "close-all-queued", "hang"])
def test_no_answer_is_unknown_and_never_tried_again(fault: str, waits: Waits) -> None:
    with (
        Sandbox(on_call=lambda _call: fault, hang_seconds=PATIENCE) as sandbox,
        connected(sandbox, waits, timeout=0.5 if fault == "hang" else PATIENCE, max_attempts=9) as client,
    ):
        with pytest.raises(CommunicationsError, match="may or may not have been sent") as caught:
            client.send_sms(NUMBER, TEXT)
        assert len(sandbox.calls) == 1
    assert (caught.value.code, caught.value.response) == (ErrorCode.OUTCOME_UNKNOWN, None)
    assert waits == []


def test_a_refused_connection_is_a_network_error_without_an_answer(waits: Waits) -> None:
    with (
        dead_port() as port,
        CommunicationsClient("1469", KEY, base_url=f"http://127.0.0.1:{port}", max_attempts=4) as client,
    ):
        client._sleep = waits
        with pytest.raises(CommunicationsError, match="could not be reached") as caught:
            client.send_sms(NUMBER, TEXT)
    assert (caught.value.code, caught.value.response) == (ErrorCode.NETWORK_ERROR, None)
    assert len(waits) == 3


# -- trying again what was certainly not taken


@pytest.mark.parametrize("fault", ["rate-limited-once", "http-429-once", "rate-limit-call-once", "http-503-once"])
def test_a_call_that_was_not_taken_is_tried_again(
    fault: str, client: CommunicationsClient, sandbox: Sandbox, waits: Waits
) -> None:
    result = client.send_sms(NUMBER_OF[fault], TEXT)
    [queued] = sandbox.queued
    assert queued.message_id == result.message_id
    assert len(sandbox.calls) == 2
    assert len(waits) == 1


@pytest.mark.parametrize("max_attempts", [1, 2, 6])
def test_max_attempts_counts_the_tries(max_attempts: int, waits: Waits) -> None:
    with (
        Sandbox(on_call=lambda _call: "http-503-once") as sandbox,
        connected(sandbox, waits, max_attempts=max_attempts) as client,
    ):
        with pytest.raises(CommunicationsError) as caught:
            client.send_sms(NUMBER, TEXT)
        assert len(sandbox.calls) == max_attempts
    assert caught.value.code is ErrorCode.RATE_LIMITED
    assert len(waits) == max_attempts - 1
    for number, wait in enumerate(waits):
        assert 0.25 * 2**number <= wait <= 0.5 * 2**number


def test_the_waits_differ_from_client_to_client() -> None:
    """Jitter: schools that were turned away together do not come back together."""
    found: set[tuple[float, ...]] = set()
    with Sandbox(on_call=lambda _call: "http-503-once") as sandbox:
        for _ in range(5):
            waits = Waits()
            with connected(sandbox, waits) as client, pytest.raises(CommunicationsError):
                client.send_sms(NUMBER, TEXT)
            found.add(tuple(waits))
    assert len(found) == 5


NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
RETRY_AFTER = {
    "seconds": ({"Retry-After": "7"}, 7.0),
    "no more than two minutes": ({"Retry-After": "86400"}, 120.0),
    "a date": ({"Retry-After": format_datetime(NOW + timedelta(seconds=9)), "Date": format_datetime(NOW)}, 9.0),
}


@pytest.mark.parametrize(("headers", "expected"), RETRY_AFTER.values(), ids=RETRY_AFTER.keys())
@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_retry_after_is_waited_for(status: str, headers: dict[str, str], expected: float, waits: Waits) -> None:
    busy = reply(http(status=status, headers=headers), keeps=True)
    with FaultServer([busy, busy]) as server, connected(server, waits) as client:
        client.send_sms(NUMBER, TEXT, client_ref="a")
        assert server.refs == ["a", "a", "a"]
    assert waits == [expected, expected]


@pytest.mark.parametrize("given", ["soon", "-5", "nan", "1e400", "\u00b2"])
def test_a_retry_after_that_makes_no_sense_is_left_aside(given: str, waits: Waits) -> None:
    with FaultServer([reply(http(status="429 Busy", headers={"Retry-After": given}), keeps=True)]) as server:
        with connected(server, waits) as client:
            client.send_sms(NUMBER, TEXT)
        assert len(server.requests) == 2
    assert 0.25 <= waits[0] <= 0.5


def test_a_retry_that_is_lost_ends_in_unknown(waits: Waits) -> None:
    script = iter(["http-429-once", "reset-all-queued"])
    with (
        Sandbox(on_call=lambda _call: next(script)) as sandbox,
        connected(sandbox, waits) as client,
        pytest.raises(CommunicationsError) as caught,
    ):
        client.send_sms(NUMBER, TEXT)
    assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
    assert len(sandbox.calls) == 2


# -- several messages in one call


def several(*numbers: str) -> list[dict[str, Any]]:
    return [{"recipients": number, "message": f"To {number}", "client_ref": number} for number in numbers]


def test_several_messages_go_in_one_call(client: CommunicationsClient, sandbox: Sandbox) -> None:
    given = several(NUMBER, OTHER, THIRD)
    before = copy.deepcopy(given)
    results = client.send_messages(given)
    assert given == before
    [call] = sandbox.calls
    assert [message["ClientRef"] for message in call.messages] == [NUMBER, OTHER, THIRD]
    sent = {queued.recipient: (queued.text, queued.message_id) for queued in sandbox.queued}
    for number, result in zip((NUMBER, OTHER, THIRD), results, strict=True):
        assert isinstance(result, SendResult)
        assert result.client_ref == number
        assert sent[number] == (f"To {number}", result.message_id)


def test_no_messages_make_no_call(client: CommunicationsClient, sandbox: Sandbox) -> None:
    assert client.send_messages([]) == ()
    assert sandbox.calls == []


def test_a_message_without_recipients_or_text_stops_all_before_any_call(
    client: CommunicationsClient, sandbox: Sandbox
) -> None:
    with pytest.raises(OptionError):
        client.send_messages([*several(NUMBER), {"message": TEXT}])
    with pytest.raises(OptionError):
        client.send_messages([*several(NUMBER), {"recipients": NUMBER, "message": None}])
    assert sandbox.calls == []


@pytest.mark.parametrize("with_refs", [True, False])
def test_only_those_that_were_rate_limited_are_tried_again(
    with_refs: bool, client: CommunicationsClient, sandbox: Sandbox, waits: Waits
) -> None:
    numbers = [NUMBER, NUMBER_OF["rate-limited-once"], NUMBER_OF["too-long"], NUMBER_OF["rate-limited"], OTHER]
    given = several(*numbers)
    if not with_refs:
        for one in given:
            del one["client_ref"]
    results = client.send_messages(given)
    found = [one.code if isinstance(one, CommunicationsError) else "sent" for one in results]
    assert found == ["sent", "sent", ErrorCode.MESSAGE_TOO_LONG, ErrorCode.RATE_LIMITED, "sent"]
    texts = [[message["SMSMessage"] for message in call.messages] for call in sandbox.calls]
    limited = [f"To {numbers[1]}", f"To {numbers[3]}"]
    assert texts == [[f"To {number}" for number in numbers], limited, *([limited[1:]] * 4)]
    assert sorted(queued.recipient for queued in sandbox.queued) == sorted([NUMBER, numbers[1], OTHER])
    assert len(waits) == 5
    for number, result in zip(numbers, results, strict=True):
        if isinstance(result, SendResult):
            [queued] = [one for one in sandbox.queued if one.recipient == number]
            assert queued.message_id == result.message_id


def test_a_lost_retry_leaves_what_was_accepted_before(waits: Waits) -> None:
    def on_call(call: Call) -> str | None:
        return "reset-all-queued" if len(call.messages) == 1 else None

    with Sandbox(on_call=on_call) as sandbox, connected(sandbox, waits) as client:
        first, second = client.send_messages(several(NUMBER, NUMBER_OF["rate-limited-once"]))
        assert len(sandbox.calls) == 2
    assert isinstance(first, SendResult)
    assert isinstance(second, CommunicationsError)
    assert second.code is ErrorCode.OUTCOME_UNKNOWN


@pytest.mark.parametrize("fault", ["http-500-half-queued", "array-short", "null", "reset"])
def test_an_unknown_outcome_is_unknown_for_all_and_not_tried_again(fault: str, waits: Waits) -> None:
    with Sandbox(on_call=lambda _call: fault) as sandbox, connected(sandbox, waits) as client:
        given = [{"recipients": number, "message": TEXT} for number in (NUMBER, OTHER, THIRD)]
        results = client.send_messages(given)
        assert len(sandbox.calls) == 1
    expected = ErrorCode.OUTCOME_UNKNOWN if fault == "reset" else ErrorCode.INVALID_RESPONSE
    assert {one.code for one in results if isinstance(one, CommunicationsError)} == {expected}
    assert len(results) == 3
    assert waits == []


# -- the vendor's test call


def test_good_credentials_are_valid(client: CommunicationsClient, sandbox: Sandbox) -> None:
    check = client.check_credentials()
    assert check.result == "valid"
    assert "1469" in check.detail
    assert check_credentials(client).result == "valid"
    assert [call.messages[0]["Recipients"] for call in sandbox.calls] == [[{"MobileNumber": "+447700900000"}]] * 2
    assert sandbox.queued == []


@pytest.mark.parametrize("wrong", [{"customer_id": "77"}, {"api_key": "no-such-key-4711"}])
def test_wrong_credentials_are_invalid(wrong: dict[str, str], sandbox: Sandbox) -> None:
    with connected(sandbox, **wrong) as client:
        check = client.check_credentials()
    assert check.result == "invalid"
    assert "Check both" in check.detail
    assert "4711" not in repr(check)


CANNOT_TELL = ["http-500", "http-503-once", "http-401", "permission-denied", "reset", "null", "html", "rate-limited"]


@pytest.mark.parametrize("fault", CANNOT_TELL)
def test_an_answer_that_proves_nothing_cannot_tell(fault: str, waits: Waits) -> None:
    with Sandbox(on_call=lambda _call: fault) as sandbox, connected(sandbox, waits) as client:
        check = client.check_credentials()
        assert len(sandbox.calls) == 1
    assert check.result == "cannot tell"
    assert check.detail.endswith(".")
    assert waits == []


def test_a_refused_connection_cannot_tell() -> None:
    with (
        dead_port() as port,
        CommunicationsClient("1469", KEY, base_url=f"http://127.0.0.1:{port}") as client,
    ):
        check = client.check_credentials()
    assert check.result == "cannot tell"
    assert "could not be made" in check.detail


@pytest.mark.usefixtures("platform")
def test_the_credentials_of_the_environment_are_checked() -> None:
    assert gcbulk.check_credentials().result == "valid"


# -- the key shows itself nowhere


@pytest.fixture
def every_log() -> Iterator[io.StringIO]:
    """Whatever any logger says, at the finest level, with tracebacks."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    names = ("gcbulk", "urllib3", "urllib3.connectionpool", "urllib3.util.retry", "requests", "charset_normalizer")
    before = {logger: logger.level for logger in (root, *map(logging.getLogger, names))}
    for logger in before:
        logger.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)
    for logger, level in before.items():
        logger.setLevel(level)


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and all that led to it."""
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None:
            yield one
            left += [one.__cause__, one.__context__]


def everything_shown(error: BaseException) -> str:
    """All that may end up in a notebook, a log or a report of an error, the variables of gcbulk's frames included."""
    shown: list[str] = []
    for one in chain(error):
        trace = traceback.TracebackException.from_exception(one, capture_locals=True)
        ours = [frame for frame in trace.stack if frame.filename != __file__]  # a test knows the key
        assert ours
        plain = traceback.format_exception(one)
        shown += [str(one), repr(one), repr(vars(one)), *plain, *(repr(frame.locals) for frame in ours)]
    return "\n".join(shown)


def test_an_error_survives_the_way_between_processes() -> None:
    error = CommunicationsError("The platform said no.", code=ErrorCode.UNKNOWN_ERROR, response=None)
    came = pickle.loads(pickle.dumps(error))
    assert (type(came), str(came), came.code, came.response) == (type(error), str(error), error.code, None)


@pytest.mark.parametrize("where", ["send", "getresponse"])
def test_an_interrupted_call_shows_no_key(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"http.client.HTTPConnection.{where}", interrupted)
    with (
        Sandbox() as platform,
        CommunicationsClient("1469", KEY, base_url=platform.url) as client,
        pytest.raises(KeyboardInterrupt) as caught,
    ):
        client.send_sms("+447700900123", "Hello")
    assert KEY not in everything_shown(caught.value)


def echo(status: str = "200 OK") -> faults.Behaviour:
    """A server, or something on the way, that shows the whole request in its answer."""

    def make(request: Received) -> bytes:
        # without the field's name, which would not be a word of the answer table
        return http(request.body, status=status, headers={"X-Echo": request.messages[0]["Password"]})

    return reply(make, keeps=True)


FAILURES = {
    "reset": faults.RESET,
    "closed": faults.CLOSE,
    "hanging": faults.HANG,
    "cut in its headers": faults.CUT_IN_HEADERS,
    "cut in its body": faults.CUT_IN_BODY,
    "no HTTP": reply(lambda request: request.body + b"\r\n"),
    "echoed": echo(),
    "echoed with 500": echo("500 Internal Server Error"),
    "echoed with 403": echo("403 Forbidden"),
    "echoed with 429": echo("429 Too Many Requests"),
    "refused": reply(http([{"errorMsg": "Data is not valid, no messages sent", "WarningMessages": []}])),
    "in unknown words": reply(http([{"errorMsg": "Declined", "WarningMessages": ["Odd"]}])),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_shows_the_key(failure: str, every_log: io.StringIO) -> None:
    timeout = 0.5 if failure == "hanging" else PATIENCE
    with FaultServer(lambda _turn: FAILURES[failure]) as server:
        with pytest.raises(CommunicationsError) as caught:  # noqa: SIM117  # the failure passes through the client's end
            with connected(server, timeout=timeout, max_attempts=2) as client, client.message_session("absences"):
                client.send_sms(NUMBER, TEXT)
        assert KEY.encode() in server.requests[0].body  # it was there to be shown
    error = caught.value
    assert KEY not in everything_shown(error)
    assert KEY not in every_log.getvalue()
    assert "urllib3.connectionpool DEBUG" in every_log.getvalue()
    assert "absences: failed" in every_log.getvalue()
    assert [one for one in chain(error) if not isinstance(one, CommunicationsError)] == []


@pytest.mark.parametrize("failure", [name for name in FAILURES if name.startswith("echoed")])
def test_an_echo_is_kept_with_the_key_taken_out(failure: str) -> None:
    with (
        FaultServer(lambda _turn: FAILURES[failure]) as server,
        connected(server, max_attempts=1) as client,
        pytest.raises(CommunicationsError) as caught,
    ):
        client.send_sms(NUMBER, TEXT)
    response = caught.value.response
    assert isinstance(response, ApiResponse)
    assert json.loads(response.body)["messageData"][0]["Password"] == "***"
    assert response.headers["X-Echo"] == "***"
    assert KEY not in repr(response)


@pytest.mark.parametrize("field", ["errorMsg", "WarningMessages"])
def test_words_that_hold_the_key_are_quoted_without_it(field: str) -> None:
    def make(request: Received) -> bytes:
        said = f"No customer with password {request.messages[0]['Password']}"
        return http([{"errorMsg": "", "WarningMessages": []} | {field: said if field == "errorMsg" else [said]}])

    with (
        FaultServer([reply(make)]) as server,
        connected(server) as client,
        pytest.raises(CommunicationsError) as caught,
    ):
        client.send_sms(NUMBER, TEXT)
    assert caught.value.code is ErrorCode.UNKNOWN_ERROR
    assert KEY not in everything_shown(caught.value)


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("key", ['k3y"4711', "k3y\\4711"])
def test_a_key_that_json_escapes_is_taken_out_too(key: str, ascii_only: bool) -> None:
    def make(request: Received) -> bytes:
        return http(json.dumps(request.messages, ensure_ascii=ascii_only).encode())

    with (
        FaultServer([reply(make)]) as server,
        connected(server, api_key=key) as client,
        pytest.raises(CommunicationsError) as caught,
    ):
        client.send_sms(NUMBER, TEXT)
    assert isinstance(caught.value.response, ApiResponse)
    assert "4711" not in caught.value.response.body


def test_an_option_that_json_cannot_carry_does_not_show_the_key(client: CommunicationsClient, sandbox: Sandbox) -> None:
    with pytest.raises(OptionError, match="JSON cannot carry") as caught:
        client.send_sms(NUMBER, TEXT, Odd=object())
    assert all(sandbox.api_key not in f"{one} {one!r}" for one in chain(caught.value))
    assert sandbox.api_key not in "".join(traceback.format_exception(caught.value))
    assert sandbox.calls == []


def test_a_success_shows_no_key_either(client: CommunicationsClient, sandbox: Sandbox, every_log: io.StringIO) -> None:
    with client.message_session("absences"):
        result = client.send_sms(NUMBER, TEXT)
    client.check_credentials()
    assert "absences: ended" in every_log.getvalue()
    for shown in (every_log.getvalue(), repr(result), repr(client), str(client), repr(vars(client))):
        assert sandbox.api_key not in shown
    assert repr(client) == f"CommunicationsClient(customer_id='1469', base_url='{sandbox.url}')"


def test_no_text_or_number_is_logged(client: CommunicationsClient, every_log: io.StringIO) -> None:
    client.send_sms(NUMBER, TEXT)
    with pytest.raises(CommunicationsError):
        client.send_sms(NUMBER_OF["too-long"], TEXT)
    logged = every_log.getvalue()
    assert "gcbulk DEBUG Call with 1 messages: HTTP 200" in logged
    assert NUMBER not in logged
    assert TEXT not in logged


def test_neither_client_nor_credentials_carry_the_key_away(client: CommunicationsClient) -> None:
    for held in (client, client._credentials, client._credentials.api_key, {"client": client}):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="never pickled"):
                pickle.dumps(held, protocol)
        with pytest.raises(TypeError, match="never pickled"):
            copy.deepcopy(held)


def test_a_secret_hides_in_every_kind_of_writing() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r}", "%s" % secret, repr([secret])]  # noqa: UP031
    assert not [one for one in shown if KEY in one]
    with pytest.raises(TypeError):
        json.dumps(secret)


# -- what is logged


def test_a_block_logs_its_start_and_its_end(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gcbulk")
    with connected(sandbox) as client:
        client.send_sms(NUMBER, TEXT)
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", f"Client for customer 1469 at {sandbox.url} opened"),
        ("INFO", "Client for customer 1469 closed"),
    ]


def test_a_block_that_fails_logs_it_closes_and_lets_the_failure_through(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gcbulk")
    with pytest.raises(ZeroDivisionError, match="a child's name"), connected(sandbox):
        raise ZeroDivisionError("a child's name")
    last = caplog.records[-1]
    assert (last.levelname, last.getMessage()) == ("ERROR", "Client for customer 1469 closed after ZeroDivisionError")
    assert last.exc_info is None
    assert "a child's name" not in caplog.text


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (gcbulk.QuietHoursError("late"), "INFO"),
        (gcbulk.CampaignError("other"), "INFO"),
        (gcbulk.JournalLostError("lost"), "ERROR"),
        (CommunicationsError("no network", code=ErrorCode.NETWORK_ERROR), "ERROR"),
    ],
)
def test_a_refusal_before_anything_is_sent_is_no_failure_of_the_client(
    error: gcbulk.GcbulkError, level: str, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gcbulk")
    with pytest.raises(type(error)), connected(sandbox):
        raise error
    last = caplog.records[-1]
    assert last.levelname == level
    assert last.getMessage() == f"Client for customer 1469 closed after {type(error).__name__}"


def test_a_block_closes_its_connections_even_where_it_fails() -> None:
    with FaultServer() as server:
        with contextlib.suppress(KeyError), connected(server) as client:
            client.send_sms(NUMBER, TEXT)
            assert server.open_connections == 1
            raise KeyError
        server.wait_until(lambda: server.open_connections == 0)


def test_a_message_session_logs_its_start_its_end_and_its_length(
    client: CommunicationsClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gcbulk")
    with client.message_session("Year 7") as inside:
        assert inside is client
        client.send_sms(NUMBER, TEXT)
    started, ended = (one.getMessage() for one in caplog.records)
    assert started == "Year 7: started"
    assert ended.startswith("Year 7: ended after ")
    assert client.send_sms(NUMBER, TEXT).queued == 1  # the client is still open


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_a_message_session_that_fails_says_so_without_its_words(
    failure: type[BaseException], client: CommunicationsClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gcbulk")
    with pytest.raises(failure), client.message_session():
        raise failure("a child's name")
    last = caplog.records[-1]
    assert last.levelname == "ERROR"
    assert last.getMessage().startswith("messages: failed after ")
    assert last.getMessage().endswith(f"({failure.__name__})")
    assert last.exc_info is None
    assert "a child's name" not in caplog.text


def test_a_logger_that_is_handed_in_is_used(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    own = logging.getLogger("school.office")
    with connected(sandbox, logger=own) as client, client.message_session("absences"):
        client.send_sms(NUMBER, TEXT)
    said = [one.getMessage() for one in caplog.records if one.name == "school.office"]
    assert [words.split(" ")[0] for words in said] == ["Client", "absences:", "Call", "absences:", "Client"]
    assert [one for one in caplog.records if one.name == "gcbulk"] == []


# -- settings


@pytest.mark.parametrize("name", ["timeout", "connect_timeout", "read_timeout"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), True, "30"])
def test_a_time_that_cannot_be_used_is_named(name: str, value: object) -> None:
    with pytest.raises(OptionError, match=f"^{name} must be a number of seconds above 0"):
        CommunicationsClient("1469", KEY, base_url="https://api.invalid", **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "6", None])
def test_max_attempts_that_cannot_be_used(value: object) -> None:
    with pytest.raises(OptionError, match="max_attempts must be a whole number from 1"):
        CommunicationsClient("1469", KEY, base_url="https://api.invalid", max_attempts=value)  # type: ignore[arg-type]


BAD_ADDRESSES = [
    "http://api.invalid",
    "http://192.0.2.1",
    "http://127.0.0.1.api.invalid",
    "http://localhost.api.invalid",
    "http://0.0.0.0",
    "ftp://127.0.0.1",
    "127.0.0.1:8000",
    "https://",
    "https:///api",
    "https://[::1",
    "https://api.invalid:99999",
    "https://api.invalid:port",
    "https://api.invalid/?to=elsewhere",
    "https://api.invalid/#part",
    "api.invalid",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
@pytest.mark.parametrize("by_environment", [False, True])
def test_an_address_that_cannot_be_used_is_refused(
    address: str, by_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_environment:
        monkeypatch.setenv("GCBULK_BASE_URL", address)
    with pytest.raises(OptionError, match=r"The API's address") as caught:
        CommunicationsClient("1469", KEY, base_url=None if by_environment else address)
    assert isinstance(caught.value, InputError | ValueError)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["https://office:hush4711@api.invalid", "https://hush4711@api.invalid", "http://a:hush4711@127.0.0.1"]
)
def test_a_password_in_the_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(OptionError, match="without a user name") as caught:
        CommunicationsClient("1469", KEY, base_url=address)
    assert "hush4711" not in "".join(traceback.format_exception(caught.value))
    assert all("hush4711" not in f"{one} {one!r}" for one in chain(caught.value))


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:8000", "http://127.8.8.8", "http://[::1]:8000", "http://localhost", "HTTP://LocalHost"],
)
def test_plain_http_to_this_machine_is_allowed(address: str) -> None:
    assert CommunicationsClient("1469", KEY, base_url=address).base_url == address.lower()


def test_an_address_may_have_a_path_and_end_in_slashes() -> None:
    with FaultServer() as server, connected(server, base_url=server.url + "/gateway//") as client:
        client.send_sms(NUMBER, TEXT)
        assert server.requests[0].path == "/gateway/api/SendMessage_V3/SMS"


def test_production_is_the_default() -> None:
    assert CommunicationsClient("1469", KEY).base_url == "https://m5api.groupcall.com"


def test_everything_can_come_from_the_environment(platform: Sandbox) -> None:
    with CommunicationsClient() as client:
        assert client.send_sms(NUMBER, TEXT).queued == 1
    assert client.base_url == platform.url
    assert [queued.customer_id for queued in platform.queued] == ["1469"]


def test_arguments_are_stronger_than_the_environment(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCBULK_BASE_URL", "https://api.invalid")
    monkeypatch.setenv("GCBULK_CUSTOMER_ID", "77")
    monkeypatch.setenv("GCBULK_API_KEY", "another-key")
    with CommunicationsClient(1469, f" {sandbox.api_key}\n", base_url=f" {sandbox.url}/ ") as client:
        assert client.customer_id == "1469"
        assert client.send_sms(NUMBER, TEXT).queued == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "customer id and no API key"), ({"customer_id": "1469"}, "API key"), ({"api_key": KEY}, "customer id")],
)
def test_what_is_missing_is_named(given: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCBULK_API_KEY", "  ")
    with pytest.raises(CredentialsError, match=f"^No {words} for https://api.invalid was found") as caught:
        CommunicationsClient(base_url="https://api.invalid", **given)  # type: ignore[arg-type]
    assert KEY not in str(caught.value)


# -- shared, and handed in


def test_a_session_handed_in_is_used_and_left_open(sandbox: Sandbox) -> None:
    with requests.Session() as session:
        other = HTTPAdapter()
        session.mount("https://elsewhere.invalid", other)
        with connected(sandbox, session=session) as client:
            assert client.send_sms(NUMBER, TEXT).queued == 1
        assert session.get_adapter("https://elsewhere.invalid/x") is other
        assert client.send_sms(OTHER, TEXT).queued == 1
    assert [queued.recipient for queued in sandbox.queued] == [NUMBER, OTHER]


def test_threads_share_one_client(client: CommunicationsClient, sandbox: Sandbox) -> None:
    results: dict[str, SendResult] = {}
    ready = threading.Barrier(8)

    def work(thread: int) -> None:
        ready.wait(PATIENCE)
        for number in range(10):
            ref = f"{thread}-{number}"
            results[ref] = client.send_sms(NUMBER, TEXT, client_ref=ref)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    sent = {queued.client_ref: queued.message_id for queued in sandbox.queued}
    assert {ref: result.message_id for ref, result in results.items()} == sent
    assert len(sandbox.queued) == len(sent) == 80


@pytest.mark.parametrize("fault", ["none", "slow", "http-413-together", "array-reversed", "no-refs", "dropped"])
def test_an_odd_way_of_saying_yes_is_a_yes(fault: str) -> None:
    with Sandbox(on_call=lambda _call: fault, slow_seconds=0.2) as sandbox, connected(sandbox) as client:
        result = client.send_sms(NUMBER, TEXT, client_ref="a")
        assert [queued.message_id for queued in sandbox.queued] == [result.message_id]
