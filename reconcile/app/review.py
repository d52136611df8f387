"""Validate and plan: what a pull request is reviewed by. Reads only; needs no credentials, no secrets and no lock."""

from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from reconcile.app.project import Project, fingerprint_with, folded_state, keep_loaded, load_declared
from reconcile.app.quota import limiting_of
from reconcile.core.changes import Plan, Selection
from reconcile.core.errors import UsageError
from reconcile.core.folded import Folded
from reconcile.core.manifest import Manifests
from reconcile.core.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconcile.app.connection import SandboxWishes
    from reconcile.core.drift import Comparisons
    from reconcile.core.records import Address
    from reconcile.ports import ReadWatcher

Refreshed: TypeAlias = "tuple[SandboxWishes, ReadWatcher]"
"""How to look in Nexudus before planning, and who hears about it."""


def plan(
    project: Project, selection: Selection, allow_deletes: int | None, refreshed: "Refreshed | None" = None
) -> Plan:
    """What apply would do now.

    Args:
        project: The folder.
        selection: The addresses it may speak of.
        allow_deletes: How many deletes are no reason to refuse it; None leaves that to the settings.
        refreshed: Where to look in Nexudus first; None asks nobody, and then no credentials are needed.

    Raises:
        InputError, ApiError, QuotaError: See `find_drift`, where `refreshed` is given.
        DiagnosedError: The manifests or the settings hold errors.
        StateError: The state or its journal cannot be read.
        UsageError: A target or an exclusion matches no address.
    """
    manifests = load_declared(project)
    folded = folded_state(project)
    found = None
    if refreshed is not None:
        from reconcile.app.drift import find_drift

        found = find_drift(project, *refreshed, refreshing(manifests, selection)).comparisons
    keep_loaded()
    return plan_from(project, manifests, folded, selection, allow_deletes, create_key=False, found=found)


def refreshing(manifests: Manifests, selection: Selection) -> "Callable[[Address], bool]":
    """Which addresses of the state a plan needs to see: those it speaks of, by the names they have so far."""
    renamed = {moved.source for moved in manifests.moved}
    return lambda address: address in renamed or selection.has(address)


def plan_from(
    project: Project,
    manifests: Manifests,
    folded: Folded,
    selection: Selection,
    allow_deletes: int | None,
    *,
    create_key: bool,
    found: "Comparisons | None" = None,
) -> Plan:
    """The plan for manifests and a state that are at hand already, and what was `found` in Nexudus by who looked."""
    known = chain(manifests.records, folded.state.records, folded.doubts)
    if unmatched := selection.unmatched(known):
        raise UsageError(
            f"no address matches {', '.join(unmatched)}", help="`reconcile state list` shows the addresses"
        )
    state = folded.state
    if found is not None:
        from reconcile.core.drift import lay_over

        state = lay_over(state, found)
    return make_plan(
        manifests,
        state,
        folded.doubts,
        fingerprint_with(project, project.fingerprints(create=create_key)),
        selection=selection,
        limiting=limiting_of(project, allow_deletes),
        found=found,
    )
