"""Manifests made to exhaust, crash or mislead: diagnostics within bounds of time and memory, and nothing else."""

import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconcile.adapters.excerpts import with_excerpts
from reconcile.adapters.manifest_files import load_manifests
from reconcile.adapters.yaml_reader import parse_document
from reconcile.core.diagnostics import has_errors
from reconcile.core.manifest_collect import MAX_DIAGNOSTICS
from reconcile.core.nodes import MappingNode, SequenceNode
from reconcile.render.diagnostics import as_json, as_text

Write = Callable[..., Path]

PROGRAM = """
import resource, sys
from pathlib import Path
from reconcile.adapters.excerpts import with_excerpts
from reconcile.adapters.manifest_files import load_manifests
from reconcile.render.diagnostics import as_text
root = Path(sys.argv[1])
found = load_manifests(root / "manifests", root=root).diagnostics
text = as_text(with_excerpts(found, root))
usage = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss, which begins with the size of the process that started this one.
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(",".join(sorted({problem.code for problem in found})), len(text), peak // 1024,
      usage.ru_utime + usage.ru_stime)
"""

LAUGHS = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (97 + n, 97 + n, b", ".join([b"*%c" % (96 + n)] * 10)) for n in range(1, 12)
)


def sized(size: int) -> bytes:
    return b"# " + b"x" * size


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (b"payment_tokens: " + b"[" * 30_000, "too-deep"),
        (b"payment_tokens: " + b"{a: " * 30_000, "too-deep"),
        (b"payment_tokens:\n  a: " + b"[" * 30_000 + b"]" * 30_000, "too-deep"),
        (b"x: " + b"- " * 30_000, "yaml-syntax"),
        (b"x:\n" + b"- " * 30_000, "too-deep"),
        (b"[" * 30_000, "not-a-mapping"),
        (b"?" * 30_000, "not-a-mapping"),
        (b"? " * 30_000, "too-deep"),
        (b"payment_tokens:\n  " + LAUGHS.replace(b"\n", b"\n  "), "alias"),
        (LAUGHS, "unknown-key"),
        (sized(64 * 1024 * 1024), "file-too-large"),
        (b"payment_tokens:\n  a:\n    notes: " + b"x" * 2 * 1024 * 1024, "scalar-too-long"),
        (b"payment_tokens:\n  a:\n    notes: '" + b"x" * 2 * 1024 * 1024 + b"'\n", "scalar-too-long"),
        (b"payment_tokens:\n  a: {" + b",".join(b"k%d: 1" % n for n in range(200_000)) + b"}\n", "too-many-values"),
        (b"removed: [" + b"a," * 300_000 + b"]\n", "too-many-problems"),
        (b"payment_tokens: {" + b",".join(b"a%d" % n for n in range(60_000)) + b"}\n", "too-many-problems"),
        (b"\n" * 2_000_000 + b"x\n", "not-a-mapping"),
        (b'payment_tokens: {a: {notes: "' + b"\\n" * 400_000 + b'"}}\n', "missing-field"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes, {value[-12:]!r}",
)
def test_a_hostile_manifest_ends_in_diagnostics_within_2_seconds_and_256_MB(  # noqa: N802 - the unit's name
    write: Write, content: bytes, codes: str
) -> None:
    root = write(content)

    # Untraced: what is measured is the loader, not the measuring of coverage.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", PROGRAM, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)

    assert (done.returncode, done.stderr) == (0, "")
    found, length, megabytes, seconds = done.stdout.split()
    assert codes in found.split(",")
    assert int(length) < 200_000
    assert int(megabytes) < 256
    assert float(seconds) < 2


def test_beyond_a_bound_problems_are_counted_and_the_count_is_shown_first(write: Write) -> None:
    entries = b"".join(b"  a%d: {coworker_invoice_id: x}\n" % n for n in range(MAX_DIAGNOSTICS + 500))
    write(b"payment_tokens:\n" + entries)
    root = write(b"payment_tokens:\n  good: {coworker_invoice_id: 1}\n  bad:\nmoved: [1]\n", "z.yaml")

    manifests = load_manifests(root / "manifests", root=root)

    assert list(manifests.records) == ["good"]
    assert len(manifests.diagnostics) == MAX_DIAGNOSTICS + 1
    assert manifests.diagnostics[0].code == "too-many-problems"
    assert "502 more problems" in manifests.diagnostics[0].message


VALID = b"""defaults: {regular_payment_provider: 2, notes: "x", token_from: {file: 'a', version: 1}}
payment_tokens:
  inv-1:
    coworker_invoice_id: 1001
    token: |-
      0123
    protect: true # why
  inv-2: {coworker_invoice_id: 2, notes: null, token_from: {env: A}}
moved: [{from: a, to: inv-1}]
removed:
- from: 'b*'
imports:
- {to: inv-2, id: 5}
"""

SPLICES = [
    b"&", b"*a", b"!x ", b"<<: ", b"\t", b"\n", b"\r", b"\x00", b"\xff", b"\xc2\x85", b"'", b'"', b"{", b"]", b": ",
    b"? ", b"- ", b"---\n", b"%", b"#", b"\xef\xbb\xbf", b"|", b">", b"@", b"null", b"~", b",", b"\\",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = VALID
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        until = at + draw(st.integers(0, 12))
        data = data[:at] + draw(st.sampled_from(SPLICES)) * draw(st.integers(0, 2)) + data[until:]
    return data


@settings(max_examples=800, deadline=None)
@given(
    st.one_of(mutated(), st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
)
@example(b"\xef\xbb\xbf\xef\xbb\xbf")
@example(b"? ")
@example(b": ")
@example(b"payment_tokens: {? }")
@example(b"- \n---\n")
def test_no_content_raises_anything(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.getbasetemp()
    (root / "fuzzed").mkdir(exist_ok=True)
    (root / "fuzzed" / "m.yaml").write_bytes(content)

    found = load_manifests(root / "fuzzed", root=root).diagnostics

    text = as_text(with_excerpts(found, root))
    assert text.replace("\n", "").isprintable()
    assert all(as_json(problem)["line"] != 0 for problem in found)
    node, problems = parse_document(content, "m.yaml")
    assert node is None or isinstance(node, MappingNode | SequenceNode) or node.value is not None
    assert all(problem.message for problem in problems)


def test_a_long_run_of_random_bytes_raises_nothing(write: Write) -> None:
    chance = random.Random(7)  # noqa: S311 - no secret is made of it
    for size in (1, 10, 1_000, 100_000):
        root = write(chance.randbytes(size))
        assert has_errors(load_manifests(root / "manifests", root=root).diagnostics)


# Files that are not what they seem.


def codes(root: Path, folder: str = "manifests") -> list[str]:
    return [problem.code for problem in load_manifests(root / folder, root=root).diagnostics]


def test_a_fifo_is_refused_without_waiting_for_it(write: Write) -> None:
    root = write(b"payment_tokens: {a: {coworker_invoice_id: 1}}\n")
    os.mkfifo(root / "manifests" / "pipe.yaml")

    manifests = load_manifests(root / "manifests", root=root)

    assert [(found.code, str(found.location)) for found in manifests.diagnostics] == [
        ("special-file", "manifests/pipe.yaml:1")
    ]
    assert list(manifests.records) == ["a"]


def test_a_socket_and_a_device_are_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(b"")
    monkeypatch.chdir(root / "manifests")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.yaml")
    assert codes(root) == ["unreadable-file"]


def test_links_are_refused_wherever_they_lead(write: Write, tmp_path: Path) -> None:
    root = write(b"payment_tokens: {a: {coworker_invoice_id: 1}}\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.yaml").write_bytes(b"payment_tokens: {b: {coworker_invoice_id: 1}}\n")
    (root / "manifests" / "file.yaml").symlink_to("m.yaml")
    (root / "manifests" / "folder").symlink_to(tmp_path / "outside")
    (root / "manifests" / "nowhere.yaml").symlink_to("missing")

    manifests = load_manifests(root / "manifests", root=root)

    assert list(manifests.records) == ["a"]
    assert [(found.code, str(found.location)) for found in manifests.diagnostics] == [
        ("link", "manifests/file.yaml:1"),
        ("link", "manifests/folder:1"),
        ("link", "manifests/nowhere.yaml:1"),
    ]


def test_a_folder_that_is_a_link_out_of_the_project_is_refused(write: Write, tmp_path: Path) -> None:
    write(b"payment_tokens: {a: {coworker_invoice_id: 1}}\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / "declared").symlink_to(tmp_path / "manifests")

    assert codes(project, "declared") == ["link"]
    # One that was named outside the project was somebody's choice.
    assert codes(project, "../manifests") == []


def test_a_missing_folder_is_a_diagnostic_with_a_hint(write: Write) -> None:
    root = write(b"")
    (missing,) = load_manifests(root / "nowhere", root=root).diagnostics
    (no_folder,) = load_manifests(root / "manifests" / "m.yaml", root=root).diagnostics

    assert (missing.message, no_folder.message) == (
        "the folder of manifests does not exist: nowhere",
        "the folder of manifests is not a folder: manifests/m.yaml",
    )
    assert "reconcile init" in missing.help


def test_a_name_that_cannot_be_shown_is_refused_and_shown_escaped(write: Write) -> None:
    root = write(b"", "a\x1b[31m.yaml")
    (root / "manifests" / os.fsdecode(b"b\xff.yaml")).write_bytes(b"")

    found = load_manifests(root / "manifests", root=root).diagnostics

    assert [problem.code for problem in found] == ["file-name", "file-name"]
    text = as_text(with_excerpts(found, root))
    assert r"manifests/a\x1b[31m.yaml:1:1" in text
    assert r"manifests/b\udcff.yaml:1:1" in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_a_diagnostic(write: Write) -> None:
    root = write(b"", "closed/m.yaml")
    write(b"", "m.yaml")
    (root / "manifests" / "m.yaml").chmod(0)
    (root / "manifests" / "closed").chmod(0)
    try:
        assert codes(root) == ["unreadable-file", "unreadable-file"]
    finally:
        (root / "manifests" / "closed").chmod(0o700)
