"""Updates and deletes in doubt are settled by reading the record (protocol.md, "Update" and "Delete")."""

from dataclasses import replace
from typing import Any

import pytest
from acting import START
from declarations import held
from doubting import Scene

from reconcile.apply.settle_changes import settle_changes
from reconcile.core.entries import ResolvedEntry
from reconcile.core.errors import ApiError
from reconcile.core.folded import Doubt
from reconcile.core.quota import QuotaError
from reconcile.core.records import Provider
from reconcile.core.report import Settlement

UNTIL = "2026-03-02T10:19:00Z"


def updated(scene: Scene, before: dict[str, Any], **sent: Any) -> Doubt:
    """An update of record 9 in doubt, from `old` to `new` unless told otherwise."""
    fields = {"notes": "new", "token_source": None, "token_fingerprint": None} | sent
    then = held(9, 7, **({"notes": "old", "token_source": None} | before))
    return scene.sent("a", action="update", id=9, before=then, **fields)


def deleted(scene: Scene) -> Doubt:
    return scene.sent("a", action="delete", id=9)


def settled(scene: Scene, *doubts: Doubt, by_absence: bool = True) -> Settlement:
    return settle_changes(doubts, scene.tools, by_absence=by_absence)[0]


def test_a_record_that_is_what_was_sent_was_updated_at_once(scene: Scene) -> None:
    scene.clock.passed = 0
    scene.hold(9, "new", None)
    verdict = settled(scene, updated(scene, {}))
    assert (verdict.verdict, verdict.id) == ("adopted", 9)
    assert scene.journal.entries == [
        ResolvedEntry("op-a", "2026-03-02T10:14:00Z", "adopted", 9, (9,), "ann@host"),
    ]
    assert (scene.api.reads, scene.api.updated) == (["id 9"], [])


def test_the_old_values_mean_no_effect_once_the_settle_time_has_passed(scene: Scene) -> None:
    scene.hold(9, "old", None)
    scene.clock.passed -= 1
    early = settled(scene, updated(scene, {}))
    assert (early.verdict, early.ids) == ("open", ())
    assert early.words == f"id 9 is still as it was; counts as not done when it is still as it was after {UNTIL}"
    scene.clock.passed += 1
    assert settled(scene, updated(scene, {})).verdict == "not_created"
    assert scene.verdicts == [("op-a", "not_created", None)]


def test_at_the_end_of_a_run_nothing_counts_as_without_effect(scene: Scene) -> None:
    scene.hold(9, "old", None)
    assert settled(scene, updated(scene, {}), by_absence=False).verdict == "open"
    assert settled(scene, deleted(scene), by_absence=False).verdict == "open"


def test_a_third_value_asks_and_names_the_fields(scene: Scene) -> None:
    scene.hold(9, "theirs", None)
    verdict = settled(scene, updated(scene, {}))
    assert (verdict.verdict, verdict.ids, scene.verdicts) == ("open", (9,), [])
    assert verdict.words == "it is neither what was sent nor what was there before: notes differs"


@pytest.mark.parametrize(
    ("token", "verdict"),
    [("new", "adopted"), ("old", "not_created"), ("theirs", "open"), ("", "open"), (None, "open")],
)
def test_a_token_is_told_by_its_fingerprint(scene: Scene, token: str | None, verdict: str) -> None:
    scene.hold(9, "same", token)
    before = {"notes": "same", "token_source": "env:T", "token_fingerprint": "k:old"}
    sent = {"notes": "same", "token_source": "env:T", "token_fingerprint": "k:new"}
    assert settled(scene, updated(scene, before, **sent)).verdict == verdict


@pytest.mark.parametrize(("notes", "verdict"), [("new", "adopted"), ("old", "not_created"), ("theirs", "open")])
def test_where_a_token_cannot_be_compared_the_other_fields_speak_for_it(scene: Scene, notes: str, verdict: str) -> None:
    scene.hold(9, notes, "whatever")
    fingerprint = {"token_source": "env:T", "token_fingerprint": "lost-key:1"}
    assert settled(scene, updated(scene, fingerprint, **fingerprint)).verdict == verdict


def test_a_token_that_cannot_be_compared_and_nothing_beside_it_asks(scene: Scene) -> None:
    scene.hold(9, "same", "whatever")
    fingerprint = {"token_source": "env:T", "token_fingerprint": "lost-key:1", "notes": "same"}
    verdict = settled(scene, updated(scene, fingerprint, **fingerprint))
    assert (verdict.verdict, verdict.words) == ("open", "its token cannot be compared with the one that was sent")


def test_what_was_sent_and_what_was_there_may_be_the_same(scene: Scene) -> None:
    scene.hold(9, "same", None)
    assert settled(scene, updated(scene, {"notes": "same"}, notes="same")).verdict == "adopted"


def test_a_provider_is_compared_by_its_number(scene: Scene) -> None:
    scene.api.hold(9, 7, 2, "new")
    doubt = updated(scene, {}, regular_payment_provider=Provider.Stripe)
    assert settled(scene, doubt).verdict == "adopted"
    assert settled(scene, doubt._replace(intent=replace(doubt.intent, regular_payment_provider=None))).verdict == "open"


def test_an_update_of_a_record_that_is_gone_had_no_effect(scene: Scene) -> None:
    assert settled(scene, updated(scene, {})).verdict == "not_created"
    assert scene.api.reads == ["id 9", "invoice 7"]


def test_a_record_is_deleted_when_neither_a_read_nor_a_listing_finds_it(scene: Scene) -> None:
    scene.clock.passed = 0
    verdict = settled(scene, deleted(scene))
    assert (verdict.verdict, verdict.id, scene.verdicts) == ("adopted", 9, [("op-a", "adopted", 9)])
    assert scene.api.reads == ["id 9", "invoice 7"]


def test_a_record_that_is_still_listed_is_not_gone(scene: Scene) -> None:
    scene.hold(9, "a")
    scene.api.unreadable[9] = None
    verdict = settled(scene, deleted(scene))
    assert (verdict.verdict, verdict.ids, verdict.words) == (
        "open",
        (9,),
        "it is listed at its invoice, but cannot be read",
    )


def test_a_record_that_is_still_there_after_the_settle_time_was_not_deleted(scene: Scene) -> None:
    scene.hold(9, "a")
    scene.clock.passed -= 1
    assert settled(scene, deleted(scene)).words.startswith("id 9 is still there; counts as not done when")
    scene.clock.passed += 1
    assert settled(scene, deleted(scene)).verdict == "not_created"


def test_a_local_clock_that_jumped_ahead_does_not_shorten_the_wait(scene: Scene) -> None:
    scene.hold(9, "old", None)
    scene.clock.passed = 1e6
    scene.api.server_time = START + 299
    assert settled(scene, updated(scene, {})).verdict == "open"
    scene.api.server_time = START + 301
    assert settled(scene, updated(scene, {})).verdict == "not_created"


def test_an_answer_with_the_id_of_another_record_is_asked_about(scene: Scene) -> None:
    scene.hold(9, "new", None)
    verdict = settled(scene, updated(scene, {})._replace(ids=(5,)))
    assert (verdict.verdict, verdict.ids, scene.verdicts) == ("open", (5, 9), [])


def test_one_record_that_cannot_be_read_holds_up_no_other(scene: Scene) -> None:
    scene.api.unreadable[9] = ApiError("HTTP 500 for record 9")
    scene.hold(8, "new", None)
    other = updated(scene, {})
    other = other._replace(intent=replace(other.intent, id=8, operation="op-b"))
    first, second = settle_changes([updated(scene, {}), other], scene.tools)
    assert (first.verdict, first.words) == ("open", "the record could not be read: HTTP 500 for record 9")
    assert (second.verdict, second.id) == ("adopted", 8)


@pytest.mark.parametrize("error", [ApiError("did not answer", code="unreachable"), QuotaError("used up")])
def test_once_the_api_as_a_whole_cannot_be_read_nothing_more_is_asked(scene: Scene, error: ApiError) -> None:
    scene.api.unreadable[9] = error
    settlements = settle_changes([deleted(scene), deleted(scene)], scene.tools)
    assert [each.verdict for each in settlements] == ["open", "open"]
    assert (error.message in settlements[1].words, scene.api.reads) == (True, ["id 9"])
