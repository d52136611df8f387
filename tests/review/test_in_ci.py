"""The formats as CI meets them: in a folder of a repository, with a summary to add to, and when something is wrong."""

import json
import re
from pathlib import Path

import pytest
from project_folder import Folder
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog

from reconcile.render.markdown import MARKER

BAD = "payment_tokens:\n  inv-3: {coworker_invoice_id: 03}\n  inv-4: {}\n"


def test_an_annotation_names_the_file_from_the_root_of_the_repository(repository: Folder) -> None:
    repository.write("books/2026/manifests/b.yaml", BAD)

    from_root = repository.run("-C", "books/2026", "validate", "--format", "github")
    inside = Folder(repository.path / "books" / "2026").run("validate", "--format", "github")

    assert from_root.code == inside.code == 65
    assert from_root.out == inside.out
    first, second, summary = from_root.out.splitlines()
    assert first.startswith("::error file=books/2026/manifests/b.yaml,line=2,col=32,title=reconcile%3A not-a-number::")
    assert second.startswith("::error file=books/2026/manifests/b.yaml,line=3,col=3,title=reconcile%3A missing-field::")
    assert summary == "::error title=reconcile::Invalid: 2 problems: 2 errors, 0 warnings."
    assert "books" not in from_root.err
    assert "manifests/b.yaml:2:32: error[not-a-number]" in from_root.err


def test_without_a_repository_files_are_named_from_where_the_command_runs(repository: Folder) -> None:
    (repository.path / ".git").rmdir()
    repository.write("books/2026/manifests/b.yaml", BAD)
    ran = repository.run("-C", "books", "-C", "books/2026", "validate", "--format", "github")
    assert "file=books/2026/manifests/b.yaml," in ran.out
    elsewhere = Folder(repository.path / "books").run("-C", "2026", "validate", "--format", "github")
    assert "file=2026/manifests/b.yaml," in elsewhere.out


def test_at_most_ten_annotations_and_a_summary_are_written(repository: Folder) -> None:
    entries = "".join(f"  bad-{n}: {{coworker_invoice_id: 0{n}}}\n" for n in range(1, 31))
    repository.write("books/2026/manifests/b.yaml", f"payment_tokens:\n{entries}")

    ran = repository.run("-C", "books/2026", "validate", "--format", "github")

    lines = ran.out.splitlines()
    assert len(lines) == 11
    assert all(line.startswith("::error ") for line in lines)
    assert lines[-1].endswith(
        "::Invalid: 30 problems: 30 errors, 0 warnings.%0Athe first 10 are shown beside their lines"
    )
    assert ran.err.count("error[not-a-number]") == 30


def test_what_is_valid_is_a_notice(repository: Folder) -> None:
    ran = repository.run("-C", "books/2026", "validate", "--format", "github")
    assert (ran.code, ran.out, ran.err) == (0, "::notice title=reconcile::Valid: 2 records in 1 file.\n", "")


def test_a_plan_for_github_is_text_in_the_log_and_a_summary_of_the_step(repository: Folder, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("what another step wrote\n", encoding="utf-8")
    environ = {"GITHUB_STEP_SUMMARY": str(summary)}

    ran = repository.run("-C", "books/2026", "plan", "--format", "github", environ=environ)

    assert ran.code == 0
    assert ran.out.startswith("::notice title=reconcile::Plan ")
    assert "  + create   inv-1   invoice 1" in ran.err
    written = summary.read_text(encoding="utf-8")
    assert written.startswith(
        f"what another step wrote\n{MARKER}\n### reconcile plan: ready, apply would send 2 writes\n"
    )
    markdown = repository.run("-C", "books/2026", "plan", "--format", "markdown", environ=environ)
    assert written == f"what another step wrote\n{markdown.out}\n"
    assert summary.read_text(encoding="utf-8") == written, "only --format github adds to it"


def test_validate_adds_what_it_found_to_the_summary(repository: Folder, tmp_path: Path) -> None:
    repository.write("books/2026/manifests/b.yaml", BAD)
    environ = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}

    repository.run("-C", "books/2026", "validate", "--format", "github", environ=environ)

    written = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert written.startswith("### reconcile validate\n\n**Invalid: 2 problems: 2 errors, 0 warnings.**\n")
    assert "| error | `manifests/b.yaml:2:32` | `not-a-number` " in written


def test_a_summary_that_cannot_be_written_is_said_and_changes_nothing_else(repository: Folder, tmp_path: Path) -> None:
    environ = {"GITHUB_STEP_SUMMARY": str(tmp_path)}
    ran = repository.run("-C", "books/2026", "plan", "--format", "github", environ=environ)
    assert ran.code == 0
    assert "the summary of this step cannot be written: Is a directory" in ran.err


@pytest.mark.parametrize("command", ["plan", "show"])
def test_a_failure_is_told_in_the_format_that_was_asked_for(command: str, repository: Folder, tmp_path: Path) -> None:
    repository.write("books/2026/reconcile.yaml", "safety: {max_deletes: -1}\n")
    environ = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}

    markdown = repository.run("-C", "books/2026", command, "--format", "markdown")
    github = repository.run("-C", "books/2026", command, "--format", "github", environ=environ)

    assert markdown.code == github.code == 65
    assert markdown.out.startswith(f"{MARKER}\n### reconcile {command}: failed\n")
    assert "| error | `reconcile.yaml:1:23` | `invalid-setting` " in markdown.out
    assert github.out.startswith(
        "::error file=books/2026/reconcile.yaml,line=1,col=23,title=reconcile%3A invalid-setting::"
    )
    assert github.out.splitlines()[-1] == "::error title=reconcile::the settings are invalid"
    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == f"{markdown.out}\n"


def test_a_failure_without_a_place_is_told_as_well(repository: Folder) -> None:
    for output in ("markdown", "github", "json", "html"):
        ran = repository.run("-C", "books/2026", "plan", "--target", "nothing-*", "--format", output)
        assert ran.code == 64
        assert "no address matches" in ran.out
        assert "state list" in ran.out
    ran = repository.run("-C", "nowhere", "validate", "--format", "sarif")
    assert ran.code == 64
    [result] = ran.json["runs"][0]["results"]
    assert (result["ruleId"], result["level"], result["locations"]) == ("no-folder", "error", [])
    SarifLog.model_validate(ran.json)


def test_sarif_names_rule_level_and_place(repository: Folder) -> None:
    repository.write("books/2026/manifests/päth #1.yaml", BAD)

    ran = repository.run("-C", "books/2026", "validate", "--strict", "--format", "sarif")

    assert ran.code == 65
    SarifLog.model_validate(ran.json)
    [run] = ran.json["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["missing-field", "not-a-number"]
    first = run["results"][0]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("not-a-number", 1, "error")
    assert first["message"]["text"].endswith(
        "; write 3, without zeros before it: YAML readers disagree on what those mean"
    )
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "books/2026/manifests/p%C3%A4th%20%231.yaml"
    assert place["region"] == {"startLine": 2, "startColumn": 32}


@pytest.mark.parametrize("change", ["version", "level", "extra", "line"])
def test_the_check_of_sarif_refuses_what_the_schema_refuses(change: str, repository: Folder) -> None:
    repository.write("books/2026/manifests/b.yaml", BAD)
    log = repository.run("-C", "books/2026", "validate", "--format", "sarif").json
    SarifLog.model_validate(log)
    result = log["runs"][0]["results"][0]
    match change:
        case "version":
            log["version"] = "2.0.0"
        case "level":
            result["level"] = "fatal"
        case "extra":
            result["severity"] = "error"
        case _:
            result["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    with pytest.raises(ValueError, match="validation error"):
        SarifLog.model_validate(json.loads(json.dumps(log)))


def test_the_state_is_shown_in_every_format(repository: Folder) -> None:
    def run(*args: str) -> str:
        ran = repository.run("-C", "books/2026", "--sandbox", *args)
        assert ran.code == 0, ran.err
        return ran.out

    run("apply", "--auto-approve")
    assert "| ADDRESS | ID | INVOICE | PROVIDER | TOKEN FROM |" in run("show", "--format", "markdown")
    assert "| `inv-1` | `14" in run("show", "--format", "markdown")
    assert "| notes | `first` |" in run("show", "inv-1", "--format", "markdown")
    assert run("show", "--format", "github") == "::notice title=reconcile::The state holds 2 records.\n"
    assert json.loads(run("show", "inv-1", "--format", "json"))["notes"] == "first"
    assert "notes                first" in run("show", "inv-1")
    assert "<h1>reconcile state: 2 records</h1>" in run("show", "--format", "html")
    assert "<h1>reconcile state: 1 record</h1>" in run("show", "inv-1", "--format", "html")


def test_a_plan_is_a_page_with_the_schedule_of_the_settings(repository: Folder) -> None:
    environ = {"RECONCILE_API__LIMITS__WRITES_PER_DAY": "1"}
    ran = repository.run("-C", "books/2026", "plan", "--format", "html", environ=environ)
    assert (ran.code, ran.err) == (0, "")
    assert "Days 1 to 2, each" in ran.out
    assert re.search(r"Made \d{4}-\d\d-\d\d \d\d:\d\dZ from 2 records in 1 file", ran.out)
    without = repository.run("-C", "books/2026", "--sandbox", "plan", "--format", "html")
    assert "Day 1 &#183; 0 s" in without.out


def test_a_saved_plan_is_reviewed_in_every_format_from_its_file_alone(repository: Folder) -> None:
    project = Folder(repository.path / "books" / "2026")
    saved = project.run("plan", "--out", "a.plan")
    assert saved.code == 0, saved.err
    live = {output: project.run("plan", "--format", output).out for output in ("markdown", "json", "github")}
    project.write("reconcile.yaml", "safety: {max_deletes: -1}\n")

    shown = {output: project.run("show", "a.plan", "--format", output) for output in (*live, "html")}

    assert {output: ran.code for output, ran in shown.items()} == dict.fromkeys(shown, 0)
    assert shown["markdown"].out == live["markdown"]
    assert shown["github"].out == live["github"]
    assert shown["json"].json | {"created_at": ""} == json.loads(live["json"]) | {"created_at": ""}
    assert "<h2>Schedule</h2>" in shown["html"].out
