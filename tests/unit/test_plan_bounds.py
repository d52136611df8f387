"""What bounds, prices and names a plan: limits, protection, selection, cost, the plan's id."""

from typing import Any

import pytest
from declarations import declare, doubt, held, manifests, outline, plan, rules

from reconcile.core.changes import Action, Selection
from reconcile.core.quota import UNLIMITED, Limits

TWO = manifests(declare("a", 1), declare("b", 2))


def test_deletes_are_refused_unless_they_are_allowed() -> None:
    made = plan(manifests(), {"inv-7702": held(1)})
    (refusal,) = made.refusals
    assert (refusal.rule, refusal.addresses) == ("max-deletes", ("inv-7702",))
    assert refusal.message == "1 delete, 0 allowed (1 of 1 record, 100.0 %)"
    assert refusal.help == "go on with --allow-deletes 1, or --exclude inv-7702"
    assert outline(made) == [("delete", "inv-7702")]
    assert rules(plan(manifests(), {"inv-7702": held(1)}, max_deletes=1)) == []


def test_too_many_creates_are_refused_with_the_ways_on() -> None:
    (refusal,) = plan(TWO, max_creates=1).refusals
    assert refusal.message == "2 creates, 1 allowed"
    assert refusal.help == "go on with a higher safety.max_creates, or leave some out with --exclude"
    assert refusal.addresses == ("a", "b")
    assert plan(TWO, max_creates=2).refusals == ()


def test_too_many_updates_are_refused() -> None:
    made = plan(manifests(declare("a", notes="x")), {"a": held()}, max_updates=0)
    assert rules(made) == ["max-updates"]


def test_without_limits_everything_may_be_planned() -> None:
    made = plan(TWO, {"c": held(1), "d": held(2)}, max_deletes=None)
    assert made.refusals == ()


def test_a_protected_record_is_not_retired_and_both_rules_are_named() -> None:
    made = plan(manifests(), {"a": held(7, protect=True)})
    assert rules(made) == ["protected", "max-deletes"]
    assert made.refusals[0].message == "a (id 7) is protected and no longer declared"
    assert "--exclude a" in made.refusals[0].help


@pytest.mark.parametrize(
    ("targets", "excludes", "expected"),
    [
        ([], [], ["inv-1", "inv-2", "x"]),
        (["inv-*"], [], ["inv-1", "inv-2"]),
        (["inv-*", "x"], ["inv-1"], ["inv-2", "x"]),
        ([], ["inv-?"], ["x"]),
        (["inv-[12]"], ["*-2"], ["inv-1"]),
        (["INV-1"], [], []),
    ],
)
def test_a_plan_speaks_of_what_matches_a_target_and_no_exclusion(
    targets: list[str], excludes: list[str], expected: list[str]
) -> None:
    declared = manifests(declare("inv-1", 1), declare("inv-2", 2))
    made = plan(declared, {"x": held(9)}, targets=targets, excludes=excludes, max_deletes=None)
    assert [address for _, address in outline(made)] == expected


def test_patterns_that_match_nothing_are_named() -> None:
    selection = Selection(("inv-*", "typo-*"), ("b", "nobody"))
    assert selection.unmatched(["inv-1", "b", "c"]) == ["nobody", "typo-*"]
    assert selection.unmatched(["inv-1", "b", "nobody", "typo-1", "c"]) == []


def test_changes_come_by_action_and_are_the_same_every_time() -> None:
    declared = manifests(
        declare("create", 1),
        declare("update", 2, notes="x"),
        declare("record", 3, protect=True),
        declare("moved", 4),
        declare("adopted", 5),
        moved=[("old", "moved")],
        removed=["forgotten"],
        imports=[("adopted", 99)],
    )
    records = {"update": held(2, 2), "record": held(3, 3), "old": held(4, 4), "forgotten": held(6), "retired": held(7)}
    made = plan(declared, records, doubts=[doubt("doubtful")], max_deletes=None)
    assert [str(change.action) for change in made.changes] == [str(action) for action in Action]
    backwards = dict(reversed(records.items()))
    assert plan(declared, backwards, doubts=[doubt("doubtful")], max_deletes=None) == made
    assert made.having(Action.CREATE, Action.DELETE) == [made.changes[3], made.changes[5]]


@pytest.mark.parametrize(
    "other",
    [
        {"declared": manifests(declare("a", 1), declare("b", 2), digest="sha256:01")},
        {"declared": manifests(declare("a", 1))},
        {"records": {"a": held(1, 1)}},
        {"serial": 5},
        {"targets": ["a"]},
        {"excludes": ["a"]},
        {"doubts": [doubt("a")]},
    ],
)
def test_the_plan_id_is_another_when_the_plan_is(other: dict[str, Any]) -> None:
    base = plan(TWO)
    assert plan(TWO).plan_id == base.plan_id
    assert len(base.plan_id) == 8
    declared = other.pop("declared", TWO)
    assert plan(declared, **other).plan_id != base.plan_id


def test_two_selections_of_as_many_creates_have_different_ids() -> None:
    assert plan(TWO, targets=["a"]).plan_id != plan(TWO, targets=["b"]).plan_id


def test_the_plan_id_tells_what_a_token_compared_as() -> None:
    declared, records = manifests(declare("a", token_source="env:A")), {"a": held(token_source="env:B")}
    by_source = plan(declared, records)
    by_value = plan(
        declared, {"a": held(token_source="env:B", token_fingerprint="k:1")}, fingerprint_of=lambda _: "k:2"
    )
    assert by_source.plan_id != by_value.plan_id


def test_a_plan_prices_itself_at_the_limits() -> None:
    many = manifests(*(declare(f"inv-{n}", n) for n in range(1, 151)))
    cost = plan(many).cost
    assert (cost.writes, cost.reads, cost.days, cost.writes_left_today) == (150, 2, 1, None)
    assert cost.seconds == pytest.approx(150, rel=0.02)
    assert plan(many, limits=Limits(writes_per_day=100)).cost.days == 2
    used = plan(many, limits=Limits(writes_per_day=200), used_today=80).cost
    assert (used.days, used.writes_left_today) == (2, 120)
    assert plan(many, limits=Limits(writes_per_day=50), used_today=80).cost.writes_left_today == 0
    free = plan(many, limits=UNLIMITED, used_today=80).cost
    assert (free.seconds, free.days, free.writes_left_today) == (0.0, 1, None)


def test_a_plan_is_bound_to_the_state_and_the_manifests_it_was_made_from() -> None:
    made = plan(TWO, serial=9)
    assert (made.lineage, made.serial, made.digest, made.files, made.records) == ("0b1f-lineage", 9, "sha256:00", 1, 2)
