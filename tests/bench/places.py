"""Where the benchmark works, how large it is, and the projects it measures; everything is made by script and seeded."""

import os
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from measuring import Command, run_quietly

HERE = Path(__file__).parent
PYTHON = Path(sys.executable)
CONSOLE_SCRIPT = PYTHON.with_name("reconcile")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        records: Of the plan that is compared with other tools.
        many_files: Over how many files the same records are spread in comparison with one.
        held: How many records the state holds in the two applies that are compared.
        creates: The two numbers of creates, whose difference tells what one costs.
        octodns: Records of the comparison with octoDNS.
        terraform: The same; small, because its memory and time grow faster than the number of records.
        runs: How often a plan is run, and what takes milliseconds.
    """

    records: int
    many_files: int
    held: tuple[int, int]
    creates: tuple[int, int]
    octodns: int
    terraform: int
    runs: int
    quick_runs: int


SMALL = Size(5_000, 50, (200, 5_000), (100, 500), 1_000, 200, 3, 11)
FULL = Size(100_000, 1_000, (1_000, 100_000), (300, 1_500), 100_000, 2_000, 5, 25)


@dataclass(frozen=True, slots=True)
class Bench:
    """What every benchmark is given: a folder that lasts (compiled modules, tools), one that does not, and a size."""

    work: Path
    scratch: Path
    size: Size

    def make_project(self, name: str, records: int, *options: str, held: int | None = None) -> Path:
        """A project as `reconcile init` makes it, with seeded manifests and a state; held 0 leaves the state out."""
        folder = self.scratch / name
        run_quietly(self.work, [PYTHON, "-m", "reconcile", "init", folder])
        (folder / "manifests" / "example.yaml").unlink()
        more = [] if held == 0 else ["--state", folder / "state", *([] if held is None else ["--held", str(held)])]
        run_quietly(
            self.work, [PYTHON, HERE / "make_manifests.py", folder / "manifests", str(records), *options, *more]
        )
        return folder


@contextmanager
def open_bench(size: Size) -> Generator[Bench]:
    """A place to work in, outside of the repository; the part that is only for this run is removed at its end."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    work = Path(cache) / "reconcile-bench"
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=work) as scratch:
        yield Bench(work, Path(scratch), size)


def bare_interpreter() -> Command:
    """The least that any command in Python takes."""
    return Command("bare interpreter", [PYTHON, "-c", "pass"])


def bare_loop(folder: Path, name: str = "bare loop over the same events") -> Command:
    """PyYAML's C parser over a project's manifests, and nothing else."""
    return Command(name, [PYTHON, HERE / "loop_floor.py", folder / "manifests"])


def reconcile(name: str, folder: Path, *arguments: str) -> Command:
    """The tool in a project folder."""
    return Command(name, [PYTHON, "-m", "reconcile", *arguments], folder)


def restore(folder: Path, kept: Path) -> None:
    """Puts a copy of a state folder in the place of what a run has left there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(kept, folder)
