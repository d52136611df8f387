"""Saved plans end to end: what was reviewed is done, once, and nothing else."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from plan_files import assert_stale, counts, edit_notes
from project_folder import Folder

from reconcile.core.planfile import dump_plan, load_plan
from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]


@pytest.fixture
def sandbox(small: Folder, serve: Serve) -> Sandbox:
    sandbox = serve()
    small.point_at(sandbox)
    return sandbox


@pytest.fixture
def saved(small: Folder, sandbox: Sandbox) -> Folder:  # noqa: ARG001 - the folder points at it
    """Three creates, saved as `a.plan`."""
    assert small.run("plan", "--out", "a.plan").code == 0
    return small


def test_a_saved_plan_is_shown_applied_once_and_never_again(saved: Folder, sandbox: Sandbox) -> None:
    shown = saved.run("show", "a.plan")
    assert shown.out == saved.run("plan").out

    ran = saved.run("apply", "a.plan")

    assert ran.code == 0, ran.err
    assert counts(sandbox) == {1: 1, 2: 1, 3: 1}
    sent = len(sandbox.requests)
    assert_stale(saved.run("apply", "a.plan"), "already applied, at 20", "plan-applied")
    assert len(sandbox.requests) == sent
    assert saved.run("plan", "--detailed-exitcode").code == 0


def test_saving_says_how_to_apply_and_changes_nothing_but_the_file(small: Folder, sandbox: Sandbox) -> None:
    before = small.digest()
    ran = small.run("plan", "--out", "my plan.json")
    assert ran.err == "Nothing was sent. Saved: `reconcile apply 'my plan.json'` does exactly this, without asking.\n"
    after = small.digest()
    assert after.pop("my plan.json").startswith("100600 ")
    assert (after, sandbox.requests) == (before, ())


def test_a_plan_file_is_shown_without_its_folder_and_in_json_as_plan_printed_it(saved: Folder, tmp_path: Path) -> None:
    printed = saved.run("plan", "--out", "b.plan", "--format", "json").json
    elsewhere = Folder(tmp_path / "elsewhere")
    elsewhere.path.mkdir()
    (elsewhere.path / "b.plan").write_bytes((saved.path / "b.plan").read_bytes())

    assert elsewhere.run("show", "b.plan", "--format", "json").json == printed
    assert elsewhere.run("show", "b.plan").out == saved.run("plan").out


def test_a_plan_file_is_json_that_names_each_change_on_a_line_and_holds_no_token(saved: Folder) -> None:
    data = (saved.path / "a.plan").read_text(encoding="utf-8")
    document = json.loads(data)
    assert [change["address"] for change in document["changes"]] == ["inv-1", "inv-2", "inv-3"]
    assert [len(re.findall(f'^.*"address":"{a}".*$', data, re.MULTILINE)) for a in ("inv-1", "inv-2")] == [1, 1]
    assert "planted" not in data


def test_paths_are_those_of_the_project_folder(small: Folder, sandbox: Sandbox) -> None:
    above = Folder(small.path.parent, small.environ)
    name = small.path.name
    assert above.run("-C", name, "plan", "--out", "a.plan").code == 0
    assert above.run("-C", name, "show", "a.plan").code == 0
    assert above.run("-C", name, "apply", "a.plan").code == 0
    assert sandbox.writes == 3


def apply_by_itself(folder: Folder) -> None:
    assert folder.run("apply", "--auto-approve", "--target", "inv-3").code == 0


def write_policy(folder: Folder) -> None:
    folder.write("reconcile.yaml", "policy: {protected: [deposit-*]}\n")


def write_safety(name: str) -> Callable[[Folder], None]:
    return lambda folder: folder.write("reconcile.yaml", f"safety: {{{name}: 9}}\n") and None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edit_notes, "the manifests are not those that the plan was made from"),
        (apply_by_itself, "made from serial 0 of the state, which is at serial 1 now"),
        (
            lambda folder: folder.run("apply", "--auto-approve") and folder.run("state", "rm", "inv-*"),
            "at serial 2 now",
        ),
        (write_safety("max_creates"), "safety.max_creates is not what it was when the plan was made"),
        (write_safety("max_updates"), "safety.max_updates is not"),
        (write_safety("max_deletes"), "safety.max_deletes is not"),
        (write_policy, "policy.protected is not what it was when the plan was made"),
        (lambda folder: folder.environ.update(NEXUDUS_BASE_URL="http://localhost:1"), "http://localhost:1"),
    ],
)
def test_a_plan_is_stale_once_anything_that_it_was_made_from_has_changed(
    change: Callable[[Folder], object], words: str, saved: Folder, sandbox: Sandbox
) -> None:
    change(saved)
    sent = len(sandbox.requests)
    assert_stale(saved.run("apply", "a.plan"), words)
    assert len(sandbox.requests) == sent


def test_a_plan_for_the_api_is_not_applied_to_the_sandbox_nor_the_other_way_round(saved: Folder) -> None:
    assert_stale(saved.run("--sandbox", "apply", "a.plan"), "and this is the sandbox")
    assert saved.run("--sandbox", "plan", "--out", "b.plan").code == 0
    assert_stale(saved.run("apply", "b.plan"), "the plan was made for the sandbox")


def test_a_plan_for_another_state_is_stale(saved: Folder, sandbox: Sandbox) -> None:
    apply_by_itself(saved)
    assert saved.run("plan", "--out", "b.plan").code == 0
    state = saved.path / "state"
    state.rename(saved.path / "before")
    assert_stale(saved.run("apply", "b.plan"), "made for another state")
    assert sandbox.writes == 1


def test_an_edit_is_noticed_before_anything_else(saved: Folder, sandbox: Sandbox) -> None:
    path = saved.path / "a.plan"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"March", b"Merch"))
    assert_stale(saved.run("apply", "a.plan"), "a.plan was edited or cut short after it was made", "plan-edited")
    assert saved.run("show", "a.plan").code == 7
    path.write_bytes(whole.replace(b'"version":1', b'"version":2'))
    assert_stale(saved.run("apply", "a.plan"), "a.plan has format version 2", "plan-too-new")
    assert sandbox.requests == ()


def test_a_file_that_was_forged_with_its_checksum_does_nothing_else_than_the_manifests(
    saved: Folder, sandbox: Sandbox
) -> None:
    path = saved.path / "a.plan"
    genuine = load_plan(path.read_bytes(), "a.plan")
    forged = dump_plan(genuine).replace(b'"coworker_invoice_id":2', b'"coworker_invoice_id":9')
    from hashlib import sha256

    first, content = forged.split(b"\n", 1)
    path.write_bytes(re.sub(rb"[0-9a-f]{64}", sha256(content).hexdigest().encode(), first) + b"\n" + content)
    assert "invoice 9" in saved.run("show", "a.plan").out

    assert_stale(saved.run("apply", "a.plan"), "what would be done at inv-2 is not what was reviewed")
    assert sandbox.writes == 0


def test_a_plan_is_carried_on_by_its_own_file_alone(saved: Folder, sandbox: Sandbox) -> None:
    assert saved.run("plan", "--out", "b.plan", "--target", "inv-3").code == 0
    first = saved.run("apply", "a.plan", "--max-writes", "1")
    assert first.code == 5
    assert "`reconcile apply a.plan --max-writes 1` goes on where this run stopped" in first.out
    assert_stale(saved.run("apply", "b.plan"), "serial")

    assert saved.run("apply", "a.plan", "--max-writes", "1", "--format", "json").code == 5
    assert saved.run("apply", "a.plan").code == 0

    assert counts(sandbox) == {1: 1, 2: 1, 3: 1}
    assert_stale(saved.run("apply", "a.plan"), "already applied", "plan-applied")
    plans = {run["plan_id"] for run in saved.run("history", "--format", "json").json}
    assert plans == {saved.run("show", "a.plan", "--format", "json").json["plan_id"]}


@pytest.mark.parametrize(
    "intruder",
    [
        ("apply", "--auto-approve", "--target", "inv-2"),
        ("state", "mv", "inv-1", "inv-one"),
        ("state", "rm", "inv-1"),
    ],
)
def test_whatever_else_comes_between_makes_it_stale(intruder: tuple[str, ...], saved: Folder, sandbox: Sandbox) -> None:
    saved.environ["RECONCILE_API__CONCURRENCY"] = "1"
    assert saved.run("apply", "a.plan", "--max-writes", "1").code == 5
    assert sorted(saved.ids()) == ["inv-1"]
    assert saved.run(*intruder).code == 0
    sent = sandbox.writes

    assert_stale(saved.run("apply", "a.plan"), "the state was changed by something else since this plan was begun")
    assert sandbox.writes == sent


def test_a_rejected_record_is_tried_again_by_the_same_plan(small: Folder, serve: Serve) -> None:
    sandbox = serve(faults="rejected@2")
    small.point_at(sandbox).environ["RECONCILE_API__CONCURRENCY"] = "1"
    assert small.run("plan", "--out", "a.plan").code == 0
    assert small.run("apply", "a.plan").code == 1
    assert small.run("apply", "a.plan").code == 0
    assert counts(sandbox) == {1: 1, 2: 1, 3: 1}


def test_refusals_of_a_saved_plan_are_shown_and_stop_it(saved: Folder, sandbox: Sandbox) -> None:
    assert saved.run("apply", "a.plan").code == 0
    (saved.path / "manifests" / "b.yml").unlink()
    assert saved.run("plan", "--out", "b.plan").code == 0
    assert "Refused: 1 delete, 0 allowed" in saved.run("show", "b.plan").out
    sent = sandbox.writes
    ran = saved.run("apply", "b.plan")
    assert (ran.code, "1 delete, 0 allowed" in ran.err) == (3, True)
    assert sandbox.writes == sent


def test_a_missing_token_stops_it_before_it_is_claimed(saved: Folder, sandbox: Sandbox) -> None:
    assert saved.run("apply", "a.plan", environ={"TOKEN_TWO": ""}).code == 65
    assert saved.run("history", "--format", "json").json == []
    assert saved.run("apply", "a.plan").code == 0
    assert sandbox.writes == 3


def test_a_run_that_fails_once_it_is_claimed_is_over_and_carried_on(saved: Folder, sandbox: Sandbox) -> None:
    assert saved.run("apply", "a.plan", environ={"NEXUDUS_PASSWORD": "wrong"}).code == 1
    assert [run["exit_code"] for run in saved.run("history", "--format", "json").json] == [1]
    assert saved.run("apply", "a.plan").code == 0
    assert sandbox.writes == 3


def test_a_plan_with_nothing_to_do_can_be_applied_as_often_as_one_likes(small: Folder, sandbox: Sandbox) -> None:
    assert small.run("apply", "--auto-approve").code == 0
    assert small.run("plan", "--out", "a.plan").code == 0
    assert [small.run("apply", "a.plan").code for _ in range(2)] == [0, 0]
    assert sandbox.writes == 3


@pytest.mark.parametrize(
    "flags", [("--target", "inv-1"), ("--exclude", "inv-1"), ("--allow-deletes", "0"), ("--refresh",)]
)
def test_what_a_saved_plan_has_decided_is_not_decided_again(flags: tuple[str, ...], saved: Folder) -> None:
    ran = saved.run("apply", "a.plan", *flags)
    assert (ran.code, f"{flags[0]} cannot be given with a saved plan" in ran.err) == (64, True)


def test_the_selection_of_a_saved_plan_is_its_own(small: Folder, sandbox: Sandbox) -> None:
    assert small.run("plan", "--out", "a.plan", "--target", "inv-*", "--exclude", "inv-2").code == 0
    assert small.run("apply", "a.plan").code == 0
    assert counts(sandbox) == {1: 1, 3: 1}


def test_what_exists_already_is_refused_then_adopted_by_the_same_plan(small: Folder, sandbox: Sandbox) -> None:
    assert small.run("apply", "--auto-approve", "--target", "inv-1").code == 0
    assert small.run("state", "rm", "inv-1").code == 0
    assert small.run("plan", "--out", "a.plan").code == 0
    assert small.run("apply", "a.plan").code == 3
    assert small.run("apply", "a.plan", "--adopt-existing").code == 0
    assert counts(sandbox) == {1: 1, 2: 1, 3: 1}


def test_only_a_plan_file_or_an_empty_file_is_replaced(saved: Folder) -> None:
    kept = (saved.path / "a.plan").read_bytes()
    assert saved.run("plan", "--out", "a.plan").code == 0
    saved.write("empty", "")
    assert saved.run("plan", "--out", "empty").code == 0
    assert is_same_but_for_its_time(kept, (saved.path / "empty").read_bytes())
    ran = saved.run("plan", "--out", "manifests/a.yaml")
    assert (ran.code, "exists and is not a saved plan" in ran.err) == (64, True)
    assert "payment_tokens" in (saved.path / "manifests" / "a.yaml").read_text(encoding="utf-8")
    assert saved.run("plan", "--out", "manifests").code == 1
    assert saved.run("plan", "--out", "no/such/folder").code == 1
    assert saved.run("plan", "--out", "x" * 300).code == 1


def test_what_names_no_file_is_an_address(saved: Folder) -> None:
    assert saved.run("apply", "a.plan").code == 0
    assert "invoice_id" in saved.run("show", "inv-1").out
    for name in ("inv-9", "x" * 300):
        ran = saved.run("show", name)
        assert (ran.code, "no address in the state matches" in ran.err) == (64, True)


def is_same_but_for_its_time(one: bytes, other: bytes) -> bool:
    times = rb'"created_at":"[^"]*"|"sha256":"[^"]*"'
    return re.sub(times, b"", one) == re.sub(times, b"", other)


def hostile_link(path: Path) -> None:
    path.symlink_to("a.plan")


HOSTILE: dict[str, tuple[Callable[[Path], object], int]] = {
    "empty": (lambda path: path.touch(), 65),
    "text": (lambda path: path.write_text("payment_tokens: {}\n"), 65),
    "deep": (lambda path: path.write_text('{"reconcile_plan":' + "[" * 200_000), 7),
    "binary": (lambda path: path.write_bytes(bytes(range(256)) * 100), 65),
    "fifo": (os.mkfifo, 1),
    "link": (hostile_link, 1),
    "huge": (lambda path: path.touch() or os.truncate(path, 1 << 40), 1),
    "missing": (lambda path: None, 64),  # noqa: ARG005 - the signature of the others
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_from_hostile_hands_is_one_clear_error(kind: str, saved: Folder, sandbox: Sandbox) -> None:
    make, code = HOSTILE[kind]
    make(saved.path / "x.plan")
    ran = saved.run("apply", "x.plan")
    assert ran.code == code, ran
    assert ran.err.startswith("error[")
    assert sandbox.requests == ()


def test_two_appliers_of_one_plan_do_it_once(saved: Folder, sandbox: Sandbox) -> None:
    processes = [saved.start("apply", "a.plan", "--lock-timeout", "30") for _ in range(2)]
    codes = sorted(saved.finish(process).code for process in processes)
    assert codes == [0, 7]
    assert counts(sandbox) == {1: 1, 2: 1, 3: 1}
