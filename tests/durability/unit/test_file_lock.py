import errno
import json
import os
from functools import partial

import pytest
from failing_files import FailingFiles
from journal_entries import failure_of, lock_info

from reconcile.adapters.backends.local import LocalBackend
from reconcile.adapters.file_lock import break_lock, hold_lock, lock_holder
from reconcile.core.errors import LockedError


def take_and_release(backend):
    with backend.lock(lock_info(), timeout=0):
        pass


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


def test_the_file_stays_when_the_lock_is_released(path):
    with hold_lock(path, lock_info(), timeout=0):
        pass
    assert path.read_bytes() == b""


def test_who_took_over_from_a_dead_holder_knows_from_whom(path):
    with hold_lock(path, lock_info("dead"), timeout=0):
        left = path.read_bytes()
    path.write_bytes(left)
    with hold_lock(path, lock_info("next"), timeout=0) as held:
        assert held.taken_over == lock_info("dead")
    with hold_lock(path, lock_info(), timeout=0) as held:
        assert held.taken_over is None


def test_a_dead_holder_whose_process_number_lives_again_is_taken_over(path):
    """What counts is who has the system's lock, not whether some process has that number."""
    with hold_lock(path, lock_info("dead")._replace(pid=os.getppid()), timeout=0):
        left = path.read_bytes()
    path.write_bytes(left)
    with hold_lock(path, lock_info("next"), timeout=0) as held:
        assert held.is_held()
        assert held.taken_over is not None


@pytest.mark.parametrize(
    "written",
    [
        b"half a li",
        b"[]",
        b"{}",
        b'"x"',
        b"5",
        b'{"id":"x"}',
        b'{"id":1,"operation":"","who":"","host":"","pid":1,"since":""}',
    ],
)
def test_an_information_file_that_makes_no_sense_is_no_holder(path, written):
    path.write_bytes(written)
    assert lock_holder(path) is None
    with hold_lock(path, lock_info(), timeout=0) as held:
        assert held.is_held()


def test_parts_of_two_holders_that_a_power_loss_left_are_no_holder(path):
    with hold_lock(path, lock_info("dead")._replace(pid=4_242_424), timeout=0):
        first = path.read_bytes()
    for cut in range(1, len(first)):
        with hold_lock(path, lock_info("next"), timeout=0):
            second = path.read_bytes()
        mixed = second[:cut] + first[cut:]
        path.write_bytes(mixed)
        assert lock_holder(path) in {None, lock_info("next")} or mixed == first, cut


def test_what_an_older_version_wrote_is_a_holder(path):
    plain = lock_info("old")._asdict()
    path.write_bytes(json.dumps(plain).encode())
    assert lock_holder(path) == lock_info("old")


def test_a_lock_whose_file_was_removed_or_replaced_is_lost(path):
    with hold_lock(path, lock_info(), timeout=0) as held:
        path.unlink()
        assert not held.is_held()
        with hold_lock(path, lock_info("next"), timeout=0) as other:
            assert not held.is_held()
            assert other.is_held()


def test_a_lost_lock_does_not_clear_the_one_that_follows(path):
    with hold_lock(path, lock_info(), timeout=0) as held:
        path.write_bytes(b"somebody else")
        assert not held.is_held()
    assert path.read_bytes() == b"somebody else"


def test_a_holder_that_has_not_written_its_name_yet_is_another_run(path):
    with hold_lock(path, lock_info(), timeout=0):
        path.write_bytes(b"")
        with pytest.raises(LockedError, match="another run"), hold_lock(path, lock_info("b"), timeout=0):
            pass


def test_the_holder_is_described_with_what_a_person_needs(path):
    with (
        hold_lock(path, lock_info(), timeout=0),
        pytest.raises(LockedError) as caught,
        hold_lock(path, lock_info("b"), timeout=0),
    ):
        pass
    for word in ("ana", "here", "4242", "apply", "2026-03-02T10:14:00Z", "lock-1"):
        assert word in caught.value.message
    assert "--lock-timeout" in caught.value.help


def test_a_disk_that_fails_while_locking_frees_the_lock(tmp_path):
    for at in range(1, 40):
        folder = tmp_path / f"state-{at}"
        files = FailingFiles(at=at, error=errno.EIO)
        failure = failure_of(partial(take_and_release, LocalBackend(folder, files)))
        assert failure is None or failure.help
        with LocalBackend(folder).lock(lock_info("next"), timeout=0) as held:
            assert held.is_held()
        if len(files.calls) < at:
            return
    raise AssertionError("it never went through")


def test_a_lock_that_changes_hands_while_it_is_being_broken_is_left_alone(path):
    class Slow(FailingFiles):
        """Another holder writes its name between the look and the break."""

        def read(self, fd, size, offset):
            found = super().read(fd, size, offset)
            if found and b"far" in found:
                path.write_bytes(found.replace(b"far", b"new"))
            return found

    with hold_lock(path, lock_info("far"), timeout=0):
        left = path.read_bytes()
    path.write_bytes(left)
    with pytest.raises(LockedError, match="changed hands"):
        break_lock(path, "far", Slow())
    assert b"new" in path.read_bytes()
