"""Moved, removed, imports, then the comparison; and what doubt holds back (product.md, "Manifest")."""

from itertools import permutations
from typing import Any

import pytest
from declarations import HERE, declare, doubt, held, manifests, outline, plan, rules

from reconcile.core.changes import Action

OLD, NEW = {"old": held(5)}, declare("new")


def test_a_move_follows_the_record_and_needs_no_request() -> None:
    made = plan(manifests(NEW, moved=[("old", "new")]), OLD)
    (change,) = made.changes
    assert (change.action, change.address, change.moved_from, change.id) == (Action.MOVE, "new", "old", 5)
    assert (change.location, made.unchanged, made.cost.writes, rules(made)) == (HERE, 1, 0, [])


def test_a_move_that_is_done_does_nothing() -> None:
    assert plan(manifests(NEW, moved=[("old", "new")]), {"new": held(5)}).is_empty


def test_a_move_of_what_never_was_leaves_a_create() -> None:
    assert outline(plan(manifests(NEW, moved=[("old", "new")]))) == [("create", "new")]


def test_a_moved_record_is_compared_under_its_new_address() -> None:
    made = plan(manifests(declare("new", notes="x"), moved=[("old", "new")]), OLD)
    assert outline(made) == [("move", "new"), ("update", "new")]


def test_a_move_onto_an_address_in_the_state_is_refused_and_the_old_one_is_left_alone() -> None:
    made = plan(manifests(NEW, moved=[("old", "new")], removed=["old"]), {**OLD, "new": held(6)}, max_deletes=None)
    assert (outline(made), rules(made)) == ([], ["move-conflict"])
    assert made.refusals[0].message == "cannot move old to new: new is id 6 already"
    assert made.refusals[0].addresses == ("old", "new")


@pytest.mark.parametrize("moves", list(permutations([("a", "b"), ("b", "c"), ("c", "d")])))
@pytest.mark.parametrize("start", ["a", "b", "c"])
def test_a_chain_of_moves_leads_to_its_end_from_anywhere_in_any_order(moves: Any, start: str) -> None:
    made = plan(manifests(declare("d"), moved=moves), {start: held(5)})
    assert outline(made) == [("move", "d")]
    assert made.changes[0].moved_from == start
    assert made.unchanged == 1


@pytest.mark.parametrize("moves", list(permutations([("a", "b"), ("b", "c")])))
def test_two_records_of_one_chain_cannot_both_arrive(moves: Any) -> None:
    made = plan(manifests(declare("c"), moved=moves), {"a": held(1), "b": held(2)}, max_deletes=None)
    assert rules(made) == ["move-conflict"]
    assert [action for action, _ in outline(made)] == ["move"]


@pytest.mark.parametrize("choice", [{"excludes": ["new"]}, {"targets": ["old"]}, {"targets": ["other"]}])
def test_what_a_move_left_out_speaks_of_is_neither_deleted_nor_forgotten(choice: dict[str, list[str]]) -> None:
    declared = manifests(NEW, declare("other", 2), moved=[("old", "new")], removed=["ol*"])
    made = plan(declared, {**OLD, "other": held(6, 2)}, max_deletes=None, **choice)  # type: ignore[arg-type]
    assert (outline(made), rules(made)) == ([], [])


@pytest.mark.parametrize("choice", [{"excludes": ["old"]}, {"targets": ["new"]}])
def test_a_selected_address_is_never_created_beside_the_record_it_would_become(choice: dict[str, list[str]]) -> None:
    made = plan(manifests(NEW, moved=[("old", "new")]), OLD, **choice)  # type: ignore[arg-type]
    assert outline(made) == [("move", "new")]


def test_a_rename_carries_its_doubt_along() -> None:
    made = plan(manifests(NEW, moved=[("old", "new")]), doubts=[doubt("old")])
    assert outline(made) == [("move", "new"), ("in_doubt", "new")]
    assert made.changes[0].id is None
    assert made.changes[1].doubt == doubt("old")


def test_a_rename_carries_record_and_doubt_together() -> None:
    made = plan(manifests(NEW, moved=[("old", "new")]), OLD, doubts=[doubt("old", action="update", id=5)])
    assert outline(made) == [("move", "new"), ("in_doubt", "new")]
    assert [change.id for change in made.changes] == [5, 5]


def test_a_doubt_cannot_move_onto_a_record() -> None:
    made = plan(manifests(NEW, moved=[("old", "new")]), {"new": held(6)}, doubts=[doubt("old")])
    assert (outline(made), rules(made)) == ([("in_doubt", "old")], ["move-conflict"])


@pytest.mark.parametrize("records", [OLD, {}])
def test_a_move_waits_while_its_new_address_is_in_doubt(records: Any) -> None:
    doubts = [doubt("new")] if records else [doubt("new"), doubt("old", operation="op-2")]
    made = plan(manifests(NEW, moved=[("old", "new")]), records, doubts=doubts, max_deletes=None)
    assert {action for action, _ in outline(made)} == {"in_doubt"}
    assert made.count(Action.IN_DOUBT) == len(doubts)


def test_removed_globs_forget_without_deleting() -> None:
    records = {"inv-2024-2": held(2), "inv-2024-1": held(1, protect=True), "inv-2025-1": held(3)}
    made = plan(manifests(declare("inv-2025-1"), removed=["inv-2024-?", "none-*"]), records)
    assert outline(made) == [("forget", "inv-2024-1"), ("forget", "inv-2024-2")]
    assert [(change.id, change.location) for change in made.changes] == [(1, HERE), (2, HERE)]
    assert (rules(made), made.cost.writes) == ([], 0)


def test_a_removed_glob_that_is_done_does_nothing() -> None:
    assert plan(manifests(removed=["inv-*"])).is_empty


def test_only_selected_addresses_are_forgotten() -> None:
    made = plan(manifests(removed=["inv-*"]), {"inv-1": held(1), "inv-2": held(2)}, targets=["inv-1"])
    assert outline(made) == [("forget", "inv-1")]


def test_what_was_moved_away_is_not_forgotten_under_its_old_address() -> None:
    assert outline(plan(manifests(NEW, moved=[("old", "new")], removed=["old"]), OLD)) == [("move", "new")]


def test_an_import_only_adopts_and_what_differs_waits_for_the_next_plan() -> None:
    declared = declare("inv-1", notes="x")
    made = plan(manifests(declared, imports=[("inv-1", 900)]))
    (change,) = made.changes
    assert (change.action, change.id, change.declared, change.location) == (Action.ADOPT, 900, declared, HERE)


def test_an_import_that_is_done_is_compared_as_usual() -> None:
    made = plan(manifests(declare("inv-1", notes="x"), imports=[("inv-1", 900)]), {"inv-1": held(900)})
    assert outline(made) == [("update", "inv-1")]


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ({"other": held(900, 2)}, "other owns id 900 already"),
        ({"inv-1": held(901)}, "inv-1 is id 901 already"),
    ],
)
def test_an_import_that_takes_from_another_is_refused_and_nothing_is_created_instead(records: Any, words: str) -> None:
    made = plan(manifests(declare("inv-1"), declare("other", 2), imports=[("inv-1", 900)]), records, targets=["inv-1"])
    assert (outline(made), rules(made)) == ([], ["import-conflict"])
    assert made.refusals[0].message.endswith(words)


def test_only_selected_addresses_adopt() -> None:
    made = plan(manifests(declare("a", 1), declare("b", 2), imports=[("a", 9), ("b", 8)]), excludes=["a"])
    assert outline(made) == [("adopt", "b")]


def test_nothing_else_is_planned_for_an_address_in_doubt() -> None:
    declared = manifests(
        declare("changed", notes="x"),
        declare("new", 2),
        declare("import", 3),
        removed=["gone-*"],
        imports=[("import", 9)],
    )
    records = {"changed": held(1), "gone-1": held(2, 4), "retired": held(3, 5)}
    addresses = ["changed", "new", "import", "gone-1", "retired"]
    made = plan(declared, records, doubts=[doubt(a, operation=a) for a in addresses], max_deletes=None)
    assert outline(made) == [("in_doubt", address) for address in sorted(addresses)]
    assert made.unchanged == 0
    assert {change.reason for change in made.changes} == {"HTTP 502"}


def test_a_doubt_is_shown_where_the_address_is_declared_and_nowhere_when_it_no_longer_is() -> None:
    made = plan(manifests(declare("a", line=7)), doubts=[doubt("a"), doubt("b", operation="op-2")])
    assert [change.location and change.location.line for change in made.changes] == [7, None]


def test_a_doubt_that_is_not_selected_is_not_spoken_of() -> None:
    assert plan(manifests(declare("a")), doubts=[doubt("a")], excludes=["a"]).is_empty
