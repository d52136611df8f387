"""Who a command talks to: the API of the settings, or an embedded sandbox."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Literal, cast
from uuid import uuid4

from reconcile.adapters.auth import Authenticator, Credentials
from reconcile.adapters.exchange import ApiOptions
from reconcile.adapters.nexudus import Nexudus
from reconcile.adapters.pacing import Pacer
from reconcile.app.project import Project
from reconcile.core.errors import InputError, UsageError
from reconcile.core.quota import UNLIMITED, Limits
from reconcile.core.records import Secret
from reconcile.ports import Clock
from reconcile.settings import ApiSettings, read_credentials


@dataclass(frozen=True, slots=True)
class SandboxWishes:
    """How the embedded sandbox shall behave: the values of --limits, --faults and --seed."""

    limits: str | None = None
    faults: str = ""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """An API to talk to, and the pace that its limits allow."""

    api: Nexudus
    pace: Pacer


@contextmanager
def connect(project: Project, wishes: SandboxWishes, clock: Clock) -> Generator[Connection]:
    """The API while the with-block runs. Nothing is sent before the first request.

    Raises:
        InputError: Credentials are missing, or the sandbox is not installed.
        UsageError: --limits or --faults cannot be understood.
    """
    if project.is_sandbox:
        with _embedded_sandbox(project, wishes, clock) as connection:
            yield connection
        return
    api = project.settings.api
    scheme = cast("Literal['bearer', 'basic']", api.authentication)
    with _connection(api, Credentials(scheme, **read_credentials(project.environ)), api.limits, clock) as connection:
        yield connection


@contextmanager
def _connection(api: ApiSettings, credentials: Credentials, limits: Limits, clock: Clock) -> Generator[Connection]:
    options = ApiOptions(api.base_url, api.timeout_seconds, api.concurrency, api.use_environment_proxy)
    # A login under a client_id that another run uses would end that run's access.
    authenticator = Authenticator(credentials, f"reconcile-{uuid4()}", clock)
    pace = Pacer(clock, limits)
    client = Nexudus(options, authenticator, clock, pace)
    try:
        yield Connection(client, pace)
    finally:
        client.close()


@contextmanager
def _embedded_sandbox(project: Project, wishes: SandboxWishes, clock: Clock) -> Generator[Connection]:
    server = import_sandbox()
    folder = project.settings.state
    try:
        options = server.SandboxOptions(
            db=folder / "nexudus.sqlite", limits=wishes.limits or "off", faults=wishes.faults, seed=wishes.seed
        )
    except ValueError as error:
        raise refused_options(error) from None
    with ExitStack() as running:
        with starting_sandbox():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sandbox = running.enter_context(server.running_sandbox(options))
        api = replace(project.settings.api, base_url=sandbox.base_url, use_environment_proxy=False)
        credentials = Credentials(username=sandbox.username, password=Secret(sandbox.password))
        with _connection(api, credentials, _sandbox_limits(wishes.limits), clock) as connection:
            yield connection


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


def refused_options(error: ValueError) -> UsageError:
    """What the sandbox says about its options, without the table that it adds."""
    message, _, _ = str(error).partition("; write ")
    return UsageError(
        message, code="sandbox-options", help="`reconcile sandbox --help` lists the limits and the faults"
    )


def _sandbox_limits(spec: str | None) -> Limits:
    """The pace for a sandbox with these limits, which it has checked already."""
    if spec is None or spec == "off":
        return UNLIMITED
    if spec == "published":
        return Limits()
    named = dict(item.strip().split("=", 1) for item in spec.split(","))
    return Limits(**{name: int(named[name]) if name in named else None for name in Limits.__slots__})
