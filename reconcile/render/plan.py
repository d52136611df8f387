"""A plan in any format. Each format is a module of its own, loaded only when it is asked for."""

from typing import TYPE_CHECKING, NamedTuple

from reconcile import __version__

if TYPE_CHECKING:
    from reconcile.core.changes import Plan
    from reconcile.core.quota import Limits


class View(NamedTuple):
    """How something is to be shown, whatever the format.

    Attributes:
        created_at: When it was made, UTC, ISO 8601.
        full: Whether every create is wanted.
        folder: The project folder below the repository's root; empty for the root itself, or outside of a repository.
        limits: The account's limits, for the schedule of a plan; None where they are not known.
        tool_version: Which version of the tool made it.
    """

    created_at: str = ""
    full: bool = False
    folder: str = ""
    limits: "Limits | None" = None
    tool_version: str = __version__


def render_plan(plan: "Plan", output: str, view: View) -> str:
    """The plan as text without colour, JSON, Markdown, HTML or for GitHub Actions, ending with a newline."""
    if output == "text":
        from reconcile.render.plan_text import plan_as_text

        return plan_as_text(plan, full=view.full)
    if output == "markdown":
        from reconcile.render.plan_markdown import plan_as_markdown

        return plan_as_markdown(plan, full=view.full)
    if output == "html":
        from reconcile.render.plan_html import plan_as_html

        return plan_as_html(plan, created_at=view.created_at, limits=view.limits)
    if output == "github":
        from reconcile.render.github import plan_as_github

        return plan_as_github(plan, folder=view.folder)
    from reconcile.render.escape import json_document
    from reconcile.render.plan_json import plan_as_json

    return json_document(plan_as_json(plan, created_at=view.created_at, tool_version=view.tool_version))
