"""The quota of the account that a project works with: which one it is, its limits, and what they still allow."""

import time
from typing import NamedTuple

from reconcile.adapters.quota_ledger import Charges, account_of, read_charges
from reconcile.app.project import Project
from reconcile.core.changes import Limiting
from reconcile.core.commit import decode_commit
from reconcile.core.errors import InputError
from reconcile.core.quota import UNLIMITED, WindowUse, window_uses, writes_used_last_day
from reconcile.core.runs import RunWrites
from reconcile.ports import Backend
from reconcile.settings import read_credentials

SANDBOX_ACCOUNT = "sandbox"


class QuotaUse(NamedTuple):
    """What is used of an account's limits, and what is left.

    Attributes:
        account: The account's short name; empty where all accounts are counted together.
        login: Who it is, as far as that is known without credentials.
        base_url: Where; empty for the sandbox.
        is_counted: Whether there is any limit, without which nothing is counted.
        at: Seconds since the epoch.
    """

    account: str
    login: str
    base_url: str
    is_counted: bool
    windows: tuple[WindowUse, ...]
    at: float

    @property
    def whose(self) -> str:
        """The account in words."""
        if not self.base_url:
            return "the sandbox"
        if not self.account:
            return "all accounts together, as no login is known: set NEXUDUS_USERNAME for one of them"
        return f"{self.login or 'an access token'} at {self.base_url}"


def quota_use(project: Project) -> QuotaUse:
    """How full every window is now; needs no credentials, takes no lock and changes nothing.

    Raises:
        StateError: The ledger or the journal cannot be read.
    """
    now, account = time.time(), known_account(project)
    limits = project.limits
    charges = _charges(project, account, now) if limits != UNLIMITED else Charges()
    uses = window_uses(limits, charges.writes, charges.requests, now)
    return QuotaUse(
        account=account or "",
        login=_known_login(project) or "",
        base_url="" if project.is_sandbox else project.settings.api.base_url,
        is_counted=limits != UNLIMITED,
        # The server's word outranks every window.
        windows=tuple(use._replace(next_slot=max(use.next_slot, charges.paused_until - now)) for use in uses),
        at=now,
    )


def limiting_of(project: Project, allow_deletes: int | None) -> Limiting:
    """What bounds a plan and prices it, with what the account's quota has seen so far.

    Raises:
        StateError: The ledger or the journal cannot be read.
    """
    safety, policy = project.settings.safety, project.settings.policy
    if allow_deletes is not None:
        safety = safety._replace(max_deletes=allow_deletes, max_delete_share=None)
    if project.limits == UNLIMITED:
        return Limiting(safety, UNLIMITED, policy=policy)
    now = time.time()
    charges = _charges(project, known_account(project), now)
    return Limiting(safety, project.limits, writes_used_last_day(charges.writes, now), charges.total, policy)


def known_account(project: Project) -> str | None:
    """The account that the environment names; None where it names none."""
    if project.is_sandbox:
        return SANDBOX_ACCOUNT
    login = _known_login(project)
    return None if login is None else account_of(project.settings.api.base_url, login)


def _known_login(project: Project) -> str | None:
    """The user name, empty with an access token alone; None without either."""
    try:
        known = read_credentials(project.environ)
    except InputError:  # whoever needs the credentials says so; a plan does not
        return None
    return known["username"] if known["username"] or known["access_token"] is not None else None


def _charges(project: Project, account: str | None, now: float) -> Charges:
    backend = project.backend
    return read_charges(backend, account, now, open_writes(backend))


def open_writes(backend: Backend) -> dict[str, RunWrites]:
    """The writes that only the journal knows: of runs that nothing was committed after. Most often costs one line."""
    last = backend.last_journal_line()
    if not last or decode_commit(last) is not None:
        return {}
    from reconcile.core.journalfile import decode
    from reconcile.core.runs import writes_by_run

    return writes_by_run(decode(backend.read_journal()).entries)
