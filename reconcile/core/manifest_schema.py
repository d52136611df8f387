"""The definition of a manifest: models of its entries, and their JSON Schema.

`manifest_entry.py` is the quick way to the same records for entries without mistakes; this module is loaded for the
others, and for `reconcile schema`. It must not read files, nor compare entries with one another (`manifest_rules.py`).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from reconcile.core.manifest_fields import (
    InvoiceId,
    NotesField,
    ProtectField,
    ProviderField,
    RecordId,
    TokenField,
    Version,
    refuse,
)
from reconcile.core.manifest_names import AddressField, EnvName, FileName, GlobField
from reconcile.core.nodes import MappingNode, Node, is_scalar
from reconcile.core.records import ADDRESS_PATTERN, Address

_RECORD: Final[dict[str, JsonValue]] = {
    "coworker_invoice_id": 1001,
    "regular_payment_provider": "GoCardless",
    "token_from": {"env": "INV_1001_TOKEN"},
    "notes": "March renewal",
}


def _strict(title: str, schema: dict[str, JsonValue] | None = None) -> ConfigDict:
    """No unknown keys, and nothing of the input in an error's text; `schema` is added to the JSON Schema."""
    return ConfigDict(title=title, extra="forbid", frozen=True, hide_input_in_errors=True, json_schema_extra=schema)


class TokenFrom(BaseModel):
    """Where a token comes from: an environment variable, or a file below secrets.directory."""

    model_config = _strict(
        "Source of the token",
        {"oneOf": [{"required": ["env"]}, {"required": ["file"]}], "examples": [{"env": "INV_1001_TOKEN"}]},
    )

    env: EnvName = None
    file: FileName = None
    version: Version | None = None

    @model_validator(mode="after")
    def _names_one_source(self) -> Self:
        if (self.env is None) == (self.file is None):
            refuse("token-source", "exactly one of env and file names the source", "write {env: NAME} or {file: NAME}")
        return self

    @property
    def source(self) -> str:
        """As `PaymentToken.token_source` says it."""
        return f"file:{self.file}" if self.env is None else f"env:{self.env}"


def _fields_of_source(node: object) -> object:
    found = cast("Node", node)
    if not isinstance(found, MappingNode):
        hint = "write {env: NAME} or {file: NAME}"
        if is_scalar(found):
            hint += "; `token: null` clears the token"
        refuse("wrong-type", "token_from is a mapping", hint, is_secret=True)
    return found.values


TokenFromField = Annotated[TokenFrom, BeforeValidator(_fields_of_source)]


class DefaultsItem(BaseModel):
    """What this file declares for each of its records that does not say otherwise."""

    model_config = _strict("Defaults", {"examples": [{"regular_payment_provider": "GoCardless", "protect": False}]})

    regular_payment_provider: ProviderField = None
    notes: NotesField = None
    protect: ProtectField = False
    token_from: TokenFromField | None = None


class RecordItem(BaseModel):
    """One payment-token record."""

    model_config = _strict("Record", {"not": {"required": ["token", "token_from"]}, "examples": [_RECORD]})

    coworker_invoice_id: InvoiceId
    regular_payment_provider: ProviderField = None
    token: TokenField = None
    token_from: TokenFromField | None = None
    notes: NotesField = None
    protect: ProtectField = False

    @field_validator("token_from", mode="before")
    @classmethod
    def _stands_alone(cls, value: object, info: ValidationInfo) -> object:
        # Asked of the names rather than of the model, so that a mistake in another field does not hide this one.
        context: Mapping[str, Any] = info.context or {}
        if "token" in context.get("names", ()):
            refuse("two-tokens", "token and token_from exclude one another", "keep one of the two")
        return value


class MovedItem(BaseModel):
    """An address that is called otherwise now."""

    model_config = _strict("Move", {"examples": [{"from": "inv-1001-old", "to": "inv-1001"}]})

    source: AddressField = Field(alias="from")
    to: AddressField


class RemovedItem(BaseModel):
    """Addresses to forget without deleting their records."""

    model_config = _strict("Removal", {"examples": [{"from": "inv-2024-*"}]})

    source: GlobField = Field(alias="from")


class ImportItem(BaseModel):
    """An existing record that an address takes over."""

    model_config = _strict("Import", {"examples": [{"to": "inv-1002-card", "id": 87654321}]})

    to: AddressField
    id: RecordId


class Manifest(BaseModel):
    """A file of payment-token records for `reconcile`."""

    model_config = ConfigDict(extra="forbid", title="Manifest of payment tokens")

    defaults: DefaultsItem | None = None
    payment_tokens: dict[Annotated[Address, Field(pattern=ADDRESS_PATTERN)], RecordItem] = Field(
        default={},
        title="Payment tokens",
        description="The records, each below its address: letters, digits, . _ and -, unique across all files.",
        examples=[{"inv-1001": _RECORD}],
    )
    moved: list[MovedItem] = Field(
        default=[],
        title="Moved",
        description="Addresses that are called otherwise now. The state follows; nothing is sent.",
        examples=[[{"from": "inv-1001-old", "to": "inv-1001"}]],
    )
    removed: list[RemovedItem] = Field(
        default=[],
        title="Removed",
        description="Addresses to forget: their records stay in Nexudus and are managed no longer.",
        examples=[[{"from": "inv-2024-*"}]],
    )
    imports: list[ImportItem] = Field(
        default=[],
        title="Imports",
        description="Existing records that addresses of this file take over; nothing is sent for that.",
        examples=[[{"to": "inv-1002-card", "id": 87654321}]],
    )


class _ForEditors(GenerateJsonSchema):
    """Without the null that stands for an absent key inside, which a manifest must not say."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return {**super().dict_schema(schema), "additionalProperties": False}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a manifest (draft 2020-12), for `reconcile schema` and editors.

    It sees values as a reader of YAML 1.2 does, so it cannot tell how they were written: `0123`, `1.0` and `~` pass it
    and are refused by the validator, which says why.
    """
    schema = Manifest.model_json_schema(schema_generator=_ForEditors, by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
