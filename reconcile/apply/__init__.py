"""Carries out a plan through the ports, so that each write happens once (protocol.md).

    tools.py    what a run acts through, and how far it may go
    tally.py    what the workers of a run have in common
    write.py    one write, from its durable intent to its durable outcome
    create.py   one create, after a look at what exists at its invoice
    update.py   one update, of all that a record holds
    delete.py   one delete
    adopt.py    one import
    run.py      a whole plan: changes of the state first, then imports, then writes, side by side

Nothing here knows HTTP, files, or how an answer is judged (`core/outcomes.py`).
"""

from reconcile.apply.run import apply_plan
from reconcile.apply.tools import Bounds, Tools
from reconcile.core.report import Report, Result, Stop

__all__ = ["Bounds", "Report", "Result", "Stop", "Tools", "apply_plan"]
