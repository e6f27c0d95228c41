"""Planning: what is sent to whom, in which call, under which reference."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gcbulk
from gcbulk.campaign.plan import Plan, make_plan

if TYPE_CHECKING:
    from gcbulk.campaign.journal import PlannedRow


def people(texts: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"word": texts, "mobile": [f"+4474{number:08}" for number in range(len(texts))]})


def rows(plan: Plan, *, chunk: int = 2, share: bool = False, **changes: Any) -> list[PlannedRow]:
    where = {"base_url": "http://127.0.0.1:1", "customer_id": "1469"}
    return list(plan.rows(plan.calls(chunk, share_identical=share), **{**where, **changes}))


def test_every_row_has_a_reference_of_its_own_and_calls_are_filled_in_order() -> None:
    planned = rows(make_plan(people(["a", "b", "c"]), "{{ word }}"))
    assert [row.batch_number for row in planned] == [0, 0, 1]
    assert len({row.client_ref for row in planned}) == 3
    assert len({row.content_key for row in planned}) == 3


def test_rows_that_are_not_sent_have_no_call_text_or_reference() -> None:
    parents = people(["a", "", "c"])
    parents.loc[2, "mobile"] = "n/a"
    planned = rows(make_plan(parents, "{{ word }}"))
    assert [row.error_code for row in planned] == [None, "FIELD_MISSING", "NUMBER_MISSING"]
    for row in planned[1:]:
        assert {getattr(row, name) for name in ("batch_number", "text", "client_ref", "content_key", "parts")} == {None}


@given(words=st.lists(st.sampled_from("abcd"), min_size=1, max_size=40), chunk=st.integers(1, 7))
@settings(deadline=None, derandomize=True)
def test_shared_messages_hold_one_text_and_never_cross_calls(words: list[str], chunk: int) -> None:
    planned = rows(make_plan(people(words), "{{ word }}"), chunk=chunk, share=True)
    by_ref: dict[str, set[tuple[str, int]]] = {}
    by_call: dict[int, int] = {}
    for row in planned:
        by_ref.setdefault(row.client_ref, set()).add((row.text, row.batch_number))
        by_call[row.batch_number] = by_call.get(row.batch_number, 0) + 1
    assert all(len(texts_and_calls) == 1 for texts_and_calls in by_ref.values())
    assert max(by_call.values()) <= chunk
    assert [row.text for row in planned] == words


def test_content_keys_tell_customers_addresses_and_texts_apart() -> None:
    plan = make_plan(people(["a"]), "{{ word }}")
    keys = {
        row.content_key
        for changes in ({}, {"base_url": "http://127.0.0.1:2"}, {"customer_id": "2"})
        for row in rows(plan, **changes)
    }
    keys |= {row.content_key for row in rows(replace(plan, channel="email"))}
    assert len(keys) == 4
    assert rows(plan)[0].content_key == rows(plan)[0].content_key


def test_hashes_see_the_people_and_the_texts_separately() -> None:
    one, two = make_plan(people(["a", "b"]), "{{ word }}"), make_plan(people(["a", "c"]), "{{ word }}")
    assert one.recipients_hash() == two.recipients_hash()
    assert one.texts_hash() != two.texts_hash()
    assert make_plan(people(["b", "a"]), "{{ word }}").texts_hash() != one.texts_hash()


def test_an_unknown_field_stops_before_anything() -> None:
    with pytest.raises(gcbulk.TemplateError, match="wrod"):
        make_plan(people(["a"]), "{{ wrod }}")


def test_the_first_of_two_equal_texts_is_named() -> None:
    parents = pd.DataFrame({"mobile": ["07700 900123", "+447700900123"], "child": ["Ann", "Bob"]}, index=["x", "y"])
    frame = make_plan(parents, "School is closed.").frame
    assert frame["Status"].tolist() == ["ready", "duplicate"]
    assert "the row labelled x" in frame["ErrorDetail"].tolist()[1]
