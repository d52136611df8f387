"""What a plan makes of one declared record and what the state remembers of it."""

from itertools import product
from typing import Any

import pytest
from declarations import declare, held, manifests, outline, plan, rules

from reconcile.core.changes import Action, Change, Plan
from reconcile.core.differences import FieldChange
from reconcile.core.records import UNMANAGED, PaymentToken, Provider

KEYED, OTHER_KEY = "aaaa:11", "bbbb:11"
CHANGED = "aaaa:22"


def compared(declared: dict[str, Any], remembered: dict[str, Any], fingerprint: str | None = None) -> Plan:
    return plan(
        manifests(declare("inv-1", **declared)),
        {"inv-1": held(**remembered)},
        fingerprint_of=lambda _: fingerprint,
    )


def only(made: Plan) -> Change:
    (change,) = made.changes
    return change


def test_what_is_declared_and_not_remembered_is_created() -> None:
    declared = declare("inv-1", line=12, notes="March")
    change = only(plan(manifests(declared)))
    assert change == Change(Action.CREATE, "inv-1", location=declared.location, declared=declared)


def test_what_is_declared_as_it_is_remembered_is_unchanged() -> None:
    made = compared({"notes": "March", "protect": True}, {"notes": "March", "protect": True})
    assert (made.is_empty, made.unchanged, made.cost.writes) == (True, 1, 0)


def test_what_is_no_longer_declared_is_deleted_in_order_of_address() -> None:
    made = plan(manifests(), {"b": held(2), "a": held(1)}, max_deletes=None)
    assert outline(made) == [("delete", "a"), ("delete", "b")]
    assert [change.id for change in made.changes] == [1, 2]


def test_changing_the_invoice_of_an_address_is_refused_and_nothing_is_planned_for_it() -> None:
    made = plan(manifests(declare("inv-1", 7)), {"inv-1": held(invoice=8)})
    assert (outline(made), rules(made)) == ([], ["invoice-changed"])
    assert "manifests/a.yaml:3" in made.refusals[0].message
    assert made.refusals[0].addresses == ("inv-1",)


@pytest.mark.parametrize(
    ("declared", "remembered", "action"),
    [
        ("new", "old", "update"),
        ("new", None, "update"),
        ("new", "", "update"),
        ("new", UNMANAGED, "update"),
        (None, "old", "update"),
        (None, UNMANAGED, "update"),
        ("", "old", "update"),
        ("same", "same", None),
        (None, None, None),
        ("", None, None),
        (None, "", None),
        ("", "", None),
        (UNMANAGED, UNMANAGED, None),
        (UNMANAGED, "old", "record"),
        (UNMANAGED, None, "record"),
    ],
)
def test_notes_follow_what_is_declared_and_empty_is_null(declared: Any, remembered: Any, action: str | None) -> None:
    made = compared({"notes": declared}, {"notes": remembered})
    assert [str(change.action) for change in made.changes] == ([action] if action else [])


@pytest.mark.parametrize(
    ("declared", "remembered", "action"),
    [
        (Provider.Stripe, Provider.Cash, "update"),
        (Provider.Stripe, None, "update"),
        (Provider.Stripe, UNMANAGED, "update"),
        (None, Provider.Stripe, "update"),
        (None, UNMANAGED, "update"),
        (Provider.Stripe, Provider.Stripe, None),
        (None, None, None),
        (UNMANAGED, UNMANAGED, None),
        (UNMANAGED, Provider.Stripe, "record"),
        (UNMANAGED, None, "record"),
    ],
)
def test_the_provider_follows_what_is_declared(declared: Any, remembered: Any, action: str | None) -> None:
    made = compared({"regular_payment_provider": declared}, {"regular_payment_provider": remembered})
    assert [str(change.action) for change in made.changes] == ([action] if action else [])


@pytest.mark.parametrize(("declared", "remembered"), [(True, False), (False, True)])
def test_protection_alone_is_recorded_without_a_request(declared: bool, remembered: bool) -> None:  # noqa: FBT001 - cases
    made = compared({"protect": declared}, {"protect": remembered})
    assert only(made).action is Action.RECORD
    assert only(made).reason == "the state alone"
    assert only(made).fields == (FieldChange("protect", str(remembered).lower(), str(declared).lower()),)
    assert made.cost.writes == 0


@pytest.mark.parametrize(
    ("source", "before", "action"),
    [
        (UNMANAGED, UNMANAGED, None),
        (None, None, None),
        (UNMANAGED, "env:A", "record"),
        (UNMANAGED, None, "record"),
        (None, "env:A", "update"),
        (None, UNMANAGED, "update"),
        ("env:A", None, "update"),
        ("env:A", UNMANAGED, "update"),
    ],
)
def test_a_token_that_becomes_declared_cleared_or_unmanaged(source: Any, before: Any, action: str | None) -> None:
    made = compared({"token_source": source}, {"token_source": before}, KEYED)
    assert [str(change.action) for change in made.changes] == ([action] if action else [])
    assert made.compared_by_source == 0


# How the fingerprint compares, whether the source is the same, how the version compares -> action, by source alone.
TOKENS = {
    ("same", True, "same"): (None, 0),
    ("same", True, "raised"): ("update", 0),
    ("same", True, "dropped"): ("record", 0),
    ("same", False, "same"): ("record", 0),
    ("same", False, "raised"): ("update", 0),
    ("same", False, "dropped"): ("record", 0),
    ("different", True, "same"): ("update", 0),
    ("different", True, "raised"): ("update", 0),
    ("different", True, "dropped"): ("update", 0),
    ("different", False, "same"): ("update", 0),
    ("different", False, "raised"): ("update", 0),
    ("different", False, "dropped"): ("update", 0),
    ("unknown", True, "same"): (None, 1),
    ("unknown", True, "raised"): ("update", 0),
    ("unknown", True, "dropped"): (None, 1),
    ("unknown", False, "same"): ("may update", 1),
    ("unknown", False, "raised"): ("update", 0),
    ("unknown", False, "dropped"): ("may update", 1),
}
VERSIONS = {"same": (2, 2), "raised": (3, 2), "dropped": (None, 2)}
FINGERPRINTS = {
    "same": [(KEYED, KEYED)],
    "different": [(CHANGED, KEYED)],
    "unknown": [(None, KEYED), (OTHER_KEY, KEYED), (KEYED, None), (None, None)],
}


@pytest.mark.parametrize(
    ("fingerprint", "same_source", "version"), list(product(FINGERPRINTS, [True, False], VERSIONS))
)
def test_a_token_is_compared_by_fingerprint_where_both_are_known_under_one_key(
    fingerprint: str,
    same_source: bool,  # noqa: FBT001 - cases
    version: str,
) -> None:
    now, before = VERSIONS[version]
    expected, by_source = TOKENS[fingerprint, same_source, version]
    for found, remembered in FINGERPRINTS[fingerprint]:
        made = compared(
            {"token_source": "env:A", "token_version": now},
            {
                "token_source": "env:A" if same_source else "env:B",
                "token_version": before,
                "token_fingerprint": remembered,
            },
            found,
        )
        shown = [c.reason if c.reason == "may update" else str(c.action) for c in made.changes]
        assert (shown, made.compared_by_source) == ([expected] if expected else [], by_source)
        assert made.count(Action.UPDATE) == (expected in {"update", "may update"})


def test_a_first_version_forces_a_token_to_be_sent_again() -> None:
    made = compared(
        {"token_source": "env:A", "token_version": 1}, {"token_source": "env:A", "token_fingerprint": KEYED}, KEYED
    )
    assert only(made).fields == (FieldChange("token", "env:A", "env:A version 1", sensitive=True),)


def test_a_token_that_changed_at_its_source_shows_the_source_and_that_it_changed() -> None:
    made = compared({"token_source": "env:A"}, {"token_source": "env:A", "token_fingerprint": KEYED}, CHANGED)
    assert only(made).fields == (FieldChange("token", "env:A", "env:A (changed)", sensitive=True),)


def test_the_fingerprint_is_not_asked_for_where_it_cannot_matter() -> None:
    def refuse(record: PaymentToken) -> str | None:
        raise AssertionError(record.address)

    declared = [declare("new", 1, token_source="env:A"), declare("plain", 2), declare("null", 3, token_source=None)]
    remembered = {"plain": held(2, 2), "null": held(3, 3, token_source=None)}
    assert outline(plan(manifests(*declared), remembered, fingerprint_of=refuse)) == [("create", "new")]


def test_every_field_that_changes_is_named_in_order_with_what_it_was() -> None:
    made = compared(
        {"regular_payment_provider": None, "notes": "new", "token_source": None, "protect": True},
        {"regular_payment_provider": Provider.Stripe, "token_source": "file:a", "token_version": 2},
    )
    assert only(made).fields == (
        FieldChange("notes", "(not managed)", "new"),
        FieldChange("protect", "false", "true"),
        FieldChange("regular_payment_provider", "Stripe", None),
        FieldChange("token", "file:a version 2", None, sensitive=True),
    )


def test_an_update_carries_id_place_and_both_sides() -> None:
    declared, remembered = declare("inv-1", notes="new", line=40), held(77, notes="old")
    change = only(plan(manifests(declared), {"inv-1": remembered}))
    assert (change.action, change.id, change.location) == (Action.UPDATE, 77, declared.location)
    assert (change.declared, change.held, change.reason) == (declared, remembered, "")
