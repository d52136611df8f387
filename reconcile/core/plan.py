"""The plan: what it would take to make the records what the manifests declare. Made without touching anything.

Order (product.md, "Manifest"): moved, removed, imports, then the comparison. Later rooms only carry out or show what
is decided here.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from reconcile.core.bounds import cost_of, limit_refusals
from reconcile.core.changes import (
    AS_SEEN,
    Action,
    Change,
    Limiting,
    Plan,
    Refusal,
    Selection,
)
from reconcile.core.diagnostics import Diagnostic
from reconcile.core.differences import (
    FieldChange,
    FingerprintOf,
    TokenComparison,
    are_alike,
    compare_token,
    field_changes,
    fields_differ,
    record_differs,
)
from reconcile.core.manifest import Manifests, Moved
from reconcile.core.records import Address, PaymentToken, StateRecord
from reconcile.core.state import State

if TYPE_CHECKING:
    from reconcile.core.drift import Comparisons
    from reconcile.core.folded import Doubt

_EVERYTHING = Selection()
_PUBLISHED = Limiting()
_NO_POLICY = _PUBLISHED.policy

# Asked of each record: looking a member up on its Enum runs Python code, and so does hashing one.
_SAME_BY_SOURCE = TokenComparison.SAME_BY_SOURCE
_CHANGED = TokenComparison.CHANGED
_MAY_HAVE_CHANGED = TokenComparison.MAY_HAVE_CHANGED
_ONLY_RECORDED_DIFFERENTLY = TokenComparison.ONLY_RECORDED_DIFFERENTLY


def make_plan(
    manifests: Manifests,
    state: State,
    doubts: "Mapping[Address, Doubt]",
    fingerprint_of: FingerprintOf,
    *,
    selection: Selection = _EVERYTHING,
    limiting: Limiting = _PUBLISHED,
    found: "Comparisons | None" = None,
) -> Plan:
    """Compares what is declared with what is remembered.

    Args:
        manifests: What is declared, without errors.
        state: What is remembered, with the journal folded in.
        doubts: The writes whose outcome is unknown, by address; nothing else is planned for these.
        fingerprint_of: See `FingerprintOf`.
        selection: The addresses the plan may speak of.
        limiting: What bounds the plan and prices it.
        found: What was seen of the records in Nexudus, and is laid over `state` already; None where nobody looked.
    """
    draft = _Draft(manifests, dict(state.records), doubts, fingerprint_of, selection)
    draft.move()
    draft.forget()
    if found is not None:
        draft.heed(found)
    draft.adopt()
    draft.compare()
    draft.retire()
    draft.name_doubts()
    changes = draft.in_order()
    refusals = (
        *draft.refusals,
        *limit_refusals(changes, limiting.safety, len(state.records)),
        *draft.refuse_by_rules(changes, limiting),
    )
    return Plan(
        plan_id=_plan_id(manifests, state, changes),
        lineage=state.lineage,
        serial=state.serial,
        digest=manifests.digest,
        files=manifests.files,
        records=len(manifests.records),
        changes=changes,
        unchanged=draft.unchanged,
        compared_by_source=draft.compared_by_source,
        refusals=refusals,
        cost=cost_of(changes, limiting, len(state.records)),
        diagnostics=(*manifests.diagnostics, *draft.diagnostics),
        hints=tuple(draft.likely_renames()),
    )


class _Draft:
    """A plan in the making.

    `held` is the state as it will be once moves and forgetting are done. What is said of an address in `settled` is
    all that the plan says of it: the steps that follow leave it alone.
    """

    def __init__(
        self,
        manifests: Manifests,
        held: dict[Address, StateRecord],
        doubts: "Mapping[Address, Doubt]",
        fingerprint_of: FingerprintOf,
        selection: Selection,
    ) -> None:
        self.refusals: list[Refusal] = []
        self.diagnostics: list[Diagnostic] = []
        self.unchanged = 0
        self.compared_by_source = 0
        self._manifests = manifests
        self._held = held
        self._doubts = dict(doubts)
        self._fingerprint_of = fingerprint_of
        self._selection = selection
        self._known = len(held)
        self._settled: set[Address] = set()
        self._gone: frozenset[int | None] = frozenset()
        self._stale: Mapping[int, tuple[FieldChange, ...]] = {}
        self._by_action: dict[Action, list[Change]] = {action: [] for action in Action}

    def in_order(self) -> tuple[Change, ...]:
        return tuple(change for changes in self._by_action.values() for change in changes)

    def move(self) -> None:
        for moved, to in _to_their_ends(self._manifests.moved):
            source = moved.source
            if source not in self._held and source not in self._doubts:
                continue  # done already
            if not self._selection.has(to) or to in self._doubts:
                self._settled.add(source)  # waits for its move; a delete or a create in its place would be a mistake
            elif to in self._held:
                self._refuse_move(source, to, self._held[to].id)
            else:
                self._move(moved, to)

    def _move(self, moved: Moved, to: Address) -> None:
        held = self._held.pop(moved.source, None)
        if held is not None:
            self._held[to] = held
        if moved.source in self._doubts:
            self._doubts[to] = self._doubts.pop(moved.source)  # a rename carries its doubt along
        record_id = held.id if held else None
        self._add(Change(Action.MOVE, to, id=record_id, location=moved.location, held=held, moved_from=moved.source))

    def _refuse_move(self, source: Address, to: Address, taken_by: int) -> None:
        message = f"cannot move {source} to {to}: {to} is id {taken_by} already"
        help_ = f"`reconcile state rm` forgets one of the two, or remove the `moved` entry of {source}"
        self.refusals.append(Refusal("move-conflict", message, (source, to), help_))
        self._settled.add(source)  # named once here; not planned as a delete on top

    def forget(self) -> None:
        if not self._manifests.removed:
            return
        for address in sorted(self._held.keys() - self._settled):
            if not self._selection.has(address) or address in self._doubts:
                continue
            removed = next((r for r in self._manifests.removed if fnmatchcase(address, r.pattern)), None)
            if removed is not None:
                held = self._held.pop(address)
                self._add(Change(Action.FORGET, address, id=held.id, location=removed.location, held=held))

    def heed(self, found: "Comparisons") -> None:
        """What somebody did in Nexudus: what is gone is forgotten, and created again by the steps that follow."""
        from reconcile.core.drift_plan import diagnose_invisible, forget_gone, refuse_elsewhere, refuse_empty_account

        gone = forget_gone(found, self._selection.has)
        self._by_action[Action.FORGET] += gone
        self._gone = frozenset(change.id for change in gone)
        self._stale = found.changed
        refusals = refuse_elsewhere(found, self._held, self._selection.has)
        self.refusals += (*refuse_empty_account(found), *refusals)
        self._settled.update(address for refusal in refusals for address in refusal.addresses)
        self.diagnostics += diagnose_invisible(found)

    def adopt(self) -> None:
        owners = {record.id: address for address, record in self._held.items()} if self._manifests.imports else {}
        for wanted in self._manifests.imports:
            owner = owners.get(wanted.id)
            if owner == wanted.to or wanted.to in self._doubts or not self._selection.has(wanted.to):
                continue
            if wanted.id in self._gone:
                continue  # what was taken over is gone: another one is created
            self._settled.add(wanted.to)
            taken = self._held.get(wanted.to)
            if owner is not None or taken is not None:
                holder = f"{owner} owns id {wanted.id}" if owner else f"{wanted.to} is id {taken.id if taken else 0}"
                message = f"cannot import id {wanted.id} as {wanted.to}: {holder} already"
                self.refusals.append(Refusal("import-conflict", message, (wanted.to,), "remove the `imports` entry"))
                continue
            declared = self._manifests.records[wanted.to]
            self._add(Change(Action.ADOPT, wanted.to, id=wanted.id, location=wanted.location, declared=declared))

    def compare(self) -> None:
        left_alone = {*self._doubts, *self._settled, *self._selection.leaves_out(self._manifests.records)}
        for address, declared in self._manifests.records.items():
            if address in left_alone:
                continue
            held = self._held.get(address)
            if held is None:
                self._add(Change(Action.CREATE, address, location=declared.location, declared=declared))
            elif held.coworker_invoice_id != declared.coworker_invoice_id:
                self._refuse_other_invoice(declared, held)
            else:
                self._compare_with(declared, held)

    def _refuse_other_invoice(self, declared: PaymentToken, held: StateRecord) -> None:
        message = (
            f"{declared.location}: {declared.address} was created for invoice {held.coworker_invoice_id}; "
            f"a record cannot change to invoice {declared.coworker_invoice_id}"
        )
        help_ = "declare the new invoice under a new address"
        self.refusals.append(Refusal("invoice-changed", message, (declared.address,), help_))

    def _compare_with(self, declared: PaymentToken, held: StateRecord) -> None:
        token = compare_token(declared, held, self._fingerprint_of)
        if token is _SAME_BY_SOURCE or token is _MAY_HAVE_CHANGED:
            self.compared_by_source += 1
        is_alike = are_alike(declared, held)  # nearly always, and then there is nothing else to ask
        if token is _CHANGED or (not is_alike and fields_differ(declared, held)):
            action, reason = Action.UPDATE, ""
        elif token is _MAY_HAVE_CHANGED:
            action, reason = Action.UPDATE, "may update"
        elif token is _ONLY_RECORDED_DIFFERENTLY or (not is_alike and record_differs(declared, held)):
            action, reason = Action.RECORD, "the state alone"
        elif held.id in self._stale:
            action, reason = Action.RECORD, AS_SEEN
        else:
            self.unchanged += 1
            return
        self._add(
            Change(
                action,
                declared.address,
                id=held.id,
                location=declared.location,
                fields=self._stale[held.id] if reason == AS_SEEN else field_changes(declared, held, token),
                reason=reason,
                declared=declared,
                held=held,
                sends_token=isinstance(declared.token_source, str)
                and (token is _CHANGED or token is _MAY_HAVE_CHANGED),
            )
        )

    def retire(self) -> None:
        for address in sorted(self._held.keys() - self._manifests.records.keys() - self._settled):
            if not self._selection.has(address) or address in self._doubts:
                continue
            held = self._held[address]
            self._add(Change(Action.DELETE, address, id=held.id, held=held, reason="no longer declared"))
            if held.protect:
                message = f"{address} (id {held.id}) is protected and no longer declared"
                help_ = (
                    f"declare it again, or set `protect: false` and apply before retiring it; or --exclude {address}"
                )
                self.refusals.append(Refusal("protected", message, (address,), help_))

    def name_doubts(self) -> None:
        for address, doubt in sorted(self._doubts.items()):
            if self._selection.has(address):
                declared = self._manifests.records.get(address)
                self._add(
                    Change(
                        Action.IN_DOUBT,
                        address,
                        id=doubt.intent.id,
                        location=declared.location if declared else None,
                        reason=doubt.seen,
                        declared=declared,
                        doubt=doubt,
                    )
                )

    def refuse_by_rules(self, changes: Sequence[Change], limiting: Limiting) -> list[Refusal]:
        if limiting.policy == _NO_POLICY and not limiting.safety.has_shares:
            return []
        from reconcile.core.policy import refusals_by_policy, refusals_by_share

        declared = [record for address, record in self._manifests.records.items() if self._selection.has(address)]
        return [
            *refusals_by_share(changes, self._known, limiting.safety),
            *refusals_by_policy(declared, changes, limiting.policy),
        ]

    def likely_renames(self) -> Iterable[Diagnostic]:
        creates, deletes = self._by_action[Action.CREATE], self._by_action[Action.DELETE]
        if not creates or not deletes:
            return ()
        from reconcile.core.renames import likely_renames

        return likely_renames(creates, deletes, self._fingerprint_of)

    def _add(self, change: Change) -> None:
        self._by_action[change.action].append(change)


def _to_their_ends(moves: Iterable[Moved]) -> list[tuple[Moved, Address]]:
    """Each move with the address it leads to in the end: after a -> b and b -> c, a record still at a becomes c."""
    following = {moved.source: moved.to for moved in moves}
    ends: list[tuple[Moved, Address]] = []
    for moved in moves:
        to = moved.to
        while to in following:
            to = following[to]
        ends.append((moved, to))
    return ends


def _plan_id(manifests: Manifests, state: State, changes: Iterable[Change]) -> str:
    """Eight hex digits that differ when the plan does.

    What a create holds follows from its address and the manifests, so its address is enough.
    """
    lineage = state.lineage if state.serial else ""  # a state that was never written gets its name at the first write
    digest = hashlib.sha256(f"{lineage} {state.serial} {manifests.digest}".encode())
    creates: list[Address] = []
    for change in changes:
        if change.action is Action.CREATE:
            creates.append(change.address)
        else:
            digest.update(f"{change.action} {change.address} {change.id} {change.fields} {change.reason}\n".encode())
    digest.update("\n".join(creates).encode())
    return digest.hexdigest()[:8]
