"""What all manifests together declare; the types that plan and apply build on."""

from collections.abc import Mapping
from typing import NamedTuple

from reconcile.core.diagnostics import Diagnostic, Location
from reconcile.core.records import Address, PaymentToken


class Moved(NamedTuple):
    """An address that is called otherwise now: the state follows, nothing is sent."""

    source: Address
    to: Address
    location: Location


class Removed(NamedTuple):
    """Addresses to forget without deleting their records; `pattern` is a glob with `*`, `?` and `[ ]`."""

    pattern: str
    location: Location


class Import(NamedTuple):
    """An existing record, by its Id, that an address takes over."""

    to: Address
    id: int
    location: Location


class Manifests(NamedTuple):
    """Everything declared, or why it is not.

    Attributes:
        records: By address, in path order and then in file order. Not to be used when `diagnostics` has errors.
        digest: `sha256:<hex>` over relative paths and contents: the same folder has the same digest anywhere.
        files: How many files were read.
        diagnostics: Errors and warnings, in file order.
    """

    records: Mapping[Address, PaymentToken]
    moved: tuple[Moved, ...]
    removed: tuple[Removed, ...]
    imports: tuple[Import, ...]
    digest: str
    files: int
    diagnostics: tuple[Diagnostic, ...]
