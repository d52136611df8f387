"""A run as the history shows it, and while it is being counted. Values only."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from reconcile.core.times import from_iso

if TYPE_CHECKING:
    from reconcile.core.entries import Entry, FinishedEntry, RunEntry


class RunSummary(NamedTuple):
    """One run, as `history` shows it: the counts are those it ended with, whatever became of its doubts later.

    `finished_at` and `exit_code` are None for a run that was killed. `applied` counts every write that took effect,
    `updated` and `deleted` those of them that created nothing. `plan_file` is the digest of the saved plan that it
    carried out, if it was one.
    """

    run: str
    operation: str
    started_at: str
    plan_id: str = ""
    who: str = ""
    host: str = ""
    tool_version: str = ""
    git_commit: str = ""
    finished_at: str | None = None
    exit_code: int | None = None
    writes: int = 0
    applied: int = 0
    rejected: int = 0
    in_doubt: int = 0
    unattempted: int = 0
    updated: int = 0
    deleted: int = 0
    plan_file: str = ""


class PastRun(NamedTuple):
    """A run, and whether it is still under way; None where that cannot be told, as it began on another host."""

    run: RunSummary
    is_under_way: bool | None = False


class RunWrites(NamedTuple):
    """When the writes of one run were charged, and to whose quota; seconds since the epoch, ascending."""

    account: str
    times: tuple[float, ...]


def writes_by_run(entries: "Iterable[Entry]") -> dict[str, RunWrites]:
    """The writes of every run that keeps to a quota, as far as the entries go.

    An intent's time was cut to the second, so it counts at that second's end: never before it left.
    """
    from reconcile.core.entries import IntentEntry, RunEntry

    accounts: dict[str, str] = {}
    times: dict[str, list[float]] = {}
    for entry in entries:
        if isinstance(entry, RunEntry):
            accounts[entry.run] = entry.account
        elif isinstance(entry, IntentEntry):
            times.setdefault(entry.run, []).append(from_iso(entry.at) + 1.0)
    return {run: RunWrites(accounts[run], tuple(sorted(at))) for run, at in times.items() if accounts.get(run)}


class RunInProgress:
    """A run whose entries are being laid over one another."""

    __slots__ = ("began", "counts", "finished")

    def __init__(self, began: "RunEntry") -> None:
        self.began = began
        self.counts: dict[str, int] = {}
        self.finished: FinishedEntry | None = None

    def summary(self) -> RunSummary:
        """What is known of the run so far."""
        began, finished = self.began, self.finished
        return RunSummary(
            run=began.run,
            operation=began.operation,
            started_at=began.at,
            plan_id=began.plan_id,
            who=began.who,
            host=began.host,
            tool_version=began.tool_version,
            git_commit=began.git_commit,
            finished_at=finished.at if finished else None,
            exit_code=finished.exit_code if finished else None,
            unattempted=finished.unattempted if finished else 0,
            plan_file=began.plan_file,
            **self.counts,
        )
