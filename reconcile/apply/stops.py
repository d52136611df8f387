"""The reasons for which a run ends before its plan does, in words, each with the way on."""

from reconcile.core.entries import WriteAction
from reconcile.core.errors import ExitCode, ReconcileError
from reconcile.core.outcomes import Unauthorized
from reconcile.core.report import Stop

GO_ON = "`reconcile apply` goes on where this run stopped"

INTERRUPTED = Stop(ExitCode.INTERRUPTED, "interrupted; what was sent is recorded", GO_ON)

LOCK_LOST = Stop(ExitCode.FAILED, "the lock was taken away while this run held it; nothing more was sent", GO_ON)


def quota_stop(seconds: float) -> Stop:
    """The next slot is `seconds` away, which is too far."""
    minutes = max(1, round(seconds / 60))
    away = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"
    return Stop(ExitCode.QUOTA, f"the quota is used up; its next slot is {away} away", GO_ON, spares_slots=True)


def wrong_address(status: int) -> Stop:
    """Something answered that is not the API."""
    message = f"HTTP {status} without JSON: whatever answers there is not the API"
    return Stop(ExitCode.FAILED, message, "check api.base_url in reconcile.yaml, or NEXUDUS_BASE_URL")


_ROLES = {"create": "Create", "update": "Edit", "delete": "Delete"}


def unauthorized(outcome: Unauthorized, action: WriteAction) -> Stop:
    """Refused, also with a fresh access token; the API does not say which of the two it is."""
    words = f" ({outcome.words})" if outcome.words else ""
    return Stop(
        ExitCode.FAILED,
        f"HTTP {outcome.status}{words}: bad credentials, or the role "
        f"CoworkerInvoicePaymentToken-{_ROLES[action]} is missing",
        "check NEXUDUS_ACCESS_TOKEN or NEXUDUS_USERNAME and NEXUDUS_PASSWORD, then the roles of that user",
    )


def unreachable(reason: str) -> Stop:
    """No request got through, and none was sent."""
    return Stop(ExitCode.FAILED, f"the API cannot be reached: {reason}", GO_ON)


def known_id(seen: str) -> Stop:
    """An answer named a record that exists already."""
    return Stop(ExitCode.IN_DOUBT, seen, "look at that record before anything else is sent")


def stop_of(error: ReconcileError) -> Stop:
    """An error that the run cannot go on after."""
    return Stop(error.exit_code, error.message, error.help)
