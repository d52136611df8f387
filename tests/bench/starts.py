"""How long commands take that have hardly anything to do: what every user and every shell prompt waits for."""

import shutil

from measuring import Command, measure
from places import CONSOLE_SCRIPT, PYTHON, Bench, bare_interpreter, reconcile
from tables import Report, ratio_target, times

MOST_TIMES_TO_SAY = 3
MOST_TIMES_TO_WORK = 6


def start(bench: Bench, report: Report) -> None:
    """Each command against the bare interpreter."""
    project = bench.make_project("ten", 10)
    changed = bench.make_project("changed", 10, "--changed", "10")
    created = bench.make_project("created", 10, held=0)
    say = [
        Command("reconcile --version (console script)", [CONSOLE_SCRIPT, "--version"], project),
        reconcile("reconcile --version", project, "--version"),
        reconcile("reconcile completion bash", project, "completion", "bash"),
    ]
    work = [
        reconcile("reconcile validate, 10 records", project, "validate"),
        reconcile("reconcile plan, 10 records, no change", project, "plan"),
        reconcile("reconcile plan, 10 records, 10 creates", created, "plan"),
    ]
    others = [reconcile("reconcile plan, 10 records, 1 update (deepdiff)", changed, "plan")]
    if terraform := shutil.which("terraform"):
        others.append(Command("terraform --help", [terraform, "--help"], project))
    commands = [bare_interpreter(), *say, *work, *others]
    bare, *samples = measure(bench.work, commands, runs=bench.size.quick_runs)
    report.head(f"start: {PYTHON.name}, compiled modules at hand")
    ratios = [sample.over(bare) for sample in samples]
    report.rows([bare, *samples], ["", *(times(ratio, "bare") for ratio in ratios)])
    bounds = [MOST_TIMES_TO_SAY] * len(say) + [MOST_TIMES_TO_WORK] * len(work)
    for sample, ratio, bound in zip(samples, ratios, bounds, strict=False):
        report.target(ratio_target(sample.name, ratio, bound))
