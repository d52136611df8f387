"""The lines of a saved plan <-> changes and diagnostics, strictly: whatever has another shape is an error.

A declared token's value is left out here, so no line can hold one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from reconcile.core.changes import Action, Change
from reconcile.core.diagnostics import Diagnostic, Location, Severity
from reconcile.core.differences import FieldChange
from reconcile.core.entries import IntentEntry
from reconcile.core.folded import Doubt
from reconcile.core.plain import NotPlainError, Plain, of_plain, to_plain
from reconcile.core.records import (
    UNMANAGED,
    Address,
    Managed,
    PaymentToken,
    Provider,
    StateRecord,
    Unmanaged,
    is_address,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """Something with a place in a manifest, if it has one."""

    file: str = ""
    line: int = 0
    column: int = 1

    @property
    def location(self) -> Location | None:
        return Location(self.file, self.line, self.column) if self.file else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ChangeLine(_Placed):
    """What is plain in a `Change`."""

    action: Literal["move", "forget", "adopt", "create", "update", "delete", "record", "in_doubt"]
    address: Address
    id: int | None = None
    reason: str = ""
    sends_token: bool = False
    moved_from: Address = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared(_Placed):
    """A `PaymentToken` at the address of its change, without the token; its place is the change's unless it says so."""

    coworker_invoice_id: int
    regular_payment_provider: Provider | Literal[Unmanaged.UNMANAGED] | None = UNMANAGED
    notes: Managed = UNMANAGED
    token_source: Managed = UNMANAGED
    token_version: int | None = None
    protect: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _DiagnosticLine(_Placed):
    """What is plain in a `Diagnostic`; an excerpt is made when it is shown."""

    code: str
    message: str
    help: str = ""
    severity: Literal["error", "warning"] = "error"
    secret: bool = False


def _place(location: Location | None) -> dict[str, Any]:
    return location._asdict() if location is not None else {}


def diagnostic_line_of(diagnostic: Diagnostic) -> Plain:
    """The line of a diagnostic; its excerpt is left out."""
    line = _DiagnosticLine(
        code=diagnostic.code,
        message=diagnostic.message,
        help=diagnostic.help,
        severity=diagnostic.severity.value,
        secret=diagnostic.secret,
        **_place(diagnostic.location),
    )
    return to_plain(line)


def line_of(change: Change) -> Plain:
    """The line of a change."""
    plain = _ChangeLine(
        action=change.action.value,
        address=change.address,
        id=change.id,
        reason=change.reason,
        sends_token=change.sends_token,
        moved_from=change.moved_from,
        **_place(change.location),
    )
    line = to_plain(plain)
    if change.fields:
        line["fields"] = [to_plain(field) for field in change.fields]
    if change.declared is not None:
        line["declared"] = to_plain(_declared(change.declared, change.location))
    if change.held is not None:
        line |= _held_in(change.held)
    if change.doubt is not None:
        doubt = change.doubt
        line["doubt"] = {"intent": to_plain(doubt.intent), "seen": doubt.seen, "ids": doubt.ids, "at": doubt.at}
    return line


def _held_in(held: StateRecord) -> Plain:
    provider = held.regular_payment_provider
    if type(provider) is not int:
        return {"held": to_plain(held)}
    # A number that was seen in Nexudus, and that no provider has.
    return {"held": to_plain(held._replace(regular_payment_provider=None)), "provider_seen": provider}


def _held_of(raw: object, provider: object) -> StateRecord | None:
    held = None if raw is None else of_plain(StateRecord, as_object(raw))
    if provider is None:
        return held
    if held is None or type(provider) is not int:
        raise NotPlainError("a provider that was seen is a number")
    return held._replace(regular_payment_provider=cast("Provider", provider))


def _declared(declared: PaymentToken, shown: Location | None) -> _Declared:
    return _Declared(
        coworker_invoice_id=declared.coworker_invoice_id,
        regular_payment_provider=declared.regular_payment_provider,
        notes=declared.notes,
        token_source=declared.token_source,
        token_version=declared.token_version,
        protect=declared.protect,
        **_place(declared.location if declared.location != shown else None),
    )


def as_object(value: object) -> Plain:
    """`value`, if it is a JSON object. Raises NotPlainError."""
    if not isinstance(value, dict):
        raise NotPlainError("an object is missing")
    return cast("Plain", value)


def objects(value: object) -> Iterator[Plain]:
    """The members of `value`, if it is a list of JSON objects. Raises NotPlainError."""
    if not isinstance(value, list):
        raise NotPlainError("a list is missing")
    return map(as_object, cast("list[object]", value))


def diagnostic_of(raw: Plain) -> Diagnostic:
    """The diagnostic of a line.

    Raises:
        NotPlainError: It is not what `diagnostic_line_of` gives.
    """
    line = of_plain(_DiagnosticLine, raw)
    return Diagnostic(line.code, line.message, line.location, line.help, Severity(line.severity), line.secret)


def change_of(raw: Plain) -> Change:
    """The change of a line, which is used up.

    Raises:
        NotPlainError: It is not what `line_of` gives.
    """
    names = ("declared", "held", "provider_seen", "doubt", "fields")
    declared, held, provider, doubt, fields = (raw.pop(name, None) for name in names)
    line = of_plain(_ChangeLine, raw)
    if not is_address(line.address):
        raise NotPlainError("an address is none")
    change = Change(
        action=Action(line.action),
        address=line.address,
        id=line.id,
        location=line.location,
        fields=tuple(of_plain(FieldChange, field) for field in objects(fields or [])),
        reason=line.reason,
        sends_token=line.sends_token,
        declared=None if declared is None else _payment_token(as_object(declared), line),
        held=_held_of(held, provider),
        moved_from=line.moved_from,
        doubt=None if doubt is None else _doubt(as_object(doubt)),
    )
    if not all(getattr(change, name) for name in _NEEDED[change.action]):
        raise NotPlainError("a change lacks what its action needs")
    return change


_NEEDED: Final = {
    Action.MOVE: ("moved_from",),
    Action.FORGET: ("held",),
    Action.ADOPT: ("declared", "id"),
    Action.CREATE: ("declared", "location"),
    Action.UPDATE: ("declared", "held", "id"),
    Action.DELETE: ("held", "id"),
    Action.RECORD: ("declared", "held", "id"),
    Action.IN_DOUBT: ("doubt",),
}
"""What a change of each action always has, and what those who show it or carry it out rely on."""


def _payment_token(raw: Plain, line: _ChangeLine) -> PaymentToken:
    declared = of_plain(_Declared, raw)
    location = declared.location or line.location
    if location is None:
        raise NotPlainError("a declared record has no place")
    return PaymentToken(
        address=line.address,
        location=location,
        coworker_invoice_id=declared.coworker_invoice_id,
        regular_payment_provider=declared.regular_payment_provider,
        notes=declared.notes,
        token_source=declared.token_source,
        token_version=declared.token_version,
        protect=declared.protect,
    )


@dataclass(frozen=True, slots=True)
class _DoubtLine:
    """What is plain in a `Doubt`."""

    seen: str
    ids: tuple[int, ...]
    at: str


def _doubt(raw: Plain) -> Doubt:
    intent = of_plain(IntentEntry, as_object(raw.pop("intent", None)))
    line = of_plain(_DoubtLine, raw)
    return Doubt(intent, line.seen, line.ids, line.at)
