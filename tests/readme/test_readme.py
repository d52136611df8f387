"""The README is true: each of its commands is run, each of its outputs compared."""

import re
from argparse import ArgumentParser
from pathlib import Path

from readme import README, ROOT, play, stable

from reconcile.adapters.manifest_files import load_manifests
from reconcile.adapters.yaml_reader import parse_document
from reconcile.cli.parser import build_parser
from reconcile.core.records import PROVIDERS
from reconcile.settings import SETTING_NAMES, read_settings


def test_every_command_of_the_readme_prints_what_the_readme_says(tmp_path: Path) -> None:
    written = README.read_text(encoding="utf-8")
    assert stable(play(written, tmp_path)) == stable(written)


def test_the_gate_runs_the_commands_that_install() -> None:
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "readme_command 1" in gate
    assert "readme_command 2" in gate


def _section(title: str) -> str:
    text = README.read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_the_settings_of_the_readme_are_the_defaults(tmp_path: Path) -> None:
    block = _section("Settings").split("```yaml\n", 1)[1].split("```", 1)[0]
    document, problems = parse_document(block.encode(), "README.md")
    settings, more = read_settings(tmp_path, document, {})
    assert (problems, more) == ([], [])
    assert settings == read_settings(tmp_path, None, {})[0]
    named = {name.rsplit(".", 1)[-1] for name in SETTING_NAMES}
    assert {name for name in named if name not in block} == set()


def test_the_manifest_of_the_readme_is_valid(tmp_path: Path) -> None:
    block = _section("Manifests").split("```yaml\n", 1)[1].split("```", 1)[0]
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "readme.yaml").write_text(block, encoding="utf-8")
    manifests = load_manifests(tmp_path / "manifests", root=tmp_path)
    assert (manifests.diagnostics, len(manifests.records)) == ((), 2)


def test_the_readme_names_every_provider() -> None:
    section = _section("Manifests")
    assert [name for name in PROVIDERS if f"`{name}`" not in section] == []


def test_every_command_and_flag_of_the_readme_is_in_the_help_and_the_other_way_round() -> None:
    rows = [line for line in _section("Commands").splitlines() if line.startswith("| `")]
    told = {command: set(re.findall(r"--[a-z-]+", row)) for row in rows for command in _commands_of(row)}
    flags = _flags_by_command()
    assert told.keys() == flags.keys()
    shared = {"--help"}
    assert {name: told[name] ^ (flags[name] - shared) for name in told if told[name] ^ (flags[name] - shared)} == {}


def _commands_of(row: str) -> list[str]:
    return [row.split("`")[1].split(maxsplit=1)[0]]


def _flags_by_command() -> dict[str, set[str]]:
    commands = next(action for action in build_parser()._actions if action.dest == "command").choices
    assert isinstance(commands, dict)
    return {name: _flags(parser) for name, parser in commands.items()}


def _flags(parser: ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings if option.startswith("--")}


def test_the_policy_and_the_hooks_of_the_readme_are_ones(tmp_path: Path) -> None:
    block = _section("Policy").split("```yaml\n", 1)[1].split("```", 1)[0]
    document, problems = parse_document(block.encode(), "README.md")
    settings, more = read_settings(tmp_path, document, {})
    assert (problems, more) == ([], [])
    assert settings.policy.protected == ("deposit-*",)
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    told = re.findall(r"- id: (\S+)", _section("Editors and hooks"))
    assert told == re.findall(r"- id: (\S+)", hooks)
