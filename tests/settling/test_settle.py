"""Doubts are settled by reading, and by nothing else (protocol.md, "Settling doubt")."""

import pytest
from acting import START
from doubting import Scene

from reconcile.apply.settle import settle
from reconcile.core.entries import ResolvedEntry
from reconcile.core.errors import ApiError, StateError
from reconcile.core.quota import QuotaError
from reconcile.core.records import ObservedRecord, Secret


def test_the_one_record_that_was_sent_is_adopted_at_once(scene: Scene) -> None:
    scene.clock.passed = 0
    scene.hold(9, "a")
    (settled,) = scene.settle(scene.sent("a"))
    assert (settled.verdict, settled.id) == ("adopted", 9)
    assert scene.journal.entries == [
        ResolvedEntry("op-a", "2026-03-02T10:14:00Z", "adopted", 9, (9,), "ann@host"),
    ]
    assert (scene.api.sent, scene.clock.slept) == ([], [])


def test_what_two_doubts_could_be_is_adopted_by_one_of_them_alone(scene: Scene) -> None:
    scene.clock.passed = 0
    scene.hold(9, "a")
    settled = scene.settle(scene.sent("a"), scene.sent("b", notes="a"))
    assert [each.verdict for each in settled] == ["adopted", "open"]


@pytest.mark.parametrize("others", [{10: "a"}, {}])
def test_what_only_a_person_can_tell_is_asked_with_the_ids(scene: Scene, others: dict[int, str]) -> None:
    for record_id, notes in {9: "a" if others else "altered", **others}.items():
        scene.hold(record_id, notes)
    (settled,) = scene.settle(scene.sent("a"))
    assert (settled.verdict, settled.ids) == ("open", tuple(sorted({9, *others})))
    assert (scene.verdicts, scene.clock.slept) == ([], [])


def test_absence_is_believed_after_the_settle_time_and_two_listings_that_agree(scene: Scene) -> None:
    scene.hold(3, "of somebody else", token="other")
    (settled,) = scene.settle(scene.sent("a"))
    assert settled.verdict == "not_created"
    assert scene.api.reads == ["invoice 7", "invoice 7"]
    assert scene.clock.slept == [2]
    entry = scene.journal.entries[0]
    assert isinstance(entry, ResolvedEntry)
    assert (entry.verdict, entry.id, entry.ids_seen) == ("not_created", None, (3,))


def test_absence_is_not_believed_a_second_too_early(scene: Scene) -> None:
    scene.clock.passed -= 1
    (settled,) = scene.settle(scene.sent("a"))
    assert (settled.verdict, scene.verdicts, scene.api.reads) == ("open", [], ["invoice 7"])
    assert settled.words == (
        "not seen at the invoice so far; counts as not created when it is still not there after 2026-03-02T10:19:00Z"
    )


def test_a_local_clock_that_jumped_ahead_does_not_shorten_the_wait(scene: Scene) -> None:
    scene.clock.passed = 1e6
    scene.api.server_time = START + 299
    assert scene.settle(scene.sent("a"))[0].verdict == "open"
    scene.api.server_time = START + 301
    assert scene.settle(scene.sent("a"))[0].verdict == "not_created"


def test_a_record_that_shows_up_between_the_listings_is_adopted(scene: Scene) -> None:
    scene.hold(9, "a")
    scene.api.listings = [[]]
    (settled,) = scene.settle(scene.sent("a"))
    assert (settled.verdict, settled.id) == ("adopted", 9)


def test_listings_that_disagree_prove_nothing(scene: Scene) -> None:
    scene.hold(3, "of somebody else", token="other")
    scene.api.listings = [[]]
    (settled,) = scene.settle(scene.sent("a"))
    assert (settled.verdict, scene.verdicts) == ("open", [])


def test_a_wait_that_is_cut_short_proves_nothing(scene: Scene) -> None:
    scene.clock.sleep = lambda _: None  # type: ignore[method-assign]
    assert scene.settle(scene.sent("a"))[0].verdict == "open"
    assert (scene.verdicts, scene.api.reads) == ([], ["invoice 7"])


def test_a_partial_row_is_read_by_its_id(scene: Scene) -> None:
    scene.hold(9, "a")
    scene.api.listings = [[ObservedRecord(9, 7)]]
    assert scene.settle(scene.sent("a"))[0].id == 9
    assert scene.api.reads == ["invoice 7", "id 9"]


def test_a_row_that_cannot_be_read_by_its_id_is_asked_about_and_never_taken_for_absence(scene: Scene) -> None:
    scene.hold(9, "a")
    scene.api.unreadable[9] = None
    (settled,) = scene.settle(scene.sent("a"))
    assert (settled.verdict, settled.ids, scene.verdicts) == ("open", (9,), [])


def test_another_key_asks_about_what_it_cannot_compare(scene: Scene) -> None:
    scene.hold(9, "a", token="whatever")
    (settled,) = scene.settle(scene.sent("a", token_fingerprint="old-key:t"))
    assert (settled.verdict, settled.ids) == ("open", (9,))


def test_one_invoice_that_cannot_be_read_holds_up_no_other(scene: Scene) -> None:
    scene.hold(9, "a", invoice=1)
    scene.hold(10, "b", invoice=2)
    scene.api.unreadable[9] = ApiError("HTTP 500 for record 9")
    first, second = scene.settle(scene.sent("a", 1), scene.sent("b", 2))
    assert (first.verdict, first.words) == ("open", "the invoice could not be read: HTTP 500 for record 9")
    assert (second.verdict, second.id) == ("adopted", 10)


@pytest.mark.parametrize("error", [ApiError("did not answer", code="unreachable"), QuotaError("used up")])
def test_once_the_api_as_a_whole_cannot_be_read_nothing_more_is_asked(scene: Scene, error: ApiError) -> None:
    scene.api.listings = [error, error]
    settled = scene.settle(scene.sent("a", 1), scene.sent("b", 2))
    assert [each.verdict for each in settled] == ["open", "open"]
    assert error.message in settled[1].words
    assert scene.api.reads == ["invoice 1"]


def test_an_error_of_the_whole_listing_or_of_the_second_one_is_no_absence(scene: Scene) -> None:
    error = ApiError("HTTP 500 for the list of records")
    scene.api.listings = [error]
    assert {each.verdict for each in scene.settle(*(scene.sent(f"a{n}", n) for n in range(5)))} == {"open"}
    scene.api.listings = [[], error]
    assert scene.settle(scene.sent("a"))[0].verdict == "open"
    assert scene.verdicts == []


def test_many_doubts_are_settled_by_whole_pages(scene: Scene) -> None:
    for number in range(5):
        scene.hold(100 + number, f"a{number}", invoice=number)
    settled = scene.settle(*(scene.sent(f"a{n}", n) for n in range(5)))
    assert [each.id for each in settled] == [100, 101, 102, 103, 104]
    assert scene.api.reads[:2] == ["count", "all"]


def test_a_verdict_that_cannot_be_written_is_not_acted_on(scene: Scene) -> None:
    scene.hold(9, "a")
    scene.journal.fails_on = lambda _: True
    with pytest.raises(StateError):
        scene.settle(scene.sent("a"))
    assert scene.owned == set()


def test_an_answer_with_the_id_of_another_record_is_asked_about(scene: Scene) -> None:
    scene.owned.add(5)
    scene.hold(9, "a")
    (settled,) = scene.settle(scene.sent("a")._replace(ids=(5,)))
    assert (settled.verdict, settled.ids, scene.verdicts) == ("open", (5, 9), [])


def test_no_token_is_in_what_is_said(scene: Scene) -> None:
    scene.api.hold(9, 7, None, "altered", Secret("t"))
    assert "Secret('t')" not in repr(scene.settle(scene.sent("a")))


def test_at_the_end_of_a_run_nothing_counts_as_not_created(scene: Scene) -> None:
    scene.hold(9, "b", invoice=8)
    settled = settle([scene.sent("a"), scene.sent("b", 8)], scene.tools, by_absence=False)
    assert [each.verdict for each in settled] == ["open", "adopted"]
    assert scene.clock.slept == []
