"""Points in time as text. Seconds since the epoch inside, ISO 8601 in UTC wherever they are written down."""

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """`2026-03-02T10:14:00Z`, to the second."""
    return datetime.fromtimestamp(int(seconds), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_iso(text: str) -> float:
    """Seconds since the epoch. Raises ValueError where `text` is not what `iso` writes."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
