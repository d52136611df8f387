"""Every run on this state, from the history and from the journal; takes no lock and changes nothing."""

import os

from reconcile.app.identity import hostname
from reconcile.app.project import Project, folded_state
from reconcile.core.runs import PastRun, RunSummary
from reconcile.ports import LockInfo


def past_runs(project: Project) -> list[PastRun]:
    """Every run, oldest first. One that has not ended is under way while it holds the lock, and was killed otherwise.

    Raises:
        StateError: The state, its journal or the lock's file cannot be read.
    """
    from reconcile.journal import read_runs

    holder = project.backend.lock_holder()  # before the runs, so that one which ends meanwhile is seen to have ended
    return [PastRun(run, _is_under_way(run, holder)) for run in read_runs(project.backend, folded_state(project))]


def _is_under_way(run: RunSummary, holder: LockInfo | None) -> bool | None:
    if run.exit_code is not None:
        return False
    if run.host != hostname():
        return None
    if holder is None or holder.host != run.host or holder.since > run.started_at:
        return False
    return _is_alive(holder)


def _is_alive(holder: LockInfo) -> bool:
    try:
        os.kill(holder.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # of another user
        return True
    return True
