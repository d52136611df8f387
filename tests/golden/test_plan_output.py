"""A plan as people and as scripts see it; the golden files are the contract."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from declarations import declare, doubt, held, manifests, plan
from hostile import EVERYTHING, is_harmless

from reconcile.core.changes import Action, Change, Cost, Plan
from reconcile.core.diagnostics import Diagnostic, Location, Severity
from reconcile.core.planfile import dump_plan, load_plan
from reconcile.core.records import Provider
from reconcile.core.saved import SavedPlan, Terms
from reconcile.render.github import plan_as_github
from reconcile.render.plan_json import plan_as_json
from reconcile.render.plan_markdown import plan_as_markdown
from reconcile.render.plan_text import plan_as_text, summary_lines
from reconcile.render.style import Style

Golden = Callable[[str, str], None]
MARCH, APRIL, FEBRUARY = "manifests/2026-03.yaml", "manifests/2026-04/coworking.yaml", "manifests/2026-02.yaml"


def month() -> Plan:
    """Every action at once, creates over two files."""
    creates = [
        declare(
            f"inv-{n}",
            n,
            line=12 + 4 * (n - 9000),
            file=MARCH if n < 9023 else APRIL,
            regular_payment_provider=Provider.Stripe if n % 3 else Provider.GoCardless,
            token_source=f"env:TOK_{n}",
        )
        for n in range(9000, 9030)
    ]
    others = [
        declare("inv-8120", 8120, line=40, file=FEBRUARY, notes="March renewal"),
        declare("inv-8121", 8121, line=44, file=FEBRUARY, notes=None, token_source="env:TOK_8121", token_version=2),
        declare("inv-8122", 8122, line=49, file=FEBRUARY, token_source="file:inv-8122"),
        declare("inv-8123", 8123, line=53, file=FEBRUARY, protect=True),
        declare("inv-8124-new", 8124, line=57, file=FEBRUARY, regular_payment_provider=Provider.Cash),
        declare("inv-8125", 8125, line=60, file=FEBRUARY),
        declare("inv-8126", 8126, line=61, file=FEBRUARY, token_source="env:TOK_8126"),
        declare("inv-8841", 8841, line=64, file=FEBRUARY),
        declare("inv-8842", 8842, line=68, file=FEBRUARY),
    ]
    records = {
        "inv-8120": held(1, 8120, notes="March"),
        "inv-8121": held(2, 8121, notes="old", token_source="env:TOK_8121"),
        "inv-8122": held(3, 8122, token_source="env:OLD"),
        "inv-8123": held(4, 8123, notes="x"),
        "inv-8124": held(5, 8124, regular_payment_provider=Provider.Check),
        "inv-8126": held(8, 8126, token_source="env:TOK_8126", token_fingerprint="k:1"),
        "inv-8842": held(77, 8842),
        "inv-7702": held(87650551, 7702, regular_payment_provider=Provider.GoCardless),
        "inv-7703": held(87650552, 7703, protect=True),
        "inv-2024-1": held(6, 2024),
    }
    declared = manifests(
        *creates,
        *others,
        moved=[("inv-8124", "inv-8124-new")],
        removed=["inv-2024-*"],
        imports=[("inv-8125", 87654321)],
        files=3,
    )
    return plan(
        declared,
        records,
        doubts=[doubt("inv-8841", 8841)],
        fingerprint_of=lambda record: "k:2" if record.address == "inv-8126" else None,
        used_today=3,
    )


def as_json(made: Plan) -> dict[str, Any]:
    shown = plan_as_json(made, created_at="2026-03-02T10:14:00Z", tool_version="1.0")
    return json.loads(json.dumps(shown))


def test_a_plan_shows_every_action_and_folds_creates_beyond_twenty(golden: Golden) -> None:
    golden("plan-every-action.txt", plan_as_text(month()))


def test_a_full_plan_shows_every_create(golden: Golden) -> None:
    golden("plan-full.txt", plan_as_text(month(), full=True))


def test_a_plan_is_json_with_the_names_of_the_contract(golden: Golden) -> None:
    golden("plan-every-action.json", json.dumps(as_json(month()), indent=2, ensure_ascii=False) + "\n")


def test_nothing_to_do_is_one_line() -> None:
    assert plan_as_text(plan(manifests(declare("a")), {"a": held()})) == "Nothing to do: 1 unchanged.\n"


def test_a_plan_of_nothing_but_refusals_does_not_claim_that_there_is_nothing_to_do(golden: Golden) -> None:
    golden("plan-refused.txt", plan_as_text(plan(manifests(declare("a", 7)), {"a": held()})))


def test_a_plan_of_doubt_alone_names_it(golden: Golden) -> None:
    golden("plan-doubt.txt", plan_as_text(plan(manifests(declare("a")), doubts=[doubt("a", at="yesterday\x1b[0m")])))


def test_a_single_create_beyond_twenty_is_shown_with_its_line() -> None:
    made = plan(manifests(*(declare(f"inv-{n}", n, line=n) for n in range(1, 22))))
    assert "  + create   inv-21   1 more   manifests/a.yaml:21\n" in plan_as_text(made)
    exactly = plan(manifests(*(declare(f"inv-{n}", n, line=n) for n in range(1, 21))))
    assert "more" not in plan_as_text(exactly)


def test_places_stand_below_one_another_even_when_one_line_is_very_long() -> None:
    records = [declare("a", 1), declare("b", 2, notes="日本語"), declare("c", 3, notes="x" * 300)]
    shown = plan_as_text(plan(manifests(*records), {"b": held(2, 2, notes="x"), "c": held(3, 3, notes="y")}))
    lines = shown.splitlines()
    # Each of the three wide characters takes two columns of a terminal.
    assert lines[0].index("manifests/") == lines[1].index("manifests/") + 3
    assert f'notes "y" → "{"x" * 120}… (300 characters)"   manifests/a.yaml:3' in lines[2]


def test_a_cost_over_days_with_reads_says_what_is_left_today() -> None:
    made = plan(manifests(declare("a")))
    costly = Plan(**{name: getattr(made, name) for name in made._fields} | {"cost": Cost(6206, 12, 6218, 2, 3180)})
    assert summary_lines(costly, Style())[1] == (
        "Cost: 6,206 writes, 12 reads · 1 h 44 min over 2 days at the published limits · 3,180 writes left today."
    )


def test_a_cost_without_limits_names_no_time() -> None:
    made = plan(manifests(declare("a")))
    free = Plan(**{name: getattr(made, name) for name in made._fields} | {"cost": Cost(1, 0, 0.0, 1, None)})
    assert summary_lines(free, Style())[1] == "Cost: 1 write."


def test_colour_marks_the_action_and_is_nothing_but_colour() -> None:
    plain, colourful = plan_as_text(month()), plan_as_text(month(), style=Style(colour=True))
    assert "\x1b[32m  + create  \x1b[0m inv-9000" in colourful
    for code in ("0", "1", "31", "32", "33", "35"):
        colourful = colourful.replace(f"\x1b[{code}m", "")
    assert colourful == plain


@pytest.mark.parametrize("value", EVERYTHING)
def test_hostile_values_of_manifest_and_state_cannot_do_anything(value: str) -> None:
    place = Location(f"manifests/{value}.yaml", 1)
    declared = [declare("new", 1, file=place.file, token_source=f"file:{value}"), declare("old", 2, notes=value)]
    records = {"old": held(2, 2, notes=f"{value}!", token_source=f"env:{value}")}
    made = plan(manifests(*declared), records, doubts=[doubt("d", at=value)])
    assert made.count(Action.UPDATE) == 1
    assert is_harmless(plan_as_text(made))


def test_huge_addresses_and_places_leave_the_others_readable() -> None:
    huge = "x" * 200
    shown = plan_as_text(plan(manifests(declare("a", 1), declare(huge, 2, file="y" * 5000))))
    first, second, *_ = shown.splitlines()
    assert first == "  + create   a   invoice 1   manifests/a.yaml:3"
    assert huge in second


def test_a_change_without_its_sides_still_prints() -> None:
    made = plan(manifests())
    bare = tuple(Change(action, "a", moved_from="b") for action in Action)
    odd = Plan(**{name: getattr(made, name) for name in made._fields} | {"changes": bare})
    assert len(plan_as_text(odd).splitlines()) == len(bare) + 2
    assert [change["action"] for change in as_json(odd)["changes"]] == [str(action) for action in Action]


def test_json_never_holds_a_token_and_carries_diagnostics() -> None:
    made = plan(manifests(declare("a", token_source="literal")))
    warning = Diagnostic("literal-token", "a token", Location("m.yaml", 3, 7), "use env", Severity.WARNING)
    shown = as_json(Plan(**{name: getattr(made, name) for name in made._fields} | {"diagnostics": (warning,)}))
    assert shown["diagnostics"][0]["code"] == "literal-token"
    assert shown["changes"][0]["fields"][1:] == [
        {"name": "token", "before": None, "after": "literal", "sensitive": True}
    ]


def test_a_plan_file_holds_every_action_and_shows_as_the_plan_did(golden: Golden) -> None:
    terms = Terms("https://spaces.nexudus.com", excludes=("inv-1",), allow_deletes=1, rules=("safety.max_deletes=0",))
    data = dump_plan(SavedPlan(month(), terms, "2026-03-02T10:14:00Z", "1.0"))
    golden("plan-every-action.plan", data.decode())
    loaded = load_plan(data, "a.plan").plan
    assert plan_as_text(loaded, full=True) == plan_as_text(month(), full=True)
    assert as_json(loaded) == as_json(month())


def test_a_plan_as_a_comment_shows_every_action(golden: Golden) -> None:
    golden("plan-every-action.md", plan_as_markdown(month()))


def test_a_plan_as_annotations_names_what_needs_a_person(golden: Golden) -> None:
    golden("plan-every-action.github", plan_as_github(month(), folder="books"))
