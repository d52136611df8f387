"""A journal that was cut, or in which bits flipped: it reads back, or stops and says where; it never lies.

A cut is what a crash leaves: everything before it is read, and what it tore is set aside. A flipped bit stops
everything at its line, except in the last one, which cannot be told from a torn one and is set aside like it.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest
from campaign import size
from inside import SettableClock, apply_inside, declare, environ_for, known, recover
from journal_entries import failure_of
from ledger_server import Ledger, serving
from project_folder import Folder

from reconcile.core.commit import decode_commit
from reconcile.core.entries import Entry
from reconcile.core.journalfile import decode

FLIPS = size(2_000, 20_000)
PARTS = 4
THROUGH_COMMANDS = size(4, 60)
HELD = 4


class Lived:
    """A project with a journal that holds every turn a run can take: applied, in doubt, adopted, not created."""

    def __init__(self, root: Path) -> None:
        self.root, clock = root, SettableClock()
        self.ledger = Ledger(time=clock.true)
        with serving(self.ledger) as url:
            for count, delays in ((HELD, []), (HELD + 4, [100.0, 1e9]), (HELD + 6, [1e9])):
                declare(root, count)
                self.ledger.delay = lambda waiting=delays: waiting.pop() if waiting else None
                clock.sleep(1000.0)
                apply_inside(root, environ_for(url, RECONCILE_API__CONCURRENCY="1"), clock=clock)
        self.journal = (root / "state" / "journal.jsonl").read_bytes()
        self.entries = decode(self.journal).entries
        ends = [i + 1 for i, byte in enumerate(self.journal) if byte == 0x0A]
        self.starts = [0, *ends[:-1]]

    def line_at(self, offset: int) -> int:
        """The line, from 0, in which a byte is."""
        return sum(1 for start in self.starts[1:] if start <= offset)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return Lived(tmp_path_factory.mktemp("lived"))


def test_a_journal_cut_at_any_byte_reads_back_up_to_there(lived: Lived, counted: Callable[..., None]) -> None:
    assert {type(entry).__name__ for entry in lived.entries} >= {
        "HeaderEntry", "RunEntry", "IntentEntry", "AppliedEntry", "InDoubtEntry", "FinishedEntry", "CommittedEntry",
    }  # fmt: skip
    journal = lived.journal
    for cut in range(len(journal) + 1):
        decoded = decode(journal[:cut])
        whole = lived.starts.index(cut) if cut in lived.starts else lived.line_at(max(0, cut - 1))
        whole = len(lived.entries) if cut == len(journal) else whole
        assert decoded.entries == lived.entries[:whole], cut
        assert decoded.torn == (None if cut in {*lived.starts, len(journal)} else lived.starts[whole]), cut
    counted("journal-cuts", len(journal) + 1, "cuts")


def test_a_cut_journal_is_mended_once_and_keeps_what_it_held(
    lived: Lived, tmp_path: Path, counted: Callable[..., None]
) -> None:
    random = Random(7)  # noqa: S311 - places that can be drawn again
    state, cuts = tmp_path / "state", size(60, len(lived.journal))
    for number in range(cuts):
        cut = number if cuts == len(lived.journal) else random.randrange(len(lived.journal))
        lay_out(lived, state, lived.journal[:cut])
        refused = failure_of(partial(known, state))
        if refused is not None:  # it no longer reaches the state that was made of it: both say so
            again = failure_of(partial(recover, state))
            assert again is not None
            assert again.code == refused.code
            continue
        found = known(state)
        recovered = recover(state)
        assert recovered.state.records == found.state.records, cut
        assert recovered.doubts == found.doubts, cut
        torn = [path.read_bytes() for path in state.glob("journal.jsonl.torn-*")]
        assert torn in ([], [lived.journal[:cut]]), cut
        mended = recover(state)
        assert (mended.state.records, mended.doubts) == (found.state.records, found.doubts), cut
    counted("journal-cuts-mended", cuts, "cuts")


@pytest.mark.parametrize("part", range(PARTS))
def test_flipped_bits_stop_at_their_line_or_are_set_aside(
    lived: Lived, part: int, counted: Callable[..., None]
) -> None:
    random = Random(part)  # noqa: S311 - bits that can be drawn again
    for number in range(FLIPS // PARTS):
        damaged, first = flipped(lived.journal, random)
        try:
            check_flipped(lived, damaged, first)
        except AssertionError as error:
            error.add_note(f"part {part}, number {number}: the first flipped bit is in byte {first}")
            raise
    counted("journal-bit-flips", FLIPS // PARTS, "journals")


def flipped(journal: bytes, random: Random) -> tuple[bytes, int]:
    """The journal with one bit flipped, sometimes up to eight; and the first byte that differs."""
    damaged = bytearray(journal)
    for _ in range(random.choice([1, 1, 1, 2, 3, 8])):
        damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return bytes(damaged), next((i for i, byte in enumerate(journal) if damaged[i] != byte), len(journal))


def check_flipped(lived: Lived, damaged: bytes, first: int) -> None:
    line = lived.line_at(first)
    refused = failure_of(partial(decode, damaged))
    if refused is not None:
        assert refused.code == "journal-corrupt"
        assert f"line {line + 1} of the journal (byte {lived.starts[line]})" in refused.message
        return
    decoded = decode(damaged)
    expected: tuple[Entry, ...] = lived.entries if first == len(lived.journal) else lived.entries[:line]
    assert decoded.entries == expected
    if first < len(lived.journal):
        assert decoded.torn == lived.starts[line]
        assert b"\n" not in damaged[decoded.torn : -1], "only a last line may be set aside"
    last = decode_commit(damaged[damaged[:-1].rfind(b"\n") + 1 :])
    if last is not None and last != lived.entries[-1]:
        assert (last.serial, last.lineage) != (lived.entries[-1].serial, lived.entries[-1].lineage) or (  # type: ignore[union-attr]
            last.settled == lived.entries[-1].settled  # type: ignore[union-attr]
        ), "a damaged last line is believed"


def lay_out(lived: Lived, state: Path, journal: bytes) -> None:
    state.mkdir(exist_ok=True)
    for path in state.iterdir():
        path.unlink()
    for name in ("state.json", "state.json.backup", "history.jsonl", "key"):
        if (lived.root / "state" / name).exists():
            (state / name).write_bytes((lived.root / "state" / name).read_bytes())
    (state / "journal.jsonl").write_bytes(journal)


def test_the_commands_say_where_a_journal_is_damaged(
    lived: Lived, tmp_path: Path, counted: Callable[..., None]
) -> None:
    random = Random(11)  # noqa: S311 - bits that can be drawn again
    folder = Folder(tmp_path)
    declare(tmp_path, HELD + 6)
    lay_out(lived, tmp_path / "state", lived.journal)
    healthy = folder.run("state", "list", "--format", "json").json
    for number in range(THROUGH_COMMANDS):
        damaged, first = flipped(lived.journal, random)
        lay_out(lived, tmp_path / "state", damaged)
        listed = folder.run(*[["state", "list", "--format", "json"], ["plan", "--format", "json"]][number % 2])
        line = lived.line_at(first)
        if listed.code == 0:
            at_end = line == len(lived.starts) - 1
            assert at_end or b"\n" not in damaged[lived.starts[line] : -1], first
            assert number % 2 or listed.json == healthy
        else:
            assert listed.code == 1, listed
            assert re.search(rf"line {line + 1} of the journal \(byte {lived.starts[line]}\)", listed.err), listed
    counted("journal-bit-flips-through-commands", THROUGH_COMMANDS, "commands")
