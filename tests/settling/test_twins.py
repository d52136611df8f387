"""A request that takes effect after everybody gave it up is found out (protocol.md, "Settling doubt", 5)."""

from dataclasses import replace

import pytest
from acting import START
from declarations import held, state
from doubting import Scene

from reconcile.apply.twins import find_twins
from reconcile.core.entries import (
    CheckedEntry,
    CommittedEntry,
    Entry,
    HeaderEntry,
    ResolvedEntry,
    StateChangedEntry,
)
from reconcile.core.errors import ApiError
from reconcile.core.folded import Watch
from reconcile.core.operations import compact, fold
from reconcile.core.report import Twin
from reconcile.core.times import iso

AT = iso(START)


def watch(scene: Scene, record_id: int | None = None) -> Watch:
    verdict = "not_created" if record_id is None else "adopted"
    return Watch(scene.sent("a").intent, ResolvedEntry("op-a", AT, verdict, record_id))


def look(scene: Scene, *watches: Watch, own: int | None = 9, may_close: bool = True) -> tuple[Twin, ...]:
    scene.owned |= {own} if own else set()
    records = {"a": held(own, 7)} if own else {}
    return find_twins(watches, records, scene.tools, may_close=may_close)


@pytest.mark.parametrize("adopted", [None, 9])
def test_a_late_twin_is_reported_with_both_ids_until_one_is_gone(scene: Scene, adopted: int | None) -> None:
    scene.hold(9, "a")
    scene.hold(12, "a")
    for _ in range(2):
        assert look(scene, watch(scene, adopted)) == (Twin("a", 7, (9, 12)),)
        assert scene.journal.entries == []
    del scene.api.records[12]
    assert look(scene, watch(scene, adopted)) == ()
    assert [type(entry) for entry in scene.journal.entries] == [CheckedEntry]


def test_a_watch_is_over_only_after_the_settle_time_and_in_a_later_run(scene: Scene) -> None:
    scene.hold(9, "a")
    assert look(scene, watch(scene), may_close=False) == ()
    scene.clock.passed -= 1
    assert look(scene, watch(scene)) == ()
    assert scene.journal.entries == []
    scene.clock.passed += 1
    look(scene, watch(scene))
    assert scene.journal.entries == [CheckedEntry("op-a", "2026-03-02T10:19:00Z")]


def test_what_appears_late_while_its_address_has_no_record_is_reported_until_it_is_gone(scene: Scene) -> None:
    scene.hold(12, "a")
    for _ in range(2):
        assert look(scene, watch(scene), own=None) == (Twin("a", 7, (12,)),)
        assert scene.journal.entries == []
    scene.owned.add(12)
    assert look(scene, watch(scene), own=None) == ()


def test_another_record_of_the_invoice_is_no_twin(scene: Scene) -> None:
    scene.hold(9, "a")
    scene.hold(12, "a", token="other")
    scene.hold(13, "b")
    assert look(scene, watch(scene)) == ()


def test_what_cannot_be_read_closes_no_watch(scene: Scene) -> None:
    scene.api.listings = [ApiError("HTTP 500")]
    with pytest.raises(ApiError):
        look(scene, watch(scene))
    assert scene.journal.entries == []


def settled(scene: Scene) -> list[Entry]:
    """A journal in which a doubt counted as not created."""
    intent = scene.sent("a").intent
    return [HeaderEntry("0b1f-lineage", 3), intent, ResolvedEntry("op-a", AT, "not_created"), CommittedEntry(4, "", AT)]


def test_a_watch_survives_compaction_however_often_and_adopts_nothing_anew(scene: Scene) -> None:
    entries = settled(scene)
    entries[2] = ResolvedEntry("op-a", AT, "adopted", 9)
    kept = fold(state({}, serial=4), compact(entries, 4))
    assert (kept.state.records, kept.is_ahead) == ({}, False), "the state of that serial holds what was adopted"
    for serial in (5, 6):
        entries = [*compact(entries, serial - 1), CommittedEntry(serial, "", AT)]
    folded = fold(state({}, serial=6), entries)
    assert [(each.intent.address, each.id) for each in folded.watches] == [("a", 9)]
    assert (folded.state.records, folded.doubts, folded.is_ahead) == ({}, {}, False)


def test_a_watch_that_was_checked_is_gone(scene: Scene) -> None:
    assert fold(state({}), settled(scene)).watches != ()
    assert fold(state({}), [*settled(scene), CheckedEntry("op-a", AT)]).watches == ()


def test_a_rename_carries_its_watch_along(scene: Scene) -> None:
    moved = StateChangedEntry("mv", AT, "a", 9, to="b")
    for entries in ([*settled(scene), moved], compact([*settled(scene), moved, CommittedEntry(5, "", AT)], 5)):
        (found,) = fold(state({"b": held(9, 7)}, serial=5), [*entries, CommittedEntry(5, "", AT)]).watches
        assert found.intent == replace(scene.sent("a").intent, address="b")
