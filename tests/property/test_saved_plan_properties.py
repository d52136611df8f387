"""What holds of every saved plan: its file gives it back whole, and it is told apart from everything else."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from declarations import declare, doubt, held, manifests, plan, state
from hypothesis import assume, given
from hypothesis import strategies as st
from situations import made, situations

from reconcile.core.changes import Change, Cost, Plan, Refusal
from reconcile.core.diagnostics import Diagnostic, Location, Severity
from reconcile.core.differences import FieldChange
from reconcile.core.errors import InputError, StaleError
from reconcile.core.folded import Doubt
from reconcile.core.planfile import dump_plan, load_plan
from reconcile.core.records import LITERAL, PaymentToken, Provider, Secret
from reconcile.core.reviewed import Comparison, as_reviewed, compare
from reconcile.core.saved import SavedPlan, Terms

TEXTS = st.text(max_size=8)
LOCATIONS = st.builds(Location, st.text(min_size=1, max_size=8), st.integers(1, 9), st.integers(1, 9))
TERMS = st.builds(
    Terms,
    base_url=TEXTS,
    targets=st.lists(TEXTS, max_size=2).map(tuple),
    excludes=st.lists(TEXTS, max_size=2).map(tuple),
    allow_deletes=st.none() | st.integers(0, 3),
    rules=st.lists(TEXTS, max_size=2).map(tuple),
    is_refreshed=st.booleans(),
)
DIAGNOSTICS = st.builds(
    Diagnostic,
    code=TEXTS,
    message=TEXTS,
    location=st.none() | LOCATIONS,
    help=TEXTS,
    severity=st.sampled_from(Severity),
    secret=st.booleans(),
    excerpt=st.none(),
)


@given(situations(), TERMS, st.lists(DIAGNOSTICS, max_size=2), TEXTS)
def test_what_is_saved_is_what_is_loaded(
    situation: dict[str, Any], terms: Terms, diagnostics: list[Diagnostic], text: str
) -> None:
    planned = made(situation)._replace(diagnostics=tuple(diagnostics), hints=tuple(diagnostics[:1]), lineage=text)
    saved = SavedPlan(planned, terms, text, "1.0")

    loaded = load_plan(dump_plan(saved), "a.plan")

    assert replace(loaded, digest="") == saved
    assert dump_plan(loaded) == dump_plan(saved)


FIELDS = {
    Plan: "plan_id lineage serial digest files records changes unchanged compared_by_source refusals cost diagnostics"
    " hints",
    Change: "action address id location fields reason declared held sends_token moved_from doubt",
    FieldChange: "name before after sensitive",
    Refusal: "rule message addresses help",
    Cost: "writes reads seconds days writes_left_today is_at_published_limits",
    Doubt: "intent seen ids at",
    PaymentToken: "address location coworker_invoice_id regular_payment_provider notes token_source token_version"
    " protect literal",
}


@pytest.mark.parametrize("kind", FIELDS)
def test_no_field_of_a_plan_is_left_out_of_its_file(kind: Any) -> None:
    names = " ".join(kind._fields)
    assert names == FIELDS[kind], "a new field has to be saved and loaded, and then named here"


@given(situations(), st.data())
def test_no_byte_of_a_plan_file_can_be_changed_unnoticed(situation: dict[str, Any], data: st.DataObject) -> None:
    whole = dump_plan(SavedPlan(made(situation), Terms(""), "2026-03-02T10:14:00Z", "1.0"))
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    how = data.draw(st.sampled_from(["changed", "cut", "left out"]))
    damaged = {
        "changed": whole[:at] + bytes([byte]) + whole[at + 1 :],
        "cut": whole[:at],
        "left out": whole[:at] + whole[at + 1 :],
    }[how]
    with pytest.raises((StaleError, InputError)) as caught:
        load_plan(damaged, "a.plan")
    # Only what is too short to be known as a plan is not called an edited one.
    assert caught.value.code in {"plan-edited", "plan-too-new"} or (how == "cut" and at < 20)


def test_no_token_is_in_a_plan_file() -> None:
    token = Secret("planted-7Qw8")
    record = declare("inv-1", token_source=LITERAL, literal=token)
    data = dump_plan(SavedPlan(plan(manifests(record)), Terms(""), "", ""))
    assert b"planted" not in data
    assert b'"token_source":"literal"' in data


@given(situations(), st.sampled_from([None, "k:1", "k:2", "other:1"]), st.sampled_from([None, "k:1", "k:3"]))
def test_what_is_planned_again_from_the_same_is_the_same_whichever_tokens_are_at_hand_by_then(
    situation: dict[str, Any], then: str | None, now: str | None
) -> None:
    reviewed = made(situation, fingerprint_of=lambda _: then)
    records = situation["records"].values()

    again = made(situation, fingerprint_of=as_reviewed(reviewed, records))

    assert again.changes == reviewed.changes
    assert again.refusals == reviewed.refusals
    assert compare(reviewed, again, is_begun=False).differing is None
    if made(situation, fingerprint_of=lambda _: now).changes != reviewed.changes:
        other = made(situation, fingerprint_of=lambda _: now)
        assert compare(reviewed, other, is_begun=False).differing is not None


@pytest.mark.parametrize("then", [None, "k:1", "k:2", "other:1"])
@pytest.mark.parametrize("remembered", [None, "k:1"])
def test_every_comparison_of_a_token_comes_out_as_it_was_reviewed(remembered: str | None, then: str | None) -> None:
    for source, version, notes, protect in product(("env:A", "env:B"), (None, 1, 2), ("old", "new"), (False, True)):
        record = declare("inv-1", notes=notes, token_source=source, token_version=version, protect=protect)
        before = held(7, notes="old", token_source="env:A", token_version=1, token_fingerprint=remembered)
        reviewed = plan(manifests(record), {"inv-1": before}, fingerprint_of=lambda _: then)
        for now in (as_reviewed(reviewed, [before]), as_reviewed(reviewed, [before, held(8)])):
            assert plan(manifests(record), {"inv-1": before}, fingerprint_of=now).changes == reviewed.changes


@given(situations(), situations())
def test_a_plan_that_does_anything_else_differs(one: dict[str, Any], other: dict[str, Any]) -> None:
    reviewed, now = made(one), made(other)
    assume(outline_of(reviewed) != outline_of(now))
    assert compare(reviewed, now, is_begun=False).differing is not None


def outline_of(planned: Plan) -> list[tuple[object, ...]]:
    return sorted((str(change.action), change.address) for change in planned.changes)


def test_a_created_record_needs_nothing_more_whatever_its_token() -> None:
    record = declare("inv-1", token_source="env:A", regular_payment_provider=Provider.Cash)
    reviewed = plan(manifests(record))
    created = held(7, token_source="env:A", token_fingerprint="k:9", regular_payment_provider=Provider.Cash)
    now = plan(manifests(record), {"inv-1": created}, fingerprint_of=as_reviewed(reviewed, [created]))
    assert now.is_empty


def test_an_update_that_is_done_is_not_done_again() -> None:
    record = declare("inv-1", token_source="env:A")
    before = held(7, token_source="env:A", token_fingerprint="k:1")
    reviewed = plan(manifests(record), {"inv-1": before}, fingerprint_of=lambda _: "k:2")
    assert [str(change.action) for change in reviewed.changes] == ["update"]
    after = before._replace(token_fingerprint="k:2", updated_at="2026-03-03T10:14:00Z")
    now = plan(manifests(record), {"inv-1": after}, fingerprint_of=as_reviewed(reviewed, [after]))
    assert now.is_empty


def test_of_an_update_in_doubt_the_update_again_was_reviewed_and_a_further_one_was_not() -> None:
    record, before = declare("inv-1", notes="new"), held(7, notes="old")
    sent = {"action": "update", "id": 7, "notes": "newer", "at": "2026-03-03T10:14:00Z"}
    reviewed = plan(manifests(record), {"inv-1": before}, doubts=[doubt("inv-1", **sent)])
    without_effect = plan(manifests(record), {"inv-1": before})
    took_effect = plan(manifests(record), {"inv-1": before._replace(notes="newer", updated_at="2026-03-03T10:14:01Z")})

    assert compare(reviewed, without_effect, is_begun=True) == Comparison(None)
    assert compare(reviewed, took_effect, is_begun=True) == Comparison(None, ("inv-1",))


def test_a_token_written_into_the_manifest_makes_no_difference() -> None:
    declared = manifests(declare("inv-1", token_source=LITERAL, literal=Secret("planted-7Qw8")))
    reviewed = load_plan(dump_plan(SavedPlan(plan(declared), Terms(""), "", "")), "a.plan").plan
    assert compare(reviewed, plan(declared), is_begun=False) == Comparison(None)


def test_of_a_doubt_both_branches_were_reviewed_and_nothing_else() -> None:
    record = declare("inv-1", notes="new")
    reviewed = plan(manifests(record), doubts=[doubt("inv-1", notes="old")])
    created, adopted = plan(manifests(record)), plan(manifests(record), {"inv-1": held(7, notes="old")})

    assert compare(reviewed, created, is_begun=True).differing is None
    assert compare(reviewed, created, is_begun=True).beyond == ()
    assert compare(reviewed, adopted, is_begun=True).differing is None
    assert compare(reviewed, adopted, is_begun=True).beyond == ("inv-1",)
    assert compare(reviewed, created, is_begun=False).differing == "inv-1"
    elsewhere = plan(manifests(record), doubts=[doubt("inv-1", operation="op-2", notes="old")])
    assert compare(reviewed, elsewhere, is_begun=False).differing == "inv-1"
    assert compare(reviewed, elsewhere, is_begun=True).differing is None


def test_a_doubt_that_the_plan_s_own_run_left_is_foreseen() -> None:
    record = declare("inv-1")
    reviewed, now = plan(manifests(record)), plan(manifests(record), doubts=[doubt("inv-1")])
    assert compare(reviewed, now, is_begun=True).differing is None
    assert compare(reviewed, now, is_begun=False).differing == "inv-1"
    assert compare(plan(manifests()), now, is_begun=True).differing == "inv-1"


def test_the_state_that_a_plan_was_made_from_is_written_with_it() -> None:
    loaded = load_plan(dump_plan(SavedPlan(plan(manifests(), serial=9), Terms(""), "", "")), "a.plan").plan
    assert (loaded.lineage, loaded.serial) == (state().lineage, 9)
