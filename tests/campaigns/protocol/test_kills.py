"""Kills at named points inside the process: recover, go on, and nothing is lost, forgotten or created twice.

Each case draws a set of declarations, a weather and some kills, by its number alone, so that a case that failed can be
run again: `case(number)`. A third of them run with three workers, whose order the system decides. In full: 10,000.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from campaign import seeds
from conducting import SETTLE, ends
from declarations import declare, manifests
from ledger import Row
from memory_backend import Killed
from mortal import FAIR, TIMEOUT, Weather, World, lock_of_another

from reconcile import __version__
from reconcile.app.project import open_journal
from reconcile.core.changes import Plan
from reconcile.core.errors import ReconcileError
from reconcile.core.folded import Folded
from reconcile.core.manifest import Manifests
from reconcile.core.records import PaymentToken, Secret
from reconcile.core.report import Report

PARTS = 8
STORMY = Weather(0.12, 0.08, 0.12, 0.05, 0.08, 0.03, 0.08, 0.02, 0.2, missed=0.15, asleep=0.01)


def declarations(random: Random) -> Manifests:
    """Up to eight records at fewer invoices, some with a token."""
    records = []
    for number in range(random.randrange(1, 9)):
        more = {"token_source": "literal", "literal": Secret(f"pm_{number}")} if random.random() < 0.5 else {}
        address = f"a{number}"
        records.append(declare(address, 1000 + random.randrange(6), line=number + 1, notes=address, **more))
    return manifests(*records)


def case(number: int) -> list[str]:
    """One case, and how each of its lives ended: the name of the point of the kill, or what the run said."""
    random = Random(number)  # noqa: S311 - cases that can be drawn again, nothing secret
    world = World(number, concurrency=1 if number % 3 else 3)
    world.sends_date = random.random() < 0.8
    world.date_off = random.choice([0.0, 0.0, 5 * 3600.0, -5 * 3600.0])
    declared = declarations(random)
    strangers = [stranger(world, record) for record in declared.records.values() if random.random() < 0.15]
    # A listing that lacks our record where somebody wrote its like would show theirs alone: it is one or the other.
    copies = random.random() < 0.5
    stormy = replace(STORMY, missed=0.0) if copies else STORMY
    calm = random.random() < 0.2
    deaths: list[str] = []
    for _ in range(random.randrange(1, 4)):
        world.weather = FAIR if calm else stormy
        world.begin()
        deaths.append(live(world, declared, random))
        world.check()
        assert_recovery_is_idempotent(world)
        meddle(world, strangers, random)
        if copies:
            copy_what_is_in_doubt(world, declared, random)
        if random.random() < 0.3:
            world.clock.sleep(random.uniform(0, 2 * SETTLE))
    world.weather = FAIR
    assert_it_ends_well(world, declared)
    return deaths


def stranger(world: World, record: PaymentToken) -> tuple[Row, PaymentToken]:
    """A record that somebody else has at the invoice, and that is not like any of ours yet."""
    return world.ledger.add_foreign(record.coworker_invoice_id, "pm_of_others", "of others"), record


def meddle(world: World, strangers: list[tuple[Row, PaymentToken]], random: Random) -> None:
    """Somebody makes an old record look like ours."""
    while strangers and random.random() < 0.5:
        row, record = strangers.pop()
        world.ledger.edit(row, notes=record.notes, token=token_of(record))


def copy_what_is_in_doubt(world: World, declared: Manifests, random: Random) -> None:
    """Somebody writes a record that is exactly like one of ours that is listed, and in doubt."""
    there = {row.notes for row in world.ledger.listed() if row.is_ours}
    for address in world.process().known().doubts:
        if address in there and random.random() < 0.2:
            record = declared.records[address]
            world.ledger.add_foreign(record.coworker_invoice_id, token_of(record), address)


def token_of(record: PaymentToken) -> str | None:
    return record.literal.reveal() if record.literal is not None else None


def live(world: World, declared: Manifests, random: Random) -> str:
    """A run that is killed somewhere, unless it ends before; the lock may be taken away on the way."""
    torn = random.random() if random.random() < 0.4 else None
    kill_at = random.randrange(1, 10 + 8 * len(declared.records)) if random.random() < 0.9 else 1 << 60
    process = world.process(kill_at=kill_at, torn=torn)
    backend = process.project.backend
    stolen_at = random.randrange(1, 12) if random.random() < 0.1 else 0
    if stolen_at and world.concurrency == 1:
        backend.on_append = stealing(world, backend, stolen_at)
    try:
        report = process.apply(declared)
    except Killed:
        return backend.mortality.passed[-1]
    except ReconcileError as error:
        return f"error {error.code}"
    finally:
        world.ledger.is_locked_out = False
    assert_doubt_shows(world, report)
    return f"exit {int(report.exit_code)}"


def stealing(world: World, backend: object, at: int) -> Callable[[], None]:
    """Takes the lock away after that many appends, from when on nothing may be sent (I10)."""
    count = 0

    def after_append() -> None:
        nonlocal count
        count += 1
        if count == at:
            backend.holder = lock_of_another()  # type: ignore[attr-defined]
            world.ledger.is_locked_out = True

    return after_append


def assert_doubt_shows(world: World, report: Report) -> None:
    opened = world.process().known().doubts
    assert not opened or report.exit_code != 0, "I12: exit 0 with doubt open"


def assert_recovery_is_idempotent(world: World) -> None:
    """Reading twice, and recovering once or twice, say the same (I6); reading changes no byte (I7)."""
    before = replace(world.store)
    first = world.process().known()
    assert world.process().known() == first
    assert world.store == before
    kept, world.store = world.store, before
    with world.process()._locked("check"):
        pass
    recovered = [recover(world), recover(world)]
    world.store = kept
    assert watched(recovered[0]) == watched(recovered[1])
    for again in recovered:
        assert (again.state.records, again.doubts) == (first.state.records, first.doubts)


def watched(folded: Folded) -> set[str]:
    return {watch.intent.operation for watch in folded.watches}


def recover(world: World) -> Folded:
    """Opens the journal as the next run would, makes a state of it, and says what it holds."""
    process = world.process()
    with process._locked("check") as lock:
        journal = open_journal(process.project, process.clock, lock)  # type: ignore[arg-type]
        journal.commit(tool_version=__version__)
        return journal.folded


def assert_it_ends_well(world: World, declared: Manifests) -> None:
    """I8: the faults have stopped and the settle time has passed, so two runs leave only what has to be asked."""
    world.clock.sleep(TIMEOUT + 2 * SETTLE + 5)
    settle_down(world, declared)
    doubts = world.process().known().doubts
    stuck = {doubt.intent.coworker_invoice_id for doubt in doubts.values()}
    waiting = [change for change in plan_of(world, declared).changes if change.address not in doubts]
    assert all(change.declared and change.declared.coworker_invoice_id in stuck for change in waiting), waiting
    for address in doubts:
        mine = [row.id for row in world.ledger.rows.values() if row.is_ours and row.notes == address]
        assert mine, f"{address} asks, and there is nothing to ask about"
        world.process().take_word(address, mine[0])
    settle_down(world, declared)
    assert plan_of(world, declared).is_empty
    arrived = world.ledger.arrived.total()
    ends(world.process(), declared)
    assert world.ledger.arrived.total() == arrived, "an apply of nothing sent something"
    world.check()


def settle_down(world: World, declared: Manifests) -> None:
    for _ in range(2):
        world.begin()
        ended = ends(world.process(), declared, adopt_existing=True)
        assert isinstance(ended, Report), ended
        world.check()


def plan_of(world: World, declared: Manifests) -> Plan:
    """The plan, which asks the API nothing and writes nothing (I7)."""
    requests, before = world.ledger.requests, replace(world.store)
    plan = world.process().plan(declared)
    assert (world.ledger.requests, world.store) == (requests, before), "I7"
    return plan


@pytest.mark.parametrize("numbers", seeds(240, 10_000, PARTS), ids=lambda numbers: f"from-{numbers.start}")
def test_a_process_killed_at_any_named_point_loses_nothing_and_repeats_nothing(
    numbers: range, count_of: Callable[[str, str], None]
) -> None:
    deaths: Counter[str] = Counter()
    for number in numbers:
        try:
            deaths.update(case(number))
        except BaseException as error:
            error.add_note(f"case {number}")
            raise
    kills = sum(n for death, n in deaths.items() if death.startswith(("before", "after")))
    assert kills > len(numbers) / 3, "hardly anything was killed: this proved little"
    count_of("kills at named points", f"{len(numbers)} cases, {kills} kills at {len(deaths)} kinds of point")
