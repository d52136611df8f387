"""Diagnostics as SARIF 2.1.0 (OASIS), for code scanning and editors."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from reconcile import __version__
from reconcile.core.diagnostics import Diagnostic, Location
from reconcile.render.escape import escaped

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def diagnostics_as_sarif(diagnostics: Sequence[Diagnostic], *, folder: str) -> dict[str, object]:
    """One run of the tool; `folder` is the project folder below the repository's root, empty for the root itself."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    rules = [{"id": code, "shortDescription": {"text": code.replace("-", " ")}} for code in codes]
    driver = {"name": "reconcile", "semanticVersion": __version__, "rules": rules}
    index = {code: number for number, code in enumerate(codes)}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(diagnostic, index[diagnostic.code], folder) for diagnostic in diagnostics],
            }
        ],
    }


def _result(diagnostic: Diagnostic, rule: int, folder: str) -> dict[str, object]:
    words = f"{diagnostic.message}; {diagnostic.help}" if diagnostic.help else diagnostic.message
    place = diagnostic.location
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": diagnostic.severity.value,
        "message": {"text": escaped(words)},
        "locations": [] if place is None else [{"physicalLocation": _physical(place, folder)}],
    }


def _physical(place: Location, folder: str) -> dict[str, object]:
    path = f"{folder}/{place.file}" if folder else place.file
    return {
        "artifactLocation": {"uri": quote(path.encode(errors="surrogateescape")), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": place.line, "startColumn": place.column},
    }
