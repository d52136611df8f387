"""Small documents as trees, which is how settings are read."""

import subprocess
import sys

import pytest

from reconcile.adapters.yaml_reader import MAX_TREE_NODES, parse_document
from reconcile.core.diagnostics import Location
from reconcile.core.nodes import MappingNode, Node, SequenceNode, is_empty, is_scalar, place_of

SETTINGS = b"""manifests: declared
api:
  limits: {writes_per_minute: 60, "requests": '1'}
  hosts: [a, [b], {c: d}]
empty:
"""


def child(node: Node | None, name: str) -> Node:
    assert isinstance(node, MappingNode)
    return node.values[name]


def test_a_document_keeps_order_texts_styles_and_places() -> None:
    node, problems = parse_document(SETTINGS, "reconcile.yaml")

    assert problems == []
    assert isinstance(node, MappingNode)
    assert list(node.values) == [key.value for key, _ in node.items()] == ["manifests", "api", "empty"]
    limits = child(child(node, "api"), "limits")
    minute, requests = child(limits, "writes_per_minute"), child(limits, "requests")
    assert (minute.value, minute.style, requests.value, requests.style) == ("60", "", "1", "'")
    assert place_of("reconcile.yaml", minute) == Location("reconcile.yaml", 3, 31)
    assert place_of("r", node.key("api")) == Location("r", 2, 1)
    assert (is_empty(child(node, "empty")), is_empty(minute), is_scalar(limits)) == (True, False, False)
    hosts = child(child(node, "api"), "hosts")
    assert isinstance(hosts, SequenceNode)
    assert [type(item).__name__ for item in hosts.items] == ["ScalarEvent", "SequenceNode", "MappingNode"]


@pytest.mark.parametrize("content", [b"", b"# x\n", b"---\n", b"---\n...\n"])
def test_a_document_without_content_is_nothing(content: bytes) -> None:
    assert parse_document(content, "r") == (None, [])


def test_duplicate_keys_are_reported_with_both_places_and_the_first_one_counts() -> None:
    node, problems = parse_document(b"a: 1\nb: {c: 1,\n  c: 2}\na: 3\n", "r")

    assert [(found.code, found.location, found.message) for found in problems] == [
        ("duplicate-key", Location("r", 3, 3), "this key stands already at line 2, column 5"),
        ("duplicate-key", Location("r", 4, 1), "this key stands already at line 1, column 1"),
    ]
    assert child(node, "a").value == "1"


def test_what_was_refused_leaves_its_collection_broken() -> None:
    node, problems = parse_document(b"a: {b: *x, c: 1}\nd: {e: [*x, 2]}\nf: {g: 1}\n[h]: 1\n<<: 2\n", "r")

    assert [found.code for found in problems] == ["alias", "alias", "complex-key", "merge-key"]
    assert isinstance(node, MappingNode)
    broken = {name: value.is_broken for name, value in node.values.items() if isinstance(value, MappingNode)}
    assert broken == {"a": True, "d": True, "f": False}
    assert list(child(node, "a").values) == ["c"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"a: 1\n---\nb: 2\n", "several-documents", Location("r", 2, 1)),
        (b"[" * 17, "too-deep", Location("r", 1, 17)),
        (b"[" + b"a," * (MAX_TREE_NODES + 1) + b"]", "too-many-values", Location("r", 1, 1)),
        (b"- [" + b"a," * MAX_TREE_NODES + b"]\n- [a]\n", "too-many-values", Location("r", 2, 3)),
        (b"a: 'b", "yaml-syntax", Location("r", 1, 6)),
        (b"\xff\xfea", "encoding", Location("r", 1, 1)),
    ],
)
def test_a_document_that_cannot_be_read_has_its_one_error(content: bytes, code: str, place: Location) -> None:
    node, problems = parse_document(content, "r")

    assert node is None
    assert [(found.code, found.location, found.secret) for found in problems] == [(code, place, True)]


def test_a_missing_c_parser_is_said_and_not_worked_around() -> None:
    program = (
        "import sys; sys.modules['yaml._yaml'] = None\n"
        "from reconcile.adapters.yaml_reader import parse_document\n"
        "from reconcile.core.errors import InputError\n"
        "try: parse_document(b'a: 1', 'r')\n"
        "except InputError as error: print(error.message, '|', error.help)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("PyYAML was installed without its C parser (libyaml) | install a PyYAML wheel")
