"""What a run did: a result for each planned write and import, and why it stopped, if it did."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from reconcile.core.changes import WRITES, Action, Change
from reconcile.core.errors import ExitCode, gravest
from reconcile.core.folded import Doubt
from reconcile.core.records import Address

Status: TypeAlias = Literal["applied", "adopted", "altered", "exists", "refused", "rejected", "in_doubt", "unattempted"]
"""`altered`: it took effect, and the API made something else of it. `exists`: a create would have made a second one.
`refused`: the record is not what the plan took it for."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one planned write or import; `words` say why, wherever it was not simply done."""

    status: Status
    change: Change
    id: int | None = None
    words: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a write in doubt: it took effect (`adopted`, as `id`), had none (`not_created`), or is still open.

    `words` say why it is open; `ids` are the records that a person has to look at.
    """

    doubt: Doubt
    verdict: Literal["adopted", "not_created", "open"]
    id: int | None = None
    words: str = ""
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Twin:
    """A request that was given up took effect late: one record is too many.

    `ids` are the address's own record and the late ones; the late one alone where the address has none.
    """

    address: Address
    coworker_invoice_id: int
    ids: tuple[int, ...]

    @property
    def is_orphan(self) -> bool:
        """Whether no address owns any of it."""
        return len(self.ids) == 1


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run ended before its plan did, and what to do about it.

    Attributes:
        spares_slots: Whether a slot of the quota that somebody has taken already is still used.
    """

    exit_code: ExitCode
    message: str
    help: str = ""
    spares_slots: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did. `results` has one entry for each planned write and import, in plan order.

    Attributes:
        doubts: Writes that were in doubt before this run, and still are.
        settlements: What became of the writes that were in doubt before.
        twins: Records that exist twice because a request took effect late.
        state_changes: How many changes of the state alone were recorded.
        writes: How many requests that count against the write quota were sent.
        unchecked: Why nobody could look for late twins, if nobody could.
        seconds: How long the run took.
        plan_command: What carries on the saved plan that it was; empty where it was none.
    """

    results: tuple[Result, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    stop: Stop | None = None
    state_changes: int = 0
    writes: int = 0
    settlements: tuple[Settlement, ...] = ()
    twins: tuple[Twin, ...] = ()
    unchecked: str = ""
    seconds: float = 0.0
    plan_command: str = ""

    def having(self, status: Status) -> list[Result]:
        """The results with this status, in plan order."""
        return [result for result in self.results if result.status == status]

    def done(self) -> dict[str, int]:
        """How many records were created, updated and deleted."""
        actions = [result.change.action for result in self.having("applied")]
        return {f"{action}d": actions.count(action) for action in Action if action in WRITES}

    @property
    def exit_code(self) -> ExitCode:
        """What the run ends with; the gravest when several apply."""
        codes = set[ExitCode]()
        if self.unchecked or self.having("rejected") or self.having("altered"):
            codes.add(ExitCode.FAILED)
        if self.having("exists") or self.having("refused"):
            codes.add(ExitCode.REFUSED)
        if self.doubts or self.twins or self.having("in_doubt"):
            codes.add(ExitCode.IN_DOUBT)
        if self.stop is not None:
            codes.add(self.stop.exit_code)
        elif self.having("unattempted"):
            codes.add(ExitCode.QUOTA)  # held back by a doubt that is settled by now: to be gone on with
        return gravest(codes)
