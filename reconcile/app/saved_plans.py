"""Saved plans: written to a file for review, read back, and applied only as long as they say what would be done.

Nothing is sent from here. A plan file is claimed by the run entry of the journal, which is durable before anything is
settled or sent; whoever else changes the state after that makes it stale (product.md, "What apply may do").
"""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconcile import __version__
from reconcile.adapters.files import opened, read_file, refuse_special, translated, write_private_file
from reconcile.app.project import Project
from reconcile.app.quota import limiting_of
from reconcile.core.changes import Plan, Selection
from reconcile.core.errors import ReconcileError, StaleError, StateError, UsageError
from reconcile.core.folded import Folded
from reconcile.core.manifest import Manifests
from reconcile.core.plan import make_plan
from reconcile.core.planfile import dump_plan, is_plan_file, load_plan
from reconcile.core.reviewed import as_observed, as_reviewed, compare, find_claim
from reconcile.core.saved import SavedPlan, Terms
from reconcile.settings import Settings

if TYPE_CHECKING:
    from reconcile.core.entries import RunEntry
    from reconcile.journal import Journal
    from reconcile.ports import Clock

LARGEST_FILE: Final = 1 << 30
"""Bytes of a plan file; a million creates take a third of that."""

_ANEW: Final = "review and save a new one: `reconcile plan --out FILE`"


def terms_of(project: Project, selection: Selection, allow_deletes: int | None, *, is_refreshed: bool = False) -> Terms:
    """What a plan of this project is made under now."""
    return Terms(
        base_url="" if project.is_sandbox else project.settings.api.base_url,
        targets=selection.targets,
        excludes=selection.excludes,
        allow_deletes=allow_deletes,
        rules=tuple(_rules(project.settings)),
        is_refreshed=is_refreshed,
    )


def _rules(settings: Settings) -> Iterator[str]:
    for section, rules in (("safety", settings.safety), ("policy", settings.policy)):
        for name, value in rules._asdict().items():
            if value is not None and name != "max_consecutive_rejections":  # which bounds a run, and no plan
                yield f"{section}.{name}={value}"


def require_room(path: Path) -> None:
    """Raises UsageError where something stands that a plan file must not replace; an empty file may be.

    Raises:
        UsageError: It holds something that is not a saved plan.
        StateError: It is a link, a folder, a FIFO or a device, or cannot be read.
    """
    with translated(path, "write"):
        refuse_special(path)
        try:
            with opened(path, os.O_RDONLY) as fd:
                beginning = os.pread(fd, 64, 0)
        except FileNotFoundError:
            return
    if beginning and not is_plan_file(beginning):
        raise UsageError(f"{path} exists and is not a saved plan", code="not-a-plan", help="name another file")


def save(saved: SavedPlan, path: Path) -> None:
    """Writes a plan file, whole or not at all, for this user alone.

    Raises:
        UsageError: Something else stands there.
        StateError: It cannot be written.
    """
    require_room(path)
    write_private_file(path, dump_plan(saved))


def load(path: Path) -> SavedPlan:
    """Reads a plan file.

    Raises:
        UsageError: There is none.
        StaleError: It was edited or cut short, or a newer tool made it.
        InputError: It is something else.
        StateError: It cannot be read, or is a link, a folder, a FIFO or a device.
    """
    data = read_file(path, most=LARGEST_FILE)
    if data is None:
        raise UsageError(f"there is no file {path}", code="no-plan", help="`reconcile plan --out FILE` makes one")
    return load_plan(data, path.name)


def require_same_inputs(saved: SavedPlan, project: Project, manifests: Manifests) -> None:
    """Refuses a plan whose settings or manifests are not those of today; needs no lock.

    Raises:
        StaleError: It was made from others.
    """
    terms = saved.terms
    now = terms_of(project, terms.selection, terms.allow_deletes)
    if terms.base_url != now.base_url:
        message = (
            f"the plan was made for {terms.base_url or 'the sandbox'}, and this is {now.base_url or 'the sandbox'}"
        )
        raise StaleError(message, help=_ANEW)
    if changed := sorted({*terms.rules} ^ {*now.rules}):
        name = changed[0].partition("=")[0]
        raise StaleError(f"{name} is not what it was when the plan was made", help=_ANEW)
    if saved.plan.digest != manifests.digest:
        raise StaleError("the manifests are not those that the plan was made from", help=_ANEW)


def require_current(saved: SavedPlan, project: Project, journal: "Journal") -> bool:
    """Refuses a plan that is done already, or since which anything else has changed the state.

    Returns:
        Whether runs of this very plan have begun to carry it out.

    Raises:
        StaleError: It may not be applied any more.
        StateError: The history cannot be read.
    """
    from reconcile.core.journalfile import decode_runs

    folded = journal.folded
    past = (*decode_runs(project.backend.read_history()), *folded.runs)
    runs = [run for run in past if run.plan_file == saved.digest]
    done = next((run for run in runs if run.exit_code == 0), None)
    if done is not None:
        message = f"the plan was already applied, at {done.finished_at}"
        raise StaleError(message, code="plan-applied", help="`reconcile history` shows by whom")
    claim = find_claim(journal.entries, saved.digest)
    if claim is None and not runs:
        _require_serial(saved.plan, folded)
        return False
    if claim is None or claim.intruder:
        by = f": {claim.intruder}" if claim is not None else ""
        raise StaleError(f"the state was changed by something else since this plan was begun{by}", help=_ANEW)
    return True


def _require_serial(plan: Plan, folded: Folded) -> None:
    state = folded.state
    if plan.lineage not in {"", state.lineage}:  # a state that was never written gets its lineage when it is
        raise StaleError(f"the plan was made for another state (lineage {plan.lineage})", help=_ANEW)
    if plan.serial != state.serial:
        message = f"the plan was made from serial {plan.serial} of the state, which is at serial {state.serial} now"
        raise StaleError(message, help=_ANEW)


def plan_again(saved: SavedPlan, project: Project, manifests: Manifests, folded: Folded, *, is_begun: bool) -> Plan:
    """What of a saved plan is still to be done, made anew.

    Raises:
        StaleError: Something would be done that was not reviewed.
        StateError: The quota's ledger cannot be read.
    """
    if saved.plan.refusals:
        return saved.plan  # to be refused, as it was reviewed
    state, found = folded.state, None
    if saved.terms.is_refreshed:
        state, found = as_observed(saved.plan, state)

    def make(selection: Selection) -> Plan:
        return make_plan(
            manifests,
            state,
            folded.doubts,
            as_reviewed(saved.plan, state.records.values()),
            selection=selection,
            limiting=limiting_of(project, saved.terms.allow_deletes),
            found=found,
        )

    selection = saved.terms.selection
    now = make(selection)
    compared = compare(saved.plan, now, is_begun=is_begun)
    if compared.differing is not None:
        message = f"what would be done at {compared.differing} is not what was reviewed"
        raise StaleError(message, help=_ANEW)
    if compared.beyond:
        now = make(selection._replace(excludes=(*selection.excludes, *compared.beyond)))
    # How tokens were compared is said of the review: here, each is what it was found to be then.
    return now._replace(plan_id=saved.plan.plan_id, compared_by_source=saved.plan.compared_by_source)


@contextmanager
def ending(claim: "RunEntry | None", journal: "Journal", clock: "Clock") -> Generator[None]:
    """Around what follows a claim: an error that ends it early ends the run in the journal, too."""
    try:
        yield
    except ReconcileError as error:
        if claim is not None:
            from reconcile.core.entries import FinishedEntry
            from reconcile.core.times import iso

            with suppress(StateError):  # a journal that takes nothing more has said so already
                journal.append(FinishedEntry(claim.run, iso(clock.now()), int(error.exit_code)))
                journal.commit(tool_version=__version__)
        raise
