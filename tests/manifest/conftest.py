from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    """Writes one manifest, `manifests/m.yaml`, and returns the project folder."""

    def write_manifest(content: bytes, name: str = "m.yaml") -> Path:
        path = tmp_path / "manifests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return tmp_path

    return write_manifest
