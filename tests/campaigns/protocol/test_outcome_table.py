"""Every row of the outcome table, for the first, a middle and the last create of a run, and faults on reads.

The real client and the real apply, over HTTP, against a server that fails as told and checks I1 to I12 from its own
books. Time is simulated, except for the deadline of a request: half a second.
"""

import base64
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from campaign import IS_FULL
from conducting import SETTLE, Conductor, SimulatedClock, SimulatedProject, ends, settings
from declarations import declare, manifests
from fault_server import Fault, FaultServer, Peer, answering, success
from ledger import Ledger, Row
from mortal import OpenPace
from synced_files import SyncedFiles

from reconcile.adapters.auth import Authenticator, Credentials
from reconcile.adapters.backends.local import LocalBackend
from reconcile.adapters.exchange import ApiOptions
from reconcile.adapters.nexudus import Nexudus
from reconcile.core.errors import ExitCode, ReconcileError
from reconcile.core.manifest import Manifests
from reconcile.core.records import Secret
from reconcile.core.report import Report
from reconcile.render.report import report_as_json

MET: Counter[str] = Counter()
TIMEOUT = 0.5
RECORDS = 5
TOKEN = "pm_planted/secret+of=tests"
ACCESS = "access-planted-secret"
HTML = b"<html><body>Not Found</body></html>"
ENVELOPE = {"WasSuccessful": False, "Message": f"CoworkerInvoice: no; you sent {TOKEN}", "Value": None}

READ_ENVELOPE = {"WasSuccessful": False, "Message": f"no access with {ACCESS}", "Value": None}


def cut(peer: Peer, row: Row | None) -> None:
    """A success that ends too early."""
    peer.send(200, json.dumps(success(row)).encode()[:40], length=400)
    peer.close()


def with_id(found: object) -> Callable[[Peer, Row | None], None]:
    return lambda peer, _: peer.send(200, {"Value": {"Id": found}, "WasSuccessful": True, "Errors": None})


def refused_with_id(peer: Peer, row: Row | None) -> None:
    peer.send(200, {**success(row), "WasSuccessful": False})


def created_with_status(status: int) -> Callable[[Peer, Row | None], None]:
    return lambda peer, row: peer.send(status, success(row))


NO_EFFECT = [
    Fault("200 refused", "none", answer=answering(200, ENVELOPE)),
    *(Fault(f"{status}", "none", answer=answering(status, ENVELOPE)) for status in (400, 413, 415, 422)),
    Fault("404 json", "none", answer=answering(404, "Not found")),
]
STOPS = [
    Fault("404 html", "none", answer=answering(404, HTML)),
    Fault("401", "none", answer=answering(401, ENVELOPE)),
    Fault("403", "none", answer=answering(403, b"")),
]
THROTTLES = [
    Fault("409 empty", "none", answer=answering(409)),
    Fault("409 told", "none", answer=answering(409, b"", "Retry-After: 3\r\n")),
    Fault("409 told with a body", "none", answer=answering(409, ENVELOPE, "Retry-After: 3\r\n")),
    Fault("429", "none", answer=answering(429, b"wait", "Retry-After: 7\r\n")),
]
ANSWERS_OF_DOUBT: list[tuple[str, Callable[[Peer, Row | None], None]]] = [
    ("reset", lambda peer, _: peer.reset()),
    ("eof", lambda peer, _: peer.close()),
    ("read timeout", lambda peer, _: peer.hang()),
    ("truncated 2xx", cut),
    ("unreadable 2xx", answering(200, b"{not json")),
    ("2xx of html", answering(200, HTML)),
    ("2xx of nothing", answering(200)),
    ("201", created_with_status(201)),
    ("204", lambda peer, _: peer.raw(b"HTTP/1.1 204 No Content\r\n\r\n")),
    *((f"id {found!r}", with_id(found)) for found in (None, 0, -1, "12", 1.5, True, [], 2**64)),
    ("true without value", answering(200, {"WasSuccessful": True, "Value": None})),
    ("no verdict", answering(200, {"Value": {}})),
    ("false with an id", refused_with_id),
    ("500 naming an id", created_with_status(500)),
    ("409 with a body", answering(409, ENVELOPE)),
    *((str(status), answering(status, ENVELOPE)) for status in (408, 500, 502, 503, 504, 599, 402, 405, 410, 418)),
    *(
        (f"{status} to elsewhere", answering(status, b"", "Location: /api/other\r\n"))
        for status in (301, 302, 307, 308)
    ),
]
IN_DOUBT = [
    Fault(f"{name}, {effect}", effect, after, answer)
    for name, answer in ANSWERS_OF_DOUBT
    for effect, after in (("none", 0.0), ("now", 0.0), ("late", 30.0), ("late", SETTLE))
    if not (name in {"201", "false with an id", "500 naming an id", "truncated 2xx"} and effect == "none")
]
READS = [
    Fault("read reset", answer=lambda peer, _: peer.reset()),
    Fault("read 500", answer=answering(500, {"Message": "An error has occurred."})),
    Fault("read 404 html", answer=answering(404, HTML)),
    Fault("read 401", answer=answering(401, READ_ENVELOPE)),
    Fault("read 409", answer=answering(409, b"", "Retry-After: 2\r\n")),
    Fault("read 200 html", answer=answering(200, HTML)),
    Fault("read 200 refused", answer=answering(200, READ_ENVELOPE)),
    Fault("read empty object", answer=answering(200, {})),
    Fault("read empty list", answer=answering(200, [])),
    Fault("read moving total", answer=answering(200, {"Records": [], "TotalItems": 7, "HasNextPage": False})),
    Fault("read wrong record", answer=answering(200, {"Id": 1, "CoworkerInvoiceId": 1})),
]


class Scene:
    """One project on a real disk, one server, one clock."""

    def __init__(self, folder: Path) -> None:
        self.files = SyncedFiles()
        self.state = folder / "state"
        self.clock = SimulatedClock()
        self.journal = self.state / "journal.jsonl"
        self.ledger = Ledger(self.clock.true, lambda: b"")
        self.server = FaultServer(self.ledger, lambda: self.files.after_power_loss(self.journal), self.clock.true)
        self.said: list[str] = []
        self._clients: list[Nexudus] = []

    def conductor(self) -> Conductor:
        pace = OpenPace(self.clock)
        access = Authenticator(Credentials(access_token=Secret(ACCESS)), "tests", self.clock)
        client = Nexudus(ApiOptions(self.server.url, TIMEOUT, 1), access, self.clock, pace)
        self._clients.append(client)
        project = SimulatedProject(LocalBackend(self.state, self.files), settings(timeout=TIMEOUT))
        return Conductor(project, self.clock, client, pace)

    def apply(self, declared: Manifests, **options: object) -> Report | ReconcileError:
        self.ledger.closed_until = float("-inf")
        conductor = self.conductor()
        ended = ends(conductor, declared, **options)
        said = report_as_json(ended) if isinstance(ended, Report) else ended.message + ended.help
        self.said += [json.dumps(said, default=str), json.dumps(conductor.listener.events, default=str)]
        self.check()
        doubts = self.conductor().known().doubts
        if isinstance(ended, Report) and doubts:
            assert ended.exit_code not in {ExitCode.DONE, ExitCode.REFUSED}, "I12: doubt is open"
        return ended

    def check(self) -> None:
        journal = self.journal.read_bytes() if self.journal.exists() else b""
        state = self.state / "state.json"
        self.ledger.check(state.read_bytes() if state.exists() else None, journal)

    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    def assert_no_secret_was_written(self) -> None:
        places = [path.read_bytes() for path in self.state.rglob("*") if path.is_file()]
        places += [text.encode() for text in (*self.said, *self.server.targets)]
        for place, form in itertools.product(places, (*forms_of(TOKEN), *forms_of(ACCESS))):
            assert form not in place, f"I11: {form!r}"

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.server.stop()


def forms_of(secret: str) -> list[bytes]:
    """The secret raw, URL-, JSON- and base64-encoded at three offsets, and in hex."""
    raw = secret.encode()
    shifted = [base64.b64encode(b"x" * offset + raw)[4 if offset else 0 : -4] for offset in range(3)]
    return [raw, quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode(), raw.hex().encode(), *shifted]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.close()


def declared_records() -> Manifests:
    """Five records at four invoices; each other one with a token."""
    records = []
    for number in range(RECORDS):
        more = {"token_source": "literal", "literal": Secret(f"{TOKEN}{number}")} if number % 2 == 0 else {}
        records.append(declare(f"r{number}", 100 + max(number, 1), line=number + 1, notes=f"r{number}", **more))
    return manifests(*records)


def assert_it_ends_well(scene: Scene, *, may_ask: bool = False) -> None:
    """I8 and I7, once the faults are over and the settle time has passed."""
    scene.server.faults, scene.server.always = {}, {}
    scene.wait(2 * SETTLE + 10)
    declared = declared_records()
    for _ in range(2):
        scene.apply(declared)
    files = {path: path.read_bytes() for path in scene.state.rglob("*") if path.is_file()}
    sent = scene.ledger.requests
    conductor = scene.conductor()
    plan = conductor.plan(declared)
    assert files == {path: path.read_bytes() for path in scene.state.rglob("*") if path.is_file()}, "I7"
    assert scene.ledger.requests == sent, "I7: a plan sent something"
    asking = conductor.known().doubts
    assert may_ask or not asking, asking
    assert all(change.action == "in_doubt" for change in plan.changes if change.address in asking) or plan.is_empty
    if not asking:
        assert plan.is_empty, plan.changes
        assert {row.notes for row in scene.ledger.rows.values()} == {f"r{number}" for number in range(RECORDS)}
    scene.assert_no_secret_was_written()


POSITIONS = {"first": 1, "middle": 3, "last": RECORDS}
everywhere = pytest.mark.parametrize("position", POSITIONS.values(), ids=POSITIONS.keys())


def everywhere_with(faults: list[Fault]) -> pytest.MarkDecorator:
    """Each fault at the first, a middle and the last create; in the small size, at one of these in turn."""
    cases = list(itertools.product(faults, POSITIONS))
    chosen = cases if IS_FULL else cases[::7]
    MET["runs"] += len(chosen)
    return pytest.mark.parametrize(
        ("fault", "position"),
        [(fault, POSITIONS[where]) for fault, where in chosen],
        ids=[f"{fault.name} {fault.after:.0f}, {where}" for fault, where in chosen],
    )


def reads(faults: list[Fault]) -> pytest.MarkDecorator:
    """Each fault in listings and in reads by id, once and for as long as it takes."""
    cases = list(itertools.product(faults, ("list", "get"), (False, True)))
    chosen = cases if IS_FULL else cases[::5]
    MET["reads"] += len(chosen)
    return pytest.mark.parametrize(
        ("fault", "kind", "is_lasting"),
        chosen,
        ids=[f"{fault.name}, {kind}, {'always' if lasting else 'once'}" for fault, kind, lasting in chosen],
    )


@everywhere_with(NO_EFFECT)
def test_a_refused_create_fails_alone_and_is_planned_again(scene: Scene, fault: Fault, position: int) -> None:
    scene.server.faults["create", position] = fault
    report = scene.apply(declared_records())
    assert isinstance(report, Report)
    assert len(report.having("rejected")) == 1
    assert len(report.having("applied")) == RECORDS - 1
    assert report.exit_code == ExitCode.FAILED
    assert_it_ends_well(scene)


@everywhere_with(STOPS)
def test_an_answer_that_is_no_api_or_no_access_stops_the_run_without_doubt(
    scene: Scene, fault: Fault, position: int
) -> None:
    scene.server.faults["create", position] = fault
    report = scene.apply(declared_records())
    assert isinstance(report, Report)
    assert report.stop is not None
    assert report.exit_code == ExitCode.FAILED
    assert len(report.having("applied")) == position - 1
    assert scene.server.seen["create"] == position
    assert not scene.conductor().known().doubts
    assert_it_ends_well(scene)


@everywhere_with(THROTTLES)
def test_a_throttled_create_waits_as_told_and_is_sent_again(scene: Scene, fault: Fault, position: int) -> None:
    seconds = {"409 told": 3.0, "409 told with a body": 3.0, "429": 7.0, "409 empty": 1.0}[fault.name]
    answer = fault.answer
    assert answer is not None

    def closing(peer: Peer, row: Row | None) -> None:
        scene.ledger.closed_until = scene.clock.true() + seconds
        answer(peer, row)

    scene.server.faults["create", position] = Fault(fault.name, "none", answer=closing)
    report = scene.apply(declared_records())
    assert isinstance(report, Report)
    assert (len(report.having("applied")), report.exit_code) == (RECORDS, ExitCode.DONE)
    assert scene.server.seen["create"] == RECORDS + 1
    assert_it_ends_well(scene)


@everywhere_with(IN_DOUBT)
def test_what_may_have_taken_effect_is_never_sent_again_before_it_was_settled_by_reading(
    scene: Scene, fault: Fault, position: int
) -> None:
    scene.server.faults["create", position] = fault
    report = scene.apply(declared_records())
    assert isinstance(report, Report)
    label = f"r{position - 1}"
    assert scene.ledger.arrived[label] == 1
    result = next(result for result in report.results if result.change.address == label)
    assert result.status == ("adopted" if fault.effect == "now" else "in_doubt")
    if fault.effect != "now":
        assert report.exit_code == ExitCode.IN_DOUBT
        scene.wait(10)
        scene.apply(declared_records())
        assert scene.ledger.arrived[label] == 1, "sent again before the settle time"
    assert_it_ends_well(scene)
    assert scene.ledger.arrived[label] == (2 if fault.effect == "none" else 1)


@everywhere
def test_an_id_that_is_known_stops_all_writes_and_is_asked_about(scene: Scene, position: int) -> None:
    scene.apply(manifests(declare("r0", 101, line=1, notes="r0", token_source="literal", literal=Secret(f"{TOKEN}0"))))
    known = next(iter(scene.ledger.rows))
    scene.server.faults["create", position + 1] = Fault("known", "none", answer=with_id(known))
    if position == RECORDS:
        return  # there is no such create: the first record exists
    report = scene.apply(declared_records())
    assert isinstance(report, Report)
    assert scene.server.seen["create"] == position + 1, "another write left"
    assert report.exit_code == ExitCode.IN_DOUBT
    scene.wait(3 * SETTLE)
    report = scene.apply(declared_records())
    assert isinstance(report, Report)
    assert report.exit_code == ExitCode.IN_DOUBT, "nobody was asked"
    assert_it_ends_well(scene, may_ask=True)


@everywhere
@pytest.mark.parametrize("tries", [2, 99], ids=["for a while", "for good"])
def test_a_request_that_cannot_be_sent_is_tried_a_few_times_and_costs_nothing(
    scene: Scene, position: int, tries: int
) -> None:
    refusing = RefusingApi(scene, position, tries)
    conductor = scene.conductor()
    conductor.api = refusing.over(conductor.api)
    report = conductor.apply(declared_records())
    scene.check()
    assert len(report.having("applied")) == (RECORDS if tries == 2 else position - 1)
    assert not scene.conductor().known().doubts
    assert_it_ends_well(scene)


class RefusingApi:
    """Has nobody listen on the port, from a certain create on and so many times."""

    def __init__(self, scene: Scene, position: int, tries: int) -> None:
        self._scene, self._position, self._left = scene, position, tries
        self._seen = 0
        self._nobody = Nexudus(
            ApiOptions("http://127.0.0.1:1", TIMEOUT, 1),
            Authenticator(Credentials(access_token=Secret(ACCESS)), "tests", scene.clock),
            scene.clock,
            OpenPace(scene.clock),
        )

    def over(self, real: Nexudus) -> "RefusingApi":
        self._real = real
        return self

    def create(self, fields: dict[str, int | str | None], token: Secret | None) -> object:
        self._seen += 1
        if self._seen >= self._position and self._left:
            self._left -= 1
            return self._nobody.create(fields, token)
        return self._real.create(fields, token)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


@reads(READS)
def test_a_read_that_fails_is_never_an_empty_list(
    scene: Scene,
    fault: Fault,
    kind: str,
    is_lasting: bool,  # noqa: FBT001 - a case
) -> None:
    scene.server.faults["create", 2] = Fault("lost", "now", answer=lambda peer, _: peer.reset())
    scene.server.faults["create", 4] = Fault("late", "late", 200.0, answer=lambda peer, _: peer.reset())
    if is_lasting:
        scene.server.always[kind] = fault
    else:
        scene.server.faults[kind, 1] = fault
    for _ in range(3):
        scene.apply(declared_records())
        scene.wait(SETTLE / 2)
    assert_it_ends_well(scene)


def test_a_listing_that_does_not_add_up_proves_no_absence(scene: Scene) -> None:
    scene.server.faults["create", 2] = Fault("late", "late", 100.0, answer=lambda peer, _: peer.reset())
    scene.apply(declared_records())
    scene.wait(2 * SETTLE)
    scene.server.always["list"] = next(fault for fault in READS if fault.name == "read moving total")
    for _ in range(2):
        assert scene.apply(declared_records()).exit_code == ExitCode.IN_DOUBT
        assert set(scene.conductor().known().doubts) == {"r1"}
    assert_it_ends_well(scene)


def test_the_servers_time_goes_on_between_its_answers(scene: Scene) -> None:
    api = scene.conductor().api
    assert api.server_time is None
    api.count_records()
    first = api.server_time
    scene.wait(100)
    assert api.server_time == first + 100


def test_the_rows_and_runs_of_the_outcome_table_are_counted(count_of: Callable[[str, str], None]) -> None:
    rows = len(NO_EFFECT) + len(STOPS) + len(THROTTLES) + len(IN_DOUBT) + 3
    runs = f"{MET['runs'] + 9} cases at the first, a middle or the last create"
    count_of("outcome table", f"{rows} rows, {runs}, {MET['reads']} with faults on reads")
