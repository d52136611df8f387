"""Campaigns run in a size that fits into CI, and whole with `CAMPAIGN=full`; a run ends with what they counted."""

import os

import pytest


@pytest.fixture
def is_full_size() -> bool:
    return os.environ.get("CAMPAIGN") == "full"


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
