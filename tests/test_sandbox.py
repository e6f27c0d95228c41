"""The sandbox is spoken to over real HTTP, never through gcbulk's own client: each would hide the other's mistakes."""

from __future__ import annotations

import ast
import dataclasses
import http.client
import http.server
import json
import queue
import re
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from gcbulk import sandbox as module
from gcbulk.sandbox import FAULTS, MAGIC_NUMBERS, Call, Queued, Sandbox, describe_numbers, faults

SMS = "/api/SendMessage_V3/SMS"
EMAIL = "/api/SendMessage_V3/Email"
ORDINARY, OTHER = "+447700900101", "+447700900102"
NUMBER_OF = {fault.name: number for number, fault in MAGIC_NUMBERS.items()}


@pytest.fixture
def sandbox():
    with Sandbox(hang_seconds=0.05, slow_seconds=0.05) as running:
        yield running


@pytest.fixture
def http_session():
    with requests.Session() as session:
        session.trust_env = False
        yield session


def message(sandbox, *recipients, **fields):
    return {
        "CustomerId": sandbox.customer_id,
        "Password": sandbox.api_key,
        "Recipients": [{"MobileNumber": one} if isinstance(one, str) else one for one in recipients],
        "SMSMessage": "School is closed today.",
    } | fields


def post(session, sandbox, *messages, path=SMS):
    body = {"messageData": list(messages)}
    return session.post(sandbox.url + path, json=body, timeout=20, allow_redirects=False)


def send_to(session, sandbox, *numbers):
    """One message a number, with the number as its reference."""
    return post(session, sandbox, *(message(sandbox, number, ClientRef=number) for number in numbers))


def recipients(sandbox):
    return [one.recipient for one in sandbox.queued]


def refusal(*, ref=None, error="", warnings=()):
    return {
        "WarningMessages": list(warnings),
        "errorMsg": error,
        "MessageSentId": 0,
        "MessageId": None,
        "statusMsg": "",
        "transmitDateTime": None,
        "ClientRef": ref,
    }


# -- an ordinary call


def test_success_looks_as_the_api_documents_it(sandbox, http_session):
    answer = post(http_session, sandbox, message(sandbox, ORDINARY, OTHER, ClientRef="ref-1"))
    [found] = answer.json()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert list(found) == [
        "WarningMessages",
        "errorMsg",
        "MessageSentId",
        "MessageId",
        "statusMsg",
        "transmitDateTime",
        "ClientRef",
    ]
    assert re.fullmatch(r"1469\.\d{8}\.\d{20}-[0-9a-f]{32}", found["MessageId"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", found["transmitDateTime"])
    assert abs(datetime.fromisoformat(found["transmitDateTime"]) - datetime.now(UTC)).total_seconds() < 60
    assert found["errorMsg"] == "OK 2 messages queued for sending"
    assert (found["WarningMessages"], found["statusMsg"], found["MessageSentId"]) == ([], "In Queue", 0)
    assert found["ClientRef"] == "ref-1"


def test_what_was_queued_is_recorded_for_each_recipient(sandbox, http_session):
    fields = {"ClientRef": "r", "SMSSender": "School", "sendDateTime": "2026-11-24T08:00:00Z"}
    [found] = post(http_session, sandbox, message(sandbox, ORDINARY, OTHER, **fields)).json()
    [call] = sandbox.calls
    assert sandbox.queued == [
        Queued(
            message_id=found["MessageId"],
            recipient=number,
            text="School is closed today.",
            client_ref="r",
            customer_id="1469",
            sender="School",
            send_at="2026-11-24T08:00:00Z",
            callback_url=None,
            call=1,
            at=call.at,
        )
        for number in (ORDINARY, OTHER)
    ]
    assert call.at.tzinfo is UTC


def test_calls_are_recorded_without_the_key(sandbox, http_session):
    send_to(http_session, sandbox, ORDINARY, OTHER)
    post(http_session, sandbox, message(sandbox, ORDINARY), message(sandbox, ORDINARY, Password="secret"))
    assert [(call.number, call.path, call.status, call.fault) for call in sandbox.calls] == [
        (1, SMS, 200, None),
        (2, SMS, 200, None),
    ]
    assert [len(call.messages) for call in sandbox.calls] == [2, 2]
    assert sandbox.calls[0].messages[0]["SMSMessage"] == "School is closed today."
    assert "Password" not in repr(sandbox.calls)
    assert sandbox.api_key not in repr(sandbox) + repr(sandbox.calls)


def test_one_answer_a_message_in_order(sandbox, http_session):
    answers = send_to(http_session, sandbox, *(f"+4477009001{n:02}" for n in range(50))).json()
    assert [answer["ClientRef"] for answer in answers] == [f"+4477009001{n:02}" for n in range(50)]
    assert len({answer["MessageId"] for answer in answers}) == 50


@pytest.mark.parametrize(
    ("recipient", "queued_as"),
    [
        ("+447700900123", "+447700900123"),
        ("07700900123", "07700900123"),
        ("+12025550123", "+12025550123"),
        ({"MobileNumber": "+447700900123", "SendTo": 0}, "+447700900123"),
        ({"Id": 17}, "Id:17"),
        ({"ExternalId": "ABC"}, "ExternalId:ABC"),
        ({"IdaasId": "PL-12345"}, "IdaasId:PL-12345"),
        ({"Id": 17, "ExternalId": "ABC", "MobileNumber": "+447700900123"}, "+447700900123"),
    ],
)
def test_recipients_that_are_reached(sandbox, http_session, recipient, queued_as):
    body = message(sandbox) | {"Recipients": [recipient]}
    assert post(http_session, sandbox, body).json()[0]["errorMsg"].startswith("OK 1 ")
    assert recipients(sandbox) == [queued_as]


@pytest.mark.parametrize("bad", ["", "447700900123", "+447", "+44 7700 900123", "nobody", {}, {"MobileNumber": 7}])
def test_implausible_recipients_are_skipped(sandbox, http_session, bad):
    alone, among = message(sandbox), message(sandbox)
    alone["Recipients"], among["Recipients"] = [bad], [ORDINARY, bad, OTHER]
    refused, taken = post(http_session, sandbox, alone, among).json()
    assert refused == refusal(warnings=["No recipients with valid addresses"])
    assert taken["errorMsg"] == "OK 2 messages queued for sending"
    assert recipients(sandbox) == [ORDINARY, OTHER]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("x" * 918, None),
        ("x" * 919, "Message exceeds maximum length"),
        ("line\r\nline\ttab £ € 😀", None),
        ("bell \x07", "Message contains invalid characters"),
        ("half a pair \ud83d", "Message contains invalid characters"),
    ],
)
def test_texts_are_checked_message_by_message(sandbox, http_session, text, warning):
    checked = message(sandbox, ORDINARY, SMSMessage=text, ClientRef="a")
    first, second = post(http_session, sandbox, checked, message(sandbox, OTHER)).json()
    if warning:
        assert first == refusal(ref="a", warnings=[warning])
    else:
        assert first["errorMsg"].startswith("OK 1 ")
    assert second["errorMsg"].startswith("OK 1 ")
    assert OTHER in recipients(sandbox)


def test_email_uses_the_same_engine(sandbox, http_session):
    def email(address):
        content = {"EmailSubject": "Closed", "EmailBody": "x" * 2000, "EmailSentFromName": "Office"}
        return message(sandbox, **content) | {"Recipients": [{"EmailAddress": address}]}

    addresses = ["parent@example.org", "no address", "07700900901@example.org"]
    answers = post(http_session, sandbox, *map(email, addresses), path=EMAIL).json()
    assert [answer["errorMsg"] for answer in answers] == ["OK 1 messages queued for sending", "", ""]
    [queued] = sandbox.queued
    assert (queued.recipient, queued.text, queued.sender) == ("parent@example.org", "x" * 2000, "Office")
    sandbox.reset()
    forbidden = post(http_session, sandbox, email("07700900930@example.org"), path=EMAIL).json()
    assert forbidden == [refusal(warnings=["Customer does not allow sending Email"])]
    no_subject = {key: value for key, value in email("a@example.org").items() if key != "EmailSubject"}
    assert post(http_session, sandbox, no_subject, path=EMAIL).json() == [NOT_VALID]
    assert sandbox.queued == []


# -- credentials and shape

NOT_VALID = refusal(error="Data is not valid, no messages sent")


@pytest.mark.parametrize(
    "change",
    [
        {"Password": "wrong"},
        {"Password": None},
        {"CustomerId": "9999"},
        {"CustomerId": 1469},
        {"CustomerId": ["1469"]},
        {"SMSMessage": None},
        {"SMSMessage": ""},
        {"SMSMessage": 5},
        {"Recipients": None},
        {"Recipients": ORDINARY},
        {"Recipients": [447700900101]},
        {"ClientRef": 12},
        {"CallbackUrl": 12},
        {"SMSSender": 12},
        {"sendDateTime": "tomorrow"},
    ],
)
def test_one_bad_message_spoils_the_call(sandbox, http_session, change):
    good, bad = message(sandbox, OTHER, ClientRef="a"), message(sandbox, ORDINARY, ClientRef="b") | change
    answer = post(http_session, sandbox, good, bad)
    assert (answer.status_code, answer.json()) == (200, [NOT_VALID])
    assert sandbox.queued == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"{}", b'{"messageData": {}}', b'{"messageData": []}', b'{"messageData": [1]}',
     b"\xff\xfe"],
)  # fmt: skip
def test_malformed_bodies(sandbox, http_session, body):
    answer = http_session.post(sandbox.url + SMS, data=body, timeout=20)
    assert (answer.status_code, answer.json()) == (200, [NOT_VALID])


def test_vendors_credential_test(sandbox, http_session):
    good = message(sandbox, "+447700900000")
    assert post(http_session, sandbox, good).json() == [refusal(warnings=["No recipients with valid addresses"])]
    assert post(http_session, sandbox, good | {"Password": "wrong"}).json() == [NOT_VALID]
    among = message(sandbox, ORDINARY, "+447700900000")
    assert post(http_session, sandbox, among).json()[0]["errorMsg"] == "OK 1 messages queued for sending"


def test_credentials_can_be_chosen(http_session):
    with Sandbox(customer_id="77", api_key="other") as sandbox:
        [answer] = send_to(http_session, sandbox, ORDINARY).json()
        assert answer["MessageId"].startswith("77.")
        assert send_to(http_session, sandbox, ORDINARY).request.body.count(b'"other"') == 1
        assert "other" not in repr(sandbox)


def test_wrong_credentials_queue_nothing_even_under_a_fault(http_session):
    with Sandbox(on_call=lambda call: "http-500-all-queued") as sandbox:
        assert post(http_session, sandbox, message(sandbox, ORDINARY, Password="no")).status_code == 500
        assert sandbox.queued == []


# -- the magic numbers, and the same by name


def test_table_is_sound():
    assert len(FAULTS) == len(faults._TABLE)
    assert len(MAGIC_NUMBERS) == sum(fault.digits is not None for fault in faults._TABLE)
    assert all(re.fullmatch(r"\+447700900(000|9\d\d)", number) for number in MAGIC_NUMBERS)
    assert all(re.fullmatch(r"[A-Z].*\.", fault.help) for fault in FAULTS.values())
    lines = describe_numbers().splitlines()
    assert len(lines) == len(MAGIC_NUMBERS)
    assert "07700 900911  rate-limited " in lines[list(MAGIC_NUMBERS).index("+447700900911")]


MESSAGE_REFUSALS = {
    "no-recipients": {"warnings": ["No recipients with valid addresses"]},
    "no-recipients-error": {"error": "No recipients with valid addresses"},
    "too-long": {"warnings": ["Message exceeds maximum length"]},
    "invalid-characters": {"warnings": ["Message contains invalid characters"]},
    "unknown-words": {"error": "Declined by gateway 12"},
    "ok-zero": {"error": "OK 0 messages queued for sending"},
    "rate-limited": {"warnings": ["Rate limit exceeded"]},
}


@pytest.mark.parametrize("name", MESSAGE_REFUSALS)
def test_a_message_is_refused_and_the_others_go_on(sandbox, http_session, name):
    for _ in range(2):
        answers = send_to(http_session, sandbox, ORDINARY, NUMBER_OF[name], OTHER).json()
        assert answers[1] == refusal(ref=NUMBER_OF[name], **MESSAGE_REFUSALS[name])
        assert answers[0]["MessageId"]
        assert answers[2]["MessageId"]
    assert recipients(sandbox) == [ORDINARY, OTHER] * 2
    assert {call.fault for call in sandbox.calls} == {name}


def test_refusal_with_nulls(sandbox, http_session):
    [answer] = send_to(http_session, sandbox, NUMBER_OF["nulls"]).json()
    assert {key for key, value in answer.items() if value is not None} == {"errorMsg", "ClientRef"}
    assert sandbox.queued == []


EACH = {
    "data-invalid-each": {"error": "Data is not valid, no messages sent"},
    "permission-denied-each": {"warnings": ["Customer does not allow sending SMS"]},
    "partner-refused-each": {"warnings": ["Partner account not authorized for this customer"]},
    "rate-limited": {"warnings": ["Rate limit exceeded"]},
    "skipped": {"warnings": ["No recipients with valid addresses"]},
}


@pytest.mark.parametrize("name", EACH)
def test_by_name_a_message_fault_strikes_every_message(http_session, name):
    with Sandbox(on_call=lambda call: name) as sandbox:
        answers = send_to(http_session, sandbox, ORDINARY, OTHER).json()
        assert answers == [refusal(ref=ref, **EACH[name]) for ref in (ORDINARY, OTHER)]
        assert sandbox.queued == []
        assert sandbox.calls[0].fault == name


def test_rate_limited_once_lets_the_retry_pass(sandbox, http_session):
    number = NUMBER_OF["rate-limited-once"]
    first, second = (send_to(http_session, sandbox, number).json()[0] for _ in range(2))
    assert first == refusal(ref=number, warnings=["Rate limit exceeded"])
    assert second["MessageId"]
    other_text = message(sandbox, number, SMSMessage="Another text")
    assert post(http_session, sandbox, other_text).json()[0]["MessageId"] is None
    assert recipients(sandbox) == [number]
    sandbox.reset()
    assert send_to(http_session, sandbox, number).json()[0]["MessageId"] is None


ONE_OBJECT = {
    "rate-limit-call-once": refusal(error="Too many requests"),
    "permission-denied": refusal(warnings=["Customer does not allow sending SMS"]),
    "data-invalid": NOT_VALID,
}


@pytest.mark.parametrize("name", ONE_OBJECT)
def test_one_object_refuses_the_whole_call(sandbox, http_session, name):
    answer = send_to(http_session, sandbox, ORDINARY, NUMBER_OF[name], OTHER)
    assert (answer.status_code, answer.json()) == (200, [ONE_OBJECT[name]])
    assert sandbox.queued == []
    assert send_to(http_session, sandbox, ORDINARY).json()[0]["MessageId"]
    assert [call.fault for call in sandbox.calls] == [name, None]


STATUSES = {
    # name: status, how many of four are queued
    "http-429-once": (429, 0),
    "http-503-once": (503, 0),
    "http-401": (401, 0),
    "http-403": (403, 0),
    "http-404": (404, 0),
    "http-413": (413, 0),
    "http-500": (500, 0),
    "http-500-all-queued": (500, 4),
    "http-500-half-queued": (500, 2),
    "http-502-all-queued": (502, 4),
    "http-504-all-queued": (504, 4),
    "http-400": (400, 0),
    "http-407": (407, 0),
    "http-418": (418, 0),
    "http-201-all-queued": (201, 4),
    "redirect-301": (301, 0),
    "redirect-302": (302, 0),
    "redirect-303": (303, 0),
    "redirect-308": (308, 0),
    "redirect-307": (307, 0),
}


@pytest.mark.parametrize("name", STATUSES)
def test_statuses(sandbox, http_session, name):
    numbers = ["+447700900201", "+447700900202", NUMBER_OF[name], "+447700900203"]
    status, queued = STATUSES[name]
    answer = send_to(http_session, sandbox, *numbers)
    assert answer.status_code == status
    assert recipients(sandbox) == numbers[:queued]
    assert [(call.fault, call.status) for call in sandbox.calls] == [(name, status)]
    assert answer.headers.get("Retry-After") == ("1" if status == 429 else None)
    if status == 500:
        assert answer.json() == {"Message": "An error has occurred."}
    again = send_to(http_session, sandbox, *numbers).status_code
    assert again == (200 if name.endswith("-once") else status)


def test_too_large_together_passes_alone(sandbox, http_session):
    number = NUMBER_OF["http-413-together"]
    assert send_to(http_session, sandbox, ORDINARY, number).status_code == 413
    assert send_to(http_session, sandbox, number).json()[0]["MessageId"]
    assert recipients(sandbox) == [number]


def test_a_redirect_that_is_followed_shows(sandbox, http_session):
    body = {"messageData": [message(sandbox, NUMBER_OF["redirect-307"])]}
    location = http_session.post(sandbox.url + SMS, json=body, timeout=20, allow_redirects=False).headers["Location"]
    assert location.startswith(sandbox.url)
    http_session.max_redirects = 2
    with pytest.raises(requests.TooManyRedirects):
        http_session.post(sandbox.url + SMS, json=body, timeout=20)
    assert len(sandbox.calls) > 2


ODD_BODIES = {
    # name: what the client sees of three answers with the references a, b, c
    "null": lambda body: json.loads(body) == [None],
    "empty-array": lambda body: json.loads(body) == [],
    "object": lambda body: json.loads(body)["ClientRef"] == "a",
    "array-short": lambda body: [found["ClientRef"] for found in json.loads(body)] == ["a", "b"],
    "array-long": lambda body: len(json.loads(body)) == 6,
    "array-reversed": lambda body: [found["ClientRef"] for found in json.loads(body)] == ["c", "b", "a"],
    "no-refs": lambda body: [found["ClientRef"] for found in json.loads(body)] == [None] * 3,
    "no-refs-short": lambda body: [found["ClientRef"] for found in json.loads(body)] == [None] * 2,
    "no-refs-long": lambda body: [found["ClientRef"] for found in json.loads(body)] == [None] * 6,
    "html": lambda body: body.startswith("<!doctype html>"),
    "cut-json": lambda body: body.startswith("[{") and not body.endswith("]"),
    "slow": lambda body: len(json.loads(body)) == 3,
}


@pytest.mark.parametrize("name", ODD_BODIES)
def test_odd_answers_to_calls_that_were_taken(sandbox, http_session, name):
    numbers = [ORDINARY, NUMBER_OF[name], OTHER]
    pairs = zip("abc", numbers, strict=True)
    answer = post(http_session, sandbox, *(message(sandbox, number, ClientRef=ref) for ref, number in pairs))
    assert answer.status_code == 200
    assert ODD_BODIES[name](answer.text)
    assert recipients(sandbox) == numbers
    assert send_to(http_session, sandbox, ORDINARY).status_code == 200  # and the sandbox goes on


@pytest.mark.parametrize(("name", "expected"), [("ok-without-id", (True, False)), ("id-without-ok", (False, True))])
def test_contradictions_concern_their_message(sandbox, http_session, name, expected):
    odd, plain = send_to(http_session, sandbox, NUMBER_OF[name], ORDINARY).json()
    assert (odd["errorMsg"].startswith("OK"), odd["MessageId"] is not None) == expected
    assert plain["MessageId"]
    assert recipients(sandbox) == [NUMBER_OF[name], ORDINARY]


LOST = {
    # name: what http.client raises, how many of two are queued
    "reset": (ConnectionResetError, 0),
    "reset-all-queued": (ConnectionResetError, 2),
    "close-all-queued": (http.client.RemoteDisconnected, 2),
    "hang": (ConnectionResetError, 2),
    "cut-connection": (http.client.IncompleteRead, 2),
}


def raw_post(connection, sandbox, *messages):
    body = json.dumps({"messageData": list(messages)})
    connection.request("POST", SMS, body, {"Content-Type": "application/json"})
    return connection.getresponse().read()


@contextmanager
def connected(sandbox):
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(sandbox.url).port, timeout=20)
    try:
        yield connection
    finally:
        connection.close()


@pytest.mark.parametrize("name", LOST)
def test_lost_connections(sandbox, name):
    error, queued = LOST[name]
    numbers = [NUMBER_OF[name], ORDINARY]
    with connected(sandbox) as connection, pytest.raises(error) as caught:
        raw_post(connection, sandbox, *(message(sandbox, number) for number in numbers))
    assert type(caught.value) is error  # RemoteDisconnected is a ConnectionResetError too
    assert recipients(sandbox) == numbers[:queued]
    [call] = sandbox.calls
    assert (call.fault, call.status) == (name, 200 if name == "cut-connection" else None)


def test_a_hanging_call_ends_with_the_sandbox():
    arrived = threading.Event()
    sandbox = Sandbox(hang_seconds=3600, on_call=lambda call: arrived.set())
    with sandbox, connected(sandbox) as connection, ThreadPoolExecutor(1) as pool:
        lost = pool.submit(raw_post, connection, sandbox, message(sandbox, NUMBER_OF["hang"]))
        assert arrived.wait(20)
        sandbox.stop()
        assert isinstance(lost.exception(timeout=20), ConnectionError)


def test_every_number_is_covered_here():
    covered = {*MESSAGE_REFUSALS, *EACH, *ONE_OBJECT, *STATUSES, *ODD_BODIES, *LOST, *NEWS}
    elsewhere = {"none", "nulls", "rate-limited-once", "http-413-together", "ok-without-id", "id-without-ok"}
    assert covered | elsewhere == set(FAULTS)


def test_faults_by_script(http_session):
    script = iter(["http-503-once", "none", None])
    seen: list[Call] = []

    def on_call(call):
        seen.append(call)
        return next(script)

    with Sandbox(on_call=on_call) as sandbox:
        magic = NUMBER_OF["http-401"]
        assert [send_to(http_session, sandbox, magic).status_code for _ in range(3)] == [503, 200, 401]
        assert [call.fault for call in sandbox.calls] == ["http-503-once", "none", "http-401"]
    assert [(call.number, call.fault, call.status) for call in seen] == [(n, None, None) for n in (1, 2, 3)]
    assert seen[0].messages[0]["ClientRef"] == magic


# -- the server


def test_connections_are_kept_alive(sandbox):
    with connected(sandbox) as connection:
        raw_post(connection, sandbox, message(sandbox, ORDINARY))
        first = connection.sock
        connection.request("GET", "/nothing-here")
        assert connection.getresponse().read()
        connection.request("POST", "/nothing-here", b"a body that nobody reads")
        assert connection.getresponse().read()
        raw_post(connection, sandbox, message(sandbox, OTHER))
        assert connection.sock is first
    assert recipients(sandbox) == [ORDINARY, OTHER]


def test_latency_is_waited_for_once_a_call(http_session):
    with Sandbox(latency=0.1) as sandbox:
        assert send_to(http_session, sandbox, ORDINARY, OTHER).elapsed.total_seconds() >= 0.1


def test_many_calls_at_once_are_each_recorded_once():
    together = threading.Barrier(16)  # passes only if sixteen calls are under way at the same moment
    numbers = [f"+447700900{n:03}" for n in range(1, 321)]

    def meet(call):
        together.wait(20)

    def work(share):
        with requests.Session() as session:
            session.trust_env = False
            for start in range(0, len(share), 5):
                answers = send_to(session, sandbox, *share[start : start + 5]).json()
                ids.extend(answer["MessageId"] for answer in answers)

    ids: list[str] = []
    with Sandbox(latency=0.01, on_call=meet) as sandbox:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(work, (numbers[start::16] for start in range(16))))
        assert Counter(recipients(sandbox)) == Counter(numbers)
        assert {one.message_id for one in sandbox.queued} == set(ids)
        assert len(set(ids)) == 320
        assert [call.number for call in sandbox.calls] == list(range(1, 65))


def test_start_and_stop(http_session):
    sandbox = Sandbox()
    sandbox.stop()
    with sandbox:
        with pytest.raises(RuntimeError, match="running already"):
            sandbox.start()
        send_to(http_session, sandbox, ORDINARY)
        with pytest.raises(OSError, match=r"in use|[Oo]nly one usage"):
            Sandbox(port=urlsplit(sandbox.url).port).start()
    sandbox.stop()
    assert recipients(sandbox) == [ORDINARY]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(sandbox.url).port), timeout=5)
    with sandbox:  # again, at the same address
        assert send_to(http_session, sandbox, OTHER).status_code == 200
    assert recipients(sandbox) == [ORDINARY, OTHER]


def test_stopping_ends_idle_connections(sandbox):
    with connected(sandbox) as connection:
        raw_post(connection, sandbox, message(sandbox, ORDINARY))
        sandbox.stop()
        with pytest.raises(ConnectionError):
            raw_post(connection, sandbox, message(sandbox, OTHER))
    assert recipients(sandbox) == [ORDINARY]


def test_serve_forever_lasts_until_stopped(http_session):
    started = threading.Event()

    class Noticed(Sandbox):
        def start(self):
            super().start()
            started.set()

    sandbox = Noticed()
    server = threading.Thread(target=sandbox.serve_forever)
    server.start()
    assert started.wait(20)
    assert http_session.get(sandbox.url, timeout=20).status_code == 200
    sandbox.stop()
    server.join(20)
    assert not server.is_alive()


def test_nothing_is_written_to_stderr(sandbox, http_session, capfd):
    send_to(http_session, sandbox, ORDINARY)
    http_session.get(sandbox.url + "/nothing-here", timeout=20)
    assert capfd.readouterr() == ("", "")


def test_pages_for_other_processes(sandbox, http_session):
    def get(path):
        return http_session.get(sandbox.url + path, timeout=20)

    send_to(http_session, sandbox, ORDINARY)
    [queued], [call] = get("/sandbox/queued").json(), get("/sandbox/calls").json()
    assert queued["recipient"] == ORDINARY
    assert datetime.fromisoformat(queued["at"]) == sandbox.queued[0].at
    assert (call["number"], call["status"], call["messages"][0]["ClientRef"]) == (1, 200, ORDINARY)
    numbers = {row["number"]: row["fault"] for row in get("/sandbox/numbers").json()}
    assert numbers == {number: fault.name for number, fault in MAGIC_NUMBERS.items()}
    assert describe_numbers() in get("/").text
    assert sandbox.api_key not in get("/").text + get("/sandbox/calls").text
    assert http_session.post(sandbox.url + "/sandbox/reset", timeout=20).status_code == 204
    assert get("/sandbox/queued").json() == get("/sandbox/calls").json() == []
    assert get(SMS).status_code == 405


@pytest.mark.parametrize("ours", sorted(Path(module.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_it_imports_nothing_of_ours(ours):
    tree = ast.parse(ours.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert all(node.level == 0 for node in froms)
    names = imported | {node.module for node in froms}
    assert not any(name.split(".")[0] == "gcbulk" for name in names if not f"{name}.".startswith("gcbulk.sandbox."))


# -- delivery callbacks


@pytest.fixture
def receiver():
    """A tiny HTTP server on loopback: its address, and a queue of (path, JSON) as they arrive."""
    arrived: queue.SimpleQueue[tuple[str, dict[str, object]]] = queue.SimpleQueue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(302 if self.path.startswith("/moved") else 204)
            self.send_header("Location", "/followed")
            self.end_headers()
            arrived.put((self.path, json.loads(body)))

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", arrived
        server.shutdown()
        thread.join()


def test_delivery_is_reported_for_each_recipient(sandbox, http_session, receiver):
    url, arrived = receiver
    target = url + "/news?ref={clientref}&id={sentid}&to={recipient}&s={status}&e={err}&u={units}&x={other}"
    fields = {"CallbackUrl": target, "ClientRef": "a&b é", "SMSMessage": "x" * 161}
    [answer] = post(http_session, sandbox, message(sandbox, ORDINARY, OTHER, **fields)).json()
    for number in (ORDINARY, OTHER):
        path, body = arrived.get(timeout=20)
        assert parse_qs(urlsplit(path).query, keep_blank_values=True) == {
            "ref": ["a&b é"],
            "id": [answer["MessageId"].partition("-")[0]],
            "to": [number],
            "s": ["Delivered"],
            "e": [""],
            "u": ["2"],
            "x": ["{other}"],
        }
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", str(body.pop("Timestamp")))
        assert body == {
            "MessageId": answer["MessageId"],
            "Status": "Delivered",
            "Recipient": number,
            "ClientRef": "a&b é",
            "Units": 2,
            "CustomerId": "1469",
        }


NEWS = {
    "dropped": [],
    "delivery-failed": ["Failed"],
    "delivery-twice": ["Delivered", "Delivered"],
    "delivery-backwards": ["Delivered", "Sent"],
    "delivery-unknown-word": ["Quarantined"],
}


@pytest.mark.parametrize("name", NEWS)
def test_magic_numbers_decide_the_news(sandbox, http_session, receiver, name):
    url, arrived = receiver
    last = message(sandbox, ORDINARY, CallbackUrl=url)  # one thread reports in order, so this ends the news
    answers = post(http_session, sandbox, message(sandbox, NUMBER_OF[name], CallbackUrl=url), last).json()
    assert all(answer["errorMsg"].startswith("OK 1 ") for answer in answers)
    news = [arrived.get(timeout=20)[1] for _ in range(len(NEWS[name]) + 1)]
    assert [item["Status"] for item in news] == [*NEWS[name], "Delivered"]
    assert [item["Recipient"] for item in news] == [NUMBER_OF[name]] * len(NEWS[name]) + [ORDINARY]


def test_only_loopback_is_ever_called_and_failures_are_counted(sandbox, http_session, receiver):
    url, arrived = receiver
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        urls = [
            *("http://192.0.2.1/", "https://127.0.0.1/", "ftp://127.0.0.1/", "elsewhere", "http://{clientref}/"),
            *(nobody, "http://127.0.0.1:port/", "http://127.0.0.1:1/a b"),
            *(url + "/moved", url + "/last"),
        ]
        body = [message(sandbox, ORDINARY, CallbackUrl=one, ClientRef="192.0.2.1") for one in urls]
        assert post(http_session, sandbox, *body).status_code == 200
        paths = [arrived.get(timeout=20)[0] for _ in range(2)]
    sandbox.stop()  # waits for the count of the last
    assert paths == ["/moved", "/last"]  # and the redirect was not followed
    assert sandbox.callbacks == {"delivered": 2, "failed": 3, "ignored": 5}


def test_news_comes_as_was_asked_for(http_session, receiver):
    url, arrived = receiver
    plan = module.CallbackPlan(lost=0.3, doubled=0.4, early=0.5, delay=(0.0, 0.2), connections=4, seed=3)
    with module.Sandbox(callback_plan=plan) as sandbox:
        numbers = [f"+447700900{n}" for n in range(100, 160)]
        body = [message(sandbox, number, CallbackUrl=url, ClientRef=number) for number in numbers]
        assert post(http_session, sandbox, *body).status_code == 200
        early = arrived.qsize()
        reported = sandbox.reported
        came = Counter(arrived.get(timeout=20)[1]["ClientRef"] for _ in range(sum(news.times for news in reported)))
        listed = http_session.get(f"{sandbox.url}/sandbox/reported", timeout=20).json()
    assert [news.client_ref for news in reported] == numbers
    assert {news.client_ref: news.times for news in reported if news.times} == came
    assert {0, 1, 2} == {news.times for news in reported}
    assert early >= sum(news.early for news in reported) > 5
    assert listed[0] == dataclasses.asdict(reported[0])
    assert sandbox.callbacks_waiting == 0


def test_news_as_parameters(http_session):
    paths: queue.SimpleQueue[str] = queue.SimpleQueue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()
            paths.put(self.path)

        def log_message(self, *args):
            pass

    plan = module.CallbackPlan(shape="parameters")
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server, module.Sandbox(callback_plan=plan) as sandbox:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        urls = [f"{url}/a?x=1", f"{url}/b?ref={{clientref}}"]
        body = [message(sandbox, ORDINARY, CallbackUrl=one, ClientRef="r&1") for one in urls]
        [answer, _] = post(http_session, sandbox, *body).json()
        assert {name: values[0] for name, values in parse_qs(urlsplit(paths.get(timeout=20)).query).items()} == {
            "x": "1",
            "sentid": answer["MessageId"].partition("-")[0],
            "clientref": "r&1",
            "recipient": ORDINARY,
            "status": "Delivered",
            "units": "1",
        }
        assert paths.get(timeout=20) == "/b?ref=r%261"
        server.shutdown()
        thread.join()
