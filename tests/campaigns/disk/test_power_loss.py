"""The power goes in the middle of an apply: whatever the disk then holds, nothing is lost and nothing is done twice.

A session is a project that lives through several power losses: each of its applies is recorded, images are built from
all of its moments, and one of them is the disk on which the next apply starts. The server lives on. Images from a
session's number can be built again.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random
from shutil import rmtree

import pytest
from campaign import IS_FULL, size
from images import Image, Loss, RecordingFiles, image_at, write_image
from inside import SettableClock, apply_inside, declare, environ_for, known, recover
from ledger_server import Ledger, Request, serving
from promises import assert_kept, assert_recorded

from reconcile.core.folded import Folded

SESSIONS = 20 if IS_FULL else 2
GENERATIONS = 5
IMAGES = size(200, 20_000) // SESSIONS // GENERATIONS
LOSSES: tuple[Loss, ...] = ("nothing", "all", "late", "any")


@pytest.mark.parametrize("session", range(SESSIONS))
def test_whatever_a_power_loss_leaves_holds_all_that_happened(
    session: int, tmp_path: Path, counted: Callable[[str, int, str], None]
) -> None:
    random = Random(session)  # noqa: S311 - losses that can be drawn again, nothing secret
    ledger, clock = Ledger(), SettableClock()
    root, images = tmp_path / "project", 0
    with serving(ledger) as url:
        for generation in range(GENERATIONS):
            images += live_once(root, generation, random, ledger, url, clock)
    counted("power-loss", images, "images")


def live_once(root: Path, generation: int, random: Random, ledger: Ledger, url: str, clock: SettableClock) -> int:
    """Two applies that are recorded, the images they leave, and the power loss that ends them; returns how many images.

    Two, because what the first forgot to sync may be lost during the second.
    """
    root.mkdir(exist_ok=True)
    files = RecordingFiles(root)
    ledger.on_first_byte = files.moment
    old = len(ledger.requests)
    clock.sleep(400.0)
    environ = environ_for(url, RECONCILE_API__CONCURRENCY=str(random.choice([1, 3, 8])))
    for count in (6 * generation + 3, 6 * generation + 6):
        declare(root, count)
        ended = apply_inside(root, environ, files, clock)
        assert ended.code == 0, ended
    for request in ledger.requests[:old]:
        request.heard = request.answered = 0  # before this apply began
    assert_recorded(root / "state", ledger)
    for number in range(IMAGES):
        check_image(files, ledger, random, root.with_name(f"image-{generation}-{number}"))
    lose_power(root, files, ledger, random)
    return IMAGES


def check_image(files: RecordingFiles, ledger: Ledger, random: Random, folder: Path) -> None:
    moment = a_moment(files, ledger, random)
    loss = random.choice(LOSSES)
    image = image_at(files, moment, loss, random)
    heard = [request for request in ledger.creates if request.heard <= moment]
    try:
        safe = folded_of(image_at(files, moment, "all", random), folder / "safe")
        found = folded_of(image, folder / "found")
        assert_holds(found, heard)
        assert safe.state.records.keys() <= found.state.records.keys(), "what was safe is not there"
        assert_recovers(image, found, heard, random, folder)
    except Exception as error:
        error.add_note(f"after {moment} of {files.moment()} operations, losing {loss}")
        raise
    rmtree(folder)


def a_moment(files: RecordingFiles, ledger: Ledger, random: Random) -> int:
    """Any moment; every third time the very moment at which a create was heard."""
    heard = [request.heard for request in ledger.creates if request.heard]
    return random.choice(heard) if heard and random.random() < 0.33 else random.randrange(files.moment() + 1)


def folded_of(image: Image, root: Path) -> Folded:
    write_image(image, root)
    return known(root / "state")


def assert_holds(found: Folded, heard: list[Request]) -> None:
    """I2 and I4: what the server had heard of is in the state or in an open intent; and nothing is made up."""
    known_there = found.state.records.keys() | found.doubts.keys()
    missing = {request.address for request in heard} - known_there
    assert not missing, f"I4: heard by the server before it was durable: {missing}"
    assert_kept(found, {request.id: request.address for request in heard if request.id is not None})


def assert_recovers(image: Image, found: Folded, heard: list[Request], random: Random, folder: Path) -> None:
    """I6: recovery ends with what was found, also when it is itself killed, or loses power, anywhere."""
    root = folder / "recovered"
    write_image(image, root)
    files = RecordingFiles(root)
    recovered = recover(root / "state", files)
    assert recovered.state.records == found.state.records
    assert recovered.doubts == found.doubts
    assert known(root / "state").state.records == found.state.records
    again = image_at(files, random.randrange(files.moment() + 1), random.choice(LOSSES), random)
    write_image(again, folder / "again")
    assert_same(recover(folder / "again" / "state"), recovered)
    assert_holds(known(folder / "again" / "state"), heard)


def assert_same(one: Folded, other: Folded) -> None:
    assert one.state.records == other.state.records
    assert one.doubts == other.doubts
    assert one.watches == other.watches


def lose_power(root: Path, files: RecordingFiles, ledger: Ledger, random: Random) -> None:
    """The project as it is found the next day. What had not been answered may not have taken effect either."""
    moment = random.randrange(files.moment() + 1)
    image = image_at(files, moment, random.choice(LOSSES), random)
    ledger.keep(
        lambda request: (
            request.heard <= moment
            and ((request.answered is not None and request.answered <= moment) or random.random() < 0.5)
        )
    )
    rmtree(root)
    write_image(image, root)
