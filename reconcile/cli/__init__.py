"""Arguments in, exit code out.

parser.py       every command, flag and help text
boundary.py     the one place where errors become messages and exit codes
review.py       validate, schema, plan, show
change.py       apply
drift.py        drift, export
reading.py      what reading many records tells while it runs
importing.py    import
state.py        state list, show, mv, rm, pull, push; unlock
ledger.py       quota, history
start.py        init, sandbox, completion
console.py      what is printed where: data to standard output, everything else to standard error
progress.py     what apply tells while it runs
"""

import gc
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; the entry point of `reconcile`."""
    was_collecting = gc.isenabled()
    # What a command imports and reads lives as long as the command: looking for garbage among it is a waste of time.
    # A command that works on after that calls `keep_loaded` of app/project.py.
    gc.disable()
    try:
        from reconcile.cli.boundary import run

        return run(argv)
    finally:
        # The interpreter looks for garbage once more as it ends, and all of this goes with it anyway: 6 ms of 60.
        gc.freeze()
        if was_collecting:
            gc.enable()
