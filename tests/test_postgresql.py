"""A journal on PostgreSQL: what a server can do to a run, and what its statements cost it."""

from __future__ import annotations

import itertools
import logging
import re
import selectors
import socket
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import sqlalchemy as sa

import gcbulk
from gcbulk.campaign.journal import Journal, claims, in_the_air, memory, store, transactions
from gcbulk.campaign.journal.addresses import journal_url, masked
from gcbulk.campaign.journal.tables import recipients
from gcbulk.errors import JournalError, JournalLostError
from gcbulk.sandbox import Sandbox
from tests import jobs
from tests.databases import POSTGRESQL, on_postgresql
from tests.test_journal import accept, start, states, take
from tests.test_processes import all_results, ended, send_here, sends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from gcbulk.sandbox import Call
    from tests.databases import Server

pytestmark = [
    on_postgresql,
    pytest.mark.parametrize("journal_address", [POSTGRESQL], indirect=True),
]


class Proxy:
    """Stands between gcbulk and the server, and can be cut: `cut_at` sees what goes to the server, and may say so."""

    def __init__(self, address: str) -> None:
        url = sa.make_url(address)
        self._target = url
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.address = url.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
        self.away_until = 0.0
        self.cuts = 0
        self.cut_after: bytes | None = None  # once the server has this, its answer never comes
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, seconds: float) -> None:
        """End every connection, and take none for so long."""
        with self._lock:
            self.away_until, self.cuts = time.monotonic() + seconds, self.cuts + 1
            for pair in self._pairs:
                for end in pair:
                    with suppress(OSError):  # the other side may have ended it just now
                        end.shutdown(socket.SHUT_RDWR)
            self._pairs.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut(0)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if time.monotonic() < self.away_until:
                near.close()
                continue
            far = self._server()
            with self._lock:
                self._pairs.append((near, far))
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _server(self) -> socket.socket:
        port = self._target.port or 5432
        if self._target.host:  # on Windows
            return socket.create_connection((self._target.host, port))
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{self._target.query['host']}/.s.PGSQL.{port}")
        return far

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, near, far:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in selector.select():
                    try:
                        data = key.fileobj.recv(65_536)  # type: ignore[union-attr]
                        key.data.sendall(data)
                    except OSError:
                        return
                    if not data:
                        return
                    if key.fileobj is near and self.cut_after is not None and self.cut_after in data:
                        self.cut_after = None
                        far.settimeout(0.5)  # of some statements a server says nothing until more of them are there
                        with suppress(TimeoutError):
                            far.recv(65_536)  # it was done; nobody is told
                        self.cut(0.3)
                        return


@pytest.fixture
def proxy(journal_address: str) -> Iterator[Proxy]:
    with closing(Proxy(journal_address)) as between:
        yield between


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "AWAY_POLL", 0.02)


def test_a_server_that_goes_away_in_mid_run_is_waited_for(proxy: Proxy) -> None:
    def cut_now_and_then(call: Call) -> str | None:
        if call.number % 12 == 5:
            proxy.cut(0.5)
        return None

    with Sandbox(on_call=cut_now_and_then) as sandbox:
        results = send_here(sandbox, proxy.address, 1_200, chunk_size=20)
    assert proxy.cuts == 5
    assert set(results["Status"]) == {"accepted"}
    assert sends(sandbox.queued) == Counter(jobs.expected_texts(1_200).items())


@pytest.mark.parametrize("rounds", range(3))
def test_a_server_that_goes_away_between_statements(rounds: int, proxy: Proxy) -> None:
    with Sandbox(latency=0.002) as sandbox:
        done = threading.Event()

        def cut_and_cut_again() -> None:
            pause = 0.11 + 0.03 * rounds
            while not done.wait(pause):
                proxy.cut(0.05)
                pause *= 1.05  # so that the run comes to its end on a slow machine too

        cutting = threading.Thread(target=cut_and_cut_again)
        with closing(Journal(proxy.address)):
            cutting.start()
        try:
            results = send_here(sandbox, proxy.address, 1_000, chunk_size=10)
        except JournalError:  # it was opened, or planned, at a bad moment: nothing was sent then
            assert not sandbox.queued
            results = None
        finally:
            done.set()
            cutting.join()
            proxy.away_until = 0.0
        if results is None:
            results = send_here(sandbox, proxy.address, 1_000, chunk_size=10)
    assert proxy.cuts
    assert set(results["Status"]) == {"accepted"}
    assert sends(sandbox.queued) == Counter(jobs.expected_texts(1_000).items())


def test_a_commit_without_an_answer_is_looked_up_not_done_again(proxy: Proxy) -> None:
    with Journal(proxy.address) as journal:
        run = start(journal, ["a", "b", "c", "d"])
        proxy.cut_after = b"COMMIT"
        claim = take(run)
        assert proxy.cuts == 1
        assert [row.text for row in claim.rows] == ["a", "b"]
        assert states(journal, run) == ["in_flight", "in_flight", "ready", "ready"]
        with journal.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM batches").scalar_one() == 1
        proxy.cut_after = b"COMMIT"
        accept(run, claim)
        assert proxy.cuts == 2
        assert states(journal, run) == ["accepted", "accepted", "ready", "ready"]


def test_a_claim_cut_off_before_its_end_is_made_anew(proxy: Proxy) -> None:
    with Journal(proxy.address) as journal:
        run = start(journal, ["a", "b"])
        proxy.cut_after = b"INSERT INTO batches"
        claim = take(run)
        assert proxy.cuts == 1
        assert len(claim.rows) == 2
        with journal.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM batches").scalar_one() == 1


def test_a_server_that_does_not_come_back_ends_the_run_with_a_sentence(proxy: Proxy, journal_address: str) -> None:
    def cut_for_good(call: Call) -> str | None:
        if call.number == 5:
            proxy.cut(60)
        return None

    with Sandbox(on_call=cut_for_good) as sandbox:
        ended(jobs.started(sandbox, proxy.address, 400, chunk_size=10, away=0.3), code=jobs.JOURNAL_LOST)
        assert len(sandbox.calls) <= 5 + 4
        results = send_here(sandbox, journal_address, 400, chunk_size=10)
    assert max(sends(sandbox.queued).values()) == 1
    assert set(results["Status"]) <= {"accepted", "unknown"}
    assert (results["Status"] == "unknown").sum() <= 4 * 10


@pytest.fixture
def cut_in_planning(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Have the server go away as the second of five stretches of rows is written."""
    monkeypatch.setattr(store, "WRITE_ROWS", 100)
    write = Journal._insert

    def cut(seconds: float) -> None:
        written = itertools.count(1)

        def insert(journal: Journal, connection: Any, rows: Any) -> None:
            if next(written) == 2:
                proxy.cut(seconds)
            write(journal, connection, rows)

        monkeypatch.setattr(Journal, "_insert", insert)

    return cut


@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_server_that_goes_away_in_planning_is_waited_for(
    in_pieces: bool, proxy: Proxy, cut_in_planning: Callable[[float], None]
) -> None:
    cut_in_planning(0.2)
    people = jobs.people(500)
    with (
        Sandbox() as sandbox,
        gcbulk.CommunicationsClient(sandbox.customer_id, sandbox.api_key, base_url=sandbox.url) as client,
    ):
        options: dict[str, Any] = {"client": client, "journal": proxy.address, "progress": False}
        if in_pieces:
            sent = gcbulk.send_sms([people[:300], people[300:]], jobs.MESSAGE, share_identical=True, **options)
            results = pd.concat(list(sent))
        else:
            results = gcbulk.send_sms(people, jobs.MESSAGE, **options)
    assert proxy.cuts == 1
    assert set(results["Status"]) == {"accepted"}
    assert sends(sandbox.queued) == Counter(jobs.expected_texts(500).items())


def test_a_server_that_stays_away_in_planning_is_told_in_a_sentence_and_nothing_is_sent(
    proxy: Proxy, cut_in_planning: Callable[[float], None], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    cut_in_planning(60)
    monkeypatch.setattr(transactions, "AWAY_SECONDS", 0.3)
    monkeypatch.setattr(logging.root, "handlers", [])  # as where nobody has set up logging
    with Sandbox() as sandbox:
        with pytest.raises(JournalError, match="Nothing was sent; the same command can be given again") as raised:
            send_here(sandbox, proxy.address, 500)
        assert not sandbox.calls
        proxy.away_until = 0.0
        results = send_here(sandbox, proxy.address, 500)
    assert not isinstance(raised.value, JournalLostError)
    assert "Pipeline" not in capsys.readouterr().err
    assert set(results["Status"]) == {"accepted"}


SPENT = """
    CREATE FUNCTION spent() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.number >= 6 THEN
            RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = 'could not extend file "base/1/2"';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER spent BEFORE {moment} ON batches FOR EACH ROW EXECUTE FUNCTION spent()
"""


@pytest.mark.parametrize(
    ("state", "moment", "says"),
    [
        ("disk_full", "INSERT", "the disk of the database server is full"),
        ("out_of_memory", "UPDATE", "the database server is out of memory"),
    ],
)
def test_a_server_that_has_no_room_left_stops_the_run(
    state: str, moment: str, says: str, server: Server, journal_address: str
) -> None:
    Journal(journal_address).close()
    with closing(server.connect(journal_address)) as beside:
        beside.execute(SPENT.format(state=state, moment=moment))
        with Sandbox() as sandbox:
            with pytest.raises(JournalLostError, match=says):
                send_here(sandbox, journal_address, 200, chunk_size=10)
            assert len(sandbox.calls) <= 6 + 4
            beside.execute("DROP TRIGGER spent ON batches")
            results = send_here(sandbox, journal_address, 200, chunk_size=10)
    assert set(results["Status"]) <= ({"accepted"} if moment == "INSERT" else {"accepted", "unknown"})
    assert max(sends(sandbox.queued).values()) == 1
    went = sends(sandbox.queued).keys()
    told = set(results.loc[results["Status"] == "accepted", "SentTo"])
    # what is unknown went and its answer could not be written, or was claimed and could not be given back
    assert told <= {number for number, _ in went} <= set(results["SentTo"])


def test_who_stands_still_in_a_transaction_holds_nobody_up(
    journal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "STILL_SECONDS", 0.3)
    monkeypatch.setattr(transactions, "TURN_SECONDS", 0.1)
    with Journal(journal_address) as first, Journal(journal_address) as second:
        run = start(first, ["a", "b"])

        def stand_still() -> None:
            with first.writing() as connection:
                connection.exec_driver_sql("UPDATE recipients SET state = 'accepted'")
                assert [row.text for row in take(start(second, ["a", "b"])).rows] == ["a", "b"]
                connection.exec_driver_sql("SELECT 1")

        with pytest.raises(JournalError, match="went away"):
            stand_still()
        assert states(first, run) == ["in_flight", "in_flight"]


def test_processes_on_four_connections_share_a_campaign(journal_address: str) -> None:
    with Sandbox() as sandbox:
        ended(*[jobs.started(sandbox, journal_address, 1_000, chunk_size=10, concurrency=8) for _ in range(4)])
    assert sends(sandbox.queued) == Counter(jobs.expected_texts(1_000).items())
    assert set(all_results(journal_address)["Status"]) == {"accepted"}


def test_a_claim_is_on_disk_though_the_server_is_set_otherwise(server: Server, journal_address: str) -> None:
    name = sa.make_url(journal_address).database
    with closing(server.connect(journal_address)) as beside:
        beside.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")  # type: ignore[call-overload]
    with Journal(journal_address) as journal, journal.writing() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"


@contextmanager
def many_rows(server: Server, journal_address: str, analysed: str = "never") -> Iterator[psycopg.Connection[Any]]:
    """A journal in which two campaigns have 30,000 rows each, and what the server knows of them."""
    with closing(server.connect(journal_address)) as beside:
        for campaign, name in ((1, "older"), (2, "newer")):
            if analysed == "before the newest campaign" and campaign == 2:
                beside.execute("ANALYZE")
            with Journal(journal_address) as journal:
                start(journal, [f"{name} {n}" for n in range(100)], name=name).end()
            beside.execute(f"""
                INSERT INTO recipients
                    (campaign_id, position, batch_number, address, text, client_ref, content_key, state, batch_id,
                     claimed_at, counts_at)
                SELECT c, n, n / 20, '+4474' || lpad(n::text, 8, '0'), 'text ' || n, c || '-' || n,
                    sha256(convert_to(c || ' ' || n, 'UTF8')), CASE c WHEN 1 THEN 'accepted' ELSE 'ready' END, 1, 1, 1
                FROM generate_series(100, 30100) AS n, generate_series({campaign}, {campaign}) AS c
            """)
        beside.execute("""
            INSERT INTO batches (campaign_id, run_id, number, claimed_at, settled_at)
            SELECT c, c, n, 1, 1 FROM generate_series(1, 5000) AS n, generate_series(1, 2) AS c
        """)
        if analysed == "by now":
            beside.execute("ANALYZE")
        yield beside


STATEMENTS = {
    "claim: which rows": (claims._SELECT, "recipients_batch"),
    "claim: take them": (claims._TAKE, "recipients_batch"),
    "claim: held elsewhere": (memory.OF_A_CALL, "recipients_content"),
    "claim: calls in the air": (in_the_air._IN_THE_AIR, "batches_in_the_air"),
    "claim: lost by a worker": (in_the_air._OF_A_WORKER, "recipients_batch"),
    "settle": (claims._SETTLE_ALL, "recipients_batch"),
    "recall: held elsewhere": (memory.OF_A_STRETCH, "recipients_content"),
    "recall: mark": (memory._MARK, "recipients_pkey"),
    "recall: who else": (memory._IN_REACH, "ix_batches_campaign_id"),
}


@pytest.mark.parametrize("analysed", ["never", "before the newest campaign", "by now"])
def test_every_statement_of_a_call_finds_its_rows_by_an_index(
    analysed: str, server: Server, journal_address: str
) -> None:
    with (
        many_rows(server, journal_address, analysed),
        Journal(journal_address) as journal,
        journal.reading() as connection,
    ):
        for what, (statement, index) in STATEMENTS.items():
            text, _ = journal._prepared(statement)
            number = itertools.count(1)
            text = re.sub(r"%(\(\w+\))?s", lambda _: f"${next(number)}", text)  # noqa: B023 - used at once
            explained = connection.connection.cursor().execute(f"EXPLAIN (GENERIC_PLAN) {text}").fetchall()
            plan = "\n".join(line for (line,) in explained)
            assert f"Seq Scan on {recipients.name}" not in plan, (what, plan)
            assert index in plan, (what, plan)
            if what == "settle":  # what is told of each row is looked up: not gone through, nor read anew
                assert not re.search("(Function|Subquery|Values) Scan", plan), plan
            if index.startswith("recipients"):  # by the campaign alone it would be all of its rows
                assert not re.search(r"Index Cond: \(campaign_id = \$\d+\)\n", plan + "\n"), (what, plan)


def test_the_server_counts_a_campaign_before_its_first_call(server: Server, journal_address: str) -> None:
    with Journal(journal_address) as journal, closing(server.connect(journal_address)) as beside:
        start(journal, ["older"], name="older").end()
        beside.execute("ANALYZE")
        run = start(journal, ["a", "b", "c"], name="newer")
        run.recall()
        known = "SELECT most_common_vals FROM pg_stats WHERE tablename = 'recipients' AND attname = 'campaign_id'"
        assert beside.execute(known).fetchall() == [("{2}",)]
        run.end()


def test_a_whole_send_reads_no_table_of_recipients_from_end_to_end(server: Server, journal_address: str) -> None:
    asked = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'recipients'"
    with many_rows(server, journal_address) as beside:
        beside.execute("ANALYZE")
        before = beside.execute(asked).fetchone()
        with Sandbox(on_call=lambda call: "http-503-once" if call.number % 5 == 0 else None) as sandbox:
            results = send_here(sandbox, journal_address, 600, chunk_size=10, campaign="now", max_attempts=20)
        assert set(results["Status"]) == {"accepted"}
        assert set(gcbulk.campaign_results("now", journal=journal_address)["Status"]) == {"accepted"}
        assert beside.execute(asked).fetchone() == before


def test_a_page_has_room_for_its_rows_as_they_were_claimed_and_as_they_are_settled(
    server: Server, journal_address: str
) -> None:
    with Sandbox() as sandbox, closing(server.connect(journal_address)) as beside:
        results = send_here(sandbox, journal_address, 2000, chunk_size=100, limit=100)
        on_each = "SELECT count(*) AS n FROM recipients WHERE batch_number > 5 GROUP BY (ctid::text::point)[0]"
        (rows,) = beside.execute(f"SELECT max(n) FROM ({on_each})").fetchone() or (0,)
        size = "SELECT max(pg_column_size(recipients.*)) FROM recipients WHERE state = 'accepted'"
        (settled,) = beside.execute(size).fetchone() or (0,)
    assert rows > 5
    assert settled > 100
    claimed = settled - len(results["MessageId"].iloc[0]) - 8  # it has no AcceptedAt either
    assert rows * (claimed + 4 + settled + 4) <= 8192 - 24  # pointers, and a head: each page holds so much


@pytest.mark.parametrize("table", ["recipients", "batches"])
def test_a_lock_of_another_program_s_is_waited_for(
    table: str, server: Server, journal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "TURN_SECONDS", 0.1)
    with closing(server.connect(journal_address)) as beside:

        def lock(call: Call) -> str | None:
            if call.number == 5:
                beside.execute("BEGIN")
                beside.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
                threading.Timer(0.6, beside.execute, ("COMMIT",)).start()
            return None

        with Sandbox(on_call=lock) as sandbox:
            results = send_here(sandbox, journal_address, 400, chunk_size=10)
    assert set(results["Status"]) == {"accepted"}
    assert sends(sandbox.queued) == Counter(jobs.expected_texts(400).items())


def test_calls_are_found_by_an_index_however_few_there_were_at_first(server: Server, journal_address: str) -> None:
    asked = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'batches'"
    with closing(server.connect(journal_address)) as beside, Sandbox() as sandbox:
        Journal(journal_address).close()
        beside.execute("ANALYZE")  # which tells the server that no call was ever made
        results = send_here(sandbox, journal_address, 600, chunk_size=10, campaign="now")
        assert set(results["Status"]) == {"accepted"}
        ((read,),) = beside.execute(asked).fetchall()
    assert read < 20  # of 60 calls, each with a claim and a settlement


@pytest.mark.parametrize("query", ["", "?password=the-secret&sslpassword=the-secret"])
def test_no_password_is_shown(query: str, journal_address: str) -> None:
    url = f"postgresql://somebody:the-secret@127.0.0.1:9/gcbulk{query}"
    assert "the-secret" not in masked(journal_url(url))
    with pytest.raises(JournalError) as raised:
        Journal(url)
    assert "the-secret" not in str(raised.value)
    assert "127.0.0.1" in str(raised.value)


def test_a_database_that_is_not_there_gets_a_sentence_at_once(journal_address: str) -> None:
    began = time.monotonic()
    url = sa.make_url(journal_address).set(database="nobody_s").render_as_string(hide_password=False)
    with pytest.raises(JournalError, match='"nobody_s" does not exist'):
        Journal(url)
    assert time.monotonic() - began < 10  # nobody waits for what was never there
