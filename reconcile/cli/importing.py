"""import."""

import argparse

from reconcile.app.connection import SandboxWishes
from reconcile.app.importing import ImportOptions, import_record
from reconcile.app.project import open_project
from reconcile.cli.console import Console
from reconcile.core.errors import ExitCode
from reconcile.render.escape import escaped
from reconcile.settings import environment


def take_over(args: argparse.Namespace, console: Console) -> int:
    """Takes over one existing record."""
    project = open_project(args.directory, environment(), is_sandbox=args.sandbox, sandbox_limits=args.limits)
    wishes = SandboxWishes(args.limits, args.faults, args.seed)
    is_new = import_record(project, ImportOptions(args.address, args.id, args.lock_timeout, wishes))
    address = escaped(args.address)
    if is_new:
        console.tell(f"{address} is id {args.id} now; nothing was sent. `reconcile plan` shows what differs.")
    else:
        console.tell(f"{address} is id {args.id} already; nothing to do.")
    return ExitCode.DONE
