"""When the next request may leave, kept in memory for one run and shared by its threads.

Owns the waiting, through `ports.Clock`; the arithmetic is `core/quota.py`. Must not know what a request is, nor answer
for what earlier runs have sent: it is told their times when it is made.
"""

from collections.abc import Callable, Sequence
from threading import Lock

from reconcile.core.errors import ExitCode, ReconcileError
from reconcile.core.quota import (
    UNLIMITED,
    Limits,
    QuotaError,
    Window,
    horizon,
    next_slot,
    request_windows,
    write_windows,
    writes_used_last_day,
)
from reconcile.ports import Clock

LONGEST_WAIT = 600.0
"""Seconds; a slot farther away ends the run, to be gone on with later (protocol.md, "The quota is a resource")."""

WORTH_TELLING = 90.0
"""Seconds; somebody who looks on should hear why nothing happens for that long."""

_CUT_SHORT = 0.05
# Charges that no window remembers any more are dropped once so many have come together.
_PRUNE_AT = 4096


class WaitInterruptedError(ReconcileError):
    """The run is being interrupted, so the wait for a slot ended without one."""

    exit_code = ExitCode.INTERRUPTED
    default_code = "interrupted"


class Pacer:
    """Lets writes and reads go one by one, at the pace of the account's limits.

    Args:
        clock: Times are its monotonic ones, in seconds.
        limits: The account's limits; without any, nothing ever waits except for the server's own word.
        past_writes: When earlier writes were charged, ascending, on the same clock.
        past_requests: The same for all requests, those writes included.
        longest_wait: Seconds; None waits however long it takes.
        paused_until: Until when an earlier run was told to wait, on the same clock.
        reserve: Called before each read leaves, once it has its slot; what it raises keeps the read from leaving.
        keep_pause: Told the seconds of a pause, so that a later run keeps it too.
        tell_wait: Told the seconds of a wait that is `WORTH_TELLING`, once for all who wait for the same slot.
    """

    def __init__(
        self,
        clock: Clock,
        limits: Limits = UNLIMITED,
        *,
        past_writes: Sequence[float] = (),
        past_requests: Sequence[float] = (),
        paused_until: float = float("-inf"),
        longest_wait: float | None = LONGEST_WAIT,
        reserve: Callable[[], None] = lambda: None,
        keep_pause: Callable[[float], None] = lambda _: None,
        tell_wait: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._keep_pause = keep_pause
        self._reserve = reserve
        self._tell_wait = tell_wait
        self._told_until = float("-inf")
        self._own_writes: list[float] = []
        self._longest_wait = longest_wait
        self._writes = _Lane(write_windows(limits), past_writes)
        self._requests = _Lane(request_windows(limits), past_requests)
        self._paused_until = paused_until
        self._lock = Lock()

    def before_write(self) -> float | None:
        """Waits for a slot of a write and takes it.

        Returns:
            None when the write may leave; the seconds to the next slot when that is too far away, and none was taken.
            A wait that the clock cut short, because the run is being interrupted, returns None without a slot:
            whoever sends looks at that first.
        """
        try:
            return self._take((self._writes, self._requests), is_write=True)
        except WaitInterruptedError:
            return None

    def before_read(self) -> None:
        """Waits for a slot of a read and takes it.

        Raises:
            QuotaError: The next slot is too far away.
            WaitInterruptedError: The clock cut the wait short.
            ReconcileError: Whatever `reserve` raises.
        """
        too_far = self._take((self._requests,))
        if too_far is not None:
            raise QuotaError(
                f"the quota of requests is used up; its next slot is {too_far / 60:.0f} min away",
                help="run the command again then",
            )
        self._reserve()

    def pause(self, seconds: float) -> None:
        """Nothing leaves for so many seconds: the server said so, and its word outranks our own count.

        Raises:
            ReconcileError: Whatever `keep_pause` raises.
        """
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)
        self._keep_pause(seconds)

    def seconds_until_write(self) -> float:
        """How far away the next write's slot is; 0 when it is free now."""
        with self._lock:
            return self._wait((self._writes, self._requests), self._clock.monotonic())

    def seconds_until_read(self) -> float:
        """How far away the next read's slot is; 0 when it is free now."""
        with self._lock:
            return self._wait((self._requests,), self._clock.monotonic())

    def writes_used_last_day(self) -> int:
        """How many writes count against the day's limit now."""
        with self._lock:
            return writes_used_last_day(self._writes.charged, self._clock.monotonic())

    def own_writes(self) -> list[float]:
        """When the writes of this run took their slots, ascending; empty where no limit is kept."""
        with self._lock:
            return list(self._own_writes)

    def _take(self, lanes: "tuple[_Lane, ...]", *, is_write: bool = False) -> float | None:
        while True:
            with self._lock:
                now = self._clock.monotonic()
                wait = self._wait(lanes, now)
                if wait <= 0:
                    for lane in lanes:
                        lane.charge(now)
                    if is_write and any(lane.windows for lane in lanes):
                        self._own_writes.append(now)
                    return None
            if self._longest_wait is not None and wait > self._longest_wait:
                return wait
            self._tell(now, wait)
            self._clock.sleep(wait)
            if self._clock.monotonic() - now < wait - _CUT_SHORT:
                raise WaitInterruptedError("interrupted while waiting for the next request's turn")

    def _tell(self, now: float, wait: float) -> None:
        with self._lock:
            is_news = wait >= WORTH_TELLING and now + wait > self._told_until + 1
            self._told_until = now + wait if is_news else self._told_until
        if is_news:
            self._tell_wait(wait)

    def _wait(self, lanes: "tuple[_Lane, ...]", now: float) -> float:
        slots = (next_slot(lane.windows, lane.charged, now) for lane in lanes)
        return max(0.0, self._paused_until - now, *slots)


class _Lane:
    """The charges that count in one set of windows."""

    __slots__ = ("_horizon", "charged", "windows")

    def __init__(self, windows: tuple[Window, ...], past: Sequence[float]) -> None:
        self.windows = windows
        self.charged = list(past)
        self._horizon = horizon(windows)

    def charge(self, now: float) -> None:
        if not self.windows:
            return
        self.charged.append(now)
        if len(self.charged) % _PRUNE_AT == 0:
            self.charged = [at for at in self.charged if at > now - self._horizon]
