"""quota, history: what was charged to the account, and what was done. Both only look."""

import argparse

from reconcile.app.project import open_project
from reconcile.cli.console import Console
from reconcile.core.errors import ExitCode
from reconcile.settings import environment


def quota(args: argparse.Namespace, console: Console) -> int:
    """Prints what is used and left of every limit."""
    from reconcile.app.quota import quota_use
    from reconcile.render.quota import quota_as_json, quota_as_text

    use = quota_use(open_project(args.directory, environment(), is_sandbox=args.sandbox, sandbox_limits=args.limits))
    if args.format == "json":
        console.out_json(quota_as_json(use.windows, use.account, is_counted=use.is_counted, at=use.at))
    else:
        console.out(quota_as_text(use.windows, use.whose, is_counted=use.is_counted))
    return ExitCode.DONE


def history(args: argparse.Namespace, console: Console) -> int:
    """Prints every run, the newest last."""
    from reconcile.app.history import past_runs
    from reconcile.render.history import runs_as_json, runs_as_text

    runs = past_runs(open_project(args.directory, environment(), is_sandbox=args.sandbox))
    if args.format == "json":
        console.out_json(runs_as_json(runs))
    else:
        console.out(runs_as_text(runs))
    return ExitCode.DONE
