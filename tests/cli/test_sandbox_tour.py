"""The main job from end to end, through the command line, against the embedded sandbox."""

from project_folder import Folder


def test_a_first_apply_creates_everything_and_a_second_plan_is_empty(small: Folder) -> None:
    first = small.run("--sandbox", "plan", "--detailed-exitcode")
    assert first.code == 2
    assert "3 to create" in first.out

    applied = small.run("--sandbox", "apply", "--auto-approve")
    assert (applied.code, "3 created" in applied.out) == (0, True), applied.err

    second = small.run("--sandbox", "plan", "--detailed-exitcode")
    assert second.code == 0
    assert "Nothing to do: 3 unchanged." in second.out
