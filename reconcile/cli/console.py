"""What is printed where: data to standard output, everything else to standard error; colour on a terminal only."""

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import TextIOWrapper
from typing import IO, TYPE_CHECKING, Final

from reconcile.core.errors import DiagnosedError, ReconcileError

if TYPE_CHECKING:
    from reconcile.core.diagnostics import Diagnostic
    from reconcile.render.style import Style

OUTPUT_UNWRITABLE: Final = "output-unwritable"


class Console:
    """The two streams of a command. Cheap to make: what renders is loaded when there is something to render.

    Args:
        environ: What decides on colour, on a terminal; the process's own when it is left out.
        chosen: What stood before the command and has to stand there again to go on: the folder, the sandbox.

    Attributes:
        is_quiet: Whether progress is unwanted.
        is_verbose: Whether details are wanted.
    """

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        is_quiet: bool = False,
        is_verbose: bool = False,
        chosen: str = "",
    ) -> None:
        self._given_environ = environ
        self._chosen = chosen
        self.is_quiet = is_quiet
        self.is_verbose = is_verbose
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                # A locale without Unicode must not turn an arrow in a plan into a crash.
                stream.reconfigure(errors="backslashreplace")

    @property
    def out_style(self) -> "Style":
        """How to print to standard output."""
        from reconcile.render.style import Style

        return Style(self._is_colourful(sys.stdout))

    @property
    def is_interactive(self) -> bool:
        """Whether somebody is there to answer a question."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def shows_progress_bar(self) -> bool:
        """Whether standard error is a terminal that can redraw a line."""
        return sys.stderr.isatty() and self._environ.get("TERM") != "dumb"

    def as_given(self, text: str) -> str:
        """Words of ours, with every command that they name in the folder, and the sandbox, of this one."""
        if not self._chosen or "`reconcile " not in text:
            return text
        import re

        return re.sub("`reconcile (?=[a-z])", lambda _: f"`reconcile {self._chosen} ", text)

    def out(self, text: str) -> None:
        """Data, already rendered."""
        _write(sys.stdout, text)

    def out_json(self, value: object) -> None:
        """One JSON document, indented, on standard output."""
        from reconcile.render.escape import json_document

        self.out(json_document(value))

    def out_json_line(self, value: object) -> None:
        """One JSON document on one line."""
        import orjson

        from reconcile.render.escape import escaped_json

        self.out(escaped_json(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE).decode()))

    def tell(self, text: str) -> None:
        """A line that is not data, on standard error; lost where that cannot be written, as nobody else can be told."""
        with suppress(ReconcileError):
            _write(sys.stderr, f"{text}\n")

    def summarize(self, markdown: str) -> None:
        """Adds to the summary of a step of GitHub Actions, where the command runs in one."""
        from reconcile.settings import step_summary

        summary = step_summary(self._environ)
        if summary is None:
            return
        try:
            with summary.open("a", encoding="utf-8") as page:
                page.write(markdown + "\n")
        except OSError as error:
            self.tell(f"the summary of this step cannot be written: {error.strerror}")

    def ask(self, question: str) -> str:
        """What somebody types on the terminal; empty at the end of the input."""
        _write(sys.stderr, question)
        return sys.stdin.readline().strip()

    def report(self, error: ReconcileError) -> None:
        """An error, for people, on standard error: what is wrong at each place, then in one sentence."""
        from reconcile.render.escape import escaped
        from reconcile.render.style import Style

        if isinstance(error, DiagnosedError):
            self.diagnose(error.diagnostics)
        self.tell(
            f"{Style(self._is_colourful(sys.stderr)).paint('error', 'red')}[{error.code}]: {escaped(error.message)}"
        )
        if error.help:
            self.tell(f"   = help: {escaped(self.as_given(error.help))}")

    def diagnose(self, diagnostics: "Iterable[Diagnostic]") -> None:
        """Diagnostics for people, on standard error."""
        from reconcile.render.diagnostics import as_text as diagnostics_as_text

        text = diagnostics_as_text(list(diagnostics), colour=self._is_colourful(sys.stderr))
        if text:
            self.tell(text.removesuffix("\n"))

    @property
    def _environ(self) -> Mapping[str, str]:
        from reconcile.settings import environment

        return environment() if self._given_environ is None else self._given_environ

    def _is_colourful(self, stream: IO[str]) -> bool:
        return stream.isatty() and not self._environ.get("NO_COLOR") and self._environ.get("TERM") != "dumb"


def open_missing_streams() -> None:
    """Opens nothing in the place of a standard stream that was closed, as by `2>&-`.

    Else the next file to be opened, which may be the journal, takes the stream's number, and words meant for people
    end up in it.
    """
    import os

    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))


def flush_output() -> None:
    """Ends what something else printed to standard output, without a complaint when it cannot be written."""
    with suppress(ReconcileError):
        _write(sys.stdout, "")


def _write(stream: IO[str], text: str) -> None:
    """Writes at once. When whoever read it has gone, the rest goes nowhere, and the command does its work to the end.

    A run that stopped because of `| head` would leave writes in flight without a word.

    Raises:
        ReconcileError: It cannot be written for another reason, such as a full disk.
    """
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _discard(stream)
    except OSError as error:
        _discard(stream)  # what is still buffered would fail again when the interpreter ends
        raise ReconcileError(f"the output cannot be written: {error.strerror}", code=OUTPUT_UNWRITABLE) from None


def _discard(stream: IO[str]) -> None:
    import os

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
