"""What is used and left of an account's limits, as text and as JSON."""

from collections.abc import Sequence

from reconcile.core.quota import WindowUse
from reconcile.core.times import iso
from reconcile.render.escape import escaped
from reconcile.render.words import duration

_NO_LIMITS = "No limits are kept here, and nothing is counted.\n"


def quota_as_text(windows: Sequence[WindowUse], whose: str, *, is_counted: bool) -> str:
    """A line for each window, below whose they are; ends with a newline."""
    if not is_counted:
        return _NO_LIMITS
    rows = [("WINDOW", "LIMIT", "USED", "LEFT", "NEXT SLOT"), *map(_row, windows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"Quota of {escaped(whose)}", ""]
    for name, *numbers, slot in rows:
        cells = [number.rjust(width) for number, width in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  ".join((name.ljust(widths[0]), *cells, slot)))
    return "\n".join(lines) + "\n"


def _row(window: WindowUse) -> tuple[str, str, str, str, str]:
    name = window.name.replace("_", " ")
    if window.limit is None:
        return (name, "none", f"{window.used:,}", "", "now")
    slot = f"in {duration(window.next_slot)}" if window.next_slot > 0 else "now"
    return (name, f"{window.limit:,}", f"{window.used:,}", f"{window.left:,}", slot)


def quota_as_json(windows: Sequence[WindowUse], account: str, *, is_counted: bool, at: float) -> dict[str, object]:
    """All of it; `account` is empty where all accounts are counted together, `at` in seconds since the epoch."""
    return {
        "time": iso(at),
        "account": account or None,
        "is_counted": is_counted,
        "windows": [_window_as_json(window, at) for window in windows],
    }


def _window_as_json(window: WindowUse, at: float) -> dict[str, object]:
    return {
        "name": window.name,
        "limit": window.limit,
        "used": window.used,
        "left": window.left,
        "next_slot_seconds": round(window.next_slot, 1),
        "frees_at": iso(at + window.frees) if window.frees is not None else None,
    }
