"""Who a command talks to: the API of the settings, or an embedded sandbox."""

from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, cast
from uuid import uuid4

from reconcile.adapters.auth import Authenticator, Credentials
from reconcile.adapters.exchange import ApiOptions
from reconcile.adapters.nexudus import Nexudus
from reconcile.adapters.pacing import LONGEST_WAIT, Pacer
from reconcile.adapters.quota_ledger import QuotaLedger, account_of
from reconcile.app.project import Project, refused_options
from reconcile.app.quota import SANDBOX_ACCOUNT, open_writes
from reconcile.core.errors import InputError, StateError
from reconcile.core.quota import UNLIMITED, Limits
from reconcile.core.records import Secret
from reconcile.core.runs import RunWrites
from reconcile.journal import Journal
from reconcile.ports import Clock
from reconcile.settings import ApiSettings, read_credentials


@dataclass(frozen=True, slots=True)
class SandboxWishes:
    """How the embedded sandbox shall behave: the values of --limits, --faults and --seed."""

    limits: str | None = None
    faults: str = ""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What to do about a slot of the quota that is not free yet.

    Attributes:
        longest: Seconds to wait for it at most; None waits however long it takes.
        tell: Told the seconds of a long wait.
        note_read: Called before each read leaves.
    """

    longest: float | None = LONGEST_WAIT
    tell: Callable[[float], None] = lambda _: None
    note_read: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Access:
    """Who a command talks to, looked at before anything is touched; `connect` opens it.

    Attributes:
        account: Whose quota it is charged to; empty for a sandbox without limits.
        credentials: None for the embedded sandbox, which makes its own.
        sandbox_options: What the embedded sandbox is started with.
    """

    project: Project
    account: str
    credentials: Credentials | None = None
    sandbox_options: Any = None


@dataclass(frozen=True, slots=True)
class Connection:
    """An API to talk to, the pace that its limits allow, and where what it was charged is kept.

    Attributes:
        account: Whose quota; empty where nothing is counted.
        ledger: None for a sandbox without limits. Where nothing is counted it still keeps the server's word.
    """

    api: Nexudus
    pace: Pacer
    account: str = ""
    ledger: QuotaLedger | None = None

    def note_writes(self, run: str, journal: Journal, clock: Clock) -> None:
        """Writes down when the writes of a run were charged; before the journal that holds them is committed.

        Whoever got a slot when the run was ending sent nothing, so there may be more slots than intents.

        Raises:
            StateError: The ledger cannot be written.
        """
        sent = journal.write_times().get(run)
        if self.ledger is not None and sent is not None:
            ahead = clock.now() - clock.monotonic()
            self.ledger.take_over(run, [at + ahead for at in self.pace.own_writes()[: len(sent.times)]])

    def note_total(self, total: int) -> None:
        """Remembers how many records the account holds, for the price of later plans; without limits nothing has one.

        Raises:
            StateError: The ledger cannot be written.
        """
        if self.ledger is not None and self.account:
            self.ledger.note_total(total)


def find_access(project: Project, wishes: SandboxWishes) -> Access:
    """Who a command will talk to. Touches nothing, so that it can be asked before the lock is taken.

    Raises:
        InputError: Credentials are missing, or the sandbox is not installed.
        UsageError: --limits or --faults cannot be understood.
    """
    if project.is_sandbox:
        account = SANDBOX_ACCOUNT if project.limits != UNLIMITED else ""
        return Access(project, account, sandbox_options=_sandbox_options(project, wishes))
    api = project.settings.api
    scheme = cast("Literal['bearer', 'basic']", api.authentication)
    credentials = Credentials(scheme, **read_credentials(project.environ))
    return Access(project, account_of(api.base_url, credentials.username), credentials)


@contextmanager
def connect(access: Access, clock: Clock, waiting: Waiting | None = None) -> Generator[Connection]:
    """The API while the with-block runs, at the pace that is left to it. Nothing is sent before the first request.

    Either the lock is held and the journal open, whose writes are in the ledger then; or nothing is written, and the
    writes of a journal that nobody opened are counted as they stand there.

    Raises:
        InputError: The sandbox cannot start.
        StateError: The ledger cannot be read.
    """
    api, waiting = access.project.settings.api, waiting or Waiting()
    if access.credentials is not None:
        with _connection(access, api, access.credentials, clock, waiting) as connection:
            yield connection
        return
    with ExitStack() as running:
        with starting_sandbox():
            access.project.settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            sandbox = running.enter_context(import_sandbox().running_sandbox(access.sandbox_options))
        api = api._replace(base_url=sandbox.base_url, use_environment_proxy=False)
        credentials = Credentials(username=sandbox.username, password=Secret(sandbox.password))
        with _connection(access, api, credentials, clock, waiting) as connection:
            yield connection


@contextmanager
def _connection(
    access: Access, api: ApiSettings, credentials: Credentials, clock: Clock, waiting: Waiting
) -> Generator[Connection]:
    options = ApiOptions(api.base_url, api.timeout_seconds, api.concurrency, api.use_environment_proxy)
    # A login under a client_id that another run uses would end that run's access.
    name = f"reconcile-{uuid4()}"
    ledger = QuotaLedger(access.project.backend, access.account, name, clock) if access.account else None
    limits = access.project.limits
    pace = _pacer(limits, ledger, clock, waiting, open_writes(access.project.backend))
    client = Nexudus(options, Authenticator(credentials, name, clock), clock, pace)
    try:
        yield Connection(client, pace, access.account if limits != UNLIMITED else "", ledger)
    finally:
        client.close()
        if ledger is not None:
            with suppress(StateError):  # what was reserved counts as used then
                ledger.close()


def _pacer(
    limits: Limits,
    ledger: QuotaLedger | None,
    clock: Clock,
    waiting: Waiting,
    journalled: Mapping[str, RunWrites] | None = None,
) -> Pacer:
    if ledger is None:
        return Pacer(clock, reserve=waiting.note_read)
    charges = ledger.charges(journalled)
    behind = clock.monotonic() - clock.now()
    is_counted = limits != UNLIMITED

    def reserve() -> None:
        if is_counted:
            ledger.reserve_read()
        waiting.note_read()

    return Pacer(
        clock,
        limits,
        past_writes=[at + behind for at in charges.writes],
        past_requests=[at + behind for at in charges.requests],
        paused_until=charges.paused_until + behind,
        longest_wait=waiting.longest,
        reserve=reserve,
        keep_pause=ledger.note_pause,
        tell_wait=waiting.tell,
    )


def _sandbox_options(project: Project, wishes: SandboxWishes) -> Any:
    db = project.settings.state / "nexudus.sqlite"
    try:
        return import_sandbox().SandboxOptions(
            db=db, limits=wishes.limits or "off", faults=wishes.faults, seed=wishes.seed
        )
    except ValueError as error:
        raise refused_options(error) from None


def import_sandbox() -> ModuleType:
    """`reconcile.sandbox.server`, which needs packages that are installed with an extra only.

    Raises:
        InputError: They are not installed.
    """
    try:
        from reconcile.sandbox import server
    except ImportError as error:
        help_ = "install it with `pip install 'reconcile[sandbox]'`"
        raise InputError(
            f"the sandbox is not installed: {error.name} is missing", help=help_, code="no-sandbox"
        ) from None
    return server


@contextmanager
def starting_sandbox() -> Generator[None]:
    """Around the start of a sandbox: a port that is taken or a file that is no database becomes an InputError."""
    import sqlite3

    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        help_ = "another port, or another file for its records, may do"
        raise InputError(f"the sandbox cannot start: {reason}", code="sandbox-failed", help=help_) from None
