"""A real browser, and the servers it looks at: what the tests of the form share."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from playwright.sync_api import Browser, Page

PATIENCE = 45_000
"""Milliseconds that a step may take on a machine with other work to do; nothing waits that long when all is well."""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
ONLY_THIS_MACHINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")


def chromium() -> str:
    """Where Chromium is; the test is skipped where there is none, and fails where CI promised one."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = (
            "There is no Chromium on this machine (Debian: apt-get install chromium), so the form is not tried in one."
        )
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium that reaches this machine and no other."""
    path = chromium()
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=[*FLAGS, ONLY_THIS_MACHINE])
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def new_page(opened: Browser, *, height: int = 900) -> Iterator[Page]:
    """A page 1,024 pixels wide in a session of its own; a script error, or a call to another host, fails the test."""
    errors: list[str] = []
    asked: set[str] = set()
    context = opened.new_context(viewport={"width": 1024, "height": height}, accept_downloads=True, locale="en-GB")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.add(request.url))
    try:
        yield page
    finally:
        context.close()
    assert errors == []
    assert [address for address in asked if not address.startswith(("http://127.0.0.1:", "blob:", "data:"))] == []


@contextmanager
def started(command: list[str], folder: Path, settings: Mapping[str, str], cwd: Path) -> Iterator[tuple[Any, Path]]:
    """A server in a process group of its own, with no settings of the user's; its output goes to a file."""
    folder.mkdir(parents=True, exist_ok=True)
    apart = {name: str(folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")}
    apart["JUPYTER_RUNTIME_DIR"] = str(folder / "runtime")
    env = {**os.environ, **apart, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **settings}
    out = folder / "output.txt"
    group: dict[str, Any] = (
        {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        if sys.platform == "win32"
        else {"start_new_session": True}
    )
    with out.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **group
        )
        try:
            yield process, out
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                if sys.platform != "win32":
                    end_group(process.pid)


def end_group(group: int) -> None:
    """End what a server left behind in its process group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def printed_address(process: Any, out: Path) -> str:
    """The address that a server prints once it listens."""
    for _ in range(600):
        found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", out.read_text(encoding="utf-8", errors="replace"))
        if found:
            return found[0]
        assert process.poll() is None, out.read_text(encoding="utf-8", errors="replace")
        time.sleep(0.1)
    raise AssertionError(out.read_text(encoding="utf-8", errors="replace"))


def answers(address: str) -> None:
    """Wait until a server answers at this address."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{address} did not answer")
