"""init, sandbox, completion: what comes before the daily work."""

import argparse
from pathlib import Path

from reconcile.app.connection import import_sandbox
from reconcile.app.starter import write_starter
from reconcile.cli.console import Console
from reconcile.core.errors import ExitCode, UsageError


def init(args: argparse.Namespace, console: Console) -> int:
    """Writes a starter folder; leaves what is there already as it is."""
    folder = Path(args.directory) / args.init_directory
    for name, was_written in write_starter(folder):
        console.tell(f"{'wrote' if was_written else 'kept '}  {name}")
    console.tell(
        "Next: `reconcile validate`, then `reconcile --sandbox apply` to try it without touching anything real."
    )
    return ExitCode.DONE


def sandbox(args: argparse.Namespace, console: Console) -> int:
    """Runs the sandbox in the foreground until it is interrupted."""
    server = import_sandbox()
    db = Path(args.directory) / args.db if args.db else None
    try:
        options = server.SandboxOptions(
            db=db, port=args.port, limits=args.limits or "off", faults=args.faults, seed=args.seed
        )
        return server.serve(options, console.tell)
    except ValueError as error:
        raise UsageError(str(error), code="sandbox-options") from None


def completion(args: argparse.Namespace, console: Console) -> int:
    """Prints a completion script, made when the package was."""
    script = Path(__file__).with_name("completions") / f"reconcile.{args.shell}"
    console.out(script.read_text(encoding="utf-8"))
    return ExitCode.DONE
