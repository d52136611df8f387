"""A project folder below the root of a repository."""

from pathlib import Path

import pytest
from project_folder import Folder


@pytest.fixture
def repository(tmp_path: Path) -> Folder:
    """Commands run in its root; the project is in `books/2026`."""
    (tmp_path / ".git").mkdir()
    folder = Folder(tmp_path)
    folder.write(
        "books/2026/manifests/a.yaml",
        "payment_tokens:\n"
        "  inv-1: {coworker_invoice_id: 1, notes: first, token_from: {env: TOKEN_ONE}}\n"
        "  inv-2: {coworker_invoice_id: 2, regular_payment_provider: Stripe}\n",
    )
    return folder
