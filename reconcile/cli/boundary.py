"""The one place where an error becomes a message and an exit code. No traceback gets past it to a terminal."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from reconcile.cli.console import OUTPUT_UNWRITABLE, Console, error_as_json
from reconcile.cli.parser import build_parser
from reconcile.core.errors import ExitCode, ReconcileError
from reconcile.settings import environment


def run(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name, and returns its exit code."""
    parser = build_parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as ended:  # argparse has printed the help, the version or the usage
        return int(ended.code or 0)
    if args.command is None:
        parser.print_help(sys.stderr)
        return ExitCode.USAGE
    console = Console(environment(), is_quiet=args.quiet, is_verbose=args.verbose)
    try:
        return _run_command(args, console)
    except ReconcileError as error:
        return _report_error(error, args, console)
    except KeyboardInterrupt:
        console.tell("\ninterrupted")
        return ExitCode.INTERRUPTED
    except Exception as bug:  # noqa: BLE001 - whatever it is, it ends here, without a traceback on the terminal
        return _report_bug(bug, console)


def _run_command(args: argparse.Namespace, console: Console) -> int:
    module, _, function = args.does.partition(":")
    command = getattr(import_module(f"reconcile.cli.{module}"), function)
    return int(command(args, console))


def _report_error(error: ReconcileError, args: argparse.Namespace, console: Console) -> ExitCode:
    """For people always, and where JSON was asked for also as a document; as one line among the events of apply."""
    if getattr(args, "format", "text") == "json" and error.code != OUTPUT_UNWRITABLE:
        print_json = console.out_json_line if args.command == "apply" else console.out_json
        print_json(error_as_json(error))
    console.report(error)
    return error.exit_code


def _report_bug(bug: BaseException, console: Console) -> int:
    """One sentence on the terminal; where it happened goes to a private file, without any value or message."""
    path = _write_traceback(bug)
    where = f" Where it happened is in {path}, without any value; please report it with that file." if path else ""
    console.tell(f"error[bug]: {type(bug).__name__}: this is a bug in reconcile, not a mistake of yours.{where}")
    console.tell("   = help: what was sent is in the journal; `reconcile plan` shows where things stand")
    return ExitCode.BUG


def _write_traceback(bug: BaseException) -> Path | None:
    import os
    import tempfile

    try:
        descriptor, name = tempfile.mkstemp(prefix="reconcile-bug-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_redacted(bug))
    except OSError:
        return None
    return Path(name)


def _redacted(bug: BaseException) -> str:
    """Types and places only: a message or a line of data may hold a token."""
    import traceback

    from reconcile import __version__

    lines = [f"reconcile {__version__}, Python {sys.version.split()[0]}\n"]
    seen: BaseException | None = bug
    while seen is not None:
        lines.append(f"{type(seen).__module__}.{type(seen).__qualname__}\n")
        lines.extend(f"  {f.filename}:{f.lineno} in {f.name}\n" for f in traceback.extract_tb(seen.__traceback__))
        seen = seen.__cause__ or seen.__context__
    return "".join(lines)
