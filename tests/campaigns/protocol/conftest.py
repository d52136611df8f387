"""Every campaign says what it counted, at the end of the run and in its own output."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # the model and the list of planted bugs stand beside their tests


@pytest.fixture
def count_of(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """Notes what a campaign counted: its name and the figures."""

    def note(name: str, figures: str) -> None:
        record_property("campaign", f"{name}: {figures}")
        print(f"{name}: {figures}")  # noqa: T201 - the campaign's result

    return note
