"""The ledger counts every charge once, across runs, crashes, clocks that jump and files that were torn."""

import json
from types import SimpleNamespace

import pytest
from journal_entries import creates, failure_of, intent, lock_info
from memory_backend import Killed, MemoryBackend

from reconcile.adapters.quota_ledger import BLOCK, Charges, QuotaLedger, absorb, account_of, read_charges
from reconcile.app.project import open_journal
from reconcile.core.entries import AppliedEntry, FinishedEntry, RunEntry, StateChangedEntry
from reconcile.core.errors import StateError
from reconcile.core.runs import RunWrites, writes_by_run
from reconcile.core.state import State
from reconcile.core.times import iso

NOW = 1_772_446_440.0
DAY = 86_400.0


class StandingClock:
    def __init__(self, at=NOW):
        self.at = at
        self.sent = []  # who sent something, and when

    def now(self):
        return self.at

    def monotonic(self):
        return self.at - NOW

    def sleep(self, seconds):
        self.at += seconds


@pytest.fixture
def clock():
    return StandingClock()


def charges(backend, account="a", now=NOW, journalled=None):
    return read_charges(backend, account, now, journalled or {})


def lines(backend):
    return [json.loads(line) for line in backend.store.quota.splitlines() if line]


def test_an_account_is_a_url_with_a_login_and_tells_neither():
    name = account_of("https://spaces.nexudus.com", "ann@example.com")
    assert len({name, account_of("https://spaces.nexudus.com", ""), account_of("", "ann@example.com")}) == 3
    assert "ann" not in name
    assert "nexudus" not in name


def test_an_intent_counts_at_the_end_of_its_second_in_the_account_of_its_run():
    run = RunEntry("r1", "apply", iso(NOW), account="a")
    entries = [run, intent("o1", "x", at=iso(NOW)), intent("o2", "y", at=iso(NOW + 3.9))]
    assert writes_by_run(entries) == {"r1": RunWrites("a", (NOW + 1, NOW + 4))}


def test_runs_that_keep_no_limit_are_not_counted():
    assert writes_by_run(creates(3)) == {}
    assert writes_by_run([intent("o1", "x", run="compacted-away")]) == {}


def test_a_run_counts_once_however_often_it_is_absorbed(backend):
    told = {"r1": RunWrites("a", (NOW - 9, NOW - 8)), "r2": RunWrites("b", (NOW - 7,))}
    for _ in range(3):
        absorb(backend, told, NOW)
    assert len(lines(backend)) == 2
    assert charges(backend, journalled=told).writes == (NOW - 9, NOW - 8)
    assert charges(backend, "b", journalled=told).writes == (NOW - 7,)
    assert charges(backend, None, journalled=told).writes == (NOW - 9, NOW - 8, NOW - 7)


def test_of_a_run_that_was_absorbed_while_it_went_on_the_fuller_account_counts(backend):
    absorb(backend, {"r1": RunWrites("a", (NOW - 9,))}, NOW)
    absorb(backend, {"r1": RunWrites("a", (NOW - 9, NOW - 8))}, NOW)
    absorb(backend, {"r1": RunWrites("a", (NOW - 8,))}, NOW)
    assert charges(backend).writes == (NOW - 9, NOW - 8)


def test_exact_times_are_kept_where_the_journal_only_has_seconds(backend, clock):
    QuotaLedger(backend, "a", "n", clock).take_over("r1", [NOW - 8.75, NOW - 7.25])
    absorb(backend, {"r1": RunWrites("a", (NOW - 8, NOW - 7))}, NOW)
    assert charges(backend).writes == (NOW - 8.75, NOW - 7.25)


def test_what_the_journal_alone_knows_counts_too(backend):
    assert charges(backend, journalled={"r1": RunWrites("a", (NOW - 1,))}).writes == (NOW - 1,)


def test_reads_are_reserved_before_they_leave_and_given_back_exactly(backend, clock):
    ledger = QuotaLedger(backend, "a", "run-1", clock)
    ledger.reserve_read()
    assert charges(backend, now=NOW + 60).reads == (NOW + 60,) * BLOCK  # a killed run's block counts whole, at its end
    clock.sleep(5)
    ledger.reserve_read()
    ledger.close()
    ledger.close()
    assert charges(backend, now=NOW + 60).reads == (NOW, NOW + 5)
    assert len(lines(backend)) == 2


@pytest.mark.parametrize("pause", [0.0, 61.0, -10.0])
def test_a_block_that_is_full_or_over_is_followed_by_another(backend, clock, pause):
    ledger = QuotaLedger(backend, "a", "run-1", clock)
    for _ in range(BLOCK):
        ledger.reserve_read()
    clock.sleep(pause)
    ledger.reserve_read()
    assert [line["block"] for line in lines(backend)] == ["run-1-1", "run-1-1", "run-1-2"]


def test_a_read_that_cannot_be_reserved_does_not_leave(backend, clock):
    backend.failure = StateError("the disk is full")
    assert failure_of(QuotaLedger(backend, "a", "run-1", clock).reserve_read) is not None


def test_a_time_ahead_of_the_clock_counts_as_now_and_one_of_yesterday_not_at_all(backend):
    absorb(backend, {"r1": RunWrites("a", (NOW - 2 * DAY, NOW - 5, NOW + 500))}, NOW + 500)
    assert charges(backend).writes == (NOW - 5, NOW)


def test_a_clock_that_was_far_ahead_blocks_for_a_day_and_no_longer(backend):
    absorb(backend, {"r1": RunWrites("a", (NOW + 30 * DAY,))}, NOW + 30 * DAY)
    QuotaLedger(backend, "a", "ahead", StandingClock(NOW + 30 * DAY)).reserve_read()
    absorb(backend, {"r2": RunWrites("a", (NOW,))}, NOW)
    assert charges(backend).writes == (NOW, NOW)
    assert charges(backend).reads == (NOW,) * BLOCK
    assert charges(backend, now=NOW + 2 * DAY) == Charges()


@pytest.mark.parametrize(
    "damage",
    [
        b'{"account":"a","run":"r9","writes":[17',
        b"[1,2]\n",
        b"null\n",
        b'"text"\n',
        b'{"account":"a","run":"r9","writes":["soon"]}\n',
        b'{"account":7,"run":"r9","writes":[1]}\n',
        b'{"account":"a","block":"b","reads":"many","until":1}\n',
        b'{"account":"a","block":"b","used":[null]}\n',
        b"\xff\xfe\x00\n",
    ],
)
def test_a_line_that_says_nothing_is_passed_over_and_the_next_one_counts(backend, damage):
    backend.store.quota = damage
    absorb(backend, {"r1": RunWrites("a", (NOW - 1,))}, NOW)
    assert charges(backend, None) == Charges((NOW - 1,))


def test_the_last_total_of_an_account_is_known_to_later_runs(backend, clock):
    ledger = QuotaLedger(backend, "a", "n", clock)
    assert ledger.known_total() is None
    for total in (700, 700, 900):
        ledger.note_total(total)
    QuotaLedger(backend, "b", "n", clock).note_total(5)
    assert len(lines(backend)) == 3
    assert QuotaLedger(backend, "a", "m", clock).known_total() == ledger.known_total() == 900
    assert charges(backend, None).total == 5


def test_old_lines_are_dropped_once_they_are_half_and_nothing_that_counts_is(backend, clock):
    ledger = QuotaLedger(backend, "a", "n", clock)
    ledger.note_total(900)
    for number in range(100):
        ledger.take_over(f"old-{number}", [NOW - number])
    clock.sleep(2 * DAY)
    ledger.reserve_read()
    ledger.close()
    unused = QuotaLedger(backend, "a", "unused", clock)
    unused.reserve_read()
    unused._used.clear()
    unused.close()
    now = clock.now()
    absorb(backend, {"r1": RunWrites("a", (now - 1,))}, now)
    assert charges(backend, now=now) == Charges((now - 1,), (now,), 900)
    assert len(lines(backend)) == 3


def test_a_run_too_old_to_count_is_not_absorbed_again_and_again(backend):
    absorb(backend, {"doubt": RunWrites("a", (NOW - 2 * DAY,))}, NOW)
    assert backend.writes == []


# A whole run with its commit, killed at every write; what a person does next, killed at every write as well.


def begin(backend, clock):
    return open_journal(SimpleNamespace(backend=backend), clock, SimpleNamespace(is_held=lambda: True))


def run_once(backend, clock, name, *, ends=True, takes_over=True):
    journal = begin(backend, clock)
    ledger = QuotaLedger(backend, "a", name, clock)
    journal.append(RunEntry(name, "apply", iso(clock.now()), account="a"))
    for number in range(3):
        clock.sleep(1)
        operation = f"{name}-{number}"
        journal.append(intent(operation, operation, name, at=iso(clock.now())))
        clock.sent.append((name, clock.now()))
        journal.append(AppliedEntry(operation, abs(hash(operation)), iso(clock.now())))
    if ends:
        if takes_over:
            ledger.take_over(name, [at for run, at in clock.sent if run == name])
        journal.append(FinishedEntry(name, iso(clock.now()), 0))
        journal.commit(tool_version="t")


def correct_by_hand(backend, clock):
    journal = begin(backend, clock)
    journal.append(StateChangedEntry("mv", iso(clock.now()), "r1-0", 1, to="moved", who="ana"))
    journal.commit(tool_version="t")


@pytest.mark.parametrize("tear", [None, 0, 25])
@pytest.mark.parametrize("ends", [True, False])
def test_killed_at_any_write_every_write_that_was_sent_counts_exactly_once(tear, ends):
    acts = (
        lambda backend, clock: run_once(backend, clock, "r1", ends=ends),
        correct_by_hand,
        lambda backend, clock: run_once(backend, clock, "r2", ends=ends),
        correct_by_hand,
        correct_by_hand,
    )
    kills = 0
    for kill_after in range(1, 60):
        clock, backend = StandingClock(), MemoryBackend(kill_after=kill_after, tear=tear)
        with backend.lock(lock_info(), timeout=0):
            for act in acts:
                try:
                    act(backend, clock)
                except Killed:
                    kills += 1
                    backend = MemoryBackend(backend.store)
                clock.sleep(5)
        before = charges(backend, now=clock.now()).writes
        begin(backend, clock)
        after = charges(backend, now=clock.now()).writes
        # An intent that became durable, and was killed before anybody could send it, counts too.
        assert len(clock.sent) <= len(after) <= len(clock.sent) + 1
        assert len(after) == len(set(after))
        assert all(at in after or at + 1 in after for _, at in clock.sent)
        assert len(before) <= len(after)
    assert kills >= 20


def test_no_command_needs_to_know_the_ledger_to_keep_the_count(backend, clock):
    run_once(backend, clock, "r1", ends=False)
    run_once(backend, clock, "r2")
    for _ in range(3):  # compaction drops what the backup does not need
        clock.sleep(1)
        correct_by_hand(backend, clock)
    assert b"intent" not in backend.store.journal
    assert len(charges(backend, now=clock.now()).writes) == 6


def test_whoever_opens_the_journal_finds_the_writes_of_a_killed_run_in_the_ledger(backend, clock):
    run_once(backend, clock, "r1", ends=False)
    assert charges(backend, now=clock.now()).writes == ()
    begin(backend, clock)
    assert len(charges(backend, now=clock.now() + 1).writes) == 3


def test_a_commit_lets_go_of_no_write_that_nobody_else_took_over(backend, clock):
    run_once(backend, clock, "r1", takes_over=False)
    assert len(charges(backend, now=clock.now() + 1).writes) == 3


def test_a_pushed_state_lets_go_of_none_either(backend, clock):
    run_once(backend, clock, "r1", takes_over=False)
    journal = begin(backend, clock)
    journal.append(RunEntry("r2", "apply", iso(clock.now()), account="a"), intent("o", "x", "r2", at=iso(clock.now())))
    journal.append(AppliedEntry("o", 77, iso(clock.now())), FinishedEntry("r2", iso(clock.now()), 0))
    journal.push(State("another-lineage", 9), who="ana", tool_version="t")
    assert b"intent" not in backend.store.journal
    assert len(charges(backend, now=clock.now() + 1).writes) == 4


def test_the_servers_word_outlives_the_run_that_heard_it(backend, clock):
    QuotaLedger(backend, "a", "run-1", clock).note_pause(1800)
    QuotaLedger(backend, "a", "run-2", clock).note_pause(5)
    assert charges(backend, now=NOW + 60).paused_until == NOW + 1800
    assert charges(backend, "b").paused_until == 0
    assert charges(backend, None).paused_until == NOW + 1800


def test_a_pause_that_ends_no_later_than_the_one_before_is_not_written(backend, clock):
    ledger = QuotaLedger(backend, "a", "run-1", clock)
    for seconds in (30, 30, 7):
        ledger.note_pause(seconds)
    assert lines(backend) == [{"account": "a", "paused_until": NOW + 30}]


def test_a_pause_from_a_clock_that_was_far_ahead_holds_nobody_up(backend, clock):
    clock.at = NOW + 365 * DAY
    QuotaLedger(backend, "a", "run-1", clock).note_pause(60)
    clock.at = NOW
    QuotaLedger(backend, "a", "run-2", clock).note_pause(60)
    assert charges(backend).paused_until == NOW + 60


def test_a_pause_survives_the_pruning_of_what_is_old(backend, clock):
    ledger = QuotaLedger(backend, "a", "run-1", clock)
    ledger.note_pause(-10)
    ledger.note_pause(1800)
    for number in range(100):
        absorb(backend, {f"r{number}": RunWrites("a", (NOW - 2 * DAY,))}, NOW - 2 * DAY)
    absorb(backend, {"last": RunWrites("a", (NOW,))}, NOW)
    absorb(backend, {"another": RunWrites("a", (NOW,))}, NOW)
    pauses = [line["paused_until"] for line in lines(backend) if "paused_until" in line]
    assert pauses == [NOW + 1800]
