"""The one kind of record: as declared, as remembered, as observed; and the words they share."""

import re
from enum import Enum, IntEnum
from typing import Final, Literal, NamedTuple, TypeAlias

from reconcile.core.diagnostics import Location

Address: TypeAlias = str
"""What a manifest calls a record: letters, digits, `.`, `_` and `-`; unique across all manifests."""

ADDRESS_PATTERN: Final = r"^[A-Za-z0-9._-]{1,200}$"
MAX_ID: Final = 2**63 - 1

_is_address = re.compile(ADDRESS_PATTERN).fullmatch


def is_address(text: str) -> bool:
    """Whether `text` may name a record."""
    return _is_address(text) is not None


class Provider(IntEnum):
    """`eRegularPaymentProvider` of the API (not `ePaymentProvider`, which numbers otherwise)."""

    MultiGateway = 1
    Stripe = 2
    Forte = 3
    AuthorizeNetSubscription = 4
    PaypalStandardSubscription = 5
    PayPalAdaptive = 6
    EPay = 7
    Braintree = 8
    EziDebit = 9
    LiqPay = 10
    StripeACH = 11
    GoCardless = 12
    StripeBACS = 13
    CreditNote = 94
    GiftCard = 95
    BankTransfer = 96
    Cash = 97
    Check = 98
    Other = 99


PROVIDERS: Final = {provider.name: provider for provider in Provider}


class Unmanaged(Enum):
    """The type of `UNMANAGED`."""

    UNMANAGED = "unmanaged"

    def __repr__(self) -> str:
        return "UNMANAGED"


UNMANAGED: Final = Unmanaged.UNMANAGED
"""A field that is not declared: not sent on create, kept on update, never drift. `None`, in contrast, clears."""

Managed: TypeAlias = "str | Literal[Unmanaged.UNMANAGED] | None"


class Secret:
    """A token in memory. Nothing that prints, formats, compares or pickles it shows what it holds."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The token itself: for the request body and the fingerprint, and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")


LITERAL: Final = "literal"
"""The `token_source` of a token that stands in the manifest itself."""


class PaymentToken(NamedTuple):
    """A record as a manifest declares it.

    `token_source` says where the token comes from: `env:NAME`, `file:NAME`, `literal`; `None` clears it. `literal` is
    set for the last of these only.
    """

    address: Address
    location: Location
    coworker_invoice_id: int
    regular_payment_provider: Provider | Literal[Unmanaged.UNMANAGED] | None = UNMANAGED
    notes: Managed = UNMANAGED
    token_source: Managed = UNMANAGED
    token_version: int | None = None
    protect: bool = False
    literal: Secret | None = None


class StateRecord(NamedTuple):
    """A record as last applied: what the state remembers of it, and what a plan compares with.

    Attributes:
        id: The API's Id.
        token_fingerprint: `<key id>:<hex HMAC-SHA-256>` of the token last sent; None when it is not known.
        created_at: When it was created or adopted, UTC, ISO 8601.
        updated_at: When it was last written, UTC, ISO 8601.
    """

    id: int
    coworker_invoice_id: int
    regular_payment_provider: Provider | Literal[Unmanaged.UNMANAGED] | None = UNMANAGED
    notes: Managed = UNMANAGED
    token_source: Managed = UNMANAGED
    token_version: int | None = None
    token_fingerprint: str | None = None
    protect: bool = False
    created_at: str = ""
    updated_at: str = ""


class ObservedRecord(NamedTuple):
    """A record as the API shows it. Its token stays wrapped; None may mean "not filled in" when it came from a list.

    Attributes:
        created_on: UTC, ISO 8601, as the API spells it; empty where it does not say.
        updated_on: The same.
    """

    id: int
    coworker_invoice_id: int
    regular_payment_provider: int | None = None
    notes: str | None = None
    token: Secret | None = None
    created_on: str = ""
    updated_on: str = ""


class WholeRecord(NamedTuple):
    """A record as it was read by its id, with all that the API said of it, known to us or not.

    Attributes:
        text: The JSON object as it came, to the byte; it holds the token.
    """

    observed: ObservedRecord
    text: Secret
