"""What holds of every plan, whatever is declared and remembered."""

from copy import deepcopy
from typing import Any

from acting import START, Stage, fingerprint_of
from declarations import manifests, plan, state
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import ADDRESSES, declared_records, made, remembered_records, situations

from reconcile.core.changes import STATE_ONLY, Action, Plan
from reconcile.core.entries import HeaderEntry
from reconcile.core.operations import fold
from reconcile.core.records import UNMANAGED, Address, PaymentToken, Secret, StateRecord
from reconcile.core.times import from_iso, iso


@given(situations())
def test_planning_never_changes_its_inputs_and_always_says_the_same(situation: dict[str, Any]) -> None:
    before = deepcopy(situation)
    first = made(situation)
    assert situation == before
    assert made(situation) == first


@given(situations())
def test_selecting_everything_is_selecting_nothing(situation: dict[str, Any]) -> None:
    assert made(situation, targets=["*"]) == made(situation)
    assert made(situation, excludes=["*"]).is_empty


@given(situations(), st.sets(ADDRESSES))
def test_a_selection_speaks_of_nothing_else(situation: dict[str, Any], chosen: set[Address]) -> None:
    selected = made(situation, targets=sorted(chosen) or ["nothing"])
    assert {change.address for change in selected.changes} <= chosen
    excluded = made(situation, excludes=sorted(chosen))
    assert not {change.address for change in excluded.changes} & chosen


@given(situations(), st.sets(ADDRESSES))
def test_no_selection_creates_or_deletes_what_the_whole_plan_would_not(
    situation: dict[str, Any], chosen: set[Address]
) -> None:
    actions = (Action.CREATE, Action.DELETE)
    whole = {(change.action, change.address) for change in made(situation).having(*actions)}
    for part in (made(situation, excludes=sorted(chosen)), made(situation, targets=sorted(chosen))):
        if not part.refusals:
            assert {(change.action, change.address) for change in part.having(*actions)} <= whole


@given(situations())
def test_an_address_has_one_fate_besides_being_moved(situation: dict[str, Any]) -> None:
    fates = [change.address for change in made(situation).changes if change.action is not Action.MOVE]
    assert len(fates) == len(set(fates))


@given(situations())
def test_a_record_is_lost_to_no_two_changes_and_every_one_is_accounted_for(situation: dict[str, Any]) -> None:
    result = made(situation)
    moved = {change.moved_from for change in result.having(Action.MOVE)}
    touched = [change.id for change in result.having(Action.FORGET, Action.DELETE, Action.UPDATE, Action.RECORD)]
    assert len(touched) == len(set(touched))
    for change in result.having(Action.DELETE, Action.FORGET):
        assert change.address not in moved


def creates_and_state_alone(result: Plan) -> Plan:
    """The part of a plan that an apply carries out today."""
    return result._replace(changes=tuple(result.having(Action.CREATE, *STATE_ONLY)))


@settings(deadline=None)
@given(declared_records(), remembered_records(), st.integers(1, 4), st.data())
def test_a_plan_of_what_was_just_applied_is_empty(
    declared: dict[Address, PaymentToken], remembered: dict[Address, StateRecord], concurrency: int, data: st.DataObject
) -> None:
    tokens = {a: Secret(f"token of {a}") for a, r in declared.items() if isinstance(r.token_source, str)}
    removed = [address for address in remembered if address not in declared]
    held_alike = {a: _as_declared(r, declared.get(a), tokens) for a, r in remembered.items()}
    moving = sorted(declared.keys() & held_alike.keys())
    target = data.draw(st.sampled_from(moving)) if moving else None
    if target is not None:
        held_alike["inv-former"] = held_alike.pop(target)
    wanted = manifests(*declared.values(), moved=[("inv-former", target)] if target else [], removed=removed)
    stage = Stage()
    first = plan(wanted, held_alike, fingerprint_of=fingerprint_of(tokens))
    assert first.count(Action.UPDATE) == first.count(Action.DELETE) == 0
    report = stage.run(creates_and_state_alone(first), tokens=tokens, concurrency=concurrency)
    assert len(report.having("applied")) == first.count(Action.CREATE)

    before = state(held_alike)
    folded = fold(before, [HeaderEntry(before.lineage, before.serial), *stage.journal.entries])
    again = plan(wanted, folded.state.records, fingerprint_of=fingerprint_of(tokens))
    assert again.is_empty
    assert again.unchanged == len(declared)
    without_values = plan(wanted, folded.state.records)
    assert without_values.is_empty
    assert without_values.compared_by_source == len(tokens)


def _as_declared(record: StateRecord, declared: PaymentToken | None, tokens: dict[Address, Secret]) -> StateRecord:
    """The record as it would be after an update: only what the state alone holds may differ."""
    if declared is None:
        return record
    fingerprint = fingerprint_of(tokens)(declared)
    return record._replace(
        coworker_invoice_id=declared.coworker_invoice_id,
        regular_payment_provider=_or(declared.regular_payment_provider, record.regular_payment_provider),
        notes=_or(declared.notes, record.notes),
        token_source=_or(declared.token_source, record.token_source),
        token_version=declared.token_version,
        token_fingerprint=fingerprint if isinstance(declared.token_source, str) else record.token_fingerprint,
    )


def _or(declared: Any, remembered: Any) -> Any:
    return remembered if declared is UNMANAGED else declared


@given(st.integers(0, 253402300799))
def test_times_come_back_as_they_were_written(seconds: int) -> None:
    assert from_iso(iso(seconds + 0.75)) == seconds


def test_a_time_is_written_in_utc_to_the_second() -> None:
    assert iso(START) == "2026-03-02T10:14:00Z"


@given(situations())
def test_doubt_is_always_spoken_of_and_blocks_everything_else_but_a_rename(situation: dict[str, Any]) -> None:
    result = made(situation)
    doubtful = {change.address for change in result.having(Action.IN_DOUBT)}
    assert len(doubtful) == len(situation["doubts"])
    others = [change for change in result.changes if change.action not in {Action.IN_DOUBT, Action.MOVE}]
    assert not doubtful & {change.address for change in others}


def test_the_strategies_reach_every_action_but_imports() -> None:
    seen: set[Action] = set()

    @settings(max_examples=400, database=None, derandomize=True)
    @given(situations())
    def collect(situation: dict[str, Any]) -> None:
        seen.update(change.action for change in made(situation).changes)

    collect()
    assert seen == set(Action) - {Action.ADOPT}
