"""Runs the command as users do: in a process of its own, in a folder of its own, with an environment of its own."""

import atexit
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconcile.sandbox.server import Sandbox

TIMEOUT = 60  # seconds; only against a hang

_NOT_INHERITED = ("NEXUDUS_", "RECONCILE_", "GITHUB_")  # tests may run in CI, whose summary is not theirs

BYTECODE = tempfile.TemporaryDirectory(prefix="reconcile-bytecode-")
"""Private, and gone with the tests: where no bytecode may be written, every process would compile everything again."""

atexit.register(BYTECODE.cleanup)

UNPACED = {
    f"RECONCILE_API__LIMITS__{name}": "null"
    for name in (
        "WRITES_PER_MINUTE",
        "WRITES_PER_DAY",
        "REQUESTS_PER_SECOND",
        "REQUESTS_PER_MINUTE",
        "REQUESTS_PER_HOUR",
        "REQUESTS_PER_DAY",
    )
}
"""An account without limits, so that tests do not wait."""


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def finished(self) -> dict[str, Any]:
        """The last event of an apply in JSON."""
        last = self.events[-1]
        assert last["event"] == "run_finished", self
        return last


@dataclass
class Folder:
    """A project folder and the environment its commands run in."""

    path: Path
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def declare(self, count: int, *, first: int = 1, file: str = "manifests/many.yaml") -> None:
        """That many records, `inv-00001` at invoice 1 and so on, without tokens."""
        numbers = range(first, first + count)
        entries = "".join(f"  inv-{number:05}:\n    coworker_invoice_id: {number}\n" for number in numbers)
        self.write(file, f"payment_tokens:\n{entries}")

    def point_at(self, sandbox: Sandbox) -> "Folder":
        """Lets commands talk to a sandbox that the test runs, as the demo administrator, without pacing."""
        self.environ |= UNPACED | {
            "NEXUDUS_BASE_URL": sandbox.base_url,
            "NEXUDUS_USERNAME": sandbox.username,
            "NEXUDUS_PASSWORD": sandbox.password,
        }
        return self

    def run(self, *args: str, stdin: str = "", environ: Mapping[str, str] | None = None) -> Ran:
        return self.finish(self.start(*args, environ=environ, has_input=True), stdin)

    def start(
        self, *args: str, environ: Mapping[str, str] | None = None, has_input: bool = False
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "reconcile", *args],
            cwd=self.path,
            env=self.environment(environ),
            stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def finish(self, process: "subprocess.Popen[str]", stdin: str | None = None) -> Ran:
        with process:
            try:
                out, err = process.communicate(stdin, timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert "Traceback" not in out + err, err
        return Ran(process.returncode, out, err)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        if kept.pop("PYTHONDONTWRITEBYTECODE", ""):
            kept["PYTHONPYCACHEPREFIX"] = BYTECODE.name
        return kept | self.environ | dict(more or {})

    def state(self, *parts: str) -> Any:
        return json.loads((self.path.joinpath("state", *parts) / "state.json").read_text(encoding="utf-8"))

    def ids(self, *parts: str) -> dict[str, int]:
        """The Id of each address in the state."""
        return {address: record["id"] for address, record in self.state(*parts)["records"].items()}

    def digest(self) -> dict[str, str]:
        """What every file below the folder holds, and its mode; equal when not a byte changed."""
        return {
            str(path.relative_to(self.path)): f"{path.lstat().st_mode:o} "
            + (hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder")
            for path in sorted(self.path.rglob("*"))
        }
