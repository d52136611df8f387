"""What a command says to do next works as it stands: in the same folder, and against the same sandbox."""

import os

from project_folder import Folder

CHOSEN = ("-C", "my books", "--sandbox")
NAMED = "`reconcile -C 'my books' --sandbox "


def books(folder: Folder) -> Folder:
    """A project in a folder of the one that commands run in."""
    folder.write("my books/manifests/a.yaml", "payment_tokens:\n  inv-1: {coworker_invoice_id: 1, notes: n}\n")
    return folder


def test_a_plan_names_the_apply_that_does_it(folder: Folder) -> None:
    assert f"{NAMED}apply` does it, after asking." in books(folder).run(*CHOSEN, "plan").err
    folder.declare(1)
    assert "`reconcile apply` does it" in folder.run("plan").err


def test_a_refusal_names_commands_of_the_same_folder(folder: Folder) -> None:
    refused = books(folder).run(*CHOSEN, "apply")
    assert refused.code == 3
    assert f"{NAMED}plan`, then run {NAMED}apply --auto-approve`" in refused.err
    told = folder.run(*CHOSEN, "apply", "--format", "json").events[-1]
    assert f"{NAMED}apply --auto-approve`" in told["error"]["help"]


def test_doubt_names_what_settles_it_and_the_limits_of_the_sandbox(folder: Folder) -> None:
    limits = ("--limits", "writes_per_minute=600")
    environ = {"RECONCILE_API__SETTLE_SECONDS": "600", "RECONCILE_API__TIMEOUT_SECONDS": "5"}
    command = (*CHOSEN, *limits, "--faults", "reset_before@1", "apply", "--auto-approve", "--format")
    ended = books(folder).run(*command, "text", environ=environ)
    assert ended.code == 4
    named = NAMED.removesuffix(" ") + f" {' '.join(limits)} "
    assert f"Next: {named}apply` or {named}resolve` once more settles what is in doubt" in ended.out
    again = folder.run(*CHOSEN, *limits, "apply", "--auto-approve", "--format", "json", environ=environ)
    assert again.code == 4
    assert any(f"{named}resolve`" in way for way in again.finished["next"])


def test_settings_that_are_a_link_or_a_pipe_are_refused_and_not_waited_for(folder: Folder) -> None:
    folder.declare(1)
    elsewhere = folder.write("elsewhere.yaml", "api: {concurrency: 1}\n")
    settings = folder.path / "reconcile.yaml"
    settings.symlink_to(elsewhere)
    assert (ran := folder.run("validate")).code == 65
    assert "links are not followed" in ran.err
    settings.unlink()
    os.mkfifo(settings)
    assert (ran := folder.run("plan")).code == 65
    assert "only regular files are read" in ran.err


def test_a_variable_that_is_nearly_a_setting_is_an_error_and_any_other_is_not_ours(folder: Folder) -> None:
    folder.declare(1)
    ran = folder.run("plan", environ={"RECONCILE_API_CONCURRENCY": "4"})
    assert ran.code == 65
    assert 'did you mean "RECONCILE_API__CONCURRENCY"?' in ran.err
    assert folder.run("plan", environ={"RECONCILE_MANIFEST": "m"}).code == 65
    assert folder.run("plan", environ={"RECONCILE_FINGERPRINT_KEYS": "m"}).code == 65
    assert folder.run("plan", environ={"RECONCILE_IMAGE": "registry/reconcile:1"}).code == 0
