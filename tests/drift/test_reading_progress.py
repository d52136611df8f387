"""What reading many records tells: the cost beforehand, then how far it is, on a terminal and elsewhere."""

import pytest

from reconcile.app.drift import Unwatched
from reconcile.cli.console import Console
from reconcile.cli.reading import ReadingProgress


class Ticking:
    """Every look at it is a second later."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        self.at += 1.0
        return self.at


class Terminal(Console):
    """A console whose standard error can redraw a line."""

    @property
    def shows_progress_bar(self) -> bool:
        return True


def read(progress: ReadingProgress, stages: list[tuple[int, int, float]]) -> None:
    for expected, reads, seconds in stages:
        progress.expect(expected, seconds, "reading 130 records in batches")
        for _ in range(reads):
            progress.note_read()
    progress.finish()
    progress.note_read()


def test_elsewhere_there_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    read(ReadingProgress(Console({}), Ticking()), [(7, 2, 0.4), (1, 1, 100.0)])
    assert capsys.readouterr().err.splitlines() == [
        "Reading 130 records in batches: about 7 reads.",
        "[1/7 reads] 14%",
        "[2/7 reads] 28% · 0.5/s · 10 s left",
        "Reading 130 records in batches: about 1 read, 2 min at the limits in the settings.",
        "[3/4 reads] 75% · 0.4/s · 2 s left",
    ]


def test_a_quiet_console_hears_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    read(ReadingProgress(Console({}, is_quiet=True)), [(7, 7, 4.0)])
    read(Unwatched(), [(7, 7, 4.0)])  # type: ignore[arg-type]
    assert capsys.readouterr().err == ""


def test_on_a_terminal_there_is_a_bar_and_the_cost_stands_above_it(capsys: pytest.CaptureFixture[str]) -> None:
    read(ReadingProgress(Terminal({})), [(7, 7, 0.4), (1, 1, 0.4)])
    shown = capsys.readouterr().err
    assert shown.startswith("Reading 130 records in batches: about 7 reads.\n")
    assert "Reading 130 records in batches: about 1 read." in shown
