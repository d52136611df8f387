"""validate, schema, plan, show: what reviewers look at. Nothing here changes a byte."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reconcile import __version__
from reconcile.app.project import folder_in_repository, open_project, read_manifests
from reconcile.cli.console import Console
from reconcile.core.diagnostics import Diagnostic, has_errors
from reconcile.core.errors import ExitCode
from reconcile.core.manifest import Manifests
from reconcile.settings import environment

if TYPE_CHECKING:
    from reconcile.app.review import Refreshed
    from reconcile.core.changes import Plan
    from reconcile.core.quota import Limits
    from reconcile.render.plan import View


def validate(args: argparse.Namespace, console: Console) -> int:
    """Checks the manifests and prints every problem of every file."""
    project = open_project(args.directory, environment(), is_sandbox=args.sandbox)
    manifests = read_manifests(project, strict=args.strict)
    match args.format:
        case "json":
            console.out_json(_as_json(manifests))
        case "github":
            _show_on_github(manifests, project.root, console)
        case "sarif":
            from reconcile.render.sarif import diagnostics_as_sarif

            folder = folder_in_repository(project.root)
            console.out_json(diagnostics_as_sarif(manifests.diagnostics, folder=folder))
        case _:
            console.out(_as_text(manifests.diagnostics, project.root, console) + _verdict(manifests))
    return ExitCode.INVALID if has_errors(manifests.diagnostics) else ExitCode.DONE


def _show_on_github(manifests: Manifests, root: Path, console: Console) -> None:
    """Annotations, the same as text in the log, and the summary of the step."""
    from reconcile.adapters.excerpts import with_excerpts
    from reconcile.render.diagnostics import totals
    from reconcile.render.github import diagnostics_as_github
    from reconcile.render.review_markdown import diagnostics_as_markdown

    diagnostics = manifests.diagnostics
    verdict = f"Invalid: {totals(diagnostics)}." if has_errors(diagnostics) else _verdict(manifests).rstrip()
    console.out(diagnostics_as_github(diagnostics, verdict, folder=folder_in_repository(root)))
    console.diagnose(with_excerpts(diagnostics, root))
    console.summarize(diagnostics_as_markdown(verdict, diagnostics))


def _as_text(diagnostics: Sequence[Diagnostic], root: Path, console: Console) -> str:
    if not diagnostics:
        return ""
    from reconcile.adapters.excerpts import with_excerpts
    from reconcile.render.diagnostics import as_text

    return as_text(with_excerpts(diagnostics, root), colour=console.out_style.colour)


def _as_json(manifests: Manifests) -> dict[str, object]:
    from reconcile.render.diagnostics import as_json

    return {
        "valid": not has_errors(manifests.diagnostics),
        "manifests": {"digest": manifests.digest, "files": manifests.files, "records": len(manifests.records)},
        "diagnostics": [as_json(diagnostic) for diagnostic in manifests.diagnostics],
    }


def _verdict(manifests: Manifests) -> str:
    if has_errors(manifests.diagnostics):
        return ""
    from reconcile.render.words import counted

    return f"Valid: {counted(len(manifests.records), 'record')} in {counted(manifests.files, 'file')}.\n"


def schema(args: argparse.Namespace, console: Console) -> int:  # noqa: ARG001 - commands have one signature
    """Prints the JSON Schema of a manifest."""
    from reconcile.core.manifest_schema import json_schema

    console.out_json(json_schema())
    return ExitCode.DONE


def plan(args: argparse.Namespace, console: Console) -> int:
    """Prints what apply would do, and saves it where that is wanted."""
    from reconcile.app.review import plan as plan_project
    from reconcile.core.changes import Selection

    project = open_project(args.directory, environment(), is_sandbox=args.sandbox, sandbox_limits=args.limits)
    selection = Selection(tuple(args.target), tuple(args.exclude))
    planned = plan_project(project, selection, args.allow_deletes, _refreshed(args, console))
    created_at = _now() if args.out is not None or args.format != "text" else ""
    if args.out is not None:
        from reconcile.app.saved_plans import save, terms_of
        from reconcile.core.saved import SavedPlan

        terms = terms_of(project, selection, args.allow_deletes, is_refreshed=args.refresh)
        save(SavedPlan(planned, terms, created_at, __version__), project.root / args.out)
    _show_plan(planned, project.root, args, console, at=created_at, limits=project.limits)
    if args.format == "text":
        _suggest(planned, args, console)
    has_changes = args.detailed_exitcode and not planned.is_empty
    return ExitCode.CHANGES if has_changes else ExitCode.DONE


def _refreshed(args: argparse.Namespace, console: Console) -> "Refreshed | None":
    if not args.refresh:
        return None
    from reconcile.app.connection import SandboxWishes
    from reconcile.cli.reading import ReadingProgress

    return SandboxWishes(args.limits, args.faults, args.seed), ReadingProgress(console)


def _now() -> str:
    from reconcile.core.times import iso  # for whoever asks only: a plan as text starts sooner without it

    return iso(time.time())


def _show_plan(
    planned: "Plan",
    root: Path,
    args: argparse.Namespace,
    console: Console,
    *,
    at: str,
    tool_version: str = __version__,
    limits: "Limits | None" = None,
) -> None:
    """Prints a plan in the format that was asked for; `at` and `tool_version` say when it was made, and by which."""
    if planned.diagnostics and args.format != "json":
        from reconcile.adapters.excerpts import with_excerpts

        console.diagnose(with_excerpts(planned.diagnostics, root))
    if args.format != "text":
        from reconcile.render.plan import View

        view = View(at, full=args.full, limits=limits, tool_version=tool_version)
        _show_elsewhere(planned, view, root, args.format, console)
        return
    from reconcile.render.plan_text import plan_as_text

    console.out(plan_as_text(planned, full=args.full, style=console.out_style))


def _show_elsewhere(planned: "Plan", view: "View", root: Path, output: str, console: Console) -> None:
    """On a page, in a comment, to a script: anywhere but on a terminal."""
    from reconcile.render.plan import render_plan

    if output == "github":
        view = view._replace(folder=folder_in_repository(root.resolve()))
    console.out(render_plan(planned, output, view))
    if output == "github":
        # The log shows of a command nothing but its message, and the summary is on another page.
        console.tell(render_plan(planned, "text", view).rstrip())
        console.summarize(render_plan(planned, "markdown", view))


def _suggest(planned: "Plan", args: argparse.Namespace, console: Console) -> None:
    from reconcile.core.changes import Action

    if console.is_quiet:
        return
    has_work = len(planned.changes) > planned.count(Action.IN_DOUBT)
    if args.out is not None:
        from shlex import quote

        command = console.as_given("`reconcile apply").removeprefix("`")
        console.tell(f"Nothing was sent. Saved: `{command} {quote(args.out)}` does exactly this, without asking.")
    elif has_work and not planned.refusals:
        command = "reconcile apply --refresh" if args.refresh else "reconcile apply"
        console.tell(console.as_given(f"Nothing was sent. `{command}` does it, after asking."))


def show(args: argparse.Namespace, console: Console) -> int:
    """Prints a saved plan, the state, or one record of it."""
    if args.address is not None and _is_file(Path(args.directory) / args.address):
        return _show_saved(Path(args.directory) / args.address, args, console)
    from reconcile.cli.state import list_records, show_record

    if args.address is None:
        args.pattern = []
        return list_records(args, console)
    return show_record(args, console)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long for one
        return False


def _show_saved(path: Path, args: argparse.Namespace, console: Console) -> int:
    from reconcile.app.saved_plans import load
    from reconcile.render.words import minute

    saved = load(path)
    root, at, version = Path(args.directory), saved.created_at, saved.tool_version
    _show_plan(saved.plan, root, args, console, at=at, tool_version=version)
    if args.format == "text" and not console.is_quiet:
        console.tell(f"Saved {minute(saved.created_at)}.")
    return ExitCode.DONE
