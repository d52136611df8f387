"""drift, export: what there is in Nexudus, against the state and as manifests. Neither sends a write."""

import argparse
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from reconcile import __version__
from reconcile.app.connection import SandboxWishes
from reconcile.app.drift import find_drift
from reconcile.app.export import ExportOptions, Written
from reconcile.app.export import export as export_records
from reconcile.app.project import open_project
from reconcile.cli.console import Console
from reconcile.cli.reading import ReadingProgress
from reconcile.core.errors import ExitCode, UsageError
from reconcile.core.times import iso
from reconcile.render.drift import drift_as_json, drift_as_text
from reconcile.render.escape import escaped
from reconcile.render.words import column_width, counted, padded
from reconcile.settings import environment


def drift(args: argparse.Namespace, console: Console) -> int:
    """Compares the state with the API and prints what differs."""
    project = open_project(args.directory, environment(), is_sandbox=args.sandbox, sandbox_limits=args.limits)
    wishes = SandboxWishes(args.limits, args.faults, args.seed)
    found = find_drift(project, wishes, ReadingProgress(console))
    comparisons = found.comparisons
    if args.format == "json":
        console.out_json(drift_as_json(comparisons, found.state, checked_at=iso(time.time()), tool_version=__version__))
    else:
        console.out(drift_as_text(comparisons, console.out_style))
        if comparisons.drifts and not console.is_quiet:
            told = "Nothing was changed. `reconcile plan --refresh` shows what apply would do about it."
            console.tell(console.as_given(told))
    return ExitCode.CHANGES if args.detailed_exitcode and comparisons.drifts else ExitCode.DONE


def export(args: argparse.Namespace, console: Console) -> int:
    """Writes manifests of live records, with import blocks and without tokens."""
    project = open_project(args.directory, environment(), is_sandbox=args.sandbox, sandbox_limits=args.limits)
    options = ExportOptions(
        out=project.root / args.out if args.out is not None else project.settings.manifests / "imported",
        invoice=args.invoice,
        since=_moment(args.since) if args.since else "",
        only_unmanaged=args.unmanaged,
        sandbox=SandboxWishes(args.limits, args.faults, args.seed),
    )
    written = export_records(project, options, ReadingProgress(console))
    console.out(_written_as_text(written, project.root))
    if written.files and not console.is_quiet:
        told = "Nothing was changed in Nexudus. Review the files; `reconcile plan` shows what would be adopted."
        console.tell(console.as_given(told))
    return ExitCode.DONE


def _moment(text: str) -> str:
    """A date, or a time of one, as UTC."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"--since: {text!r} is not a date", help="write it as 2026-03-01") from None
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def _written_as_text(written: Written, root: Path) -> str:
    names = [escaped(os.path.relpath(path, root)) for path, _ in written.files]
    width = column_width(names)
    lines = [
        f"{padded(name, width)}   {counted(count, 'record')}"
        for name, (_, count) in zip(names, written.files, strict=True)
    ]
    records, files = sum(count for _, count in written.files), len(written.files)
    choice = written.choice
    left_out = [
        f"{count:,} {why}"
        for count, why in (
            (choice.declared, "declared already"),
            (choice.managed, "managed already"),
            (choice.in_doubt, "at invoices where a write is in doubt"),
            (len(choice.exported) - records, "in files that are there already"),
        )
        if count
    ]
    told = f"; left out: {', '.join(left_out)}" if left_out else ""
    return (
        "".join(f"{line}\n" for line in lines)
        + f"Exported: {counted(records, 'record')} to {counted(files, 'file')}{told}.\n"
    )
