"""Delivery as people look at it: results, watching, the report, history, dead numbers, trying again."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import gcbulk
from gcbulk.campaign import watching
from gcbulk.campaign.journal import Journal, callback_token, memory, note_receiver
from gcbulk.campaign.plots import delivery_chart
from gcbulk.campaign.receiving import Receiver
from gcbulk.campaign.results import summarise
from gcbulk.errors import CampaignError, OptionError
from gcbulk.form.results import _who_was_missed
from gcbulk.sandbox import Sandbox
from tests.test_cli import Ended, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["run"]  # a fixture

URL = "http://127.0.0.1:9/news"
HOSTILE = "<script>alert('x')</script>&\"'<img src=http://127.0.0.1:9/x onerror=alert(1)>"


@pytest.fixture
def listened(platform: Sandbox) -> Sandbox:
    """The platform, and a journal that a receiver was started on."""
    with Journal() as book:
        note_receiver(book, URL)
    return platform


def send(name: str, *numbers: str, message: str = "School is closed.", **options: Any) -> pd.DataFrame:
    people = pd.DataFrame({"mobile": numbers, "name": [f"Parent {n}" for n in range(len(numbers))]})
    return gcbulk.send_sms(people, message, campaign=name, callback_url=URL, progress=False, **options)


def tell(name: str, *news: str | dict[str, Any] | None) -> None:
    """Bring news of a campaign, row by row: a status, or more fields of the callback."""
    refs = gcbulk.campaign_results(name)["ClientRef"].tolist()
    with Journal() as book:
        receiver = Receiver(book)
        campaign = receiver.admits(callback_token(book, book.campaign(name), URL))
        assert isinstance(campaign, int)
        for ref, said in zip(refs, news, strict=False):
            if said is not None:
                body = {"ClientRef": ref, "Units": 1, **({"Status": said} if isinstance(said, str) else said)}
                assert receiver.take(campaign, json.dumps(body).encode(), {}).status == 200


NUMBERS = ("07700 900101", "07700 900102", "07700 900103", "07700 900104", "not a number")
NEWS = ("Delivered", {"Status": "Failed", "err": "Absent subscriber"}, {"Status": "Expired", "Units": 3}, None)


@pytest.mark.usefixtures("listened")
def test_results_carry_delivery() -> None:
    sent = send("trip", *NUMBERS)
    assert sent["DeliveryStatus"].fillna("").tolist() == ["pending"] * 4 + [""]
    tell("trip", *NEWS)
    results = gcbulk.campaign_results("trip")
    assert results["DeliveryStatus"].fillna("").tolist() == ["delivered", "failed", "expired", "pending", ""]
    assert results["DeliveryError"].fillna("").tolist() == ["", "Absent subscriber", "", "", ""]
    assert results["UnitsBilled"].fillna(0).tolist() == [1, 1, 3, 0, 0]
    assert results["DeliveredAt"].notna().tolist() == [True, False, False, False, False]
    assert [str(results[name].dtype) for name in results.columns[-4:]] == [
        "str",
        "datetime64[us, UTC]",
        "str",
        "Int64",
    ]
    again = gcbulk.validate(results.assign(mobile="07700 900101"))
    assert "DeliveryStatus" not in again.columns


@pytest.mark.usefixtures("listened")
def test_the_command_counts_delivery(run: Callable[..., Ended]) -> None:
    send("trip", *NUMBERS)
    tell("trip", *NEWS)
    ended = run("results", "trip", "--json", "--out", "r.csv")
    assert ended.data["delivery"] == {"delivered": 1, "failed": 1, "expired": 1, "pending": 1}
    assert "Delivery: 1 delivered, 1 failed, 1 expired, 1 pending" in ended.err
    assert "Did not arrive: 2 texts were accepted but failed or expired" in ended.err


@pytest.mark.usefixtures("listened")
def test_nobody_is_said_to_be_told_whose_text_did_not_arrive() -> None:
    results = send("trip", *NUMBERS[:2])
    assert "Everybody who was to be told was told" in str(summarise(results))
    assert "Everybody" in _who_was_missed(summarise(results))
    assert "Did not arrive" not in gcbulk.report("trip").html
    tell("trip", "Delivered", "Failed")
    results = gcbulk.campaign_results("trip")
    assert "Everybody" not in str(summarise(results)) + _who_was_missed(summarise(results))
    assert "Did not arrive: 1 text was accepted but failed or expired" in str(summarise(results))
    assert "Texts that did not arrive: 1<" in _who_was_missed(summarise(results))
    assert "Did not arrive, by the delivery news1" in Page(gcbulk.report("trip").html).text


@pytest.mark.usefixtures("listened")
def test_watching_ends_when_nothing_is_on_its_way(run: Callable[..., Ended]) -> None:
    send("trip", *NUMBERS[:3])
    waits: list[float] = []

    def news_comes(seconds: float) -> None:
        waits.append(seconds)
        tell(
            "trip",
            *[("Sent", "Sent", "Sent"), ("Delivered", None, "Failed"), (None, "Delivered", None)][len(waits) - 1],
        )

    results = gcbulk.watch("trip", sleep=news_comes)
    assert waits == [watching.WATCH_EVERY] * 3
    assert results["DeliveryStatus"].tolist() == ["delivered", "delivered", "failed"]
    ended = run("results", "trip", "--watch", "--json")
    assert ended.code == 0
    assert ended.data["delivery"] == {"delivered": 2, "failed": 1}


@pytest.mark.usefixtures("listened")
def test_watching_ends_in_time_or_when_interrupted() -> None:
    send("trip", *NUMBERS[:3])
    clock = iter(range(0, 10_000, 7))
    results = gcbulk.watch("trip", seconds=30, sleep=lambda _s: None, clock=lambda: float(next(clock)))
    assert set(results["DeliveryStatus"]) == {"pending"}

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    assert len(gcbulk.watch("trip", sleep=interrupt)) == 3
    gcbulk.send_sms(pd.DataFrame({"mobile": ["07700 900150"]}), "Hi", campaign="deaf", progress=False)
    with pytest.raises(CampaignError, match="sent without callback_url"):
        gcbulk.watch("deaf")


@pytest.mark.usefixtures("listened")
def test_the_chart_ends_at_what_was_delivered() -> None:
    send("trip", *NUMBERS)
    (axes,) = delivery_chart(gcbulk.campaign_results("trip")).axes
    assert axes.get_title() == "0 of 4 accepted texts delivered"
    tell("trip", "Delivered", "Delivered", "Failed")
    (axes,) = delivery_chart(gcbulk.campaign_results("trip")).axes
    assert axes.get_title() == "2 of 4 accepted texts delivered"
    assert axes.lines[0].get_ydata()[-1] == 2
    assert axes.get_xlabel() == "UK time"


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.filterwarnings("ignore::gcbulk.errors.GcbulkWarning")  # that the texts look like mistakes
@pytest.mark.usefixtures("listened")
def test_the_report_is_one_page_that_shows_hostile_words_as_text(run: Callable[..., Ended], tmp_path: Path) -> None:
    name = f"trip {HOSTILE}"
    people = pd.DataFrame({"mobile": NUMBERS, "name": [HOSTILE] * 5})
    gcbulk.send_sms(people, "Dear {{ name }}", campaign=name, callback_url=URL, progress=False, sender="OakSchool")
    tell(
        name,
        {"Status": "Delivered", "Units": 2},
        {"Status": HOSTILE, "err": HOSTILE},
        {"Status": "Failed", "err": "<i>"},
    )
    ended = run("results", name, "--report", "report.html")
    assert ended.code == 0, ended.err
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "tr", "th", "td", "pre", "img"),
    }
    sources = [value for _, attrs in page.tags for key, value in attrs.items() if key in ("src", "href", "srcset")]
    assert all(str(source).startswith("data:") for source in sources)
    assert not [key for _, attrs in page.tags for key in attrs if key.startswith("on")]
    assert page.text.count(HOSTILE) >= 4
    assert not re.search(r"7700\s?9001", html)
    words = " ".join(page.text.split())
    assert "SMS parts billed, as far as was reported4 for 3 texts, where 3 were planned" in words
    assert "half of them within" in words
    assert re.search(r"Begun\d+ \w+ \d{4} at \d\d:\d\d UK time", page.text)
    assert "Not reached" in words
    assert "School" in words
    report = gcbulk.report(name)
    assert report.html == html
    assert HOSTILE not in report._repr_html_()


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("phone off +447700900124", "phone off •••124"),
        ("07700 900 124 is barred", "•••124 is barred"),
        ("no route to tel:+44-7700/900.124, code 27", "no route to tel:•••124, code 27"),
        ("MSISDN447700900124", "MSISDN•••124"),
        ("(00 44) 7700_900124", "(•••124"),
        ("٠٧٧٠٠٩٠٠١٢٤", "•••١٢٤"),
        ("Absent subscriber 27", "Absent subscriber 27"),
    ],
)
@pytest.mark.usefixtures("listened")
def test_the_report_masks_numbers_in_the_platform_s_reasons(reason: str, shown: str) -> None:
    send("trip", *NUMBERS[:2])
    tell("trip", {"Status": "Failed", "err": reason}, {"Status": reason})
    text = Page(gcbulk.report("trip").html).text
    assert text.count(shown) == 3  # by reason, and the failed one by row
    assert shown == reason or reason not in text


@pytest.mark.usefixtures("platform")
def test_a_report_without_news_says_so(tmp_path: Path) -> None:
    gcbulk.send_sms(pd.DataFrame({"mobile": NUMBERS}), "Hi", campaign="deaf", progress=False)
    report = gcbulk.report("deaf")
    assert "sent without a callback URL" in report.html
    report.save(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == report.html


@pytest.mark.usefixtures("listened")
def test_history_and_dead_numbers(run: Callable[..., Ended], tmp_path: Path) -> None:
    stories = [  # of four numbers, campaign by campaign
        ("Failed", "Failed", "Delivered", "Failed"),
        ("Failed", "Delivered", "Failed", "Sent"),
        ("Expired", "Failed", "Failed", None),
        (None, "Failed", "Failed", "Failed"),
        ("Failed", "Failed", "Failed", "Failed"),
    ]
    for number, story in enumerate(stories):
        send(f"week {number}", *NUMBERS[:4], message=f"Text {number}\nfor {{{{ name }}}}")
        tell(f"week {number}", *story)
    dead = gcbulk.dead_numbers()
    assert dict(zip(dead["SentTo"], dead["Campaigns"], strict=True)) == {
        "+447700900101": 4,
        "+447700900103": 4,
        "+447700900102": 3,
        "+447700900104": 3,
    }
    assert set(dead["LastCampaign"]) == {"week 4"}
    assert gcbulk.dead_numbers(4)["SentTo"].tolist() == ["+447700900101", "+447700900103"]
    assert gcbulk.dead_numbers(6).empty
    everything = gcbulk.history()
    assert len(everything) == 20
    assert everything["Campaign"].unique().tolist() == [f"week {n}" for n in range(5)]
    assert gcbulk.history(since="2999-01-01").empty
    assert len(gcbulk.history(since="2020-01-01")) == 20
    mine = gcbulk.history(number="07700 900 102")
    assert mine["Text"].tolist() == [f"Text {n}\nfor Parent 1" for n in range(5)]
    assert gcbulk.history(number="07700 900999").empty
    for wrong in ("soon", 7):
        with pytest.raises(OptionError, match="since must be a date"):
            gcbulk.history(since=wrong)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="number cannot be looked up"):
        gcbulk.history(number="nobody")
    shown = run("history", "--dead", "4").out
    assert "+44 7700 •••101" in shown
    assert "900101" not in shown
    assert run("history", "--dead", "4", "--out", "dead.csv").code == 0
    assert (tmp_path / "dead.csv").read_text(encoding="utf-8-sig").splitlines()[0] == (
        "SentTo,Campaigns,LastCampaign,LastReason"
    )
    shown = run("history", "--number", "+44 7700 900102").out
    assert "campaign 'week 1': accepted, delivered\n    Text 1\n    for Parent 1" in shown
    shown = run("history").out
    assert "week 0" in shown
    assert not re.search(r"7700\s?9001", shown)  # whole numbers only where they are asked for
    assert re.search(r"week 4 +4 +4 ", shown)
    assert run("history", "--out", "all.csv").code == 0
    assert "+447700900102" in (tmp_path / "all.csv").read_text(encoding="utf-8-sig")
    assert "There is nothing of this" in run("history", "--since", "2999-01-01").out
    assert run("history", "--dead", "0").code == 2
    assert run("history", "--dead", "1", "--number", "07700 900102").code == 2


@pytest.mark.filterwarnings("ignore::gcbulk.errors.GcbulkWarning")
def test_what_failed_is_tried_again_after_a_look(
    listened: Sandbox, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "REPEAT_SECONDS", 0.0)
    text = "Dear {{ name }},\n  {% raw %}{{ not a field }}{% endraw %} “it’s” 50 % off & <b>"
    send("trip", *NUMBERS, message=text)
    with pytest.raises(CampaignError, match="nothing that failed or expired"):
        gcbulk.retry_undelivered("trip")
    tell("trip", *NEWS)
    retry = gcbulk.retry_undelivered("trip", progress=False)
    assert len(listened.queued) == 4
    assert retry.preview.summary()["texts"] == 2
    assert "Nothing has been sent" in repr(retry)
    assert "900102" not in repr(retry) + retry._repr_html_()
    results = retry.send()
    assert results["Status"].tolist() == ["accepted", "accepted"]
    assert results.index.tolist() == [1, 2]
    assert results["DeliveryStatus"].tolist() == ["pending", "pending"]
    before = {entry.recipient: entry.text for entry in listened.queued[:4]}
    assert {entry.recipient: entry.text for entry in listened.queued[4:]} == {
        number: before[number] for number in ("+447700900102", "+447700900103")
    }
    with pytest.raises(CampaignError, match="went again in a later campaign"):
        gcbulk.retry_undelivered("trip")
    assert run("retry-undelivered", "trip", "--yes").code == 2
    name = results.attrs["campaign"]
    assert re.fullmatch(r"trip \(again \d{4}-\d\d-\d\d\)", name)
    tell(name, "Failed", "Delivered")
    assert "no terminal to ask at" in run("retry-undelivered", name).complaint
    ended = run("retry-undelivered", name, "--yes", "--json", "--name", "third")
    assert ended.data["statuses"] == {"accepted": 1}
    assert len(listened.queued) == 7


@pytest.mark.usefixtures("listened")
def test_news_that_comes_after_the_look_is_heeded(
    platform: Sandbox, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "REPEAT_SECONDS", 0.0)
    send("trip", *NUMBERS)
    tell("trip", *NEWS)
    retry = gcbulk.retry_undelivered("trip", progress=False)
    tell("trip", None, "Delivered")
    with pytest.warns(gcbulk.GcbulkWarning, match="1 of the 2 texts is not sent again"):
        results = retry.send()
    assert results.index.tolist() == [2]
    assert [entry.recipient for entry in platform.queued[4:]] == ["+447700900103"]
    send("walk", *NUMBERS[:1], message="Bring boots.")
    tell("walk", "Failed")

    def delivered_while_asked(_question: str) -> None:
        tell("walk", "Delivered")

    monkeypatch.setattr("gcbulk.cli.commands.retry_undelivered.ask", delivered_while_asked)
    ended = run("retry-undelivered", "walk")
    assert ended.code == 2
    assert "Nothing of campaign 'walk' is left to send again" in ended.complaint
    assert len(platform.queued) == 6


@pytest.mark.parametrize(("client", "complaint"), [("customer", "belongs to customer"), ("address", "was begun at")])
def test_a_retry_stays_with_its_campaign_s_customer_and_address(
    client: str, complaint: str, listened: Sandbox, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "REPEAT_SECONDS", 0.0)
    send("trip", *NUMBERS)
    tell("trip", *NEWS)
    with Sandbox() as other:
        url = other.url if client == "address" else listened.url
        customer = "9999" if client == "customer" else listened.customer_id
        api = gcbulk.CommunicationsClient(customer, listened.api_key, base_url=url)
        with api, pytest.raises(CampaignError, match=complaint):
            gcbulk.retry_undelivered("trip", client=api, progress=False)
        monkeypatch.setenv("GCBULK_CUSTOMER_ID", customer)
        monkeypatch.setenv("GCBULK_BASE_URL", url)
        with pytest.raises(CampaignError, match=complaint):
            gcbulk.retry_undelivered("trip", progress=False).send()
        ended = run("retry-undelivered", "trip", "--yes")
        assert ended.code == 2
        assert complaint in ended.complaint
        assert other.queued == []
    assert len(listened.queued) == 4


@pytest.mark.usefixtures("listened")
def test_a_retry_within_ten_minutes_is_told_to_wait() -> None:
    send("trip", *NUMBERS)
    tell("trip", *NEWS)
    shown = str(gcbulk.retry_undelivered("trip", progress=False).preview)
    assert "Wait, then try again." in shown
    assert "on purpose, use repeat=True" not in shown
