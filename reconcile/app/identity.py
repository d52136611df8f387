"""Who runs this, where, and on which commit: for the lock and the history."""

import getpass
import os
import socket
from pathlib import Path
from uuid import uuid4

from reconcile import __version__
from reconcile.core.entries import RunEntry
from reconcile.core.times import iso
from reconcile.ports import LockInfo


def lock_info(operation: str, now: float) -> LockInfo:
    """What others are shown while this process holds the lock."""
    return LockInfo(
        id=uuid4().hex[:12], operation=operation, who=_who(), host=hostname(), pid=os.getpid(), since=iso(now)
    )


def run_entry(operation: str, root: Path, plan_id: str, now: float, account: str = "", plan_file: str = "") -> RunEntry:
    """What the journal and the history say about a run.

    `account` is whose quota it is charged to, if one is kept; `plan_file` the digest of the saved plan, if it is one.
    """
    return RunEntry(
        run=uuid4().hex[:12],
        operation=operation,
        at=iso(now),
        plan_id=plan_id,
        who=_who(),
        host=hostname(),
        tool_version=__version__,
        git_commit=_commit(root),
        account=account,
        plan_file=plan_file,
    )


def whoami() -> str:
    """`user@host`, for changes that a person makes by hand."""
    return f"{_who()}@{hostname()}"


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"


def hostname() -> str:
    """What this machine calls itself."""
    return socket.gethostname()


def _commit(root: Path) -> str:
    """The commit checked out at `root`; empty outside a repository. Read from its files: nothing is executed."""
    for folder in (root, *root.parents):
        head = _first_line(folder / ".git" / "HEAD")
        if head.startswith("ref: "):
            return _first_line(folder / ".git" / head.removeprefix("ref: "))
        if head:
            return head
    return ""


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].strip()[:200]
    except (OSError, UnicodeDecodeError):
        return ""
