"""A failure in the format that was asked for: whoever reads the output finds the reason in the result's place."""

import argparse
import time
from pathlib import Path

from reconcile.cli.console import Console
from reconcile.core.diagnostics import Diagnostic
from reconcile.core.errors import DiagnosedError, ReconcileError


def print_failure(error: ReconcileError, args: argparse.Namespace, console: Console) -> None:
    """Prints it to standard output; as one line among the events of apply."""
    error.help = console.as_given(error.help)
    match args.format:
        case "markdown":
            console.out(_markdown(error, args))
        case "github":
            from reconcile.render.github import failure_as_github

            console.out(failure_as_github(error, folder=_folder(args)))
            console.summarize(_markdown(error, args))
        case "html":
            from reconcile.render.review_html import failure_as_html

            console.out(failure_as_html(error, args.command))
        case "sarif":
            from reconcile.render.sarif import diagnostics_as_sarif

            console.out_json(diagnostics_as_sarif(_diagnostics(error), folder=_folder(args)))
        case _:
            _print_json(error, args, console)


def _print_json(error: ReconcileError, args: argparse.Namespace, console: Console) -> None:
    document = error_as_json(error)
    if args.command == "apply":
        from reconcile.core.times import iso

        console.out_json_line({"event": "error", "time": iso(time.time())} | document)
    else:
        console.out_json(document)


def _markdown(error: ReconcileError, args: argparse.Namespace) -> str:
    from reconcile.render.review_markdown import failure_as_markdown

    return failure_as_markdown(error, args.command)


def _folder(args: argparse.Namespace) -> str:
    from reconcile.app.project import folder_in_repository

    return folder_in_repository(Path(args.directory).resolve())


def _diagnostics(error: ReconcileError) -> list[Diagnostic]:
    if isinstance(error, DiagnosedError):
        return list(error.diagnostics)
    return [Diagnostic(error.code, error.message, help=error.help)]


def error_as_json(error: ReconcileError) -> dict[str, object]:
    """What JSON output says about a failure, in every command."""
    from reconcile.render.diagnostics import as_json as diagnostic_as_json
    from reconcile.render.escape import escaped

    diagnostics = error.diagnostics if isinstance(error, DiagnosedError) else ()
    return {
        "error": {
            "code": error.code,
            "message": escaped(error.message),
            "help": escaped(error.help),
            "exit_code": int(error.exit_code),
        },
        "diagnostics": [diagnostic_as_json(diagnostic) for diagnostic in diagnostics],
    }
