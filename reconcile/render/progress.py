"""How far an apply is, on one line."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconcile.render.words import counted, duration


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is: counts, and the seconds since it began.

    Attributes:
        done_so: How many were created, updated, deleted and adopted, by these words; without what is not planned.
        writes_left_today: What the day's limit still allows; None when it is not known.
    """

    done: int
    total: int
    done_so: Mapping[str, int]
    in_doubt: int
    rejected: int
    seconds: float
    writes_left_today: int | None = None


def progress_line(standing: Standing) -> str:
    """`[1,240/6,206] 20% · 1,238 created · 1 in doubt · 1 rejected · 1.0/s · 1,940 writes left today · 32 min left`."""
    parts = [f"[{standing.done:,}/{standing.total:,}] {percentage(standing)}%"]
    parts += [f"{number:,} {word}" for word, number in standing.done_so.items()]
    if standing.in_doubt:
        parts.append(f"{standing.in_doubt:,} in doubt")
    if standing.rejected:
        parts.append(f"{standing.rejected:,} rejected")
    rate = standing.done / standing.seconds if standing.seconds > 0 else 0.0
    if standing.done > 1 and rate > 0:
        parts.append(f"{rate:.1f}/s")
    if standing.writes_left_today is not None:
        parts.append(f"{counted(standing.writes_left_today, 'write')} left today")
    if standing.done > 1 and rate > 0 and standing.done < standing.total:
        parts.append(_remaining(standing, rate))
    return " · ".join(parts)


def percentage(standing: Standing) -> int:
    """Whole percents done, rounded; 100 only when all is done."""
    if standing.done >= standing.total:
        return 100
    return min(99, round(standing.done * 100 / standing.total))


def _remaining(standing: Standing, rate: float) -> str:
    remaining, left_today = standing.total - standing.done, standing.writes_left_today
    if left_today is not None and left_today < remaining:
        return f"{duration(left_today / rate)} today, rest tomorrow"
    return f"{duration(remaining / rate)} left"


def reading_line(done: int, total: int, seconds: float) -> str:
    """`[7/31 reads] 22% · 2.0/s · 12 s left`; the total is an estimate."""
    parts = [f"[{done:,}/{total:,} reads] {done * 100 // total}%"]
    rate = done / seconds if seconds > 0 else 0.0
    if done > 1 and rate > 0:
        parts += [f"{rate:.1f}/s", f"{duration((total - done) / rate)} left"]
    return " · ".join(parts)
