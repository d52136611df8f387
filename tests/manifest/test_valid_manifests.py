"""What valid manifests declare."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconcile.adapters.manifest_files import load_manifests
from reconcile.core.diagnostics import Location, Severity
from reconcile.core.manifest import Import, Manifests, Moved, Removed
from reconcile.core.records import UNMANAGED, PaymentToken, Provider

Write = Callable[..., Path]


def loaded(root: Path, *, env_prefix: str = "", strict: bool = False) -> Manifests:
    return load_manifests(root / "manifests", root=root, env_prefix=env_prefix, strict=strict)


def only_record(root: Path) -> PaymentToken:
    manifests = loaded(root)
    assert [found for found in manifests.diagnostics if found.severity is Severity.ERROR] == []
    (record,) = manifests.records.values()
    return record


def test_the_manifest_of_the_documentation_is_read_in_full(write: Write) -> None:
    root = write(
        b"""defaults:
  regular_payment_provider: GoCardless
payment_tokens:
  inv-1001:
    coworker_invoice_id: 1001
    token_from: {env: INV_1001_TOKEN}
    notes: March renewal
  inv-1002-card:
    coworker_invoice_id: 1002
    regular_payment_provider: Stripe
    token: pm_1NxExample
    protect: true
moved:
  - {from: inv-1001-old, to: inv-1001}
removed:
  - {from: "inv-2024-*"}
imports:
  - {to: inv-1002-card, id: 87654321}
"""
    )

    manifests = loaded(root)

    here = "manifests/m.yaml"
    assert [record._replace(literal=None) for record in manifests.records.values()] == [
        PaymentToken(
            "inv-1001", Location(here, 4, 3), 1001, Provider.GoCardless, "March renewal", "env:INV_1001_TOKEN"
        ),
        PaymentToken(
            "inv-1002-card", Location(here, 8, 3), 1002, Provider.Stripe, token_source="literal", protect=True
        ),
    ]
    literal = manifests.records["inv-1002-card"].literal
    assert literal is not None
    assert literal.reveal() == "pm_1NxExample"
    assert manifests.moved == (Moved("inv-1001-old", "inv-1001", Location(here, 14, 5)),)
    assert manifests.removed == (Removed("inv-2024-*", Location(here, 16, 5)),)
    assert manifests.imports == (Import("inv-1002-card", 87654321, Location(here, 18, 5)),)
    assert [(found.code, found.location) for found in manifests.diagnostics] == [
        ("literal-token", Location(here, 11, 12))
    ]


@pytest.mark.parametrize("text", ["0123", "NO", "12:30:45", "1e3", "true", "0x1f", "1_000", "2026-03-01", ".inf", "<<"])
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_a_token_stays_the_text_that_it_is(write: Write, text: str, quote: str) -> None:
    record = only_record(
        write(
            f"payment_tokens:\n  a:\n    coworker_invoice_id: 1\n    token: {quote}{text}{quote}\n"
            f"    notes: {quote}{text}{quote}\n".encode()
        )
    )

    assert record.literal is not None
    assert record.literal.reveal() == text
    assert record.notes == text


@pytest.mark.parametrize("word", ["null", "~", "Null", ""])
def test_a_quoted_word_for_nothing_is_a_text(write: Write, word: str) -> None:
    record = only_record(write(f'payment_tokens:\n  a: {{coworker_invoice_id: 1, notes: "{word}"}}\n'.encode()))

    assert record.notes == word


def test_plain_null_clears_and_beats_the_defaults(write: Write) -> None:
    record = only_record(
        write(
            b"""defaults: {regular_payment_provider: Stripe, notes: x, protect: true, token_from: {env: A}}
payment_tokens:
  a: {coworker_invoice_id: 1, regular_payment_provider: null, notes: null, protect: false, token: null}
"""
        )
    )

    assert (record.regular_payment_provider, record.notes, record.token_source) == (None, None, None)
    assert record.protect is False


@pytest.mark.parametrize("late", [False, True])
def test_defaults_hold_wherever_they_stand_in_the_file(write: Write, late: bool) -> None:  # noqa: FBT001 - a parameter
    defaults = "defaults: {regular_payment_provider: 2, notes: x, protect: true, token_from: {file: a/b, version: 3}}\n"
    records = """payment_tokens:
  bare: {coworker_invoice_id: 1}
  own: {coworker_invoice_id: 2, regular_payment_provider: Cash, notes: y, protect: false, token_from: {env: A}}
  cleared: {coworker_invoice_id: 3, regular_payment_provider: null, notes: null, token: null}
"""
    records = loaded(write((records + defaults if late else defaults + records).encode())).records

    seen = {
        address: (found.regular_payment_provider, found.notes, found.protect, found.token_source, found.token_version)
        for address, found in records.items()
    }
    assert seen == {
        "bare": (Provider.Stripe, "x", True, "file:a/b", 3),
        "own": (Provider.Cash, "y", False, "env:A", None),
        "cleared": (None, None, True, None, None),
    }


def test_defaults_end_with_their_file(write: Write) -> None:
    write(b"defaults: {notes: x}\npayment_tokens: {a: {coworker_invoice_id: 1}}\n", "a.yaml")
    records = loaded(write(b"payment_tokens: {b: {coworker_invoice_id: 2}}\n", "b.yaml")).records

    assert [record.notes for record in records.values()] == ["x", UNMANAGED]


@pytest.mark.parametrize("provider", list(Provider), ids=lambda provider: provider.name)
def test_every_provider_is_known_by_name_and_by_number(write: Write, provider: Provider) -> None:
    root = write(
        f"payment_tokens:\n  a: {{coworker_invoice_id: 1, regular_payment_provider: {provider.name}}}\n"
        f"  b: {{coworker_invoice_id: 2, regular_payment_provider: '{provider.name}'}}\n"
        f"  c: {{coworker_invoice_id: 3, regular_payment_provider: {provider.value}}}\n".encode()
    )

    assert [record.regular_payment_provider for record in loaded(root).records.values()] == [provider] * 3


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"# nothing\n", b"---\n", b"---\n# nothing\n...\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf# x\n"]
)
def test_a_file_without_content_declares_nothing(write: Write, content: bytes) -> None:
    manifests = loaded(write(content))

    assert (dict(manifests.records), manifests.diagnostics, manifests.files) == ({}, (), 1)


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_lines_are_counted_alike_with_every_line_ending(write: Write, ending: str) -> None:
    text = "\ufeff# é\npayment_tokens:\n  a:\n    coworker_invoice_id: 1\n".replace("\n", ending)

    assert only_record(write(text.encode())).location == Location("manifests/m.yaml", 3, 3)


def test_records_come_in_path_order_and_then_in_file_order(write: Write) -> None:
    write(b"payment_tokens: {z: {coworker_invoice_id: 1}, y: {coworker_invoice_id: 2}}\n", "b/x.yml")
    write(b"payment_tokens: {c: {coworker_invoice_id: 3}}\n", "c.yaml")
    root = write(b"payment_tokens: {d: {coworker_invoice_id: 4}}\n", "a.yaml")

    assert list(loaded(root).records) == ["d", "z", "y", "c"]


def test_hidden_and_other_files_are_no_manifests(write: Write) -> None:
    for name in (".hidden.yaml", ".git/x.yaml", "notes.txt", "a.json"):
        root = write(b"nonsense: [", name)

    assert loaded(root).files == 0
    assert loaded(root).diagnostics == ()


def test_the_digest_depends_on_names_and_contents_and_not_on_the_place(write: Write, tmp_path: Path) -> None:
    root = write(b"payment_tokens: {}\n")
    copy = tmp_path / "elsewhere"
    shutil.copytree(root / "manifests", copy / "declared")
    first, second = loaded(root).digest, load_manifests(copy / "declared", root=copy).digest
    assert first == second
    assert first.startswith("sha256:")

    (copy / "declared" / "m.yaml").rename(copy / "declared" / "n.yaml")
    assert load_manifests(copy / "declared", root=copy).digest != first
    (root / "manifests" / "m.yaml").write_bytes(b"payment_tokens:  {}")
    assert loaded(root).digest != first


def test_a_chain_of_moves_may_end_at_a_declared_address(write: Write) -> None:
    root = write(
        b"payment_tokens: {c: {coworker_invoice_id: 1}}\nmoved: [{from: a, to: b}, {from: b, to: c}]\n"
        b"removed: [{from: 'd*'}, {from: x}, {from: 'inv-[!c]'}]\n"
    )

    assert loaded(root).diagnostics == ()
    assert [(move.source, move.to) for move in loaded(root).moved] == [("a", "b"), ("b", "c")]


def test_a_broken_entry_is_declared_all_the_same(write: Write) -> None:
    root = write(
        b"payment_tokens:\n  a: {coworker_invoice_id: x}\n  b: *c\n"
        b"moved: [{from: z, to: a}]\nimports: [{to: b, id: 1}]\n"
    )

    assert [found.code for found in loaded(root).diagnostics] == ["not-a-number", "alias"]


def test_an_address_that_an_unreadable_file_may_declare_is_not_called_undeclared(write: Write) -> None:
    write(b"payment_tokens: {a: [\n", "unreadable.yaml")
    root = write(b"moved: [{from: b, to: a}]\nimports: [{to: a, id: 1}]\n")

    assert [found.code for found in loaded(root).diagnostics] == ["yaml-syntax"]


def test_what_a_refused_value_hides_is_not_called_missing(write: Write) -> None:
    root = write(b"payment_tokens:\n  a: {coworker_invoice_id: *x, notes: ~}\n")

    assert [found.code for found in loaded(root).diagnostics] == ["alias", "empty-value"]


def test_every_problem_of_a_record_is_found_in_one_run(write: Write) -> None:
    root = write(
        b"payment_tokens:\n  a b:\n    coworker_invoice_id: x\n    regular_payment_provider: y\n    notes: ~\n"
        b"    protect: 1\n    token: ''\n    token_from: {env: 1}\n    nots: x\n"
    )

    assert [found.code for found in loaded(root).diagnostics] == [
        "bad-address", "not-a-number", "unknown-provider", "empty-value", "not-a-flag", "empty-value", "two-tokens",
        "unknown-key",
    ]  # fmt: skip


def test_an_address_twice_names_the_first_place_across_files(write: Write) -> None:
    write(b"payment_tokens: {a: {coworker_invoice_id: 1}}\n", "a.yaml")
    write(b"payment_tokens: {b: {}}\n", "b.yaml")
    root = write(b"payment_tokens: {a: {coworker_invoice_id: 2}, b: {coworker_invoice_id: 3}}\n", "c.yaml")

    found = [(problem.code, problem.message) for problem in loaded(root).diagnostics]
    assert ("duplicate-address", "this address stands already at manifests/a.yaml:1") in found
    assert ("duplicate-address", "this address stands already at manifests/b.yaml:1") in found


def test_records_of_one_invoice_may_differ_in_anything_declared(write: Write) -> None:
    entries = [
        "", "notes: x", "notes: y", "token: a", "token: b", "token_from: {env: A}", "token_from: {env: A, version: 2}",
        "regular_payment_provider: 1", "notes: null",
    ]  # fmt: skip
    lines = "".join(f"  r{n}: {{coworker_invoice_id: 1, {entry}}}\n" for n, entry in enumerate(entries))
    same = "  again: {coworker_invoice_id: 1, token: b}\n  empty: {coworker_invoice_id: 1, notes: ''}\n"

    found = loaded(write(f"payment_tokens:\n{lines}{same}".encode())).diagnostics

    equal = [problem.message for problem in found if problem.code == "equal-records"]
    assert equal == [
        "the same content is declared for r4 at manifests/m.yaml:6",
        "the same content is declared for r8 at manifests/m.yaml:10",
    ]


def test_records_that_are_taken_over_are_told_apart_by_their_ids(write: Write) -> None:
    entries = "".join(f"  {name}: {{coworker_invoice_id: 1}}\n" for name in "abcd")
    imports = "imports: [{to: a, id: 7}, {to: b, id: 8}]\n"

    found = loaded(write(f"payment_tokens:\n{entries}{imports}".encode())).diagnostics

    assert [problem.message for problem in found] == ["the same content is declared for c at manifests/m.yaml:4"]


def test_literal_tokens_give_one_warning_a_file_and_one_error_each_under_strict(write: Write) -> None:
    root = write(b"payment_tokens:\n  a: {coworker_invoice_id: 1, token: x}\n  b: {coworker_invoice_id: 2, token: y}\n")

    (warning,) = loaded(root).diagnostics
    errors = loaded(root, strict=True).diagnostics

    assert (warning.severity, warning.message) == (Severity.WARNING, "2 tokens stand in this manifest")
    assert [(found.severity, found.location) for found in errors] == [
        (Severity.ERROR, Location("manifests/m.yaml", 2, 38)),
        (Severity.ERROR, Location("manifests/m.yaml", 3, 38)),
    ]


def test_long_notes_are_a_warning_at_the_notes(write: Write) -> None:
    long = "x" * 256
    root = write(
        f"defaults:\n  notes: {long}\npayment_tokens:\n  a:\n    coworker_invoice_id: 1\n    notes: {long}\n"
        f"  b: {{coworker_invoice_id: 2}}\n  c: {{coworker_invoice_id: 3, notes: {long[1:]}}}\n".encode()
    )

    assert [(found.code, found.severity, found.location) for found in loaded(root).diagnostics] == [
        ("long-notes", Severity.WARNING, Location("manifests/m.yaml", 2, 10)),
        ("long-notes", Severity.WARNING, Location("manifests/m.yaml", 6, 12)),
    ]


def test_a_variable_has_to_begin_with_the_prefix_of_the_settings(write: Write) -> None:
    root = write(
        b"payment_tokens:\n  a: {coworker_invoice_id: 1, token_from: {env: PAY_A}}\n"
        b"  b: {coworker_invoice_id: 2, token_from: {env: B}}\n"
    )

    manifests = loaded(root, env_prefix="PAY_")

    assert list(manifests.records) == ["a"]
    assert [(found.code, found.location) for found in manifests.diagnostics] == [
        ("bad-variable", Location("manifests/m.yaml", 3, 49))
    ]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("regular_payment_provider: Strype", 'did you mean "Stripe"?'),
        ("regular_payment_provider: STRIPE", 'did you mean "Stripe"?'),
        ("regular_payment_provider: '2'", "write 2 without quotes"),
        ("coworker_invoice_id: 0123", "write 123, without zeros"),
        ("coworker_invoice_id: 1_000", "write 1000, without underscores"),
        ("coworker_invoice_id: '1001'", "remove the quotes"),
        ("coworker_invoice_id: +1", "write 1, without the sign"),
        ("coworker_invoice_id: 1.0", "write 1, without a fraction"),
        ("coworker_invoice_id: 0x1", "decimal digits"),
        ("coworker_invoice_id: 9223372036854775808", "more than 64 bits"),
        ("protect: YES", "write true"),
        ("protect: off", "write false"),
        ("nots: x", 'did you mean "notes"?'),
        ("Token: x", 'did you mean "token"?'),
        ("notes: ~", "write null to clear"),
    ],
)
def test_a_mistake_comes_with_what_to_write_instead(write: Write, line: str, hint: str) -> None:
    found = loaded(write(f"payment_tokens:\n  a:\n    {line}\n".encode())).diagnostics

    assert any(hint in problem.help for problem in found)


def test_manifests_without_mistakes_need_no_pydantic(write: Write) -> None:
    root = write(b"payment_tokens: {a: {coworker_invoice_id: 1, token: x, notes: y, protect: true}}\n")
    program = (
        "import sys; from pathlib import Path; from reconcile.adapters.manifest_files import load_manifests;"
        f"load_manifests(Path({str(root / 'manifests')!r}), root=Path({str(root)!r}));"
        "print([name for name in ('pydantic', 'difflib', 'httpx') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
