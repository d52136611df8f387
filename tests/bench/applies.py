"""What a create costs within an apply, and that it costs the same however many records the state holds."""

import json
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from make_manifests import FIRST
from measuring import BenchError, Command, Ratio, Sample, environment, measure
from places import HERE, PYTHON, Bench, restore
from tables import Report, Target, ratio_target

MOST_TIMES_WITH_A_LARGE_STATE = 1.10
CREATES_A_SECOND = 400
WORKERS = 8
LATENCY = 0.2
"""Seconds."""

LEAST_SHARE = 0.9

_LIMITS = ("WRITES_PER_MINUTE", "WRITES_PER_DAY")
_REQUESTS = ("REQUESTS_PER_SECOND", "REQUESTS_PER_MINUTE", "REQUESTS_PER_HOUR", "REQUESTS_PER_DAY")


class Spans:
    """How long the creates of each run took, as the server saw it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.seconds: list[float] = []

    def take(self, expected: int) -> None:
        """Asks the server about the run that just ended."""
        with urlopen(f"{self.root}/span") as answer:  # noqa: S310 - loopback, started here
            found = json.load(answer)
        if found["creates"] != expected:
            raise BenchError(f"{found['creates']} creates came instead of {expected}")
        self.seconds.append(found["seconds"] / (expected - 1))

    def a_create(self, runs: int) -> float:
        """Seconds a create, the median of the last runs."""
        return median(self.seconds[-runs:])


def apply(bench: Bench, report: Report) -> None:
    """Two numbers of creates over two sizes of state; the whole process grows by what the creates between them cost."""
    few, many = bench.size.creates
    held = bench.size.held
    with _stub(bench) as root:
        spans = {(size, number): Spans(root) for size in held for number in (few, many)}
        commands = [_apply(bench, size, number, spans[size, number]) for size in held for number in (few, many)]
        samples = measure(bench.work, commands, runs=bench.size.runs)
    report.head(f"apply: {few:,} or {many:,} creates, 8 at a time, journal included, a server that costs nothing")
    costs = [spans[size, number].a_create(bench.size.runs) for size in held for number in (few, many)]
    report.rows(samples, [f"{1e3 * cost:.2f} ms a create, {1 / cost:,.0f} a second" for cost in costs])
    whole = _growth(samples)
    at_server = costs[3] / costs[1]
    report.remark(
        f"a create more: {whole.by_clock:.2f} times as long with {held[1]:,} as with {held[0]:,} records in the state, "
        f"{whole.by_processor:.2f} by processor time, {at_server:.2f} as seen by the server"
    )
    ratio = Ratio(at_server, whole.by_processor)
    name = f"a create with {held[1]:,} records in the state against {held[0]:,} (first figure: seen by the server)"
    speed = 1 / min(costs[1], costs[3])
    report.target(
        ratio_target(name, ratio, MOST_TIMES_WITH_A_LARGE_STATE),
        Target(
            "creates a second, 8 at a time",
            1 / CREATES_A_SECOND,
            1 / speed,
            f"{speed:,.0f}; at least {CREATES_A_SECOND} (the disk's syncs decide)",
            tolerance=1.0,
        ),
    )


def far(bench: Bench, report: Report) -> None:
    """Creates against a server that takes its time: what eight workers could do at most, and what they do."""
    creates = bench.size.creates[0]
    with _stub(bench, LATENCY) as root:
        spans = Spans(root)
        samples = measure(bench.work, [_apply(bench, 0, creates, spans)], runs=bench.size.runs, warm_ups=0)
    # The last of them is counted when it comes, not when it is answered.
    share = LATENCY * (ceil(creates / WORKERS) - 1) / (min(spans.seconds) * (creates - 1))
    report.head(f"apply: {creates:,} creates, {WORKERS} at a time, a server that answers after {LATENCY:g} s")
    report.rows(samples, [f"{share:.1%} of what {WORKERS} workers can do"])
    name = f"what {WORKERS} workers do at {LATENCY:g} s latency, of what they can"
    report.target(Target(name, 1 / LEAST_SHARE, 1 / share, f"{share:.1%}; at least {LEAST_SHARE:.0%}", tolerance=0.1))


def _growth(samples: list[Sample]) -> Ratio:
    """What a create more adds to the process, with the large state over the small one."""
    small_few, small_many, large_few, large_many = samples
    by_clock = [many.seconds - few.seconds for few, many in ((small_few, small_many), (large_few, large_many))]
    by_processor = [many.processor - few.processor for few, many in ((small_few, small_many), (large_few, large_many))]
    return Ratio(by_clock[1] / by_clock[0], by_processor[1] / by_processor[0])


def _apply(bench: Bench, held: int, creates: int, spans: Spans) -> Command:
    project = bench.make_project(f"apply-{held}-{creates}", held + creates, held=held)
    kept = project.with_name(f"{project.name}-state")
    (project / "state").mkdir(exist_ok=True)
    shutil.copytree(project / "state", kept)
    new = range(FIRST + held, FIRST + held + creates)
    return Command(
        f"apply, {creates:,} creates, {held:,} in the state",
        [PYTHON, "-m", "reconcile", "apply", "--auto-approve"],
        project,
        {
            "NEXUDUS_BASE_URL": spans.root,
            "NEXUDUS_ACCESS_TOKEN": "planted",
            **{f"RECONCILE_API__LIMITS__{name}": "null" for name in (*_LIMITS, *_REQUESTS)},
            **{f"INV_{number}_TOKEN": f"pm_{number}" for number in new},
        },
        prepare=lambda: restore(project / "state", kept),
        after=lambda: spans.take(creates),
    )


@contextmanager
def _stub(bench: Bench, latency: float = 0.0) -> Generator[str]:
    """The address of the stub while the with-block runs; it answers after `latency` seconds."""
    port_file = bench.scratch / f"port-{latency:g}"
    server = subprocess.Popen([PYTHON, HERE / "stub_api.py", port_file, str(latency)], env=environment(bench.work, {}))
    try:
        yield f"http://127.0.0.1:{_read_port(port_file, server)}"
    finally:
        server.terminate()
        server.wait()


def _read_port(port_file: Path, server: "subprocess.Popen[bytes]") -> int:
    for _ in range(1_000):
        if port_file.exists():
            return int(port_file.read_text())
        if server.poll() is not None:
            break
        time.sleep(0.01)
    raise BenchError("the stub server did not start")
