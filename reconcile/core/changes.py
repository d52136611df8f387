"""What a plan is made of: changes, refusals, cost, and which addresses it speaks of. Plain values."""

from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from reconcile.core.diagnostics import Diagnostic, Location
from reconcile.core.differences import FieldChange
from reconcile.core.quota import Limits
from reconcile.core.records import Address, PaymentToken, StateRecord
from reconcile.core.safety import Policy, Safety

if TYPE_CHECKING:
    from reconcile.core.folded import Doubt


class Action(StrEnum):
    """What would happen to an address, in the order in which plans list it."""

    MOVE = "move"
    FORGET = "forget"
    ADOPT = "adopt"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RECORD = "record"
    IN_DOUBT = "in_doubt"


WRITES = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE})
"""The actions that cost a write against the quota."""

CARRIED_OUT = WRITES | {Action.ADOPT}
"""The actions that talk to the API, each of which has a result of its own."""

STATE_ONLY = frozenset({Action.MOVE, Action.FORGET, Action.RECORD})
"""The actions that send no request at all."""


GONE = "gone in Nexudus"
"""Why an address is forgotten whose record is proven gone: what is created there next is a new generation."""

AS_SEEN = "as it is in Nexudus"
"""Why the state is written anew: somebody made the record there what the manifest declares."""


class Change(NamedTuple):
    """One thing to do about one address.

    Attributes:
        id: The record concerned; None while there is none.
        location: Where the address is declared; None when it no longer is.
        reason: Why, where the action alone does not say; with "may update", the token could not be compared.
        declared: What it shall become; None for deletes and for what is forgotten.
        held: What the state remembers; None for creates.
        sends_token: Whether an update sends the declared token, as another one or for good measure.
        moved_from: The address it had so far, for moves.
        doubt: The write whose outcome is unknown, for an address in doubt.
    """

    action: Action
    address: Address
    id: int | None = None
    location: Location | None = None
    fields: tuple[FieldChange, ...] = ()
    reason: str = ""
    declared: PaymentToken | None = None
    held: StateRecord | None = None
    sends_token: bool = False
    moved_from: Address = ""
    doubt: "Doubt | None" = None


class Refusal(NamedTuple):
    """Why apply will not do this plan as it stands: the rule, the addresses it concerns, and the ways on."""

    rule: str
    message: str
    addresses: tuple[Address, ...] = ()
    help: str = ""


class Cost(NamedTuple):
    """What a plan takes at the account's limits, published or not: `seconds` spent sending, on as many quota `days`."""

    writes: int
    reads: int
    seconds: float
    days: int
    writes_left_today: int | None
    is_at_published_limits: bool = True


class Selection(NamedTuple):
    """Which addresses a plan speaks of: those that match a target, if there are any, and no exclusion."""

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    def has(self, address: Address) -> bool:
        """Whether the address is spoken of."""
        targeted = not self.targets or any(fnmatchcase(address, pattern) for pattern in self.targets)
        return targeted and not any(fnmatchcase(address, pattern) for pattern in self.excludes)

    def leaves_out(self, addresses: Iterable[Address]) -> list[Address]:
        """Those of `addresses` that are not spoken of."""
        return [address for address in addresses if not self.has(address)] if self.targets or self.excludes else []

    def unmatched(self, addresses: Iterable[Address]) -> list[str]:
        """The patterns that match none of `addresses`: most likely typing errors."""
        left = {*self.targets, *self.excludes}
        for address in addresses:
            left = {pattern for pattern in left if not fnmatchcase(address, pattern)}
            if not left:
                break
        return sorted(left)


class Plan(NamedTuple):
    """What apply would do, bound to the state (lineage, serial) and the manifests (digest) it was made from.

    Attributes:
        unchanged: How many declared records need nothing.
        compared_by_source: How many tokens could be compared only by where they come from.
        diagnostics: What the manifests are warned about.
        hints: What the plan itself is warned about: renames that nobody declared.
    """

    plan_id: str
    lineage: str
    serial: int
    digest: str
    files: int
    records: int
    changes: tuple[Change, ...]
    unchanged: int
    compared_by_source: int
    refusals: tuple[Refusal, ...]
    cost: Cost
    diagnostics: tuple[Diagnostic, ...] = ()
    hints: tuple[Diagnostic, ...] = ()

    def having(self, *actions: Action) -> list[Change]:
        """The changes with one of these actions, in plan order."""
        return [change for change in self.changes if change.action in actions]

    def count(self, action: Action) -> int:
        """How many changes have this action."""
        return sum(change.action is action for change in self.changes)

    @property
    def is_empty(self) -> bool:
        """Whether apply would have nothing to do."""
        return not self.changes


class Limiting(NamedTuple):
    """What bounds a plan and prices it: safety, policy, the account's limits, and what is known of its use.

    Attributes:
        writes_used_today: Writes of the last day; None where nobody counts them.
        known_records: How many records the account held when they were last counted; None when they never were.
    """

    safety: Safety = Safety()
    limits: Limits = Limits()
    writes_used_today: int | None = None
    known_records: int | None = None
    policy: Policy = Policy()
