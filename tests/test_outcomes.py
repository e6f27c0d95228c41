"""What an answer means for each message: the answer table, the statuses, and whatever else may come back."""

from __future__ import annotations

import itertools
import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gcbulk.api.outcomes import CONSEQUENCES, Answer, Outcome, interpret
from gcbulk.api.payloads import Message
from gcbulk.codes import SENTENCES, ErrorCode, Status

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

steady = settings(deadline=None, derandomize=True, max_examples=300)

OK = "OK 1 messages queued for sending"
AUTH = "Data is not valid, no messages sent"
RATE = "Rate limit exceeded"
NOBODY = "No recipients with valid addresses"

# The contract's answer table: what the platform says, and what that means.
TABLE = {
    AUTH: (Status.NOT_SENT, ErrorCode.AUTH_INVALID),
    "Customer does not allow sending SMS": (Status.NOT_SENT, ErrorCode.PERMISSION_DENIED),
    "Customer does not allow sending Email": (Status.NOT_SENT, ErrorCode.PERMISSION_DENIED),
    "Partner account not authorized for this customer": (Status.NOT_SENT, ErrorCode.PARTNER_NOT_AUTHORISED),
    RATE: (Status.NOT_SENT, ErrorCode.RATE_LIMITED),
    "Too many requests": (Status.NOT_SENT, ErrorCode.RATE_LIMITED),
    NOBODY: (Status.REJECTED, ErrorCode.INVALID_RECIPIENTS),
    "Message exceeds maximum length": (Status.REJECTED, ErrorCode.MESSAGE_TOO_LONG),
    "Message contains invalid characters": (Status.REJECTED, ErrorCode.INVALID_CHARACTERS),
    "The moon is in the wrong house": (Status.REJECTED, ErrorCode.UNKNOWN_ERROR),
}
OF_THE_CALL = [words for words, (status, _) in TABLE.items() if status is Status.NOT_SENT]
OF_A_MESSAGE = [words for words, (status, _) in TABLE.items() if status is Status.REJECTED]

SPELLINGS = {
    "as it is": str,
    "lower": str.lower,
    "upper": str.upper,
    "swapped": str.swapcase,
    "space around": "  {}\t\r\n".format,
    "more words": "{}. Please try again.".format,
}


def message(ref: str | None = None, *, recipients: int = 1) -> Message:
    return Message(tuple(f"+44770090{n:04d}" for n in range(123, 123 + recipients)), "Hello", ref)


def messages(n: int, *, refs: bool = True) -> list[Message]:
    return [message(f"ref-{i}" if refs else None) for i in range(n)]


def accepted(i: int = 0, *, ref: object = None, **changes: Any) -> dict[str, object]:
    """The object of a message that was queued, as the contract shows it."""
    return {
        "WarningMessages": [],
        "errorMsg": OK,
        "MessageSentId": 0,
        "MessageId": f"id-{i}",
        "statusMsg": "In Queue",
        "transmitDateTime": "2025-07-04T17:28:54.5859378Z",
        "ClientRef": ref,
    } | changes


def refused(words: str, *, ref: object = None, warning: bool = False) -> dict[str, object]:
    said: dict[str, object] = (
        {"errorMsg": "", "WarningMessages": [words]} if warning else {"errorMsg": words, "WarningMessages": []}
    )
    return said | {"MessageId": None, "MessageSentId": 0, "statusMsg": "", "transmitDateTime": None, "ClientRef": ref}


def body_of(value: object) -> bytes:
    return json.dumps(value).encode()


def told(value: object, sent: Sequence[Message], *, key_works: bool = False) -> tuple[Outcome, ...]:
    """The outcomes where HTTP 200 came with this JSON value, or with these bytes."""
    body = value if isinstance(value, bytes) else body_of(value)
    return interpret(Answer(began=True, status=200, body=body), sent, key_works=key_works).outcomes


def is_unknown(outcome: Outcome) -> bool:
    return (
        outcome.status is Status.UNKNOWN
        and outcome.code is ErrorCode.OUTCOME_UNKNOWN
        and outcome.message_id is None
        and outcome.detail.endswith(SENTENCES[ErrorCode.OUTCOME_UNKNOWN])
    )


def all_unknown(outcomes: Sequence[Outcome], n: int) -> bool:
    return len(outcomes) == n and all(map(is_unknown, outcomes))


# -- the answer table


@pytest.mark.parametrize("warning", [False, True], ids=["errorMsg", "WarningMessages"])
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("words", TABLE)
def test_every_row_of_the_table_in_both_fields(words: str, spelling: Any, warning: bool) -> None:
    (outcome,) = told([refused(spelling(words), warning=warning)], [message()])
    assert (outcome.status, outcome.code) == TABLE[words]
    assert outcome.message_id is None
    assert outcome.detail.endswith(SENTENCES[TABLE[words][1]])


@pytest.mark.parametrize("words", TABLE)
def test_a_warning_may_be_a_text_or_one_of_several(words: str) -> None:
    for found in (words, [words], ["Something else", words], [None, 3, "", f" {words} "]):
        (outcome,) = told([refused("") | {"WarningMessages": found}], [message()])
        assert (outcome.status, outcome.code) == TABLE[words]


def test_words_that_we_know_count_for_more_than_words_that_we_do_not() -> None:
    found = refused("Something went wrong") | {"WarningMessages": ["See the manual", RATE]}
    (outcome,) = told([found], [message()])
    assert (outcome.status, outcome.code) == (Status.NOT_SENT, ErrorCode.RATE_LIMITED)


def test_words_that_only_mention_a_refusal_are_none() -> None:
    (outcome,) = told([refused("We saw no rate limit exceeded here")], [message()])
    assert outcome.code is ErrorCode.UNKNOWN_ERROR


def test_unknown_words_are_kept_but_not_endlessly() -> None:
    (outcome,) = told([refused("Odd") | {"WarningMessages": ["Queer"]}], [message()])
    assert outcome.detail.startswith("The platform said: Odd; Queer.")
    assert outcome.warnings == ("Queer",)
    (outcome,) = told([refused("A" * 10_000)], [message()])
    assert "A" * 200 in outcome.detail
    assert "A" * 201 not in outcome.detail


def test_an_accepted_message() -> None:
    sent_id = 4711
    (outcome,) = told([accepted(MessageSentId=sent_id, WarningMessages=[" Long text "])], [message()])
    assert outcome == Outcome(
        Status.ACCEPTED,
        message_id="id-0",
        message_sent_id=sent_id,
        queued=1,
        accepted_at=datetime(2025, 7, 4, 17, 28, 54, 585937, tzinfo=UTC),
        status_msg="In Queue",
        warnings=("Long text",),
    )


@pytest.mark.parametrize("said", ["OK", "ok 1 messages queued", " Ok 1 message queued ", "OK, queued", "OK 1"])
def test_ok_with_a_message_id_is_accepted(said: str) -> None:
    (outcome,) = told([accepted(errorMsg=said)], [message()])
    assert (outcome.status, outcome.code, outcome.message_id, outcome.detail) == (Status.ACCEPTED, None, "id-0", "")


def test_space_around_a_message_id_is_no_part_of_it() -> None:
    (outcome,) = told([accepted(MessageId=" id-0\n")], [message()])
    assert (outcome.status, outcome.message_id) == (Status.ACCEPTED, "id-0")


def test_a_warning_does_not_undo_an_acceptance() -> None:
    (outcome,) = told([accepted(WarningMessages=[RATE, AUTH])], [message()])
    assert (outcome.status, outcome.message_id) == (Status.ACCEPTED, "id-0")
    assert outcome.warnings == (RATE, AUTH)


@pytest.mark.parametrize("message_id", ["id-0", None, ""])
@pytest.mark.parametrize("said", ["OK 0 messages queued for sending", "ok 0 message", " OK  00 MESSAGES "])
def test_nothing_queued_is_a_rejection(said: str, message_id: str | None) -> None:
    (outcome,) = told([accepted(errorMsg=said, MessageId=message_id)], [message()])
    assert (outcome.status, outcome.code) == (Status.REJECTED, ErrorCode.INVALID_RECIPIENTS)
    assert outcome.message_id is None
    assert outcome.queued == 0


@pytest.mark.parametrize("message_id", [None, "", "  ", 0, 1469, True, ["id-0"], {"id": "id-0"}, 1.5])
def test_ok_without_a_message_id_is_unknown(message_id: object) -> None:
    assert all_unknown(told([accepted(MessageId=message_id)], [message()]), 1)
    without = accepted()
    del without["MessageId"]
    assert all_unknown(told([without], [message()]), 1)


@pytest.mark.parametrize("said", ["", "Queued", *TABLE])
def test_a_message_id_without_ok_is_unknown(said: str) -> None:
    assert all_unknown(told([accepted(errorMsg=said)], [message()]), 1)
    assert all_unknown(told([accepted(errorMsg="", WarningMessages=[said])], [message()]), 1)
    assert all_unknown(told([accepted(errorMsg=said)], [message()], key_works=True), 1)


@pytest.mark.parametrize("message_id", [1469, ["id-0"], {"id": "id-0"}])
def test_a_message_id_that_is_no_text_contradicts_a_refusal(message_id: object) -> None:
    assert all_unknown(told([refused(RATE) | {"MessageId": message_id}], [message()]), 1)


@pytest.mark.parametrize(("queued", "recipients"), [(1, 2), (2, 3), (1, 50)])
def test_fewer_queued_than_recipients(queued: int, recipients: int) -> None:
    said = f"OK {queued} messages queued for sending"
    (outcome,) = told([accepted(errorMsg=said)], [message(recipients=recipients)])
    assert (outcome.status, outcome.code, outcome.message_id) == (Status.PARTLY_ACCEPTED, None, "id-0")
    assert outcome.queued == queued
    assert f"{queued} of the {recipients} recipients" in outcome.detail


@pytest.mark.parametrize("said", ["OK 3 messages queued", "OK 4 messages queued", "OK", "OK three messages"])
def test_as_many_as_recipients_or_no_number_is_whole(said: str) -> None:
    (outcome,) = told([accepted(errorMsg=said)], [message(recipients=3)])
    assert (outcome.status, outcome.detail) == (Status.ACCEPTED, "")


def test_every_message_has_its_own_number_of_recipients() -> None:
    objects = [accepted(i, ref=ref, errorMsg="OK 2 messages queued") for i, ref in enumerate("cab")]
    sent = [message("a", recipients=1), message("b", recipients=2), message("c", recipients=3)]
    outcomes = told(objects, sent)
    assert [outcome.status for outcome in outcomes] == [Status.ACCEPTED, Status.ACCEPTED, Status.PARTLY_ACCEPTED]


# -- "Data is not valid": the key, or the data


def test_with_an_untried_key_data_not_valid_speaks_of_the_key() -> None:
    for sent in (messages(1), messages(3), [message(recipients=2)]):
        for outcome in told([refused(AUTH)], sent):
            assert (outcome.status, outcome.code) == (Status.NOT_SENT, ErrorCode.AUTH_INVALID)


@pytest.mark.parametrize("warning", [False, True])
def test_with_a_key_that_works_data_not_valid_speaks_of_the_data(warning: bool) -> None:
    found = [refused(AUTH, warning=warning)]
    (alone,) = told(found, [message("a")], key_works=True)
    assert (alone.status, alone.code) == (Status.REJECTED, ErrorCode.DATA_INVALID)
    (shared,) = told(found, [message("a", recipients=2)], key_works=True)
    assert (shared.status, shared.code) == (Status.NOT_SENT, ErrorCode.DATA_INVALID)
    for outcome in told(found, messages(3), key_works=True):
        assert (outcome.status, outcome.code) == (Status.NOT_SENT, ErrorCode.DATA_INVALID)
    for outcome in told(found * 3, messages(3), key_works=True):
        assert (outcome.status, outcome.code) == (Status.NOT_SENT, ErrorCode.DATA_INVALID)


@pytest.mark.parametrize("key_works", [False, True])
@pytest.mark.parametrize("refs", [False, True])
def test_data_not_valid_beside_accepted_ones_is_the_fault_of_that_message(key_works: bool, refs: bool) -> None:
    sent = messages(3, refs=refs)
    ours = [one.client_ref for one in sent]
    outcomes = told(
        [accepted(0, ref=ours[0]), refused(AUTH, ref=ours[1]), refused(NOBODY, ref=ours[2])], sent, key_works=key_works
    )
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [
        (Status.ACCEPTED, None),
        (Status.REJECTED, ErrorCode.DATA_INVALID),
        (Status.REJECTED, ErrorCode.INVALID_RECIPIENTS),
    ]


@pytest.mark.parametrize("words", [words for words in TABLE if words != AUTH])
def test_a_key_that_works_changes_no_other_answer(words: str) -> None:
    for sent in (messages(1), [message(recipients=2)]):
        assert told([refused(words)], sent, key_works=True) == told([refused(words)], sent)


# -- one object for many, shorter, longer, in another order


@pytest.mark.parametrize("warning", [False, True])
@pytest.mark.parametrize("refs", [False, True])
@pytest.mark.parametrize("words", OF_THE_CALL)
def test_one_refusal_of_the_call_holds_for_all(words: str, refs: bool, warning: bool) -> None:
    outcomes = told([refused(words, warning=warning)], messages(4, refs=refs))
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [TABLE[words]] * 4


@pytest.mark.parametrize(
    "found",
    [accepted(), accepted(MessageId=None), accepted(errorMsg=RATE), accepted(errorMsg="OK 0 messages"), {}, None]
    + [refused(words) for words in OF_A_MESSAGE],
)
@pytest.mark.parametrize("refs", [False, True])
def test_any_other_one_object_for_many_is_unknown(found: object, refs: bool) -> None:
    assert all_unknown(told([found], messages(3, refs=refs)), 3)


@pytest.mark.parametrize("words", OF_THE_CALL)
def test_one_refusal_with_a_foreign_reference_is_unknown(words: str) -> None:
    assert all_unknown(told([refused(words, ref="not ours")], messages(3)), 3)


def test_one_refusal_with_a_foreign_reference_for_one_message_is_unknown() -> None:
    for words in TABLE:
        assert all_unknown(told([refused(words, ref="not ours")], [message("ref-0")]), 1)


def test_two_refusals_for_three_are_unknown() -> None:
    assert all_unknown(told([refused(RATE)] * 2, messages(3)), 3)


def test_a_rate_limit_beside_accepted_ones_concerns_those_messages_alone() -> None:
    outcomes = told([accepted(0), refused(RATE, warning=True), accepted(2)], messages(3))
    assert [outcome.status for outcome in outcomes] == [Status.ACCEPTED, Status.NOT_SENT, Status.ACCEPTED]
    assert outcomes[1].code is ErrorCode.RATE_LIMITED


@pytest.mark.parametrize("n", [0, 1, 2, 4, 5, 30])
@pytest.mark.parametrize("sent_refs", [False, True])
def test_another_length_without_references_is_unknown(n: int, sent_refs: bool) -> None:
    outcomes = told([accepted(i) for i in range(n)], messages(3, refs=sent_refs))
    assert all_unknown(outcomes, 3)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_matched_by_reference_in_any_order(order: tuple[int, ...]) -> None:
    outcomes = told([accepted(i, ref=f"ref-{i}") for i in order], messages(4))
    assert [outcome.message_id for outcome in outcomes] == ["id-0", "id-1", "id-2", "id-3"]


@pytest.mark.parametrize("kept", [kept for n in range(1, 4) for kept in itertools.permutations(range(4), n)])
def test_a_shorter_array_with_our_references_speaks_of_those(kept: tuple[int, ...]) -> None:
    outcomes = told([accepted(i, ref=f"ref-{i}") for i in kept], messages(4))
    for i, outcome in enumerate(outcomes):
        assert outcome.message_id == (f"id-{i}" if i in kept else None)
        assert (outcome.status is Status.ACCEPTED) if i in kept else is_unknown(outcome)


def test_a_shorter_array_of_answers_of_all_kinds() -> None:
    outcomes = told(
        [refused(RATE, ref="ref-3"), refused(NOBODY, ref="ref-0"), accepted(2, ref="ref-2")],
        messages(4),
    )
    assert [outcome.code for outcome in outcomes] == [
        ErrorCode.INVALID_RECIPIENTS,
        ErrorCode.OUTCOME_UNKNOWN,
        None,
        ErrorCode.RATE_LIMITED,
    ]


@pytest.mark.parametrize(
    "refs",
    [
        ["x", "y", "z"],
        ["ref-0", "ref-1", "x"],
        ["x", "ref-1", "ref-2"],
        ["ref-0", "ref-0", "ref-2"],
        ["ref-0", "ref-0", "ref-0"],
        ["ref-1", None, "ref-0"],
        ["ref-1", None, None],
        [None, None, "x"],
        ["ref-0", "ref-1", "REF-2"],
        ["ref-0", "ref-1", "ref-2 "],
        ["ref-1", "ref-0", "ref-1"],
        ["ref-0", "x"],
        ["ref-0", None],
        ["ref-0", "ref-0"],
        ["ref-0", "ref-1", "ref-2", "ref-2"],
        ["ref-0", "ref-1", "ref-2", "x"],
        ["ref-0", "ref-1", "ref-2", None],
    ],
)
def test_foreign_duplicated_or_mixed_references_are_unknown(refs: list[str | None]) -> None:
    assert all_unknown(told([accepted(i, ref=ref) for i, ref in enumerate(refs)], messages(3)), 3)


def test_references_where_we_sent_none_are_unknown() -> None:
    found = [accepted(0, ref="x"), accepted(1)]
    assert all_unknown(told(found, messages(2, refs=False)), 2)


@pytest.mark.parametrize("ref", [None, "", 0, 7, False, [], {}])
@pytest.mark.parametrize("refs", [False, True])
def test_without_references_by_position(ref: object, refs: bool) -> None:
    outcomes = told([accepted(i, ref=ref) for i in range(3)], messages(3, refs=refs))
    assert [outcome.message_id for outcome in outcomes] == ["id-0", "id-1", "id-2"]
    found = [accepted(i) for i in range(3)]
    for one in found:
        del one["ClientRef"]
    assert [outcome.message_id for outcome in told(found, messages(3, refs=refs))] == ["id-0", "id-1", "id-2"]


def test_by_position_where_the_references_that_are_there_agree() -> None:
    outcomes = told([accepted(0), accepted(1, ref="ref-1"), accepted(2, ref="")], messages(3))
    assert [outcome.message_id for outcome in outcomes] == ["id-0", "id-1", "id-2"]


def test_messages_that_share_a_reference_go_by_position() -> None:
    sent = [message("same"), message("same")]
    outcomes = told([accepted(0, ref="same"), accepted(1, ref="same")], sent)
    assert [outcome.message_id for outcome in outcomes] == ["id-0", "id-1"]
    assert all_unknown(told([accepted(0, ref="same")], sent), 2)


# -- bodies that are no answer

FAITHFUL = body_of([accepted(0, ref="ref-0"), accepted(1, ref="ref-1")])


def test_an_answer_cut_at_any_byte_is_unknown() -> None:
    for cut in range(len(FAITHFUL)):
        assert all_unknown(told(FAITHFUL[:cut], messages(2)), 2), FAITHFUL[:cut]
        assert all_unknown(told(FAITHFUL[cut + 1 :], messages(2)), 2), FAITHFUL[cut + 1 :]
    assert [outcome.message_id for outcome in told(FAITHFUL, messages(2))] == ["id-0", "id-1"]


def test_a_refusal_of_the_call_cut_at_any_byte_is_unknown() -> None:
    body = body_of([refused(RATE)])
    for cut in range(len(body)):
        assert all_unknown(told(body[:cut], messages(3)), 3)


BODIES = {
    "nothing": b"",
    "space": b" \r\n",
    "no JSON": b"OK 1 messages queued for sending",
    "HTML": b"<!DOCTYPE html><html><body>OK 1 messages queued for sending</body></html>",
    "something after it": FAITHFUL + b"<!-- cached -->",
    "twice": FAITHFUL * 2,
    "single quotes": FAITHFUL.replace(b'"', b"'"),
    "not UTF-8": FAITHFUL.replace(b"Queue", b"Queu\xe9"),
    "UTF-16": FAITHFUL.decode().encode("utf-16"),
    "two BOMs": b"\xef\xbb\xbf" * 2 + FAITHFUL,
    "a NUL": b"\0" + FAITHFUL,
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "NaN": b"NaN",
    "a text": b'"OK 1 messages queued for sending"',
    "no objects": b"[]",
    "one null": b"[null]",
    "nulls": b"[null, null]",
    "not a number": b"[NaN, Infinity]",
    "texts": b'["OK 1 messages queued for sending", "OK 1 messages queued for sending"]',
    "empty objects": b"[{}, {}]",
    "an array in an array": b"[" + FAITHFUL + b"]",
    "arrays in an array": b"[" + FAITHFUL + b"," + FAITHFUL + b"]",
    "an object": body_of(accepted(ref="ref-0")),
    "a refusal that is no array": body_of(refused(AUTH)),
    "an error as an object": b'{"Message": "An error has occurred."}',
    "the array in an object": b'{"messageData": ' + FAITHFUL + b"}",
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep and cut": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a number too long to read": b'[{"errorMsg": "OK", "MessageId": "x", "MessageSentId": ' + b"9" * 10_000 + b"}]",
}


@pytest.mark.parametrize("key_works", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_no_answer_is_unknown(body: bytes, n: int, key_works: bool) -> None:
    assert all_unknown(told(body, messages(n), key_works=key_works), n)


def test_a_bom_space_and_fields_that_we_do_not_know_do_no_harm() -> None:
    body = b"\xef\xbb\xbf\r\n" + body_of([accepted(0, New=[1, {"x": float("nan")}])]) + b"\n"
    assert [outcome.message_id for outcome in told(body, messages(1))] == ["id-0"]


def test_an_object_beside_a_null_keeps_its_own_outcome() -> None:
    outcomes = told([accepted(0), None, {}, 5], messages(4))
    assert outcomes[0].message_id == "id-0"
    assert all_unknown(outcomes[1:], 3)


WRONG_TYPES: list[object] = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    math.nan,
    math.inf,
    "",
    "x",
    [],
    ["x"],
    [[[]]],
    {},
    {"a": {}},
]


@pytest.mark.parametrize("wrong", WRONG_TYPES, ids=repr)
@pytest.mark.parametrize("field", ["MessageSentId", "statusMsg", "transmitDateTime", "WarningMessages"])
def test_a_wrong_type_beside_the_proof_leaves_an_acceptance(field: str, wrong: object) -> None:
    (outcome,) = told([accepted() | {field: wrong}], messages(1))
    assert (outcome.status, outcome.message_id) == (Status.ACCEPTED, "id-0")
    assert outcome.message_sent_id is None or type(outcome.message_sent_id) is int
    assert outcome.accepted_at is None or field != "transmitDateTime"
    assert isinstance(outcome.status_msg, str)
    assert all(isinstance(words, str) for words in outcome.warnings)


@pytest.mark.parametrize("wrong", WRONG_TYPES, ids=repr)
def test_a_wrong_type_where_ok_should_be_is_no_acceptance(wrong: object) -> None:
    assert all_unknown(told([accepted(errorMsg=wrong)], messages(1)), 1)
    assert all_unknown(told([accepted(errorMsg=["OK 1 messages queued"])], messages(1)), 1)


@pytest.mark.parametrize("wrong", WRONG_TYPES, ids=repr)
@pytest.mark.parametrize("field", ["errorMsg", "WarningMessages"])
def test_a_wrong_type_where_the_reason_should_be_is_no_documented_refusal(field: str, wrong: object) -> None:
    (outcome,) = told([refused("") | {field: wrong}], messages(1))
    assert outcome.status in (Status.REJECTED, Status.UNKNOWN)
    assert outcome.code in (ErrorCode.UNKNOWN_ERROR, ErrorCode.OUTCOME_UNKNOWN)


@pytest.mark.parametrize(
    "silent",
    [
        {"errorMsg": None, "WarningMessages": None, "MessageId": None},
        {"errorMsg": "", "WarningMessages": [], "MessageId": None},
        {"errorMsg": " ", "WarningMessages": [None, ""]},
        {"WarningMessages": []},
    ],
)
def test_an_object_that_says_nothing_is_unknown(silent: dict[str, object]) -> None:
    assert all_unknown(told([silent], messages(1)), 1)


def test_nesting_as_deep_as_can_be_read_does_no_harm() -> None:
    for depth in range(1, 1_500, 7):
        for field in ("statusMsg", "errorMsg", "MessageId", "ClientRef", "WarningMessages"):
            nested = b'"%s": %s' % (field.encode(), b"[" * depth + b"]" * depth)
            body = b'[{"errorMsg": "OK 1 messages", "MessageId": "x", %s}]' % nested
            (outcome,) = told(body, messages(1))
            assert outcome.status in (Status.ACCEPTED, Status.UNKNOWN)


@pytest.mark.parametrize(
    "found",
    [
        refused("Message not understood: \ud83d"),
        refused("Message not understood: \ud83d", warning=True),
        accepted(MessageId="id-\ud83d"),
        accepted(MessageId="id-\0", errorMsg="OK\0"),
        accepted(statusMsg="In Queue \ud83d"),
    ],
)
def test_whatever_the_platform_says_can_be_written_down(found: dict[str, object]) -> None:
    (outcome,) = told([found], messages(1))
    for words in (outcome.detail, outcome.message_id or "", outcome.status_msg, *outcome.warnings):
        words.encode("utf-8")


# -- the time of acceptance


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2025-07-04T17:28:54.5859378Z", datetime(2025, 7, 4, 17, 28, 54, 585937, tzinfo=UTC)),
        ("2025-07-04T17:28:54.9999999Z", datetime(2025, 7, 4, 17, 28, 54, 999999, tzinfo=UTC)),
        ("2025-07-04T17:28:54.0000001Z", datetime(2025, 7, 4, 17, 28, 54, tzinfo=UTC)),
        ("2025-07-04T17:28:54.5Z", datetime(2025, 7, 4, 17, 28, 54, 500000, tzinfo=UTC)),
        ("2025-07-04T17:28:54Z", datetime(2025, 7, 4, 17, 28, 54, tzinfo=UTC)),
        (" 2025-07-04T17:28:54Z ", datetime(2025, 7, 4, 17, 28, 54, tzinfo=UTC)),
        ("2025-07-04T17:28:54.5859378+01:00", datetime(2025, 7, 4, 16, 28, 54, 585937, tzinfo=UTC)),
        ("2025-07-04T00:28:54.5859378+01:00", datetime(2025, 7, 3, 23, 28, 54, 585937, tzinfo=UTC)),
        ("2025-07-04T17:28:54-05:30", datetime(2025, 7, 4, 22, 58, 54, tzinfo=UTC)),
        ("2025-07-04T17:28:54.5859378", datetime(2025, 7, 4, 17, 28, 54, 585937, tzinfo=UTC)),
    ],
)
def test_the_time_of_acceptance_is_aware_utc_to_the_microsecond(said: str, expected: datetime) -> None:
    (outcome,) = told([accepted(transmitDateTime=said)], messages(1))
    assert outcome.accepted_at == expected
    assert outcome.accepted_at is not None
    assert outcome.accepted_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "now",
        "2025-13-01T00:00:00Z",
        "2025-02-30T00:00:00Z",
        "2025-07-04T25:00:00Z",
        "2025-07-04T17:28:54Zulu",
        "04/07/2025 17:28:54",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "/Date(0)/",
        "\ud800",
        None,
        1751650134,
        {},
        [],
    ],
)
def test_a_time_that_is_none_is_left_out(said: object) -> None:
    (outcome,) = told([accepted(transmitDateTime=said)], messages(1))
    assert (outcome.status, outcome.accepted_at) == (Status.ACCEPTED, None)


# -- HTTP statuses, and none

CERTAIN = {
    429: ErrorCode.RATE_LIMITED,
    503: ErrorCode.RATE_LIMITED,
    413: ErrorCode.TOO_LARGE,
    **dict.fromkeys((400, 401, 403, 404, 407, 301, 307, 308), ErrorCode.HTTP_REFUSED),
}
ANY_BODY = [b"", FAITHFUL, body_of([refused(AUTH)]), b'{"Message": "An error has occurred."}']


@pytest.mark.parametrize("body", ANY_BODY)
@pytest.mark.parametrize("sent", [messages(1), messages(3), [message(recipients=2)]], ids=["one", "three", "shared"])
@pytest.mark.parametrize("status", CERTAIN)
def test_statuses_that_prove_that_nothing_was_taken(status: int, sent: list[Message], body: bytes) -> None:
    outcomes = interpret(Answer(began=True, status=status, body=body), sent).outcomes
    alone = len(sent) == len(sent[0].recipients) == 1
    expected = Status.REJECTED if status == 413 and alone else Status.NOT_SENT
    assert len(outcomes) == len(sent)
    for outcome in outcomes:
        assert (outcome.status, outcome.code, outcome.message_id) == (expected, CERTAIN[status], None)
        assert str(status) in outcome.detail
        assert outcome.detail.endswith(SENTENCES[CERTAIN[status]])
        assert ("redirect" in outcome.detail) is (300 <= status < 400)


NAMED = [100, 201, 202, 204, 206, 300, 302, 303, 304, 402, 405, 406, 408, 409, 410, 418, 422, 451, 500, 501, 502, 504]


@pytest.mark.parametrize("status", NAMED)
@pytest.mark.parametrize("n", [1, 3])
def test_every_other_status_is_unknown(status: int, n: int) -> None:
    for body in ANY_BODY:
        outcomes = interpret(Answer(began=True, status=status, body=body), messages(n), key_works=True).outcomes
        assert all_unknown(outcomes, n)
        assert all(f"HTTP {status}" in outcome.detail for outcome in outcomes)


def test_no_other_status_proves_anything() -> None:
    for status in {*range(-1, 1_000)} - {200, *CERTAIN}:
        assert all_unknown(interpret(Answer(began=True, status=status, body=FAITHFUL), messages(2)).outcomes, 2), status


@pytest.mark.parametrize("n", [1, 3])
def test_without_a_status_all_hangs_on_whether_the_request_began(n: int) -> None:
    never = interpret(Answer(began=False, failure="The connection could not be made."), messages(n)).outcomes
    for outcome in never:
        assert (outcome.status, outcome.code) == (Status.NOT_SENT, ErrorCode.NETWORK_ERROR)
        assert outcome.detail.startswith("The connection could not be made.")
    begun = interpret(Answer(began=True, failure="The answer broke off."), messages(n)).outcomes
    assert all_unknown(begun, n)
    assert all(outcome.detail.startswith("The answer broke off.") for outcome in begun)


def test_a_whole_looking_body_of_an_answer_that_failed_is_unknown() -> None:
    for body in (FAITHFUL, body_of([refused(RATE)])):
        answer = Answer(began=True, status=200, body=body, failure="The answer broke off.")
        assert all_unknown(interpret(answer, messages(2)).outcomes, 2)


def test_every_code_of_what_was_not_sent_has_its_consequence() -> None:
    answers = [Answer(began=True, status=status) for status in CERTAIN] + [Answer(began=False)]
    answers += [Answer(began=True, status=200, body=body_of([refused(words)])) for words in OF_THE_CALL]
    for answer, key_works in itertools.product(answers, (False, True)):
        for outcome in interpret(answer, messages(2), key_works=key_works).outcomes:
            assert outcome.status is Status.NOT_SENT
            assert outcome.code in CONSEQUENCES


def test_no_messages_no_outcomes() -> None:
    for body in (*BODIES.values(), FAITHFUL):
        assert told(body, []) == ()
    assert interpret(Answer(began=False), []).outcomes == ()


# -- Retry-After

MOMENT = "Wed, 21 Oct 2015 07:28:00 GMT"


def asked_to_wait(headers: dict[str, str], status: int = 429) -> float | None:
    return interpret(Answer(began=True, status=status, headers=headers), messages(1)).retry_after


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("007", 7.0),
        ("1.5", 1.5),
        ("0.25", 0.25),
        ("120", 120.0),
        ("121", 120.0),
        ("86400", 120.0),
        ("999999999", 120.0),
        ("-1", None),
        ("-0.5", None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("1,5", None),
        ("0x10", None),
        ("7 seconds", None),
        ("7, 8", None),
    ],
)
def test_retry_after_in_seconds(given: str, expected: float | None) -> None:
    assert asked_to_wait({"Retry-After": given}) == expected
    assert asked_to_wait({"Retry-After": given, "Date": MOMENT}) == expected


@pytest.mark.parametrize("given", ["1000000000", "9999999999", "9" * 30, "4294967295000.5"])
def test_a_huge_retry_after_is_the_longest_wait(given: str) -> None:
    assert asked_to_wait({"Retry-After": given}) == 120.0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2015 08:28:30 +0100", 30.0),
        ("Wednesday, 21-Oct-15 07:28:30 GMT", 30.0),
        ("Thu, 22 Oct 2015 07:28:00 GMT", 120.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 120.0),
        ("Wed, 21 Oct 2015 07:27:59 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("Wed, 99 Oct 2015 07:28:30 GMT", None),
        ("Wed, 21 Oct", None),
        ("21/10/2015 07:28:30", None),
    ],
)
def test_retry_after_as_a_date_counts_from_the_answer_s_own(given: str, expected: float | None) -> None:
    assert asked_to_wait({"Retry-After": given, "Date": MOMENT}) == expected


@pytest.mark.parametrize("date", [None, "", "today", "Wed, 99 Oct 2015 07:28:00 GMT"])
def test_retry_after_as_a_date_without_one_to_count_from_is_left_out(date: str | None) -> None:
    headers = {"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"} | ({} if date is None else {"Date": date})
    assert asked_to_wait(headers) is None


def test_a_date_without_a_zone_beside_one_with_a_zone_does_no_harm() -> None:
    for until, date in (("07:28:30 -0000", "07:28:00 GMT"), ("07:28:30 GMT", "07:28:00 -0000")):
        headers = {"Retry-After": f"Wed, 21 Oct 2015 {until}", "Date": f"Wed, 21 Oct 2015 {date}"}
        assert asked_to_wait(headers) in (None, 30.0)


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER", "rEtRy-aFtEr"])
@pytest.mark.parametrize("date", ["Date", "date", "DATE"])
def test_header_names_in_any_case(name: str, date: str) -> None:
    assert asked_to_wait({name: "5"}) == 5.0
    assert asked_to_wait({date: MOMENT, name: "Wed, 21 Oct 2015 07:28:05 GMT"}) == 5.0


def test_retry_after_is_read_whatever_the_answer_is() -> None:
    for status in (200, 429, 500, 503):
        assert asked_to_wait({"Retry-After": "5"}, status) == 5.0
    assert interpret(Answer(began=False), messages(1)).retry_after is None
    assert asked_to_wait({}) is None


def test_the_answer_itself_is_handed_on() -> None:
    answer = Answer(began=True, status=200, body=FAITHFUL)
    assert interpret(answer, messages(2)).answer is answer


# -- properties

REFS = ["ref-0", "ref-1", "ref-2", "ref-3"]
SAID = st.sampled_from([OK, "OK", "OK 0 messages", "OK 2 messages queued", "ok 1 messages", "", "Odd", *TABLE])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), SAID)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=8,
)
OBJECT = st.fixed_dictionaries(
    {},
    optional={
        "errorMsg": st.one_of(SAID, ANY_JSON),
        "WarningMessages": st.one_of(st.just([]), st.lists(SAID, max_size=2), ANY_JSON),
        "MessageId": st.one_of(st.none(), st.sampled_from(["id-0", "id-1", " id-2 "]), ANY_JSON),
        "MessageSentId": st.one_of(st.just(0), ANY_JSON),
        "statusMsg": st.one_of(st.just("In Queue"), ANY_JSON),
        "transmitDateTime": st.one_of(st.just("2025-07-04T17:28:54.5859378Z"), st.datetimes().map(str), ANY_JSON),
        "ClientRef": st.one_of(st.none(), st.sampled_from([*REFS, "x", ""]), ANY_JSON),
    },
)
ARRAY = st.lists(st.one_of(OBJECT, OBJECT, OBJECT, ANY_JSON), max_size=4)
NEARLY_FAITHFUL = st.one_of(ARRAY, ARRAY, OBJECT, ANY_JSON)
SENT = st.lists(
    st.builds(
        lambda ref, recipients: message(ref, recipients=recipients),
        st.one_of(st.none(), st.sampled_from(REFS)),
        st.integers(1, 3),
    ),
    max_size=4,
)
OUR_SENT = st.integers(1, 4).map(messages)
BODY = st.one_of(st.binary(max_size=60), NEARLY_FAITHFUL.map(body_of))
DATES = st.sampled_from([MOMENT, "Wed, 21 Oct 2015 07:28:30 GMT", "Wed, 21 Oct 2015 07:28:00 -0000", "-1", "5", "1e9"])
HEADERS = st.one_of(
    st.none(),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
    st.fixed_dictionaries({"Retry-After": st.text() | DATES}, optional={"Date": st.text() | DATES}),
)
STATUS = st.one_of(st.just(200), st.none(), st.sampled_from([*CERTAIN]), st.integers())


def objects_in(body: bytes) -> list[dict[str, Any]]:
    """The objects of a body that is an array, found in another way than the product does."""
    try:
        value = json.loads(body.decode().removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return []
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def holds_proof(one: dict[str, Any], message_id: str | None) -> bool:
    said, found = one.get("errorMsg"), one.get("MessageId")
    return (
        isinstance(said, str)
        and said.strip()[:2].lower() == "ok"
        and isinstance(found, str)
        and found.strip() == message_id
    )


def says_one_of(one: dict[str, Any], words: Sequence[str]) -> bool:
    warnings = one.get("WarningMessages")
    said = [one.get("errorMsg"), *(warnings if isinstance(warnings, list) else [warnings])]
    beginnings = tuple(text.lower() for text in words)
    return any(isinstance(text, str) and text.strip().lower().startswith(beginnings) for text in said)


REFUSALS_OF_THE_CALL = ["data is not valid", "customer does not allow sending", *OF_THE_CALL]


@steady
@given(BODY, HEADERS, STATUS, st.one_of(SENT, OUR_SENT), st.booleans(), st.booleans(), st.sampled_from(["", "Cut."]))
@example(FAITHFUL, None, 200, messages(2), True, False, "")
def test_any_answer_gives_one_sound_outcome_a_message(
    body: bytes,
    headers: dict[str, str] | None,
    status: int | None,
    sent: list[Message],
    began: bool,
    key_works: bool,
    failure: str,
) -> None:
    answer = Answer(began=began, status=status, headers=headers, body=body, failure=failure)
    result = interpret(answer, sent, key_works=key_works)
    assert len(result.outcomes) == len(sent)
    assert result.retry_after is None or 0 <= result.retry_after <= 120
    for outcome in result.outcomes:
        taken = outcome.status in (Status.ACCEPTED, Status.PARTLY_ACCEPTED)
        assert taken or outcome.status in (Status.REJECTED, Status.NOT_SENT, Status.UNKNOWN)
        assert bool(outcome.message_id) is taken
        assert (outcome.code is None) is taken
        assert outcome.detail or outcome.status is Status.ACCEPTED
        assert (outcome.status is Status.UNKNOWN) is (outcome.code is ErrorCode.OUTCOME_UNKNOWN)
        assert outcome.accepted_at is None or outcome.accepted_at.utcoffset() == timedelta(0)
        if taken:
            assert status == 200
            assert not failure
            assert any(holds_proof(one, outcome.message_id) for one in objects_in(body))


@steady
@given(st.lists(st.one_of(OBJECT, ANY_JSON), max_size=4), st.one_of(SENT, OUR_SENT), st.booleans())
def test_not_sent_only_by_a_documented_refusal(value: list[object], sent: list[Message], key_works: bool) -> None:
    outcomes = told(value, sent, key_works=key_works)
    not_sent = sum(outcome.status is Status.NOT_SENT for outcome in outcomes)
    refusing = sum(says_one_of(one, REFUSALS_OF_THE_CALL) for one in objects_in(body_of(value)))
    assert not_sent <= refusing or (len(value) == refusing == 1 and not_sent == len(sent))


@steady
@given(NEARLY_FAITHFUL, st.one_of(SENT, OUR_SENT))
def test_a_key_that_works_never_turns_an_answer_into_a_refused_key(value: object, sent: list[Message]) -> None:
    untried, works = told(value, sent), told(value, sent, key_works=True)
    for before, after in zip(untried, works, strict=True):
        assert after.code is not ErrorCode.AUTH_INVALID
        assert before == after or before.code is ErrorCode.AUTH_INVALID
        assert before == after or after.code is ErrorCode.DATA_INVALID


ANSWERS = st.lists(st.sampled_from([None, None, *TABLE]), min_size=1, max_size=12)


def faithful(kinds: Sequence[str | None], *, refs: bool) -> list[dict[str, object]]:
    """One object a message, in order: accepted (None), or refused with these words."""
    made = []
    for i, words in enumerate(kinds):
        ref = f"ref-{i}" if refs else None
        made.append(accepted(i, ref=ref) if words is None else refused(words, ref=ref, warning=bool(i % 2)))
    return made


@steady
@given(ANSWERS, st.randoms(use_true_random=False), st.booleans())
def test_outcome_i_belongs_to_message_i_in_whatever_order_they_came(
    kinds: list[str | None], rng: random.Random, key_works: bool
) -> None:
    objects = faithful(kinds, refs=True)
    rng.shuffle(objects)
    outcomes = told(objects, messages(len(kinds)), key_works=key_works)
    about_data = {ErrorCode.AUTH_INVALID, ErrorCode.DATA_INVALID}
    for i, (words, outcome) in enumerate(zip(kinds, outcomes, strict=True)):
        assert outcome.message_id == (f"id-{i}" if words is None else None)
        if words == AUTH:
            assert outcome.code in about_data
        elif words is not None:
            assert (outcome.status, outcome.code) == TABLE[words]


@steady
@given(ANSWERS, st.data(), st.booleans())
def test_some_of_the_objects_with_references_speak_of_their_own_messages_alone(
    kinds: list[str | None], data: st.DataObject, key_works: bool
) -> None:
    kept = data.draw(st.lists(st.sampled_from(range(len(kinds))), unique=True))
    assume(len(kept) != 1 or kinds[kept[0]] not in OF_THE_CALL)  # one refusal of the call may stand for all
    objects = faithful(kinds, refs=True)
    outcomes = told([objects[i] for i in kept], messages(len(kinds)), key_works=key_works)
    for i, outcome in enumerate(outcomes):
        assert is_unknown(outcome) is (i not in kept)
        assert outcome.message_id == (f"id-{i}" if i in kept and kinds[i] is None else None)


@steady
@given(ANSWERS, st.data(), st.booleans(), st.booleans())
def test_one_object_more_or_less_without_references_is_unknown_for_all(
    kinds: list[str | None], data: st.DataObject, sent_refs: bool, key_works: bool
) -> None:
    objects = faithful(kinds, refs=False)
    sent = messages(len(kinds), refs=sent_refs)
    place = data.draw(st.integers(0, len(objects) - 1))
    more = data.draw(st.one_of(st.sampled_from([accepted(99), refused(RATE), None]), ANY_JSON))
    longer = [*objects[:place], more, *objects[place:]]
    assert all_unknown(told(longer, sent, key_works=key_works), len(sent))
    shorter = objects[:place] + objects[place + 1 :]
    assume(len(shorter) != 1 or not says_one_of(shorter[0], REFUSALS_OF_THE_CALL))  # which stands for all
    assert all_unknown(told(shorter, sent, key_works=key_works), len(sent))


@steady
@given(st.lists(st.sampled_from([None, *TABLE]), min_size=2, max_size=6), st.data())
def test_one_foreign_reference_spoils_all(kinds: list[str | None], data: st.DataObject) -> None:
    objects = faithful(kinds, refs=True)
    place = data.draw(st.integers(0, len(objects) - 1))
    objects[place]["ClientRef"] = data.draw(st.text(min_size=1).filter(lambda ref: ref != f"ref-{place}"))
    assert all_unknown(told(objects, messages(len(kinds))), len(kinds))
