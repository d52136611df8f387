"""A plan as it was saved for review, and what it was made under. Values only; its file is `planfile.py`."""

from dataclasses import dataclass

from reconcile.core.changes import Plan, Selection


@dataclass(frozen=True, slots=True)
class Terms:
    """The flags and settings that a plan was made under, as far as they decide what it does.

    Attributes:
        base_url: The API that it is for; empty for the sandbox.
        allow_deletes: The value of --allow-deletes, which outranks the settings.
        rules: What the settings forbid a plan, each as `name=value`.
        is_refreshed: Whether it was made from what the API showed, not from the state alone.
    """

    base_url: str
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    allow_deletes: int | None = None
    rules: tuple[str, ...] = ()
    is_refreshed: bool = False

    @property
    def selection(self) -> Selection:
        """The addresses that it speaks of."""
        return Selection(self.targets, self.excludes)


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan as its file holds it.

    Attributes:
        created_at: UTC, ISO 8601.
        tool_version: The version of the tool that made it.
        digest: Names the file by its content; what claims it in the journal.
    """

    plan: Plan
    terms: Terms
    created_at: str
    tool_version: str
    digest: str = ""
