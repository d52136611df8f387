"""Takes over one existing record under a declared address: read once, remembered in the state, nothing sent."""

from dataclasses import dataclass, field

from reconcile import __version__
from reconcile.adapters.clock import Interruption, SystemClock
from reconcile.app.connection import SandboxWishes, connect, find_access
from reconcile.app.identity import lock_info, whoami
from reconcile.app.project import Project, load_declared, open_journal
from reconcile.apply.adopt import adoption
from reconcile.core.errors import RefusedError, UsageError
from reconcile.core.folded import Folded
from reconcile.core.manifest import Manifests
from reconcile.core.records import Address, PaymentToken
from reconcile.core.times import iso


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the command line says about an `import`; times in seconds."""

    address: Address
    record_id: int
    lock_timeout: float = 0.0
    sandbox: SandboxWishes = field(default_factory=SandboxWishes)


def import_record(project: Project, options: ImportOptions) -> bool:
    """Takes over the record; False when the address is that record already.

    Raises:
        DiagnosedError: The manifests hold errors.
        UsageError: The address is not declared.
        RefusedError: Address or id are taken, a write is in doubt there, or the record does not exist or fit.
        InputError: Credentials are missing.
        ApiError, QuotaError: The record cannot be read.
        StateError: The state or its journal cannot be read or written.
    """
    declared = _declared(load_declared(project), options.address)
    access = find_access(project, options.sandbox)
    clock = SystemClock(Interruption())
    with project.backend.lock(lock_info("import", clock.now()), timeout=options.lock_timeout) as lock:
        journal = open_journal(project, clock, lock)
        if _is_there(journal.folded, options):
            return False
        fingerprints = project.fingerprints(create=True)
        assert fingerprints is not None  # noqa: S101 - asked to, the backend makes the key
        with connect(access, clock) as connection:
            entry = adoption(
                connection.api, declared, options.record_id, fingerprints.of, iso(clock.now()), who=whoami()
            )
        journal.append(entry)
        journal.commit(tool_version=__version__)
    return True


def _declared(manifests: Manifests, address: Address) -> PaymentToken:
    if address not in manifests.records:
        raise UsageError(
            f"{address} is not declared",
            code="unknown-address",
            help="declare it below payment_tokens first: what is taken over is compared with that",
        )
    return manifests.records[address]


def _is_there(folded: Folded, options: ImportOptions) -> bool:
    """Whether the address is that record already. Raises RefusedError where one of the two is taken."""
    address, record_id = options.address, options.record_id
    if address in folded.doubts:
        raise RefusedError(
            f"a {folded.doubts[address].intent.action} is in doubt at {address}",
            help=f"`reconcile resolve {address}` settles it",
            code="in-doubt",
        )
    held = folded.state.records.get(address)
    owner = next((a for a, record in folded.state.records.items() if record.id == record_id), None)
    if held is not None and held.id != record_id:
        raise RefusedError(
            f"{address} is id {held.id} already",
            help=f"`reconcile state rm {address}` forgets it",
            code="address-taken",
        )
    if owner is not None and owner != address:
        raise RefusedError(
            f"id {record_id} is {owner} already",
            help=f"`reconcile state mv {owner} {address}` renames it",
            code="id-taken",
        )
    return held is not None
