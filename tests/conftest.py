"""What all tests share: the campaigns' counts at the end of a run, also of one spread over several processes."""

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [*terminalreporter.stats.get("passed", ()), *terminalreporter.stats.get("failed", ())]
    lines = sorted(value for report in reports for name, value in report.user_properties if name == "campaign")
    for line in lines:
        terminalreporter.write_line(f"campaign {line}")
