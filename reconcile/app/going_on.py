"""How to go on where a run ended early: the command as it was given, whoever noticed that the quota was used up."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

from reconcile.apply.stops import GO_ON
from reconcile.core.errors import ExitCode
from reconcile.core.quota import QuotaError
from reconcile.core.report import Report


def go_on_with(report: Report, command: str, *, is_saved: bool = False) -> Report:
    """The report, with the command to go on where the same one simply goes on.

    With a saved plan every way on names its file: another command would make that plan stale.
    """
    stop = report.stop
    if stop is not None and (stop.exit_code == ExitCode.QUOTA or stop.help == GO_ON):
        stop = replace(stop, help=_way_on(command))
    return replace(report, stop=stop, plan_command=command if is_saved else "")


@contextmanager
def naming_command(command: str) -> Generator[None]:
    """Around whatever may find the quota used up before the run has begun: the error names the command then."""
    try:
        yield
    except QuotaError as error:
        raise QuotaError(error.message, help=_way_on(command), code=error.code) from None


def _way_on(command: str) -> str:
    return f"`{command}` goes on where this run stopped"
