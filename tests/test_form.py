"""The form without a browser: what its steps pass on, what it never keeps, and that it sends once."""

from __future__ import annotations

import html
import io
import json
import re
import threading
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import pandas as pd
import pytest
from ipywidgets.embed import embed_data

import gcbulk
from gcbulk.api.customers import Customer, Customers, FixedCustomers
from gcbulk.campaign.attachments import FileChangedError
from gcbulk.campaign.enclosing import why_held
from gcbulk.campaign.journal import only_those_not_told
from gcbulk.campaign.options import SendOptions
from gcbulk.campaign.results import Summary
from gcbulk.campaign.views import facts
from gcbulk.codes import SENTENCES
from gcbulk.form.background import Helper, Job
from gcbulk.form.desk import Whose
from gcbulk.form.results import _who_was_missed
from gcbulk.form.runs import Ended
from gcbulk.form.send_form import SendForm
from gcbulk.form.words import for_officers
from gcbulk.progress import Progress, Standing, Watch
from gcbulk.sandbox import Call, Sandbox
from gcbulk.sandbox.customers import example_schools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcbulk.form.browser import Upload

PEOPLE = pd.DataFrame(
    {"Name": [f"Parent {n}" for n in range(60)], "Mobile": [f"07700 900{n + 101}" for n in range(60)]}
)
SAMPLES = Path(__file__).parent.parent / "sample_data"
TEXT = "Dear {{ name }}, school is closed."


@pytest.fixture
def forms() -> Iterator[list[SendForm]]:
    """Forms that are closed when the test ends."""
    made: list[SendForm] = []
    yield made
    for form in made:
        form.close()


def find(form: SendForm, name: str) -> Any:
    """The one widget of a class."""
    found = [w for w in everything(form) if name in getattr(w, "_dom_classes", ())]
    assert len(found) == 1, (name, found)
    return found[0]


def everything(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything(child)


def tick_and_send(form: SendForm) -> None:
    assert form.wait()
    find(form, "gcb-confirm").value = True
    send = find(form, "gcb-send")
    assert not send.disabled
    send.click()


def upload(widget: Upload, name: str, content: bytes, *, size: int | None = None) -> None:
    """What the browser sends for a file."""
    pieces = [content[start : start + widget.piece] for start in range(0, len(content), widget.piece)] or [b""]
    for number, piece in enumerate(pieces):
        head = {"number": number, "pieces": len(pieces), "name": name, "size": size or len(content), "upload": "1"}
        widget._handle_custom_msg(head, [memoryview(piece)])


def test_a_frame_goes_all_the_way_and_comes_back_as_it_was(platform: Sandbox, forms: list[SendForm]) -> None:
    form = SendForm(PEOPLE, TEXT, campaign="snow")
    forms.append(form)
    assert form.results is None
    tick_and_send(form)
    assert form.wait()
    results = form.results
    assert results is not None
    assert type(results) is pd.DataFrame
    pd.testing.assert_frame_equal(results[list(PEOPLE.columns)], PEOPLE, check_dtype=False)
    assert (results["Status"] == "accepted").all()
    assert find(form, "gcb-status").value.startswith("<p><b class='gcb-word gcb-word-done'>done</b>")
    assert form.campaign == "snow"
    assert len(platform.queued) == 60


def test_a_form_opened_again_shows_where_its_campaign_stands_and_sends_nothing(
    platform: Sandbox, forms: list[SendForm]
) -> None:
    gcbulk.send_sms(PEOPLE, TEXT, campaign="snow {date}", progress=False)
    form = SendForm(PEOPLE, TEXT, campaign="snow {date}")
    forms.append(form)
    assert form.wait()
    assert form.results is not None
    assert len(form.results) == 60
    assert "done" in find(form, "gcb-status").value
    assert find(form, "gcb-send").disabled
    find(form, "gcb-send").click()
    assert form.wait()
    assert len(platform.queued) == 60


def test_clicks_at_the_same_moment_send_once(platform: Sandbox, forms: list[SendForm]) -> None:
    form = SendForm(PEOPLE, TEXT)
    forms.append(form)
    assert form.wait()
    find(form, "gcb-confirm").value = True
    threads = [threading.Thread(target=form._send_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert form.wait()
    assert len(platform.queued) == 60


def test_what_is_ticked_is_what_is_shown(platform: Sandbox, forms: list[SendForm]) -> None:
    form = SendForm(PEOPLE, TEXT)
    forms.append(form)
    assert form.wait()
    find(form, "gcb-confirm").value = True
    assert not find(form, "gcb-send").disabled
    find(form, "gcb-message").value = "Something else entirely."
    assert find(form, "gcb-send").disabled
    assert find(form, "gcb-confirm").value is False
    find(form, "gcb-send").click()
    assert form.wait()
    assert platform.queued == []


def test_a_key_is_in_no_state_no_repr_and_no_embedding(
    platform: Sandbox, monkeypatch: pytest.MonkeyPatch, forms: list[SendForm]
) -> None:
    monkeypatch.delenv("GCBULK_API_KEY")
    form = SendForm(PEOPLE, TEXT)
    forms.append(form)
    assert form.wait()
    assert find(form, "gcb-send").disabled
    find(form, "gcb-customer").value = "1469"
    find(form, "gcb-key")._handle_custom_msg({"entered": platform.api_key}, [])
    assert form.wait()
    assert "The key works" in find(form, "gcb-who-sends").value
    for kept in (
        json.dumps(widgets.Widget.get_manager_state(), default=repr),
        json.dumps(embed_data([form]), default=repr),
        repr(form),
        json.dumps(form._repr_mimebundle_(), default=repr),
    ):
        assert platform.api_key not in kept
    tick_and_send(form)
    assert form.wait()
    assert len(platform.queued) == 60
    assert platform.api_key not in json.dumps(widgets.Widget.get_manager_state(), default=repr)


def test_a_partner_sends_each_row_under_its_own_school_or_all_under_one(
    forms: list[SendForm], monkeypatch: pytest.MonkeyPatch
) -> None:
    schools = example_schools()
    for one in schools:
        one.authorised = True
    with Sandbox(customers=schools) as platform:
        monkeypatch.setenv("GCBULK_BASE_URL", platform.url)
        given = [(Customer(id=one.id, name=one.name, code=one.code), one.api_key) for one in schools]
        partner = gcbulk.Partner(platform.partner_key, platform.style_class)
        client = gcbulk.CommunicationsClient(partner=partner, customers=FixedCustomers(given))
        families = gcbulk.read_recipients(SAMPLES / "three-schools.csv")
        form = SendForm(
            families, "Dear {{ parent }}, {{ customer_name }} is closed.", client=client, price_per_part=0.04
        )
        forms.append(form)
        assert form.wait()
        school = find(form, "gcb-school")
        assert school.label == "as each row says: School"
        counts = find(form, "gcb-counts").value
        assert "<b>6</b> rows with a good number" in counts
        assert "<td>Oak Primary (2101)</td><td>2</td><td>2</td>" in counts
        told = find(form, "gcb-sentence").value
        assert "Sends 6 texts, 6 parts, £0.24, to 6 numbers from 3 schools now." in told
        assert "Sending for <b>3 schools</b>" in find(form, "gcb-who-sends").value
        tick_and_send(form)
        assert form.wait()
        results = form.results
        assert results is not None
        assert results["ErrorCode"].dropna().tolist() == ["CUSTOMER_UNKNOWN", "CUSTOMER_UNKNOWN"]
        whose = dict(zip(results["SentTo"], results["CustomerId"], strict=True))
        assert len(platform.queued) == 6
        assert all(one.customer_id == whose[one.recipient] for one in platform.queued)

        find(form, "gcb-again").click()
        find(form, "gcb-school").value = Whose(school="2102")
        find(form, "gcb-message").value = "{{ customer_name }} opens at ten."
        assert form.wait()
        assert "to 8 numbers from Elm Academy (2102) now." in find(form, "gcb-sentence").value
        find(form, "gcb-school").value = None
        assert form.wait()
        assert "Which school is this list for?" in find(form, "gcb-school-notice").value
        assert find(form, "gcb-send").disabled
        find(form, "gcb-school").value = Whose(school="2102")
        tick_and_send(form)
        assert form.wait()
        assert {(one.customer_id, one.text) for one in platform.queued[6:]} == {("2102", "Elm Academy opens at ten.")}
        assert len(platform.queued) == 14
        client.close()


def test_a_partners_campaign_is_gone_on_with_as_the_partner_though_there_is_an_own_account(
    forms: list[SendForm], monkeypatch: pytest.MonkeyPatch
) -> None:
    schools = example_schools()
    for one in schools:
        one.authorised = True
    with Sandbox(customers=schools) as platform:
        settings = {
            "BASE_URL": platform.url,
            "CUSTOMER_ID": platform.customer_id,
            "API_KEY": platform.api_key,
            "PARTNER_KEY": platform.partner_key,
            "STYLE_CLASS": platform.style_class,
            "STORE_KEY": "correct horse battery",
        }
        for name, value in settings.items():
            monkeypatch.setenv(f"GCBULK_{name}", value)
        monkeypatch.setattr("gcbulk.api.key_store.SCRYPT_COST", 2)
        for one in schools:
            Customers().add(one.id, one.api_key, name=one.name, code=one.code)
        families = gcbulk.read_recipients(SAMPLES / "three-schools.csv")
        with gcbulk.CommunicationsClient(customers=Customers()) as client:
            gcbulk.send_sms(
                families,
                "{{ customer_name }} is closed.",
                campaign="snow",
                client=client,
                customer_column="School",
                limit=4,
                progress=False,
            )
        before = len(platform.queued)
        form = SendForm(campaign="snow")
        forms.append(form)
        assert form.wait()
        find(form, "gcb-resume").click()
        assert form.wait()
        assert form.results is not None
        assert before < 6 == len(platform.queued)
        assert form.results["CustomerName"].nunique() == 3
        assert {one.customer_id for one in platform.queued} == {one.id for one in schools}


def test_a_wrong_key_sends_nothing_and_says_so(platform: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCBULK_API_KEY", "wrong")
    form = SendForm(PEOPLE, TEXT)
    assert form.wait()
    assert "refused the customer id or API key" in find(form, "gcb-key-notice").value
    find(form, "gcb-confirm").value = True
    assert find(form, "gcb-send").disabled
    form.close()
    assert platform.queued == []


def test_uploads_come_in_pieces_and_a_broken_one_says_so(forms: list[SendForm]) -> None:
    form = SendForm(sandbox=True)
    forms.append(form)
    field = find(form, "gcb-upload")
    field.piece = 100
    content = PEOPLE.to_csv(index=False).encode()
    upload(field, "people.csv", content)
    assert form.wait()
    assert "people.csv: 60 rows" in find(form, "gcb-file-name").value
    assert "<b>60</b> rows with a good number" in find(form, "gcb-counts").value
    upload(field, "short.csv", content, size=len(content) + 1)
    assert "short.csv did not arrive whole" in find(form, "gcb-file-notice").value
    field._handle_custom_msg({"number": 3, "pieces": 9, "name": "x.csv", "size": 9, "upload": "2"}, [b"x"])
    assert "x.csv did not arrive whole" in find(form, "gcb-file-notice").value
    upload(field, "nothing.csv", b"")
    assert form.wait()
    assert "nothing.csv is empty" in find(form, "gcb-file-notice").value


def test_opt_outs_and_their_warnings_are_told_beside_the_field(forms: list[SendForm]) -> None:
    form = SendForm(PEOPLE, sandbox=True)
    forms.append(form)
    upload(find(form, "gcb-optouts"), "out.csv", b"Mobile\n07700 900101\n020 7946 0123\n")
    assert form.wait()
    assert "<b>1</b> opted out" in find(form, "gcb-counts").value
    assert "1 of 2 entries in the opt-out list is no mobile number" in find(form, "gcb-optouts-notice").value


def test_nothing_unforeseen_becomes_a_traceback(forms: list[SendForm], monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_args: object, **_options: object) -> None:
        raise KeyError("07700 900123")

    monkeypatch.setattr("gcbulk.form.desk.check_each", breaks)
    form = SendForm(PEOPLE, sandbox=True)
    forms.append(form)
    assert form.wait()
    told = find(form, "gcb-column-notice").value
    assert "Unexpected failure (KeyError at test_form.py" in told
    assert "900123" not in told


def test_a_journal_that_refuses_ends_as_failed(platform: Sandbox, forms: list[SendForm], tmp_path: Path) -> None:
    form = SendForm(PEOPLE, TEXT, journal=tmp_path)  # a folder is no journal
    forms.append(form)
    assert form.wait()
    find(form, "gcb-confirm").value = True
    form._send_it()
    assert form.wait()
    status = find(form, "gcb-status").value
    assert "gcb-word-failed" in status
    assert platform.queued == []


def test_the_screen_is_updated_ten_times_a_second_at_most() -> None:
    seen: list[Standing] = []
    go = threading.Event()

    def work(watch: Watch) -> str:
        with Progress(1000, "Texts", enabled=False, watch=watch) as bar:
            for _ in range(1000):
                bar.add(1, accepted=1)
            go.wait(1.0)
        return "over"

    ended: list[object] = []
    job = Job(
        work, seen=lambda _job, now: seen.append(now), ended=lambda _job, result, error: ended.append((result, error))
    )
    assert job.wait(30)
    assert ended == [("over", None)]
    assert seen[-1].counts == {"accepted": 1000}
    assert len(seen) <= 11


def test_a_helper_does_only_the_latest_of_what_it_is_asked() -> None:
    helper, done = Helper(lambda error: done.append(str(error))), []
    gate = threading.Event()
    helper.ask("gate", lambda: [gate.wait(10)].clear())
    for n in range(50):
        helper.ask("plan", lambda n=n: done.append(n))
    helper.ask("other", lambda: done.append("other"))
    gate.set()
    assert helper.wait(10)
    assert sorted(map(str, done)) == ["49", "other"]
    helper.ask("bad", lambda: {}["nothing"])
    helper.ask("good", lambda: done.append("good"))
    assert helper.wait(10)
    assert set(done[2:]) == {"'nothing'", "good"}
    helper.close()


def test_a_run_of_another_program_is_followed_and_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch, forms: list[SendForm]
) -> None:
    under_way = threading.Event()

    def on_call(call: Call) -> str | None:
        if call.number == 2:
            under_way.set()
        return None

    with Sandbox(latency=0.2, on_call=on_call) as server:
        monkeypatch.setenv("GCBULK_BASE_URL", server.url)
        monkeypatch.setenv("GCBULK_CUSTOMER_ID", server.customer_id)
        monkeypatch.setenv("GCBULK_API_KEY", server.api_key)
        monkeypatch.setattr("gcbulk.campaign.journal.runs.STOP_POLL", 0.05)
        monkeypatch.setattr("gcbulk.form.runs.FOLLOW_POLL", 0.05)
        options: dict[str, Any] = {"campaign": "snow", "chunk_size": 2, "concurrency": 1, "progress": False}
        other = threading.Thread(target=lambda: gcbulk.send_sms(PEOPLE, TEXT, **options))
        other.start()
        assert under_way.wait(30)
        form = SendForm()
        forms.append(form)
        form._opened()
        assert form._helper.wait()
        told = find(form, "gcb-status").value
        assert re.search("“snow”, begun on .*, is being sent: from this page before it was loaded again", told)
        find(form, "gcb-stop").click()
        other.join(30)
        assert form.wait()
        assert form._helper.wait()
        assert form.results is not None
        left = int((form.results["Status"] == "not_sent").sum())
        assert 0 < left < 60
        server.latency = 0.0
        find(form, "gcb-resume").click()
        assert form.wait()
        assert (form.results["Status"] == "accepted").all()
        assert len({queued.recipient for queued in server.queued}) == len(server.queued) == 60


def test_another_s_run_can_be_left_to_itself(monkeypatch: pytest.MonkeyPatch, forms: list[SendForm]) -> None:
    under_way, go_on = threading.Event(), threading.Event()

    def on_call(call: Call) -> str | None:
        if call.number == 2:
            under_way.set()
            go_on.wait(30)
        return None

    with Sandbox(on_call=on_call) as server:
        monkeypatch.setenv("GCBULK_BASE_URL", server.url)
        monkeypatch.setenv("GCBULK_CUSTOMER_ID", server.customer_id)
        monkeypatch.setenv("GCBULK_API_KEY", server.api_key)
        monkeypatch.setattr("gcbulk.form.runs.FOLLOW_POLL", 0.05)
        other = threading.Thread(target=lambda: gcbulk.send_sms(PEOPLE, TEXT, campaign="snow", progress=False))
        other.start()
        assert under_way.wait(30)
        form = SendForm(PEOPLE)
        forms.append(form)
        form._opened()
        assert form._helper.wait()
        assert "is being sent: from this page before" in find(form, "gcb-status").value
        find(form, "gcb-leave").click()
        go_on.set()
        other.join(30)
        find(form, "gcb-message").value = "Dear {{ name }}, another matter."
        tick_and_send(form)
        assert form.wait()
        assert form.results is not None
        assert form.campaign != "snow"
        assert len(server.queued) == 120


def test_warnings_stay_off_the_screen_of_the_notebook(forms: list[SendForm]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        form = SendForm(PEOPLE, TEXT, sandbox=True)
        forms.append(form)
        tick_and_send(form)
        assert form.wait()
    assert form.results is not None


def test_what_looks_like_a_mistake_is_told_in_words_beside_the_text(forms: list[SendForm]) -> None:
    form = SendForm(PEOPLE, "Dear ((name)), school is closed.", sandbox=True)
    forms.append(form)
    assert form.wait()
    found = find(form, "gcb-findings")
    assert "Look</span>" in found.value
    assert "Did you mean {{ name }}?" in found.value
    find(form, "gcb-message").value = TEXT
    assert form.wait()
    assert found.value == ""


def test_the_price_of_a_part_makes_the_cost(forms: list[SendForm]) -> None:
    form = SendForm(PEOPLE, TEXT, sandbox=True)
    forms.append(form)
    find(form, "gcb-price").value = "0.04"
    assert form.wait()
    told = find(form, "gcb-sentence").value
    assert "Sends 60 texts, 60 parts, £2.40, to 60 numbers from school 1469 now." in told
    find(form, "gcb-price").value = "four pence"
    assert form.wait()
    notice = find(form, "gcb-price-notice").value
    assert "The price must be pounds for one part" in notice
    assert "price_per_part" not in notice
    find(form, "gcb-confirm").value = True
    assert find(form, "gcb-send").disabled
    find(form, "gcb-price").value = ""
    assert form.wait()
    assert find(form, "gcb-price-notice").value == ""
    assert "Sends 60 texts, 60 parts, to 60 numbers" in find(form, "gcb-sentence").value


def at(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Set the clock that the wings are given."""
    monkeypatch.setattr("gcbulk.campaign.schedule.now", lambda: datetime.fromisoformat(moment))
    monkeypatch.setattr("gcbulk.campaign.options.now", lambda: datetime.fromisoformat(moment))


def test_a_refused_field_is_told_beside_it_and_nothing_goes_as_if_it_were_empty(
    platform: Sandbox, forms: list[SendForm], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, "2026-10-20T12:00+00:00")
    form = SendForm(PEOPLE, TEXT)
    forms.append(form)
    for name, wrong, words, right in (
        ("gcb-sender", "Oak School!", "The sender must be up to 11 letters", "OakSchool"),
        ("gcb-send-at", datetime.fromisoformat("2026-10-19T08:30"), "The time 19/10/2026 08:30 UK time is past", None),
        ("gcb-send-at", datetime.fromisoformat("2026-10-25T01:30"), "comes twice on the UK&#x27;s clocks", None),
    ):
        field, notice = find(form, name), find(form, f"{name}-notice")
        field.value = wrong
        assert form.wait()
        assert words in notice.value
        assert "offset" not in notice.value
        assert "First put right the field" in find(form, "gcb-parts").value
        find(form, "gcb-confirm").value = True
        assert find(form, "gcb-send").disabled
        field.value = right
        assert form.wait()
        assert notice.value == ""
    tick_and_send(form)
    assert form.wait()
    assert {queued.sender for queued in platform.queued} == {"OakSchool"}


def test_a_time_is_the_uk_s_and_ends_with_its_message(
    platform: Sandbox, forms: list[SendForm], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, "2026-06-30T12:00+00:00")
    form = SendForm(PEOPLE, TEXT)
    forms.append(form)
    find(form, "gcb-send-at").value = datetime.fromisoformat("2026-07-01T08:30")
    assert form.wait()
    assert "from school 1469 at 08:30 on 1 July 2026." in find(form, "gcb-sentence").value
    tick_and_send(form)
    assert form.wait()
    find(form, "gcb-again").click()
    find(form, "gcb-message").value = "Dear {{ name }}, another matter."
    assert form.wait()
    assert find(form, "gcb-send-at").value is None
    assert "from school 1469 now." in find(form, "gcb-sentence").value


def test_quiet_hours_are_told_before_and_want_a_tick(
    platform: Sandbox, forms: list[SendForm], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, "2026-11-24T22:30+00:00")
    form = SendForm(PEOPLE, TEXT, quiet_hours="21:00-06:00")
    forms.append(form)
    assert form.wait()
    told = find(form, "gcb-urgent-notice").value
    assert "within the quiet hours (21:00 to 06:00)" in told
    assert "tick “It is urgent”" in told
    said = [one for one in everything(form) if "within the quiet hours" in str(getattr(one, "value", ""))]
    assert said == [find(form, "gcb-urgent-notice")]
    find(form, "gcb-confirm").value = True
    assert find(form, "gcb-send").disabled
    find(form, "gcb-urgent").value = True
    assert form.wait()
    assert find(form, "gcb-urgent-notice").value == ""
    assert find(form, "gcb-confirm").value is False  # what will happen is another thing now
    tick_and_send(form)
    assert form.wait()
    assert len(platform.queued) == 60
    find(form, "gcb-again").click()
    find(form, "gcb-message").value = "Dear {{ name }}, another matter."
    assert form.wait()
    assert find(form, "gcb-urgent").value is False
    assert "within the quiet hours" in find(form, "gcb-urgent-notice").value


def test_going_on_within_quiet_hours_can_be_made_urgent(
    platform: Sandbox, forms: list[SendForm], monkeypatch: pytest.MonkeyPatch
) -> None:
    gcbulk.send_sms(PEOPLE, TEXT, campaign="snow", limit=20, progress=False)
    evening = datetime.now(UTC).replace(hour=22, minute=30)
    monkeypatch.setattr("gcbulk.campaign.schedule.now", lambda: evening)
    form = SendForm(PEOPLE, campaign="snow", quiet_hours="21:00-06:00")
    forms.append(form)
    assert form.wait()
    assert "within the quiet hours" in find(form, "gcb-resume-urgent-notice").value
    find(form, "gcb-resume").click()
    assert form.wait()
    assert "gcb-word-failed" in find(form, "gcb-status").value
    assert len(platform.queued) == 20
    find(form, "gcb-resume-urgent").value = True
    find(form, "gcb-resume").click()
    assert form.wait()
    assert len(platform.queued) == 60


def test_a_test_goes_to_one_phone_and_counts_for_nobody(platform: Sandbox, forms: list[SendForm]) -> None:
    form = SendForm(PEOPLE, TEXT)
    forms.append(form)
    assert form.wait()
    number, test, notice = find(form, "gcb-test-to"), find(form, "gcb-test"), find(form, "gcb-test-notice")
    assert test.disabled
    number._handle_custom_msg({"entered": "0770"}, [])
    test.click()
    assert form.wait()
    assert "This number cannot be texted" in notice.value
    number._handle_custom_msg({"entered": "07700 900999"}, [])
    kept = json.dumps(widgets.Widget.get_manager_state(), default=repr)
    assert "900999" not in kept
    assert "gcb-test-to" in kept
    test.click()
    test.click()
    assert form.wait()
    assert "accepted for +44 7700 •••999, and for nobody else" in notice.value
    tried = len(platform.queued)
    assert 0 < tried < 4
    assert {queued.recipient for queued in platform.queued} == {"+447700900999"}
    tick_and_send(form)
    assert form.wait()
    assert len(platform.queued) == 60 + tried


def test_a_number_handed_in_or_searched_for_is_in_no_state(platform: Sandbox, forms: list[SendForm]) -> None:
    form = SendForm(PEOPLE, TEXT, test_to="07700 900999")
    forms.append(form)
    tick_and_send(form)
    assert form.wait()
    search = find(form, "gcb-search")
    search._handle_custom_msg({"entered": "+447700900123"}, [])
    assert form.wait()
    assert "Rows 1 to 1 of 1" in find(form, "gcb-table-where").value
    kept = json.dumps(widgets.Widget.get_manager_state(), default=repr)
    assert "given: \\u2022\\u2022\\u2022999" in kept
    assert not re.search("900 ?999|900123", kept)


def test_what_cannot_be_previewed_is_said_and_no_row_can_be_paged(forms: list[SendForm]) -> None:
    form = SendForm(PEOPLE, TEXT, sandbox=True)
    forms.append(form)
    assert form.wait()
    preview, on = find(form, "gcb-preview"), find(form, "gcb-next-row")
    assert "Dear Parent 0, school" in preview.value
    assert not on.disabled
    for text, at_once, later in (
        ("Dear {{ nam }}", "did you mean {{ name }}", "put right what is marked above"),
        ("Dear {{ name", "Nothing to preview:</b>", "put right what is marked above"),
        ("", "there is no message yet", "there is no message yet"),
    ):
        find(form, "gcb-message").value = TEXT
        assert form.wait()
        find(form, "gcb-message").value = text
        assert at_once in preview.value
        assert form.wait()
        assert later in preview.value
        assert "school is closed" not in preview.value
        assert on.disabled
    find(form, "gcb-message").value = "long " * 200
    assert form.wait()
    assert "<b>Not sent:</b> " in preview.value
    assert "characters; 918 (6 parts) can be sent" in preview.value
    find(form, "gcb-message").value = TEXT
    assert "Dear Parent 0, school" in preview.value
    assert not on.disabled
    assert form.wait()
    upload(find(form, "gcb-upload"), "none.csv", b"Name,Mobile\nAnn,020 7946 0123\n")
    assert form.wait()
    assert "no row has a number that can be texted" in preview.value


def test_rows_with_a_good_number_and_those_ready_are_told_apart(forms: list[SendForm]) -> None:
    people = PEOPLE.assign(Child=["Kai", "", *["Mia"] * 58])
    form = SendForm(people, TEXT, sandbox=True)
    forms.append(form)
    assert form.wait()
    ready = find(form, "gcb-ready")
    assert "<b>60</b> rows with a good number" in find(form, "gcb-counts").value
    assert ready.value == "<span>Ready to send: all 60 rows with a good number.</span>"
    find(form, "gcb-message").value = "{{ child }} is not in school."
    assert form.wait()
    assert "Ready to send: 59 of 60 rows with a good number. Left out: 1 (a field is blank)." in ready.value
    assert "<b>60</b> rows with a good number" in find(form, "gcb-counts").value
    assert "Sends 59 texts" in find(form, "gcb-sentence").value


def test_no_sentence_on_the_form_names_an_option_of_code_or_commands() -> None:
    at_night, day = datetime.fromisoformat("2026-11-24T22:30+00:00"), datetime.fromisoformat("2026-11-24T12:00+00:00")
    refused = SendOptions().refusal(at_night, None, reaches_people=True)
    past = SendOptions().refusal(day, day, reaches_people=True)
    ways = (why_held(FileChangedError("Gone."))[1], only_those_not_told('a "b" c'))
    others = (facts.REPLACED, facts._cost(None, None), *ways)
    for sentence in (*SENTENCES.values(), str(refused), str(past), *others):
        for told in (sentence, html.escape(sentence)):
            assert not re.search(r"--\w|\w=|_\w|\bsend_at\b|[Rr]esume\b|gcbulk", for_officers(told)), for_officers(told)


def test_several_columns_of_numbers_can_be_tried_in_turn(platform: Sandbox, forms: list[SendForm]) -> None:
    people = pd.DataFrame(
        {
            "Name": ["Ann", "Bob", "Cy"],
            "Parent 1\nMobile": ["07700 900101", "01632 960225", ""],
            "Parent 2 Mobile": ["07700 900201", "07700 900202", ""],
        }
    )
    form = SendForm(people, TEXT)
    forms.append(form)
    assert form.wait()
    assert "could be in several columns" in find(form, "gcb-column-notice").value
    assert find(form, "gcb-counts").value == ""
    column = find(form, "gcb-column")
    column.label = "Parent 2 Mobile, or else Parent 1 Mobile"
    assert form.wait()
    assert "<b>2</b> rows with a good number" in find(form, "gcb-counts").value
    column.label = "Parent 1 Mobile, or else Parent 2 Mobile"
    tick_and_send(form)
    assert form.wait()
    assert sorted(queued.recipient for queued in platform.queued) == ["+447700900101", "+447700900202"]
    again = SendForm(people, TEXT, campaign=form.campaign, number_columns=["Parent 1\nMobile", "Parent 2 Mobile"])
    forms.append(again)
    assert again.wait()
    assert again.results is not None
    assert again.results["Status"].tolist() == ["accepted", "accepted", "invalid"]


def test_a_workbook_s_other_sheets_can_be_chosen(forms: list[SendForm]) -> None:
    book = io.BytesIO()
    with pd.ExcelWriter(book, engine="xlsxwriter") as writer:
        pd.DataFrame({"Notes": ["printed on Monday"]}).to_excel(writer, sheet_name="Cover", index=False)
        PEOPLE.to_excel(writer, sheet_name="Year 7", index=False)
        PEOPLE.head(5).to_excel(writer, sheet_name="Year 8", index=False)
    form = SendForm(sandbox=True)
    forms.append(form)
    upload(find(form, "gcb-upload"), "school.xlsx", book.getvalue())
    assert form.wait()
    sheet = find(form, "gcb-sheet")
    assert sheet.options == ("Cover", "Year 7", "Year 8")
    assert sheet.layout.display is None
    assert "school.xlsx, Cover: 1 row" in find(form, "gcb-file-name").value
    for name, people in (("Year 8", 5), ("Year 7", 60)):
        sheet.value = name
        assert form.wait()
        assert f"<b>{people}</b> rows with a good number" in find(form, "gcb-counts").value
    upload(find(form, "gcb-upload"), "damaged.xlsx", book.getvalue()[:900])
    assert form.wait()
    assert "damaged.xlsx is no workbook that can be read" in find(form, "gcb-file-notice").value
    assert "damaged.xlsx was not taken" in find(form, "gcb-file-name").value
    assert find(form, "gcb-counts").value == ""
    assert sheet.layout.display == "none"


FAMILIES = pd.DataFrame(
    {
        "UPN": ["A1", "A2", "A3", "A4"],
        "Name": ["Ann <b>", "Bob", "Cy", "Di"],
        "Mobile": ["07700 900123", "", "020 7946 0123", "07700 900124"],
        "Email": ["ann@example.org", "bob@example.org", "cy@example.org", "di@"],
    }
)
WORDS = {"subject": "Report for {{ name }}", "body": "Dear {{ name }}, the report is enclosed."}


def words_of(form: SendForm, name: str) -> str:
    return html.unescape(re.sub("<[^<>]*>", "", find(form, name).value)).strip()


def test_emails_go_with_their_files_as_texts_do(platform: Sandbox, forms: list[SendForm], tmp_path: Path) -> None:
    for upn in ("A1", "A3"):
        (tmp_path / f"{upn}.pdf").write_bytes(b"%PDF-1.4 " + upn.encode())
    form = SendForm(FAMILIES, channel="email", **WORDS)
    forms.append(form)
    assert form.wait()
    assert words_of(form, "gcb-title") == "Email parents"
    assert "3 rows with a good address" in words_of(form, "gcb-counts")
    preview = find(form, "gcb-preview").value
    assert "a•••@example.org" in preview
    assert "sandbox=''" in preview
    assert "Dear Ann &amp;lt;b&amp;gt;" in preview
    upload(find(form, "gcb-attach"), "dates.txt", b"Term ends on 18 December.")
    find(form, "gcb-attach-each").value = "{{ upn }}.pdf"
    find(form, "gcb-attach-folder").value = f' "{tmp_path}" '
    find(form, "gcb-sent-from-name").value = "Oak School"
    find(form, "gcb-reply-to").value = "office@"
    assert form.wait()
    assert "dates.txt (1 kB)" in words_of(form, "gcb-attached")
    assert "The address for answers must be one email address" in words_of(form, "gcb-reply-to-notice")
    assert find(form, "gcb-send").disabled
    find(form, "gcb-reply-to").value = "office@example.org"
    assert form.wait()
    assert words_of(form, "gcb-ready") == (
        "Ready to send: 2 of 3 rows with a good address. Left out: 1 (a file cannot be attached)."
    )
    assert words_of(form, "gcb-parts") == "This email: dates.txt; A1.pdf. All 2 emails: 4 files (1 kB)."
    assert "Sends 2 emails, with 4 files (1 kB), to 2 addresses from school 1469 now." in words_of(form, "gcb-sentence")
    find(form, "gcb-test-email-to")._handle_custom_msg({"entered": "me@example.org"}, [])
    find(form, "gcb-test-email").click()
    assert form.wait()
    assert "accepted for m•••@example.org, and for nobody else" in words_of(form, "gcb-test-email-notice")
    assert {queued.recipient for queued in platform.queued} == {"me@example.org"}
    tried = len(platform.queued)
    tick_and_send(form)
    assert form.wait()
    assert form.results is not None
    assert form.results["ErrorCode"].fillna("").tolist() == ["", "ATTACHMENT_MISSING", "", "EMAIL_INVALID"]
    gone = platform.queued[tried:]
    assert {one.recipient: [name for name, *_ in one.attachments] for one in gone} == {
        "ann@example.org": ["dates.txt", "A1.pdf"],
        "cy@example.org": ["dates.txt", "A3.pdf"],
    }
    assert "me@example.org" not in json.dumps(widgets.Widget.get_manager_state(), default=repr)
    find(form, "gcb-again").click()
    assert find(form, "gcb-subject").value == find(form, "gcb-letter").value == ""
    assert "dates.txt" not in words_of(form, "gcb-attached")


@pytest.mark.parametrize(("status", "word"), [("accepted", "done"), ("invalid", "done"), ("not_sent", "stopped")])
def test_a_run_that_holds_rows_back_is_not_done(status: str, word: str) -> None:
    results = pd.DataFrame({"Status": ["accepted", status]})
    assert Ended(results, [], "", stopped=False).word(stopped_by_hand=False) == word


def test_whoever_may_have_it_is_to_be_settled_before_the_list_of_those_not_told_is_sent() -> None:
    assert "may have it already" in _who_was_missed(Summary(3, {"accepted": 1, "unknown": 2}, {}, 1))
    assert "may have it already" not in _who_was_missed(Summary(3, {"accepted": 1, "invalid": 2}, {}, 1))


def test_a_subject_or_a_folder_that_cannot_be_used_is_told_beside_its_field(
    forms: list[SendForm], tmp_path: Path
) -> None:
    form = SendForm(FAMILIES, channel="email", sandbox=True, **WORDS)
    forms.append(form)
    assert find(form, "gcb-letter-format").label == "as it looks: plain text, or HTML"
    find(form, "gcb-subject").value = "x" * 256
    assert "The subject has 256 characters; 255 can be sent." in words_of(form, "gcb-subject-notice")
    find(form, "gcb-subject").value = "News"
    assert words_of(form, "gcb-subject-notice") == ""
    find(form, "gcb-letter").value = "letter.md"
    assert form.wait()
    assert "Copy what is in the file into the box" in words_of(form, "gcb-message-notice")
    find(form, "gcb-letter").value = "Enclosed."
    file, empty = tmp_path / "a.pdf", tmp_path / "empty"
    file.write_bytes(b"%PDF-1.4")
    empty.mkdir()
    for folder, why in (
        (tmp_path / "nowhere", "There is no folder"),
        (file, "is no folder"),
        (empty, "is empty"),
        ("a\0b", "cannot be looked into"),
    ):
        find(form, "gcb-attach-folder").value = str(folder)
        assert why in words_of(form, "gcb-attach-folder-notice")
        assert form.wait()
        assert find(form, "gcb-send").disabled
    find(form, "gcb-attach-folder").value = str(tmp_path)
    assert words_of(form, "gcb-attach-folder-notice") == ""


def test_a_file_that_no_email_can_carry_is_told_and_not_kept(platform: Sandbox, forms: list[SendForm]) -> None:
    form = SendForm(FAMILIES, channel="email", **WORDS)
    forms.append(form)
    for name, content, why in (
        ("letter.pdf", b"\x89PNG\r\n\x1a\n", "letter.pdf is no PDF, whatever its ending says."),
        ("nothing.txt", b"", "nothing.txt is empty."),
        ("run.exe", b"MZ", "run.exe is of a kind that cannot go with an email"),
    ):
        upload(find(form, "gcb-attach"), name, content)
        assert form.wait()
        assert why in words_of(form, "gcb-attach-notice")
    kept = Path(form._desk.keep_file("dates.txt", b"18 December"))
    assert [one.name for one in kept.parent.parent.iterdir() if one.is_dir()] == [kept.parent.name]
    assert kept.read_bytes() == b"18 December"


def test_a_text_where_it_can_be_else_an_email(platform: Sandbox, forms: list[SendForm]) -> None:
    form = SendForm(FAMILIES, "Dear {{ name }}, closed.", campaign="snow", price_per_part=0.04)
    forms.append(form)
    assert form.wait()
    few = len(list(everything(form)))
    find(form, "gcb-channel").value = "either"
    assert form.wait()
    assert "there is no subject yet" in words_of(form, "gcb-preview")
    assert find(form, "gcb-send").disabled
    find(form, "gcb-subject").value = "News"
    find(form, "gcb-letter").value = "Dear {{ name }}, school is **closed**."
    find(form, "gcb-letter-format").value = "markdown"
    assert form.wait()
    assert "4 rows with a good number or address" in words_of(form, "gcb-counts")
    told = words_of(form, "gcb-sentence")
    assert "Sends 2 texts, 2 parts, £0.08, to 2 numbers, and 2 emails to 2 addresses from school 1469 now." in told
    assert find(form, "gcb-send").description == "Send 2 texts and 2 emails"
    find(form, "gcb-next-row").click()
    assert "Row 2 (2 of 4), to b•••@example.org" in find(form, "gcb-preview").value
    assert "&lt;strong&gt;closed" in find(form, "gcb-preview").value
    tick_and_send(form)
    assert form.wait()
    results = form.results
    assert results is not None
    assert results["SentAs"].tolist() == ["sms", "email", "email", "sms"]
    assert (results["Status"] == "accepted").all()
    assert results.index.equals(FAMILIES.index)
    assert [one.recipient for one in platform.queued] == [
        *("+447700900123", "+447700900124", "bob@example.org", "cy@example.org")
    ]
    again = SendForm(FAMILIES, "Dear {{ name }}, closed.", campaign="snow", channel="either")
    forms.append(again)
    assert again.wait()
    assert again.results is not None
    assert again.results["SentAs"].tolist() == results["SentAs"].tolist()
    find(form, "gcb-again").click()
    find(form, "gcb-channel").value = "sms"
    find(form, "gcb-message").value = "Dear {{ name }}, open."
    assert form.wait()
    assert "Sends 2 texts, 2 parts, £0.08, to 2 numbers from school 1469 now." in words_of(form, "gcb-sentence")
    assert len(list(everything(form))) <= few + 1


def test_a_stop_holds_the_emails_too_and_the_rest_of_both_goes_later(
    monkeypatch: pytest.MonkeyPatch, forms: list[SendForm]
) -> None:
    under_way, go_on = threading.Event(), threading.Event()

    def on_call(call: Call) -> str | None:
        if call.number == 2:  # the first asks about the key
            under_way.set()
            go_on.wait(30)
        return None

    with Sandbox(on_call=on_call) as server:
        monkeypatch.setenv("GCBULK_BASE_URL", server.url)
        monkeypatch.setenv("GCBULK_CUSTOMER_ID", server.customer_id)
        monkeypatch.setenv("GCBULK_API_KEY", server.api_key)
        form = SendForm(FAMILIES, TEXT, channel="either", chunk_size=1, **WORDS)
        forms.append(form)
        tick_and_send(form)
        assert under_way.wait(30)
        find(form, "gcb-stop").click()
        go_on.set()
        assert form.wait()
        assert "gcb-word-stopped" in find(form, "gcb-status").value
        assert form.results is not None
        assert form.results["Status"].tolist() == ["accepted", "not_sent", "not_sent", "not_sent"]
        find(form, "gcb-resume").click()
        assert form.wait()
        assert (form.results["Status"] == "accepted").all()
        assert len({one.recipient for one in server.queued}) == len(server.queued) == 4
        assert "gcb-word-done" in find(form, "gcb-status").value
