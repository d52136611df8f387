"""What comes late: a request that takes effect after everybody gave it up, a rename while something is in doubt."""

import pytest
from conducting import SETTLE
from declarations import declare, manifests
from ledger import entries_of, open_intents
from mortal import FAIR, TIMEOUT, Weather, World

from reconcile.core.errors import ExitCode
from reconcile.core.manifest import Manifests
from reconcile.core.records import ObservedRecord, Provider

DECLARED = manifests(declare("a", 1, notes="a"))
RENAMED = manifests(declare("b", 1, notes="a"), moved=[("a", "b")])
LATE = Weather(late=1.0)
LOST = Weather(lost_before=1.0)


@pytest.fixture
def world() -> World:
    return World(1)


@pytest.fixture
def twice(world: World) -> World:
    """A create in doubt of which a person said that it never was; so it was created again."""
    world.weather = LATE
    assert world.process().apply(DECLARED).exit_code == ExitCode.IN_DOUBT
    world.weather = FAIR
    world.process().take_word("a", None)
    assert len(world.process().apply(DECLARED).having("applied")) == 1
    return world


def apply_again(world: World, declared: Manifests, times: int) -> None:
    """Runs that have something to write down each, so that the journal is compacted."""
    for number in range(times):
        records = [*declared.records.values(), *(declare(f"x{n}", 50 + n, notes=f"x{n}") for n in range(number + 1))]
        moved = [(moved.source, moved.to) for moved in declared.moved]
        world.process().apply(manifests(*records, moved=moved))


@pytest.mark.parametrize("runs", [0, 1, 4])
def test_a_late_twin_is_reported_with_both_ids_every_time_until_one_is_gone(twice: World, runs: int) -> None:
    apply_again(twice, DECLARED, runs)
    twice.clock.sleep(TIMEOUT + SETTLE)
    ids = {row.id for row in twice.ledger.listed(1)}
    assert len(ids) == 2
    for _ in range(3):
        report = twice.process().apply(DECLARED) if runs == 0 else twice.process().apply(with_others(runs))
        assert [set(twin.ids) for twin in report.twins] == [ids]
        assert report.exit_code == ExitCode.IN_DOUBT
        twice.clock.sleep(SETTLE)
    late = max(twice.ledger.rows.values(), key=lambda row: row.visible_at)
    del twice.ledger.rows[late.id]
    twice.process().settle()
    requests = twice.ledger.requests
    twice.process().settle()
    assert twice.ledger.requests == requests, "nothing is left to look at"


def with_others(runs: int) -> Manifests:
    return manifests(declare("a", 1, notes="a"), *(declare(f"x{n}", 50 + n, notes=f"x{n}") for n in range(runs)))


def test_a_late_twin_of_a_renamed_address_is_reported_under_its_new_name(twice: World) -> None:
    twice.process().apply(RENAMED)
    twice.clock.sleep(TIMEOUT + SETTLE)
    (twin,) = twice.process().apply(RENAMED).twins
    assert (twin.address, len(twin.ids)) == ("b", 2)


def test_an_invoice_is_looked_at_until_the_settle_time_is_over_and_not_for_longer(world: World) -> None:
    world.weather = Weather(lost_after=1.0)
    assert len(world.process().apply(DECLARED).having("adopted")) == 1
    world.weather = FAIR
    requests = world.ledger.requests
    world.process().settle()
    assert world.ledger.requests > requests
    world.clock.sleep(TIMEOUT + SETTLE + 20)
    world.process().settle()
    requests = world.ledger.requests
    world.process().settle()
    assert world.ledger.requests == requests


NOTHING = manifests()


def test_what_appears_late_at_an_address_that_is_no_longer_declared_is_reported(world: World) -> None:
    world.weather = LATE
    world.process().apply(DECLARED)
    world.weather = FAIR
    world.process().take_word("a", None)
    world.clock.sleep(TIMEOUT + SETTLE)
    (late,) = (row.id for row in world.ledger.listed(1))
    for report in (world.process().apply(NOTHING), world.process().apply(NOTHING)):
        assert [twin.ids for twin in report.twins] == [(late,)]
        assert report.exit_code == ExitCode.IN_DOUBT
    assert [twin.ids for twin in world.process().settle().twins] == [(late,)]


def test_what_appears_late_at_an_address_that_is_still_declared_is_left_to_the_guard(world: World) -> None:
    world.weather = LATE
    world.process().apply(DECLARED)
    world.weather = FAIR
    world.process().take_word("a", None)
    world.clock.sleep(TIMEOUT + SETTLE)
    report = world.process().apply(DECLARED)
    assert (report.twins, report.exit_code) == ((), ExitCode.REFUSED)
    report = world.process().apply(DECLARED, adopt_existing=True)
    assert (len(report.having("adopted")), report.twins, report.exit_code) == (1, (), ExitCode.DONE)


@pytest.mark.parametrize("weather", [LATE, LOST], ids=["late", "lost"])
def test_a_rename_carries_its_doubt_along(world: World, weather: Weather) -> None:
    world.weather = weather
    world.process().apply(DECLARED)
    world.weather = FAIR
    report = world.process().apply(RENAMED)
    assert world.ledger.arrived["a"] == 1, "sent under its new name while in doubt"
    assert report.exit_code == ExitCode.IN_DOUBT
    assert set(world.process().known().doubts) == {"b"}
    world.clock.sleep(TIMEOUT + SETTLE + 20)
    world.process().apply(RENAMED)
    world.check()
    (row,) = world.ledger.rows.values()
    assert {address: held.id for address, held in world.process().known().state.records.items()} == {"b": row.id}


def test_what_another_address_owns_is_never_adopted(world: World) -> None:
    narrow = declare("b", 1, notes="same", regular_payment_provider=Provider.Stripe)
    world.weather = Weather(lag=1.0)
    world.process().apply(manifests(narrow))
    world.weather = LOST
    world.process().apply(manifests(narrow, declare("a", 1, notes="same")))
    world.weather = FAIR
    world.clock.sleep(SETTLE / 2)
    world.process().settle()
    world.clock.sleep(TIMEOUT + SETTLE + 20)
    world.process().settle()
    folded = world.process().known()
    assert (set(folded.state.records), set(folded.doubts)) == ({"b"}, set())


def test_a_machine_that_slept_after_its_intent_writes_another_one_before_it_sends(world: World) -> None:
    process = world.process()
    slept: list[float] = []

    def sleep_after_the_intent() -> None:
        if open_intents(world.store.journal) and not slept:
            slept.append(1.0)
            world.clock.sleep(10 * SETTLE)

    process.project.backend.on_append = sleep_after_the_intent
    assert len(process.apply(DECLARED).having("applied")) == 1
    kinds = [entry["type"] for entry in entries_of(world.store.journal)]
    assert kinds.count("intent") == 2
    assert world.ledger.arrived["a"] == 1


def test_two_listings_that_disagree_prove_nothing(world: World) -> None:
    others = world.ledger.add_foreign(1, None, "of somebody else")
    world.weather = LOST
    world.process().apply(DECLARED)
    world.weather = FAIR
    world.clock.sleep(TIMEOUT + SETTLE + 20)
    process = world.process()
    list_records, listings = process.api.list_records, []

    def list_then_delete(invoice: int | None = None) -> list[ObservedRecord]:
        rows = list(list_records(invoice))
        listings.append(rows)
        if len(listings) == 1:
            world.ledger.delete(others)
        return rows

    process.api.list_records = list_then_delete
    assert [settlement.verdict for settlement in process.settle().settlements] == ["open"]
    assert [len(rows) for rows in listings] == [1, 0]
    assert [settlement.verdict for settlement in world.process().settle().settlements] == ["not_created"]


def test_a_listing_that_cannot_be_read_proves_nothing(world: World) -> None:
    world.weather = LATE
    world.process().apply(DECLARED)
    world.clock.sleep(TIMEOUT + 2 * SETTLE)
    world.weather = Weather(unreadable=1.0)
    assert [settlement.verdict for settlement in world.process().settle().settlements] == ["open"]
    assert set(world.process().known().doubts) == {"a"}


@pytest.mark.parametrize("skew", [-1000.0, 1000.0])
@pytest.mark.parametrize("is_right_afterwards", [False, True])
def test_a_clock_that_was_wrong_or_jumps_does_not_shorten_the_settle_time(
    world: World,
    skew: float,
    is_right_afterwards: bool,  # noqa: FBT001 - a case
) -> None:
    before, after = (skew, 0.0) if is_right_afterwards else (0.0, skew)
    world.clock.skew = before
    world.weather = LATE
    world.process().apply(DECLARED)
    world.clock.skew = after
    for _ in range(10):
        world.process().apply(DECLARED)
        world.check()
        world.clock.sleep(SETTLE / 5)
    assert world.ledger.arrived["a"] == 1


@pytest.mark.parametrize("date_off", [5 * 3600.0, -5 * 3600.0])
@pytest.mark.parametrize("skew", [0.0, 1000.0])
def test_a_server_whose_clock_is_hours_off_neither_blocks_nor_shortens_the_settle_time(
    world: World, date_off: float, skew: float
) -> None:
    world.date_off = date_off
    world.weather = LOST
    world.process().apply(DECLARED)
    world.clock.skew = skew  # our own clock jumps ahead
    world.clock.sleep(TIMEOUT + SETTLE - 20)
    assert [settlement.verdict for settlement in world.process().settle().settlements] == ["open"]
    world.clock.sleep(40)
    assert [settlement.verdict for settlement in world.process().settle().settlements] == ["not_created"]


def test_after_a_long_wait_for_its_turn_the_servers_time_is_still_known(world: World) -> None:
    world.clock.skew = -1000.0
    world.weather = LATE
    process = world.process()
    before_write = process.pace.before_write

    def wait_long() -> float | None:
        world.clock.sleep(2 * SETTLE)
        return before_write()

    process.pace.before_write = wait_long
    process.apply(DECLARED)
    world.clock.skew = 0.0
    world.process().settle()
    assert set(world.process().known().doubts) == {"a"}
