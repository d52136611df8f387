"""Bad manifests as data: each leads to its one diagnostic at its line and column, and to no exception.

A case is (what is wrong, the file, code, line, column). `P` begins a file with one address whose fields follow.
"""

import codecs
from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.adapters.excerpts import with_excerpts
from reconcile.adapters.manifest_files import load_manifests
from reconcile.core.diagnostics import Severity
from reconcile.core.manifest import Manifests
from reconcile.render.diagnostics import as_json, as_text

P = b"payment_tokens:\n  inv-1:\n    coworker_invoice_id: 1\n"
ENV = b"    token_from: {env: TOK}\n"
GOOD = P + ENV

# fmt: off - one case a line reads as the table that it is
CORPUS: list[tuple[str, bytes, str, int, int]] = [
    # The bytes.
    ("UTF-16 with its mark", codecs.BOM_UTF16_LE + GOOD.decode().encode("utf-16-le"), "encoding", 1, 1),
    ("UTF-16 the other way round", codecs.BOM_UTF16_BE + GOOD.decode().encode("utf-16-be"), "encoding", 1, 1),
    ("UTF-32", codecs.BOM_UTF32_BE + GOOD.decode().encode("utf-32-be"), "encoding", 1, 1),
    ("UTF-16 without a mark", GOOD.decode().encode("utf-16-le"), "control-character", 1, 2),
    ("Latin-1", P + b"    notes: caf\xe9\n", "encoding", 4, 15),
    ("NUL after lines that end in CR", P.replace(b"\n", b"\r") + b"    notes: a\x00b\r", "control-character", 4, 13),
    (
        "NUL after lines that end in CR LF",
        P.replace(b"\n", b"\r\n") + b"    notes: a\x00b\r\n",
        "control-character",
        4,
        13,
    ),
    ("a truncated UTF-8 sequence", P + b"    notes: x\xe2\x82", "encoding", 4, 13),
    ("an encoded surrogate", P + b"    notes: \xed\xa0\x80\n", "encoding", 4, 12),
    ("NUL", P + b"    notes: a\x00b\n", "control-character", 4, 13),
    ("an escape character", P + b"    notes: \x1b[31m\n", "control-character", 4, 12),
    ("DEL after a letter of two bytes", P + "    notes: é\x7f\n".encode(), "control-character", 4, 13),
    ("a noncharacter", P + "    notes: \ufffe\n".encode(), "control-character", 4, 12),
    ("the line break U+0085", P + "    notes: a\u0085b\n".encode(), "line-break", 4, 13),
    ("the line break U+2028", P + "    notes: a\u2028b\n".encode(), "line-break", 4, 13),
    ("the line break U+2029", P + "    notes: a\u2029b\n".encode(), "line-break", 4, 13),
    ("a second byte order mark", codecs.BOM_UTF8 + P + codecs.BOM_UTF8 + b"    notes: x\n", "encoding", 4, 1),
    # YAML.
    ("an indentation by tab", b"payment_tokens:\n\tinv-1: {}\n", "yaml-syntax", 2, 1),
    ("a flow mapping left open", b"payment_tokens: {inv-1: {\n", "yaml-syntax", 2, 1),
    ("a quote left open", P + b'    notes: "abc\n', "yaml-syntax", 5, 1),
    ("a colon inside a plain text", P + b"    notes: a: b\n", "yaml-syntax", 4, 13),
    ("a text that begins with @", P + b"    notes: @home\n", "yaml-syntax", 4, 12),
    ("a text that begins with a backtick", P + b"    notes: `x`\n", "yaml-syntax", 4, 12),
    ("a key without a colon", P + b"    notes\n    protect: true\n", "yaml-syntax", 5, 5),
    ("a wrong indentation", P + b"   notes: x\n", "yaml-syntax", 4, 4),
    ("an unknown escape", P + b'    notes: "\\q"\n', "yaml-syntax", 4, 13),
    ("an anchor", P + b"    notes: &a x\n", "anchor", 4, 12),
    ("an anchor of a record", b"payment_tokens:\n  inv-1: &a\n    coworker_invoice_id: 1\n", "anchor", 2, 10),
    ("an alias", P + b"    notes: *a\n", "alias", 4, 12),
    ("an alias for a record", b"payment_tokens:\n  inv-1: *a\n", "alias", 2, 10),
    ("an alias as a key", P + b"    *a : x\n", "complex-key", 4, 5),
    ("a tag", P + b"    notes: !!str 12\n", "tag", 4, 12),
    ("a tag of its own", P + b"    notes: !secret 12\n", "tag", 4, 12),
    ("a tag that runs code elsewhere", P + b"    notes: !!python/name:os.system x\n", "tag", 4, 12),
    ("a merge key", P + b"    <<: {notes: x}\n", "merge-key", 4, 5),
    ("a merge key among addresses", P + b"  <<: {}\n", "merge-key", 4, 3),
    ("a merge key at the top", P + b"<<: {}\n", "merge-key", 4, 1),
    ("a second document", GOOD + b"---\n" + GOOD, "several-documents", 5, 1),
    ("a version directive", b"%YAML 1.1\n---\n" + GOOD, "directive", 1, 1),
    ("a tag directive", b"%TAG ! tag:example.com,2000:\n---\n" + GOOD, "directive", 1, 1),
    ("an unknown directive", b"%FOO\n---\n" + GOOD, "yaml-syntax", 1, 5),
    ("a mapping as a key", P + b"    {a: b}: x\n", "complex-key", 4, 5),
    ("a sequence as an address", b"payment_tokens:\n  [a]: {coworker_invoice_id: 1}\n", "complex-key", 2, 3),
    ("a sequence as a section", b"[a]: 1\n", "complex-key", 1, 1),
    ("a duplicate field", P + b"    notes: a\n    notes: b\n", "duplicate-key", 5, 5),
    ("a duplicate section", GOOD + b"payment_tokens: {}\n", "duplicate-key", 5, 1),
    ("a duplicate key further down", P + b"    token_from: {env: A, env: B}\n", "duplicate-key", 4, 26),
    ("17 levels of flow", P + b"    notes: " + b"[" * 14 + b"]" * 14 + b"\n", "too-deep", 4, 25),
    ("17 levels of blocks", P + b"    notes:\n      " + b"- " * 14 + b"x\n", "too-deep", 5, 33),
    ("17 levels in an unknown section", b"x: " + b"[" * 16 + b"]" * 16 + b"\n", "too-deep", 1, 19),
    ("a scalar over 1 MiB", P + b"    notes: " + b"x" * (1024 * 1024 + 1) + b"\n", "scalar-too-long", 4, 12),
    ("an entry of too many values", P + b"    notes: [" + b"a," * 10_001 + b"]\n", "too-many-values", 4, 12),
    # The sections.
    ("a sequence at the top", b"- a\n", "not-a-mapping", 1, 1),
    ("a text at the top", b"\nhello\n", "not-a-mapping", 2, 1),
    ("null at the top", b"null\n", "not-a-mapping", 1, 1),
    ("an unknown section", b"payment_token: {}\n", "unknown-key", 1, 1),
    ("an unknown section with a text", b"version: 1\n", "unknown-key", 1, 1),
    ("records as a sequence", b"payment_tokens:\n  - a\n", "wrong-type", 1, 1),
    ("records as null", b"payment_tokens: null\n", "wrong-type", 1, 17),
    ("records left empty", b"payment_tokens:\n", "wrong-type", 1, 1),
    ("defaults as a text", b"defaults: Stripe\n", "wrong-type", 1, 11),
    ("defaults as a sequence", b"defaults: [a]\n", "wrong-type", 1, 1),
    ("moved as a mapping", b"moved: {from: a, to: b}\n", "wrong-type", 1, 1),
    # Records.
    ("a record as a text", b"payment_tokens:\n  inv-1: pm_1\n", "wrong-type", 2, 10),
    ("a record as a sequence", b"payment_tokens:\n  inv-1: [1]\n", "wrong-type", 2, 10),
    ("an empty record", b"payment_tokens:\n  inv-1:\n", "empty-value", 2, 3),
    ("a record without its invoice", b"payment_tokens:\n  inv-1:\n    notes: x\n", "missing-field", 2, 3),
    ("an address with a space", b"payment_tokens:\n  inv 1:\n    coworker_invoice_id: 1\n", "bad-address", 2, 3),
    (
        "an address with a letter beyond ASCII",
        "payment_tokens:\n  é: {coworker_invoice_id: 1}\n".encode(),
        "bad-address",
        2,
        3,
    ),
    ("an empty address", b'payment_tokens:\n  "": {coworker_invoice_id: 1}\n', "bad-address", 2, 3),
    (
        "an address that ends in a line break",
        b'payment_tokens:\n  "a\\n": {coworker_invoice_id: 1}\n',
        "bad-address",
        2,
        3,
    ),
    (
        "an address of 201 letters",
        b"payment_tokens:\n  %s: {coworker_invoice_id: 1}\n" % (b"a" * 201),
        "bad-address",
        2,
        3,
    ),
    ("an address twice", GOOD + b"  inv-1:\n    coworker_invoice_id: 2\n", "duplicate-address", 5, 3),
    ("an unknown field", P + b"    note: x\n", "unknown-key", 4, 5),
    ("a field of another case", P + b"    Notes: x\n", "unknown-key", 4, 5),
    ("equal records", GOOD + b"  inv-2:\n    coworker_invoice_id: 1\n" + ENV, "equal-records", 5, 3),
    # Whole numbers.
    *[
        (f"an invoice of {text.decode()}", P.replace(b": 1\n", b": " + text + b"\n"), "not-a-number", 3, 26)
        for text in (
            b"0",
            b"0123",
            b"1_000",
            b'"1001"',
            b"'1001'",
            b"+1",
            b"-1",
            b"1.0",
            b"1.5",
            b"0x1",
            b"0o7",
            b"1e3",
            b"one",
            b"9223372036854775808",
            b"99999999999999999999",
            b"\xd9\xa1",
            b"true",
            b"12:30",
        )
    ],
    ("an empty invoice", P.replace(b": 1\n", b":\n"), "empty-value", 3, 25),
    ("null as an invoice", P.replace(b": 1\n", b": null\n"), "empty-value", 3, 26),
    ("a sequence as an invoice", P.replace(b": 1\n", b": [1]\n"), "wrong-type", 3, 26),
    # Providers.
    ("a misspelt provider", P + b"    regular_payment_provider: Strype\n", "unknown-provider", 4, 31),
    ("a provider of another case", P + b"    regular_payment_provider: gocardless\n", "unknown-provider", 4, 31),
    ("a quoted number of a provider", P + b'    regular_payment_provider: "2"\n', "unknown-provider", 4, 31),
    ("a number of no provider", P + b"    regular_payment_provider: 14\n", "unknown-provider", 4, 31),
    ("provider 0", P + b"    regular_payment_provider: 0\n", "unknown-provider", 4, 31),
    ("an empty provider", P + b"    regular_payment_provider:\n", "empty-value", 4, 30),
    ("a tilde as a provider", P + b"    regular_payment_provider: ~\n", "empty-value", 4, 31),
    # Notes and flags.
    ("empty notes", P + b"    notes:\n", "empty-value", 4, 11),
    ("a tilde as notes", P + b"    notes: ~\n", "empty-value", 4, 12),
    ("Null as notes", P + b"    notes: Null\n", "empty-value", 4, 12),
    ("notes as a mapping", P + b"    notes: {a: b}\n", "wrong-type", 4, 12),
    ("a control character in notes", P + b'    notes: "a\\0"\n', "bad-notes", 4, 12),
    ("a flag of yes", P + b"    protect: yes\n", "not-a-flag", 4, 14),
    ("a flag of True", P + b"    protect: True\n", "not-a-flag", 4, 14),
    ("a quoted flag", P + b'    protect: "true"\n', "not-a-flag", 4, 14),
    ("a flag of 1", P + b"    protect: 1\n", "not-a-flag", 4, 14),
    ("a flag of null", P + b"    protect: null\n", "empty-value", 4, 14),
    # Tokens.
    ("an empty token", P + b"    token:\n", "empty-value", 4, 11),
    ("an empty quoted token", P + b'    token: ""\n', "empty-value", 4, 12),
    ("a tilde as a token", P + b"    token: ~\n", "empty-value", 4, 12),
    ("a token with a line break", P + b"    token: |\n      abc\n", "bad-token", 4, 12),
    ("a token with a control character", P + b'    token: "a\\e"\n', "bad-token", 4, 12),
    ("a token of 4,097 characters", P + b"    token: " + b"x" * 4097 + b"\n", "bad-token", 4, 12),
    ("a token as a sequence", P + b"    token: [a]\n", "wrong-type", 4, 12),
    ("two tokens", P + b"    token: x\n" + ENV, "two-tokens", 5, 17),
    ("a misspelt token", P + b"    tokn: pm_1\n", "unknown-key", 4, 5),
    ("token_from as a text", P + b"    token_from: TOK\n", "wrong-type", 4, 17),
    ("token_from as null", P + b"    token_from: null\n", "wrong-type", 4, 17),
    ("token_from of nothing", P + b"    token_from: {}\n", "token-source", 4, 17),
    ("token_from with a version alone", P + b"    token_from: {version: 1}\n", "token-source", 4, 17),
    ("token_from with two sources", P + b"    token_from: {env: A, file: b}\n", "token-source", 4, 17),
    ("an unknown key in token_from", P + b"    token_from: {env: A, vault: b}\n", "unknown-key", 4, 26),
    ("a version beside token_from", P + ENV + b"    version: 1\n", "unknown-key", 5, 5),
    ("version 0", P + b"    token_from: {env: A, version: 0}\n", "not-a-number", 4, 35),
    ("a version of null", P + b"    token_from: {env: A, version: null}\n", "empty-value", 4, 35),
    ("a variable with a hyphen", P + b"    token_from: {env: A-B}\n", "bad-variable", 4, 23),
    ("a variable that begins with a digit", P + b"    token_from: {env: 1A}\n", "bad-variable", 4, 23),
    ("a variable beyond ASCII", P + "    token_from: {env: é}\n".encode(), "bad-variable", 4, 23),
    ("a variable that reads as a flag", P + b"    token_from: {env: true}\n", "bad-variable", 4, 23),
    ("a variable of the tool", P + b"    token_from: {env: NEXUDUS_PASSWORD}\n", "reserved-variable", 4, 23),
    ("a variable of the tool, lower case", P + b"    token_from: {env: reconcile_key}\n", "reserved-variable", 4, 23),
    ("an empty variable", P + b"    token_from: {env: }\n", "empty-value", 4, 23),
    *[
        (f"the secret file {name}", P + b"    token_from: {file: '%s'}\n" % name.encode(), "bad-secret-file", 4, 24)
        for name in ("", "/etc/passwd", "../key", "a/../b", "a//b", "a/", "./a", ".env", "a/.hidden/b", "a\\b", "..")
    ],
    (
        "a secret file of 4,097 characters",
        P + b"    token_from: {file: %s}\n" % (b"a" * 4097),
        "bad-secret-file",
        4,
        24,
    ),
    ("a secret file with a control character", P + b'    token_from: {file: "a\\nb"}\n', "bad-secret-file", 4, 24),
    # Defaults.
    ("an invoice among defaults", b"defaults: {coworker_invoice_id: 1}\n", "unknown-key", 1, 12),
    ("a token among defaults", b"defaults: {token: x}\n", "unknown-key", 1, 12),
    ("a bad provider among defaults", b"defaults:\n  regular_payment_provider: Strip\n", "unknown-provider", 2, 29),
    ("a bad variable among defaults", b"defaults:\n  token_from: {env: NEXUDUS_X}\n", "reserved-variable", 2, 21),
    # Moves, removals, imports.
    ("a move without its end", GOOD + b"moved: [{from: a}]\n", "missing-field", 5, 9),
    ("a move as a text", GOOD + b"moved: [a]\n", "wrong-type", 5, 9),
    ("a move with an unknown key", GOOD + b"moved: [{from: a, to: inv-1, id: 1}]\n", "unknown-key", 5, 30),
    ("a move from a bad address", GOOD + b"moved: [{from: 'a b', to: inv-1}]\n", "bad-address", 5, 16),
    (
        "a move from a declared address",
        GOOD + b"  a: {coworker_invoice_id: 2}\nmoved: [{from: a, to: inv-1}]\n",
        "moved-still-declared",
        6,
        16,
    ),
    ("a move to an undeclared address", GOOD + b"moved: [{from: a, to: b}]\n", "moved-undeclared", 5, 23),
    (
        "a move from the same twice",
        GOOD + b"  b: {coworker_invoice_id: 2}\nmoved:\n- {from: a, to: inv-1}\n- {from: a, to: b}\n",
        "moved-twice",
        8,
        10,
    ),
    (
        "a move to the same twice",
        GOOD + b"moved:\n- {from: a, to: inv-1}\n- {from: b, to: inv-1}\n",
        "moved-together",
        7,
        17,
    ),
    ("a move to itself", GOOD + b"moved: [{from: a, to: a}]\n", "moved-in-a-circle", 5, 16),
    (
        "moves in a circle",
        GOOD + b"moved: [{from: a, to: b}, {from: b, to: c}, {from: c, to: a}]\n",
        "moved-in-a-circle",
        5,
        16,
    ),
    ("a removal as a text", b"removed: [a]\n", "wrong-type", 1, 11),
    ("a removal of a declared address", GOOD + b"removed: [{from: inv-1}]\n", "removed-still-declared", 5, 18),
    ("a removal whose pattern fits", GOOD + b"removed: [{from: 'inv-[0-9]'}]\n", "removed-still-declared", 5, 18),
    (
        "a removal whose pattern begins with a star",
        GOOD + b"removed: [{from: '*-?'}]\n",
        "removed-still-declared",
        5,
        18,
    ),
    ("a bad character in a pattern", b"removed: [{from: 'a{b}'}]\n", "bad-glob", 1, 18),
    ("an open bracket in a pattern", b"removed: [{from: 'a[bc'}]\n", "bad-glob", 1, 18),
    ("empty brackets in a pattern", b"removed: [{from: 'a[]'}]\n", "bad-glob", 1, 18),
    ("a bracket closed before it opens", b"removed: [{from: 'a]b['}]\n", "bad-glob", 1, 18),
    ("an empty pattern", b"removed: [{from: ''}]\n", "bad-glob", 1, 18),
    ("an import to an undeclared address", GOOD + b"imports: [{to: a, id: 5}]\n", "import-undeclared", 5, 16),
    ("an import without an id", GOOD + b"imports: [{to: inv-1}]\n", "missing-field", 5, 11),
    ("an import of a quoted id", GOOD + b"imports: [{to: inv-1, id: '5'}]\n", "not-a-number", 5, 27),
    (
        "an import to the same address twice",
        GOOD + b"imports:\n- {to: inv-1, id: 5}\n- {to: inv-1, id: 6}\n",
        "imported-twice",
        7,
        8,
    ),
    (
        "an import of the same id twice",
        GOOD + b"  b: {coworker_invoice_id: 2}\nimports:\n- {to: inv-1, id: 5}\n- {to: b, id: 5}\n",
        "imported-twice",
        8,
        15,
    ),
]
# fmt: on

Write = Callable[[bytes], Path]
IDS = [case[0] for case in CORPUS]


def errors_of(manifests: Manifests) -> list[tuple[str, int, int]]:
    return [
        (found.code, found.location.line, found.location.column)
        for found in manifests.diagnostics
        if found.severity is Severity.ERROR and found.location is not None
    ]


@pytest.mark.parametrize(("content", "code", "line", "column"), [case[1:] for case in CORPUS], ids=IDS)
def test_a_bad_manifest_has_its_one_error_at_its_place(
    write: Write, content: bytes, code: str, line: int, column: int
) -> None:
    root = write(content)

    manifests = load_manifests(root / "manifests", root=root)

    assert errors_of(manifests) == [(code, line, column)]
    text = as_text(with_excerpts(manifests.diagnostics, root))
    assert f"manifests/m.yaml:{line}:{column}: error[{code}]: " in text
    assert all(as_json(found)["message"] for found in manifests.diagnostics)


@pytest.mark.parametrize(("content", "code"), [(case[1], case[2]) for case in CORPUS], ids=IDS)
def test_a_bad_manifest_does_not_hide_the_mistake_in_another(write: Write, content: bytes, code: str) -> None:
    root = write(content)
    (root / "manifests" / "z.yaml").write_bytes(b"payment_tokens:\n  inv-z:\n    coworker_invoice_id: no\n")

    found = {diagnostic.code for diagnostic in load_manifests(root / "manifests", root=root).diagnostics}

    # Whatever an unreadable file would have declared, nothing is said to be undeclared on its account.
    assert {code, "not-a-number"} <= found
