"""What counts as drift, what it looks like, and how it is laid over the state for a plan."""

import pytest
from declarations import declare, held, manifests, outline, rules, state
from observing import fingerprint

from reconcile.core.changes import AS_SEEN, GONE, Action, Limiting, Plan, Selection
from reconcile.core.differences import FieldChange, FingerprintOf
from reconcile.core.drift import Comparisons, DriftKind, compare, field_drift, lay_over
from reconcile.core.manifest import Manifests
from reconcile.core.plan import make_plan
from reconcile.core.records import UNMANAGED, ObservedRecord, Provider, Secret, StateRecord
from reconcile.core.safety import Safety
from reconcile.render.plan_text import plan_as_text


def seen(
    record_id: int = 501,
    invoice: int = 1001,
    provider: int | None = None,
    notes: str | None = None,
    token: str | None = None,
) -> ObservedRecord:
    return ObservedRecord(record_id, invoice, provider, notes, None if token is None else Secret(token))


def with_token(token: str, **fields: object) -> StateRecord:
    return held(token_source="env:T", token_fingerprint=f"k:{token}", **fields)


@pytest.mark.parametrize(
    ("remembered", "there"),
    [
        (held(), seen(provider=12, notes="of somebody", token="t")),
        (held(notes=""), seen(notes=None)),
        (held(notes=None), seen(notes="")),
        (held(regular_payment_provider=None), seen(provider=0)),
        (held(regular_payment_provider=Provider.Stripe), seen(provider=2)),
        (held(token_source=None), seen(token="")),
        (with_token("t"), seen(token="t")),
    ],
)
def test_what_is_not_managed_or_means_the_same_is_no_drift(remembered: StateRecord, there: ObservedRecord) -> None:
    assert compare({"a": remembered}, {501: there}, fingerprint) == Comparisons(same=1)


@pytest.mark.parametrize(
    ("remembered", "there", "change"),
    [
        (held(notes="a"), seen(notes="b"), FieldChange("notes", "a", "b")),
        (held(notes="a"), seen(), FieldChange("notes", "a", None)),
        (held(notes=None), seen(notes="b"), FieldChange("notes", None, "b")),
        (
            held(regular_payment_provider=Provider.Stripe),
            seen(provider=0),
            FieldChange("regular_payment_provider", "Stripe", None),
        ),
        (
            held(regular_payment_provider=None),
            seen(provider=42),
            FieldChange("regular_payment_provider", None, "42"),
        ),
        (with_token("t"), seen(token="u"), FieldChange("token", "env:T", "env:T (changed)", sensitive=True)),
        (with_token("t"), seen(), FieldChange("token", "env:T", None, sensitive=True)),
        (held(token_source=None), seen(token="u"), FieldChange("token", None, "(changed)", sensitive=True)),
    ],
)
def test_a_managed_field_that_differs_is_drift(
    remembered: StateRecord, there: ObservedRecord, change: FieldChange
) -> None:
    (drift,) = compare({"a": remembered}, {501: there}, fingerprint).drifts
    assert (drift.kind, drift.fields) == (DriftKind.CHANGED, (change,))


@pytest.mark.parametrize("key", [None, lambda secret: f"other:{secret.reveal()}"])
def test_a_token_under_another_key_is_not_called_changed(key) -> None:
    found = compare({"a": with_token("t")}, {501: seen(token="u")}, key)
    assert (found.drifts, found.incomparable, found.same) == ((), 1, 1)


def test_each_kind_is_told_apart_and_counted() -> None:
    records = {f"a{number}": held(number, notes="n") for number in range(1, 7)}
    there = {1: seen(1, notes="n"), 2: seen(2, notes="x"), 3: seen(3, 77, notes="n"), 6: seen(6, notes="x")}
    found = compare(records, there, fingerprint, gone={4}, unreadable={5}, unlisted={6}, in_doubt={"z"})
    assert [(drift.kind, drift.address) for drift in found.drifts] == [
        ("changed", "a2"),
        ("moved", "a3"),
        ("gone", "a4"),
        ("unreadable", "a5"),
        ("unlisted", "a6"),
    ]
    assert (found.same, found.in_doubt, set(found.changed)) == (1, ("z",), {2, 3, 6})


def refreshed(
    declared: Manifests,
    records: dict[str, StateRecord],
    found: Comparisons,
    fingerprint_of: FingerprintOf = lambda _: None,
    **selected: tuple[str, ...],
) -> Plan:
    laid_over = lay_over(state(records), found)
    limiting = Limiting(Safety(max_deletes=9))
    return make_plan(
        declared, laid_over, {}, fingerprint_of, found=found, selection=Selection(**selected), limiting=limiting
    )


def test_an_update_starts_from_what_is_there() -> None:
    records = {"a": held(notes="March", regular_payment_provider=Provider.Stripe)}
    found = compare(records, {501: seen(provider=42, notes="May")}, fingerprint)
    (change,) = refreshed(
        manifests(declare("a", notes="March", regular_payment_provider=Provider.Stripe)), records, found
    ).changes
    assert change.action is Action.UPDATE
    assert change.fields == (
        FieldChange("notes", "May", "March"),
        FieldChange("regular_payment_provider", "42", "Stripe"),
    )
    assert change.held is not None
    assert (change.held.notes, change.held.regular_payment_provider) == ("May", 42)


def test_what_nobody_declares_any_more_is_not_laid_over_as_managed() -> None:
    records = {"a": held(notes="March")}
    laid = lay_over(state(records), compare(records, {501: seen(provider=2, notes="May", token="t")}, fingerprint))
    assert laid.records["a"] == held(notes="May")


def test_what_became_as_declared_is_only_written_to_the_state() -> None:
    records = {"a": with_token("t", notes="March")}
    found = compare(records, {501: seen(notes="April", token="u")}, fingerprint)
    plan = refreshed(manifests(declare("a", notes="April", token_source="env:T")), records, found, lambda _: "k:u")
    (change,) = plan.changes
    assert (change.action, change.reason) == (Action.RECORD, "the state alone")
    plain = {"a": held(notes="March")}
    found = compare(plain, {501: seen(notes="April")}, fingerprint)
    (change,) = refreshed(manifests(declare("a", notes="April")), plain, found).changes
    assert (change.action, change.reason) == (Action.RECORD, AS_SEEN)
    assert change.fields == (FieldChange("notes", "March", "April"),)


@pytest.mark.parametrize(
    ("token", "at_hand", "reason"), [("u", "k:t", ""), ("u", None, "may update"), (None, None, ""), (None, "k:t", "")]
)
def test_a_token_that_was_changed_outside_is_sent_again(token: str | None, at_hand: str | None, reason: str) -> None:
    records = {"a": with_token("t")}
    found = compare(records, {501: seen(token=token)}, fingerprint)
    (change,) = refreshed(manifests(declare("a", token_source="env:T")), records, found, lambda _: at_hand).changes
    assert (change.action, change.reason) == (Action.UPDATE, reason)
    assert change.fields[0].sensitive


def test_a_token_set_where_none_is_declared_is_cleared_again() -> None:
    records = {"a": held(token_source=None)}
    for key in (fingerprint, None):
        found = compare(records, {501: seen(token="u")}, key)
        (change,) = refreshed(manifests(declare("a", token_source=None)), records, found).changes
        assert change.action is Action.UPDATE


def test_what_is_gone_is_forgotten_and_created_again() -> None:
    records = {"a": held(), "b": held(502)}
    found = compare(records, {502: seen(502)}, fingerprint, gone={501})
    plan = refreshed(manifests(declare("a"), declare("b"), imports=[("a", 501)]), records, found)
    assert outline(plan) == [("forget", "a"), ("create", "a")]
    assert (plan.changes[0].id, plan.changes[0].reason) == (501, GONE)


def test_what_is_gone_and_no_longer_declared_is_only_forgotten() -> None:
    found = compare({"a": held()}, {}, fingerprint, gone={501})
    assert outline(refreshed(manifests(), {"a": held()}, found)) == [("forget", "a")]


def test_what_is_gone_and_renamed_is_created_under_its_new_name() -> None:
    found = compare({"a": held()}, {}, fingerprint, gone={501})
    plan = refreshed(manifests(declare("b"), moved=[("a", "b")]), {"a": held()}, found)
    assert outline(plan) == [("forget", "a"), ("create", "b")]


def test_what_is_at_another_invoice_is_refused_under_its_new_name_too() -> None:
    records = {"a": held()}
    found = compare(records, {501: seen(invoice=2002)}, fingerprint)
    for declared in (manifests(declare("a")), manifests(declare("b"), moved=[("a", "b")]), manifests()):
        plan = refreshed(declared, records, found)
        assert rules(plan) == ["invoice-moved"]
        assert plan.having(Action.UPDATE, Action.DELETE, Action.CREATE, Action.RECORD) == []


def test_what_is_only_half_there_is_warned_about_and_never_created() -> None:
    records = {"a": held(), "b": held(502)}
    found = compare(records, {502: seen(502)}, fingerprint, unreadable={501}, unlisted={502})
    plan = refreshed(manifests(declare("a"), declare("b")), records, found)
    assert plan.is_empty
    assert [d.code for d in plan.diagnostics] == ["invisible-record"] * 2


def test_an_account_where_nothing_exists_is_refused() -> None:
    records = {f"a{number}": held(number) for number in range(1, 21)}
    declared = manifests(*(declare(address) for address in records))
    found = compare(records, {}, fingerprint, gone=set(range(1, 21)))
    assert rules(refreshed(declared, records, found)) == ["all-gone"]
    there = compare(records, {1: seen(1)}, fingerprint, gone=set(range(2, 21)))
    assert rules(refreshed(declared, records, there)) == []


def test_only_what_is_selected_is_forgotten_or_refused() -> None:
    records = {"a": held(), "b": held(502)}
    found = compare(records, {502: seen(502, invoice=7)}, fingerprint, gone={501})
    plan = refreshed(manifests(declare("a"), declare("b")), records, found, targets=("c",))
    assert (plan.changes, plan.refusals) == ((), ())


def test_what_is_as_remembered_plans_nothing() -> None:
    records = {"a": held(notes="n"), "b": held(502, notes=UNMANAGED)}
    found = compare(records, {501: seen(notes="n"), 502: seen(502, notes="x")}, fingerprint)
    assert refreshed(manifests(declare("a", notes="n"), declare("b")), records, found).is_empty
    assert lay_over(state(records), found).records == records


def test_a_move_outside_is_shown_with_the_other_changes() -> None:
    assert field_drift(held(notes="a"), seen(invoice=7, notes="b"), fingerprint) == (
        FieldChange("coworker_invoice_id", "1001", "7"),
        FieldChange("notes", "a", "b"),
    )


def test_a_plan_tells_what_is_gone_from_what_is_created_in_its_place() -> None:
    found = compare({"a": held()}, {}, fingerprint, gone={501})
    forgotten, created, *_ = plan_as_text(refreshed(manifests(declare("a")), {"a": held()}, found)).splitlines()
    assert " ".join(forgotten.split()) == "x forget a id 501, gone in Nexudus"
    assert " ".join(created.split()) == "+ create a invoice 1001 manifests/a.yaml:3"
