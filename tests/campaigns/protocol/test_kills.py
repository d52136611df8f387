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
from memory_backend import Killed
from mortal import FAIR, TIMEOUT, Weather, World, lock_of_another

from reconcile import __version__
from reconcile.app.project import open_journal
from reconcile.core.errors import ReconcileError
from reconcile.core.manifest import Manifests
from reconcile.core.operations import Folded
from reconcile.core.records import Secret
from reconcile.core.report import Report

PARTS = 8
STORMY = Weather(0.12, 0.08, 0.12, 0.05, 0.08, 0.03, 0.08, 0.02, 0.2)


def declarations(random: Random) -> Manifests:
    """Up to eight records at fewer invoices, some with a token."""
    records = []
    for number in range(random.randrange(1, 9)):
        more = {"token_source": "literal", "literal": Secret(f"pm_{number}")} if random.random() < 0.5 else {}
        address = f"a{number}"
        records.append(declare(address, 1000 + random.randrange(6), line=number + 1, notes=address, **more))
    return manifests(*records)


def case(number: int) -> str:
    """One case, and how its first life ended: the name of the point of the kill, or what the run said."""
    random = Random(number)  # noqa: S311 - cases that can be drawn again, nothing secret
    world = World(number, concurrency=1 if number % 3 else 3)
    world.sends_date = random.random() < 0.8
    declared = declarations(random)
    calm = random.random() < 0.2
    deaths: list[str] = []
    for _ in range(random.randrange(1, 4)):
        world.weather = FAIR if calm else STORMY
        deaths.append(live(world, declared, random))
        world.check()
        assert_recovery_is_idempotent(world)
        if random.random() < 0.3:
            world.clock.sleep(random.uniform(0, 2 * SETTLE))
    world.weather = FAIR
    assert_it_ends_well(world, declared)
    return deaths[0]


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
    with process._locked("check"):
        journal = open_journal(process.project, process.clock)  # type: ignore[arg-type]
        journal.commit(tool_version=__version__)
        return journal.folded


def assert_it_ends_well(world: World, declared: Manifests) -> None:
    """I8: the faults have stopped and the settle time has passed, so two runs leave only what has to be asked."""
    world.clock.sleep(TIMEOUT + 2 * SETTLE + 5)
    for _ in range(2):
        ended = ends(world.process(), declared)
        assert isinstance(ended, Report), ended
        world.check()
    requests, arrived = world.ledger.requests, sum(world.ledger.arrived.values())
    plan = world.process().plan(declared)
    assert world.ledger.requests == requests, "I7: a plan asked the API"
    assert plan.is_empty, [str(change) for change in plan.changes]
    ends(world.process(), declared)
    assert sum(world.ledger.arrived.values()) == arrived, "an apply of nothing sent something"
    world.check()


@pytest.mark.parametrize("numbers", seeds(240, 10_000, PARTS), ids=lambda numbers: f"from-{numbers.start}")
def test_a_process_killed_at_any_named_point_loses_nothing_and_repeats_nothing(
    numbers: range, count_of: Callable[[str, str], None]
) -> None:
    deaths: Counter[str] = Counter()
    for number in numbers:
        try:
            deaths[case(number)] += 1
        except BaseException as error:
            error.add_note(f"case {number}")
            raise
    kills = sum(n for death, n in deaths.items() if death.startswith(("before", "after")))
    assert kills > len(numbers) / 3, "hardly anything was killed: this proved little"
    count_of(
        "kills at named points",
        f"{len(numbers)} cases, {kills} first lives ended by a kill at {len(deaths)} kinds of point",
    )
