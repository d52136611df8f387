"""apply."""

import argparse
import os
import shlex
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType

from reconcile.adapters.clock import Interruption
from reconcile.app.change import ApplyOptions, Audience
from reconcile.app.change import apply as apply_project
from reconcile.app.connection import SandboxWishes
from reconcile.app.project import Project, open_project
from reconcile.app.saved_plans import load
from reconcile.app.settling import ResolveOptions, Settled
from reconcile.app.settling import resolve as resolve_project
from reconcile.cli.console import Console
from reconcile.cli.progress import reporter_for
from reconcile.cli.reading import ReadingProgress
from reconcile.core.changes import Action, Plan, Selection
from reconcile.core.errors import ExitCode, RefusedError, UsageError
from reconcile.core.report import Report
from reconcile.core.saved import SavedPlan
from reconcile.ports import Reporter
from reconcile.render.plan_text import plan_as_text
from reconcile.render.report import report_as_text
from reconcile.render.settled import settled_as_json, settled_as_text, unchecked_as_text
from reconcile.settings import environment


def apply(args: argparse.Namespace, console: Console) -> int:
    """Does the plan after a typed `yes`, or a saved one."""
    project = open_project(args.directory, environment(), is_sandbox=args.sandbox, sandbox_limits=args.limits)
    interruption = Interruption()
    report = apply_project(
        project, _options(args, project), _audience(args, console, interruption, _where(project)), interruption
    )
    if args.format == "text":
        _show(report, console)
    return report.exit_code


def _options(args: argparse.Namespace, project: Project) -> ApplyOptions:
    return ApplyOptions(
        selection=Selection(tuple(args.target), tuple(args.exclude)),
        allow_deletes=args.allow_deletes,
        max_writes=args.max_writes,
        adopt_existing=args.adopt_existing,
        lock_timeout=args.lock_timeout,
        sandbox=_sandbox_wishes(args),
        is_patient=args.wait,
        refresh=args.refresh,
        command=shlex.join(("reconcile", *args.argv)),
        saved=_saved_plan(args, project),
    )


def _saved_plan(args: argparse.Namespace, project: Project) -> SavedPlan | None:
    if args.plan_file is None:
        return None
    given = [f"--{name.replace('_', '-')}" for name, absent in _DECIDED_BEFORE if getattr(args, name) != absent]
    if given:
        help_ = "a saved plan has its own: make another one with `reconcile plan --out FILE`"
        raise UsageError(f"{', '.join(given)} cannot be given with a saved plan", help=help_)
    return load(project.root / args.plan_file)


_DECIDED_BEFORE: tuple[tuple[str, object], ...] = (
    ("target", []),
    ("exclude", []),
    ("allow_deletes", None),
    ("refresh", False),
)
"""Flags that say what a plan holds, which a saved one has decided, and what they are where nobody gives them."""


def _sandbox_wishes(args: argparse.Namespace) -> SandboxWishes:
    return SandboxWishes(args.limits, args.faults, args.seed)


def resolve(args: argparse.Namespace, console: Console) -> int:
    """Settles writes in doubt."""
    if args.address is None and (args.adopt is not None or args.not_created):
        raise UsageError(
            "--adopt and --not-created speak of one ADDRESS", help="`reconcile plan` lists what is in doubt"
        )
    project = open_project(args.directory, environment(), is_sandbox=args.sandbox, sandbox_limits=args.limits)
    options = ResolveOptions(args.address, args.adopt, args.not_created, args.lock_timeout, _sandbox_wishes(args))
    report = resolve_project(project, options)
    if args.format == "json":
        console.out_json(settled_as_json(report))
    else:
        settled = settled_as_text(report.settlements, report.twins, console.out_style)
        if report.unchecked:
            settled += unchecked_as_text(report.unchecked, console.out_style) + "\n"
        console.out(console.as_given(settled) or "Nothing is in doubt.\n")
    return report.exit_code


def _where(project: Project) -> str:
    return "in the sandbox" if project.is_sandbox else f"at {project.settings.api.base_url}"


def _audience(args: argparse.Namespace, console: Console, interruption: Interruption, where: str) -> Audience:
    choose_reporter = reporter_for(console, args.format)

    @contextmanager
    def report_to(plan: Plan) -> Generator[Reporter]:
        with _stopping(interruption), choose_reporter(plan) as reporter:
            yield reporter

    def show(plan: Plan, settled: Settled) -> None:
        if args.format == "text":
            console.out(console.as_given(settled_as_text(settled.settlements, settled.twins, console.out_style)))
            console.out(plan_as_text(plan, full=args.full, style=console.out_style))

    return Audience(
        show=show,
        consent=_consent(args, console, where),
        reporter=report_to,
        alarm=console.tell,
        watcher=ReadingProgress(console),
    )


def _consent(args: argparse.Namespace, console: Console, where: str) -> Callable[[Plan], None]:
    def consent(plan: Plan) -> None:
        if args.auto_approve or args.plan_file is not None:  # a saved plan was reviewed
            return
        if not console.is_interactive or args.format == "json":  # with JSON, nobody has seen the plan
            raise RefusedError(
                "there is no terminal to show the plan and ask on; nothing was sent",
                code="no-terminal",
                help="review `reconcile plan`, then run `reconcile apply --auto-approve`",
            )
        if console.ask(f"\n{_question(plan, where)} Type `yes` to do it: ") != "yes":
            raise RefusedError("the answer was not `yes`; nothing was sent", code="no-consent")

    return consent


def _question(plan: Plan, where: str) -> str:
    counts = {word: plan.count(action) for action, word in _VERBS.items()}
    asked = ", ".join(f"{word} {count:,}" for word, count in counts.items() if count)
    if not asked:
        return "Record this in the state, and send nothing?"
    noun = "record" if sum(counts.values()) == 1 else "records"
    return f"{asked[0].upper()}{asked[1:]} {noun} {where}?"


_VERBS = {Action.ADOPT: "take over", Action.CREATE: "create", Action.UPDATE: "update", Action.DELETE: "delete"}


def _show(report: Report, console: Console) -> None:
    if report.results or report.state_changes or report.doubts or report.unchecked:
        console.out("\n" + console.as_given(report_as_text(report, console.out_style)))


@contextmanager
def _stopping(interruption: Interruption) -> Generator[None]:
    """While requests may be in flight: the first signal lets them finish, the second ends the process."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a signal handler
        if interruption.is_requested():
            _say(_AT_ONCE)
            os._exit(ExitCode.INTERRUPTED)
        interruption.request()
        _say(_GENTLY)

    heard = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]  # nohup must stay in force
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(line: bytes) -> None:
    """Past the console, whose buffer may be in use by the thread that the signal interrupts."""
    # Ctrl-C ends a `| tee` too. An error here would leave the workers sending without anybody who waits for them.
    with suppress(OSError):
        os.write(2, line)


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a CI job that is cancelled, a terminal that is closed."""

_GENTLY = b"\nstopping: finishing the requests in flight; once more stops at once and leaves them in doubt\n"

_AT_ONCE = (
    b"\nstopped at once: requests that were in flight are in doubt. They are in the journal and are not sent again;"
    b"\n`reconcile plan` lists them\n"
)
