"""Whole plans on a simulated clock: the price is what they take, the limit that binds is used, none is exceeded."""

from dataclasses import dataclass, field
from itertools import count
from math import ceil

import pytest
from declarations import declare, manifests, plan
from memory_backend import MemoryBackend
from simulated import CountingServer, SimulatedClock

from reconcile.adapters.quota_ledger import QuotaLedger, absorb
from reconcile.app.connection import Waiting, _pacer
from reconcile.core.changes import Cost
from reconcile.core.quota import DAY, FEW_INVOICES, FRESH_SECONDS, Limits, whole_pages
from reconcile.core.runs import RunWrites

PUBLISHED = Limits()
EIGHT = 8
MANY = 10**9  # records in the account, so that reading invoice by invoice is cheaper


@dataclass
class Account:
    """One account with a limit, a ledger and a server, and runs that create on it."""

    limits: Limits = PUBLISHED
    latency: float = 0.2
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    backend: MemoryBackend = field(default_factory=MemoryBackend)
    runs: int = 0
    reads: int = 0
    read_at: float = 0.0

    def __post_init__(self) -> None:
        self.server = CountingServer(self.clock, self.latency)

    def run(
        self,
        writes: int,
        *,
        known: int = 0,
        longest: float | None = 600.0,
        is_killed: bool = False,
        signs_in: bool = False,
    ) -> tuple[int, float]:
        """Creates as many as the quota lets it: how many, and how far away the next slot is when it was too far."""
        self.runs += 1
        ledger = QuotaLedger(self.backend, "account", f"run-{self.runs}", self.clock)
        pace = _pacer(self.limits, ledger, self.clock, Waiting(longest))
        pages = whole_pages(writes, known)
        numbers, sent, too_far = count(1), [], []

        def read() -> None:
            pace.before_read()
            self.server.read()
            self.reads += 1

        for _ in range(signs_in + (1 + pages if writes > FEW_INVOICES else 0)):
            read()
        self.read_at = self.clock.monotonic()

        def look() -> None:
            if not pages:
                read()
            elif self.clock.monotonic() - self.read_at >= FRESH_SECONDS:
                self.read_at = self.clock.monotonic()
                read()

        def work() -> None:
            while not too_far and next(numbers) <= writes:
                look()
                wait = pace.before_write()
                if wait is not None:
                    too_far.append(wait)
                    return
                sent.append(float(int(self.clock.now())))
                self.server.write()

        self.clock.run(*[work] * EIGHT)
        if is_killed:  # the journal has the seconds, and nobody closed the ledger
            absorb(
                self.backend, {f"r{self.runs}": RunWrites("account", tuple(at + 1 for at in sent))}, self.clock.now()
            )
        else:
            ahead = self.clock.now() - self.clock.monotonic()
            ledger.take_over(f"r{self.runs}", [at + ahead for at in pace.own_writes()])
            ledger.close()
        return len(sent), min(too_far, default=0.0)

    def run_to_the_end(self, writes: int, known: int = 0) -> tuple[float, int]:
        """Run after run, each as soon as there is a slot: the seconds that the runs took, and how many there were."""
        seconds, runs = 0.0, 0
        while writes:
            began = self.clock.passed
            done, too_far = self.run(writes, known=known)
            seconds, runs, writes = seconds + self.clock.passed - began, runs + 1, writes - done
            self.clock.sleep(too_far)
        return seconds, runs


def cost(writes: int, known: int = 0, limits: Limits = PUBLISHED, used: int = 0) -> Cost:
    """What a plan of so many creates says that it costs."""
    declared = [declare(f"inv-{number}", number) for number in range(1, writes + 1)]
    return plan(manifests(*declared), limits=limits, used_today=used, known_records=known).cost


def rate(arrivals: list[float]) -> float:
    """Arrivals a second, from the first to the last."""
    return (len(arrivals) - 1) / (max(arrivals) - min(arrivals))


@pytest.mark.parametrize("known", [0, 40_000, MANY])
@pytest.mark.parametrize("writes", [1, 2, 3, 5, 10, 25, 60, 150])
def test_the_price_of_a_small_plan_is_what_it_takes(writes, known):
    account = Account(latency=0.0)
    seconds, runs = account.run_to_the_end(writes, known)
    priced = cost(writes, known)
    assert priced.seconds == pytest.approx(seconds, rel=0.05, abs=2.0)  # two turns: which of eight is first is open
    assert (priced.days, priced.reads) == (runs, account.reads)
    assert account.server.exceeded(PUBLISHED) == {}


@pytest.mark.parametrize("writes", [5000, 6206, 12_000])
def test_the_price_of_a_plan_over_days_is_what_it_takes(writes):
    account = Account()
    seconds, runs = account.run_to_the_end(writes, 11_000)
    priced = cost(writes, 11_000)
    assert (priced.seconds, priced.days) == (pytest.approx(seconds, rel=0.05), runs)
    assert priced.reads == pytest.approx(account.reads, rel=0.05)
    assert len(account.server.writes) == writes
    assert account.server.exceeded(PUBLISHED) == {}


def test_12000_creates_take_three_days_and_use_98_percent_of_minute_and_day():
    account = Account(latency=1.0)
    per_day = []
    left = 12_000
    while left:
        before = len(account.server.writes)
        done, too_far = account.run(left)
        arrived = account.server.writes[before:]
        assert rate(arrived) >= 0.98
        per_day.append(done)
        left -= done
        account.clock.sleep(too_far)
    assert per_day == [5000, 5000, 2000]
    assert account.clock.passed < 2 * (DAY + 60) + 2100
    assert account.server.exceeded(PUBLISHED) == {}


def test_a_patient_run_does_in_one_go_what_takes_three_days():
    account = Account(latency=0.2)
    assert account.run(12_000, longest=None) == (12_000, 0.0)
    assert account.clock.passed < 2 * (DAY + 60) + 2100
    assert account.server.exceeded(PUBLISHED) == {}


@pytest.mark.parametrize("latency", [0.2, 1.0, 3.0])
def test_writes_fill_the_minute_to_98_percent_whatever_the_latency(latency):
    account = Account(latency=latency)
    account.run(600)
    assert rate(account.server.writes) >= 0.98
    assert account.server.exceeded(PUBLISHED) == {}


@pytest.mark.parametrize("latency", [0.2, 1.0, 3.0])
def test_where_every_create_has_a_read_the_hour_is_filled_to_98_percent(latency):
    account = Account(latency=latency)
    account.run(3000, known=MANY)
    assert rate(account.server.requests) >= 0.98 * 5000 / 3600
    assert account.server.exceeded(PUBLISHED) == {}


def test_the_price_of_reads_invoice_by_invoice_is_what_they_take():
    account = Account()
    seconds, runs = account.run_to_the_end(3000, MANY)
    priced = cost(3000, MANY)
    assert (priced.seconds, priced.days) == (pytest.approx(seconds, rel=0.05), runs)


def test_many_short_runs_in_a_row_are_as_fast_as_a_long_one():
    account = Account(latency=0.2)
    for _ in range(60):
        account.clock.sleep(0.3)  # a process begins
        account.run(15, signs_in=True)
    assert rate(account.server.writes) >= 0.98
    assert account.server.exceeded(PUBLISHED) == {}


def test_runs_that_are_killed_exceed_no_limit_and_lose_little():
    limits = Limits(requests_per_minute=70)
    account = Account(limits)
    for _ in range(40):
        account.run(20, known=3000, is_killed=True)
        account.backend.store.quota += b'{"account":"account","run":"torn'
    assert account.server.exceeded(limits) == {}
    assert len(account.server.writes) == 800


def test_a_scaled_day_binds_over_many_runs_and_a_clock_that_is_set_back():
    limits = Limits(writes_per_day=100)
    account = Account(limits)
    done = 0
    for _ in range(30):
        number, too_far = account.run(7)
        done += number
        account.clock.sleep(min(too_far, 3600.0))
    assert done == 100
    assert account.server.exceeded(limits) == {}


def test_days_are_counted_from_what_is_used_today():
    limits = Limits(writes_per_day=200)
    account = Account(limits)
    account.run(80)
    seconds, runs = account.run_to_the_end(500)
    priced = cost(500, limits=limits, used=80)
    assert (priced.seconds, priced.days) == (pytest.approx(seconds, rel=0.05), runs)
    assert runs == ceil(580 / 200)
