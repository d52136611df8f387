"""Plan files from hostile hands, with a checksum that fits: one clear error, or a plan that can be shown."""

import re
from hashlib import sha256
from typing import Any

import orjson
import pytest
from declarations import declare, doubt, held, manifests, plan
from hypothesis import given
from hypothesis import strategies as st

from reconcile.core.errors import InputError, ReconcileError, StaleError
from reconcile.core.planfile import dump_plan, load_plan
from reconcile.core.records import Provider
from reconcile.core.saved import SavedPlan, Terms
from reconcile.render.plan_json import plan_as_json
from reconcile.render.plan_text import plan_as_text


def whole() -> bytes:
    """A create, an update, a delete that is refused, and a doubt."""
    declared = manifests(
        declare("inv-1", 1, notes="one", regular_payment_provider=Provider.Cash),
        declare("inv-2", 2, notes="new", line=9),
        declare("inv-3", 3),
    )
    records = {"inv-2": held(2, 2, notes="old"), "inv-4": held(4, 4)}
    return dump_plan(
        SavedPlan(plan(declared, records, doubts=[doubt("inv-3", 3)]), Terms("", rules=("a=1",)), "t", "1")
    )


def forged(old: bytes, new: bytes) -> bytes:
    """The file with something else in it, and a checksum that fits."""
    first, content = whole().split(b"\n", 1)
    assert old in content
    content = content.replace(old, new, 1)
    return re.sub(rb"[0-9a-f]{64}", sha256(content).hexdigest().encode(), first) + b"\n" + content


FORGERIES = {
    "an id that is a text": (b'"id":2,', b'"id":"2",'),
    "an id that is true": (b'"id":2,', b'"id":true,'),
    "an id beyond 64 bits": (b'"id":2,', b'"id":99999999999999999999,'),
    "no id": (b'"id":2,', b""),
    "a field that does not exist": (b'{"action":"create"', b'{"token":"x","action":"create"'),
    "an action that does not exist": (b'"action":"create"', b'"action":"destroy"'),
    "a create of nothing": (b'"action":"delete"', b'"action":"create"'),
    "a doubt without its write": (b'"doubt":{', b'"held":{'),
    "a doubt that is a list": (b'"doubt":{"intent":{', b'"doubt":[],"x":{"intent":{'),
    "a provider that does not exist": (b'"Cash"', b'"Crash"'),
    "a number for notes": (b'"notes":"one"', b'"notes":1'),
    "an address to deceive": (b'"address":"inv-1"', b'"address":"inv-1\\u202e"'),
    "fields that are a text": (b'"fields":[', b'"fields":"x","y":['),
    "a change that is a list": (b'{"action":"create"', b'[{"action":"create"'),
    "a change that is not JSON": (b'{"action":"create"', b"{"),
    "a nest of lists": (b'"notes":"one"', b'"notes":' + b"[" * 100_000 + b"]" * 100_000),
    "no place": (b'"file":"manifests/a.yaml","line":3', b'"line":3'),
    "other parts": (b'"cost":', b'"price":'),
    "parts that are lists": (b'"plan":{', b'"plan":[],"x":{'),
    "refusals that are an object": (b'"refusals":[', b'"refusals":{},"x":['),
    "rules that are numbers": (b'["a=1"]', b"[1]"),
    "no changes": (b'"changes":[\n', b'"changed":[\n'),
    "changes that go on at the end": (b"\n]}\n", b"]}\n"),
    "an end that is missing": (b"]}\n", b""),
    "something above": (b'"plan":', b'x"plan":'),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_content_of_another_shape_is_an_edited_plan_whatever_its_checksum(what: str) -> None:
    with pytest.raises(StaleError) as caught:
        load_plan(forged(*FORGERIES[what]), "a.plan")
    assert (caught.value.code, caught.value.__cause__) == ("plan-edited", None)
    assert caught.value.message == "a.plan was edited or cut short after it was made"


def test_a_provider_that_was_seen_and_that_nobody_knows_keeps_its_number() -> None:
    seen: Any = 77
    declared = manifests(declare("inv-1", 1, regular_payment_provider=Provider.Cash))
    planned = plan(declared, {"inv-1": held(1, 1, regular_payment_provider=seen)})
    data = dump_plan(SavedPlan(planned, Terms("", is_refreshed=True), "t", "1"))
    assert load_plan(data, "a.plan").plan == planned
    for wrong in (b'"77"', b"true", b"7.5"):
        first, content = data.split(b"\n", 1)
        content = content.replace(b'"provider_seen":77', b'"provider_seen":' + wrong)
        forged_data = re.sub(rb"[0-9a-f]{64}", sha256(content).hexdigest().encode(), first) + b"\n" + content
        with pytest.raises(StaleError):
            load_plan(forged_data, "a.plan")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"payment_tokens: {}\n", b"\x00" * 50, b'{"version":1}'])
def test_something_else_is_no_plan(data: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.plan is not a saved plan"):
        load_plan(data, "a.plan")


def test_a_plan_that_was_laid_out_anew_was_edited() -> None:
    with pytest.raises(StaleError, match="edited"):
        load_plan(orjson.dumps(orjson.loads(whole()), option=orjson.OPT_INDENT_2), "a.plan")


@given(st.integers(0, 4000), st.binary(max_size=6), st.integers(0, 12))
def test_whatever_is_written_into_it_is_refused_or_can_be_shown(at: int, new: bytes, length: int) -> None:
    first, content = whole().split(b"\n", 1)
    at %= len(content)
    content = content[:at] + new + content[at + length :]
    data = re.sub(rb"[0-9a-f]{64}", sha256(content).hexdigest().encode(), first) + b"\n" + content
    try:
        loaded = load_plan(data, "a.plan")
    except ReconcileError:
        return
    plan_as_text(loaded.plan, full=True)
    orjson.dumps(plan_as_json(loaded.plan, created_at=loaded.created_at, tool_version=loaded.tool_version))
