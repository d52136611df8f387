"""A saved plan <-> the bytes of its file: one change a line, checksummed, and bound to what it was made from.

It holds all that a plan's renderers need, so that the file alone can be shown; fingerprints at most, and no token: what
an apply sends is taken from the manifests again. The checksum is no signature. It tells a file that was edited or cut
short from one that is whole; that it says what the manifests and the state say is checked by whoever applies it.

This module must not open anything: bytes in, bytes out.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import orjson

from reconcile.core.changes import Cost, Plan, Refusal
from reconcile.core.errors import InputError, ReconcileError, StaleError
from reconcile.core.plain import NotPlainError, of_plain, to_plain
from reconcile.core.planlines import as_object, change_of, diagnostic_line_of, diagnostic_of, line_of, objects
from reconcile.core.saved import SavedPlan, Terms

VERSION: Final = 1

_CHANGES: Final = b'"changes":[\n'
_END: Final = b"]}\n"
_MARK: Final = b'"reconcile_plan"'
_first_line = re.compile(rb'\{"reconcile_plan":\{"version":([1-9][0-9]{0,8}),"sha256":"([0-9a-f]{64})"\},\n').match


@dataclass(frozen=True, slots=True)
class _Head:
    """What a plan was made from, and its counts."""

    plan_id: str
    created_at: str
    tool_version: str
    lineage: str
    serial: int
    digest: str
    files: int
    records: int
    unchanged: int
    compared_by_source: int


def is_plan_file(data: bytes) -> bool:
    """Whether bytes begin as a saved plan does."""
    return data.startswith(b"{" + _MARK)


def dump_plan(saved: SavedPlan) -> bytes:
    """The bytes of a saved plan; the digest of `saved` is left out, they have one of their own."""
    plan = saved.plan
    head = _Head(
        plan.plan_id,
        saved.created_at,
        saved.tool_version,
        plan.lineage,
        plan.serial,
        plan.digest,
        plan.files,
        plan.records,
        plan.unchanged,
        plan.compared_by_source,
    )
    parts: list[tuple[str, object]] = [
        ("plan", to_plain(head)),
        ("terms", to_plain(saved.terms)),
        ("cost", to_plain(plan.cost)),
        ("refusals", [to_plain(refusal) for refusal in plan.refusals]),
        ("diagnostics", [diagnostic_line_of(diagnostic) for diagnostic in plan.diagnostics]),
        ("hints", [diagnostic_line_of(hint) for hint in plan.hints]),
    ]
    # One growing buffer: a hundred thousand lines on their own take ten times the room of what they hold.
    content = bytearray()
    for name, part in parts:
        content += b'"%b":%b,\n' % (name.encode(), orjson.dumps(part))
    content += _CHANGES
    for change in plan.changes:
        content += orjson.dumps(line_of(change)) + b",\n"
    if plan.changes:
        del content[-2:-1]  # the last comma
    content += _END
    return b'{%b:{"version":%d,"sha256":"%b"},\n%b' % (_MARK, VERSION, _digest(content).encode(), content)


def load_plan(data: bytes, name: str) -> SavedPlan:
    """The saved plan of a file's bytes; `name` is what messages call the file.

    Raises:
        StaleError: It was edited or cut short, or a newer tool made it.
        InputError: It is no saved plan.
    """
    first = _first_line(data)
    if first is None:
        raise _edited(name) if _MARK in data or _CHANGES in data else _no_plan(name)
    version, content = int(first[1]), data[first.end() :]
    if version > VERSION:
        message = f"{name} has format version {version}; this tool knows versions up to {VERSION}"
        raise StaleError(message, code="plan-too-new", help="apply it with the version of the tool that made it")
    if first[2].decode() != _digest(content):
        raise _edited(name)
    try:
        return _saved_plan(content, first[2].decode())
    except (NotPlainError, orjson.JSONDecodeError):
        raise _edited(name) from None


def _digest(content: bytes | bytearray) -> str:
    return hashlib.sha256(content).hexdigest()


def _edited(name: str) -> ReconcileError:
    message = f"{name} was edited or cut short after it was made"
    return StaleError(message, code="plan-edited", help="make the plan anew: `reconcile plan --out FILE`")


def _no_plan(name: str) -> ReconcileError:
    return InputError(f"{name} is not a saved plan", code="not-a-plan", help="`reconcile plan --out FILE` makes one")


def _saved_plan(content: bytes, digest: str) -> SavedPlan:
    """The plan of content whose checksum fits, which a stranger may have computed: nothing is taken for granted.

    Raises:
        NotPlainError, orjson.JSONDecodeError: It is not laid out as `dump_plan` does.
    """
    above, found, below = content.partition(_CHANGES)
    if not found or not above.endswith(b",\n") or not (below == _END or below.endswith(b"\n" + _END)):
        raise NotPlainError("it lacks its changes")
    parts = as_object(orjson.loads(b"{%b}" % above.removesuffix(b",\n")))
    if parts.keys() != {"plan", "terms", "cost", "refusals", "diagnostics", "hints"}:
        raise NotPlainError("a part of it is missing")
    lines = below.removesuffix(_END).split(b"\n")[:-1]
    head = of_plain(_Head, as_object(parts["plan"]))
    plan = Plan(
        plan_id=head.plan_id,
        lineage=head.lineage,
        serial=head.serial,
        digest=head.digest,
        files=head.files,
        records=head.records,
        # Line by line: a hundred thousand parsed objects cost more memory than the plan itself.
        changes=tuple(change_of(as_object(orjson.loads(line.removesuffix(b",")))) for line in lines),
        unchanged=head.unchanged,
        compared_by_source=head.compared_by_source,
        refusals=tuple(of_plain(Refusal, raw) for raw in objects(parts["refusals"])),
        cost=of_plain(Cost, as_object(parts["cost"])),
        diagnostics=tuple(map(diagnostic_of, objects(parts["diagnostics"]))),
        hints=tuple(map(diagnostic_of, objects(parts["hints"]))),
    )
    terms = of_plain(Terms, as_object(parts["terms"]))
    return SavedPlan(plan, terms, head.created_at, head.tool_version, digest)
