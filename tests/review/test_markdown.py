"""The comment on a pull request: what stands where, and how much of it fits."""

import pytest
from declarations import declare, doubt, held, manifests, plan
from rendered import github_renders

from reconcile.core.changes import Plan, Refusal
from reconcile.core.diagnostics import Diagnostic, Location
from reconcile.core.errors import DiagnosedError, UsageError
from reconcile.render.markdown import MARKER, MOST_BYTES, prose
from reconcile.render.plan_markdown import plan_as_markdown
from reconcile.render.records import render_records
from reconcile.render.review_markdown import diagnostics_as_markdown, failure_as_markdown


def creates(count: int, files: int = 1, **fields: object) -> Plan:
    return plan(
        manifests(
            *(
                declare(f"inv-{n}", n, line=n, file=f"manifests/{n * files // (count + 1):05}.yaml", **fields)
                for n in range(1, count + 1)
            )
        )
    )


def title(made: Plan) -> str:
    return plan_as_markdown(made).splitlines()[1].removeprefix("### reconcile plan: ")


def test_the_marker_comes_first_and_is_always_the_same() -> None:
    for text in (
        plan_as_markdown(creates(3)),
        plan_as_markdown(plan(manifests())),
        failure_as_markdown(UsageError("no such address", help="look"), "plan"),
    ):
        assert text.startswith(f"{MARKER}\n")
        assert text.count(MARKER) == 1
        assert text.endswith("\n")


def test_the_verdict_says_what_apply_would_do() -> None:
    waiting = [doubt("a")]
    assert title(plan(manifests())) == "nothing to do"
    assert title(creates(2)) == "ready, apply would send 2 writes"
    assert title(plan(manifests(), {"a": held()})) == "refused, apply would send nothing"
    assert title(plan(manifests(declare("a")), doubts=waiting)) == "nothing to send, after settling 1 write in doubt"
    both = plan(manifests(declare("a"), declare("b")), doubts=waiting)
    assert title(both) == "ready, apply would send 1 write, after settling 1 write in doubt"
    moved = plan(manifests(declare("b"), moved=[("a", "b")]), {"a": held()})
    assert title(moved) == "ready, and only the state would change"


def test_what_is_refused_or_in_doubt_stands_outside_of_every_fold() -> None:
    made = plan(manifests(declare("a"), declare("b")), {"gone": held()}, doubts=[doubt("a")])
    before_any_fold = plan_as_markdown(made).partition("<details")[0]
    assert "1 delete, 0 allowed" in before_any_fold
    assert "| `!` in doubt | `a` |" in before_any_fold


def test_creates_are_folded_by_file() -> None:
    text = plan_as_markdown(creates(30, files=3))
    assert text.count("<details>") == 3
    assert "<summary><code>manifests/00001.yaml</code>: 10 to create</summary>" in text
    assert "| `inv-21 … inv-30` | 10 more |" in text
    assert "more |" not in plan_as_markdown(creates(30, files=3), full=True)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("count", "files"), [(6000, 1), (6000, 3000), (3000, 40)])
def test_a_comment_fits_and_says_how_much_of_the_plan_it_leaves_out(count: int, files: int, *, full: bool) -> None:
    text = plan_as_markdown(creates(count, files, notes="x" * 300, token_source=f"env:{'LONG' * 60}"), full=full)
    size = len(text.encode())
    assert size <= MOST_BYTES
    rows = [line for line in text.splitlines() if line.startswith("| `inv-")]
    shown = sum(int(row.split(" more |")[0].rsplit("| ", 1)[1].replace(",", "")) for row in rows if " more |" in row)
    shown += sum(" more |" not in row for row in rows)
    left_out = count - shown
    assert (f"**{left_out:,} records are left out here**" in text) == (left_out > 0)
    if left_out:
        assert size > MOST_BYTES - 2_000, "there was room for more"
    github_renders(text)


def test_a_comment_cut_in_the_middle_of_a_file_says_so_below_its_table() -> None:
    text = plan_as_markdown(creates(2000), full=True)
    left_out = text.partition(" records are left out")[0].rpartition("**")[2]
    assert f"\n\n… and {left_out} more\n\n</details>" in text


def test_hostile_sizes_fit_as_well() -> None:
    made = creates(3)
    refusals = tuple(Refusal("policy", f"{n} {'x' * 900} `{'|' * 900}", (f"inv-{n}",), "y " * 900) for n in range(500))
    huge = Diagnostic("code", "m" * 100_000, Location("f" * 100_000, 1), "h" * 100_000)
    records = [("a", held(notes="n" * 100_000, token_source="t" * 100_000))]
    for text in (
        plan_as_markdown(made._replace(refusals=refusals, diagnostics=(huge,) * 100)),
        diagnostics_as_markdown("Invalid.", [huge] * 100),
        failure_as_markdown(DiagnosedError("m" * 100_000, [huge] * 100), "plan"),
        render_records(records * 200, "markdown"),
    ):
        assert len(text.encode()) <= MOST_BYTES
        assert "left out here" in text


@pytest.mark.parametrize(
    ("sentence", "markdown"),
    [
        ("2 deletes, 0 allowed.", "2 deletes, 0 allowed."),
        ("inv-1 (id 87650552) is protected", "`inv-1` (id `87650552`) is protected"),
        (
            "set `protect: false` and apply; or --exclude inv-1.",
            "set `protect: false` and apply; or `--exclude inv-1`.",
        ),
        ("go on with --allow-deletes 2, or leave", "go on with `--allow-deletes 2`, or leave"),
        ("an odd ` stays", "an odd stays"),
        ("1,234 writes on 2 days", "1,234 writes on 2 days"),
        ("1234567 deadbeef effaced", "`1234567 deadbeef effaced`"),
        ("a\nb", "`a\\nb`"),
        ("", ""),
    ],
)
def test_a_sentence_keeps_its_plain_words_and_shows_the_others_as_code(sentence: str, markdown: str) -> None:
    assert prose(sentence) == markdown
