"""How far a plan may go, and what it costs: counted over its changes, whatever they are about."""

from collections.abc import Iterable, Sequence

from reconcile.core.changes import WRITES, Action, Change, Cost, Limiting, Refusal
from reconcile.core.quota import READS_OF_CHANGES, Limits, price, reads_of_creates, whole_pages
from reconcile.core.records import Address
from reconcile.core.safety import Safety


def limit_refusals(changes: Iterable[Change], safety: Safety, held: int) -> list[Refusal]:
    """A refusal for each kind of change of which there are more than `safety` allows.

    Args:
        changes: All of the plan.
        safety: What is allowed.
        held: How many records the state knows.
    """
    limits = {Action.CREATE: safety.max_creates, Action.UPDATE: safety.max_updates, Action.DELETE: safety.max_deletes}
    addresses: dict[Action, list[Address]] = {action: [] for action in limits}
    for change in changes:
        if change.action in addresses:
            addresses[change.action].append(change.address)
    return [
        _over_limit(action, addresses[action], limit, held)
        for action, limit in limits.items()
        if limit is not None and len(addresses[action]) > limit
    ]


def _over_limit(action: Action, addresses: list[Address], limit: int, held: int) -> Refusal:
    count = len(addresses)
    raising = f"--allow-deletes {count}" if action is Action.DELETE else f"a higher safety.max_{action}s"
    excluding = f", or --exclude {addresses[0]}" if count == 1 else ", or leave some out with --exclude"
    plural = "" if count == 1 else "s"
    noun = "record" if held == 1 else "records"
    share = "" if action is Action.CREATE else f" ({count:,} of {held:,} {noun}, {100 * count / held:.1f} %)"
    message = f"{count:,} {action}{plural}, {limit:,} allowed{share}"
    return Refusal(f"max-{action}s", message, tuple(addresses), f"go on with {raising}{excluding}")


def cost_of(changes: Sequence[Change], limiting: Limiting, held: int) -> Cost:
    """What the changes take; `held` is how many records the state knows, which the account holds at least."""
    writes = sum(change.action in WRITES for change in changes)
    creates = [change.declared for change in changes if change.action is Action.CREATE and change.declared is not None]
    invoices = len({declared.coworker_invoice_id for declared in creates})
    known = max(held, limiting.known_records or 0)
    pages, guarding = whole_pages(invoices, known), reads_of_creates(invoices, known)
    others = sum(READS_OF_CHANGES.get(change.action, 0) for change in changes)
    used, per_day = limiting.writes_used_today, limiting.limits.writes_per_day
    seconds, days = price(writes, guarding + others, limiting.limits, used or 0, reads_first=guarding if pages else 0)
    reads = others + (reads_of_creates(invoices, known, seconds, days) if pages else guarding)
    left = max(0, per_day - used) if per_day is not None and used is not None else None
    return Cost(writes, reads, seconds, days, left, is_at_published_limits=limiting.limits == Limits())
