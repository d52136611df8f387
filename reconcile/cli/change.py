"""apply."""

import argparse
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from reconcile.adapters.clock import Interruption
from reconcile.app.change import ApplyOptions, Audience
from reconcile.app.change import apply as apply_project
from reconcile.app.connection import SandboxWishes
from reconcile.app.project import open_project
from reconcile.cli.console import Console
from reconcile.cli.progress import reporter_for
from reconcile.core.changes import Action, Plan, Selection
from reconcile.core.errors import ExitCode, RefusedError
from reconcile.core.report import Report
from reconcile.ports import Reporter
from reconcile.render.plan_text import plan_as_text
from reconcile.render.report import report_as_text
from reconcile.settings import environment


def apply(args: argparse.Namespace, console: Console) -> int:
    """Does the plan after a typed `yes`."""
    if args.plan_file is not None:
        raise RefusedError(
            "applying a saved plan is not supported yet",
            code="plan-file-not-built",
            help="run `reconcile apply` without a file; it shows the plan it would do, and asks",
        )
    project = open_project(args.directory, environment(), is_sandbox=args.sandbox)
    interruption = Interruption()
    report = apply_project(project, _options(args), _audience(args, console, interruption), interruption)
    if args.format == "text":
        _show(report, console)
    return report.exit_code


def _options(args: argparse.Namespace) -> ApplyOptions:
    return ApplyOptions(
        selection=Selection(tuple(args.target), tuple(args.exclude)),
        allow_deletes=args.allow_deletes,
        max_writes=args.max_writes,
        lock_timeout=args.lock_timeout,
        sandbox=SandboxWishes(args.limits, args.faults, args.seed),
    )


def _audience(args: argparse.Namespace, console: Console, interruption: Interruption) -> Audience:
    choose_reporter = reporter_for(console, args.format)

    @contextmanager
    def report_to(plan: Plan) -> Generator[Reporter]:
        with _stopping(interruption), choose_reporter(plan) as reporter:
            yield reporter

    def show(plan: Plan) -> None:
        if args.format == "text":
            console.out(plan_as_text(plan, full=args.full, style=console.out_style))

    return Audience(
        show=show,
        consent=_consent(args, console),
        reporter=report_to,
        alarm=console.tell,
    )


def _consent(args: argparse.Namespace, console: Console) -> Callable[[Plan], None]:
    def consent(plan: Plan) -> None:
        if args.auto_approve:
            return
        if not console.is_interactive:
            raise RefusedError(
                "there is no terminal to ask on; nothing was sent",
                code="no-terminal",
                help="review the plan, then run `reconcile apply --auto-approve`",
            )
        if console.ask(f"\nCreate {plan.count(Action.CREATE):,} in Nexudus? Only `yes` is taken for one: ") != "yes":
            raise RefusedError("the answer was not `yes`; nothing was sent", code="no-consent")

    return consent


def _show(report: Report, console: Console) -> None:
    if report.results or report.state_changes or report.doubts:
        console.out("\n" + report_as_text(report, console.out_style))


@contextmanager
def _stopping(interruption: Interruption) -> Generator[None]:
    """While requests may be in flight: the first SIGINT or SIGTERM lets them finish, the second ends the process."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a signal handler
        if interruption.is_requested():
            os.write(2, _AT_ONCE)  # the console's buffer may be in use by the thread this interrupts
            os._exit(ExitCode.INTERRUPTED)
        interruption.request()
        os.write(2, _GENTLY)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_GENTLY = b"\nstopping: finishing the requests in flight; once more stops at once and leaves them in doubt\n"

_AT_ONCE = (
    b"\nstopped at once: requests that were in flight are in doubt. They are in the journal and are not sent again;"
    b"\n`reconcile plan` lists them\n"
)
