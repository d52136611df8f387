"""A repository with the recipe for GitHub, and the sandbox that its runs apply to.

Both beginnings are made once and copied, since a test is about what comes after them.
"""

import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from recipe_repository import GitHub

from reconcile.sandbox.server import SandboxOptions, running_sandbox


@contextmanager
def serving(root: Path) -> Generator[GitHub]:
    with running_sandbox(SandboxOptions(db=root / "nexudus.db")) as sandbox:
        yield GitHub(root, sandbox)


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("begun")
    with serving(root) as service:
        service.begin()
    return root


@pytest.fixture(scope="session")
def applied_once(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("applied") / "root"
    shutil.copytree(begun, root)
    with serving(root) as service:
        applied = service.plan_and_apply(how="first run")
        assert applied.is_success, applied.log
    return root


@pytest.fixture
def github(begun: Path, tmp_path: Path) -> Iterator[GitHub]:
    """The recipe and one record are merged; nothing has run yet."""
    shutil.copytree(begun, tmp_path / "root")
    with serving(tmp_path / "root") as service:
        yield service


@pytest.fixture
def started(applied_once: Path, tmp_path: Path) -> Iterator[GitHub]:
    """The first run is over: one record exists."""
    shutil.copytree(applied_once, tmp_path / "root", ignore=shutil.ignore_patterns("job-*"))
    with serving(tmp_path / "root") as service:
        service.runs = 1
        yield service
