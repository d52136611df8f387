"""Days that pass in a second: threads on one simulated clock, and a server that counts what arrives and when."""

import heapq
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import count
from threading import Event, Lock, Thread

from reconcile.core.quota import Limits

START = 1_772_446_440.0  # 2026-03-02T10:14:00Z

WINDOWS = (
    ("writes_per_minute", 60.0),
    ("writes_per_day", 86_400.0),
    ("requests_per_minute", 60.0),
    ("requests_per_hour", 3_600.0),
    ("requests_per_day", 86_400.0),
)


class SimulatedClock:
    """Threads take turns: one runs until it sleeps, then whoever has to wake first. Nobody waits for real time."""

    def __init__(self) -> None:
        self.passed = 0.0
        self._sleeping: list[tuple[float, int, Event]] = []
        self._order = count()
        self._lock = Lock()

    def now(self) -> float:
        return START + self.passed

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        wake_at, event = self.passed + seconds, Event()
        with self._lock:
            if not self._sleeping or wake_at < self._sleeping[0][0]:
                self.passed = wake_at
                return
            heapq.heappush(self._sleeping, (wake_at, next(self._order), event))
            self._wake_next()
        event.wait()

    def run(self, *works: Callable[[], None]) -> None:
        """Lets each work in a thread of its own, and returns when all have ended."""
        failures: list[BaseException] = []
        events = [Event() for _ in works]

        def take_turns(work: Callable[[], None], event: Event) -> None:
            event.wait()
            try:
                work()
            except BaseException as failure:  # noqa: BLE001 - raised again by whoever started the threads
                failures.append(failure)
            with self._lock:
                self._wake_next()

        threads = [Thread(target=take_turns, args=pair) for pair in zip(works, events, strict=True)]
        for thread in threads:
            thread.start()
        with self._lock:
            for event in events:
                heapq.heappush(self._sleeping, (self.passed, next(self._order), event))
            self._wake_next()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _wake_next(self) -> None:
        if self._sleeping:
            wake_at, _, event = heapq.heappop(self._sleeping)
            self.passed = max(self.passed, wake_at)
            event.set()


class CountingServer:
    """Counts arrivals: each comes a little after it left, and is answered `latency` seconds after that."""

    def __init__(self, clock: SimulatedClock, latency: float) -> None:
        self.writes: list[float] = []
        self.requests: list[float] = []
        self._clock = clock
        self._latency = latency
        self._network = random.Random(7)  # noqa: S311 - the same jitter every time

    def write(self) -> None:
        self.writes.append(self._arrive())

    def read(self) -> None:
        self._arrive()

    def _arrive(self) -> float:
        arrival = self._clock.monotonic() + self._network.uniform(0.0, 0.019)
        self.requests.append(arrival)
        self._clock.sleep(self._latency)
        return arrival

    def exceeded(self, limits: Limits) -> dict[str, int]:
        """The windows that ever held more than their limit, with the most they held."""
        found: dict[str, int] = {}
        for name, seconds in WINDOWS:
            limit = getattr(limits, name)
            most = busiest(self.writes if name.startswith("writes") else self.requests, seconds)
            if limit is not None and most > limit:
                found[name] = most
        if limits.requests_per_second is not None and busiest(self.requests, 1 / limits.requests_per_second) > 1:
            found["requests_per_second"] = 2
        return found


def busiest(arrivals: Sequence[float], seconds: float) -> int:
    """The most arrivals in any window of so many seconds."""
    times = sorted(arrivals)
    return max((index - bisect_left(times, at - seconds + 1e-9) + 1 for index, at in enumerate(times)), default=0)
