"""A plan recognises a rename that nobody declared, and says how to declare it."""

from typing import Any

import pytest
from acting import fingerprint_of
from declarations import HERE, declare, held, manifests, outline, plan

from reconcile.core.changes import Plan
from reconcile.core.records import Provider, Secret
from reconcile.render.plan_json import plan_as_json
from reconcile.render.plan_text import plan_as_text

CONTENT = {"notes": "x", "regular_payment_provider": Provider.Stripe}


def hinted(made: Plan) -> list[str]:
    return [hint.help for hint in made.hints]


def test_the_same_content_at_another_address_is_recognised() -> None:
    made = plan(manifests(declare("new", 7, **CONTENT)), {"old": held(5, 7, **CONTENT)}, max_deletes=None)
    assert outline(made) == [("create", "new"), ("delete", "old")]
    (hint,) = made.hints
    assert (hint.code, hint.severity, hint.location) == ("looks-moved", "warning", HERE._replace(line=3))
    assert hint.message.startswith("old (id 5) is no longer declared, and new has the same content")
    assert "Hint: old (id 5) is no longer declared" in plan_as_text(made)
    assert "declare `moved: [{from: old, to: new}]`.\n" in plan_as_text(made)
    diagnostics: Any = plan_as_json(made, created_at="", tool_version="")["diagnostics"]
    assert [diagnostic["code"] for diagnostic in diagnostics] == ["looks-moved"]


def test_what_is_declared_as_moved_needs_no_hint() -> None:
    declared = manifests(declare("new", 7, **CONTENT), moved=[("old", "new")])
    assert plan(declared, {"old": held(5, 7, **CONTENT)}).hints == ()


def test_protection_alone_makes_no_other_content() -> None:
    made = plan(manifests(declare("new", 7, protect=True, **CONTENT)), {"old": held(5, 7, **CONTENT)})
    assert hinted(made) == ["to keep the record, declare `moved: [{from: old, to: new}]`"]


@pytest.mark.parametrize(
    ("declared", "invoice"), [({"notes": "y"}, 7), ({"notes": "x"}, 7), (CONTENT, 8), ({**CONTENT, "notes": None}, 7)]
)
def test_other_content_or_another_invoice_is_no_rename(declared: dict[str, Any], invoice: int) -> None:
    assert hinted(plan(manifests(declare("new", invoice, **declared)), {"old": held(5, 7, **CONTENT)})) == []


@pytest.mark.parametrize(("token", "is_hinted"), [("old", True), ("other", False), (None, True)])
def test_a_token_counts_by_its_fingerprint_or_by_its_source(token: str | None, is_hinted: bool) -> None:  # noqa: FBT001 - a case
    known = fingerprint_of({"new": Secret("old")})(declare("new"))
    record = held(5, 7, token_source="env:T", token_fingerprint=known)
    found = fingerprint_of({"new": Secret(token)} if token else {})
    made = plan(manifests(declare("new", 7, token_source="env:T")), {"old": record}, fingerprint_of=found)
    assert bool(made.hints) is is_hinted


def test_each_record_is_paired_once() -> None:
    declared = manifests(*(declare(f"new-{n}", 7, **CONTENT) for n in range(3)))
    made = plan(declared, {f"old-{n}": held(5 + n, 7, **CONTENT) for n in range(2)})
    assert hinted(made) == [
        "to keep the record, declare `moved: [{from: old-0, to: new-0}]`",
        "to keep the record, declare `moved: [{from: old-1, to: new-1}]`",
    ]
