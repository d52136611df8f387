"""state list, show, mv, rm, pull, push; unlock."""

import argparse
import sys
from pathlib import Path

from reconcile.app import state as states
from reconcile.app.project import Project, open_project
from reconcile.cli.console import Console
from reconcile.core.errors import ExitCode, InputError, UsageError
from reconcile.render.escape import escaped, escaped_json
from reconcile.render.records import render_record, render_records
from reconcile.render.words import counted
from reconcile.settings import environment


def usage(args: argparse.Namespace, console: Console) -> int:  # noqa: ARG001 - commands have one signature
    """`state` alone says nothing about what to do."""
    raise UsageError("which one: list, show, mv, rm, pull or push?", help="`reconcile state --help` explains them")


def _project(args: argparse.Namespace) -> Project:
    return open_project(args.directory, environment(), is_sandbox=args.sandbox)


def list_records(args: argparse.Namespace, console: Console) -> int:
    """Prints the records of the state."""
    console.out(render_records(states.find_records(_project(args), args.pattern), args.format))
    return ExitCode.DONE


def show_record(args: argparse.Namespace, console: Console) -> int:
    """Prints one record of the state."""
    console.out(render_record(args.address, states.find_record(_project(args), args.address), args.format))
    return ExitCode.DONE


def move(args: argparse.Namespace, console: Console) -> int:
    """Gives a record another address."""
    states.move_record(_project(args), args.source, args.to, args.lock_timeout)
    console.tell(f"{escaped(args.source)} is {escaped(args.to)} now; nothing was sent.")
    return ExitCode.DONE


def forget(args: argparse.Namespace, console: Console) -> int:
    """Forgets records without deleting them."""
    forgotten = states.forget_records(_project(args), args.pattern, args.lock_timeout)
    for address, record in forgotten:
        console.tell(f"forgot {escaped(address)} (id {record.id})")
    console.tell(f"{counted(len(forgotten), 'record')} forgotten; in Nexudus nothing changed.")
    return ExitCode.DONE


def pull(args: argparse.Namespace, console: Console) -> int:
    """Prints the state."""
    console.out(escaped_json(states.state_bytes(_project(args)).decode()))
    return ExitCode.DONE


def push(args: argparse.Namespace, console: Console) -> int:
    """Replaces the state with a file."""
    project = _project(args)
    data = _read(args.directory, args.file)
    pushed = states.push_state(project, data, force=args.force, lock_timeout=args.lock_timeout)
    console.tell(f"The state holds {counted(len(pushed.records), 'record')} now; the one before is the backup.")
    return ExitCode.DONE


def _read(directory: str, name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else (Path(directory) / name).read_bytes()
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}", code="unreadable-file") from None


def unlock(args: argparse.Namespace, console: Console) -> int:
    """Removes the lock of a holder on another host, after showing it."""
    project = _project(args)
    holder = states.holder(project)
    if holder is not None:
        console.tell(f"lock {holder.id}: {holder.operation} by {holder.who} on {holder.host}, since {holder.since}")
    states.break_lock(project, args.lock_id)
    console.tell("unlocked")
    return ExitCode.DONE
