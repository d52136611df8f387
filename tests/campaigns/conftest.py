"""Campaigns run in a size that fits into CI; `--full-size` runs them whole."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full-size", action="store_true", help="run the campaigns at their full size")


@pytest.fixture
def is_full_size(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--full-size", default=False))
