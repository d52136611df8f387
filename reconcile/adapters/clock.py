"""The time of this machine, and the wish to stop."""

import time
from threading import Event


class Interruption:
    """Set once by whoever wants the run to end; wakes everybody who sleeps on a `SystemClock`."""

    def __init__(self) -> None:
        self._event = Event()

    def request(self) -> None:
        """Asks the run to end. Safe to call from a signal handler."""
        self._event.set()

    def is_requested(self) -> bool:
        """Whether the run shall end."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Waits for the request, at most so long; whether it came."""
        return self._event.wait(seconds)


class SystemClock:
    """`ports.Clock` over this machine's clocks."""

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits, or returns at once when the run is being interrupted."""
        self._interruption.wait(seconds)
