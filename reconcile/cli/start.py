"""init, sandbox, completion: what comes before the daily work."""

import argparse

from reconcile.cli.console import Console
from reconcile.core.errors import ExitCode


def init(args: argparse.Namespace, console: Console) -> int:
    """Writes a starter folder; leaves what is there already as it is."""
    from pathlib import Path

    from reconcile.app.starter import ci_files, starter_files, write_missing

    folder = Path(args.directory) / args.init_directory
    files = {**starter_files(), **(ci_files(args.ci) if args.ci else {})}
    for name, was_written in write_missing(folder, files):
        console.tell(f"{'wrote' if was_written else 'kept '}  {name}")
    console.tell(
        "Next: `reconcile validate`, then `reconcile --sandbox apply` to try it without touching anything real."
    )
    return ExitCode.DONE


def sandbox(args: argparse.Namespace, console: Console) -> int:
    """Runs the sandbox in the foreground until it is interrupted."""
    from pathlib import Path

    from reconcile.app.connection import import_sandbox, starting_sandbox
    from reconcile.app.project import keep_loaded, refused_options

    server = import_sandbox()
    db = Path(args.directory) / args.db if args.db else None
    try:
        options = server.SandboxOptions(
            db=db, port=args.port, limits=args.limits or "off", faults=args.faults, seed=args.seed
        )
    except ValueError as error:
        raise refused_options(error) from None
    keep_loaded()
    with starting_sandbox():
        return server.serve(options, console.tell)


def completion(args: argparse.Namespace, console: Console) -> int:
    """Prints a completion script, made when the package was."""
    folder = __file__.rpartition("/")[0]
    # A shell waits for this each time it starts, and loading pathlib would take longer than all the rest.
    with open(f"{folder}/completions/reconcile.{args.shell}", encoding="utf-8") as script:  # noqa: PTH123 - see above
        console.out(script.read())
    return ExitCode.DONE
