"""A scene for each test."""

import pytest
from doubting import Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()
