"""Measures whole processes from outside: from their start to their end, start-up included.

Commands that are compared run in turn (A B A B ...), because a machine's speed drifts, and a ratio by the clock
is the median of the ratios of such pairs. One by processor time is that of the two minima, which a busy machine moves
least. Seconds are a clock's; processor seconds and peak memory are the operating system's accounting
of that one child. Peak memory cannot read below that of the benchmark itself, which therefore holds no data.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

# Kilobytes on Linux, bytes on macOS.
_TO_MB = 1024 if sys.platform != "darwin" else 1024 * 1024
_OURS = ("NEXUDUS_", "RECONCILE_", "PYTHON", "COVERAGE_", "PYTEST_")


class BenchError(Exception):
    """A command that was to be measured cannot run, or ended in another way than expected."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command to be measured.

    Attributes:
        environ: Variables on top of the ordinary ones.
        exit_codes: Those that count as success.
        prepare: Called before each run, outside of what is measured.
        after: Called after each run, with the run.
    """

    name: str
    argv: Sequence[str | Path]
    folder: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    exit_codes: tuple[int, ...] = (0,)
    prepare: Callable[[], None] | None = None
    after: Callable[[], None] | None = None


class Run(NamedTuple):
    """One run of a command: seconds by the clock and of the processors, and the peak of its memory."""

    seconds: float
    processor: float
    peak_mb: float


class Ratio(NamedTuple):
    """How many times as long as something else, by the clock and by processor time."""

    by_clock: float
    by_processor: float

    @property
    def least(self) -> float:
        """The smaller one: other work on the machine can only make either look worse."""
        return min(self)


@dataclass(frozen=True, slots=True)
class Sample:
    """All runs of a command."""

    name: str
    runs: tuple[Run, ...]

    @property
    def seconds(self) -> float:
        """The median by the clock."""
        return median(run.seconds for run in self.runs)

    @property
    def processor(self) -> float:
        """The median of processor time."""
        return median(run.processor for run in self.runs)

    @property
    def peak_mb(self) -> float:
        """The highest peak."""
        return max(run.peak_mb for run in self.runs)

    @property
    def least_processor(self) -> float:
        """The least processor time of any run: the one that other work on the machine disturbed least."""
        return min(run.processor for run in self.runs)

    def over(self, other: "Sample") -> Ratio:
        """How many times as long as `other`."""
        by_processor = self.least_processor / other.least_processor
        if len(self.runs) != len(other.runs):  # not run in turn
            return Ratio(self.seconds / other.seconds, by_processor)
        pairs = zip(self.runs, other.runs, strict=True)
        return Ratio(median(mine.seconds / theirs.seconds for mine, theirs in pairs), by_processor)


def environment(work: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """What a user's shell would pass on, with compiled modules kept in `work` and nothing that steers the tool."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**kept, "PYTHONPYCACHEPREFIX": str(work / "compiled"), "NO_COLOR": "1", "CHECKPOINT_DISABLE": "1", **extra}


def measure(work: Path, commands: Sequence[Command], *, runs: int, warm_ups: int = 1) -> list[Sample]:
    """Runs the commands in turn and returns a sample for each, in their order.

    Raises:
        BenchError: A command ended in another way than expected; with what it said.
    """
    for command in commands:
        for _ in range(warm_ups):
            _run(work, command)
    found: list[list[Run]] = [[] for _ in commands]
    for _ in range(runs):
        for index, command in enumerate(commands):
            found[index].append(_run(work, command))
    return [Sample(command.name, tuple(taken)) for command, taken in zip(commands, found, strict=True)]


def run_quietly(work: Path, argv: Sequence[str | Path], folder: Path | None = None, **environ: str) -> None:
    """Runs a command that is not measured; raises BenchError when it fails."""
    _run(work, Command(str(argv[0]), argv, folder, environ))


def _run(work: Path, command: Command) -> Run:
    if command.prepare is not None:
        command.prepare()
    with tempfile.TemporaryFile(dir=work) as errors:
        started = time.perf_counter()
        try:
            process = subprocess.Popen(
                [str(part) for part in command.argv],
                cwd=command.folder,
                env=environment(work, command.environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        except OSError as error:
            raise BenchError(f"{command.name} cannot be started: {error.strerror}") from None
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)  # reaped already: it must not be waited for again
        if process.returncode not in command.exit_codes:
            errors.seek(0)
            said = errors.read()[-2000:].decode(errors="replace")
            raise BenchError(f"{command.name} ended with {process.returncode}:\n{said}")
    if command.after is not None:
        command.after()
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / _TO_MB)
