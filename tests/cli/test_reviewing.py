"""validate, plan, show, schema and init: what people look at before anything is sent."""

import json
from collections.abc import Callable

import pytest
from project_folder import Folder

from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]

BAD = """\
payment_tokens:
  inv-1:
    coworker_invoice_id: 01
    regular_payment_provider: Strype
    token: planted-literal-Kx90
"""


def test_a_starter_folder_is_valid_and_can_be_tried_at_once(folder: Folder) -> None:
    made = folder.run("init")
    assert made.code == 0
    assert made.err.count("wrote") == 4
    assert folder.run("init").err.count("kept") == 4

    assert folder.run("validate", "--strict").out == "Valid: 2 records in 1 file.\n"
    assert folder.run("--sandbox", "apply", "--auto-approve").code == 0
    assert folder.run("--sandbox", "plan", "--detailed-exitcode").code == 0


def test_a_starter_can_be_written_into_another_folder(folder: Folder) -> None:
    assert folder.run("init", "deeper/project").code == 0
    assert folder.run("-C", "deeper/project", "validate").code == 0


def test_a_starter_that_cannot_be_written_ends_with_65(folder: Folder) -> None:
    folder.write("taken", "a file")

    ran = folder.run("init", "taken")

    assert ran.code == 65
    assert "taken" in ran.err


def test_invalid_manifests_end_with_65_and_every_problem_has_its_place(folder: Folder) -> None:
    folder.write("manifests/a.yaml", BAD)
    for command in ("validate", "plan", "apply"):
        ran = folder.run(command)
        assert ran.code == 65, command
        text = ran.out + ran.err
        assert "manifests/a.yaml:3:26: error[not-a-number]" in text
        assert "manifests/a.yaml:4:31: error[unknown-provider]" in text
        assert "planted-literal-Kx90" not in text


def test_what_is_invalid_is_said_in_json_too(folder: Folder) -> None:
    folder.write("manifests/a.yaml", BAD)

    validated, planned = folder.run("validate", "--format", "json"), folder.run("plan", "--format", "json")

    places = [(problem["code"], problem["line"], problem["column"]) for problem in validated.json["diagnostics"]]
    assert ("not-a-number", 3, 26) in places
    assert ("unknown-provider", 4, 31) in places
    assert validated.json["valid"] is False
    errors = [problem for problem in validated.json["diagnostics"] if problem["severity"] == "error"]
    assert [d for d in planned.json["diagnostics"] if d["severity"] == "error"] == errors
    assert planned.json["error"]["exit_code"] == planned.code == 65


def test_strict_makes_a_literal_token_an_error(folder: Folder) -> None:
    folder.write("manifests/a.yaml", "payment_tokens:\n  a: {coworker_invoice_id: 1, token: planted-literal-Kx90}\n")

    assert folder.run("validate").code == 0
    strict = folder.run("validate", "--strict")
    assert strict.code == 65
    assert "planted-literal-Kx90" not in strict.out + strict.err


def test_invalid_settings_end_with_65_at_their_place(small: Folder) -> None:
    small.write("reconcile.yaml", "api:\n  timeout_secods: 3\nsafety:\n  max_deletes: -1\n")
    for command in ("validate", "plan", "apply", "state list"):
        ran = small.run(*command.split())
        assert ran.code == 65, command
        assert 'reconcile.yaml:2:3: error[unknown-setting]: "api.timeout_secods" is not a setting' in ran.err
        assert "reconcile.yaml:4:16: error[invalid-setting]: safety.max_deletes" in ran.err
    assert small.run("plan", "--format", "json").json["diagnostics"][0]["line"] == 2


def test_a_setting_in_the_environment_is_named_when_it_is_invalid(small: Folder) -> None:
    ran = small.run("plan", environ={"RECONCILE_API__CONCURRENCY": "lots"})

    assert ran.code == 65
    assert "concurrency" in ran.err.lower()


def test_a_plan_shows_each_create_with_its_place_and_where_its_token_comes_from(small: Folder) -> None:
    ran = small.run("plan", "--detailed-exitcode")

    assert ran.code == 2
    rows = [line.split() for line in ran.out.splitlines()[:3]]
    assert rows == [
        ["+", "create", "inv-1", "invoice", "1", "GoCardless", "token", "env:TOKEN_ONE", "manifests/a.yaml:4"],
        ["+", "create", "inv-2", "invoice", "2", "GoCardless", "token", "env:TOKEN_TWO", "manifests/a.yaml:8"],
        ["+", "create", "inv-3", "invoice", "3", "manifests/b.yml:2"],
    ]
    assert "3 to create, 0 unchanged." in ran.out
    assert ran.err == "Nothing was sent. `reconcile apply` does it, after asking.\n"
    assert small.run("-q", "plan").err == ""
    assert small.run("plan").code == 0


def test_a_plan_in_json_has_the_keys_of_the_contract(small: Folder) -> None:
    planned = small.run("plan", "--format", "json").json

    assert planned["format_version"] == 1
    assert {"plan_id", "created_at", "tool_version", "state", "manifests", "cost", "refusals"} <= planned.keys()
    assert planned["summary"] | {"create": 3, "unchanged": 0} == planned["summary"]
    changes = {change["address"]: change for change in planned["changes"]}
    assert (changes["inv-1"]["file"], changes["inv-1"]["line"], changes["inv-1"]["action"]) == (
        *("manifests/a.yaml", 4, "create"),
    )
    token = next(field for field in changes["inv-1"]["fields"] if field["name"] == "token")
    assert token["sensitive"] is True
    assert small.environ["TOKEN_ONE"] not in json.dumps(planned)


def test_creates_beyond_twenty_fold_unless_all_are_wanted(folder: Folder) -> None:
    folder.declare(30)

    folded, full = folder.run("plan"), folder.run("plan", "--full")

    assert folded.out.count("+ create") == 21
    assert "10 more" in folded.out
    assert full.out.count("+ create") == 30


def test_targets_and_exclusions_choose_addresses(small: Folder) -> None:
    def addresses(*args: str) -> list[str]:
        return [change["address"] for change in small.run("plan", *args, "--format", "json").json["changes"]]

    assert addresses("--target", "inv-[12]") == ["inv-1", "inv-2"]
    assert addresses("--exclude", "inv-2") == ["inv-1", "inv-3"]
    assert addresses("--target", "inv-*", "--exclude", "inv-1") == ["inv-2", "inv-3"]


@pytest.mark.parametrize("command", ["plan", "--sandbox apply --auto-approve"])
@pytest.mark.parametrize("flag", ["--target", "--exclude"])
def test_a_pattern_that_matches_nothing_is_wrong_usage(command: str, flag: str, small: Folder) -> None:
    ran = small.run(*command.split(), flag, "inw-*")

    assert ran.code == 64
    assert "inw-*" in ran.err
    assert small.run(*command.split(), flag, "inw-*", "--format", "json").json["error"]["exit_code"] == 64


def test_another_folder_is_worked_in_as_git_does(small: Folder) -> None:
    small.write("elsewhere/note", "")
    outside = Folder(small.path / "elsewhere", small.environ)

    ran = outside.run("-C", "..", "plan")

    assert ran.out == small.run("plan").out
    assert outside.run("plan").code == 65  # there are no manifests here


def test_a_folder_without_manifests_says_how_to_begin(folder: Folder) -> None:
    ran = folder.run("plan")

    assert ran.code == 65
    assert "reconcile init" in ran.err


def test_the_schema_is_json_and_names_the_fields(folder: Folder) -> None:
    ran = folder.run("schema")

    assert ran.code == 0
    assert "coworker_invoice_id" in json.dumps(ran.json)


def test_reviewing_needs_no_secret_no_credential_and_changes_no_byte(small: Folder, serve: Serve) -> None:
    sandbox = serve(faults="lost_before@2")
    small.point_at(sandbox)
    assert small.run("apply", "--auto-approve").code == 4  # so that the journal has something open
    requests = len(sandbox.requests)
    stranger = Folder(small.path, {"HOME": "/nonexistent"})
    before = small.digest()

    for args in (
        *("validate", "validate --format json", "plan", "plan --format json", "plan --detailed-exitcode", "show"),
        *("show --format json", "state list", "state pull", "schema"),
    ):
        assert stranger.run(*args.split()).code in {0, 2}, args
    assert small.run("plan").code == 0  # with the secrets at hand as well

    assert small.digest() == before
    assert len(sandbox.requests) == requests


def test_reviewing_a_new_folder_leaves_no_trace(small: Folder) -> None:
    before = small.digest()
    for args in ("validate", "plan", "--sandbox plan", "show", "state list", "state pull"):
        assert small.run(*args.split()).code == 0, args
    assert small.digest() == before


def test_a_plan_without_the_tokens_says_how_many_it_could_not_compare(small: Folder, serve: Serve) -> None:
    small.point_at(serve())
    assert small.run("apply", "--auto-approve").code == 0

    ran = Folder(small.path).run("plan", "--detailed-exitcode")

    assert ran.code == 0
    assert "2 tokens compared by source and version only" in ran.out
    changed = small.run("plan", "--detailed-exitcode", environ={"TOKEN_ONE": "another-planted-Vv31"})
    assert changed.code == 2
    assert "token (changed)" in " ".join(changed.out.replace('"', "").split()) or "(changed)" in changed.out
    assert "another-planted-Vv31" not in changed.out
