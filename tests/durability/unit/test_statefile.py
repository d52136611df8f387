import orjson
import pytest
from journal_entries import record

from reconcile.core.errors import StateError
from reconcile.core.records import UNMANAGED, Provider, Secret, StateRecord
from reconcile.core.state import State
from reconcile.core.statefile import dump_state, load_state

LINEAGE = "0b9f2a50-8a53-4a73-9d1f-6f6c1f6f8f10"


def state_of(**records: StateRecord) -> State:
    return State(LINEAGE, 12, "0.1.0", {name.replace("_", "-"): found for name, found in records.items()})


def refused(data: bytes) -> StateError:
    with pytest.raises(StateError) as caught:
        load_state(data)
    return caught.value


def line(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


GOOD = dump_state(state_of(inv_1=record(1), inv_2=record(2), inv_3=record(3)))


def test_each_record_has_a_line_and_the_file_is_json_that_ends_with_a_newline():
    lines = GOOD.splitlines(keepends=True)
    assert len(lines) == 5
    assert all(text.startswith(b'"inv-%d":{' % i) for i, text in enumerate(lines[1:-1], 1))
    assert GOOD.endswith(b"}\n")
    assert list(orjson.loads(GOOD)["records"]) == ["inv-1", "inv-2", "inv-3"]


def test_keys_are_sorted_everywhere():
    found = orjson.loads(GOOD)
    assert list(found) == sorted(found)
    assert list(found["records"]["inv-1"]) == sorted(found["records"]["inv-1"])


def test_an_unmanaged_field_is_absent_and_a_cleared_one_is_null():
    raw = orjson.loads(dump_state(state_of(a=StateRecord(1, 2, notes=None))))["records"]["a"]
    assert raw == {"id": 1, "coworker_invoice_id": 2, "notes": None}


def test_a_provider_is_written_by_name():
    assert b'"regular_payment_provider":"Stripe"' in GOOD


@pytest.mark.parametrize(
    "found",
    [
        StateRecord(1, 2),
        StateRecord(2**63 - 1, 2**63 - 1, protect=True, token_version=0),
        StateRecord(1, 2, None, None, None, None, None),
        StateRecord(1, 2, Provider.Other, "", "literal", 3),
        StateRecord(1, 2, notes='say "a": b" c\\": d\\', token_source='file:x" :y'),
        StateRecord(1, 2, notes="unmanaged\u2028\t\r\n\x7fé😀"),
    ],
)
def test_a_state_reads_back_as_it_was_written(found):
    state = state_of(a=found, b=record())
    assert load_state(dump_state(state)) == state


def test_a_state_without_records_reads_back():
    state = State(LINEAGE)
    assert load_state(dump_state(state)) == state


def test_a_state_that_a_person_reformatted_reads_as_before():
    pretty = orjson.dumps(orjson.loads(GOOD), option=orjson.OPT_INDENT_2)
    assert load_state(pretty) == load_state(GOOD)
    assert load_state(GOOD.replace(b"\n", b"\r\n")) == load_state(GOOD)


def test_a_token_cannot_be_written():
    smuggled = record(notes=Secret("pm_secret"))
    with pytest.raises(TypeError) as caught:
        dump_state(state_of(a=smuggled))
    assert "pm_secret" not in str(caught.value)


def test_an_unmanaged_field_reads_back_as_unmanaged():
    assert load_state(dump_state(state_of(a=StateRecord(1, 2)))).records["a"].notes is UNMANAGED


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"[]", "not a JSON object"),
        (b"\n\n5\n", "not a JSON object"),
        (b'\n\n[1, "a"]\n', "not a JSON object"),
        (b"{}", "lacks its version"),
        (b'{"version":"1"}', "lacks its version"),
        (b'{"version":0}', "never existed"),
        (b'{"version":1,"records":{}}', "lacks lineage, serial, tool_version"),
        (line(GOOD, b'"version":1', b'"version":1,"extra":1'), "unknown fields: extra"),
        (line(GOOD, b'"serial":12', b'"serial":-1'), "serial is a number from 0"),
        (line(GOOD, b'"serial":12', b'"serial":1.5'), "serial is a number from 0"),
        (line(GOOD, b'"serial":12', b'"serial":true'), "serial is a number from 0"),
        (line(GOOD, LINEAGE.encode(), b"\xff"), "not UTF-8 (line 1)"),
        (line(GOOD, b"March", b"\xc3"), "not UTF-8 (line 2)"),
        (GOOD[:400], "cut off (line 3)"),
        (GOOD[:-3], "cut off (line 5)"),
        (GOOD + b"}", "not valid JSON (extra data) (line 6)"),
        (line(GOOD, b'"id":2', b'"id":2 "x"'), "not valid JSON (expecting ',' delimiter) (line 3)"),
        (line(GOOD, b'"inv-2"', b'<<<<<<< ours\n"inv-2"'), "unresolved merge conflict (line 3)"),
        (line(GOOD, b'"id":2', b'"id":2,"id":4'), 'names "id" twice'),
        (line(GOOD, b'"inv-2"', b'"inv-1"'), 'names "inv-1" twice (line 3)'),
        (line(GOOD, b'"version":1', b'"version":1,"version":1'), 'names "version" twice'),
        (line(GOOD, b'"id":2', b'"id":NaN'), "NaN is not a JSON number"),
        (line(GOOD, b'"id":2', b'"id":%s' % (b"9" * 30)), "inv-2 has an id that is not a positive 64-bit"),
        (line(GOOD, b'"id":2', b'"id":9223372036854775808'), "inv-2 has an id that is not a positive 64-bit"),
        (line(GOOD, b'"id":2', b'"id":%s' % (b"9" * 5000)), "cannot be read as JSON"),
        (line(GOOD, b'"id":2', b'"id":0'), "inv-2 has an id that is not a positive 64-bit number (line 3)"),
        (line(GOOD, b'"id":2', b'"id":"2"'), "the record of inv-2 cannot be read: id: input should be"),
        (line(GOOD, b'"id":2', b'"id":true'), "the record of inv-2 cannot be read: id: input should be"),
        (line(GOOD, b'"id":2', b'"other":2'), "id: field required; other: extra"),
        (line(GOOD, b'"Stripe"', b'"Strype"'), "is not the name of a payment provider (line 2)"),
        (line(GOOD, b'"Stripe"', b"2"), "is not the name of a payment provider (line 2)"),
        (line(GOOD, b'"March renewal"', b"7"), "the record of inv-1 cannot be read: notes: input"),
        (line(GOOD, b'"March renewal"', b'"\\ud800"'), "not valid JSON"),
        (line(GOOD, b'"inv-2":{', b'"inv 2":{'), "whose address is not made of letters"),
        (line(GOOD, b'"inv-2":{', b'"\\u00e9":{'), "whose address is not made of letters"),
        (line(GOOD, b'"inv-3":{', b'"inv-0":7,"inv-3":{'), "the record of inv-0 is not an object (line 4)"),
        (b'{"a":' * 100_000, "cannot be read as JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_what_to_do(data, words):
    error = refused(data)
    assert words in error.message
    assert error.code == "state-corrupt"
    assert "state.json.backup" in error.help
    assert "March" not in error.message


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_refused_wherever_that_was(cut):
    assert refused(GOOD[: int(len(GOOD) * cut)]).code == "state-corrupt"


def test_white_space_before_a_colon_cannot_hide_a_duplicate_key():
    hidden = line(line(GOOD, b'"id":2', b'"id":2,"id":4'), b'"notes":', b'"notes" :')
    assert 'names "id" twice' in refused(hidden).message


def test_records_without_a_comma_between_them_are_refused():
    assert "not valid JSON" in refused(line(GOOD, b"},\n", b"}\n")).message
    assert "not valid JSON" in refused(line(GOOD, b"}\n}", b"},\n}")).message


def test_records_out_of_order_are_read_all_the_same():
    lines = GOOD.splitlines(keepends=True)
    swapped = b"".join([lines[0], lines[2], lines[1], *lines[3:]])
    assert load_state(swapped) == load_state(GOOD)


def test_a_state_of_a_newer_tool_is_refused():
    error = refused(line(GOOD, b'"version":1', b'"version":2'))
    assert error.code == "state-too-new"
    assert "upgrade the tool" in error.help


def test_an_older_state_is_upgraded_step_by_step():
    old = GOOD.replace(b'"version":1', b'"version":-1').replace(b'"serial"', b'"number"')

    def rename(head):
        return {("serial" if key == "number" else key): value for key, value in head.items()}

    assert load_state(old, upgrades={-1: rename, 0: lambda head: head}) == load_state(GOOD)
