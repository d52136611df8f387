"""Project folders, and sandboxes that the test runs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from project_folder import Folder

from reconcile.sandbox.server import Sandbox, SandboxOptions, running_sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def serve() -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes in this process, whose requests and records a test can count."""
    with ExitStack() as running:
        yield lambda **options: running.enter_context(running_sandbox(SandboxOptions(**options)))
