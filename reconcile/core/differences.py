"""What differs between a declared record and the one remembered; equality itself is decided by plain comparison.

deepdiff is asked about changed records only: it costs about 100 µs a record, and its import more than a small plan.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple, cast

from reconcile.core.records import UNMANAGED, PaymentToken, Provider, StateRecord

FingerprintOf = Callable[[PaymentToken], str | None]
"""The fingerprint of a declared token; None when its value or the key is not at hand."""


class FieldChange(NamedTuple):
    """One field before and after, in words fit to show; a sensitive one shows where it comes from, never what it is."""

    name: str
    before: str | None
    after: str | None
    sensitive: bool = False


NOT_MANAGED = "(not managed)"
"""How a field is shown that is not declared."""


class TokenComparison(Enum):
    """What is known about a declared token against the one last sent."""

    SAME = "same"
    SAME_BY_SOURCE = "same as far as its source tells"
    CHANGED = "changed"
    MAY_HAVE_CHANGED = "may have changed"
    ONLY_RECORDED_DIFFERENTLY = "same, from elsewhere"


# What is answered for most records; looking a member up on its Enum runs Python code.
_SAME_BY_SOURCE = TokenComparison.SAME_BY_SOURCE


def compare_token(declared: PaymentToken, held: StateRecord, fingerprint_of: FingerprintOf) -> TokenComparison:
    """Compares by fingerprint where both are known under one key, else by source and version (product.md, "State")."""
    source, before = declared.token_source, held.token_source
    if source is UNMANAGED:
        return TokenComparison.SAME if before is UNMANAGED else TokenComparison.ONLY_RECORDED_DIFFERENTLY
    if source is None or before is None or before is UNMANAGED:
        return TokenComparison.SAME if source is before else TokenComparison.CHANGED
    if declared.token_version is not None and declared.token_version != held.token_version:
        return TokenComparison.CHANGED  # a raised version is how people force a token to be sent again
    return _compare_values(fingerprint_of(declared), declared, held)


def _compare_values(fingerprint: str | None, declared: PaymentToken, held: StateRecord) -> TokenComparison:
    same_source = declared.token_source == held.token_source
    if fingerprint is None or not _comparable(fingerprint, held.token_fingerprint):
        return _SAME_BY_SOURCE if same_source else TokenComparison.MAY_HAVE_CHANGED
    if fingerprint != held.token_fingerprint:
        return TokenComparison.CHANGED
    same_record = same_source and declared.token_version == held.token_version
    return TokenComparison.SAME if same_record else TokenComparison.ONLY_RECORDED_DIFFERENTLY


def _comparable(fingerprint: str, held: str | None) -> bool:
    return held is not None and fingerprint.partition(":")[0] == held.partition(":")[0]


def are_alike(declared: PaymentToken, held: StateRecord) -> bool:
    """Whether everything but the token reads the same in both: then neither of the two questions below can be a yes."""
    return (
        declared.notes == held.notes
        and declared.regular_payment_provider is held.regular_payment_provider
        and declared.protect == held.protect
    )


def fields_differ(declared: PaymentToken, held: StateRecord) -> bool:
    """Whether a managed field other than the token has another value than last applied."""
    provider, notes = declared.regular_payment_provider, declared.notes
    return (provider is not UNMANAGED and provider != held.regular_payment_provider) or (
        notes is not UNMANAGED and notes != held.notes and not (_is_blank(notes) and _is_blank(held.notes))
    )


def _is_blank(notes: object) -> bool:
    return notes is None or notes == ""  # the API does not tell them apart


def record_differs(declared: PaymentToken, held: StateRecord) -> bool:
    """Whether the state alone would read differently: protection, or a field that is no longer managed."""
    return (
        declared.protect != held.protect
        or (declared.regular_payment_provider is UNMANAGED) != (held.regular_payment_provider is UNMANAGED)
        or (declared.notes is UNMANAGED) != (held.notes is UNMANAGED)
    )


def field_changes(
    declared: PaymentToken, held: StateRecord, token: TokenComparison | None = None
) -> tuple[FieldChange, ...]:
    """Field by field, what an update or a correction of the state would change, sorted by name."""
    before, after = _shown(held), _shown(declared)
    if token in {TokenComparison.CHANGED, TokenComparison.MAY_HAVE_CHANGED} and before["token"] == after["token"]:
        after["token"] = f"{after['token']} (changed)"
    changes = [FieldChange(name, old, new, sensitive=name == "token") for name, old, new in _differing(before, after)]
    return tuple(sorted(changes, key=lambda change: change.name))


def created_fields(declared: PaymentToken) -> tuple[FieldChange, ...]:
    """What a create would send: the declared fields, and nothing else."""
    managed = {
        "notes": declared.notes,
        "regular_payment_provider": declared.regular_payment_provider,
        "token": declared.token_source,
    }
    shown = _shown(declared)
    return (
        FieldChange("coworker_invoice_id", None, str(declared.coworker_invoice_id)),
        *(
            FieldChange(name, None, shown[name], sensitive=name == "token")
            for name, value in managed.items()
            if value is not UNMANAGED
        ),
    )


def _differing(
    before: Mapping[str, str | None], after: Mapping[str, str | None]
) -> list[tuple[str, str | None, str | None]]:
    from deepdiff import DeepDiff

    alone: dict[str, Any] = {"multiprocessing_workers": 1}  # else it counts the processors, in a third of its time
    names = [name for name, value in before.items() if value != after[name]]  # its time grows with what it looks at
    old, new = ({name: values[name] for name in names} for values in (before, after))
    tree = cast("Mapping[str, Iterable[Any]]", DeepDiff(old, new, view="tree", **alone))
    levels = [level for group in tree.values() for level in group]
    return [(str(level.path(output_format="list")[0]), level.t1, level.t2) for level in levels]


def _shown(record: PaymentToken | StateRecord) -> dict[str, str | None]:
    provider, version = record.regular_payment_provider, record.token_version
    source = _text(record.token_source)
    return {
        "regular_payment_provider": provider.name if isinstance(provider, Provider) else _text(provider),
        "notes": _text(record.notes),
        "token": f"{source} version {version}" if version is not None else source,
        "protect": "true" if record.protect else "false",
    }


def _text(value: object) -> str | None:
    if value is UNMANAGED:
        return NOT_MANAGED
    return None if value is None else str(value)
