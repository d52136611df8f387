"""What holds for every test: no assertion by stopwatch, and what the campaigns counted stands at the end of a run."""

from collections import Counter
from typing import Any

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A campaign says `(name, number, unit)`, whose numbers are added up over processes, or a line of its own."""
    counts: Counter[tuple[str, str]] = Counter()
    lines: list[str] = []
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            if name == "campaign" and isinstance(value, str):
                lines.append(value)
            elif name == "campaign":
                campaign, number, unit = value
                counts[campaign, unit] += number
    ended = "see the failures above" if terminalreporter.stats.get("failed") else "0 broken"
    lines += [f"campaign {campaign}: {number} {unit}, {ended}" for (campaign, unit), number in counts.items()]
    for line in sorted(lines):
        terminalreporter.write_line(line)
