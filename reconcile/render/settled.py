"""What became of writes in doubt, and the late twins that were seen."""

from collections.abc import Iterable, Sequence

from reconcile.core.report import Report, Settlement, Twin
from reconcile.render.escape import escaped
from reconcile.render.style import Style
from reconcile.render.words import minute


def settled_as_text(settlements: Sequence[Settlement], twins: Sequence[Twin], style: Style) -> str:
    """A line for each doubt that was looked at, and one for each twin; empty without any."""
    lines = [*_settlement_lines(settlements, style), *_twin_lines(twins, style)]
    return "\n".join(lines) + "\n\n" if lines else ""


def _settlement_lines(settlements: Sequence[Settlement], style: Style) -> Iterable[str]:
    for settlement in settlements:
        intent = settlement.doubt.intent
        what = f"  {intent.address}  invoice {intent.coworker_invoice_id}, sent {minute(intent.at)}: "
        if settlement.verdict != "open":
            yield f"{style.paint('settled', 'green')}{what}{_verdict(settlement)}"
        else:
            yield f"{style.paint('in doubt', 'magenta')}{what}{escaped(settlement.words)}{_to_look_at(settlement)}"


def _verdict(settlement: Settlement) -> str:
    action = settlement.doubt.intent.action
    if settlement.verdict == "adopted":
        done = {"create": "it exists as id {}, adopted", "update": "id {} was updated", "delete": "id {} was deleted"}
        return done[action].format(settlement.id)
    return f"it was not {action}d, and may be sent again"


def _to_look_at(settlement: Settlement) -> str:
    if not settlement.ids:
        return ""
    address, listed = settlement.doubt.intent.address, ", ".join(map(str, settlement.ids))
    if settlement.doubt.intent.id is not None:
        return f" (id {listed}). Say whether it was done: `reconcile resolve {address} --adopt ID`, or `--not-created`"
    return f": {listed}. Say which: `reconcile resolve {address} --adopt ID`, or `--not-created`"


def _twin_lines(twins: Sequence[Twin], style: Style) -> Iterable[str]:
    for twin in twins:
        if twin.is_orphan:
            what = f"{twin.address}  invoice {twin.coworker_invoice_id}: id {twin.ids[0]} took effect after all"
            yield f"{style.paint('late record', 'red')}  {what}, and nobody owns it; delete it in Nexudus, or import it"
            continue
        listed = " and ".join(map(str, twin.ids))
        what = f"{twin.address}  invoice {twin.coworker_invoice_id}: exists as {listed}"
        yield f"{style.paint('late twin', 'red')}  {what}; {twin.ids[0]} is the state's, delete the other in Nexudus"


def settled_as_json(report: Report) -> dict[str, object]:
    """What `resolve --format json` prints."""
    return {
        "exit_code": int(report.exit_code),
        "settlements": [settlement_as_json(settlement) for settlement in report.settlements],
        "late_twins": [twin_as_json(twin) for twin in report.twins],
        "in_doubt": [doubt.intent.address for doubt in report.doubts],
        **({"unchecked": report.unchecked} if report.unchecked else {}),
    }


def unchecked_as_text(why: str, style: Style) -> str:
    """That nobody could look for late twins, in one line."""
    return f"{style.paint('Not looked for late twins', 'yellow')}: {escaped(why)}"


def settlement_as_json(settlement: Settlement) -> dict[str, object]:
    """What became of a write in doubt, for scripts."""
    intent = settlement.doubt.intent
    return {
        "address": intent.address,
        "action": intent.action,
        "coworker_invoice_id": intent.coworker_invoice_id,
        "verdict": settlement.verdict,
        "id": settlement.id,
        "ids": list(settlement.ids),
        "message": settlement.words,
    }


def twin_as_json(twin: Twin) -> dict[str, object]:
    """A late twin; the first of its ids is the one in the state. A late record that no address owns is the only one."""
    return {"address": twin.address, "coworker_invoice_id": twin.coworker_invoice_id, "ids": list(twin.ids)}
