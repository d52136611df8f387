"""What is printed where: data to standard output, everything else to standard error; colour on a terminal only."""

import sys
from collections.abc import Iterable, Mapping
from io import TextIOWrapper
from typing import IO

from reconcile.core.diagnostics import Diagnostic
from reconcile.core.errors import DiagnosedError, ReconcileError
from reconcile.render.diagnostics import as_json as diagnostic_as_json
from reconcile.render.diagnostics import as_text as diagnostics_as_text
from reconcile.render.escape import escaped
from reconcile.render.style import Style


class Console:
    """The two streams of a command.

    Attributes:
        is_quiet: Whether progress is unwanted.
        is_verbose: Whether details are wanted.
    """

    def __init__(self, environ: Mapping[str, str], *, is_quiet: bool = False, is_verbose: bool = False) -> None:
        self._environ = environ
        self.is_quiet = is_quiet
        self.is_verbose = is_verbose
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                # A locale without Unicode must not turn an arrow in a plan into a crash.
                stream.reconfigure(errors="backslashreplace")

    @property
    def out_style(self) -> Style:
        """How to print to standard output."""
        return Style(self._is_colourful(sys.stdout))

    @property
    def is_interactive(self) -> bool:
        """Whether somebody is there to answer a question."""
        return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def shows_progress_bar(self) -> bool:
        """Whether standard error is a terminal that can redraw a line."""
        return sys.stderr.isatty() and self._environ.get("TERM") != "dumb"

    def out(self, text: str) -> None:
        """Data, already rendered."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def out_json(self, value: object) -> None:
        """One JSON document, indented, on standard output."""
        import orjson

        self.out(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())

    def out_json_line(self, value: object) -> None:
        """One JSON document on one line."""
        import orjson

        self.out(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE).decode())

    def tell(self, text: str) -> None:
        """A line that is not data, on standard error."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def ask(self, question: str) -> str:
        """What somebody types on the terminal; empty at the end of the input."""
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline().strip()

    def report(self, error: ReconcileError, *, as_json: bool) -> None:
        """An error: for people on standard error, and as a document on standard output where JSON was asked for."""
        diagnostics = error.diagnostics if isinstance(error, DiagnosedError) else ()
        if as_json:
            self.out_json({"error": _error_as_json(error), "diagnostics": [diagnostic_as_json(d) for d in diagnostics]})
        elif diagnostics:
            self.diagnose(diagnostics)
            return
        self.tell(
            f"{Style(self._is_colourful(sys.stderr)).paint('error', 'red')}[{error.code}]: {escaped(error.message)}"
        )
        if error.help:
            self.tell(f"   = help: {escaped(error.help)}")

    def diagnose(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Diagnostics for people, on standard error."""
        sys.stderr.write(diagnostics_as_text(list(diagnostics), colour=self._is_colourful(sys.stderr)))
        sys.stderr.flush()

    def _is_colourful(self, stream: IO[str]) -> bool:
        return stream.isatty() and not self._environ.get("NO_COLOR") and self._environ.get("TERM") != "dumb"


def _error_as_json(error: ReconcileError) -> dict[str, object]:
    return {"code": error.code, "message": error.message, "help": error.help, "exit_code": int(error.exit_code)}
