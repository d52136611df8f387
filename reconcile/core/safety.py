"""How much a plan may change, and what its records must be like. On its own, because every command reads it."""

from typing import Final, NamedTuple

SHARES_COUNT_FROM: Final = 10
"""Shares are compared once the state holds this many records: of three, a single delete would be a third."""


class Safety(NamedTuple):
    """The most changes of a kind that a plan may hold; None is no limit (product.md, "Settings").

    A share is of the records in the state, from 0 to 1.
    """

    max_creates: int | None = None
    max_updates: int | None = None
    max_deletes: int | None = 0
    max_create_share: float | None = None
    max_update_share: float | None = None
    max_delete_share: float | None = None
    max_consecutive_rejections: int = 20

    @property
    def has_shares(self) -> bool:
        """Whether any share is limited."""
        return not (self.max_create_share is self.max_update_share is self.max_delete_share is None)


class Policy(NamedTuple):
    """What an organisation asks of the records that are declared; None and nothing ask nothing.

    Attributes:
        allowed_providers: Names; a record that declares another provider is refused.
        notes_pattern: A regular expression that the notes of every record have to hold (see `core/policy.py`).
        protected: Globs; records at these addresses have to be protected, and are not deleted.
    """

    allowed_providers: tuple[str, ...] | None = None
    notes_pattern: str | None = None
    protected: tuple[str, ...] | None = None
