"""Carries out a plan through the ports, so that each write happens once (protocol.md).

    tools.py    what a run acts through, and how far it may go
    tally.py    what the workers of a run have in common
    create.py   one create, from its durable intent to its durable outcome
    run.py      a whole plan: changes of the state first, then the creates, side by side

Nothing here knows HTTP, files, or how an answer is judged (`core/outcomes.py`).
"""

from reconcile.apply.run import apply_plan
from reconcile.apply.tools import Bounds, Tools
from reconcile.core.report import Report, Result, Stop

__all__ = ["Bounds", "Report", "Result", "Stop", "Tools", "apply_plan"]
