"""What apply tells while it runs: a bar on a terminal, a line now and then elsewhere, or one JSON event a line."""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final, cast

from reconcile.cli.console import Console
from reconcile.core.changes import CARRIED_OUT, Plan
from reconcile.core.times import iso
from reconcile.ports import Reporter
from reconcile.render.escape import escaped
from reconcile.render.progress import Standing, percentage, progress_line

if TYPE_CHECKING:
    from rich.progress import Progress

EVERY_SECONDS: Final = 30.0
EVERY_PERCENT: Final = 5
AT_LEAST_SECONDS: Final = 1.0

_DONE: Final = ("created", "updated", "deleted", "adopted")

_NEWS: Final = frozenset({"rejected", "in_doubt", "exists", "refused", "altered"})
"""What is told at once."""


def reporter_for(console: Console, output_format: str) -> Callable[[Plan], AbstractContextManager[Reporter]]:
    """The reporter that fits where the output goes."""

    def choose(plan: Plan) -> AbstractContextManager[Reporter]:
        if output_format == "json":
            return _as_it_is(JsonEvents(console))
        if console.is_quiet or not plan.having(*CARRIED_OUT):
            return _as_it_is(Silence())
        if console.shows_progress_bar:
            return _bar(plan)
        return _as_it_is(Lines(console, plan.cost.writes_left_today))

    return choose


@contextmanager
def _as_it_is(reporter: Reporter) -> Generator[Reporter]:
    yield reporter


class Silence:
    """Tells nothing."""

    def tell(self, event: str, details: Mapping[str, object]) -> None:
        """Nothing."""


class Milestones:
    """When a progress report is due: after 5 % or 30 seconds, never twice within a second, and at the end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._reported_at = clock()
        self._reported_percent = 0

    def are_due(self, percent: int) -> bool:
        """Whether so many percent deserve a line; the next ones are counted from there then."""
        seconds = self._clock() - self._reported_at
        by_percent = percent >= self._reported_percent + EVERY_PERCENT and seconds >= AT_LEAST_SECONDS
        if by_percent or seconds >= EVERY_SECONDS or percent == 100:
            self._reported_at, self._reported_percent = self._clock(), percent
            return True
        return False


class JsonEvents:
    """Every event as one JSON line on standard output; `progress` only at milestones."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._milestones = Milestones(clock)

    def tell(self, event: str, details: Mapping[str, object]) -> None:
        """Prints the event with the time."""
        if event == "progress" and not self._milestones.are_due(percentage(_standing(details, 0.0, None))):
            return
        told = {"event": event, "time": iso(time.time()), **details}
        if event == "run_finished" and "next" in details:
            told["next"] = [self._console.as_given(str(way)) for way in cast("list[object]", details["next"])]
        self._console.out_json_line(told)


class Lines:
    """Progress as plain lines on standard error, at milestones; what goes wrong at once."""

    def __init__(
        self, console: Console, writes_left_today: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._left = writes_left_today
        self._clock = clock
        self._began = clock()
        self._milestones = Milestones(clock)

    def tell(self, event: str, details: Mapping[str, object]) -> None:
        """A line, if this event deserves one."""
        if event == "progress":
            standing = _standing(details, self._clock() - self._began, self._left)
            if self._milestones.are_due(percentage(standing)):
                self._console.tell(progress_line(standing))
        elif event in _NEWS or self._console.is_verbose:
            self._console.tell(_sentence(event, details))


@contextmanager
def _bar(plan: Plan) -> Generator[Reporter]:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=RichConsole(stderr=True), transient=True) as progress:
        yield _Bar(progress, plan)


class _Bar:
    """A bar on a terminal's standard error."""

    def __init__(self, progress: "Progress", plan: Plan) -> None:
        self._progress = progress
        self._left = plan.cost.writes_left_today
        self._began = time.monotonic()
        self._task = progress.add_task("", total=len(plan.having(*CARRIED_OUT)))

    def tell(self, event: str, details: Mapping[str, object]) -> None:
        """Moves the bar; what goes wrong stands above it."""
        if event == "progress":
            standing = _standing(details, time.monotonic() - self._began, self._left)
            self._progress.update(self._task, completed=standing.done, description=progress_line(standing))
        elif event in _NEWS | {"throttled"}:
            self._progress.console.print(_sentence(event, details), markup=False, highlight=False, emoji=False)


def _standing(details: Mapping[str, object], seconds: float, left: int | None) -> Standing:
    def number(name: str) -> int:
        value = details.get(name, 0)
        return value if isinstance(value, int) else 0

    done = number("done")
    return Standing(
        done=done,
        total=number("total"),
        done_so={word: number(word) for word in _DONE if word in details and (word != "adopted" or number(word))},
        in_doubt=number("in_doubt"),
        rejected=number("rejected"),
        seconds=seconds,
        writes_left_today=max(0, left - done) if left is not None else None,
    )


def _sentence(event: str, details: Mapping[str, object]) -> str:
    address, message = details.get("address", ""), details.get("message", "")
    words = [event.replace("_", " "), str(address)]
    if "id" in details:
        words.append(f"id {details['id']}")
    if event == "throttled":
        words = [f"throttled by the API: waiting {details.get('seconds')} s"]
    line = escaped(" ".join(word for word in words if word))
    return f"{line}: {escaped(str(message))}" if message else line
