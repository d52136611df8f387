"""Kills at every write of an apply that corrects and retires records, in all weathers, each case by its number."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from campaign import seeds
from conducting import SETTLE
from fault_server import Fault, answering
from living import CHANGED, Life
from memory_backend import Killed, MemoryBackend, Store
from mortal import MortalBackend, Mortality

POINTS = 44
"""About as many writes, each with a point before and one after it, as such an apply makes."""


def trouble(random: Random) -> Fault:
    effect = random.choice(["none", "now", "late"])
    answers = [lambda peer, _: peer.reset(), lambda peer, _: peer.close(), answering(502), answering(200)]
    return Fault("trouble", effect, random.uniform(1, SETTLE), random.choice(answers))


def case(number: int, folder: Path) -> str:
    """One case, and the name of the point where its first life ended."""
    random = Random(number)  # noqa: S311 - cases that can be drawn again, nothing secret
    life = Life(folder, MemoryBackend(Store()))
    try:
        life.begin()
        for action in ("update", "delete"):
            if random.random() < 0.6:
                life.server.faults[action, random.randrange(1, CHANGED + 1)] = trouble(random)
        first = live(life, random, number % POINTS + 1)
        for _ in range(random.randrange(2)):
            life.clock.sleep(random.uniform(0, SETTLE))
            live(life, random, random.randrange(1, POINTS))
        life.assert_it_ends_well()
    except BaseException as error:
        error.add_note(f"case {number}")
        raise
    finally:
        life.close()
    return first


def live(life: Life, random: Random, kill_at: int) -> str:
    mortality = Mortality(kill_at)
    torn = random.random() if random.random() < 0.4 else None
    backend = MortalBackend(life.backend.store, mortality=mortality, torn=torn)
    try:
        life.change(backend)
    except Killed:
        life.check()
        return mortality.passed[-1]
    return "its end"


@pytest.mark.parametrize("numbers", seeds(44, 2_000, 4), ids=lambda numbers: f"from-{numbers.start}")
def test_an_apply_of_changes_that_is_killed_anywhere_loses_nothing_and_repeats_nothing(
    numbers: range, tmp_path: Path, count_of: Callable[[str, str], None]
) -> None:
    deaths = Counter(case(number * 7, tmp_path) for number in numbers)
    kills = sum(count for death, count in deaths.items() if death != "its end")
    assert kills > len(numbers) / 2, "hardly anything was killed: this proved little"
    count_of("kills while records change", f"{len(numbers)} cases, {kills} first lives ended at {len(deaths)} points")
