"""Every run on this state, from the history and from the journal; takes no lock and changes nothing."""

from reconcile.app.project import Project, folded_state
from reconcile.core.runs import RunSummary


def past_runs(project: Project) -> list[RunSummary]:
    """Every run, oldest first; one that is under way looks as if it were killed, as nobody knows yet.

    Raises:
        StateError: The state or its journal cannot be read.
    """
    from reconcile.journal import read_runs

    return read_runs(project.backend, folded_state(project))
