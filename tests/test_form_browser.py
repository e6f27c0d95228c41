"""The form in a real browser, through Voilà: every step, and what may go wrong at each."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import psutil
import pytest
from PIL import Image

import gcbulk
from gcbulk.sandbox import Call, Sandbox
from tests.browser import browser, new_page, printed_address, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "sample_data" / "recipients.csv"
WORKBOOK = ROOT / "sample_data" / "absent-today.xlsx"
FAMILIES = ROOT / "sample_data" / "families.csv"
OPT_OUTS = ROOT / "sample_data" / "opt-outs.csv"


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    with browser() as found:
        yield found


class Gate:
    """Holds the stand-in's answers from some call on until it is opened: a send is under way for as long as needed."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._first = sys.maxsize
        self.open()

    def close_after(self, calls: int) -> None:
        """Answer the calls that are held and so many more, and no other."""
        held, self._open = self._open, threading.Event()
        self._first = calls
        held.set()

    def open(self) -> None:
        """Answer every call."""
        self._open.set()

    def __call__(self, _call: Call) -> str | None:
        self._first -= 1
        if self._first < 0:
            self._open.wait(25)
        return None


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate()


@pytest.fixture(scope="module")
def platform(opened: Browser, gate: Gate) -> Iterator[Sandbox]:
    """One stand-in, in this process, so that the tests can see what it was sent."""
    with Sandbox(hang_seconds=2.0, on_call=gate) as server:
        yield server


@pytest.fixture(scope="module")
def served(platform: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The command's own page: its address, and the server's process id."""
    folder = tmp_path_factory.mktemp("form")
    settings = {
        "GCBULK_BASE_URL": platform.url,
        "GCBULK_CUSTOMER_ID": platform.customer_id,
        "GCBULK_API_KEY": platform.api_key,
        "GCBULK_HOME": str(folder / "home"),
    }
    command = [sys.executable, "-m", "gcbulk", "form", "--no-browser"]
    with started(command, folder, settings, folder) as (process, out):
        yield printed_address(process, out), process.pid


@pytest.fixture
def page(opened: Browser, platform: Sandbox, gate: Gate, served: tuple[str, int]) -> Iterator[Page]:
    """The form, just opened; the stand-in has forgotten what came before, and answers at once."""
    platform.latency = 0.0
    platform.reset()
    with new_page(opened) as found:
        found.goto(served[0])
        is_live(found)
        yield found
        platform.latency = 0.0
        gate.open()


def is_live(page: Page) -> None:
    from playwright.sync_api import expect

    expect(page.locator(".gcb-upload button")).to_be_visible()


def choose(page: Page, file: Path | dict[str, object], name: str = "gcb-upload") -> None:
    with page.expect_file_chooser() as chooser:
        page.locator(f".{name} button").click()
    chooser.value.set_files(file)  # type: ignore[arg-type]


def people(rows: int, **more: str) -> dict[str, object]:
    """A file of people whose numbers are all in order and all different, as far as there are numbers for drama."""
    frame = pd.DataFrame(
        {
            "Parent Name": [f"Parent {n}" for n in range(rows)],
            "Mobile": [f"07700 900{n % 899 + 1:03}" for n in range(rows)],
            **more,
        }
    )
    return {"name": "people.csv", "mimeType": "text/csv", "buffer": frame.to_csv(index=False).encode()}


def write(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)


def confirm_and_send(page: Page) -> None:
    """Tick and send; once more where the tick was taken back, for what will happen was worked out anew meanwhile."""
    from playwright.sync_api import Error, expect

    for last in (False, False, True):
        try:
            page.locator(".gcb-confirm input").check(timeout=15_000)
            expect(page.locator(".gcb-send")).to_be_enabled(timeout=15_000)
            page.locator(".gcb-send").click(timeout=15_000)
            expect(page.locator(".gcb-status")).not_to_be_empty(timeout=15_000)
        except (Error, AssertionError):
            if last:
                raise
        else:
            return


def has_ended(page: Page, word: str) -> None:
    from playwright.sync_api import expect

    expect(page.locator(".gcb-status")).to_have_text(re.compile(rf"^\s*{word}\b"))


def picture(page: Page, step: str, name: str) -> None:
    """Keep a small picture of a step where GCBULK_SCREENSHOTS names a folder, to be looked at, and for docs/."""
    folder = os.environ.get("GCBULK_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.set_viewport_size({"width": 1024, "height": 3200})  # the page scrolls inside, which would cut it off
        taken = page.locator(f".gcb-step-{step}").screenshot(animations="disabled")
        page.set_viewport_size({"width": 1024, "height": 900})
        image = Image.open(io.BytesIO(taken)).convert("RGB")
        image.crop((0, 0, image.width, min(image.height, 1000))).quantize(48).save(
            Path(folder) / f"{name}.png", optimize=True
        )


def fits(page: Page) -> None:
    """Nothing sticks out of a window of 1,024 pixels."""
    assert page.evaluate("document.documentElement.scrollWidth") <= 1024


def test_every_step_from_the_sample_to_the_downloaded_results(page: Page, platform: Sandbox, gate: Gate) -> None:
    from playwright.sync_api import expect

    picture(page, "recipients", "1-opened")
    choose(page, SAMPLE)
    counts = page.locator(".gcb-counts")
    expect(counts).to_contain_text("20 to mend")
    expect(counts).to_contain_text("278 rows with a good number")
    expect(page.locator(".gcb-column select")).to_have_value(re.compile("."))
    choose(page, OPT_OUTS, "gcb-optouts")
    expect(counts).to_contain_text("3 opted out")
    expect(counts).to_contain_text("275 rows with a good number")
    expect(page.locator(".gcb-mend tbody tr")).to_have_count(10)
    with page.expect_download() as download:
        page.locator(".gcb-download-mend").click()
    mend = pd.read_csv(download.value.path(), dtype="str")
    assert len(mend) == 20
    assert mend["ErrorCode"].notna().all()
    picture(page, "recipients", "2-recipients")
    fits(page)

    write(page, "Dear ")
    page.get_by_role("button", name="Parent Name").click()
    area = page.get_by_label("Message", exact=True)
    expect(area).to_have_value("Dear {{ parent_name }}")
    area.press_sequentially(", school is closed today.")
    parts = page.locator(".gcb-parts")
    expect(parts).to_contain_text("This text: 42 characters, 1 part.")
    expect(parts).to_contain_text("All 225 texts: 225 parts.")
    preview = page.locator(".gcb-preview")
    expect(preview).to_contain_text("Dear Miss Adeyemi, school is closed today.")
    page.locator(".gcb-next-row").click()
    expect(preview).to_contain_text("Dear Miss Ap Rhys, school is closed today.")
    expect(preview).to_contain_text("+44 7700 •••469")
    area.press_sequentially(" " + "Please fetch your children. " * 5)
    expect(parts).to_contain_text("2 parts.")
    write(page, "Dear {{ parent_nam }}")
    expect(page.locator(".gcb-message-notice")).to_contain_text("did you mean {{ parent_name }}")
    expect(preview).to_contain_text("Nothing to preview: put right what is marked above.")
    expect(preview).not_to_contain_text("Dear Miss")
    expect(page.locator(".gcb-next-row")).to_be_disabled()
    expect(page.locator(".gcb-send")).not_to_be_visible()
    write(page, "Dear {{ parent_name }}, {{ forename }} is not in school today. Please call the office.")
    expect(page.locator(".gcb-message-notice")).not_to_be_visible()
    expect(page.locator(".gcb-ready")).to_have_text(
        "Ready to send: 271 of 275 rows with a good number. Left out: 4 (a field is blank)."
    )
    picture(page, "message", "3-message")

    expect(page.locator(".gcb-sentence")).to_contain_text("Sends 27")
    expect(page.locator(".gcb-sentence")).to_contain_text("from school 1469 now")
    expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
    expect(page.locator(".gcb-send")).to_be_disabled()
    picture(page, "check", "4-check")
    fits(page)

    platform.latency = 0.5
    confirm_and_send(page)
    expect(page.locator(".gcb-progress")).to_contain_text(
        re.compile(r"[1-9]\d* of 2\d\d texts: [1-9]\d* accepted; about")
    )
    picture(page, "send", "5-send")
    gate.open()
    has_ended(page, "done")
    expect(page.locator(".gcb-results .gcb-chart")).to_be_visible()
    assert page.evaluate("document.querySelector('.gcb-results .gcb-chart').naturalWidth") > 300
    expect(page.locator(".gcb-search-table tbody tr")).to_have_count(15)
    expect(page.locator(".gcb-table-where")).to_have_text("Rows 1 to 15 of 300")
    page.locator(".gcb-rows-on").click()
    expect(page.locator(".gcb-table-where")).to_have_text("Rows 16 to 30 of 300")
    page.get_by_label("Search the rows").fill("number_missing")
    expect(page.locator(".gcb-table-where")).to_have_text("Rows 1 to 11 of 11")
    expect(page.locator(".gcb-search-table tbody tr")).to_have_count(11)
    picture(page, "results", "6-results")
    fits(page)
    with page.expect_download() as download:
        page.locator(".gcb-download").click()
    results = pd.read_csv(download.value.path(), dtype="str")
    assert len(results) == 300
    told = results[results["Status"] == "accepted"]
    queued = pd.DataFrame([(q.message_id, q.recipient, q.text, q.client_ref) for q in platform.queued])
    queued.columns = ["MessageId", "SentTo", "Text", "ClientRef"]
    joined = told.merge(queued, on="MessageId", validate="one_to_one")
    assert len(joined) == len(told) == len(queued) > 250
    assert (joined["SentTo_x"] == joined["SentTo_y"]).all()
    assert (joined["ClientRef_x"] == joined["ClientRef_y"]).all()
    texts = (
        "Dear " + joined["Parent Name"] + ", " + joined["Forename"] + " is not in school today. Please call the office."
    )
    assert (joined["Text"] == texts).all()
    with page.expect_download() as download:
        page.locator(".gcb-download-xlsx").click()
    assert download.value.suggested_filename == "results.xlsx"
    pd.testing.assert_frame_equal(pd.read_excel(download.value.path(), dtype="str", engine="openpyxl"), results)
    with page.expect_download() as download:
        page.locator(".gcb-download-not-told").click()
    missed = pd.read_csv(download.value.path(), dtype="str")
    assert list(missed.columns) == list(pd.read_csv(SAMPLE, dtype="str").columns)
    assert len(missed) == int(results["Status"].isin(["invalid", "rejected", "not_sent", "unknown"]).sum())
    shown = page.content()
    assert platform.api_key not in shown
    assert not re.search(r"\+447700\d{6}|07700 ?900 ?\d{3}", shown)


def test_plain_selectors_do_for_whoever_tests_it_from_outside(page: Page, platform: Sandbox) -> None:
    """Each widget by its class alone, clicked in its middle: a workbook, its two columns of numbers, a test, a send."""
    from playwright.sync_api import expect

    with page.expect_file_chooser() as chooser:
        page.locator(".gcb-upload").click()
    chooser.value.set_files(WORKBOOK)
    expect(page.locator(".gcb-column-notice")).to_contain_text("could be in several columns")
    page.locator(".gcb-column select").select_option("Parent 1 Mobile, or else Parent 2 Mobile")
    expect(page.locator(".gcb-counts")).to_contain_text("rows with a good number")
    with page.expect_file_chooser() as chooser:
        page.locator(".gcb-optouts").click()
    chooser.value.set_files(OPT_OUTS)
    page.locator(".gcb-upload input[type=file]").set_input_files(WORKBOOK)
    page.locator(".gcb-column select").select_option("Parent 1 Mobile, or else Parent 2 Mobile")
    page.locator(".gcb-message textarea").fill("((forename)) is not in school today.")
    expect(page.locator(".gcb-findings")).to_contain_text("Did you mean {{ forename }}?")
    expect(page.locator(".gcb-findings")).to_contain_text("Look")
    page.locator(".gcb-message textarea").fill("{{ forename }} is not in school today.")
    expect(page.locator(".gcb-findings")).not_to_contain_text("Did you mean")
    expect(page.locator(".gcb-parts")).to_contain_text("All ")
    before = page.locator(".gcb-preview").inner_text()
    page.locator(".gcb-next-row").click()
    expect(page.locator(".gcb-preview")).not_to_have_text(before)
    page.locator(".gcb-price input").fill("0.04")
    expect(page.locator(".gcb-sentence")).to_contain_text(
        re.compile(r"Sends \d+ texts, \d+ parts, £0\.\d\d, to \d+ numbers from school 1469 now")
    )
    page.locator(".gcb-sender input").fill("Oak School")
    expect(page.locator(".gcb-sender-notice")).to_contain_text("up to 11 letters")
    expect(page.locator(".gcb-send")).not_to_be_visible()
    page.locator(".gcb-sender input").fill("OakSchool")
    expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
    page.locator(".gcb-test-to input").fill("07700 900999")
    page.locator(".gcb-test").click()
    expect(page.locator(".gcb-test-notice")).to_contain_text("and for nobody else")
    tried = len(platform.queued)
    assert {queued.recipient for queued in platform.queued} == {"+447700900999"}
    page.locator(".gcb-confirm input[type=checkbox]").check()
    expect(page.locator(".gcb-send")).to_be_enabled()
    page.locator(".gcb-send").click()
    has_ended(page, "done")
    assert len(platform.queued) > tried
    rows = page.locator(".gcb-results table.dataframe tbody tr")
    expect(rows).to_have_count(13)
    with page.expect_download() as download:
        page.locator(".gcb-download").click()
    results = pd.read_csv(download.value.path(), dtype="str")
    assert (results["Status"] == "accepted").sum() == len(platform.queued) - tried
    fits(page)


def test_a_stop_is_clean_and_the_rest_goes_later(page: Page, platform: Sandbox, gate: Gate) -> None:
    from playwright.sync_api import expect

    choose(page, people(300))
    expect(page.locator(".gcb-counts")).to_contain_text("300 rows with a good number")
    write(page, "Dear {{ parent_name }}, the trip is off.")
    expect(page.locator(".gcb-sentence")).to_contain_text("Sends 300 texts, 300 parts, to 300 numbers")
    expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
    gate.close_after(3)
    confirm_and_send(page)
    expect(page.locator(".gcb-progress")).to_contain_text(re.compile(r"[1-9]\d* of 300"))
    page.locator(".gcb-stop").click()
    expect(page.locator(".gcb-stop")).to_have_text("Stopping ...")
    gate.open()
    has_ended(page, "stopped")
    went = len(platform.queued)
    assert 0 < went < 300
    expect(page.locator(".gcb-status")).to_contain_text(f"{went} of 300 rows accepted, {300 - went} not sent yet")
    page.locator(".gcb-resume").click()
    has_ended(page, "done")
    expect(page.locator(".gcb-status")).to_contain_text("300 of 300 rows accepted")
    assert len({q.recipient for q in platform.queued}) == len(platform.queued) == 300


def test_a_double_click_sends_once_and_so_does_the_same_list_again(page: Page, platform: Sandbox) -> None:
    from playwright.sync_api import expect

    choose(page, people(40))
    write(page, "Dear {{ parent_name }}, the fair is on.")
    expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
    expect(page.locator(".gcb-sentence")).to_contain_text("Sends 40 texts")
    page.locator(".gcb-confirm input").check()
    expect(page.locator(".gcb-send")).to_be_enabled()
    platform.latency = 0.3
    page.locator(".gcb-send").dblclick()
    has_ended(page, "done")
    assert len(platform.queued) == 40

    page.reload()
    is_live(page)
    choose(page, people(40))
    write(page, "Dear {{ parent_name }}, the fair is on.")
    expect(page.locator(".gcb-sentence")).to_contain_text("There is nobody to send this to")
    expect(page.locator(".gcb-plan")).to_contain_text("ALREADY_SENT")
    expect(page.locator(".gcb-send")).to_be_disabled()
    assert len(platform.queued) == 40


def test_a_page_reloaded_in_mid_send_shows_where_it_stands(page: Page, platform: Sandbox, gate: Gate) -> None:
    from playwright.sync_api import expect

    choose(page, people(880))
    write(page, "Dear {{ parent_name }}, come to the play.")
    expect(page.locator(".gcb-sentence")).to_contain_text("Sends 880 texts")
    expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
    gate.close_after(3)
    confirm_and_send(page)
    expect(page.locator(".gcb-progress")).to_contain_text(re.compile(r"[1-9]\d* of 880"))
    page.reload()
    expect(page.locator(".gcb-status")).to_contain_text("is being sent: from this page before it was loaded again")
    followed = page.locator(".gcb-progress")
    expect(followed).to_contain_text(re.compile(r"[1-9]\d* of 880 texts: [1-9]\d* accepted"))
    begun = int(followed.inner_text().split()[0])
    gate.close_after(3)
    expect(followed).not_to_contain_text(re.compile(rf"^\s*{begun} of"))  # it follows
    expect(page.locator(".gcb-send")).not_to_be_visible()
    page.locator(".gcb-stop").click()  # which reaches the run through the journal, within a second or so
    expect(page.locator(".gcb-stop")).to_have_text("Stopping ...")
    platform.latency = 1.0
    gate.open()
    has_ended(page, "stopped")
    platform.latency = 0.0
    expect(page.locator(".gcb-resume")).to_be_enabled()
    assert 0 < len(platform.queued) < 880
    page.locator(".gcb-resume").click()
    has_ended(page, "done")
    assert len({q.recipient for q in platform.queued}) == len(platform.queued) == 880


def test_a_wrong_key_is_told_beside_its_field_and_nothing_goes(page: Page, platform: Sandbox) -> None:
    from playwright.sync_api import expect

    choose(page, people(10))
    write(page, "Dear {{ parent_name }}, a wrong key.")
    expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
    page.locator(".gcb-change-key").click()
    page.get_by_label("Customer id").fill("1469")
    key = page.get_by_label("API key")
    assert key.get_attribute("type") == "password"
    key.fill("not-the-key-4711")
    key.press("Tab")
    expect(page.locator(".gcb-key-notice")).to_contain_text("refused the customer id or API key")
    expect(key).to_have_value("")
    assert "not-the-key-4711" not in page.content()
    page.locator(".gcb-confirm input").check()
    expect(page.locator(".gcb-send")).to_be_disabled()
    assert platform.queued == []
    page.get_by_label("API key").fill(platform.api_key)
    page.get_by_label("API key").press("Enter")
    expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
    expect(page.locator(".gcb-key-notice")).not_to_be_visible()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("photo.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(32)) * 40, "no text in an encoding that we know"),
        ("empty.csv", b"", "empty.csv is empty"),
        ("wide.csv", b"Name,Mobile\nAnn,07700 900123,extra\n", "has 3 cells in line 2"),
    ],
)
def test_a_broken_file_says_so(page: Page, name: str, content: bytes, words: str) -> None:
    from playwright.sync_api import expect

    choose(page, {"name": name, "mimeType": "text/csv", "buffer": content})
    expect(page.locator(".gcb-file-notice")).to_contain_text(words)
    expect(page.locator(".gcb-file-name")).to_contain_text(f"{name} was not taken")
    choose(page, {"name": name, "mimeType": "text/csv", "buffer": content}, "gcb-optouts")
    expect(page.locator(".gcb-optouts-notice")).to_contain_text(words)
    choose(page, people(3))
    expect(page.locator(".gcb-counts")).to_contain_text("3 rows with a good number")
    expect(page.locator(".gcb-file-notice")).not_to_be_visible()


def test_a_column_that_cannot_be_told_is_asked_for(page: Page) -> None:
    from playwright.sync_api import expect

    file = pd.DataFrame({"Who": ["Ann"], "Reach at": ["07700 900123"]}).to_csv(index=False).encode()
    choose(page, {"name": "odd.csv", "mimeType": "text/csv", "buffer": file})
    expect(page.locator(".gcb-column-notice")).to_contain_text("Which column holds the numbers")
    page.get_by_label("Column of the numbers").select_option("Reach at")
    expect(page.locator(".gcb-counts")).to_contain_text("1 rows with a good number")
    expect(page.locator(".gcb-column-notice")).not_to_be_visible()


def test_fifty_megabytes_arrive(page: Page, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    rows = 50_000
    frame = pd.DataFrame({"Mobile": [f"07700 900{n % 899 + 1:03}" for n in range(rows)], "Note": "n" * 1035})
    path = tmp_path / "large.csv"
    frame.to_csv(path, index=False)
    assert path.stat().st_size > 50 * 2**20
    choose(page, path)
    expect(page.locator(".gcb-upload-words").first).to_contain_text("Uploading")
    expect(page.locator(".gcb-file-name")).to_contain_text("large.csv: 50,000 rows")
    expect(page.locator(".gcb-counts")).to_contain_text("899 rows with a good number")


def test_typing_with_twenty_thousand_rows_and_long_names(page: Page) -> None:
    from playwright.sync_api import expect

    long_name = "Bartholomew-Alexander Featherstonehaugh-Cholmondeley von Wolfeschlegelsteinhausenbergerdorff"
    choose(page, people(20_000, Pupil=long_name, Pay=[f"{n}" for n in range(20_000)]))  # type: ignore[arg-type]
    expect(page.locator(".gcb-counts")).to_contain_text("20,000 rows with a good number")
    area = page.get_by_label("Message", exact=True)
    area.fill("About {{ pupil }} {{ pay }}: ")
    area.press_sequentially("school is closed")
    preview = page.locator(".gcb-preview")
    expect(preview).to_contain_text("school is closed")
    expect(page.locator(".gcb-parts")).to_contain_text("All 20,000 texts:")
    fits(page)
    # from a key to the row on the screen, as the page itself sees it
    took = page.evaluate(
        """async () => {
          const area = document.querySelector('.gcb-message textarea');
          const shown = document.querySelector('.gcb-preview');
          const waits = [];
          for (const letter of ' now!') {
            const began = performance.now();
            area.value += letter;
            const wanted = area.value.slice(-5);
            area.dispatchEvent(new Event('input', {bubbles: true}));
            while (!shown.textContent.includes(wanted.trim()) || !shown.textContent.trim().endsWith(wanted.trim()))
              await new Promise((done) => setTimeout(done, 5));
            waits.push(performance.now() - began);
          }
          return waits.sort((a, b) => a - b)[2];
        }"""
    )
    print(f"a key answered after {took:.0f} ms (median of 5)")
    assert took < 2_000  # 200 ms is the aim, and what benchmarks/form.py shows; a busy machine may take longer


FOCUSED = """(() => {
  const e = document.activeElement, label = e.labels && e.labels[0];
  return (e !== document.body && e.textContent || (label && label.textContent) || e.ariaLabel || '').trim();
})()"""


def tab_to(page: Page, name: str) -> list[str]:
    """Press Tab until the field or button of this name has the focus; the names that it came by."""
    passed: list[str] = []
    while not passed or passed[-1] != name:
        assert len(passed) < 40, passed
        page.keyboard.press("Tab")
        passed.append(page.evaluate(FOCUSED))
    return passed


def test_from_the_list_to_the_next_message_by_keyboard_alone(page: Page, platform: Sandbox) -> None:
    from playwright.sync_api import expect

    page.on("filechooser", lambda _chooser: None)  # from here on: a key comes sooner than a listener set up beside it
    expect(page.locator(".gcb-counts")).to_have_attribute("role", "status")  # the whole form is in its place
    tab_to(page, "Choose a list")
    expect(page.locator(".gcb-upload button")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(people(5))  # type: ignore[arg-type]
    expect(page.locator(".gcb-counts")).to_contain_text("5 rows with a good number")
    expect(page.get_by_label("Text numbers from outside the UK too")).to_be_visible()
    expect(page.get_by_role("button", name="Mobile", exact=True)).to_be_visible()
    page.locator(".gcb-upload button").focus()  # where a chooser that is no stand-in gives it back
    passed = tab_to(page, "Message")
    wanted = ["Text numbers from outside the UK too", "Choose an opt-out list", "Parent Name", "Mobile", "Message"]
    assert [name for name in passed if name in wanted] == wanted
    page.keyboard.type("Sent by keyboard, ")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(FOCUSED) == "Parent Name"
    page.keyboard.press("Space")
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    page.keyboard.type(".")
    expect(page.locator(".gcb-preview")).to_contain_text("Sent by keyboard, Parent 0.")
    expect(page.locator(".gcb-plan")).to_contain_text("Sent by keyboard, Parent 0.")
    tab_to(page, "Next row")
    page.keyboard.press("Enter")
    expect(page.locator(".gcb-preview")).to_contain_text("Sent by keyboard, Parent 1.")
    for label in ("Column of the numbers", "Message", "Name of this campaign", "Sender", "Your own phone"):
        expect(page.get_by_label(label, exact=True)).to_be_visible()
    for live in (".gcb-counts", ".gcb-parts", ".gcb-status"):
        expect(page.locator(live)).to_have_attribute("role", "status")
    expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
    tab_to(page, "I have read this, and it is right")
    page.keyboard.press("Space")
    expect(page.locator(".gcb-send")).to_be_enabled()
    tab_to(page, "Send 5 texts")
    page.keyboard.press("Enter")
    has_ended(page, "done")
    assert len(platform.queued) == 5
    expect(page.locator(".gcb-send")).not_to_be_visible()
    expect(page.locator(".gcb-step-send .gcb-heading")).to_be_focused()  # its step has closed: the place is kept
    expect(page.locator(".gcb-results .gcb-chart")).to_be_visible()
    tab_to(page, "Download all results (CSV)")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert len(pd.read_csv(download.value.path())) == 5
    tab_to(page, "Write another message")
    page.keyboard.press("Space")
    expect(page.get_by_label("Message", exact=True)).to_have_value("")


def test_the_page_may_ask_no_other_host(page: Page) -> None:
    """That it asks none is seen in every test, where each request is looked at; here that it could not."""
    refused = page.evaluate(
        """() => new Promise((told) => {
          document.addEventListener("securitypolicyviolation", (event) => told(event.violatedDirective));
          fetch("http://127.0.0.2:9/").catch(() => setTimeout(told, 1000, "the network alone"));
        })"""
    )
    assert refused == "connect-src"


def test_a_workbook_s_sheet_is_chosen_and_sent(page: Page, platform: Sandbox) -> None:
    from playwright.sync_api import expect

    book = io.BytesIO()
    with pd.ExcelWriter(book, engine="xlsxwriter") as writer:
        pd.DataFrame({"Notes": ["printed on Monday"]}).to_excel(writer, sheet_name="Cover", index=False)
        for name, numbers in (("Year 7", ["07700 900101", "07700 900102"]), ("Year 8", ["07700 900103"])):
            pd.DataFrame({"Parent": "Ann", "Mobile": numbers}).to_excel(writer, sheet_name=name, index=False)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    choose(page, {"name": "school.xlsx", "mimeType": kind, "buffer": book.getvalue()})
    expect(page.locator(".gcb-file-name")).to_have_text("school.xlsx, Cover: 1 row")
    expect(page.locator(".gcb-column-notice")).to_contain_text("Which column holds the numbers")
    page.get_by_label("Sheet", exact=True).select_option("Year 7")
    expect(page.locator(".gcb-file-name")).to_have_text("school.xlsx, Year 7: 2 rows")
    expect(page.locator(".gcb-column-notice")).not_to_be_visible()
    expect(page.locator(".gcb-counts")).to_contain_text("2 rows with a good number")
    picture(page, "recipients", "7-sheets")
    write(page, "Dear {{ parent }}, year 7 is off to the zoo.")
    expect(page.locator(".gcb-sentence")).to_contain_text("Sends 2 texts")
    expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
    confirm_and_send(page)
    has_ended(page, "done")
    assert sorted(queued.recipient for queued in platform.queued) == ["+447700900101", "+447700900102"]
    page.locator(".gcb-again").click()
    choose(page, people(3))
    expect(page.locator(".gcb-file-name")).to_have_text("people.csv: 3 rows")
    expect(page.get_by_label("Sheet", exact=True)).not_to_be_visible()


def test_at_night_nothing_goes_without_another_tick(
    opened: Browser, platform: Sandbox, gate: Gate, tmp_path: Path
) -> None:
    """The page as it is where quiet hours hold: here they are asked for, and last all day."""
    from playwright.sync_api import expect

    platform.reset()
    settings = {
        "GCBULK_BASE_URL": platform.url,
        "GCBULK_CUSTOMER_ID": platform.customer_id,
        "GCBULK_API_KEY": platform.api_key,
        "GCBULK_HOME": str(tmp_path / "home"),
    }
    serve = (
        "from gcbulk.form import page\n"
        "page.CELL = page.CELL.replace('SendForm()', 'SendForm(quiet_hours=\"00:00-23:59\")')\n"
        "page.serve(ready=lambda opened: print(opened.address, flush=True))"
    )
    command = [sys.executable, "-c", serve]
    with started(command, tmp_path / "server", settings, tmp_path) as (process, out), new_page(opened) as page:
        page.goto(printed_address(process, out))
        is_live(page)
        choose(page, people(3))
        write(page, "Dear {{ parent_name }}, good night.")
        expect(page.locator(".gcb-sentence")).to_contain_text("Sends 3 texts")
        expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
        notice = page.locator(".gcb-urgent-notice")
        expect(notice).to_contain_text("within the quiet hours (00:00 to 23:59)")
        expect(notice).to_contain_text("give a time at “Send later, at”, or, if it cannot wait, tick “It is urgent”")
        page.locator(".gcb-confirm input").check()
        expect(page.locator(".gcb-send")).to_be_disabled()
        picture(page, "check", "8-night")
        page.locator(".gcb-urgent input").check()
        expect(notice).not_to_be_visible()
        expect(page.locator(".gcb-confirm input")).not_to_be_checked()
        assert platform.queued == []
        confirm_and_send(page)
        has_ended(page, "done")
        assert len(platform.queued) == 3


def test_a_time_of_which_a_part_is_missing_stops_the_send(page: Page, platform: Sandbox) -> None:
    from playwright.sync_api import expect

    choose(page, people(3))
    write(page, "Dear {{ parent_name }}, school is closed.")
    expect(page.locator(".gcb-sentence")).to_contain_text("Sends 3 texts")
    page.locator(".gcb-confirm input").check()
    expect(page.locator(".gcb-send")).to_be_enabled()
    time = page.locator(".gcb-send-at input")
    time.click()
    time.press_sequentially("1125")
    notice = page.locator(".gcb-send-at-notice")
    expect(notice).to_contain_text("A part of this time is missing")
    expect(page.locator(".gcb-send")).not_to_be_enabled()
    assert platform.queued == []
    time.fill("")
    expect(notice).not_to_be_visible()
    expect(page.locator(".gcb-sentence")).to_contain_text("now")
    confirm_and_send(page)
    has_ended(page, "done")
    expect(page.locator(".gcb-progress")).not_to_contain_text("left")
    assert len(platform.queued) == 3


def test_what_may_have_been_sent_is_listed_and_settled(page: Page, platform: Sandbox) -> None:
    from playwright.sync_api import expect

    frame = pd.DataFrame({"Name": ["Ann", "Bob"], "Mobile": ["07700 900123", "07700 900951"]})
    file = frame.to_csv(index=False).encode()
    choose(page, {"name": "two.csv", "mimeType": "text/csv", "buffer": file})
    write(page, "Dear {{ name }}, one of you is unlucky.")
    expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
    expect(page.locator(".gcb-sentence")).to_contain_text("Sends 2 texts")
    confirm_and_send(page)
    has_ended(page, "done")
    expect(page.locator(".gcb-unknown")).to_contain_text("may or may not have been sent")
    expect(page.locator(".gcb-settle-sent")).to_be_disabled()
    page.get_by_label("I have looked them up").check()
    page.locator(".gcb-settle-sent").click()
    expect(page.locator(".gcb-unknown")).not_to_be_visible()
    expect(page.locator(".gcb-results")).to_contain_text("2 rows: 2 accepted")


def test_an_email_with_its_files_then_a_text_or_else_an_email(page: Page, platform: Sandbox, tmp_path: Path) -> None:
    """Each widget by its class alone: the same steps, sent in another way."""
    from playwright.sync_api import expect

    page.locator(".gcb-channel select").select_option("Email")
    expect(page.locator(".gcb-title")).to_have_text("Email parents")
    choose(page, FAMILIES)
    counts = page.locator(".gcb-counts")
    expect(counts).to_contain_text("4 rows with a good address")
    picture(page, "recipients", "7-recipients-email")
    page.locator(".gcb-subject input").fill("Report for ")
    page.get_by_role("button", name="Forename").click()
    expect(page.locator(".gcb-subject input")).to_have_value("Report for {{ forename }}")
    page.locator(".gcb-letter textarea").fill("Dear ")
    page.get_by_role("button", name="Parent Name").click()
    page.locator(".gcb-letter textarea").press_sequentially(",\n\nthe **report** is enclosed.")
    page.locator(".gcb-letter-format select").select_option("Markdown")
    choose(page, {"name": "dates.txt", "mimeType": "text/plain", "buffer": b"Term ends on 18 December."}, "gcb-attach")
    expect(page.locator(".gcb-attached")).to_contain_text("dates.txt (1 kB)")
    expect(page.locator(".gcb-parts")).to_contain_text("All 4 emails: 4 files")
    picture(page, "message", "8-message-email")
    page.locator(".gcb-attach-folder input").fill(str(FAMILIES.parent / "letters"))
    page.locator(".gcb-attach-each input").fill("{{ admission_no }}.pdf")
    expect(page.locator(".gcb-ready")).to_have_text(
        "Ready to send: 3 of 4 rows with a good address. Left out: 1 (a file cannot be attached)."
    )
    expect(page.locator(".gcb-parts")).to_contain_text("This email: dates.txt; A1001.pdf. All 3 emails: 6 files")
    frame = page.frame_locator(".gcb-preview iframe")
    expect(frame.locator("body")).to_contain_text("Dear Miss Adeyemi,")
    expect(frame.locator("strong")).to_have_text("report")
    page.locator(".gcb-reply-to input").fill("office@example.org")
    fits(page)
    expect(page.locator(".gcb-sentence")).to_contain_text("Sends 3 emails, with 6 files")
    expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
    page.locator(".gcb-test-email-to input").fill("me@example.org")
    page.locator(".gcb-test-email").click()
    expect(page.locator(".gcb-test-email-notice")).to_contain_text("accepted for m•••@example.org")
    picture(page, "check", "9-check-email")
    fits(page)
    tried = len(platform.queued)
    confirm_and_send(page)
    has_ended(page, "done")
    expect(page.locator(".gcb-results .gcb-chart")).to_be_visible()
    picture(page, "results", "10-results-email")
    sent = {queued.recipient: [name for name, *_ in queued.attachments] for queued in platform.queued[tried:]}
    assert sent == {
        f"{name}@example.org": ["dates.txt", f"{upn}.pdf"]
        for name, upn in (("adeyemi", "A1001"), ("ahmed", "A1002"), ("byrne", "A1006"))
    }
    assert not re.search("adeyemi@|ahmed@", page.content())

    page.locator(".gcb-again").click()
    page.locator(".gcb-channel select").select_option("Text, else email")
    choose(
        page,
        {
            "name": "both.csv",
            "mimeType": "text/csv",
            "buffer": b"Name,Mobile,Email\nAnn,07700 900101,\nBob,,bob@example.org\n",
        },
    )
    expect(counts).to_contain_text("2 rows with a good number or address")
    write(page, "Dear {{ name }}, closed.")
    page.locator(".gcb-subject input").fill("Closed")
    page.locator(".gcb-letter textarea").fill("Dear {{ name }}, school is closed.")
    expect(page.locator(".gcb-sentence")).to_contain_text(
        "Sends 1 text, 1 part, to 1 number, and 1 email to 1 address from school 1469 now."
    )
    picture(page, "message", "11-message-either")
    picture(page, "check", "12-check-either")
    confirm_and_send(page)
    has_ended(page, "done")
    expect(page.locator(".gcb-status")).to_contain_text("2 of 2 rows accepted")
    expect(page.locator(".gcb-results .gcb-chart")).to_be_visible()
    picture(page, "results", "13-results-either")
    assert [queued.recipient for queued in platform.queued[-2:]] == ["+447700900101", "bob@example.org"]


def test_a_lost_kernel_is_told_apart_from_a_failed_send(page: Page, served: tuple[str, int]) -> None:
    from playwright.sync_api import expect

    choose(page, people(3))
    expect(page.locator(".gcb-counts")).to_contain_text("3 rows with a good number")
    for kernel in psutil.Process(served[1]).children(recursive=True):
        if "ipykernel.kernelapp" in " ".join(kernel.cmdline()):
            kernel.suspend()
            kernel.kill()
    expect(page.locator(".gcb-lost")).to_contain_text("no failed send")
    expect(page.locator(".gcb-status")).not_to_contain_text("failed")


def test_the_server_ends_with_its_kernels(platform: Sandbox, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gcbulk", "form", "--sandbox", "--no-browser"]
    settings = {"GCBULK_HOME": str(tmp_path / "home")}
    with started(command, tmp_path / "server", settings, tmp_path) as (process, out):
        assert "?token=" in printed_address(process, out)
        family = psutil.Process(process.pid).children(recursive=True)
    assert process.returncode == 0, out.read_text(encoding="utf-8")
    assert [member for member in family if member.is_running()] == []
    assert "Traceback" not in out.read_text(encoding="utf-8")


def test_closing_the_program_in_mid_send_leaves_nobody_in_doubt(
    opened: Browser, platform: Sandbox, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playwright.sync_api import expect

    platform.reset()
    settings = {
        "GCBULK_BASE_URL": platform.url,
        "GCBULK_CUSTOMER_ID": platform.customer_id,
        "GCBULK_API_KEY": platform.api_key,
        "GCBULK_HOME": str(tmp_path / "home"),
    }
    command = [sys.executable, "-m", "gcbulk", "form", "--no-browser"]
    with started(command, tmp_path / "server", settings, tmp_path) as (process, out), new_page(opened) as page:
        page.goto(printed_address(process, out))
        is_live(page)
        choose(page, people(300))
        write(page, "Dear {{ parent_name }}, the lights went out.")
        expect(page.locator(".gcb-sentence")).to_contain_text("Sends 300 texts")
        expect(page.locator(".gcb-who-sends")).to_contain_text("The key works")
        gate.close_after(3)
        confirm_and_send(page)
        expect(page.locator(".gcb-progress")).to_contain_text(re.compile(r"[1-9]\d* of 300"))
        threading.Timer(2.0, gate.open).start()  # the calls under way come back while the program is ending
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    (known,) = gcbulk.campaigns().to_dict("records")
    assert known["Rows"] == 300
    assert known.get("unknown", 0) == known.get("in_flight", 0) == 0
    assert known["accepted"] == len(platform.queued)
    assert known["accepted"] + known["ready"] == 300
    assert 0 < known["accepted"] < 300
