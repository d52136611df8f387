"""A process that can be killed at any named point, and what it leaves: a backend in memory and a server with books."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from conducting import SETTLE, Conductor, SimulatedClock, SimulatedProject, settings
from ledger import Ledger, Row
from memory_backend import Killed, MemoryBackend, Store

from reconcile.core.errors import ApiError
from reconcile.core.outcomes import Answer, NeverSent, NoAnswer, Seen
from reconcile.core.records import ObservedRecord, Secret
from reconcile.ports import LockInfo

TIMEOUT = 60.0
NEVER = 1 << 60


class Mortality:
    """Counts the points that a process passes, and kills it at one; nothing of it runs after that."""

    def __init__(self, at: int = NEVER) -> None:
        self.passed: list[str] = []
        self.at = at
        self.is_dead = False

    def point(self, name: str) -> None:
        if self.is_dead:
            raise Killed
        self.passed.append(name)
        if len(self.passed) >= self.at:
            self.is_dead = True
            raise Killed


@dataclass
class MortalBackend(MemoryBackend):
    """The backend in memory, with a point before and after every write.

    Attributes:
        torn: What part of an append that is killed in the middle arrives; None kills before it or after it.
        on_append: Called once an append is durable.
    """

    mortality: Mortality = field(default_factory=Mortality)
    torn: float | None = None
    on_append: Callable[[], None] = lambda: None

    def append_journal(self, data: bytes) -> None:
        super().append_journal(data)
        self.on_append()

    def record_emergency(self, lines: str) -> Path | None:  # noqa: ARG002 - the port's signature
        return None

    def _begin(self, name: str) -> None:
        self.mortality.point(f"before {name}")
        super()._begin(name)

    def _arriving(self, data: bytes) -> bytes:
        is_last = len(self.mortality.passed) + 1 >= self.mortality.at
        return data[: int(len(data) * self.torn)] if is_last and self.torn is not None else data

    def _end(self) -> None:
        self.mortality.point(f"after {self.writes[-1]}")


@dataclass(frozen=True)
class Weather:
    """How likely each kind of trouble is, for every request; what is left goes well."""

    lost_after: float = 0.0  # took effect, no answer
    lost_before: float = 0.0  # no answer and no effect
    late: float = 0.0  # no answer, and an effect that comes within the settle time
    rejected: float = 0.0
    throttled: float = 0.0
    unsent: float = 0.0
    odd: float = 0.0  # a 5xx that may have had an effect
    unreadable: float = 0.0  # of reads
    lag: float = 0.0  # listings show a record only a while later
    missed: float = 0.0  # a listing lacks a record, which the next one shows
    asleep: float = 0.0  # the machine sleeps for up to ten minutes, after an append


FAIR = Weather()


class StoreApi:
    """The API as the client sees it, over a ledger; plain code without HTTP."""

    def __init__(self, ledger: Ledger, clock: SimulatedClock, random: Random, mortality: Mortality) -> None:
        self.weather = FAIR
        self.mortality = mortality
        self.sends_date = True
        self.date_off = 0.0
        self.is_alone = True
        self._missed: set[int] = set()
        self._ledger, self._clock, self._random = ledger, clock, random

    def sign_in(self) -> None:
        """There is nothing to sign in to."""

    def refresh_access(self) -> bool:
        return True

    @property
    def server_time(self) -> float | None:
        return float(int(self._clock.true() + self.date_off)) if self.sends_date else None

    def create(self, fields: Mapping[str, int | str | None], token: Secret | None) -> Seen:
        self.mortality.point("before the request")
        weather = self._drawn_for_create()
        if weather == "unsent":
            return NeverSent("connection refused")
        label, revealed = str(fields.get("notes")), token.reveal() if token is not None else None
        self._ledger.note_create(label)
        refusal = self._refusal(weather)
        if refusal is not None:
            return refusal
        row = self._effect(weather, fields, revealed)
        self.mortality.point("before the answer")
        answer = self._answer(weather, row)
        self.mortality.point("after the request")
        return answer

    def _drawn_for_create(self) -> str:
        roll = self._random.random()
        for name in ("lost_after", "lost_before", "late", "rejected", "throttled", "unsent", "odd"):
            roll -= getattr(self.weather, name)
            if roll < 0:
                return name
        return "fine"

    def _refusal(self, weather: str) -> Seen | None:
        if weather == "rejected":
            return Answer(400, {"WasSuccessful": False}, is_json=True, words="no")
        if weather == "throttled":
            if self.is_alone:  # what others have sent by then is under way
                self._ledger.closed_until = self._clock.true() + 2.0
            return Answer(409, is_empty=True, retry_after=2.0)
        return None

    def _effect(self, weather: str, fields: Mapping[str, int | str | None], token: str | None) -> Row | None:
        if weather == "lost_before" or (weather == "odd" and self._random.random() < 0.5):
            return None
        after, lag = 0.0, 0.0
        if weather == "late":
            after = self._random.uniform(0.1, TIMEOUT + SETTLE)
        if self._random.random() < self.weather.lag:
            lag = self._random.uniform(0, TIMEOUT + SETTLE - after)
        provider = fields.get("regular_payment_provider")
        return self._ledger.add(
            int(fields["coworker_invoice_id"] or 0),
            int(provider) if provider else None,
            token,
            str(fields.get("notes")),
            after=after,
            lag=lag,
        )

    def _answer(self, weather: str, row: Row | None) -> Seen:
        if weather == "odd":
            return Answer(502, is_json=False, words="Bad Gateway")
        if weather in {"lost_after", "lost_before", "late"}:
            if self._random.random() < 0.5:
                self._clock.sleep(TIMEOUT)
            return NoAnswer("connection reset")
        assert row is not None
        return Answer(200, {"Value": {"Id": row.id}, "Errors": None, "WasSuccessful": True}, is_json=True)

    def list_records(self, coworker_invoice_id: int | None = None) -> Iterator[ObservedRecord]:
        self._read()
        for row in self._shown(self._ledger.listed(coworker_invoice_id)):
            yield ObservedRecord(row.id, row.invoice, None, row.notes if self._random.random() < 0.5 else None)

    def list_newer(self, than: int, known: int) -> Iterator[ObservedRecord]:  # noqa: ARG002 - the port's signature
        return iter([record for record in self.list_records() if record.id > than])

    def count_records(self) -> int:
        self._read()
        return len(self._ledger.listed())

    def _shown(self, rows: list[Row]) -> list[Row]:
        """The rows, of which one of ours may be missing that was not missing the last time."""
        missing = {
            row.id
            for row in rows
            if row.is_ours and row.id not in self._missed and self._random.random() < self.weather.missed
        }
        self._missed = (self._missed - {row.id for row in rows}) | missing
        return [row for row in rows if row.id not in missing]

    def get(self, record_id: int) -> ObservedRecord | None:
        self._read()
        row = self._ledger.rows.get(record_id)
        if row is None:
            return None
        token = Secret(row.token) if row.token is not None else None
        return ObservedRecord(row.id, row.invoice, row.provider, row.notes, token)

    def _read(self) -> None:
        self.mortality.point("before a read")
        self._ledger.note_request()
        if self._random.random() < self.weather.unreadable:
            raise ApiError("HTTP 503 for the list of records")


class OpenPace:
    """No limits; keeps the pauses that the server asked for."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._until = 0.0

    def before_write(self) -> float | None:
        self._clock.sleep(self._until - self._clock.monotonic())
        return None

    def before_read(self) -> None:
        self.before_write()

    def pause(self, seconds: float) -> None:
        self._until = max(self._until, self._clock.monotonic() + seconds)


class World:
    """A store that outlives processes, a server with its books, a clock, and one client process after another."""

    def __init__(self, seed: int, *, concurrency: int = 1) -> None:
        self.random = Random(seed)  # noqa: S311 - cases that can be drawn again, nothing secret
        self.store = Store()
        self.clock = SimulatedClock()
        self.ledger = Ledger(self.clock.true, lambda: self.store.journal)
        self.weather = FAIR
        self.sends_date = True
        self.date_off = 0.0  # seconds that the server's clock is wrong by
        self.concurrency = concurrency

    def process(self, *, kill_at: int = NEVER, torn: float | None = None) -> Conductor:
        """A client of its own, which dies at the chosen point."""
        mortality = Mortality(kill_at)
        backend = MortalBackend(self.store, mortality=mortality, torn=torn)
        api = StoreApi(self.ledger, self.clock, self.random, mortality)
        api.weather, api.sends_date, api.is_alone = self.weather, self.sends_date, self.concurrency == 1
        api.date_off = self.date_off
        backend.on_append = self._sleep_perhaps
        project = SimulatedProject(backend, settings(concurrency=self.concurrency))
        return Conductor(project, self.clock, api, _ReadPaced(api, OpenPace(self.clock)))

    def begin(self) -> None:
        """Tells the server's books that a client is about to run."""
        self.ledger.note_client({held.id for held in self.process().known().state.records.values()})

    def _sleep_perhaps(self) -> None:
        if self.weather.asleep and self.random.random() < self.weather.asleep:
            self.clock.sleep(self.random.uniform(0, 600))

    def check(self) -> None:
        """I1 to I5 and what the tool itself makes of its files."""
        self.ledger.check(self.store.state, self.store.journal)
        folded = self.process().known()
        for address, held in folded.state.records.items():
            row = self.ledger.ever.get(held.id)
            assert row is not None, f"I3: {address} holds id {held.id}, which never was"
            assert row.notes == held.notes, f"I3: {address} holds {row}"
        owned = {held.id for held in folded.state.records.values()}
        assert len(owned) == len(folded.state.records), "two addresses hold one id"
        labels = {doubt.intent.notes for doubt in folded.doubts.values()}
        for row in self.ledger.rows.values():
            is_known = row.id in owned or row.notes in labels or row.notes in self.ledger.released
            assert is_known or not row.is_ours, f"I2: {row} is in no state, entry or open intent"


class _ReadPaced:
    """The pace of writes, which reads of the same client wait for as well."""

    def __init__(self, api: StoreApi, pace: OpenPace) -> None:
        read = api._read

        def paced() -> None:
            pace.before_read()
            read()

        api._read = paced  # type: ignore[method-assign]
        self.before_write, self.pause = pace.before_write, pace.pause


def lock_of_another() -> LockInfo:
    """What the lock says after somebody took it over."""
    return LockInfo("another", "apply", "bob", "elsewhere", 1, "2026-03-02T10:14:00Z")
