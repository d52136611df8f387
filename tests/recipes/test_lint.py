"""The recipes' YAML, by the linters of its field and by what no linter knows: who may do what, where secrets are."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from project_folder import Folder

BIN = Path(sys.executable).parent
NAMES = ("reconcile-review", "reconcile-comment", "reconcile-apply")
WORKFLOWS = tuple(f".github/workflows/{name}.yml" for name in NAMES)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("recipes"))
    for service in ("github", "gitlab"):
        assert folder.run("init", "--ci", service).code == 0
    return folder


def lint(folder: Folder, *command: str, stdin: str = "") -> str:
    """What the linter complains about; nothing where it is content."""
    done = subprocess.run(
        command, cwd=folder.path, input=stdin, capture_output=True, text=True, timeout=120, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def documents(folder: Folder) -> dict[str, dict[Any, Any]]:
    return {name: yaml.safe_load((folder.path / name).read_text(encoding="utf-8")) for name in WORKFLOWS}


def jobs(folder: Folder) -> Iterator[tuple[str, dict[str, Any]]]:
    for document in documents(folder).values():
        yield from document["jobs"].items()


def scripts(folder: Folder) -> list[str]:
    """Every shell script of the recipes, GitLab's lines joined as its runner does."""
    github = [step["run"] for _, job in jobs(folder) for step in job["steps"] if "run" in step]
    gitlab = yaml.safe_load((folder.path / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    for job in gitlab.values():
        for part in ("script", "after_script") if isinstance(job, dict) else ():
            lines = job.get(part, [])
            github.append("\n".join(line if isinstance(line, str) else "\n".join(line) for line in lines))
    return [script for script in github if script]


def test_the_workflows_fit_githubs_schema_and_gitlabs_pipeline_its_own(written: Folder) -> None:
    check = (sys.executable, "-m", "check_jsonschema")
    assert lint(written, *check, "--builtin-schema", "vendor.github-workflows", *WORKFLOWS) == ""
    gitlab = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", ".gitlab-ci.yml")
    assert lint(written, *check, *gitlab) == ""


def test_a_security_linter_finds_nothing_in_the_workflows(written: Folder) -> None:
    assert lint(written, str(BIN / "zizmor"), "--offline", "--pedantic", "--no-progress", ".github") == ""


def test_a_security_linter_would_find_something(written: Folder, tmp_path: Path) -> None:
    text = (written.path / WORKFLOWS[0]).read_text(encoding="utf-8")
    folder = Folder(tmp_path)
    folder.write(WORKFLOWS[0], text.replace("on:\n  pull_request:", "on:\n  pull_request_target:"))
    assert "dangerous-triggers" in lint(folder, str(BIN / "zizmor"), "--offline", "--no-progress", ".github")


def test_actionlint_finds_nothing_where_it_is_installed(written: Folder) -> None:
    if (actionlint := shutil.which("actionlint")) is None:
        pytest.skip("actionlint is not installed: no package index that tests may rely on has it")
    assert lint(written, actionlint, *WORKFLOWS) == ""


def test_shellcheck_finds_nothing_in_any_script(written: Folder) -> None:
    found = scripts(written)
    assert len(found) > 15
    # SC2016: what stands in single quotes is for jq and git's credential helper, which fill it in themselves
    shellcheck = (str(BIN / "shellcheck"), "--shell", "bash", "--exclude", "SC2016", "-")
    for script in found:
        assert lint(written, *shellcheck, stdin=f"set -eo pipefail\n{script}") == "", script


def test_actions_are_few_and_pinned_by_commit_with_their_version_beside(written: Folder) -> None:
    pins: dict[str, set[str]] = {}
    for name in WORKFLOWS:
        text = (written.path / name).read_text(encoding="utf-8")
        uses = re.findall(r"uses: (\S+)@(.*)", text)
        for action, pin in uses:
            assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin), (name, action)
            pins.setdefault(action, set()).add(pin)
    assert pins.keys() == {"actions/checkout", "actions/setup-python", "actions/upload-artifact"}
    assert all(len(versions) == 1 for versions in pins.values())


def test_every_job_has_the_rights_that_it_needs_and_no_more(written: Folder) -> None:
    assert [document["permissions"] for document in documents(written).values()] == [{}, {}, {}]
    assert {name: job["permissions"] for name, job in jobs(written)} == {
        "review": {"contents": "read"},
        "comment": {"actions": "read", "pull-requests": "write"},
        "plan": {"contents": "read"},
        "apply": {"actions": "read", "contents": "write"},
    }


def test_secrets_are_known_to_the_one_step_that_applies(written: Folder) -> None:
    for name, job in jobs(written):
        for step in job["steps"]:
            knows = "secrets." in str({key: value for key, value in step.items() if key != "run"})
            assert knows == ((name, step.get("name")) == ("apply", "apply")), step
    for name in WORKFLOWS[:2]:
        assert "secrets." not in (written.path / name).read_text(encoding="utf-8")


def test_what_a_stranger_wrote_is_read_without_rights_and_what_has_rights_reads_nothing(written: Folder) -> None:
    review, comment, apply = (document[True] for document in documents(written).values())  # YAML 1.1 reads `on` so
    assert review.keys() == {"pull_request"}
    assert comment.keys() == {"workflow_run"}
    assert apply.keys() == {"push", "schedule", "workflow_dispatch"}
    (job,) = documents(written)[WORKFLOWS[1]]["jobs"].values()
    assert [step for step in job["steps"] if "uses" in step] == []


def test_no_expression_is_written_into_a_script(written: Folder) -> None:
    assert [script for script in scripts(written) if "${{" in script] == []


def test_one_run_applies_at_a_time_and_is_not_cut_short(written: Folder) -> None:
    assert documents(written)[WORKFLOWS[2]]["concurrency"] == {"group": "reconcile-apply", "cancel-in-progress": False}
    gitlab = yaml.safe_load((written.path / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    assert gitlab[".apply"]["resource_group"] == "reconcile"
    assert {name for name, job in gitlab.items() if isinstance(job, dict) and job.get("extends") == ".apply"} == {
        "apply",
        "go-on",
    }


def test_both_jobs_look_for_the_state_in_the_same_way(written: Folder) -> None:
    plan, apply = documents(written)[WORKFLOWS[2]]["jobs"].values()
    states = [step["run"] for job in (plan, apply) for step in job["steps"] if step.get("name") == "state"]
    assert len(states) == 2
    assert states[0] == states[1]


def test_existing_recipes_are_kept(written: Folder) -> None:
    again = written.run("init", "--ci", "github")
    assert again.code == 0
    assert again.err.count("kept") == 7
    assert "wrote" not in again.err
