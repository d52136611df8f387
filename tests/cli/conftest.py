"""Project folders, terminals and running sandboxes for the command line's tests."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from project_folder import Folder
from terminal import Terminal

from reconcile.sandbox.server import Sandbox, SandboxOptions, running_sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def small(folder: Folder) -> Folder:
    """Three records over two files, tokens in the environment."""
    folder.write(
        "manifests/a.yaml",
        "defaults:\n"
        "  regular_payment_provider: GoCardless\n"
        "payment_tokens:\n"
        "  inv-1:\n"
        "    coworker_invoice_id: 1\n"
        "    token_from: {env: TOKEN_ONE}\n"
        "    notes: March renewal\n"
        "  inv-2:\n"
        "    coworker_invoice_id: 2\n"
        "    token_from: {env: TOKEN_TWO}\n",
    )
    folder.write("manifests/b.yml", "payment_tokens:\n  inv-3:\n    coworker_invoice_id: 3\n    notes: no token\n")
    folder.environ |= {"TOKEN_ONE": "planted-token-one-Zx81", "TOKEN_TWO": "planted-token-two-Qp42"}
    return folder


@pytest.fixture
def serve() -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes in this process, whose requests and records a test can count."""
    with ExitStack() as running:
        yield lambda **options: running.enter_context(running_sandbox(SandboxOptions(**options)))


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Runs commands of a folder on terminals."""
    with ExitStack() as opened:

        def open_terminal(folder: Folder, *args: str, **environ: str) -> Terminal:
            environment = folder.environment({"TERM": "xterm-256color", "COLUMNS": "160"} | environ)
            return opened.enter_context(Terminal(args, folder=folder.path, environ=environment))

        yield open_terminal


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Waits until something holds, at most 30 s."""

    def wait(holds: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline, "it never came to hold"
            threading.Event().wait(0.01)

    return wait
