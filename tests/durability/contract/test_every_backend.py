"""What the core relies on, whatever the store: the contract that any backend has to pass."""

import threading

import pytest
from journal_entries import lock_info

from reconcile.core.errors import LockedError, StateError, UsageError


def test_a_new_store_holds_nothing(room):
    backend = room.backend
    assert backend.read_state() is None
    assert backend.read_backup() is None
    assert backend.read_journal() == b""
    assert backend.last_journal_line() == b""
    assert backend.read_history() == b""
    assert backend.lock_holder() is None
    assert backend.fingerprint_key(create=False) is None


def test_a_written_state_is_read_back_with_the_version_that_the_write_returned(room):
    version = room.backend.write_state(b"one\n", expected=None)
    stored = room.another().read_state()
    assert (stored.data, stored.version) == (b"one\n", version)


def test_the_state_before_the_last_write_is_the_backup(room):
    first = room.backend.write_state(b"one\n", expected=None)
    assert room.backend.read_backup() is None
    second = room.backend.write_state(b"two\n", expected=first)
    room.backend.write_state(b"three\n", expected=second)
    assert room.another().read_backup() == b"two\n"


def test_different_states_have_different_versions(room):
    first = room.backend.write_state(b"one\n", expected=None)
    assert room.backend.write_state(b"two\n", expected=first) != first


@pytest.mark.parametrize("expected", [None, "another version"])
def test_a_state_that_changed_meanwhile_is_not_replaced(room, expected):
    room.backend.write_state(b"one\n", expected=None)
    with pytest.raises(StateError) as caught:
        room.backend.write_state(b"two\n", expected=expected)
    assert caught.value.code == "state-conflict"
    assert room.backend.read_state().data == b"one\n"
    assert room.backend.read_backup() is None


def test_a_state_that_was_expected_and_is_gone_is_not_written(room):
    with pytest.raises(StateError) as caught:
        room.backend.write_state(b"two\n", expected="some version")
    assert caught.value.code == "state-conflict"
    assert room.backend.read_state() is None


def test_appended_lines_come_back_in_order(room):
    room.backend.append_journal(b"one\n")
    room.backend.append_journal(b"two\nthree\n")
    assert room.another().read_journal() == b"one\ntwo\nthree\n"
    assert room.another().last_journal_line() == b"three\n"


def test_the_last_line_is_found_whatever_its_length_and_even_when_it_is_torn(room):
    long = b"x" * 200_000 + b"\n"
    room.backend.append_journal(b"first\n" + long)
    assert room.backend.last_journal_line() == long
    room.backend.append_journal(b"torn")
    assert room.backend.last_journal_line() == b"torn"


def test_replacing_the_journal_leaves_nothing_of_the_old_one(room):
    room.backend.append_journal(b"one\ntwo\n")
    room.backend.replace_journal(b"new\n")
    room.backend.append_journal(b"more\n")
    assert room.another().read_journal() == b"new\nmore\n"


def test_a_journal_may_be_replaced_by_nothing_and_go_on(room):
    room.backend.append_journal(b"one\n")
    room.backend.replace_journal(b"", keep_aside=True)
    assert room.backend.read_journal() == b""
    assert room.backend.last_journal_line() == b""
    room.backend.append_journal(b"two\n")
    assert room.backend.read_journal() == b"two\n"


def test_the_history_only_grows(room):
    room.backend.append_history(b"one\n")
    room.backend.append_history(b"two\n")
    assert room.another().read_history() == b"one\ntwo\n"


def test_the_fingerprint_key_is_made_once_and_is_long_enough(room):
    key = room.backend.fingerprint_key(create=True)
    assert len(key) >= 32
    assert room.another().fingerprint_key(create=True) == key
    assert room.another().fingerprint_key(create=False) == key


def test_a_held_lock_says_who_holds_it_and_is_free_afterwards(room):
    with room.backend.lock(lock_info(), timeout=0) as held:
        assert held.info == lock_info()
        assert held.is_held()
        assert room.another().lock_holder() == lock_info()
    assert not held.is_held()
    assert room.another().lock_holder() is None


def test_a_lock_is_released_when_its_block_fails(room):
    with pytest.raises(ZeroDivisionError), room.backend.lock(lock_info(), timeout=0):
        raise ZeroDivisionError
    with room.another().lock(lock_info("lock-2"), timeout=0) as held:
        assert held.is_held()


def test_who_comes_second_is_told_who_came_first(room):
    with (
        room.backend.lock(lock_info(), timeout=0),
        pytest.raises(LockedError) as caught,
        room.another().lock(lock_info("lock-2"), timeout=0),
    ):
        pass
    assert "ana" in caught.value.message
    assert "2026-03-02T10:14:00Z" in caught.value.message


def test_who_waits_gets_the_lock_when_it_is_released(room):
    entered, release = threading.Event(), threading.Event()

    def hold():
        with room.backend.lock(lock_info(), timeout=0):
            entered.set()
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(10)
    threading.Timer(0.2, release.set).start()
    with room.another().lock(lock_info("lock-2"), timeout=10) as held:
        assert held.is_held()
    holder.join()


def test_waiting_ends_when_its_time_is_over(room):
    with (
        room.backend.lock(lock_info(), timeout=0),
        pytest.raises(LockedError),
        room.another().lock(lock_info("lock-2"), timeout=0.25),
    ):
        pass


def test_a_holder_that_died_on_this_host_is_taken_over(room):
    room.leave_lock(lock_info("dead"))
    assert room.backend.lock_holder() == lock_info("dead")
    with room.backend.lock(lock_info("lock-2"), timeout=0) as held:
        assert held.is_held()
        assert room.backend.lock_holder().id == "lock-2"


def test_a_lock_left_on_another_host_has_to_be_broken_by_its_id(room):
    room.leave_lock(lock_info("far", host="elsewhere"))
    with pytest.raises(LockedError) as caught, room.backend.lock(lock_info(), timeout=0):
        pass
    assert "far" in caught.value.message + caught.value.help
    with pytest.raises(UsageError):
        room.backend.break_lock("another")
    assert room.backend.break_lock("far").host == "elsewhere"
    with room.backend.lock(lock_info(), timeout=0) as held:
        assert held.is_held()


def test_a_free_lock_cannot_be_broken(room):
    with pytest.raises(UsageError):
        room.backend.break_lock("lock-1")


def test_the_lock_of_a_living_holder_cannot_be_broken(room):
    with room.backend.lock(lock_info(), timeout=0) as held:
        with pytest.raises(LockedError):
            room.another().break_lock("lock-1")
        assert held.is_held()
