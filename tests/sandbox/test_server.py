"""The running server: start, stop, storage, what a test sees from inside, and the foreground."""

from __future__ import annotations

import signal
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest

from reconcile.sandbox.server import Sandbox, SandboxOptions, running_sandbox, serve
from reconcile.sandbox.wire import WireServer


def test_it_is_ready_inside_the_block_and_gone_after_it(connect):
    with running_sandbox(SandboxOptions()) as sandbox:
        address = httpx.URL(sandbox.base_url)
        assert connect(sandbox).get("/api/nowhere").status_code == 404

    assert sandbox.base_url == f"http://127.0.0.1:{address.port}"
    assert not any(thread.name == "reconcile-sandbox" for thread in threading.enumerate())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.host, address.port), timeout=1)


def test_records_and_the_sequence_of_ids_outlive_the_process_in_a_private_file(start, connect, records, tmp_path):
    db = tmp_path / "state" / "sandbox" / "nexudus.db"
    with running_sandbox(SandboxOptions(db=db)) as first:
        planted = [first.plant({"CoworkerInvoiceId": invoice}) for invoice in (1, 2)]
        first.remove(planted[1])

    second = start(db=db)
    created = connect(second).post(records, json={"CoworkerInvoiceId": 3}).json()["Value"]["Id"]

    assert created == planted[1] + 1
    assert [record["Id"] for record in second.records()] == [planted[0], created]
    assert {path.stat().st_mode & 0o777 for path in db.parent.iterdir()} == {0o600}


def test_two_sandboxes_may_share_a_file(start, tmp_path):
    db = tmp_path / "nexudus.db"
    one, other = start(db=db), start(db=db)

    one.plant({"CoworkerInvoiceId": 1})
    other.plant({"CoworkerInvoiceId": 2})

    assert one.records() == other.records()
    assert len(one.records()) == 2


def test_a_file_that_is_no_database_is_refused(tmp_path):
    broken = tmp_path / "nexudus.db"
    broken.write_text("not a database, but long enough to look at\n" * 100)

    with pytest.raises(sqlite3.DatabaseError), running_sandbox(SandboxOptions(db=broken)):
        pass


def test_parallel_creates_are_all_stored_once(sandbox, client, records):
    def create(invoice: int) -> int:
        return client.post(records, json={"CoworkerInvoiceId": invoice}).json()["Value"]["Id"]

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(create, range(1, 201)))

    stored = {record["Id"]: record["CoworkerInvoiceId"] for record in sandbox.records()}
    assert stored == dict(zip(ids, range(1, 201), strict=True))


def test_the_log_holds_every_request_line_and_tells_writes_apart(sandbox, client, records, clock):
    client.get(records, params={"page": 1})
    client.post(records, json={"CoworkerInvoiceId": 1})
    client.post("/api/token", data={"grant_type": "password"})
    client.delete(f"{records}/1")

    assert sandbox.url_log == (
        f"GET {records}?page=1",
        f"POST {records}",
        "POST /api/token",
        f"DELETE {records}/1",
    )
    assert [arrival.is_write for arrival in sandbox.requests] == [False, True, False, True]
    assert sandbox.writes == 2
    assert {arrival.at for arrival in sandbox.requests} == {clock.now}


def test_a_test_can_play_the_part_of_nexudus(sandbox, client, records):
    planted = sandbox.plant({"CoworkerInvoiceId": 1, "Notes": "ours"})

    sandbox.alter(planted, {"Notes": "theirs"})

    record = client.get(f"{records}/{planted}").json()
    assert (record["Notes"], record["CoworkerInvoiceId"], record["UpdatedBy"]) == (
        "theirs",
        1,
        "system@sandbox.example",
    )
    assert (sandbox.remove(planted), sandbox.remove(planted)) == (True, False)
    with pytest.raises(KeyError):
        sandbox.alter(planted, {})
    with pytest.raises(ValueError, match="CoworkerInvoiceId must be a positive integer"):
        sandbox.plant({"CoworkerInvoiceId": -1})


def test_the_date_header_and_a_default_clock_tell_the_time(start, connect, records):
    sandbox = start()
    answer = connect(sandbox).post(records, json={"CoworkerInvoiceId": 1})

    assert "date" in answer.headers
    assert answer.json()["UpdatedOn"] >= "2025"


@pytest.mark.parametrize(
    ("host", "url"), [("localhost", "http://127.0.0.1:"), ("127.0.0.2", "http://127.0.0.2:"), ("::1", "http://[::1]:")]
)
def test_every_spelling_of_loopback_is_served(start, connect, host, url):
    try:
        sandbox = start(host=host)
    except OSError:
        pytest.skip(f"this machine has no {host}")

    assert sandbox.base_url.startswith(url)
    assert connect(sandbox).get("/").status_code == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "spaces.nexudus.com", ""])  # noqa: S104 - it is refused
def test_no_other_address_is_bound(host):
    with pytest.raises(ValueError, match="is not a loopback address"):
        SandboxOptions(host=host)


@pytest.mark.parametrize("options", [{"limits": "some"}, {"faults": "some"}])
def test_options_that_mean_nothing_are_refused_before_anything_starts(options):
    with pytest.raises(ValueError, match='"some"'):
        SandboxOptions(**options)


def test_a_taken_port_is_an_os_error(sandbox):
    port = httpx.URL(sandbox.base_url).port

    with pytest.raises(OSError, match="in use"), running_sandbox(SandboxOptions(port=port)):
        pass


def test_a_failure_of_the_sandbox_itself_is_a_500_and_surfaces_at_the_end_only(connect, records, tmp_path, caplog):
    db = tmp_path / "nexudus.db"

    def break_it() -> None:
        with running_sandbox(SandboxOptions(db=db, faults="late@2:0")) as sandbox:
            with closing(sqlite3.connect(db)) as connection:
                connection.execute("DROP TABLE records")
            client = connect(sandbox)
            assert client.post(records, json={"CoworkerInvoiceId": 1}).status_code == 500
            with pytest.raises(httpx.RemoteProtocolError):
                client.post(records, json={"CoworkerInvoiceId": 1})
            assert client.get("/").status_code == 404

    with pytest.raises(RuntimeError, match=r"failed on 2 request\(s\)") as failed:
        break_it()
    assert isinstance(failed.value.__cause__, sqlite3.OperationalError)
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("faults", ["", "lost_after@1"])
def test_a_client_that_dies_in_the_middle_of_a_request_is_no_failure(start, connect, records, faults):
    sandbox: Sandbox = start(faults=faults)
    url = httpx.URL(sandbox.base_url)
    connection = socket.create_connection((url.host, url.port))
    head = f"POST {records} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n"
    body = '{"CoworkerInvoiceId": 1}'  # shorter than announced, and valid as far as it goes
    connection.sendall(f"{head}Authorization: {_basic(connect(sandbox))}\r\n\r\n{body}".encode())
    connection.close()

    _wait_for(lambda: sandbox.writes == 1)
    assert connect(sandbox).get(records).json()["TotalItems"] == 0


def test_serving_announces_the_way_in_and_ends_with_0_on_either_signal():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for number in (signal.SIGINT, signal.SIGTERM):
        said: list[str] = []

        def announce(line: str, said: list[str] = said, number: int = number) -> None:
            said.append(line)
            if line.startswith("Ctrl-C"):
                signal.raise_signal(number)

        assert serve(SandboxOptions(), announce) == 0

        text = "\n".join(said)
        for name in ("NEXUDUS_BASE_URL=http://127.0.0.1:", "NEXUDUS_USERNAME=", "NEXUDUS_PASSWORD="):
            assert f"export {name}" in text
        assert "records are in memory" in text
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_nothing_is_printed_or_logged_about_requests(client, records, capfd, caplog):
    client.post(records, json={"CoworkerInvoiceId": 1, "Token": "tok_secret"})
    client.get(records, params={"CoworkerInvoicePaymentToken_Token": "tok_secret"})

    seen = "".join(capfd.readouterr()) + "".join(
        record.getMessage() for record in caplog.records if "httpx" not in record.name
    )
    assert "tok_secret" not in seen
    assert seen == ""


def test_a_server_told_to_stop_before_it_ran_does_not_serve():
    async def never(_scope: object, _receive: object, _send: object) -> None:
        raise AssertionError

    server = WireServer(never)
    server.stop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.run_on(listener)

    assert server.ready.is_set()


def _basic(client: httpx.Client) -> str:
    return next(client.auth.auth_flow(httpx.Request("GET", client.base_url))).headers["Authorization"]


def _wait_for(claim) -> None:
    tick = threading.Event()
    for _ in range(500):
        if claim():
            return
        tick.wait(0.01)
    raise AssertionError("it never came true")
