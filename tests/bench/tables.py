"""The table that a benchmark prints, and the targets that its ratios are held against."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from measuring import Ratio, Sample

RATIO_TOLERANCE: Final = 0.25
"""How far beyond a target a ratio counts as clearly missed: twice the spread seen on a busy machine of two cores."""

MEMORY_TOLERANCE: Final = 0.10
"""The same for memory, which hardly varies; C libraries and allocators of other systems do."""

_WIDTHS: Final = (50, 9, 11, 9)


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be reached, and what was.

    Attributes:
        at_most: The bound; `at_least` turns it round.
        measured: The value that counts.
        shown: The value as it is printed, with what belongs to it.
    """

    name: str
    at_most: float
    measured: float
    shown: str
    tolerance: float = RATIO_TOLERANCE

    @property
    def is_reached(self) -> bool:
        """Whether the bound is kept."""
        return self.measured <= self.at_most

    @property
    def is_clearly_missed(self) -> bool:
        """Whether it is missed by more than the tolerance."""
        return self.measured > self.at_most * (1 + self.tolerance)

    def __str__(self) -> str:
        verdict = "reached" if self.is_reached else "MISSED" if self.is_clearly_missed else "close"
        return f"  {verdict:8} {self.name}: {self.shown}"


def ratio_target(name: str, ratio: Ratio, at_most: float) -> Target:
    """A target for a ratio, judged by whichever of clock and processor time is less disturbed."""
    shown = f"{ratio.by_clock:.2f} times by the clock, {ratio.by_processor:.2f} by processor time; at most {at_most:g}"
    return Target(name, at_most, ratio.least, shown)


def memory_target(name: str, sample: Sample, at_most_mb: float) -> Target:
    """A target for the peak of a process's memory."""
    shown = f"{sample.peak_mb:.0f} MB; at most {at_most_mb:g}"
    return Target(name, at_most_mb, sample.peak_mb, shown, MEMORY_TOLERANCE)


@dataclass(slots=True)
class Report:
    """What has been measured so far; prints as it grows."""

    targets: list[Target] = field(default_factory=list)

    def head(self, title: str) -> None:
        """Begins a part of the table."""
        _write("")
        _write(title)
        _write(_row("", ("seconds", "processor", "peak MB")))

    def rows(self, samples: Iterable[Sample], ratios: Iterable[str] = ()) -> None:
        """One line for each sample, with a remark where there is one."""
        remarks = iter(ratios)
        for sample in samples:
            numbers = (f"{sample.seconds:.3f}", f"{sample.processor:.3f}", f"{sample.peak_mb:.0f}")
            _write(f"{_row(sample.name, numbers)}  {next(remarks, '')}")

    def remark(self, text: str) -> None:
        """A line of its own."""
        _write(f"  {text}")

    def target(self, *targets: Target) -> None:
        """Takes targets, to be printed at the end."""
        self.targets += targets

    def finish(self) -> bool:
        """Prints the targets; False when one is clearly missed."""
        if self.targets:
            _write("\nTargets")
        for target in self.targets:
            _write(str(target))
        return not any(target.is_clearly_missed for target in self.targets)


def times(ratio: Ratio, what: str) -> str:
    """A ratio as a remark in the table: by the clock, which is what people wait for."""
    return f"{ratio.by_clock:,.2f} x {what}" if ratio.by_clock < 20 else f"{ratio.by_clock:,.0f} x {what}"


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"... {text}\n")
    sys.stderr.flush()


def _row(name: str, columns: Iterable[str]) -> str:
    return name.ljust(_WIDTHS[0]) + "".join(text.rjust(width) for text, width in zip(columns, _WIDTHS[1:], strict=True))


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
