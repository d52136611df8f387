"""The client against the project's own Nexudus: every endpoint it uses, and the faults that it can meet there."""

import pytest

from reconcile.adapters.auth import Credentials
from reconcile.core.outcomes import Applied, InDoubt, Rejected, Throttled, Unauthorized, classify
from reconcile.core.records import Secret
from reconcile.sandbox.server import SandboxOptions, running_sandbox

FIELDS = {"coworker_invoice_id": 7, "regular_payment_provider": 12, "notes": "March"}


def login(sandbox) -> Credentials:
    return Credentials(username=sandbox.username, password=Secret(sandbox.password))


def test_what_is_created_is_listed_and_read_back(connect):
    with running_sandbox(SandboxOptions()) as sandbox:
        api = connect(sandbox.base_url, login(sandbox))
        made = [classify(api.create(FIELDS | {"coworker_invoice_id": n}, Secret(f"tok_{n}")), {}.get) for n in (7, 8)]
        ids = [outcome.id for outcome in made if isinstance(outcome, Applied)]
        assert [record.id for record in api.list_records()] == sorted(ids)
        (seven,) = api.list_records(7)
        record = api.get(seven.id)
        assert record is not None
        assert (record.coworker_invoice_id, record.regular_payment_provider, record.notes) == (7, 12, "March")
        assert record.token is not None
        assert record.token.reveal() == "tok_7"
        assert api.get(max(ids) + 1) is None
        assert api.refresh_access()
        api.close()


def test_a_rejection_is_told_in_the_servers_words_without_the_token(connect):
    with running_sandbox(SandboxOptions()) as sandbox:
        api = connect(sandbox.base_url, login(sandbox))
        outcome = classify(api.create({"coworker_invoice_id": 0}, Secret("tok_4711_abcdefgh")), {}.get)
        assert isinstance(outcome, Rejected)
        assert outcome.words
        assert "tok_4711" not in outcome.words
        api.close()


@pytest.mark.parametrize("basic", [False, True])
def test_both_kinds_of_login_create_and_list(connect, basic):
    with running_sandbox(SandboxOptions()) as sandbox:
        access = Credentials(
            "basic" if basic else "bearer", username=sandbox.username, password=Secret(sandbox.password)
        )
        api = connect(sandbox.base_url, access)
        for number in range(30):
            assert isinstance(classify(api.create({"coworker_invoice_id": number + 1}, None), {}.get), Applied)
        assert len(list(api.list_records())) == 30
        api.close()


FAULTS = {
    "lost_before": (InDoubt, 0),
    "lost_after": (InDoubt, 1),
    "reset_before": (InDoubt, 0),
    "reset_after": (InDoubt, 1),
    "cut_off": (InDoubt, 1),
    "slow": (Applied, 1),
    "http_500": (InDoubt, 0),
    "http_500_after": (InDoubt, 1),
    "http_503": (InDoubt, 0),
    "http_503_after": (InDoubt, 1),
    "html": (InDoubt, 0),
    "html_after": (InDoubt, 1),
    "truncated": (InDoubt, 1),
    "no_id": (InDoubt, 1),
    "unsuccessful": (Rejected, 0),
    "rejected": (Rejected, 0),
    "http_401": (Unauthorized, 0),
    "http_403": (Unauthorized, 0),
    "http_408": (InDoubt, 0),
    "conflict_409": (InDoubt, 0),
    "conflict_409_after": (InDoubt, 1),
    "throttle_409": (Throttled, 0),
    "throttle_409_bare": (Throttled, 0),
    "http_429": (Throttled, 0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_the_outcome_of_the_table_and_reading_tells_the_truth(connect, fault):
    outcome, stored = FAULTS[fault]
    seconds = ":0.1" if fault == "slow" else ""
    with running_sandbox(SandboxOptions(faults=f"{fault}@1{seconds}")) as sandbox:
        api = connect(sandbox.base_url, login(sandbox))
        seen = api.create(FIELDS, Secret("tok_4711_abcdefgh"))
        assert type(classify(seen, {}.get)) is outcome
        assert "tok_4711" not in repr(seen)
        assert len(list(api.list_records(7))) == stored
        api.close()
