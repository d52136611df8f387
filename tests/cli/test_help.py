"""The command line itself: every command and flag of the contract, helps, completion scripts, wrong usage."""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from project_folder import Folder

import reconcile
from reconcile.cli import main
from reconcile.cli.parser import SHELLS, build_parser
from reconcile.sandbox.faults import KINDS
from reconcile.sandbox.throttle import PUBLISHED

FLAGS = {
    "": "-C -v -q --sandbox --limits --faults --seed --version",
    "init": "--ci",
    "validate": "--format --strict",
    "schema": "",
    "plan": "--out --target --exclude --allow-deletes --refresh --full --detailed-exitcode --format",
    "drift": "--detailed-exitcode --format",
    "export": "--invoice --since --unmanaged --out",
    "apply": "--auto-approve --target --exclude --max-writes --allow-deletes --wait --full --lock-timeout --format"
    " --adopt-existing --refresh",
    "resolve": "--adopt --not-created --lock-timeout --format",
    "show": "--full --format",
    "import": "--lock-timeout",
    "state": "",
    "state list": "--format",
    "state show": "--format",
    "state mv": "--lock-timeout",
    "state rm": "--lock-timeout",
    "state pull": "",
    "state push": "--force --lock-timeout",
    "unlock": "",
    "quota": "--format",
    "history": "--format",
    "sandbox": "--port --db --limits --faults --seed",
    "completion": "",
}
"""Every command that exists, with its flags: scripts rely on them, so none may disappear or appear unnoticed."""


def commands(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, below in action.choices.items():
                yield from commands(below, f"{name} {verb}".strip())


def test_every_command_and_flag_of_the_contract_is_there_and_no_other() -> None:
    found = {
        name: {flag for action in parser._actions for flag in action.option_strings} - {"-h", "--help"}
        for name, parser in commands(build_parser())
    }
    long_forms = {"--verbose", "--quiet"}

    assert {name: flags - long_forms for name, flags in found.items()} == {
        name: set(flags.split()) for name, flags in FLAGS.items()
    }


@pytest.mark.parametrize("name", FLAGS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith(f"usage: {f'reconcile {name}'.strip()} ")
    for flag in FLAGS[name].split():
        assert re.search(rf"^  .*{flag}\b", printed.out, re.MULTILINE), flag


def test_the_help_lists_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    text = capsys.readouterr().out.partition("exit codes:")[2]
    assert [word for word in text.split() if word.isdigit()] == [
        *("0", "1", "2", "3", "4", "5", "6", "7", "64", "65", "70", "130")
    ]


def test_the_sandbox_explains_its_limits_and_faults(capsys: pytest.CaptureFixture[str]) -> None:
    main(["sandbox", "--help"])
    printed = capsys.readouterr().out
    assert [name for name in (*KINDS, *PUBLISHED) if name not in printed] == []
    assert max(map(len, printed.splitlines())) <= 120


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"reconcile {reconcile.__version__}\n"


def test_no_command_prints_the_help_and_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 64
    printed = capsys.readouterr()
    assert (printed.out, "commands:" in printed.err) == ("", True)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["plan", "--nope"], "reconcile plan: error: unrecognized arguments: --nope"),
        (["plan", "--sandbox"], "--sandbox: write it before the command"),
        (["plan", "--detailed"], "unrecognized arguments: --detailed"),
        (["plan", "--format", "xml"], "invalid choice: 'xml'"),
        (["apply", "--max-writes", "-1"], "'-1' is not a whole number"),
        (["apply", "--max-writes", "many"], "'many' is not a whole number"),
        (["apply", "--lock-timeout", "soon"], "'soon' is not a number of seconds"),
        (["apply", "--lock-timeout", "nan"], "'nan' is not a number of seconds"),
        (["state", "mv", "only-one"], "NEW_ADDRESS"),
        (["state"], "list, show, mv, rm, pull or push"),
        (["sandbox", "--port", "65536"], "'65536' is not a port"),
        (["-v", "-q", "plan"], "not allowed with"),
        (["-C", "/there/is/no/such", "plan"], "there is no folder /there/is/no/such"),
        (["--faults", "lost_after@1", "apply"], "--faults without --sandbox"),
        (["--limits", "published", "plan"], "--limits without --sandbox"),
        (["completion", "powershell"], "invalid choice: 'powershell'"),
    ],
)
def test_wrong_usage_ends_with_64_and_says_what_is_wrong(
    args: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 64
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_scripts_are_those_of_today_s_parser(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "shtab", f"--shell={shell}", "reconcile.cli.parser.build_parser"]
    made = subprocess.run(command, capture_output=True, text=True, check=True)

    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == made.stdout, f"make it again: {' '.join(command[1:])}"


def test_what_answers_at_once_loads_nothing_slow(tmp_path: Path) -> None:
    """Startup has a budget; these modules alone would use it up."""
    slow = "pydantic httpx httpcore deepdiff rich starlette uvicorn sqlite3 asyncio logging subprocess tempfile"
    assert_loads_none_of(
        slow,
        tmp_path,
        ["--version"],
        ["completion", "bash"],
        ["validate"],
        ["plan"],
        ["--sandbox", "plan"],
        ["state", "list"],
    )


def test_what_is_run_at_every_commit_loads_nothing_that_takes_a_tenth_of_its_time(tmp_path: Path) -> None:
    """With dataclasses comes inspect, and orjson loads them both, among others: 15 ms of 50."""
    slow = "dataclasses inspect orjson uuid difflib html threading shutil reconcile.core.entries"
    assert_loads_none_of(slow, tmp_path, ["--version"], ["validate"], ["plan"])


def assert_loads_none_of(slow: str, tmp_path: Path, *commands: list[str]) -> None:
    folder = Folder(tmp_path)
    folder.declare(3)
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"  # a measuring interpreter has loaded some of them itself
        "import reconcile.cli\n"
        "code = reconcile.cli.main(sys.argv[1:])\n"
        f"print(code, *sorted((sys.modules.keys() - before) & set('{slow}'.split())), file=sys.stderr)\n"
    )
    for args in commands:
        ran = subprocess.run(
            [sys.executable, "-c", script, *args], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert ran.stderr.splitlines()[-1] == "0", args
