"""The one place where an error becomes a message and an exit code. No traceback gets past it to a terminal."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from reconcile.cli.console import OUTPUT_UNWRITABLE, Console, flush_output, open_missing_streams
from reconcile.cli.parser import build_parser
from reconcile.core.errors import ExitCode, ReconcileError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def run(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name, and returns its exit code."""
    open_missing_streams()
    parser = build_parser(sys.argv[1:] if argv is None else argv)
    try:
        args = parser.parse_args(argv)
    except SystemExit as ended:  # argparse has printed the help, the version or the usage
        flush_output()
        return int(ended.code or 0)
    if args.command is None:
        parser.print_help(sys.stderr)
        return ExitCode.USAGE
    args.argv = sys.argv[1:] if argv is None else list(argv)
    console = Console(is_quiet=args.quiet, is_verbose=args.verbose, chosen=_chosen(args))
    try:
        return _run_command(args, console)
    except ReconcileError as error:
        return _report(error, args, console)
    except KeyboardInterrupt:
        console.tell("")  # leaves the line on which the terminal shows ^C
        return _report(_InterruptedError("interrupted; whatever was sent is recorded"), args, console)
    except Exception as bug:  # noqa: BLE001 - whatever it is, it ends here, without a traceback on the terminal
        return _report(_as_error(bug), args, console)


def _chosen(args: argparse.Namespace) -> str:
    words = ["-C", args.directory] if args.directory != "." else []
    if args.sandbox:
        words += ["--sandbox", *(["--limits", args.limits] if args.limits else [])]
    if not words:
        return ""
    from shlex import join

    return join(words)


class _InterruptedError(ReconcileError):
    exit_code = ExitCode.INTERRUPTED
    default_code = "interrupted"


class _BugError(ReconcileError):
    exit_code = ExitCode.BUG
    default_code = "bug"


def _run_command(args: argparse.Namespace, console: Console) -> int:
    wishes = [f"--{name}" for name in ("limits", "faults") if getattr(args, name)]
    if wishes and not args.sandbox and args.command != "sandbox":
        # Whoever asks for faults must not meet the real API by having forgotten a word.
        raise UsageError(
            f"{' and '.join(wishes)} without --sandbox", help="they are about the sandbox: add --sandbox before them"
        )
    module, _, function = args.does.partition(":")
    command = getattr(import_module(f"reconcile.cli.{module}"), function)
    return int(command(args, console))


def _report(error: ReconcileError, args: argparse.Namespace, console: Console) -> ExitCode:
    """For people always, and in the format that was asked for."""
    if getattr(args, "format", "text") != "text" and error.code != OUTPUT_UNWRITABLE:
        from reconcile.cli.failure import print_failure

        print_failure(error, args, console)
    console.report(error)
    return error.exit_code


def _as_error(bug: BaseException) -> _BugError:
    """One sentence about a bug; where it happened goes to a private file, without any value or message."""
    path = _write_traceback(bug)
    where = f"; where it happened is in {path}, without any value: please report it with that file" if path else ""
    return _BugError(
        f"{type(bug).__name__}: this is a bug in reconcile, not a mistake of yours{where}",
        help="what was sent is in the journal; `reconcile plan` shows where things stand",
    )


def _write_traceback(bug: BaseException) -> "Path | None":
    import os
    import tempfile
    from pathlib import Path

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
