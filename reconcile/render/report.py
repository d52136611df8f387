"""What an apply did: the counts, and every address that needs attention with its place and the way on."""

from collections.abc import Iterable, Sequence

from reconcile.core.diagnostics import Location
from reconcile.core.folded import Doubt
from reconcile.core.report import Report, Result, Status
from reconcile.render.escape import escaped
from reconcile.render.settled import settled_as_text, settlement_as_json, twin_as_json, unchecked_as_text
from reconcile.render.style import Style
from reconcile.render.words import column_width, counted, duration, minute, padded, stretches

_LISTED = 20
"""Unattempted changes beyond this many fold into one line for each stretch of a file."""


def report_as_text(report: Report, style: Style) -> str:
    """Everything that needs attention, then the counts, then how to go on; ends with a newline."""
    lines: list[str] = []
    for title, status, colour in _NEEDING_ATTENTION:
        lines.extend(_section(title, report.having(status), style, colour))
    lines.extend(_doubt_lines(report.doubts, style))
    if report.twins:
        lines.append(settled_as_text((), report.twins, style).rstrip("\n"))
    if report.unchecked:
        lines.append(unchecked_as_text(report.unchecked, style))
    if report.stop is not None:
        lines.append(f"{style.paint('Stopped', 'red')}: {escaped(report.stop.message)}.")
    lines.append(style.bold(_counts(report)))
    lines.extend(f"Next: {way}." for way in _ways_on(report))
    return "\n".join(lines) + "\n"


_NEEDING_ATTENTION: tuple[tuple[str, Status, str], ...] = (
    ("Rejected by the API", "rejected", "red"),
    ("Exists already, and was not created again", "exists", "yellow"),
    ("Done, and altered by the API; the state holds what is there now", "altered", "red"),
    ("Refused, and left as it is", "refused", "yellow"),
    (
        "In doubt: sent, and whether it took effect is unknown; never sent again before that is settled",
        "in_doubt",
        "magenta",
    ),
    ("Not attempted", "unattempted", "yellow"),
)


def report_as_json(report: Report) -> dict[str, object]:
    """The details of the `run_finished` event."""
    details: dict[str, object] = {
        "exit_code": int(report.exit_code),
        **report.done(),
        "adopted": len(report.having("adopted")),
        "altered": [_result_as_json(result) for result in report.having("altered")],
        "exists": [_result_as_json(result) for result in report.having("exists")],
        "refused": [_result_as_json(result) for result in report.having("refused")],
        "rejected": [_result_as_json(result) for result in report.having("rejected")],
        "in_doubt": [_result_as_json(result) for result in report.having("in_doubt")]
        + [_doubt_as_json(doubt) for doubt in report.doubts],
        "unattempted": [_result_as_json(result) for result in report.having("unattempted")],
        "settled": [settlement_as_json(settlement) for settlement in report.settlements],
        "late_twins": [twin_as_json(twin) for twin in report.twins],
        "state_changes": report.state_changes,
        "writes": report.writes,
        "seconds": round(report.seconds, 3),
    }
    if report.stop is not None:
        details["stopped"] = report.stop.message
    if report.unchecked:
        details["unchecked"] = report.unchecked
    ways = _ways_on(report)
    return details | {"next": ways} if ways else details


def _result_as_json(result: Result) -> dict[str, object]:
    location = result.change.location
    return {
        "address": result.change.address,
        "action": str(result.change.action),
        "file": location.file if location else None,
        "line": location.line if location else None,
        "message": result.words,
    }


def _doubt_as_json(doubt: Doubt) -> dict[str, object]:
    intent = doubt.intent
    return {
        "address": intent.address,
        "action": intent.action,
        "file": intent.file,
        "line": intent.line,
        "message": doubt.seen,
    }


def _section(title: str, results: Sequence[Result], style: Style, colour: str) -> Iterable[str]:
    if not results:
        return
    yield f"{style.paint(title, colour)}:"
    listed = results if results[0].status != "unattempted" else results[:_LISTED]
    yield from _aligned([(escaped(r.change.address), _place(r.change.location), escaped(r.words)) for r in listed])
    for stretch in stretches([result.change for result in results[len(listed) :]]):
        yield "  " + "  ".join(stretch)
    yield ""


def _doubt_lines(doubts: Sequence[Doubt], style: Style) -> Iterable[str]:
    if not doubts:
        return
    yield f"{style.paint('In doubt since an earlier run', 'magenta')}:"
    yield from _aligned([_doubt_row(doubt) for doubt in doubts])
    yield ""


def _doubt_row(doubt: Doubt) -> tuple[str, str, str]:
    intent = doubt.intent
    sent = f"{intent.action} sent {minute(intent.at)}, {escaped(doubt.seen)}"
    return (escaped(intent.address), escaped(f"{intent.file}:{intent.line}"), sent)


def _place(location: Location | None) -> str:
    return escaped(str(location)) if location is not None else ""


def _aligned(rows: Sequence[tuple[str, str, str]]) -> Iterable[str]:
    addresses, places, _ = zip(*rows, strict=True)
    widths = column_width(addresses), column_width(places)
    for address, place, words in rows:
        yield f"  {padded(address, widths[0])}  {padded(place, widths[1])}  {words}".rstrip()


_COUNTED: tuple[tuple[Status, str], ...] = (
    ("adopted", "adopted"),
    ("altered", "altered by the API"),
    ("exists", "existing already"),
    ("refused", "refused"),
    ("rejected", "rejected"),
    ("in_doubt", "in doubt"),
    ("unattempted", "not attempted"),
)


def _counts(report: Report) -> str:
    planned = {f"{result.change.action}d" for result in report.results}
    parts = [f"{number:,} {word}" for word, number in report.done().items() if word in planned]
    if report.state_changes:
        parts.append(counted(report.state_changes, "change") + " of the state alone")
    parts.extend(f"{number:,} {words}" for status, words in _COUNTED if (number := len(report.having(status))))
    if report.doubts:
        parts.append(f"{len(report.doubts):,} still in doubt")
    return (
        f"Applied: {', '.join(parts) or 'nothing'} · {counted(report.writes, 'write')} in {duration(report.seconds)}."
    )


def _ways_on(report: Report) -> list[str]:
    again = f"`{escaped(report.plan_command or 'reconcile apply')}"
    # Anything else than its own file makes a saved plan stale, `resolve` and another plan included.
    settling, replanning = (
        (f"{again}`", "save, review and apply another plan")
        if report.plan_command
        else ("`reconcile apply` or `reconcile resolve`", "`reconcile apply`")
    )
    ways: list[str] = []
    if report.stop is not None and report.stop.help:
        ways.append(report.stop.help)
    if report.having("rejected"):
        ways.append(f"correct the rejected records in their manifests, then {replanning}")
    if report.doubts or report.having("in_doubt"):
        ways.append(
            f"{settling} once more settles what is in doubt, by reading; "
            "until then nothing else is written at these invoices"
        )
    if report.having("exists"):
        ways.append(f"{again} --adopt-existing` takes over what exists already")
    ways.extend(dict.fromkeys(result.help for result in report.having("refused") if result.help))
    if report.stop is None and report.having("unattempted"):
        ways.append(f"{again}` once more does what was not attempted")
    return ways
