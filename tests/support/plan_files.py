"""What tests of saved plans do and ask more than once; the plan file is `a.plan`."""

from collections import Counter

from project_folder import Folder, Ran

from reconcile.sandbox.server import Sandbox

QUICK = {
    "RECONCILE_API__CONCURRENCY": "1",
    "RECONCILE_API__SETTLE_SECONDS": "1",
    "RECONCILE_API__TIMEOUT_SECONDS": "1",
}


def counts(sandbox: Sandbox) -> dict[object, int]:
    return dict(Counter(record["CoworkerInvoiceId"] for record in sandbox.records()))


def assert_stale(ran: Ran, words: str, code: str = "stale") -> None:
    assert (ran.code, ran.err.partition("]")[0]) == (7, f"error[{code}"), ran
    assert words in ran.err


def edit_notes(folder: Folder) -> None:
    path = folder.path / "manifests" / "a.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("March renewal", "April"), encoding="utf-8")


def carry_on(folder: Folder) -> Ran:
    """Applies until what is in doubt is settled, which takes its deadline and the settle time."""
    for _ in range(100):
        ran = folder.run("apply", "a.plan")
        if ran.code not in {4, 5}:
            break
    return ran
