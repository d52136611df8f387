"""What a record seen says about a create, field by field (protocol.md, "Settling doubt", 2 and 3)."""

from typing import Any

import pytest
from declarations import doubt

from reconcile.core.entries import IntentEntry
from reconcile.core.records import UNMANAGED, ObservedRecord, Provider, Secret
from reconcile.core.settling import Adopt, Ask, Likeness, NotSeen, could_match, has_settled, judge, likeness
from reconcile.core.times import iso

WRITTEN = 1_772_446_440.0  # seconds since the epoch
FULL, NEAR, OTHER = Likeness.FULL, Likeness.NEAR, Likeness.OTHER


def fingerprint(secret: Secret) -> str:
    return f"k:{secret.reveal()}"


def intent(**fields: Any) -> IntentEntry:
    """A create with every field declared, unless told otherwise."""
    declared: dict[str, Any] = {
        "regular_payment_provider": Provider.Stripe,
        "notes": "March",
        "token_source": "env:T",
        "token_fingerprint": "k:t",
        "baseline": (1, 2),
    }
    return doubt("inv-7", 7, **(declared | fields)).intent


def seen(record_id: int = 9, invoice: int = 7, token: str | None = "t", **fields: Any) -> ObservedRecord:  # noqa: S107 - no secret
    values: dict[str, Any] = {"regular_payment_provider": 2, "notes": "March"} | fields
    return ObservedRecord(record_id, invoice, token=Secret(token) if token is not None else None, **values)


@pytest.mark.parametrize(
    ("declared", "found", "expected"),
    [
        ({}, {}, FULL),
        ({}, {"invoice": 8}, OTHER),
        ({}, {"notes": "April"}, NEAR),
        ({}, {"regular_payment_provider": 12}, NEAR),
        ({}, {"token": "other"}, OTHER),
        ({}, {"token": "other", "notes": "April"}, OTHER),
        ({"notes": None}, {"notes": ""}, FULL),
        ({"notes": ""}, {"notes": None}, FULL),
        ({"notes": None}, {"notes": "x"}, NEAR),
        ({"notes": "x"}, {"notes": None}, NEAR),
        ({"notes": UNMANAGED}, {"notes": "anything"}, FULL),
        ({"regular_payment_provider": None}, {"regular_payment_provider": 0}, FULL),
        ({"regular_payment_provider": None}, {"regular_payment_provider": 2}, NEAR),
        ({"regular_payment_provider": Provider.Cash}, {"regular_payment_provider": None}, NEAR),
        ({"regular_payment_provider": UNMANAGED}, {"regular_payment_provider": 99}, FULL),
        ({"token_source": UNMANAGED, "token_fingerprint": None}, {"token": "anything"}, FULL),
        ({"token_source": UNMANAGED, "token_fingerprint": None}, {"token": "anything", "notes": "April"}, NEAR),
        ({"token_source": None, "token_fingerprint": None}, {"token": None}, FULL),
        ({"token_source": None, "token_fingerprint": None}, {"token": ""}, FULL),
        ({"token_source": None, "token_fingerprint": None}, {"token": "t"}, OTHER),
        ({}, {"token": None}, NEAR),
        ({}, {"token": ""}, NEAR),
        ({}, {"token": None, "notes": "April"}, OTHER),
        ({"token_fingerprint": "another-key:t"}, {}, NEAR),
        ({"token_fingerprint": "another-key:t"}, {"notes": "April"}, OTHER),
        ({"token_fingerprint": None}, {}, NEAR),
    ],
)
def test_each_declared_field_counts_and_no_other(
    declared: dict[str, Any], found: dict[str, Any], expected: Likeness
) -> None:
    assert likeness(intent(**declared), seen(**found), fingerprint) is expected


@pytest.mark.parametrize(
    ("records", "owned", "named", "verdict"),
    [
        ([], (), (), NotSeen()),
        ([seen(9)], (), (), Adopt(9)),
        ([seen(1), seen(9)], (), (), Adopt(9)),
        ([seen(1), seen(2)], (), (), NotSeen()),
        ([seen(9)], {9}, (), NotSeen()),
        ([seen(9), seen(8)], {9}, (), Adopt(8)),
        ([seen(11), seen(9)], (), (), Ask("more than one record is what was sent", (9, 11))),
        ([seen(9), seen(8, notes="April")], (), (), Adopt(9)),
        ([seen(8, notes="April")], (), (), Ask("a record is almost what was sent", (8,))),
        ([seen(8, notes="April")], {8}, (), NotSeen()),
        ([seen(9, token="other")], (), (), NotSeen()),
        ([seen(9)], (), (9,), Adopt(9)),
        ([seen(9)], {5}, (5,), Ask("the server answered with the id of another record", (5, 9))),
        ([seen(9)], (), (1,), Ask("the server answered with the id of another record", (1, 9))),
        ([], (), (77,), Ask("the server answered with the id of another record", (77,))),
    ],
)
def test_only_one_new_record_that_nobody_owns_is_adopted(
    records: list[ObservedRecord], owned: set[int], named: tuple[int, ...], verdict: object
) -> None:
    assert judge(intent(), records, owned, fingerprint, named) == verdict


@pytest.mark.parametrize(
    ("declared", "row", "expected"),
    [
        ({}, {}, True),
        ({}, {"invoice": 8}, False),
        ({}, {"token": "other"}, False),
        ({}, {"token": None, "notes": None, "regular_payment_provider": None}, True),
        ({}, {"regular_payment_provider": None}, True),
        ({"token_fingerprint": "another-key:t"}, {"token": "other"}, True),
        ({"token_source": None, "token_fingerprint": None}, {"token": "x"}, False),
        ({"token_source": UNMANAGED, "token_fingerprint": None}, {"token": "x"}, True),
    ],
)
def test_a_row_is_read_by_its_id_unless_it_shows_that_it_is_another(
    declared: dict[str, Any],
    row: dict[str, Any],
    expected: bool,  # noqa: FBT001 - cases
) -> None:
    assert could_match(intent(**declared), seen(**row), fingerprint) is expected


@pytest.mark.parametrize("off", [0, 5 * 3600, -5 * 3600])
@pytest.mark.parametrize(
    ("passed", "server_passed", "expected"),
    [
        (364, None, False),
        (365, None, True),
        (365, 365, True),
        (9999, 364, False),
        (364, 9999, False),
        (9999, -1, False),
    ],
)
def test_the_settle_time_has_passed_only_by_both_clocks_however_wrong_they_are(
    passed: float,
    server_passed: float | None,
    expected: bool,  # noqa: FBT001 - cases
    off: float,
) -> None:
    sent = intent(at=iso(WRITTEN), deadline=iso(WRITTEN + 65), server_at=iso(WRITTEN + off))
    server_now = None if server_passed is None else WRITTEN + off + server_passed
    assert has_settled(sent, 300, WRITTEN + passed, server_now) is expected


def test_a_server_that_had_not_told_its_time_is_measured_by_the_local_one() -> None:
    sent = intent(at=iso(WRITTEN), deadline=iso(WRITTEN + 65))
    assert has_settled(sent, 300, WRITTEN + 9999, WRITTEN + 364) is False
    assert has_settled(sent, 300, WRITTEN + 9999, WRITTEN + 365) is True
