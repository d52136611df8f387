"""Past runs, as text and as JSON."""

from collections.abc import Iterator, Sequence

from reconcile.core.errors import ExitCode
from reconcile.core.runs import RunSummary
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


def runs_as_text(runs: Sequence[RunSummary]) -> str:
    """Two lines for each run, at most 100 columns wide; ends with a newline."""
    if not runs:
        return "No runs yet.\n"
    return "".join(f"{_headline(run)}\n  {' · '.join(_counts(run))}\n" for run in runs)


def runs_as_json(runs: Sequence[RunSummary]) -> list[dict[str, object]]:
    """Everything that is known of each run; `finished_at` and `exit_code` are null for one that was killed."""
    return [{**run._asdict(), "outcome": outcome(run)} for run in runs]


def outcome(run: RunSummary) -> str:
    """How it ended, in words; a run that was killed, or is still under way, has not said so itself."""
    if run.exit_code is None:
        return "killed, or not over yet"
    known = next((words for code, words in _OUTCOMES.items() if code == run.exit_code), "ended")
    return f"{known} ({run.exit_code})"


def _headline(run: RunSummary) -> str:
    by = _cut(f"{run.who}@{run.host}", _LONGEST_NAME)
    commit, plan = _cut(run.git_commit, 7) or "-", _cut(run.plan_id, 8) or "-"
    cells = (minute(run.started_at), padded(by, _LONGEST_NAME), padded(commit, 7), padded(plan, 8), _ending(run))
    return "  ".join(cells)


def _ending(run: RunSummary) -> str:
    if run.finished_at is None:
        return outcome(run)
    return f"{outcome(run)} · {duration(max(0.0, from_iso(run.finished_at) - from_iso(run.started_at)))}"


def _cut(text: str, columns: int) -> str:
    shown = escaped(text)
    while display_width(shown) > columns:
        shown = shown[:-2] + "…" if columns > 8 else shown[:columns]
    return shown


def _counts(run: RunSummary) -> Iterator[str]:
    yield escaped(run.operation)
    yield counted(run.writes, "write")
    yield f"{run.applied:,} applied"
    for number, words in ((run.rejected, "rejected"), (run.in_doubt, "in doubt"), (run.unattempted, "not attempted")):
        if number:
            yield f"{number:,} {words}"
