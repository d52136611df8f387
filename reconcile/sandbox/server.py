"""The sandbox as a running server: embedded in a thread, or in the foreground.

Owns the options, the thread, and what a test may see from inside. It must not bind anything but a loopback address,
and prints no token and no body.
"""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from reconcile.sandbox.api import Api
from reconcile.sandbox.auth import ADMINISTRATOR, Authority, User
from reconcile.sandbox.doorway import Arrival, Doorway
from reconcile.sandbox.faults import FaultSource, parse_faults
from reconcile.sandbox.fields import Fields, read_fields
from reconcile.sandbox.store import Record, Store
from reconcile.sandbox.throttle import Throttle, parse_limits
from reconcile.sandbox.wire import WireServer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path
    from types import FrameType

NEXUDUS_ITSELF: Final = "system@sandbox.example"
"""Who wrote the records that a test plants from inside."""


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How to run a sandbox.

    Attributes:
        db: the SQLite file, made when it is missing; None keeps the records in memory.
        host: a loopback address, or "localhost" for 127.0.0.1.
        port: 0 for a free one.
        limits: see `throttle.LIMITS_HELP`.
        faults: see `faults.FAULTS_HELP`.
        seed: of the draw of faults.
        users: who can sign in besides the demo administrator.
        partial_rows: leave the provider unset in lists and batches, as a sibling entity's do.
        clock: seconds since the epoch, for the limits, the life of tokens and the times of records.

    Raises:
        ValueError: limits, faults or host are not what is allowed; the message says what is.
    """

    db: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    limits: str = "off"
    faults: str = ""
    seed: int = 0
    users: tuple[User, ...] = ()
    partial_rows: bool = False
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        parse_limits(self.limits)
        parse_faults(self.faults)
        _read_host(self.host)


class Sandbox:
    """A running sandbox, seen from inside: for tests, and to play the part of Nexudus itself."""

    def __init__(
        self, base_url: str, doorway: Doorway, faults: FaultSource, store: Store, clock: Callable[[], float]
    ) -> None:
        self.base_url = base_url
        self.username = ADMINISTRATOR.email
        self.password = ADMINISTRATOR.password
        self._doorway = doorway
        self._faults = faults
        self._store = store
        self._clock = clock

    @property
    def requests(self) -> tuple[Arrival, ...]:
        """Every request so far, in the order of arrival (the last 200,000)."""
        return tuple(self._doorway.arrivals)

    @property
    def url_log(self) -> tuple[str, ...]:
        """The request lines a proxy would log, such as "GET /api/…?page=1"."""
        return tuple(f"{arrival.method} {arrival.target}" for arrival in self.requests)

    @property
    def writes(self) -> int:
        """How many write requests arrived, throttled ones and those that met a fault included."""
        return sum(arrival.is_write for arrival in self.requests)

    def records(self) -> list[Record]:
        """What is stored, straight from the database, under the wire names, by rising Id."""
        return self._store.read_all()

    def set_faults(self, spec: str) -> None:
        """Go on with other faults; the count of writes goes on.

        Raises:
            ValueError: as for `SandboxOptions.faults`.
        """
        self._faults.replace(parse_faults(spec))

    def plant(self, record: Mapping[str, object]) -> int:
        """Store a record as Nexudus itself does, without a request, and return its Id.

        Raises:
            ValueError: the fields, under their wire names, are not a valid record.
        """
        return self._store.insert(_checked(record), by=NEXUDUS_ITSELF, now=self._clock())

    def alter(self, record_id: int, changes: Mapping[str, object]) -> None:
        """Change some fields of a record without a request.

        Raises:
            KeyError: there is no such record.
            ValueError: as for `plant`.
        """
        record = self._store.get(record_id)
        if record is None:
            raise KeyError(record_id)
        self._store.replace(record_id, _checked({**record, **changes}), by=NEXUDUS_ITSELF, now=self._clock())

    def remove(self, record_id: int) -> bool:
        """Delete a record without a request; False when there is none with this Id."""
        return self._store.delete(record_id)


@contextmanager
def running_sandbox(options: SandboxOptions) -> Generator[Sandbox]:
    """Run a sandbox in a daemon thread of this process, ready when the block is entered, stopped and joined at its end.

    At the end connections are cut, and late effects that are still to come are dropped.

    Raises:
        OSError: the port is taken, or the database's folder cannot be made.
        sqlite3.Error: the file is not a database, or another program keeps it locked.
        RuntimeError: at the end, when the sandbox itself failed while it answered; the cause says how.
    """
    with _listen(_read_host(options.host), options.port) as listener, Store(options.db) as store:
        throttle, faults = (
            Throttle(parse_limits(options.limits)),
            FaultSource(parse_faults(options.faults), options.seed),
        )
        api = Api(store, Authority(options.users, options.clock), options.clock, partial_rows=options.partial_rows)
        doorway = Doorway(api.make_router(), throttle, faults, store, options.clock)
        with _serving(WireServer(doorway), listener):
            yield Sandbox(_spell_url(listener), doorway, faults, store, options.clock)
    if doorway.crashes:
        raise RuntimeError(f"the sandbox failed on {len(doorway.crashes)} request(s)") from doorway.crashes[0]


def serve(options: SandboxOptions, announce: Callable[[str], None]) -> int:
    """Run a sandbox in the foreground until SIGINT or SIGTERM; for the main thread.

    Args:
        options: how to run it.
        announce: takes the lines for the person at the terminal: the address, the demo credentials, how to use them.

    Returns:
        The exit code 0. Raises what `running_sandbox` raises.
    """
    stop = threading.Event()
    with running_sandbox(options) as sandbox, _stop_on_signals(stop):
        for line in _describe(options, sandbox):
            announce(line)
        stop.wait()
    return 0


def _describe(options: SandboxOptions, sandbox: Sandbox) -> list[str]:
    return [
        f"A local Nexudus listens on {sandbox.base_url}; its records are in {options.db or 'memory'}.",
        f"Limits: {options.limits}. Faults: {options.faults or 'none'}.",
        "To point reconcile at it, in another terminal:",
        f"  export NEXUDUS_BASE_URL={sandbox.base_url}",
        f"  export NEXUDUS_USERNAME={sandbox.username}",
        f"  export NEXUDUS_PASSWORD={sandbox.password}",
        "Ctrl-C stops it.",
    ]


@contextmanager
def _stop_on_signals(stop: threading.Event) -> Generator[None]:
    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _serving(server: WireServer, listener: socket.socket) -> Generator[None]:
    thread = threading.Thread(target=server.run_on, args=(listener,), name="reconcile-sandbox", daemon=True)
    thread.start()
    try:
        server.ready.wait()
        yield
    finally:
        server.stop()
        thread.join()


def _read_host(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise ValueError(f'host: "{host}" is not a loopback address; use 127.0.0.1, ::1 or localhost')
    return address


def _listen(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return socket.create_server((str(address), port), family=family, backlog=512)


def _spell_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def _checked(record: Mapping[str, object]) -> Fields:
    fields = read_fields(record)
    if isinstance(fields, Fields):
        return fields
    raise ValueError(", ".join(f"{error.property_name} {error.message}" for error in fields))
