"""The entries of the journal: what each says, and what it must be durable before (protocol.md, "The journal").

This module owns their shape alone. What they mean together is `operations.py`, how they are written down is
`journalfile.py`, how they are made durable is `reconcile/journal.py`. No entry holds a token.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from reconcile.core.commit import CommittedEntry
from reconcile.core.records import UNMANAGED, Address, Managed, Provider, StateRecord, Unmanaged

FORMAT_VERSION = 1

WriteAction: TypeAlias = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class HeaderEntry:
    """Opens a journal: which lineage it belongs to, and the serial of the state it continues."""

    lineage: str
    serial: int
    format: int = FORMAT_VERSION
    type: Literal["header"] = "header"


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run begins: who, where, with which tool, for which plan. `at` is UTC, ISO 8601, as everywhere below.

    Attributes:
        account: Whose quota its writes are charged to; empty where no limit is kept.
        plan_file: The digest of the saved plan that it carries out, which it claims with this entry; empty without one.
    """

    run: str
    operation: str
    at: str
    plan_id: str = ""
    who: str = ""
    host: str = ""
    tool_version: str = ""
    git_commit: str = ""
    account: str = ""
    plan_file: str = ""
    type: Literal["run"] = "run"


@dataclass(frozen=True, slots=True)
class IntentEntry:
    """A write is about to be sent. Durable before the first byte of the request; holds everything but the token.

    What an applied or adopted record becomes in the state comes from here, not from the manifest of a later day.

    Attributes:
        operation: Names this attempt for the entries that follow.
        attempt: Counts from 1 within the run and address.
        id: The record written to; None for a create.
        before: Its managed fields as they were read before an update, which tell afterwards whether it took effect.
        baseline: Ids already seen at the invoice before the request.
        deadline: When the request is given up, UTC, ISO 8601, by the clock that `at` is from.
        server_at: The same moment as `at` by the server's clock; empty when it had not said what time it is.
    """

    operation: str
    run: str
    at: str
    attempt: int
    address: Address
    action: WriteAction
    coworker_invoice_id: int
    deadline: str
    regular_payment_provider: Provider | Literal[Unmanaged.UNMANAGED] | None = UNMANAGED
    notes: Managed = UNMANAGED
    token_source: Managed = UNMANAGED
    token_version: int | None = None
    token_fingerprint: str | None = None
    protect: bool = False
    file: str = ""
    line: int = 0
    id: int | None = None
    baseline: tuple[int, ...] = ()
    server_at: str = ""
    before: StateRecord | None = None
    type: Literal["intent"] = "intent"


@dataclass(frozen=True, slots=True)
class AppliedEntry:
    """The write took effect, and this is the record's id."""

    operation: str
    id: int
    at: str
    type: Literal["applied"] = "applied"


@dataclass(frozen=True, slots=True)
class NoEffectEntry:
    """The write had no effect; `proof` says how that is known. Durable before any new attempt."""

    operation: str
    at: str
    proof: Literal["never-sent", "rejected", "throttled", "unauthorized", "wrong-address"]
    words: str = ""
    type: Literal["no_effect"] = "no_effect"


@dataclass(frozen=True, slots=True)
class InDoubtEntry:
    """What was seen of a write whose effect is unknown. Doubt is the default: an intent without an outcome."""

    operation: str
    at: str
    seen: str
    ids: tuple[int, ...] = ()
    type: Literal["in_doubt"] = "in_doubt"


@dataclass(frozen=True, slots=True)
class ResolvedEntry:
    """Doubt was settled, by reading or by a person: `id` is the record it became, None when it had no effect.

    Attributes:
        carried: Compaction wrote it down again for the sake of a late twin; the state holds what it says.
    """

    operation: str
    at: str
    verdict: Literal["adopted", "not_created"]
    id: int | None = None
    ids_seen: tuple[int, ...] = ()
    who: str = ""
    carried: bool = False
    type: Literal["resolved"] = "resolved"


@dataclass(frozen=True, slots=True)
class CheckedEntry:
    """The invoice of a settled doubt was listed once more, after the settle time, and holds no late twin."""

    operation: str
    at: str
    type: Literal["checked"] = "checked"


@dataclass(frozen=True, slots=True)
class StateChangedEntry:
    """A person or a manifest changed the state alone. Durable before the state is written.

    `gone` says that the record is proven to exist no longer: what is created at the address after that is a new
    generation, and this has to be durable before.

    Attributes:
        id: The record it speaks of; the change is skipped where the address holds another one by now.
        to: The new address of a move.
        record: What the address holds from now on, for `adopt` and `record`.
    """

    change: Literal["mv", "rm", "forget", "gone", "adopt", "record", "push"]
    at: str
    address: Address = ""
    id: int = 0
    to: Address = ""
    record: StateRecord | None = None
    who: str = ""
    type: Literal["state_changed"] = "state_changed"


@dataclass(frozen=True, slots=True)
class FinishedEntry:
    """A run ended by itself; one that was killed lacks this entry."""

    run: str
    at: str
    exit_code: int
    unattempted: int = 0
    type: Literal["finished"] = "finished"


Entry: TypeAlias = (
    HeaderEntry
    | RunEntry
    | IntentEntry
    | AppliedEntry
    | NoEffectEntry
    | InDoubtEntry
    | ResolvedEntry
    | CheckedEntry
    | StateChangedEntry
    | FinishedEntry
    | CommittedEntry
)
