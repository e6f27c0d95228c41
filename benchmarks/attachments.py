"""5,000 emails with a file of 200 kB each: how much memory does a send take, and does every file arrive whole?

    python -m benchmarks.attachments [--emails 5000] [--kilobytes 200]

The sandbox is a process of its own; so is each contestant, whose peak is measured by the system. The contestants:
gcbulk, with its journal on disk, and a loop that first makes all its message objects, files in base64 included, and
then posts them, twenty in a call. Every file is one of its own; the sandbox tells its size and SHA-256 as it came.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import psutil
import requests

import gcbulk
from gcbulk.sandbox import Sandbox

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

CHUNK = 20


def served(pipe: Connection) -> None:
    """A sandbox, until it is asked what came: each recipient's digests."""
    with Sandbox() as sandbox:
        pipe.send((sandbox.url, sandbox.customer_id, sandbox.api_key))
        while pipe.recv() == "queued":
            pipe.send({one.recipient: [digest for _, _, digest in one.attachments] for one in sandbox.queued})
            sandbox.reset()


def peak() -> int:
    """Bytes of memory that this process has had at most."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def people(emails: int) -> pd.DataFrame:
    """Invented families, each with a number that names its file."""
    return pd.DataFrame({"email": [f"family{n}@example.org" for n in range(emails)], "upn": range(emails)})


def ours(folder: Path, emails: int, at: tuple[str, str, str]) -> None:
    """What gcbulk does."""
    url, customer, key = at
    with gcbulk.CommunicationsClient(customer, key, base_url=url) as client:
        gcbulk.send_email(
            people(emails),
            "Report",
            "Dear parent, the report is enclosed.",
            attachments=[f"{folder.as_posix()}/{{{{ upn }}}}.pdf"],
            client=client,
            journal=folder / "journal.sqlite3",
            chunk_size=CHUNK,
            progress=False,
        )


def everything_first(folder: Path, emails: int, at: tuple[str, str, str]) -> None:
    """Make all message objects, then post them."""
    url, customer, key = at
    made: list[dict[str, Any]] = [
        {
            "CustomerId": customer,
            "Password": key,
            "Recipients": [{"EmailAddress": f"family{n}@example.org"}],
            "EmailSubject": "Report",
            "EmailBody": "Dear parent, the report is enclosed.",
            "Attachments": [
                {
                    "FileName": f"{n}.pdf",
                    "FileData": base64.b64encode((folder / f"{n}.pdf").read_bytes()).decode("ascii"),
                }
            ],
        }
        for n in range(emails)
    ]
    with requests.Session() as session:
        for start in range(0, emails, CHUNK):
            some = {"messageData": made[start : start + CHUNK]}
            session.post(f"{url}/api/SendMessage_V3/Email", json=some, timeout=60).raise_for_status()


def measured(contestant: Any, folder: Path, emails: int, at: tuple[str, str, str], told: Connection) -> None:
    """Run a contestant in this process, and tell its seconds, its peak, and what the process had before."""
    before, began = peak(), time.perf_counter()
    contestant(folder, emails, at)
    told.send((time.perf_counter() - began, peak(), before))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emails", type=int, default=5_000)
    parser.add_argument("--kilobytes", type=int, default=200)
    given = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    ours_pipe, theirs = processes.Pipe()
    server = processes.Process(target=served, args=(theirs,), daemon=True)
    server.start()
    at = ours_pipe.recv()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["GCBULK_HOME"] = made
        expected = {}
        for n in range(given.emails):
            content = b"%PDF-1.4 " + os.urandom(given.kilobytes * 1000 - 9)
            (folder / f"{n}.pdf").write_bytes(content)
            expected[f"family{n}@example.org"] = [hashlib.sha256(content).hexdigest()]
        for name, contestant in (("gcbulk", ours), ("everything first", everything_first)):
            here, there = processes.Pipe()
            process = processes.Process(target=measured, args=(contestant, folder, given.emails, at, there))
            process.start()
            seconds, most, before = here.recv()
            process.join()
            ours_pipe.send("queued")
            whole = ours_pipe.recv() == expected
            print(
                f"{name:<17} {seconds:6.1f} s  peak {most / 1e6:6.0f} MB ({before / 1e6:.0f} MB before it began)  "
                f"every file as it was: {whole}"
            )
    ours_pipe.send("end")
    server.join()


if __name__ == "__main__":
    main()
