"""A state machine over everything people, clients, servers and clocks do, in any order: I1 to I8 hold after each step.

In full: 1,000 examples of 50 steps, in parts with a seed each. A failure prints the steps; the same seed finds them
again.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from campaign import seeds
from conducting import SETTLE, ends
from declarations import declare, manifests
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ledger import Row
from memory_backend import Killed
from mortal import FAIR, NEVER, TIMEOUT, Weather, World

from reconcile.core.errors import ApiError, ExitCode, ReconcileError
from reconcile.core.manifest import Manifests
from reconcile.core.records import PaymentToken, Provider, Secret
from reconcile.core.report import Report

STEPS = 50
PARTS = 4
CHANGING = Weather(0.1, 0.08, 0.1, 0.04, 0.06, 0.03, 0.06, 0.04, 0.15, asleep=0.02)
BAD = Weather(0.3, 0.15, 0.3, 0.03, 0.05, 0.02, 0.1, 0.1, 0.3)
LONGEST_SKEW = 1000.0


class Machine(RuleBasedStateMachine):
    """One project over its life."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.world = World(seed)
        self.declared: dict[str, PaymentToken] = {}
        self.moved: list[tuple[str, str]] = []
        self.removed: list[str] = []
        self.addresses = 0

    def manifests(self) -> Manifests:
        return manifests(*self.declared.values(), moved=self.moved, removed=self.removed)

    def drawn(self) -> Random:
        return self.world.random

    @rule(count=st.integers(1, 4))
    def declare_more(self, count: int) -> None:
        for _ in range(count):
            self.addresses += 1
            label = f"r{self.addresses}"
            more = {"token_source": "literal", "literal": Secret(f"pm_{label}")} if self.drawn().random() < 0.5 else {}
            more |= {"regular_payment_provider": Provider.Stripe} if self.drawn().random() < 0.5 else {}
            self.declared[label] = declare(label, self.drawn().randrange(1, 5), notes=label, **more)

    @precondition(lambda self: self.declared)
    @rule()
    def stop_declaring(self) -> None:
        address = self.drawn().choice(list(self.declared))
        self.world.ledger.released.add(str(self.declared.pop(address).notes))
        self.removed.append(address)

    @precondition(lambda self: self.declared)
    @rule()
    def rename(self) -> None:
        source = self.drawn().choice(list(self.declared))
        self.addresses += 1
        to = f"n{self.addresses}"
        self.declared[to] = self.declared.pop(source)._replace(address=to)
        self.moved.append((source, to))

    @precondition(lambda self: self.declared)
    @rule()
    def protect(self) -> None:
        address = self.drawn().choice(list(self.declared))
        record = self.declared[address]
        self.declared[address] = record._replace(protect=not record.protect)

    @rule()
    def apply_in_peace(self) -> None:
        self._apply(FAIR, NEVER, None)

    @rule()
    def apply_in_trouble(self) -> None:
        self._apply(self.drawn().choice([CHANGING, BAD]), NEVER, None)

    @rule()
    def apply_and_be_killed(self) -> None:
        torn = self.drawn().random() if self.drawn().random() < 0.5 else None
        self._apply(self.drawn().choice([FAIR, CHANGING, BAD]), self.drawn().randrange(1, 60), torn)

    def _apply(self, weather: Weather, kill_at: int, torn: float | None) -> None:
        self.world.weather = weather
        self.world.begin()
        process = self.world.process(kill_at=kill_at, torn=torn)
        try:
            report = process.apply(self.manifests(), adopt_existing=self.drawn().random() < 0.5)
        except (Killed, ReconcileError):
            return
        doubts = self.world.process().known().doubts
        assert not doubts or report.exit_code != ExitCode.DONE, "I12"

    @rule(weather=st.sampled_from([FAIR, CHANGING]), kill_at=st.one_of(st.none(), st.integers(1, 10)))
    def settle(self, weather: Weather, kill_at: int | None) -> None:
        self.world.weather = weather
        self.world.begin()
        try:
            self.world.process(kill_at=kill_at or 1 << 60).settle()
        except (Killed, ApiError):
            return

    @rule()
    def plan(self) -> None:
        before, requests = replace(self.world.store), self.world.ledger.requests
        self.world.process().plan(self.manifests())
        assert (before, requests) == (self.world.store, self.world.ledger.requests), "I7"

    @rule(seconds=st.sampled_from([1.0, 30.0, 65.0, 200.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.world.clock.sleep(seconds)

    @rule(seconds=st.sampled_from([0.0, LONGEST_SKEW, 30.0, -30.0, -LONGEST_SKEW]))
    def set_the_clock(self, seconds: float) -> None:
        self.world.clock.skew = seconds

    @rule(invoice=st.integers(1, 4))
    def another_client_writes(self, invoice: int) -> None:
        self.world.ledger.add_foreign(invoice, "pm_of_others", "of others")

    @precondition(lambda self: self.uncreated())
    @rule()
    def another_client_writes_what_we_declare(self) -> None:
        record = self.drawn().choice(self.uncreated())
        token = record.literal.reveal() if record.literal is not None else None
        row = self.world.ledger.add_foreign(record.coworker_invoice_id, token, str(record.notes))
        if record.regular_payment_provider is Provider.Stripe:
            self.world.ledger.edit(row, provider=int(Provider.Stripe))

    def uncreated(self) -> list[PaymentToken]:
        """What is declared, and of which no request is known that took effect or still may."""
        tried = set(self.world.ledger.arrived)
        there = {row.notes for row in self.world.ledger.ever.values()}
        return [record for record in self.declared.values() if record.notes not in tried | there]

    @precondition(lambda self: self.ours())
    @rule()
    def somebody_edits_a_record(self) -> None:
        self.world.ledger.edit(self.drawn().choice(self.ours()), provider=int(Provider.Cash))

    @precondition(lambda self: self.ours())
    @rule()
    def somebody_deletes_a_record(self) -> None:
        self.world.ledger.delete(self.drawn().choice(self.ours()))

    def ours(self) -> list[Row]:
        return [row for row in self.world.ledger.rows.values() if row.is_ours]

    @invariant()
    def keeps_its_promises(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        """I8, with everybody's help: faults stop, time passes, and a person answers what is asked."""
        if not hasattr(self, "world"):
            return
        self.world.weather = FAIR
        self.world.clock.skew = 0.0
        self.world.clock.sleep(TIMEOUT + 2 * SETTLE + 3 * LONGEST_SKEW)
        self._run_twice()
        for address, doubt in self.world.process().known().doubts.items():
            mine = [row.id for row in self.ours() if row.notes == doubt.intent.notes]
            self.world.process().take_word(address, mine[0] if mine else None)
        self._run_twice()
        plan = self.world.process().plan(self.manifests())
        assert plan.is_empty, plan.changes

    def _run_twice(self) -> None:
        for _ in range(2):
            self.world.begin()
            ended = ends(self.world.process(), self.manifests(), adopt_existing=True)
            assert isinstance(ended, Report), ended
            self.world.check()


@pytest.mark.parametrize("examples", seeds(20, 1000, PARTS), ids=lambda examples: f"from-{examples.start}")
def test_whatever_happens_in_whatever_order_the_promises_hold(
    examples: range, count_of: Callable[[str, str], None]
) -> None:
    class Seeded(Machine):
        _hypothesis_internal_use_seed = examples.start

    chosen = settings(
        max_examples=len(examples),
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    try:
        run_state_machine_as_test(Seeded, settings=chosen)
    except BaseException as error:
        error.add_note(f"seed {examples.start}, {len(examples)} examples")
        raise
    count_of("state machine", f"{len(examples)} examples of up to {STEPS} steps, seed {examples.start}")
