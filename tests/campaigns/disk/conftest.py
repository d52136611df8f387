"""A server with its ledger, and a place for a campaign's count."""

from collections.abc import Callable, Iterator

import pytest
from ledger_server import Ledger, serving


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def url(ledger: Ledger) -> Iterator[str]:
    with serving(ledger) as address:
        yield address


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Callable[[str, int, str], None]:
    """Adds so many cases to what `campaign NAME: 20000 images, 0 broken` says at the end of the run."""
    return lambda name, number, unit: record_property("campaign", (name, number, unit))
