"""The one place where an error becomes a message and an exit code. No traceback gets past it to a terminal."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from reconcile.cli.console import Console
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
        console.report(error, as_json=_wants_json(args))
        return error.exit_code
    except KeyboardInterrupt:
        console.tell("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _close_quietly()
        return ExitCode.DONE
    except Exception as bug:  # noqa: BLE001 - whatever it is, it ends here, without a traceback on the terminal
        return _report_bug(bug, console)


def _run_command(args: argparse.Namespace, console: Console) -> int:
    module, _, function = args.does.partition(":")
    command = getattr(import_module(f"reconcile.cli.{module}"), function)
    return int(command(args, console))


def _wants_json(args: argparse.Namespace) -> bool:
    return getattr(args, "format", "text") == "json"


def _close_quietly() -> None:
    """Whoever read our output has gone, `| head` for one; the interpreter must not complain when it flushes."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
