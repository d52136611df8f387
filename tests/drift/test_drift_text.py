"""Drift as people read it: what is only half there, what could not be compared, and nothing that a terminal obeys."""

from declarations import held
from hostile import EVERYTHING, is_harmless
from observing import fingerprint

from reconcile.core.drift import Comparisons, compare
from reconcile.core.records import ObservedRecord
from reconcile.render.drift import drift_as_text
from reconcile.render.style import Style


def shown(found: Comparisons) -> list[str]:
    return [" ".join(line.split()) for line in drift_as_text(found, Style()).splitlines()]


def test_what_is_only_half_there_says_in_which_way() -> None:
    records = {"a": held(1, 10, notes="n"), "b": held(2, 20, notes="n")}
    found = compare(records, {2: ObservedRecord(2, 20, notes="x")}, fingerprint, unreadable={1}, unlisted={2})
    assert shown(found) == [
        "? unreadable a id 1 listed at invoice 10, but there is none to read by its id",
        '? unlisted b id 2 readable by its id, but a complete listing of its invoice lacks it; notes "n" → "x"',
        "",
        "Drift: 1 unreadable, 1 unlisted, 0 as last applied.",
    ]


def test_what_was_not_compared_is_counted() -> None:
    records = {"a": held(1, token_source="env:T", token_fingerprint="old:t")}
    seen = {1: ObservedRecord(1, 1001, token=None)}
    assert shown(compare(records, seen, fingerprint))[0].endswith("token env:T → null")
    found = Comparisons(same=3, incomparable=2, in_doubt=("a", "b", "c", "d"))
    assert shown(found) == [
        "No drift: 3 records in Nexudus as last applied.",
        "2 tokens could not be compared: the fingerprint key is not the one they were applied under.",
        "4 records left out, as a write is in doubt: a, b, c, ….",
    ]


def test_nothing_that_nexudus_holds_can_command_a_terminal() -> None:
    for text in EVERYTHING:
        found = compare({"a": held(1, notes="n")}, {1: ObservedRecord(1, 1001, notes=text)}, fingerprint)
        assert all(map(is_harmless, drift_as_text(found, Style()).splitlines()))
