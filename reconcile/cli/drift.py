"""drift: what was changed in Nexudus without the tool. Reads only."""

import argparse
import time

from reconcile import __version__
from reconcile.app.connection import SandboxWishes
from reconcile.app.drift import find_drift
from reconcile.app.project import open_project
from reconcile.cli.console import Console
from reconcile.cli.reading import ReadingProgress
from reconcile.core.errors import ExitCode
from reconcile.core.times import iso
from reconcile.render.drift import drift_as_json, drift_as_text
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
            console.tell("Nothing was changed. `reconcile plan --refresh` shows what apply would do about it.")
    return ExitCode.CHANGES if args.detailed_exitcode and comparisons.drifts else ExitCode.DONE
