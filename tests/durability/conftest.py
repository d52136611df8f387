"""What the tests of durability share: entries that look like real ones, and a clock that only moves forward."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.adapters.backends.local import LocalBackend


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def backend(folder: Path) -> LocalBackend:
    return LocalBackend(folder)


@pytest.fixture
def now() -> Callable[[], str]:
    ticks = itertools.count()
    return lambda: f"2026-03-02T10:{(tick := next(ticks)) // 60 % 60:02}:{tick % 60:02}Z"
