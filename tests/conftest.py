"""What all tests share: the campaigns' counts at the end of a run, also of one spread over several processes."""

from collections import Counter
from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            if name == "campaign":
                campaign, number, unit = value
                counts[campaign, unit] += number
    ended = "see the failures above" if terminalreporter.stats.get("failed") else "0 broken"
    for (campaign, unit), number in sorted(counts.items()):
        terminalreporter.write_line(f"campaign {campaign}: {number} {unit}, {ended}")
