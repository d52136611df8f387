"""How much a plan may change before it is refused. On its own, because every command reads it with the settings."""

from typing import NamedTuple


class Safety(NamedTuple):
    """The most changes of a kind that a plan may hold; None is no limit (product.md, "Settings")."""

    max_creates: int | None = None
    max_updates: int | None = None
    max_deletes: int | None = 0
    max_consecutive_rejections: int = 20
