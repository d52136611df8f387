"""Project folders for the command line's tests."""

from pathlib import Path

import pytest
from project_folder import Folder


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
