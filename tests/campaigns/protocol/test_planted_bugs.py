"""Plants bugs in a copy of the package, one at a time; the other campaigns have to notice every single one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from campaign import IS_FULL
from planted import BUGS, Bug

import reconcile

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
A_HANDFUL = BUGS if IS_FULL else BUGS[5::10]


def planted(bug: Bug, folder: Path) -> Path:
    """A copy of the package with the bug in it."""
    shutil.copytree(Path(reconcile.__file__).parent, folder / "reconcile", ignore=shutil.ignore_patterns("__pycache__"))
    for file, text, other in bug.changes:
        path = folder / "reconcile" / file
        source = path.read_text(encoding="utf-8")
        assert source.count(text) == 1, f"{bug.name}: its text is {source.count(text)} times in {file}"
        path.write_text(source.replace(text, other), encoding="utf-8")
    return folder


def run_campaigns(package: Path, tests: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    """The fast subset, in a process of its own that has the copy before anything else on its path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CAMPAIGN", "COV_"))}
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov"]
        + [str(HERE / test) for test in tests],
        cwd=ROOT,
        env=kept | {"PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1", "CAMPAIGN_CASES": "400"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_planted_bug_still_fits_the_code(bug: Bug, tmp_path: Path) -> None:
    planted(bug, tmp_path)


@pytest.mark.parametrize("bug", A_HANDFUL, ids=lambda bug: bug.name)
def test_every_planted_bug_is_caught(bug: Bug, tmp_path: Path, count_of: Callable[[str, str], None]) -> None:
    ran = run_campaigns(planted(bug, tmp_path), bug.tests)
    assert ran.returncode == 1, f"{bug.name} went unnoticed, or nothing ran:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}"
    noticed = next((line for line in ran.stdout.splitlines() if line.startswith("E ")), "E ?")
    count_of("planted bug", f"{bug.name}: caught by {noticed[1:].strip()[:100]}")


def test_the_copy_is_what_is_tested(tmp_path: Path) -> None:
    package = planted(Bug("none", ()), tmp_path)
    there = subprocess.run(
        [sys.executable, "-P", "-c", "import reconcile; print(reconcile.__file__)"],
        cwd=ROOT,
        env=dict(os.environ) | {"PYTHONPATH": str(package)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert there.stdout.startswith(str(package))
