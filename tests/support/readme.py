"""Runs the README: its files are written, its commands executed, its output compared, in one folder from top to bottom.

`python tests/support/readme.py` writes the output that the commands have today into the README.

A fenced `console` block holds commands after `$ ` and their output. A comment `<!-- file: NAME -->` before a block says
that the block is the content of that file. The commands that install (those with `pip`) belong to `.ci/run`.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
_BLOCK = re.compile(
    r"(?:<!-- file: (?P<file>\S+) -->\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
# What differs from run to run: ids, plan ids, times, months, speeds, and which of several threads was first.
_VOLATILE = (
    (re.compile(r"\b14\d{8}\b"), "<id>"),
    (re.compile(r"\bPlan (`?)[0-9a-f]{8}\b"), r"Plan \1<plan>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z"), "<time>"),
    (re.compile(r"\bimported/\d{4}-\d\d\b"), "imported/<month>"),
    (re.compile(r"\bin \d+ s\b"), "in <n> s"),
    (re.compile(r" · [\d.]+/s( · .*)?"), ""),
    (re.compile(r"^\[\d+/\d+( reads)?\] \d+%.*\n", re.MULTILINE), ""),
)


@dataclass(frozen=True)
class Command:
    """One command of the README and the output that stands below it."""

    line: str
    output: str

    @property
    def installs(self) -> bool:
        return "pip install" in self.line


def commands(body: str) -> list[Command]:
    """The commands of a console block."""
    parts = re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]
    split = [part.partition("\n") for part in parts]
    return [Command(line, output) for line, _, output in split]


def stable(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, placeholder in _VOLATILE:
        text = pattern.sub(placeholder, text)
    return text


def run(command: Command, folder: Path) -> str:
    """What the command prints, both streams together, in the order in which it appears."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NEXUDUS_", "RECONCILE_"))}
    environ = kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1"}
    done = subprocess.run(
        ["bash", "-c", f"{command.line}\n"],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


def play(readme: str, folder: Path) -> str:
    """The README with the output that its commands have in `folder`."""
    shutil.copytree(ROOT / "manifests", folder / "manifests")

    def replay(block: re.Match[str]) -> str:
        if block["file"]:
            path = folder / block["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["body"], encoding="utf-8")
        if block["kind"] != "console":
            return block[0]
        played = (f"$ {c.line}\n{c.output if c.installs else run(c, folder)}" for c in commands(block["body"]))
        return f"```console\n{''.join(played)}```"

    return _BLOCK.sub(replay, readme)


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        README.write_text(play(README.read_text(encoding="utf-8"), Path(scratch)), encoding="utf-8")
