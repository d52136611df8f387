"""A new project folder: settings, an example manifest, its schema, ignore rules, recipes for CI. Overwrites nothing."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from reconcile import __version__
from reconcile.core.errors import InputError

_SETTINGS: Final = """\
# Settings of `reconcile`; everything here is a default and may be left out.
manifests: manifests
state: {path: state}
api:
  base_url: https://spaces.nexudus.com
  concurrency: 8
  limits: {writes_per_minute: 60, writes_per_day: 5000}
safety:
  max_deletes: 0            # raise it for a while, or use --allow-deletes N
secrets:
  directory: secrets        # for token_from: {file: …}; never commit it
  env_prefix: ""            # with a prefix, manifests can name no other variables
"""

_MANIFEST: Final = """\
# yaml-language-server: $schema=.schema.json
# Each entry below payment_tokens is one record in Nexudus; its key is its address here and must stay the same.
defaults:
  regular_payment_provider: GoCardless
payment_tokens:
  inv-1001:
    coworker_invoice_id: 1001
    token_from: {env: INV_1001_TOKEN}
    notes: March renewal
  inv-1002:
    coworker_invoice_id: 1002
    regular_payment_provider: Stripe
    token_from: {env: INV_1002_TOKEN}
"""

_IGNORED: Final = """\
# The state may be committed, since it holds no token; all that is beside it stays here.
/state/*
!/state/state.json
/secrets/
.env
"""

_SCHEMA: Final = "manifests/.schema.json"
"""Beside the manifests, for editors without a network; hidden, so that it is not taken for one of them."""


_WORKFLOWS: Final = ("reconcile-review.yml", "reconcile-comment.yml", "reconcile-apply.yml")
_RECIPES: Final = {
    "github": {name: f".github/workflows/{name}" for name in _WORKFLOWS},
    "gitlab": {"gitlab-ci.yml": ".gitlab-ci.yml"},
}


def starter_files() -> Mapping[str, str]:
    """What a new project folder holds, by path."""
    from reconcile.core.manifest_schema import json_schema

    return {
        "reconcile.yaml": _SETTINGS,
        "manifests/example.yaml": _MANIFEST,
        _SCHEMA: json.dumps(json_schema(), indent=2) + "\n",
        ".gitignore": _IGNORED,
    }


def ci_files(service: str) -> Mapping[str, str]:
    """The recipe for a CI service ("github" or "gitlab"), by path in a repository whose root is the project folder."""
    recipes = Path(__file__).with_name("recipes")
    written = {path: (recipes / name).read_text(encoding="utf-8") for name, path in _RECIPES[service].items()}
    return {path: text.replace("@VERSION@", __version__) for path, text in written.items()}


def write_missing(folder: Path, files: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """Writes each file that is missing; yields its name and whether it was written.

    Raises:
        InputError: A file or folder cannot be written.
    """
    for name, content in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(content)
        except FileExistsError:
            yield name, False
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}", code="unwritable") from None
        else:
            yield name, True
