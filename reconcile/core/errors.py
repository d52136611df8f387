"""The one root of errors meant for people, with the exit code each leads to.

    ReconcileError            anything a user can act on; carries a code, an exit code and a hint
    |- UsageError        64   wrong arguments, unknown address
    |- InputError        65   invalid manifests or settings, missing credentials or secrets
    |  `- DiagnosedError      the same, with a place for each
    |- RefusedError       3   a limit, a protection, a policy, or no consent
    |- LockedError        6   another run holds the lock
    |- StaleError         7   the plan no longer fits the state
    |- StateError         1   the state or the journal cannot be read, written or believed
    `- ApiError           1   the API cannot be used: credentials, role, address, answer

Lower errors are translated to one of these once, where they enter. Anything else that reaches the command line is a
bug in the tool and ends with 70.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconcile.core.diagnostics import Diagnostic


class ExitCode(IntEnum):
    """What a command ends with (product.md, "Exit codes")."""

    DONE = 0
    FAILED = 1
    CHANGES = 2
    REFUSED = 3
    IN_DOUBT = 4
    QUOTA = 5
    LOCKED = 6
    STALE = 7
    USAGE = 64
    INVALID = 65
    BUG = 70
    INTERRUPTED = 130


_PRECEDENCE = (
    ExitCode.BUG,
    ExitCode.INTERRUPTED,
    ExitCode.IN_DOUBT,
    ExitCode.FAILED,
    ExitCode.REFUSED,
    ExitCode.QUOTA,
)


def gravest(codes: set[ExitCode]) -> ExitCode:
    """The exit code to end with when several apply: 70, 130, 4, 1, 3, 5, else the only one, else 0."""
    for code in _PRECEDENCE:
        if code in codes:
            return code
    return max(codes, default=ExitCode.DONE)


class ReconcileError(Exception):
    """A failure that a person can act on.

    Args:
        message: One sentence: what is wrong. Never holds a token.
        help: What to do about it, if there is something to do.
        code: A short stable name for scripts, in kebab-case.
    """

    exit_code = ExitCode.FAILED
    default_code = "failed"

    def __init__(self, message: str, *, help: str = "", code: str = "") -> None:  # noqa: A002 - the field's own name
        super().__init__(message)
        self.message = message
        self.help = help
        self.code = code or self.default_code


class UsageError(ReconcileError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = ExitCode.USAGE
    default_code = "usage"


class InputError(ReconcileError):
    """Manifests, settings, credentials or secrets are invalid or missing."""

    exit_code = ExitCode.INVALID
    default_code = "invalid-input"


class DiagnosedError(InputError):
    """Inputs are invalid in ways that each have a place of their own."""

    default_code = "invalid-input"

    def __init__(self, message: str, diagnostics: "Sequence[Diagnostic]") -> None:
        super().__init__(message)
        self.diagnostics = diagnostics


class RefusedError(ReconcileError):
    """A limit, a protection or a policy forbids it, or nobody said yes."""

    exit_code = ExitCode.REFUSED
    default_code = "refused"


class LockedError(ReconcileError):
    """Another run holds the lock."""

    exit_code = ExitCode.LOCKED
    default_code = "locked"


class StaleError(ReconcileError):
    """The plan was made for another state, or was already applied."""

    exit_code = ExitCode.STALE
    default_code = "stale"


class StateError(ReconcileError):
    """The state, the journal or the disk below them cannot be read, written or believed."""

    default_code = "state"


class ApiError(ReconcileError):
    """The API cannot be used at all: credentials, a missing role, a wrong address, an unreadable answer."""

    default_code = "api"
