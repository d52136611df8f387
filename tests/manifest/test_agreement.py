"""The fast path, the models and the JSON Schema agree: shown on generated entries."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconcile.adapters.manifest_files import load_manifests
from reconcile.adapters.yaml_reader import parse_document
from reconcile.core.diagnostics import Location, Severity
from reconcile.core.manifest_collect import _SHAPES
from reconcile.core.manifest_entry import NO_DEFAULTS, obvious_defaults, obvious_record, with_late_defaults
from reconcile.core.manifest_examine import declared_defaults, declared_record, examine
from reconcile.core.manifest_schema import DefaultsItem, Manifest, RecordItem, json_schema
from reconcile.core.nodes import MappingNode
from reconcile.core.records import PROVIDERS, PaymentToken, Provider

AT = Location("m.yaml", 1, 1)
VALIDATOR = Draft202012Validator(json_schema())


def as_yaml(value: Any) -> str:
    """JSON, with the escapes that YAML knows: it has no surrogate pairs, and refuses some characters as they are."""
    return "".join(
        c if " " <= c < "\x7f" else f"\\u{ord(c):04x}" if c <= "\uffff" else f"\\U{ord(c):08x}"
        for c in json.dumps(value, ensure_ascii=False)
    )


# Scalars as they may stand in a flow mapping: plain ones, quoted ones, collections.
plain = st.one_of(
    st.sampled_from([
        "", "null", "~", "Null", "NULL", "true", "false", "True", "yes", "0", "1", "01", "1_0", "+1", "-1", "1.0",
        "9223372036854775807", "9223372036854775808", "Stripe", "stripe", "94", "14", "NEXUDUS_X", "reconcile_y", "A_B",
        "a/b", "../a", ".a", "inv-1", "a b", "é", "\N{MONGOLIAN VOWEL SEPARATOR}x", "\N{NO-BREAK SPACE}x",
    ]),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_./ -]{0,12}[A-Za-z0-9_]", fullmatch=True),
)  # fmt: skip
quoted = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(as_yaml)
scalar = st.one_of(plain, quoted)
collection = st.sampled_from(["{}", "[]", "{env: A}", "{file: a}", "{env: A, version: 2}", "{env: A, file: b}", "[1]"])
key = st.sampled_from([
    "coworker_invoice_id", "regular_payment_provider", "token", "token_from", "notes", "protect", "version", "<<", "x",
])  # fmt: skip
source = st.dictionaries(st.sampled_from(["env", "file", "version", "x"]), scalar, max_size=3)


def written(fields: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {_value(value)}" for name, value in fields.items()) + "}"


def _value(value: Any) -> str:
    return written(value) if isinstance(value, dict) else value


entry = st.dictionaries(key, st.one_of(scalar, scalar, collection, source), max_size=5).map(
    lambda fields: {"coworker_invoice_id": "1"} | fields
)


@settings(max_examples=1500, deadline=None)
@given(entry, st.sampled_from(["", "A"]))
def test_what_the_fast_path_accepts_the_models_accept_with_an_equal_record(
    fields: dict[str, Any], env_prefix: str
) -> None:
    node, problems = parse_document(written(fields).encode(), "m.yaml")
    if not isinstance(node, MappingNode) or problems:
        return
    fast = obvious_record("a", AT, node, NO_DEFAULTS, env_prefix)
    item = examine(RecordItem, node, AT, env_prefix)

    if fast is not None:
        assert isinstance(item, RecordItem), item
        same_record(fast, declared_record(item, "a", AT, NO_DEFAULTS))
    if isinstance(item, RecordItem):
        record = record_through_the_loader(written(fields), env_prefix)
        same_record(record, declared_record(item, "a", record.location, NO_DEFAULTS))


default_key = st.sampled_from(["regular_payment_provider", "notes", "protect", "token_from", "token", "x"])
defaults = st.dictionaries(default_key, st.one_of(scalar, scalar, collection, source), max_size=4)


@settings(max_examples=1000, deadline=None)
@given(defaults, st.sampled_from(["", "A"]))
def test_the_fast_path_of_defaults_accepts_what_the_models_accept_with_equal_defaults(
    fields: dict[str, Any], env_prefix: str
) -> None:
    node, problems = parse_document(written(fields).encode(), "m.yaml")
    if not isinstance(node, MappingNode) or problems:
        return
    fast = obvious_defaults(node, env_prefix)
    item = examine(DefaultsItem, node, AT, env_prefix)

    if fast is not None:
        assert isinstance(item, DefaultsItem), item
        assert fast == declared_defaults(item)
        assert type(fast.regular_payment_provider) is type(declared_defaults(item).regular_payment_provider)
    if isinstance(item, DefaultsItem):
        record = record_through_the_loader("{coworker_invoice_id: 1}", env_prefix, f"defaults: {written(fields)}\n")
        bare = PaymentToken("a", record.location, 1)
        expected = with_late_defaults(bare, declared_defaults(item), is_protect_declared=False)
        same_record(record, expected)


def same_record(one: PaymentToken, other: PaymentToken) -> None:
    assert one._replace(literal=None) == other._replace(literal=None)
    assert type(one.regular_payment_provider) is type(other.regular_payment_provider)
    assert (one.literal and one.literal.reveal()) == (other.literal and other.literal.reveal())


def record_through_the_loader(text: str, env_prefix: str = "", before: str = "") -> PaymentToken:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "m.yaml").write_text(f"{before}payment_tokens: {{a: {text}}}\n", encoding="utf-8", newline="")
        manifests = load_manifests(root, root=root, env_prefix=env_prefix)
        assert [found for found in manifests.diagnostics if found.severity is Severity.ERROR] == []
        return manifests.records["a"]


# Values as a reader of YAML 1.2 sees them; written back, JSON is YAML. Left out are texts that end in a line break,
# because `$` of Python's expressions, unlike JSON Schema's, matches before it; and whole floats, which JSON Schema
# calls integers.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda value: not value.endswith("\n"))
number = st.one_of(st.integers(-3, 120), st.integers(2**63 - 2, 2**63 + 1), st.sampled_from([0.5, 1.5, -2.25]))
value = st.one_of(st.none(), st.booleans(), number, text, st.just([]), st.just({}))
address = st.one_of(st.sampled_from(["inv-1", "a", "b.c_d", "a b", "", "é"]), text)
name = st.one_of(st.sampled_from(["A", "A_1", "nexudus_x", "RECONCILE_Y", "1A", "A-B", "A\nB"]), value)
path = st.one_of(
    st.sampled_from(["a", "a/b.c", "../a", "a/../b", ".a", "a/.b", "/a", "a//b", "a\\b", "a\u2028b"]), value
)
glob = st.one_of(st.sampled_from(["a*", "[ab]?", "[!a]", "[a", "a]", "[]", "[!]", "[!!]", "a{b}", "*" * 201]), text)


def some_of(required: dict[str, Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


token_from = st.one_of(
    some_of({"env": name}, version=number),
    some_of({"file": path}, version=value),
    some_of({}, env=name, file=path),
    value,
)
provider = st.one_of(st.sampled_from([*PROVIDERS, "stripe", "2"]), st.sampled_from(list(map(int, Provider))), value)
common = {"regular_payment_provider": provider, "notes": value, "protect": st.one_of(st.booleans(), value)}
record = some_of(
    {"coworker_invoice_id": st.one_of(st.integers(1, 9), value)},
    token=st.one_of(text, value), token_from=token_from, x=value, **common,
)  # fmt: skip
document = st.one_of(
    some_of({}, payment_tokens=st.dictionaries(address, record, max_size=2)),
    some_of({}, defaults=some_of({}, token_from=token_from, token=value, **common)),
    some_of({}, removed=st.lists(some_of({}, **{"from": glob, "x": value}), max_size=2)),
    some_of({}, moved=value, imports=value, payment_tokens=value, nothing=value),
    some_of({}, moved=st.lists(some_of({}, **{"from": address, "to": address}), max_size=1)),
    some_of({}, imports=st.lists(some_of({}, to=address, id=value), max_size=1)),
)

BETWEEN_ENTRIES = frozenset({"equal-records", "moved-undeclared", "import-undeclared", "moved-in-a-circle"})
"""What no schema can say: how entries fit together."""


@settings(max_examples=1500, deadline=None)
@given(document)
def test_the_json_schema_agrees_with_the_validator(value: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "m.yaml").write_text(as_yaml(value), encoding="utf-8")
        found = load_manifests(root, root=root).diagnostics
    errors = [
        problem for problem in found if problem.severity is Severity.ERROR and problem.code not in BETWEEN_ENTRIES
    ]

    assert VALIDATOR.is_valid(value) == (not errors), (
        errors,
        [error.message for error in VALIDATOR.iter_errors(value)],
    )


@pytest.mark.parametrize("name", ["RecordItem", "DefaultsItem", "TokenFrom", "MovedItem", "RemovedItem", "ImportItem"])
def test_every_part_of_the_json_schema_explains_itself(name: str) -> None:
    part = json_schema()["$defs"][name]

    assert part["title"]
    assert part["description"]
    assert part["examples"]
    for example in part["examples"]:
        assert Draft202012Validator({"$defs": json_schema()["$defs"], "$ref": f"#/$defs/{name}"}).is_valid(example)
    for field in part["properties"].values():
        assert "$ref" in field or (field["title"] and field["description"] and field["examples"])


@pytest.mark.parametrize("name", Manifest.model_fields)
def test_every_section_of_the_json_schema_explains_itself_by_an_example_that_is_valid(name: str) -> None:
    section = json_schema()["properties"][name]
    section = json_schema()["$defs"]["DefaultsItem"] if "$ref" in section else section

    assert section["title"]
    assert section["description"]
    assert section["examples"]
    for example in section["examples"]:
        assert VALIDATOR.is_valid({name: example})


def test_the_json_schema_is_one_and_its_sections_are_those_that_are_read() -> None:
    Draft202012Validator.check_schema(json_schema())

    assert set(json_schema()["properties"]) == set(Manifest.model_fields) == set(_SHAPES)
