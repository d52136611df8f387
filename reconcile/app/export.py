"""Export: live records to manifests with import blocks and without tokens. Reads the API, and writes new files only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconcile.adapters.clock import Interruption, SystemClock
from reconcile.adapters.files import make_private_folder, read_file, write_private_file
from reconcile.app.connection import Connection, SandboxWishes, Waiting, connect, find_access
from reconcile.app.drift import eyes_of
from reconcile.app.project import Project, folded_state, keep_loaded, load_declared
from reconcile.apply.observe import observe
from reconcile.core.errors import RefusedError
from reconcile.core.export import Choice, Exported, Known, by_file, choose, is_since
from reconcile.core.folded import Folded
from reconcile.core.records import ObservedRecord, StateRecord
from reconcile.ports import ReadWatcher
from reconcile.render.manifest import is_ours, is_untouched, manifest_of


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the command line says about an export.

    Attributes:
        out: The folder to write to.
        invoice: Only this invoice's records.
        since: Only records created or changed since, UTC, ISO 8601; empty for all.
        only_unmanaged: Whether to leave out what the state knows.
    """

    out: Path
    invoice: int | None = None
    since: str = ""
    only_unmanaged: bool = False
    sandbox: SandboxWishes = field(default_factory=SandboxWishes)


@dataclass(frozen=True, slots=True)
class Written:
    """What an export wrote: each file with its records, and what was left out of it."""

    files: tuple[tuple[Path, int], ...]
    choice: Choice


def export(project: Project, options: ExportOptions, watcher: ReadWatcher) -> Written:
    """Writes manifests of live records; of those that no manifest declares yet, where the files are manifests too.

    Raises:
        DiagnosedError: The manifests that are there hold errors.
        InputError: Credentials are missing.
        RefusedError: Another file stands where one is to be written; then nothing is.
        ApiError, QuotaError: The records cannot be read.
        StateError: The state cannot be read, or a file cannot be written.
    """
    access = find_access(project, options.sandbox)
    folded = folded_state(project)
    is_declared = options.out.resolve().is_relative_to(project.settings.manifests.resolve())
    known = _known(project, folded, with_declared=is_declared)
    with connect(access, SystemClock(Interruption()), Waiting(note_read=watcher.note_read)) as connection:
        keep_loaded()
        records = _read(project, connection, options, watcher)
    choice = choose(records, known, only_unmanaged=options.only_unmanaged)
    planned = list(_planned(choice.exported, options.out, is_declared=is_declared))
    for path, content, _ in planned:
        make_private_folder(path.parent)
        write_private_file(path, content.encode())
    return Written(tuple((path, count) for path, _, count in planned), choice)


def _known(project: Project, folded: Folded, *, with_declared: bool) -> Known:
    """What is known already; what is declared counts only where the new files are to stand beside it."""
    manifests = load_declared(project) if with_declared and project.settings.manifests.is_dir() else None
    return Known(
        owners={record.id: address for address, record in folded.state.records.items()},
        declared=manifests.records.keys() if manifests is not None else (),
        imported={wanted.id for wanted in manifests.imports} if manifests is not None else (),
        in_doubt={doubt.intent.coworker_invoice_id for doubt in folded.doubts.values() if doubt.intent.id is None},
    )


def _read(
    project: Project, connection: Connection, options: ExportOptions, watcher: ReadWatcher
) -> list[ObservedRecord]:
    """The wanted records in full, as far as rows can be believed; what vanishes meanwhile is left out."""
    eyes = eyes_of(project, connection, watcher, lambda _, __: False)
    try:
        if options.invoice is None and not options.since:
            total, pages = connection.api.measure_listing()
            eyes.expect(pages, f"reading the whole listing, {total:,} records")
        rows = {row.id: row for row in connection.api.list_records(options.invoice, since=options.since)}
        wanted = {i: _in_full(row) for i, row in rows.items() if not options.since or is_since(row, options.since)}
        return list(observe(wanted, eyes, rows).records.values())
    finally:
        watcher.finish()


def _in_full(row: ObservedRecord) -> StateRecord:
    """Stands for a record whose provider and notes matter, whatever they are."""
    return StateRecord(row.id, row.coworker_invoice_id, regular_payment_provider=None, notes=None)


def _planned(exported: Sequence[Exported], out: Path, *, is_declared: bool) -> Iterator[tuple[Path, str, int]]:
    """Each file to write with its content and how many records it holds; files that are there already are passed by.

    Args:
        exported: In the order of their ids.
        out: The folder.
        is_declared: Whether files there count as manifests: those of earlier exports stay, and new ones go beside them.
    """
    for month, parts in by_file(exported).items():
        number = 1
        for part in parts:
            content = manifest_of(part)
            path = _path(out, month, number)
            while is_declared and _is_taken_by_us(path):
                number += 1
                path = _path(out, month, number)
            number += 1
            if not _is_there(path, content):
                yield path, content, len(part)


def _path(out: Path, month: str, number: int) -> Path:
    return out / (f"{month}.yaml" if number == 1 else f"{month}-{number}.yaml")


def _is_taken_by_us(path: Path) -> bool:
    there = read_file(path)
    return there is not None and is_ours(there.decode(errors="replace"))


def _is_there(path: Path, content: str) -> bool:
    """Whether the file holds that already. Raises RefusedError when it holds what somebody else wrote."""
    there = read_file(path)
    if there is None:
        return False
    text = there.decode(errors="replace")
    if text != content and not is_untouched(text):
        raise RefusedError(
            f"{path} exists, and was not written by an export, or was changed since; nothing was written",
            code="file-exists",
            help="rename or remove it, or choose another folder with --out",
        )
    return text == content
