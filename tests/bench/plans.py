"""`plan`, from the start of the process to its end: against a bare loop, over many files, and of a million records."""

from measuring import measure
from places import FULL, Bench, bare_loop, reconcile
from tables import Report, memory_target, ratio_target, times

MOST_TIMES_THE_LOOP = 2.6
MOST_MB = 350
MOST_TIMES_FOR_FILES = 1.15
MOST_TIMES_FOR_A_MILLION = 11
MILLION = 1_000_000


def plan(bench: Bench, report: Report) -> None:
    """Of N records, 1 % of which changed, against a state that holds them all.

    The target is about a large plan: in a small one both processes do little but start, so there it is not judged.
    """
    count = bench.size.records
    project = bench.make_project("plan", count, "--changed", "1")
    commands = [
        bare_loop(project),
        reconcile(f"reconcile plan of {count:,}", project, "plan"),
        reconcile(f"reconcile validate of {count:,}", project, "validate"),
    ]
    samples = measure(bench.work, commands, runs=bench.size.runs)
    loop, planned, validated = samples
    report.head(f"plan: {count:,} records, 1 % changed, all in the state")
    report.rows(samples, ["", times(planned.over(loop), "the loop"), times(validated.over(loop), "the loop")])
    report.target(memory_target(f"memory of a plan of {count:,}", planned, MOST_MB))
    if bench.size is FULL:
        ratio = planned.over(loop)
        report.target(ratio_target(f"plan of {count:,} against the bare loop", ratio, MOST_TIMES_THE_LOOP))


def files(bench: Bench, report: Report) -> None:
    """The same records in one file and in many."""
    count, many = bench.size.records, bench.size.many_files
    one = bench.make_project("one", count, "--changed", "1")
    spread = bench.make_project("spread", count, "--changed", "1", "--files", str(many))
    commands = [reconcile("plan, one file", one, "plan"), reconcile(f"plan, {many:,} files", spread, "plan")]
    whole, parts = measure(bench.work, commands, runs=bench.size.runs)
    report.head(f"files: {count:,} records in one file or in {many:,}")
    report.rows([whole, parts], ["", times(parts.over(whole), "one file")])
    report.target(ratio_target(f"{many:,} files against one", parts.over(whole), MOST_TIMES_FOR_FILES))


def million(bench: Bench, report: Report) -> None:
    """A million records over ten files (no file may be larger than 64 MiB), against a tenth of them."""
    tenth = bench.make_project("tenth", MILLION // 10, "--changed", "1")
    whole = bench.make_project("million", MILLION, "--changed", "1", "--files", "10")
    commands = [reconcile("plan of 100,000", tenth, "plan"), reconcile("plan of 1,000,000", whole, "plan")]
    small, large = measure(bench.work, commands, runs=2)
    report.head("million: ten times the records")
    report.rows([small, large], ["", times(large.over(small), "a tenth of it")])
    report.target(ratio_target("a million records against a tenth", large.over(small), MOST_TIMES_FOR_A_MILLION))
