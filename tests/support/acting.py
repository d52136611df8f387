"""What an apply acts through, in memory: it follows a script, keeps a log in order, and time passes at once."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from reconcile.apply import Bounds, Report, Tools, apply_plan
from reconcile.core.changes import Plan
from reconcile.core.entries import AppliedEntry, Entry, InDoubtEntry, IntentEntry, NoEffectEntry
from reconcile.core.errors import ReconcileError, StateError
from reconcile.core.folded import Doubt
from reconcile.core.outcomes import Answer, Seen
from reconcile.core.records import Address, ObservedRecord, PaymentToken, Secret, WholeRecord
from reconcile.ports import LockInfo

START = 1_772_446_440.0  # 2026-03-02T10:14:00Z

Said = tuple[str, object]
"""Who said what: `journal` an entry, `api` the fields of a request, `reporter` an event with its details."""


def success(record_id: int) -> Answer:
    body = {"Status": 200, "Value": {"Id": record_id}, "Errors": None, "WasSuccessful": True}
    return Answer(200, body, is_json=True)


def rejection(words: str = "CoworkerInvoice: does not exist") -> Answer:
    return Answer(400, {"WasSuccessful": False}, is_json=True, words=words)


def throttling(seconds: float | None = None) -> Answer:
    return Answer(409, is_empty=True, retry_after=seconds)


class Log:
    """What happened, in order, whoever said it."""

    def __init__(self) -> None:
        self._said: list[Said] = []
        self._lock = threading.Lock()

    def add(self, who: str, what: object) -> None:
        with self._lock:
            self._said.append((who, what))

    @property
    def said(self) -> list[Said]:
        with self._lock:
            return list(self._said)

    def of(self, who: str) -> list[object]:
        return [what for speaker, what in self.said if speaker == who]


class FakeClock:
    """Sleeping takes no time and makes it pass."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return START + self.passed

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.passed += seconds


class FakePace:
    """Has so many slots, and keeps the pauses the server asked for by letting them pass before the next write."""

    def __init__(self, clock: FakeClock, slots: int | None = None, away: float = 7200.0) -> None:
        self.pauses: list[float] = []
        self.taken = 0
        self._clock, self._slots, self._away = clock, slots, away
        self._due = 0.0
        self._lock = threading.Lock()

    def before_write(self) -> float | None:
        with self._lock:
            if self._slots is not None and self.taken >= self._slots:
                return self._away
            self.taken += 1
            self._clock.passed, self._due = self._clock.passed + self._due, 0.0
            return None

    def pause(self, seconds: float) -> None:
        with self._lock:
            self.pauses.append(seconds)
            self._due = max(self._due, seconds)


Listing = Sequence[ObservedRecord] | ReconcileError


class FakeApi:
    """A small store behind a script: a create that the script leaves alone makes a record, which is listed at once.

    Attributes:
        script: The next answers to creates, by their notes, their invoice, or `*` for any; to updates and deletes by
            `update`, `update 5001`, `delete` and `delete 5001`.
        altering: What the server makes of an update.
        records: What the server holds, by id; tests put in what others wrote, or what took effect unseen.
        listings: What the next listings say, whatever the server holds: lag, late effects, partial rows, errors.
        unreadable: What a read by id says instead; None is a JSON 404.
        reads: Every read in order: `count`, `all`, `invoice 7`, `id 5001`.
    """

    def __init__(self, log: Log, first_id: int = 5001) -> None:
        self.script: dict[str | int, list[Seen]] = {}
        self.records: dict[int, ObservedRecord] = {}
        self.listings: list[Listing] = []
        self.unreadable: dict[int, ReconcileError | None] = {}
        self.reads: list[str] = []
        self.server_time: float | None = None
        self.sent: list[tuple[dict[str, int | str | None], str | None]] = []
        self.updated: list[tuple[int, dict[str, int | str | None], str | None]] = []
        self.deleted: list[int] = []
        self.altering: Callable[[ObservedRecord], ObservedRecord] = lambda record: record
        self.in_flight: dict[int, int] = {}
        self.most_at_once: dict[int, int] = {}
        self.refreshes: list[bool | ReconcileError] = []
        self.refreshed = 0
        self.sign_ins: ReconcileError | None = None
        self.before_answer: Callable[[Mapping[str, int | str | None]], None] = lambda _: None
        self.before_listing: Callable[[], None] = lambda: None
        self.before_read: Callable[[], None] = lambda: None
        self._log, self._ids, self._lock = log, count(first_id), threading.Lock()

    def create(self, fields: Mapping[str, int | str | None], token: Secret | None) -> Seen:
        invoice = int(fields["coworker_invoice_id"] or 0)
        self._log.add("api", dict(fields))
        with self._lock:
            self.sent.append((dict(fields), token.reveal() if token is not None else None))
            self.in_flight[invoice] = self.in_flight.get(invoice, 0) + 1
            self.most_at_once[invoice] = max(self.most_at_once.get(invoice, 0), self.in_flight[invoice])
        try:
            self.before_answer(fields)
            return self._answer(fields, invoice, token)
        finally:
            with self._lock:
                self.in_flight[invoice] -= 1

    def update(self, whole: WholeRecord, fields: Mapping[str, int | str | None], token: Secret | None) -> Seen:
        old = whole.observed
        self._log.add("api", {"update": old.id, **fields})
        with self._lock:
            self.updated.append((old.id, dict(fields), token.reveal() if token is not None else None))
            scripted = self.script.get(f"update {old.id}") or self.script.get("update")
            if scripted:
                return scripted.pop(0)
        if old.id not in self.records:
            return Answer(404, is_json=True, words="Not found")
        self.records[old.id] = self.laid_over(old, fields, token)
        return success(old.id)

    def laid_over(
        self, old: ObservedRecord, fields: Mapping[str, int | str | None], token: Secret | None
    ) -> ObservedRecord:
        """The record that an update makes of another."""
        kept = None if "token" in fields else old.token
        return self.altering(
            ObservedRecord(
                old.id,
                int(fields["coworker_invoice_id"] or 0),
                fields.get("regular_payment_provider", old.regular_payment_provider),  # type: ignore[arg-type]
                fields.get("notes", old.notes),  # type: ignore[arg-type]
                token or kept,
            )
        )

    def delete(self, record_id: int, token: Secret | None = None) -> Seen:  # noqa: ARG002 - the port's signature
        self._log.add("api", {"delete": record_id})
        with self._lock:
            self.deleted.append(record_id)
            scripted = self.script.get(f"delete {record_id}") or self.script.get("delete")
            if scripted:
                return scripted.pop(0)
        if self.records.pop(record_id, None) is None:
            return Answer(404, is_json=True, words="Not found")
        return Answer(200, {"WasSuccessful": True, "Value": None}, is_json=True)

    def _answer(self, fields: Mapping[str, int | str | None], invoice: int, token: Secret | None) -> Seen:
        with self._lock:
            for key in (fields.get("notes"), invoice, "*"):
                if key is not None and self.script.get(key):
                    return self.script[key].pop(0)
            record_id = next(self._ids)
            provider, notes = fields.get("regular_payment_provider"), fields.get("notes")
            self.hold(record_id, invoice, provider, notes, token)  # type: ignore[arg-type]
            return success(record_id)

    def hold(
        self,
        record_id: int,
        invoice: int,
        provider: int | None = None,
        notes: str | None = None,
        token: Secret | None = None,
    ) -> ObservedRecord:
        """Puts a record into the store."""
        self.records[record_id] = ObservedRecord(record_id, invoice, provider, notes, token)
        return self.records[record_id]

    def sign_in(self) -> None:
        if isinstance(self.sign_ins, ReconcileError):
            raise self.sign_ins

    def refresh_access(self) -> bool:
        self.refreshed += 1
        answer = self.refreshes.pop(0) if self.refreshes else True
        if isinstance(answer, ReconcileError):
            raise answer
        return answer

    def list_records(self, coworker_invoice_id: int | None = None) -> Iterator[ObservedRecord]:
        self.before_listing()
        with self._lock:
            self.reads.append("all" if coworker_invoice_id is None else f"invoice {coworker_invoice_id}")
            rows: Listing = self.listings.pop(0) if self.listings else list(self.records.values())
        if isinstance(rows, ReconcileError):
            raise rows
        return iter([row for row in rows if coworker_invoice_id in {None, row.coworker_invoice_id}])

    def list_newer(self, than: int, known: int) -> Iterator[ObservedRecord]:  # noqa: ARG002 - the port's signature
        self.before_listing()
        with self._lock:
            self.reads.append("newer")
            rows: Listing = self.listings.pop(0) if self.listings else list(self.records.values())
        if isinstance(rows, ReconcileError):
            raise rows
        return iter([row for row in rows if row.id > than])

    def count_records(self) -> int:
        self.reads.append("count")
        return len(self.records)

    def get_whole(self, record_id: int) -> WholeRecord | None:
        found = self.get(record_id)
        return None if found is None else WholeRecord(found, Secret("{}"))

    def get(self, record_id: int) -> ObservedRecord | None:
        self.reads.append(f"id {record_id}")
        self.before_read()
        found = self.unreadable.get(record_id, self.records.get(record_id))
        if isinstance(found, ReconcileError):
            raise found
        return found


class FakeJournal:
    """Keeps entries with the thread that wrote them; fails on those that `fails_on` picks."""

    def __init__(self, log: Log) -> None:
        self.entries: list[Entry] = []
        self.threads: list[str] = []
        self.fails_on: Callable[[Entry], bool] = lambda _: False
        self._log, self._lock = log, threading.Lock()

    def append(self, *entries: Entry) -> None:
        with self._lock:
            if any(map(self.fails_on, entries)):
                raise StateError("the disk is full")
            self.entries.extend(entries)
            self.threads.extend(threading.current_thread().name for _ in entries)
        for entry in entries:
            self._log.add("journal", entry)

    @property
    def intents(self) -> list[IntentEntry]:
        return [entry for entry in self.entries if isinstance(entry, IntentEntry)]

    @property
    def outcomes(self) -> list[AppliedEntry | NoEffectEntry | InDoubtEntry]:
        return [entry for entry in self.entries if isinstance(entry, AppliedEntry | NoEffectEntry | InDoubtEntry)]


class FakeLock:
    """Is held for as many questions as it is told; always, unless told."""

    info = LockInfo("lock-1", "apply", "ann", "host", 1, "2026-03-02T10:14:00Z")

    def __init__(self) -> None:
        self.is_taken_away: Callable[[], bool] = lambda: False

    def is_held(self) -> bool:
        return not self.is_taken_away()


class FakeReporter:
    """Keeps what it is told, and notices when two threads tell it something at once."""

    def __init__(self, log: Log) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []
        self._log, self._busy = log, threading.Lock()

    def tell(self, event: str, details: Mapping[str, object]) -> None:
        assert self._busy.acquire(blocking=False), "two events at once"
        try:
            self.events.append((event, dict(details)))
            self._log.add("reporter", (event, dict(details)))
        finally:
            self._busy.release()

    def named(self, event: str) -> list[dict[str, object]]:
        return [details for name, details in self.events if name == event]


@dataclass
class Stage:
    """Everything together; change a part, then `run` a plan."""

    log: Log = field(default_factory=Log)
    clock: FakeClock = field(default_factory=FakeClock)
    lock: FakeLock = field(default_factory=FakeLock)
    alarms: list[str] = field(default_factory=list)
    is_interrupted: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self.api = FakeApi(self.log)
        self.journal = FakeJournal(self.log)
        self.reporter = FakeReporter(self.log)
        self.pace = FakePace(self.clock)
        self.alarm: Callable[[str], object] = self.alarms.append

    def tools(self) -> Tools:
        operations = count(1)
        return Tools(
            api=self.api,
            journal=self.journal,
            lock=self.lock,
            clock=self.clock,
            pace=self.pace,
            reporter=self.reporter,
            emergency=lambda line: self.alarm(line) and None,
            is_interrupted=self.is_interrupted,
            new_operation=lambda: f"r1-{next(operations)}",
            fingerprint=lambda secret: f"k:{sum(secret.reveal().encode()):x}",
        )

    def run(
        self,
        plan: Plan,
        *,
        tokens: Mapping[Address, Secret] | None = None,
        known_ids: Sequence[int] = (),
        doubts: Sequence[Doubt] = (),
        concurrency: int = 1,
        max_writes: int | None = None,
        max_rejections: int = 20,
        adopt_existing: bool = False,
    ) -> Report:
        bounds = Bounds(concurrency, 60.0, max_writes, max_rejections, adopt_existing)
        found = dict(tokens or {})
        return apply_plan(plan, found, self.tools(), bounds, run="r1", known_ids=known_ids, doubts=doubts)


def fingerprint_of(tokens: Mapping[Address, Secret]) -> Callable[[PaymentToken], str | None]:
    """The fingerprints that a stage gives to these tokens."""

    def find(record: PaymentToken) -> str | None:
        secret = tokens.get(record.address)
        return f"k:{sum(secret.reveal().encode()):x}" if secret is not None else None

    return find
