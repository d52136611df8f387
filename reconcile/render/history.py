"""Past runs, as text and as JSON."""

from collections.abc import Iterator, Sequence

from reconcile.core.errors import ExitCode
from reconcile.core.runs import PastRun, RunSummary
from reconcile.core.times import from_iso
from reconcile.render.escape import display_width, escaped
from reconcile.render.words import counted, duration, minute, padded

_LONGEST_NAME = 20
_OUTCOMES = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed",
    ExitCode.REFUSED: "refused in part",
    ExitCode.IN_DOUBT: "left doubt",
    ExitCode.QUOTA: "quota reached",
    ExitCode.INTERRUPTED: "interrupted, saved",
}


def runs_as_text(runs: Sequence[PastRun]) -> str:
    """Two lines for each run, at most 100 columns wide; ends with a newline."""
    if not runs:
        return "No runs yet.\n"
    return "".join(f"{_headline(past)}\n  {' · '.join(_counts(past.run))}\n" for past in runs)


def runs_as_json(runs: Sequence[PastRun]) -> list[dict[str, object]]:
    """Everything that is known of each run; `finished_at` and `exit_code` are null for one that has not ended."""
    return [{**past.run._asdict(), "outcome": outcome(past)} for past in runs]


def outcome(past: PastRun) -> str:
    """How it ended, in words; a run that was killed has not said so itself."""
    run = past.run
    if run.exit_code is None:
        return {True: "under way", False: "killed", None: "killed, or not over yet"}[past.is_under_way]
    known = next((words for code, words in _OUTCOMES.items() if code == run.exit_code), "ended")
    return f"{known} ({run.exit_code})"


def _headline(past: PastRun) -> str:
    run = past.run
    by = _cut(f"{run.who}@{run.host}", _LONGEST_NAME)
    commit, plan = _cut(run.git_commit, 7) or "-", _cut(run.plan_id, 8) or "-"
    cells = (minute(run.started_at), padded(by, _LONGEST_NAME), padded(commit, 7), padded(plan, 8), _ending(past))
    return "  ".join(cells)


def _ending(past: PastRun) -> str:
    run = past.run
    if run.finished_at is None:
        return outcome(past)
    return f"{outcome(past)} · {duration(max(0.0, from_iso(run.finished_at) - from_iso(run.started_at)))}"


def _cut(text: str, columns: int) -> str:
    shown = escaped(text)
    while display_width(shown) > columns:
        shown = shown[:-2] + "…" if columns > 8 else shown[:columns]
    return shown


def _counts(run: RunSummary) -> Iterator[str]:
    yield escaped(run.operation)
    yield counted(run.writes, "write")
    others = [f"{number:,} {word}" for number, word in ((run.updated, "updated"), (run.deleted, "deleted")) if number]
    yield f"{run.applied:,} applied" + (f" ({', '.join(others)})" if others else "")
    for number, words in ((run.rejected, "rejected"), (run.in_doubt, "in doubt"), (run.unattempted, "not attempted")):
        if number:
            yield f"{number:,} {words}"
