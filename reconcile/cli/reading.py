"""What reading many records tells: its cost beforehand, then a bar on a terminal, or a line now and then elsewhere."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from reconcile.cli.console import Console
from reconcile.cli.progress import Milestones
from reconcile.render.progress import reading_line
from reconcile.render.words import counted, duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class ReadingProgress:
    """A `ports.ReadWatcher` on standard error; silent for a quiet console."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._milestones = Milestones(clock)
        self._began = clock()
        self._done = 0
        self._total = 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def expect(self, reads: int, seconds: float, what: str) -> None:
        """Tells the cost of what comes next."""
        if not self._done:
            self._milestones, self._began = Milestones(self._clock), self._clock()
        self._total = self._done + reads
        if self._console.is_quiet:
            return
        time_needed = f", {duration(seconds)} at the limits in the settings" if seconds >= 1 else ""
        line = f"{what[:1].upper()}{what[1:]}: about {counted(reads, 'read')}{time_needed}."
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, emoji=False)
            return
        self._console.tell(line)
        if self._console.shows_progress_bar:
            self._show_bar()

    def note_read(self) -> None:
        """Moves on by one."""
        if not self._total:
            return  # nobody waits for this read
        self._done += 1
        if self._console.is_quiet:
            return
        # A stage may need fewer reads than it was priced at, and the last read is not the end of it.
        total = max(self._total, self._done + 1)
        line = reading_line(self._done, total, self._clock() - self._began)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, total=total, description=line)
        elif not self._console.shows_progress_bar and self._milestones.are_due(self._done * 100 // total):
            self._console.tell(line)

    def finish(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._total = None, 0

    def _show_bar(self) -> None:
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
        self._bar = Progress(*columns, console=RichConsole(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=self._total)
        self._bar.start()
