"""Validate and plan: what a pull request is reviewed by. Reads only; needs no credentials, no secrets and no lock."""

from itertools import chain

from reconcile.app.project import Project, fingerprint_with, folded_state, keep_loaded, load_declared
from reconcile.app.quota import limiting_of
from reconcile.core.changes import Plan, Selection
from reconcile.core.errors import UsageError
from reconcile.core.folded import Folded
from reconcile.core.manifest import Manifests
from reconcile.core.plan import make_plan


def plan(project: Project, selection: Selection, allow_deletes: int | None) -> Plan:
    """What apply would do now.

    Raises:
        DiagnosedError: The manifests or the settings hold errors.
        StateError: The state or its journal cannot be read.
        UsageError: A target or an exclusion matches no address.
    """
    manifests = load_declared(project)
    folded = folded_state(project)
    keep_loaded()
    return plan_from(project, manifests, folded, selection, allow_deletes, create_key=False)


def plan_from(
    project: Project,
    manifests: Manifests,
    folded: Folded,
    selection: Selection,
    allow_deletes: int | None,
    *,
    create_key: bool,
) -> Plan:
    """The plan for manifests and a state that are at hand already."""
    known = chain(manifests.records, folded.state.records, folded.doubts)
    if unmatched := selection.unmatched(known):
        raise UsageError(
            f"no address matches {', '.join(unmatched)}", help="`reconcile state list` shows the addresses"
        )
    return make_plan(
        manifests,
        folded.state,
        folded.doubts,
        fingerprint_with(project, project.fingerprints(create=create_key)),
        selection=selection,
        limiting=limiting_of(project, allow_deletes),
    )
