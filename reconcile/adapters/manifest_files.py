"""Finds and reads the manifests of a folder, without ever leaving it, and has them collected.

Links are refused altogether, also those that stay inside: where they lead can change between the check and the read,
and a file that is read twice declares everything twice. FIFOs, devices and sockets are refused without waiting for
them. It must not know what a manifest says.
"""

import errno
import gc
import hashlib
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reconcile.adapters.yaml_reader import read_sections
from reconcile.adapters.yaml_text import MAX_FILE_BYTES, UnreadableError
from reconcile.core.diagnostics import Diagnostic, Location
from reconcile.core.manifest import Manifests
from reconcile.core.manifest_collect import Collector

_SUFFIXES: Final = (".yaml", ".yml")
# Without O_NONBLOCK, opening a FIFO would wait for a writer forever.
_OPEN_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def load_manifests(folder: Path, *, root: Path, env_prefix: str = "", strict: bool = False) -> Manifests:
    """Everything the manifests below `folder` declare, and every problem in them.

    Args:
        folder: Where the manifests are.
        root: The project folder; locations are relative to it.
        env_prefix: What names of environment variables in token_from have to begin with.
        strict: Each token that stands in a manifest is an error instead of one warning a file.

    Raises:
        InputError: PyYAML lacks its C parser. Problems of the manifests are diagnostics, never exceptions.
    """
    collector = Collector(env_prefix=env_prefix, strict=strict)
    digest = hashlib.sha256()
    count = 0
    with _paused_collection():
        for path in _found_files(folder, root, collector):
            name = _name(path, root)
            try:
                data = read_file(path, name)
                digest.update(_digest_header(path.relative_to(folder), data))
                digest.update(data)
                count += 1
                reading = collector.begin(name)
                read_sections(data, name, reading, reading.problems.add)
            except UnreadableError as refused:
                collector.report(refused.diagnostic)
            else:
                collector.accept(reading)
    return collector.finish(digest=f"sha256:{digest.hexdigest()}", files=count)


def read_file(path: Path, name: str) -> bytes:
    """The bytes of a regular file, which is not a link.

    Raises:
        UnreadableError: It is something else, too large, or may not be read; `name` is what it is called.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except OSError as error:
        raise UnreadableError(_unopened(error, name)) from None
    try:
        return _read_regular(descriptor, name)
    except OSError as error:
        raise UnreadableError(_unopened(error, name)) from None
    finally:
        os.close(descriptor)


def _read_regular(descriptor: int, name: str) -> bytes:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise UnreadableError(_refused("special-file", "only regular files are read", name, "remove it"))
    # One byte more than there are shows the end without another call; one more than allowed, that it is too large.
    wanted = min(found.st_size, MAX_FILE_BYTES) + 1
    data = os.read(descriptor, wanted)
    while len(data) < wanted and (more := os.read(descriptor, wanted - len(data))):
        data += more
    return data


@contextmanager
def _paused_collection() -> Generator[None]:
    """Cyclic garbage collection paused: loading makes millions of objects and no cycles, so looking for them is waste.

    Measured on 100,000 records; the memory bound is that of the file size and of the entries held at a time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _found_files(folder: Path, root: Path, collector: Collector) -> list[Path]:
    """The manifests in path order; what must not be read is reported."""
    name = _name(folder, root)
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where permissions are missing
        what = "is not a folder" if os.path.lexists(folder) else "does not exist"
        hint = "`reconcile init` makes a starter folder; `manifests` in reconcile.yaml names another"
        collector.report(Diagnostic("no-manifests", f"the folder of manifests {what}: {name}", None, hint))
        return []
    if not _stays_inside(folder, root):
        message = f"the folder of manifests is a link that leaves the project: {name}"
        collector.report(Diagnostic("link", message, None, "put the manifests themselves there"))
        return []
    found: list[Path] = []

    def refuse_folder(error: OSError) -> None:
        collector.report(_unopened(error, _name(Path(error.filename), root)))

    for parent, folders, files in os.walk(folder, onerror=refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = Path(parent)
        for link in (here / name for name in folders if os.path.islink(here / name)):  # noqa: PTH114 - as above
            collector.report(
                _refused("link", "links are not followed", _name(link, root), "put the folder itself there")
            )
        found += [here / name for name in files if name.endswith(_SUFFIXES) and not name.startswith(".")]
    return _printable(sorted(found, key=lambda path: path.relative_to(folder).as_posix()), root, collector)


def _stays_inside(folder: Path, root: Path) -> bool:
    """Whether a folder that is named inside the project is there in fact; one named outside was somebody's choice."""
    if Path(os.path.relpath(folder, root)).parts[:1] == (os.pardir,):
        return True
    return folder.resolve().is_relative_to(root.resolve())


def _printable(paths: list[Path], root: Path, collector: Collector) -> list[Path]:
    """Those whose name can be shown and written down; the others are reported."""
    usable: list[Path] = []
    for path in paths:
        name = _name(path, root)
        if name.isprintable():
            usable.append(path)
        else:
            hint = "rename it: letters, digits and punctuation of UTF-8"
            collector.report(_refused("file-name", "the file's name holds characters that cannot be shown", name, hint))
    return usable


def _digest_header(path: Path, data: bytes) -> bytes:
    name = path.as_posix().encode()
    # Lengths first, so that no two folders run together to the same bytes.
    return b"%d %d\n%s" % (len(name), len(data), name)


def _unopened(error: OSError, name: str) -> Diagnostic:
    if error.errno == errno.ELOOP:
        return _refused("link", "links are not followed", name, "put the file itself there")
    reason = (error.strerror or "unknown reason").lower()
    return _refused("unreadable-file", f"it cannot be read: {reason}", name, "correct its permissions")


def _refused(code: str, message: str, name: str, hint: str) -> Diagnostic:
    return Diagnostic(code, message, Location(name, 1), hint, secret=True)


def _name(path: Path, root: Path) -> str:
    """Relative to the project, with `/`."""
    return Path(os.path.relpath(path, root)).as_posix()
