"""Loading and writing a state, against parsing and writing the same JSON and doing nothing with it."""

from measuring import Command, measure
from places import PYTHON, Bench
from tables import Report, times

_READ = "import sys, pathlib; data = pathlib.Path(sys.argv[1]).read_bytes(); "
_ORJSON = _READ + "import orjson; found = orjson.loads(data); "
_LOAD = _READ + "from reconcile.core.statefile import dump_state, load_state; found = load_state(data); "


def state(bench: Bench, report: Report) -> None:
    """Whole processes over one state file."""
    count = bench.size.records
    path = bench.make_project("state", count) / "state" / "state.json"
    commands = [
        Command("orjson.loads", [PYTHON, "-c", _ORJSON, path]),
        Command("load_state", [PYTHON, "-c", _LOAD, path]),
        Command("orjson.loads and orjson.dumps", [PYTHON, "-c", _ORJSON + "orjson.dumps(found)", path]),
        Command("load_state and dump_state", [PYTHON, "-c", _LOAD + "dump_state(found)", path]),
    ]
    samples = measure(bench.work, commands, runs=bench.size.runs)
    parsed, loaded, rewritten, dumped = samples
    report.head(f"state: {count:,} records, {path.stat().st_size / 1e6:.1f} MB")
    remarks = ["", times(loaded.over(parsed), "orjson"), "", times(dumped.over(rewritten), "orjson")]
    report.rows(samples, remarks)
