import os
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares an output with its file beside this one; with UPDATE_GOLDEN=1 in the environment, writes it instead."""

    def compare(name: str, text: str) -> None:
        file = HERE / name
        if os.environ.get("UPDATE_GOLDEN"):
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8")

    return compare
