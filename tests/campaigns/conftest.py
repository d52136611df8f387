"""Shows what the campaigns counted at the end of a run, also when several processes shared them."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [
        str(value)
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, value in report.user_properties
        if name == "campaign" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("campaigns")
        for line in lines:
            terminalreporter.write_line(line)
