import orjson
import pytest
from journal_entries import intent, record

from reconcile.core.entries import IntentEntry, NoEffectEntry, StateChangedEntry
from reconcile.core.plain import NotPlainError, explain, of_plain, reader_of, to_plain
from reconcile.core.records import StateRecord


@pytest.mark.parametrize(
    "value",
    [
        record(),
        intent("o", "a"),
        NoEffectEntry("o", "t", "rejected", "no"),
        StateChangedEntry("adopt", "t", "a", 7, record=record(7)),
    ],
)
def test_the_fast_way_and_pydantic_read_the_same(value):
    plain = orjson.loads(orjson.dumps(to_plain(value)))
    assert reader_of(type(value))(plain.copy()) == value
    assert explain(type(value), plain) == value
    assert of_plain(type(value), plain) == value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"baseline": [1, "2"]}, "baseline"),
        ({"baseline": [True]}, "baseline"),
        ({"action": "upsert"}, "action"),
        ({"regular_payment_provider": "Strype"}, "payment provider"),
        ({"line": None}, "line"),
        ({"token": "pm_secret"}, "token: unexpected keyword argument"),
        ({"notes": 10**30}, "64 bits"),
    ],
)
def test_the_fast_way_leaves_to_pydantic_what_is_wrong(change, words):
    raw = {**to_plain(intent("o", "a", baseline=())), **change}
    assert reader_of(IntentEntry)(raw.copy()) is None
    with pytest.raises(NotPlainError) as caught:
        of_plain(IntentEntry, raw)
    assert words in str(caught.value)
    assert "pm_secret" not in str(caught.value)


def test_a_record_inside_an_entry_is_checked_as_well():
    raw = to_plain(StateChangedEntry("adopt", "t", "a", 7, record=record(7)))
    raw["record"]["id"] = "7"
    with pytest.raises(NotPlainError):
        of_plain(StateChangedEntry, raw)


def test_the_text_unmanaged_is_a_note_like_any_other():
    assert of_plain(StateRecord, {"id": 1, "coworker_invoice_id": 2, "notes": "unmanaged"}).notes == "unmanaged"
    assert explain(StateRecord, {"id": 1, "coworker_invoice_id": 2, "notes": "unmanaged"}).notes == "unmanaged"
