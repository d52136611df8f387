"""An organisation's rules: shares of changes, providers, notes, protection; and that no pattern takes long."""

import re

import pytest
from declarations import declare, held, manifests, plan, rules

from reconcile.core.changes import Limiting, Plan
from reconcile.core.manifest import Manifests
from reconcile.core.plan import make_plan
from reconcile.core.policy import PolicyError, matcher, read_rule
from reconcile.core.records import PROVIDERS, StateRecord
from reconcile.core.safety import Policy, Safety

NO_DELETES_LIMIT = {"max_deletes": None}


def ruled(declared: Manifests, policy: Policy, *, records: dict[str, StateRecord] | None = None) -> Plan:
    from declarations import state, unknown_fingerprint

    limiting = Limiting(Safety(max_deletes=None), policy=policy)
    return make_plan(declared, state(records), {}, unknown_fingerprint, limiting=limiting)


def standing(count: int) -> dict[str, StateRecord]:
    return {f"inv-{n:02}": held(n, n) for n in range(1, count + 1)}


def declared_of(records: dict[str, StateRecord]) -> Manifests:
    return manifests(*(declare(address, record.coworker_invoice_id) for address, record in records.items()))


# Shares.


def test_a_share_of_deletes_is_refused_with_its_numbers_and_the_way_on() -> None:
    records = standing(20)
    kept = declared_of(dict(list(records.items())[3:]))
    (refusal,) = plan(kept, records, **NO_DELETES_LIMIT, max_delete_share=0.1).refusals
    assert refusal.rule == "max-delete-share"
    assert refusal.message == "3 deletes are 15 % of the 20 records in the state, 10 % allowed"
    assert refusal.help == "go on with --allow-deletes 3, or leave some out with --exclude"
    assert refusal.addresses == ("inv-01", "inv-02", "inv-03")


def test_a_share_that_is_just_reached_is_allowed() -> None:
    records = standing(20)
    kept = declared_of(dict(list(records.items())[2:]))
    assert plan(kept, records, **NO_DELETES_LIMIT, max_delete_share=0.1).refusals == ()
    assert rules(plan(kept, records, **NO_DELETES_LIMIT, max_delete_share=0.09)) == ["max-delete-share"]


def test_shares_of_creates_and_updates_are_of_the_state_too() -> None:
    records = standing(10)
    more = manifests(
        declare("inv-01", 1, notes="x"), *(declare(address, int(address[-2:])) for address in list(records)[1:]),
        declare("new", 99),
    )  # fmt: skip
    (update,) = plan(more, records, max_update_share=0.05).refusals
    assert update.message == "1 update is 10 % of the 10 records in the state, 5 % allowed"
    assert "a higher safety.max_update_share" in update.help
    assert rules(plan(more, records, max_create_share=0.0, max_update_share=0.1)) == ["max-create-share"]


def test_shares_do_not_count_while_the_state_is_tiny() -> None:
    assert plan(manifests(), standing(9), **NO_DELETES_LIMIT, max_delete_share=0.0).refusals == ()
    assert rules(plan(manifests(), standing(10), **NO_DELETES_LIMIT, max_delete_share=0.0)) == ["max-delete-share"]
    assert plan(manifests(declare("a")), {}, max_create_share=0.0).refusals == ()


def test_a_share_is_of_all_records_even_when_some_are_forgotten_or_left_out() -> None:
    records = standing(20)
    made = plan(
        manifests(removed=["inv-0?"]), records, targets=["inv-0?", "inv-10"], **NO_DELETES_LIMIT, max_delete_share=0.04
    )
    assert made.refusals[0].message == "1 delete is 5 % of the 20 records in the state, 4 % allowed"


# Providers, notes, protection.


def test_a_provider_that_is_not_allowed_is_refused_by_record_and_place() -> None:
    declared = manifests(
        declare("a", 1, line=12, regular_payment_provider=PROVIDERS["Cash"]),
        declare("b", 2, regular_payment_provider=PROVIDERS["Stripe"]),
        declare("none", 3),
        declare("cleared", 4, regular_payment_provider=None),
    )
    (refusal,) = ruled(declared, Policy(allowed_providers=("Stripe", "GoCardless"))).refusals
    assert refusal.rule == "policy-allowed-providers"
    assert refusal.message == (
        "policy.allowed_providers: 1 record with a provider other than Stripe, GoCardless: a (manifests/a.yaml:12)"
    )
    assert refusal.help == "correct that, or --exclude a"
    assert refusal.addresses == ("a",)


def test_a_rule_holds_for_what_is_unchanged_too_and_not_for_what_is_left_out() -> None:
    declared = manifests(declare("a", 1001, notes="old"), declare("b", 2, notes="March 2026"))
    policy = Policy(notes_pattern="20[0-9]{2}$")
    (refusal,) = ruled(declared, policy, records={"a": held(notes="old")}).refusals
    assert refusal.addresses == ("a",)
    from declarations import state, unknown_fingerprint

    from reconcile.core.changes import Selection

    limiting = Limiting(policy=policy)
    left_out = make_plan(
        declared, state(), {}, unknown_fingerprint, selection=Selection(excludes=("a",)), limiting=limiting
    )
    assert left_out.refusals == ()


@pytest.mark.parametrize(("notes", "is_right"), [("INV 7", True), ("x INV 7", False), (None, False), ("INV x", False)])
def test_notes_have_to_match_the_pattern(notes: str | None, *, is_right: bool) -> None:
    made = ruled(manifests(declare("a", notes=notes)), Policy(notes_pattern=r"^INV \d+"))
    assert rules(made) == ([] if is_right else ["policy-notes-pattern"])
    assert [text for refusal in made.refusals for text in (refusal.message, refusal.help) if str(notes) in text] == []


def test_records_without_declared_notes_break_a_pattern() -> None:
    assert rules(ruled(manifests(declare("a")), Policy(notes_pattern=".*"))) == ["policy-notes-pattern"]


def test_addresses_that_have_to_be_protected_are() -> None:
    declared = manifests(declare("deposit-1", 1), declare("deposit-2", 2, protect=True), declare("inv-1", 3))
    (refusal,) = ruled(declared, Policy(protected=("deposit-*", "x-*"))).refusals
    assert refusal.message == "policy.protected: 1 record without `protect: true`: deposit-1 (manifests/a.yaml:3)"
    assert refusal.rule == "policy-protected"


def test_a_record_at_such_an_address_is_not_deleted_although_nobody_protected_it() -> None:
    made = ruled(manifests(), Policy(protected=("deposit-*",)), records={"deposit-1": held(7), "inv-1": held(8)})
    assert made.refusals[0].message == "policy.protected: 1 record to be deleted at a protected address: deposit-1"
    assert len(made.refusals) == 1


def test_many_records_are_counted_and_the_first_are_named() -> None:
    declared = manifests(*(declare(f"a{n}", n) for n in range(1, 1_208)))
    (refusal,) = ruled(declared, Policy(notes_pattern="x")).refusals
    assert refusal.message.startswith("policy.notes_pattern: 1,207 records without notes")
    assert refusal.message.endswith("a5 (manifests/a.yaml:3), and 1,202 more")
    assert len(refusal.addresses) == 1_207


def test_every_broken_rule_is_named_at_once() -> None:
    declared = manifests(declare("a", regular_payment_provider=PROVIDERS["Cash"]))
    policy = Policy(allowed_providers=("Stripe",), notes_pattern="x", protected=("a",))
    assert rules(ruled(declared, policy)) == [
        "policy-allowed-providers",
        "policy-notes-pattern",
        "policy-protected",
    ]


# Patterns.


@pytest.mark.parametrize("pattern", ["(", "(?=a)b", r"(a)\1", r"(?<!x)a", r"((\w{100}){100}){100}", "a" * 201, "[z-a]"])
def test_a_pattern_that_could_take_long_or_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(PolicyError) as refused:
        matcher(pattern)
    assert refused.value.help


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*a){12}b", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_patterns_that_hang_backtracking_engines_end(pattern: str) -> None:
    # No stopwatch: a backtracking engine would need longer than the universe has existed.
    assert not matcher(pattern)("a" * 999 + "!")


def test_notes_beyond_what_is_matched_break_the_rule() -> None:
    assert matcher("a")("a" * 1000)
    assert not matcher("a")("a" * 1001)


def test_a_pattern_is_searched_as_everybody_expects() -> None:
    assert matcher("b")("abc")
    assert not matcher("^b")("abc")
    assert bool(re.search("^a.c$", "abc")) == matcher("^a.c$")("abc")


def test_rules_are_read_from_text() -> None:
    assert read_rule("allowed_providers", "Stripe, GoCardless") == ("Stripe", "GoCardless")
    assert read_rule("protected", "deposit-*,inv-1") == ("deposit-*", "inv-1")
    assert read_rule("notes_pattern", "a, b") == "a, b"
    with pytest.raises(PolicyError, match='"stripe" is not the name'):
        read_rule("allowed_providers", "Stripe,stripe")
    with pytest.raises(PolicyError, match="addresses are needed"):
        read_rule("protected", "a,b c")
