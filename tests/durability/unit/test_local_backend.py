import errno
import os
import stat
from functools import partial

import pytest
from failing_files import FailingFiles, modes
from journal_entries import failure_of, lock_info

from reconcile.adapters.backends.local import LocalBackend
from reconcile.adapters.files import append_private_file, read_file, write_private_file
from reconcile.core.errors import StateError

FILES = ["state.json", "state.json.backup", "journal.jsonl", "history.jsonl", "key", "lock"]


def fill(backend: LocalBackend) -> None:
    with backend.lock(lock_info(), timeout=0):
        first = backend.write_state(b"one\n", expected=None)
        backend.write_state(b"two\n", expected=first)
        backend.append_journal(b"line\n")
        backend.append_history(b"line\n")
        backend.fingerprint_key(create=True)


def reads(backend: LocalBackend):
    return [
        backend.read_state,
        backend.read_backup,
        backend.read_journal,
        backend.last_journal_line,
        backend.read_history,
        lambda: backend.fingerprint_key(create=False),
        backend.lock_holder,
    ]


def test_everything_is_private_and_lies_where_the_reference_says(folder, backend):
    fill(backend)
    assert sorted(modes(folder)) == sorted(FILES)
    assert set(modes(folder).values()) == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_state_folder_deeper_down_is_made_private_all_the_way(tmp_path):
    LocalBackend(tmp_path / "state" / "sandbox").append_journal(b"line\n")
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "sandbox").stat().st_mode) == 0o700


def test_looser_modes_of_a_clone_are_corrected_by_writing(folder, backend):
    fill(backend)
    for name in FILES:
        (folder / name).chmod(0o644)
    with backend.lock(lock_info(), timeout=0):
        backend.write_state(b"three\n", expected=backend.read_state().version)
        backend.append_journal(b"line\n")
        backend.append_history(b"line\n")
    assert {name for name, mode in modes(folder).items() if mode != 0o600} == {"key"}


def test_reading_makes_nothing(folder, backend):
    for read in reads(backend):
        read()
    assert not folder.exists()


def test_reading_changes_nothing(folder, backend):
    fill(backend)
    for name in FILES:
        (folder / name).chmod(0o644)
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_mode) for p in folder.iterdir()}
    for read in reads(backend):
        read()
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_mode) for p in folder.iterdir()} == before


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
@pytest.mark.parametrize("name", FILES)
def test_links_pipes_and_folders_in_the_place_of_a_file_are_refused(folder, backend, tmp_path, name, kind):
    folder.mkdir()
    outside = tmp_path / "outside"
    outside.write_bytes(b"untouched")
    {
        "link": lambda: (folder / name).symlink_to(outside),
        "fifo": lambda: os.mkfifo(folder / name),
        "folder": (folder / name).mkdir,
    }[kind]()
    failures = [failure for read in reads(backend) if (failure := failure_of(read))]
    assert failures
    assert all(name in failure.message for failure in failures)
    with pytest.raises(StateError):
        fill(backend)
    assert outside.read_bytes() == b"untouched"


def test_a_pipe_that_somebody_reads_gets_nothing(tmp_path):
    os.mkfifo(tmp_path / "journal.jsonl")
    reader = os.open(tmp_path / "journal.jsonl", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(StateError, match="not a regular file"):
        append_private_file(tmp_path / "journal.jsonl", b"line\n")
    assert os.read(reader, 10) == b""
    os.close(reader)


def test_a_device_is_refused(tmp_path):
    with pytest.raises(StateError, match="not a regular file"):
        read_file(tmp_path.__class__("/dev/zero"))


def test_a_state_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state").symlink_to("elsewhere")
    backend = LocalBackend(tmp_path / "state")
    for use in [*reads(backend), lambda: fill(backend), lambda: backend.break_lock("x")]:
        with pytest.raises(StateError, match="symbolic link"):
            use()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_in_the_place_of_the_state_folder_is_said(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match="state"):
        LocalBackend(tmp_path / "state").append_journal(b"line\n")


def test_what_a_killed_writer_left_half_written_is_swept_away(folder, backend):
    fill(backend)
    (folder / ".state.json.4242.new").write_bytes(b"half")
    with backend.lock(lock_info(), timeout=0):
        assert not (folder / ".state.json.4242.new").exists()
    assert backend.read_state().data == b"two\n"


def test_a_journal_is_kept_aside_once_however_often_its_repair_was_interrupted(folder, backend):
    backend.append_journal(b"one\ntorn")
    for _ in range(2):
        backend.replace_journal(b"one\ntorn", keep_aside=True)
    backend.replace_journal(b"one\n", keep_aside=True)
    assert [p.read_bytes() for p in folder.glob("journal.jsonl.torn-*")] == [b"one\ntorn"]
    assert backend.read_journal() == b"one\n"


def test_short_writes_are_carried_on(folder):
    backend = LocalBackend(folder, FailingFiles(largest_write=3))
    backend.write_state(b"a longer state\n", expected=None)
    backend.append_journal(b"a longer line\n")
    assert backend.read_state().data == b"a longer state\n"
    assert backend.read_journal() == b"a longer line\n"


def test_what_is_durable_is_synced_before_it_counts(folder):
    files = FailingFiles()
    backend = LocalBackend(folder, files)
    backend.append_journal(b"line\n")
    assert files.calls[-4:] == ["write", "sync_content", "open", "sync"]
    files.calls.clear()
    backend.append_journal(b"line\n")
    assert files.calls == ["open", "stat", "write", "sync_content"]
    files.calls.clear()
    backend.write_state(b"one\n", expected=None)
    assert files.calls[-6:] == ["open", "write", "sync", "rename", "open", "sync"]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_disk_that_fails_at_any_call_leaves_the_old_state_or_the_new_one(tmp_path, error):
    for at in range(1, 100):
        folder = tmp_path / f"state-{at}"
        first = LocalBackend(folder).write_state(b"one\n", expected=None)
        files = FailingFiles(at=at, error=error)
        backend = LocalBackend(folder, files)
        failure = failure_of(partial(backend.write_state, b"two\n", expected=first))
        if failure is not None:
            assert str(folder) in failure.message
            assert os.strerror(error) in failure.message
            assert failure.help
        assert LocalBackend(folder).read_state().data in {b"one\n", b"two\n"}
        if len(files.calls) < at:
            return
    raise AssertionError("it never went through")


def test_a_disk_that_fails_at_any_call_leaves_a_journal_that_begins_as_before(tmp_path):
    for at in range(1, 100):
        folder = tmp_path / f"state-{at}"
        LocalBackend(folder).append_journal(b"one\n")
        files = FailingFiles(at=at, largest_write=2)
        failure = failure_of(partial(LocalBackend(folder, files).append_journal, b"two\n"))
        assert failure is None or "journal.jsonl" in failure.message
        assert b"one\ntwo\n".startswith(LocalBackend(folder).read_journal())
        assert LocalBackend(folder).read_journal().startswith(b"one\n")
        if len(files.calls) < at:
            return
    raise AssertionError("it never went through")


def test_a_failed_sync_is_not_tried_again(folder):
    LocalBackend(folder).append_journal(b"one\n")
    files = FailingFiles(at=1, error=errno.EIO, only="sync_content")
    with pytest.raises(StateError):
        LocalBackend(folder, files).append_journal(b"two\n")
    assert files.calls == ["sync_content"]


def test_a_failed_write_leaves_no_file_behind(tmp_path):
    with pytest.raises(StateError):
        write_private_file(tmp_path / "plan.json", b"data", FailingFiles(at=1, only="sync"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_a_user_named_is_written_private_and_whole(tmp_path):
    (tmp_path / "plan.json").write_text("old")
    (tmp_path / "plan.json").chmod(0o644)
    write_private_file(tmp_path / "plan.json", b"new")
    assert (tmp_path / "plan.json").read_bytes() == b"new"
    assert modes(tmp_path) == {"plan.json": 0o600}


def test_a_file_in_a_folder_that_does_not_exist_is_said(tmp_path):
    with pytest.raises(StateError, match=r"plan\.json"):
        write_private_file(tmp_path / "none" / "plan.json", b"new")
    with pytest.raises(StateError, match="log"):
        append_private_file(tmp_path / "none" / "log", b"new")


def test_a_link_is_named_as_what_it_is(folder, backend, tmp_path):
    folder.mkdir()
    (folder / "journal.jsonl").symlink_to(tmp_path / "outside")
    with pytest.raises(StateError) as caught:
        backend.append_journal(b"line\n")
    assert "symbolic link" in caught.value.help
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("written", [b"", b"not hex\n", b"ab" * 31, b"ab" * 33, b"\xff"])
def test_a_damaged_key_is_refused(folder, backend, written):
    folder.mkdir()
    (folder / "key").write_bytes(written)
    with pytest.raises(StateError) as caught:
        backend.fingerprint_key(create=True)
    assert caught.value.code == "key-damaged"
    assert (folder / "key").read_bytes() == written


def test_the_key_is_hexadecimal_with_a_newline(folder, backend):
    key = backend.fingerprint_key(create=True)
    assert (folder / "key").read_bytes() == key.hex().encode() + b"\n"


def test_what_the_journal_cannot_take_goes_to_a_file_beside_it(folder, backend):
    assert backend.record_emergency("id 7\n") == folder / "emergency.jsonl"
    assert backend.record_emergency("id 8\n") == folder / "emergency.jsonl"
    assert (folder / "emergency.jsonl").read_text() == "id 7\nid 8\n"
    assert modes(folder) == {"emergency.jsonl": 0o600}


def test_what_the_state_folder_cannot_take_goes_to_the_folder_for_temporary_files(folder):
    folder.mkdir()
    path = LocalBackend(folder, FailingFiles(at=1, only="sync_content")).record_emergency("id 7\n")
    assert path is not None
    assert path.parent != folder
    assert path.read_text() == "id 7\n"
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()


def test_an_emergency_that_nothing_takes_is_said(folder):
    class Full(FailingFiles):
        def write(self, *_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert LocalBackend(folder, Full()).record_emergency("id 7\n") is None
