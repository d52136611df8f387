"""A command on a pseudo-terminal: what a person at a keyboard sees and types."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

TIMEOUT = 30.0  # seconds; only against a hang


class Terminal:
    """One command whose three streams are a terminal of its own; use as a context manager."""

    def __init__(self, args: Sequence[str], *, folder: Path, environ: Mapping[str, str]) -> None:
        self._screen, side = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reconcile", *args],
            cwd=folder,
            env=dict(environ),
            stdin=side,
            stdout=side,
            stderr=side,
            start_new_session=True,
        )
        os.close(side)
        self.seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._screen)

    def wait_for(self, text: str) -> None:
        """Reads until `text` was on the screen."""
        while text not in self.seen:
            assert self._read(), f"{text!r} never came; seen: {self.seen!r}"

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def finish(self) -> int:
        """Reads to the end and returns the exit code."""
        while self._read():
            pass
        assert "Traceback" not in self.seen, self.seen
        return self._process.wait(TIMEOUT)

    def _read(self) -> bool:
        began = time.monotonic()
        ready, _, _ = select.select([self._screen], [], [], TIMEOUT)
        assert ready, f"nothing came for {time.monotonic() - began:.0f} s; seen: {self.seen!r}"
        try:
            data = os.read(self._screen, 65536)
        except OSError:  # how Linux says that the other side is closed
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)
