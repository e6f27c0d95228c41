"""The form in JupyterLab, once from end to end, from the notebook that users get."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.browser import answers, browser, new_page, started
from tests.test_docs import leaks

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parent.parent
TOKEN = "for-this-test-alone"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A JupyterLab over a copy of the notebooks: its address, and the folder."""
    for name in ("notebooks", "sample_data"):
        shutil.copytree(ROOT / name, tmp_path / "work" / name)
    port = free_port()
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={tmp_path / 'work'}"),
        *("--LabApp.extension_manager=readonly", "--LabApp.news_url=None"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with started(command, tmp_path / "server", {}, tmp_path):
        address = f"http://127.0.0.1:{port}"
        answers(f"{address}/api/status?token={TOKEN}")
        yield address, tmp_path / "work"


def test_a_send_in_jupyterlab_from_end_to_end(lab: tuple[str, Path]) -> None:
    address, folder = lab
    with browser() as opened, new_page(opened, height=1800) as page:
        from playwright.sync_api import expect

        page.goto(f"{address}/doc/tree/notebooks/03-send-form.ipynb?reset&token={TOKEN}")
        expect(page.get_by_role("button", name="Python 3 (ipykernel) | Idle")).to_be_visible()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator("[data-command='runmenu:run-all']").click()
        form = page.locator(".gcb-form")
        expect(form.locator(".gcb-counts")).to_contain_text("275 rows with a good number")
        expect(form.locator(".gcb-preview")).to_contain_text("Dear Miss Adeyemi, Yasmin was not in school")
        area = form.get_by_label("Message", exact=True)
        area.press("End")
        area.press_sequentially(" Thank you.")
        expect(form.locator(".gcb-preview")).to_contain_text("Please call us. Thank you.")
        form.locator(".gcb-next-row").click()
        expect(form.locator(".gcb-preview")).to_contain_text("Miss Ap Rhys")
        expect(form.locator(".gcb-who-sends")).to_contain_text("The key works")
        expect(form.locator(".gcb-plan")).to_contain_text("Please call us. Thank you.")
        form.locator(".gcb-confirm input").check()
        form.locator(".gcb-send").click()
        expect(form.locator(".gcb-status")).to_have_text(re.compile(r"^\s*done\b"))
        expect(form.locator(".gcb-results .gcb-chart")).to_be_visible()
        rows, where = form.locator(".gcb-search-table tbody tr"), form.locator(".gcb-table-where")
        expect(where).to_have_text("Rows 1 to 15 of 300")
        expect(form.locator(".gcb-rows-back")).to_be_disabled()
        first = rows.first.inner_text()
        form.locator(".gcb-rows-on").click()
        expect(where).to_have_text("Rows 16 to 30 of 300")
        expect(rows.first).not_to_have_text(first)
        form.locator(".gcb-rows-back").click()
        expect(rows.first).to_have_text(re.compile(r"^1\s*"))
        form.get_by_label("Search the rows").fill("number_missing")
        expect(where).to_have_text("Rows 1 to 11 of 11")
        expect(rows).to_have_count(11)
        expect(form.locator(".gcb-rows-on")).to_be_disabled()
        form.get_by_label("Search the rows").fill("07700900123")  # which is not saved with the notebook
        expect(form.locator(".gcb-test-to input")).to_have_count(1)
        with page.expect_download() as download:
            form.locator(".gcb-download").click()
        results = Path(download.value.path()).read_text(encoding="utf-8-sig")
        assert results.count(",accepted,") > 250

        page.get_by_role("menuitem", name="Run", exact=True).click()  # the whole notebook again: nothing is sent twice
        page.locator("[data-command='runmenu:run-all']").click()
        expect(page.locator(".gcb-form .gcb-send")).to_be_disabled()
        saved = folder / "notebooks" / "03-send-form.ipynb"
        before = saved.stat().st_mtime_ns
        page.keyboard.press("Control+s")
        page.wait_for_function("() => !document.title.startsWith('*')")
        expect(page.locator(".jp-mod-dirty, .lm-mod-dirty")).to_have_count(0)
        for _ in range(100):
            if saved.stat().st_mtime_ns != before:
                break
            page.wait_for_timeout(100)
        assert saved.stat().st_mtime_ns != before
        notebook = nbformat.read(saved, as_version=4)
        assert any(cell.get("outputs") for cell in notebook.cells)
        assert leaks(notebook) == []
        assert "900123" not in json.dumps(notebook)
        assert "sandbox-key" not in json.dumps(notebook)
