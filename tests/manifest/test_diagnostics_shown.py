"""What is shown of a mistake: its line, masked; and nothing that a terminal or a CI service would obey."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.adapters.excerpts import with_excerpts
from reconcile.adapters.manifest_files import load_manifests
from reconcile.core.diagnostics import Diagnostic, Excerpt, Location, Severity
from reconcile.render.diagnostics import as_json, as_text
from reconcile.render.escape import display_width, escaped

Write = Callable[..., Path]
PLANTED = "pm_1Planted9Token"


def shown(root: Path, *, strict: bool = False) -> str:
    return as_text(with_excerpts(load_manifests(root / "manifests", root=root, strict=strict).diagnostics, root))


def test_a_mistake_is_shown_as_the_documentation_shows_it(write: Write) -> None:
    root = write(
        b"payment_tokens:\n" + b"\n" * 8 + b"  inv-1:\n    coworker_invoice_id: 1\n"
        b"    regular_payment_provider: Strype\n",
        "2026-03.yaml",
    )

    assert shown(root) == (
        'manifests/2026-03.yaml:12:31: error[unknown-provider]: "Strype" is not a payment provider\n'
        "   12 |     regular_payment_provider: Strype\n"
        "      |                               ^^^^^^\n"
        '   = help: did you mean "Stripe"? `reconcile schema` lists all 19\n'
    )


@pytest.mark.parametrize(
    ("line", "expected", "marker"),
    [
        # Everything on the line but the text in error and the names of fields.
        ("a: {coworker_invoice_id: 01, notes: Mrs Smith, token: pm_1} # why",
         "***: {coworker_invoice_id: 01, notes: ***, token: ***} # ***", "01"),
        ("a: {notes: 'Mrs # Smith', coworker_invoice_id: 01}", "***: {notes: ***, coworker_invoice_id: 01}", "01"),
        # The address itself, when it is what is wrong.
        ("a b: {coworker_invoice_id: 1, notes: x}", "a b: {coworker_invoice_id: ***, notes: ***}", "a b"),
        # A text in error that may be a token.
        ("a: {coworker_invoice_id: 1, token: ''}", "***: {coworker_invoice_id: ***, token: ***}", "***"),
        ("a: pm_1", "***: ***", "***"),
        ("a: {coworker_invoice_id: 1, tokn: pm_1}", "***: {coworker_invoice_id: ***, tokn: ***}", "tokn"),
        ("a: {coworker_invoice_id: 1, pm_1: x}", "***: {coworker_invoice_id: ***, ***: ***}", "***"),
        ("a: {coworker_invoice_id: 1, tokenpmABCdefGHI: x}", "***: {coworker_invoice_id: ***, ***: ***}", "***"),
        ("a: {coworker_invoice_id: 1, token_from: {env: pm-1}}",
         "***: {coworker_invoice_id: ***, token_from: {env: ***}}", "***"),
        ("a: {coworker_invoice_id: 1, token_from: {pm: 1, env: A}}",
         "***: {coworker_invoice_id: ***, token_from: {***: ***, env: ***}}", "***"),
        # A variable of the tool may be named: it says what was tried.
        ("a: {coworker_invoice_id: 1, token_from: {env: NEXUDUS_PASSWORD}}",
         "***: {coworker_invoice_id: ***, token_from: {env: NEXUDUS_PASSWORD}}", "NEXUDUS_PASSWORD"),
        # A value that reads like the name of a field is a value.
        ("a: {coworker_invoice_id: 01, notes: token}", "***: {coworker_invoice_id: 01, notes: ***}", "01"),
        # Anchors, aliases and tags are texts of the author too.
        ("a: {coworker_invoice_id: 1, notes: *pm_1}", "***: {coworker_invoice_id: ***, notes: ***}", "***"),
        ("a: &pm_1 {coworker_invoice_id: 1}", "***: *** {coworker_invoice_id: ***}", "***"),
        ("a: !pm_1 {coworker_invoice_id: 1}", "***: *** {coworker_invoice_id: ***}", "***"),
    ],
)  # fmt: skip
def test_a_line_is_masked_but_for_names_of_fields_and_the_text_in_error(
    write: Write, line: str, expected: str, marker: str
) -> None:
    root = write(f"payment_tokens:\n  {line}\n".encode())
    found = load_manifests(root / "manifests", root=root).diagnostics

    excerpts = [problem.excerpt for problem in with_excerpts(found, root) if problem.severity is Severity.ERROR]

    (excerpt,) = excerpts
    assert excerpt is not None
    assert excerpt.text == f"  {expected}"
    assert excerpt.text[excerpt.column - 1 :][: excerpt.width] == marker


def test_a_file_that_does_not_parse_shows_nothing_of_itself(write: Write) -> None:
    root = write(f"payment_tokens:\n  a:\n    token: {PLANTED}: notes\n".encode())

    text = shown(root)

    assert "    3 |     *** ****** ***\n" in text or "    3 |     *** *** ***\n" in text
    assert "notes" not in text.splitlines()[1]
    assert PLANTED not in text


def test_the_lines_of_a_text_over_several_lines_are_masked(write: Write) -> None:
    root = write(
        f"payment_tokens:\n  a:\n    coworker_invoice_id: 1\n    token: |\n      {PLANTED}\n      x\n"
        f'    notes: "a\n      {PLANTED}\n      b" # {PLANTED}\n'.encode()
    )
    everywhere = [
        Diagnostic("x", "y", Location("manifests/m.yaml", line, column), secret=True)
        for line in range(1, 12)
        for column in (1, 7, 9, 40)
    ]

    assert PLANTED not in as_text(with_excerpts(everywhere, root))
    assert shown(root).splitlines()[1:3] == ["    4 |     token: ***", "      |            ^^^"]


@pytest.mark.parametrize(
    "template",
    [
        "payment_tokens: {{a: {{coworker_invoice_id: 0, token: {0}}}}}",
        "payment_tokens: {{a: {0}}}",
        "payment_tokens: {{a: [{0}]}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token: [{0}]}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token: {{{0}: {0}}}}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token: '{0}\\', token_from: {0}}}}}",
        'payment_tokens: {{a: {{coworker_invoice_id: 1, token: "{0}\\n"}}}}',
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token: &x {0}}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token: !{0} {0}}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token: *{0}}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, {0}}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token:{0}: x}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, Token: {0}}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token: {0}, token: {0}}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token_from: {0}}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token_from: [{0}]}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token_from: {{env: '{0}-'}}}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token_from: {{file: '/{0}'}}}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token_from: {{env: A, version: {0}}}}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token_from: {{{0}: 1}}}}}}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token: {0}}}, b: {{coworker_invoice_id: 1, token: {0}}}}}",
        "defaults: {{token: {0}}}",
        "defaults: {0}",
        "{0}: 1",
        "{0}",
        "token: {0}: {0}",
        "token: '{0}",
        "token: {0}\n  {0}:\n {0}",
        "token: {0}\x1b",
        "token: {0}\u2028",
        "# {0}\npayment_tokens: {{}} # {0}\nx: 1 # {0}",
        "payment_tokens: {{a: {{coworker_invoice_id: 1, token: {0}}}}}\n---\n{0}",
        "? [{0}]\n: {0}",
        "payment_tokens: {{? {{{0}: {0}}} : {0}}}",
    ],
)
def test_a_planted_token_is_never_shown(write: Write, template: str) -> None:
    root = write(template.format(PLANTED).encode())
    found = load_manifests(root / "manifests", root=root, strict=True).diagnostics

    assert found
    assert PLANTED not in as_text(with_excerpts(found, root), colour=True)
    assert PLANTED not in repr(with_excerpts(found, root))
    assert PLANTED not in str([as_json(problem) for problem in found])


def test_a_long_line_is_cut_around_the_marker(write: Write) -> None:
    values = ", ".join(f"k{n}: v" for n in range(100))
    root = write(f"payment_tokens: {{a: {{{values}, coworker_invoice_id: 01, {values.replace('k', 'j')}}}}}\n".encode())
    found = load_manifests(root / "manifests", root=root).diagnostics

    excerpts = [problem.excerpt for problem in with_excerpts(found, root) if problem.code == "not-a-number"]

    (excerpt,) = excerpts
    assert excerpt is not None
    assert len(excerpt.text) <= 162
    assert excerpt.text[0] == excerpt.text[-1] == "…"
    assert excerpt.text[excerpt.column - 1 :][: excerpt.width] == "01"


def test_a_file_that_is_gone_leaves_the_diagnostic_without_a_line(write: Write) -> None:
    root = write(b"nonsense: 1\n")
    found = load_manifests(root / "manifests", root=root).diagnostics
    (root / "manifests" / "m.yaml").write_bytes(b"")
    (shorter,) = with_excerpts([Diagnostic("x", "y", Location("manifests/m.yaml", 9, 1))], root)
    (root / "manifests" / "m.yaml").unlink()

    assert shorter.excerpt is None
    assert with_excerpts(found, root) == list(found)


def test_a_file_that_no_longer_parses_is_hidden_altogether(write: Write) -> None:
    root = write(b"nonsense: 1\n")
    found = load_manifests(root / "manifests", root=root).diagnostics
    (root / "manifests" / "m.yaml").write_bytes(b"token: pm_1: x\n")

    (hidden,) = with_excerpts(found, root)

    assert hidden.excerpt == Excerpt("*** *** ***", 1, 3)


def test_a_line_of_too_many_values_is_hidden_altogether(write: Write) -> None:
    root = write(b"nonsense: [" + b"pm_1, " * 3000 + b"]\n")

    (hidden,) = with_excerpts(load_manifests(root / "manifests", root=root).diagnostics, root)

    assert hidden.excerpt is not None
    assert set(hidden.excerpt.text) <= {"*", " ", "…"}


def test_only_the_first_ones_get_a_line_and_are_shown(write: Write) -> None:
    problem = Diagnostic("x", "y", Location("manifests/m.yaml", 1, 1), severity=Severity.WARNING)
    root = write(b"notes: 1\n")

    found = with_excerpts([problem] * 1500, root, most=2)

    assert [item.excerpt is not None for item in found[:4]] == [True, True, False, False]
    assert as_text(found).splitlines()[-1] == "1,500 problems: 0 errors, 1,500 warnings; the first 200 are shown"
    assert as_text(found, most=1).count("notes") == 1
    assert as_text([]) == ""


def test_a_problem_without_a_place_is_shown_without_one() -> None:
    problem = Diagnostic("x", "y", help="z")

    assert as_text([problem]) == "error[x]: y\n   = help: z\n"
    assert as_json(problem) == {
        "severity": "error", "code": "x", "message": "y", "file": None, "line": None, "column": None, "help": "z",
    }  # fmt: skip


def test_colour_adds_nothing_but_colour() -> None:
    problem = Diagnostic("x", "y\x1b[31m", Location("a", 1, 3), "z", excerpt=Excerpt("  日本 x", 3, 2))

    coloured = as_text([problem], colour=True)

    plain = coloured
    for code in ("\x1b[1m", "\x1b[1;31m", "\x1b[1;34m", "\x1b[0m"):
        assert code in coloured
        plain = plain.replace(code, "")
    assert plain == as_text([problem]) == (
        "a:1:3: error[x]: y\\x1b[31m\n    1 |   日本 x\n      |   ^^^^\n   = help: z\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("March renewal: Bücher, 日本", "March renewal: Bücher, 日本"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\r\tc\x00\x7f\x85", r"a\nb\r\tc\x00\x7f\x85"),
        ("\u202ea\u200b\u2066\ufeff", r"\u202ea\u200b\u2066\ufeff"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\U000e0041\U000e0100\ufe0f\u3164", r"\U000e0041\U000e0100\ufe0f\u3164"),
        ("\udcff", r"\udcff"),
        ("::error::x", r"\x3a:error::x"),
        ("  ::error::x", r"  \x3a:error::x"),
        ("a::b", "a::b"),
        ("x ##[error]y", r"x \x23#[error]y"),
        ("##vso[task]", r"\x23#vso[task]"),
        ("## heading", "## heading"),
    ],
)
def test_what_a_terminal_or_ci_would_obey_is_shown_as_an_escape(text: str, expected: str) -> None:
    assert escaped(text) == expected


@given(st.text())
def test_an_escaped_text_is_one_printable_line_and_no_command(text: str) -> None:
    safe = escaped(text)

    assert safe.isprintable()
    assert not safe.lstrip().startswith("::")
    assert "##[" not in safe
    assert display_width(safe) >= 0


def test_the_width_of_a_text_is_that_on_a_terminal() -> None:
    assert [display_width(text) for text in ("abc", "日本", "e\u0301")] == [3, 4, 1]
