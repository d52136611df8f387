"""Apply: what the plan says, done once, under the lock, with everything that happens in the journal."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import count

from reconcile import __version__
from reconcile.adapters.clock import Interruption, SystemClock
from reconcile.adapters.pacing import LONGEST_WAIT, WaitInterruptedError
from reconcile.app.connection import Connection, SandboxWishes, Waiting, connect, find_access
from reconcile.app.drift import Unwatched, look
from reconcile.app.going_on import go_on_with, naming_command
from reconcile.app.identity import lock_info, run_entry
from reconcile.app.project import Project, keep_loaded, load_declared, open_journal
from reconcile.app.review import plan_from, refreshing
from reconcile.app.saved_plans import ending, plan_again, require_current, require_same_inputs
from reconcile.app.settling import Settled, report_of, settle_doubts, settled_results
from reconcile.apply import Bounds, Report, Tools, apply_plan
from reconcile.apply.stops import INTERRUPTED
from reconcile.core.changes import CARRIED_OUT, Action, Change, Plan, Selection
from reconcile.core.diagnostics import Diagnostic
from reconcile.core.entries import FinishedEntry, RunEntry
from reconcile.core.errors import DiagnosedError, ExitCode, RefusedError
from reconcile.core.manifest import Manifests
from reconcile.core.records import Address, PaymentToken, Secret
from reconcile.core.saved import SavedPlan
from reconcile.core.times import iso
from reconcile.journal import Journal
from reconcile.ports import Clock, HeldLock, ReadWatcher, Reporter
from reconcile.render.report import report_as_json
from reconcile.render.words import duration


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """What the command line says about an apply; times in seconds.

    Attributes:
        is_patient: Whether to wait for the quota however long it takes.
        refresh: Whether the plan is made from what is there in Nexudus, rather than from what the state remembers.
        command: The command as it was given, to go on with where the quota ended the run.
        saved: The plan to carry out; its own selection counts then. None to plan anew, and to ask.
    """

    selection: Selection = field(default_factory=Selection)
    allow_deletes: int | None = None
    max_writes: int | None = None
    adopt_existing: bool = False
    lock_timeout: float = 0.0
    sandbox: SandboxWishes = field(default_factory=SandboxWishes)
    is_patient: bool = False
    refresh: bool = False
    command: str = "reconcile apply"
    saved: SavedPlan | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    """Who hears about it.

    Attributes:
        show: Shows what was settled and the plan, before anything can be refused.
        consent: Returns when somebody agreed to the plan, or reviewed it before; raises RefusedError otherwise.
        reporter: Hears what happens; made once the plan is known.
        alarm: Takes a line that must be seen at once.
        watcher: Hears what looking in Nexudus costs, where the plan begins with that.
    """

    show: Callable[[Plan, Settled], None]
    consent: Callable[[Plan], None]
    reporter: Callable[[Plan], AbstractContextManager[Reporter]]
    alarm: Callable[[str], None]
    watcher: ReadWatcher = field(default_factory=Unwatched)


@dataclass(frozen=True, slots=True)
class _Bench:
    """Everything an apply works with, once the lock is held."""

    project: Project
    options: ApplyOptions
    audience: Audience
    interruption: Interruption
    clock: Clock
    connection: Connection
    lock: HeldLock
    journal: Journal


def apply(
    project: Project, options: ApplyOptions, audience: Audience, interruption: Interruption, clock: Clock | None = None
) -> Report:
    """Plans, asks, carries it out, and records it; by this machine's clock, unless another one is given.

    Raises:
        DiagnosedError: The manifests hold errors, or a token that would be sent is not at hand.
        RefusedError: A limit or a protection forbids it, or nobody said yes; nothing was sent.
        InputError: Credentials are missing.
        LockedError: Another run holds the lock.
        QuotaError: The quota of reads is used up.
        StaleError: A saved plan was applied already, or is not what would be done any more.
        StateError: The state, the journal or the quota's ledger cannot be read or written.
    """
    manifests = load_declared(project)
    if options.saved is not None:
        require_same_inputs(options.saved, project, manifests)
    access = find_access(project, options.sandbox)
    clock = clock or SystemClock(interruption)
    info = lock_info("apply", clock.now())
    with project.backend.lock(info, timeout=options.lock_timeout) as lock, naming_command(options.command):
        journal = open_journal(project, clock, lock)  # and only then connect: the pace needs the writes it held
        with connect(access, clock, _waiting(options, audience)) as connection:
            keep_loaded()
            return _apply(_Bench(project, options, audience, interruption, clock, connection, lock, journal), manifests)


def _waiting(options: ApplyOptions, audience: Audience) -> Waiting:
    def tell(seconds: float) -> None:
        audience.alarm(f"waiting {duration(seconds)} for the quota's next slot; Ctrl-C ends the run well")

    return Waiting(None if options.is_patient else LONGEST_WAIT, tell, audience.watcher.note_read)


def _apply(bench: _Bench, manifests: Manifests) -> Report:
    saved = bench.options.saved
    claim = _claim(bench, manifests, saved) if saved is not None else None
    with ending(claim, bench.journal, bench.clock):
        settled = settle_doubts(bench.project, bench.journal, bench.connection.api, bench.clock)
        settled = settled.leaving_to_the_guard(manifests.records)
        plan = _plan(bench, manifests, is_begun=claim is not None)
        bench.audience.show(plan, settled)
        try:
            return _do(bench, plan, settled, claim)
        except RefusedError as refused:
            if report_of(bench.journal, settled).exit_code is ExitCode.IN_DOUBT:
                refused.exit_code = ExitCode.IN_DOUBT  # what a refusal leaves in doubt is graver than the refusal
            raise


def _claim(bench: _Bench, manifests: Manifests, saved: SavedPlan) -> RunEntry | None:
    """Claims a saved plan durably, before anything is settled or sent; None where it has nothing to do."""
    plan = _plan(bench, manifests, is_begun=require_current(saved, bench.project, bench.journal))
    _refuse(plan)
    _tokens(bench.project, plan)
    return _begin(bench, plan, saved.digest) if saved.plan.changes else None


def _plan(bench: _Bench, manifests: Manifests, *, is_begun: bool) -> Plan:
    options, folded = bench.options, bench.journal.folded
    if options.saved is not None:
        return plan_again(options.saved, bench.project, manifests, folded, is_begun=is_begun)
    found = None
    if options.refresh:
        is_seen = refreshing(manifests, options.selection)
        found = look(bench.project, folded, bench.connection, bench.audience.watcher, is_seen)
    return plan_from(
        bench.project, manifests, folded, options.selection, options.allow_deletes, create_key=False, found=found
    )


def _do(bench: _Bench, plan: Plan, settled: Settled, claim: RunEntry | None) -> Report:
    _refuse(plan)
    if claim is None and not _has_work(plan):
        return _finish_without_work(bench, plan, settled)
    tokens = _tokens(bench.project, plan)
    bench.audience.consent(plan)
    return _run(bench, plan, tokens, settled, claim)


def _finish_without_work(bench: _Bench, plan: Plan, settled: Settled) -> Report:
    # What a killed run or a settled doubt left, the state has yet to hold.
    bench.journal.commit(tool_version=__version__)
    report = report_of(bench.journal, settled)
    with bench.audience.reporter(plan) as reporter:
        reporter.tell("run_finished", report_as_json(report))
    return report


def _begin(bench: _Bench, plan: Plan, plan_file: str = "") -> RunEntry:
    account = bench.connection.account
    entry = run_entry("apply", bench.project.root, plan.plan_id, bench.clock.now(), account, plan_file)
    bench.journal.append(entry)
    return entry


def _run(bench: _Bench, plan: Plan, tokens: dict[Address, Secret], settled: Settled, claim: RunEntry | None) -> Report:
    if plan.having(*CARRIED_OUT):
        bench.connection.api.sign_in()
    folded = bench.journal.folded
    entry = claim or _begin(bench, plan)
    with bench.audience.reporter(plan) as reporter:
        counts = {f"{action}s": plan.count(action) for action in Action if action in CARRIED_OUT}
        reporter.tell("run_started", {"run": entry.run, "plan_id": plan.plan_id, **counts})
        report = apply_plan(
            plan,
            tokens,
            _tools(bench, reporter, entry.run),
            _bounds(bench),
            run=entry.run,
            known_ids=[record.id for record in folded.state.records.values()],
            doubts=tuple(folded.doubts.values()),
        )
        if bench.lock.is_held():
            report = _end_run(bench, entry.run, report, settled, reporter)
        reporter.tell("run_finished", {"run": entry.run} | report_as_json(report))
    return report


def _end_run(bench: _Bench, run: str, report: Report, settled: Settled, reporter: Reporter) -> Report:
    """Looks at what the run saw in doubt, ends it in the journal, and writes the state."""
    options = bench.options
    report = _look_once_more(bench, report, settled, reporter)
    report = go_on_with(report, options.command, is_saved=options.saved is not None)
    bench.connection.note_writes(run, bench.journal, bench.clock)
    unattempted = len(report.having("unattempted"))
    bench.journal.append(FinishedEntry(run, iso(bench.clock.now()), int(report.exit_code), unattempted))
    bench.journal.commit(tool_version=__version__)
    return report


def _look_once_more(bench: _Bench, report: Report, settled: Settled, reporter: Reporter) -> Report:
    """After a run that saw doubt, its own or an earlier one, the invoices concerned are read again."""
    stop, later = report.stop, settled
    if (settled.settlements or report.having("in_doubt")) and not bench.interruption.is_requested():
        try:
            later = settle_doubts(bench.project, bench.journal, bench.connection.api, bench.clock, is_end=True)
            later = later.leaving_to_the_guard({result.change.address for result in report.results})
        except WaitInterruptedError:
            stop = stop or INTERRUPTED
    results = report.results if later is settled else settled_results(report.results, later.settlements)
    settled = settled.then(later)
    for before, result in zip(report.results, results, strict=True):
        if result.status != before.status:
            action = str(result.change.action)
            reporter.tell(result.status, {"address": result.change.address, "action": action, "id": result.id})
    own = {result.change.address for result in results}
    return replace(
        report,
        results=results,
        stop=stop,
        doubts=tuple(doubt for address, doubt in bench.journal.folded.doubts.items() if address not in own),
        settlements=settled.settlements,
        twins=settled.twins,
        unchecked=settled.unchecked,
    )


def _tools(bench: _Bench, reporter: Reporter, run: str) -> Tools:
    numbers = count(1)
    fingerprints = bench.project.fingerprints(create=True)
    assert fingerprints is not None  # noqa: S101 - asked to, the backend makes the key
    return Tools(
        api=bench.connection.api,
        journal=bench.journal,
        lock=bench.lock,
        clock=bench.clock,
        pace=bench.connection.pace,
        reporter=reporter,
        emergency=lambda line: _raise_alarm(bench, line),
        is_interrupted=bench.interruption.is_requested,
        new_operation=lambda: f"{run}-{next(numbers)}",
        fingerprint=fingerprints.of,
        note_total=bench.connection.note_total,
    )


def _raise_alarm(bench: _Bench, line: str) -> None:
    path = bench.project.backend.record_emergency(line)
    where = f" (kept in {path})" if path is not None else ""
    bench.audience.alarm(f"the journal could not be written; remember this{where}: {line}")


def _bounds(bench: _Bench) -> Bounds:
    settings = bench.project.settings
    return Bounds(
        concurrency=settings.api.concurrency,
        timeout_seconds=settings.api.timeout_seconds,
        max_writes=bench.options.max_writes,
        max_consecutive_rejections=settings.safety.max_consecutive_rejections,
        adopt_existing=bench.options.adopt_existing,
    )


def _has_work(plan: Plan) -> bool:
    return any(change.action is not Action.IN_DOUBT for change in plan.changes)


def _refuse(plan: Plan) -> None:
    """Stops the whole apply before its first write when any part of the plan is refused (product.md)."""
    if not plan.refusals:
        return
    message = "; ".join(refusal.message for refusal in plan.refusals)
    ways = "; ".join(refusal.help for refusal in plan.refusals if refusal.help)
    raise RefusedError(f"{message}; nothing was sent", help=ways, code=plan.refusals[0].rule)


def _tokens(project: Project, plan: Plan) -> dict[Address, Secret]:
    """The tokens that the plan would send; all of those that are missing are named at once."""
    secrets = project.secrets()
    tokens: dict[Address, Secret] = {}
    missing: list[Diagnostic] = []
    for change in plan.having(Action.CREATE, Action.UPDATE):
        declared = change.declared
        if declared is None or not isinstance(declared.token_source, str) or not _sends_token(change):
            continue
        secret = secrets.find(declared)
        if secret is None:
            missing.append(_missing(declared))
        else:
            tokens[declared.address] = secret
    if missing:
        raise DiagnosedError(f"{len(missing):,} tokens are not at hand; nothing was sent", missing)
    return tokens


def _sends_token(change: Change) -> bool:
    return change.sends_token or change.action is Action.CREATE


def _missing(declared: PaymentToken) -> Diagnostic:
    kind, _, name = str(declared.token_source).partition(":")
    message = f"the token of {declared.address} is not at hand: {kind} {name} is missing or empty"
    help_ = f"set {name}" if kind == "env" else f"write it to {name} below the secrets folder"
    return Diagnostic(
        "missing-secret", message, declared.location, f"{help_}, or leave out with --exclude {declared.address}"
    )
