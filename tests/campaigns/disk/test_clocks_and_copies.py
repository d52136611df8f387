"""A clock that jumps by hours and days, and copies of state and journal that do not belong together.

In a world of simulated time a create may take effect late, without an answer, up to the settle time after its deadline
(assumption A1). The machine's clock shows what it likes, in and between runs; the server's is right. Copies are refused
with a word on what to put back, or fold forward to the same; nothing is created twice either way.
"""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from shutil import copytree, rmtree

import pytest
from campaign import size
from inside import SettableClock, addresses, apply_inside, declare, environ_for, known
from ledger_server import Ledger, serving
from project_folder import Folder
from promises import assert_complete, assert_recorded

LIVES = size(12, 1_000)
PARTS = 4
TIMEOUT, SETTLE = 5.0, 300.0
JUMPS = (-3 * 86_400.0, -86_400.0, -7_200.0, -400.0, -10.0, 0.0, 10.0, 400.0, 7_200.0, 86_400.0, 3 * 86_400.0)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_clock_that_jumps_lets_nothing_happen_twice(part: int, tmp_path: Path, counted: Callable[..., None]) -> None:
    lives = range(part, LIVES, PARTS)
    for life in lives:
        try:
            live(tmp_path / str(life), Random(life))  # noqa: S311 - can be drawn again
        except AssertionError as error:
            error.add_note(f"life {life}")
            raise
        rmtree(tmp_path / str(life))
    counted("jumping-clock", len(lives), "lives")


def live(root: Path, random: Random) -> None:
    """Some applies with late effects and jumps between them, then quiet ones by a clock that is right again."""
    clock = SettableClock()
    ledger = Ledger(time=clock.true, delay=lambda: late(random))
    ledger.on_first_byte = lambda: jump(clock, random)
    with serving(ledger) as url:
        environ = environ_for(url, RECONCILE_API__SETTLE_SECONDS=str(SETTLE))
        for number in range(4):
            declare(root, 2 * number + 2)
            clock.ahead = random.choice(JUMPS)
            # 5 when a create at one invoice waited for a doubt that the same run settled in the end
            assert apply_inside(root, environ, clock=clock).code in {0, 4, 5}
            assert_recorded(root / "state", ledger)
            clock.sleep(random.choice([0.0, 5.0, 100.0, 400.0]))
        ledger.delay = ledger_is_prompt
        ledger.on_first_byte = lambda: None
        clock.ahead = 0.0
        clock.sleep(max(JUMPS) + 2 * SETTLE)  # an intent written by a clock that was ahead is settled by then
        codes = [apply_inside(root, environ, clock=clock).code for _ in range(3)]
        assert codes[-1] == 0, codes
    assert_complete(root / "state", ledger, addresses(8))


def late(random: Random) -> float | None:
    """Most creates take effect at once; some up to the settle time after the deadline."""
    return random.uniform(0.0, TIMEOUT + SETTLE) if random.random() < 0.2 else None


def ledger_is_prompt() -> None:
    return None


def jump(clock: SettableClock, random: Random) -> None:
    if random.random() < 0.2:
        clock.ahead = random.choice(JUMPS)


@pytest.fixture
def used(tmp_path: Path, url: str) -> tuple[Folder, list[Path]]:
    """A project after three applies, and a copy of its state folder after each of them."""
    folder, copies = Folder(tmp_path / "project", environ_for(url)), list[Path]()
    for number in (1, 2, 3):
        declare(folder.path, 2 * number)
        assert apply_inside(folder.path, folder.environ).code == 0
        copies.append(copytree(folder.path / "state", tmp_path / f"copy-{number}"))
    return folder, copies


def put_back(folder: Folder, copy: Path, *names: str) -> None:
    for name in names:
        (folder.path / "state" / name).write_bytes((copy / name).read_bytes())


def test_a_state_older_than_its_journal_is_refused_and_the_backup_folds_forward(
    used: tuple[Folder, list[Path]], ledger: Ledger
) -> None:
    folder, (first, _, third) = used
    put_back(folder, first, "state.json")
    for command in (["apply", "--auto-approve"], ["plan"], ["state", "list"]):
        refused = folder.run(*command)
        assert refused.code == 1, refused
        assert "state-older-than-journal" in refused.err
        assert "state.json.backup" in refused.err
    assert len(ledger.creates) == 6

    (folder.path / "state" / "state.json").write_bytes((third / "state.json.backup").read_bytes())
    folder.finish(folder.start("apply", "--auto-approve"))
    assert folder.run("plan", "--detailed-exitcode").code == 0
    assert_complete(folder.path / "state", ledger, addresses(6))


def test_a_state_that_is_gone_is_refused_while_its_journal_knows_of_it(
    used: tuple[Folder, list[Path]], ledger: Ledger
) -> None:
    folder, _ = used
    (folder.path / "state" / "state.json").unlink()
    refused = folder.run("apply", "--auto-approve")
    assert refused.code == 1
    assert "state.json.backup" in refused.err
    assert len(ledger.creates) == 6


def test_a_journal_older_than_the_state_creates_nothing_again(used: tuple[Folder, list[Path]], ledger: Ledger) -> None:
    folder, (first, second, _) = used
    for copy in (first, second):
        put_back(folder, copy, "journal.jsonl")
        ended = folder.run("apply", "--auto-approve")
        assert ended.code in {0, 1}, ended
        assert len(ledger.creates) == 6
    assert sorted(ledger.records().values()) == sorted(addresses(6))


@pytest.mark.parametrize("name", ["state.json", "journal.jsonl"])
def test_what_a_newer_tool_wrote_is_refused_and_left_alone(
    name: str, used: tuple[Folder, list[Path]], ledger: Ledger
) -> None:
    from zlib import crc32

    folder, _ = used
    path = folder.path / "state" / name
    if name == "state.json":
        path.write_bytes(path.read_bytes().replace(b'"version":1}', b'"version":2}'))
    else:
        entry = json.dumps({"type": "header", "format": 2, "lineage": "x", "serial": 0, "more": 1}).encode()
        path.write_bytes(b'{"crc":"%08x","entry":%b}\n' % (crc32(entry), entry))
    before = folder.digest()
    for command in (["apply", "--auto-approve"], ["plan"], ["state", "list"], ["state", "rm", "inv-000"]):
        refused = folder.run(*command)
        assert refused.code == 1, refused
        assert "upgrade the tool" in refused.err
    after = folder.digest()
    assert {n: d for n, d in after.items() if "lock" not in n} == {n: d for n, d in before.items() if "lock" not in n}
    assert len(ledger.creates) == 6


def test_two_copies_of_a_state_that_were_both_used_are_not_mixed(
    used: tuple[Folder, list[Path]], ledger: Ledger
) -> None:
    """A copy goes its own way; its state among our journal is refused, or holds what the copy's runs created."""
    folder, (first, _, third) = used
    put_back(folder, third, "state.json")
    put_back(folder, first, "journal.jsonl")
    ended = apply_inside(folder.path, folder.environ)
    assert ended.code in {0, 1}, ended
    assert len(ledger.creates) == 6
    if ended.code == 0:
        assert set(known(folder.path / "state").state.records) == addresses(6)
