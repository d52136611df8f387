"""Campaigns run in a size that fits into CI, and whole with `CAMPAIGN=full`."""

import os

import pytest


@pytest.fixture
def is_full_size() -> bool:
    return os.environ.get("CAMPAIGN") == "full"
