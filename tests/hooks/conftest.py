"""A project folder for the tests of hooks."""

from pathlib import Path

import pytest
from project_folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)
