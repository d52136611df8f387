"""The model of the protocol: all rules together hold in every state; without any one of them a promise is broken."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from campaign import IS_FULL
from model import Bounds, Rules, explore

WIDE = Bounds(sends=3, entries=6, crashes=2)
CREATES_TWICE = ("settle_time", "retry_needs_settling", "compare_and_swap", "intent_first")


def test_all_rules_together_hold_in_every_state_that_can_be_reached(count_of: Callable[[str, str], None]) -> None:
    found = explore(Rules(), WIDE if IS_FULL else Bounds())
    assert found.broken is None, "\n".join(found.broken.trace)
    count_of("model", f"all rules hold in {found.states:,} states")


@pytest.mark.parametrize("rule", [field.name for field in fields(Rules)])
def test_without_any_one_rule_a_promise_is_broken(rule: str, count_of: Callable[[str, str], None]) -> None:
    found = explore(replace(Rules(), **{rule: False}))
    assert found.broken is not None, f"{rule} protects nothing"
    trace = "".join(f"\n    {number}. {step}" for number, step in enumerate(found.broken.trace, 1))
    count_of(f"model without {rule}", f"{found.states:,} states until {found.broken.promise!r} is broken{trace}")


@pytest.mark.parametrize("rule", CREATES_TWICE)
def test_without_these_rules_a_record_is_even_created_twice(rule: str, count_of: Callable[[str, str], None]) -> None:
    found = explore(replace(Rules(), **{rule: False}), Bounds(entries=5), promises=("I1",))
    assert found.broken is not None
    steps = len(found.broken.trace)
    count_of(f"model without {rule}", f"{found.states:,} states until it is created twice, in {steps} steps")


def test_a_model_that_never_creates_would_prove_nothing() -> None:
    found = explore(Rules(), promises=("I1", "I2", "I4"))
    without_sending = explore(Rules(), Bounds(sends=0))
    assert found.states > 10 * without_sending.states
