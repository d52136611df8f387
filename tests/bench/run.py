"""Measures `reconcile` against floors and against other tools, and prints one table with ratios.

    python tests/bench/run.py [--small | --full] [--only NAME] [--million] [--check]

Whole processes, medians of several runs that take turns; nothing is asserted about seconds. With --check, the exit code
is 1 when a target is clearly missed: by more than a quarter for a ratio, a tenth for memory. Ratios by the clock and
by processor time both have to miss, since other work on the machine disturbs either. --small takes about a minute and
is meant for CI, --full about ten and is quoted in the documentation.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable
from typing import Final

import applies
import plans
import rivals
import starts
import states
from measuring import BenchError
from places import FULL, SMALL, Bench, open_bench
from tables import Report, say

BENCHMARKS: Final[dict[str, Callable[[Bench, Report], None]]] = {
    "start": starts.start,
    "plan": plans.plan,
    "files": plans.files,
    "state": states.state,
    "apply": applies.apply,
    "far": applies.far,
    "octodns": rivals.octodns,
    "terraform": rivals.terraform,
    "million": plans.million,
}


def main() -> int:
    """Runs what was asked for; returns the exit code."""
    asked = _arguments()
    wanted = asked.only or [name for name in BENCHMARKS if name != "million" or asked.million]
    report = Report()
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    sys.stdout.write(f"{machine}; medians of whole processes\n")
    with open_bench(FULL if asked.full else SMALL) as bench:
        for name in wanted:
            say(name)
            try:
                BENCHMARKS[name](bench, report)
            except BenchError as error:
                sys.stderr.write(f"{name}: {error}\n")
                return 1
    is_good = report.finish()
    return 1 if asked.check and not is_good else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="5,000 records; the default")
    size.add_argument("--full", action="store_true", help="100,000 records")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--million", action="store_true", help="a million records too (1.6 GB, three minutes)")
    parser.add_argument("--check", action="store_true", help="exit code 1 when a target is clearly missed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
