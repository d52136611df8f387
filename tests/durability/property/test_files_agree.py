"""The fast ways agree with pydantic over the same classes, two JSON parsers agree, and what is written reads back."""

from typing import get_args, get_type_hints

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_entries import failure_of

from reconcile.core.entries import Entry
from reconcile.core.journalfile import Decoded, decode, encode
from reconcile.core.json_text import json_codec, json_parser
from reconcile.core.plain import NotPlainError, explain, reader_of, to_plain
from reconcile.core.records import ADDRESS_PATTERN, MAX_ID, UNMANAGED, Provider, StateRecord
from reconcile.core.state import State
from reconcile.core.statefile import dump_state, load_state

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
IDS = st.integers(1, MAX_ID)
TEXT_OR_NOT = st.one_of(st.just(UNMANAGED), st.none(), TEXT)
RECORDS = st.builds(
    StateRecord,
    id=IDS,
    coworker_invoice_id=IDS,
    regular_payment_provider=st.one_of(st.just(UNMANAGED), st.none(), st.sampled_from(Provider)),
    notes=TEXT_OR_NOT,
    token_source=TEXT_OR_NOT,
    token_version=st.none() | st.integers(-(2**63), 2**63 - 1),
    token_fingerprint=st.none() | TEXT,
    protect=st.booleans(),
    created_at=TEXT,
    updated_at=TEXT,
)
ADDRESSES = st.from_regex(ADDRESS_PATTERN, fullmatch=True).filter(lambda text: "\n" not in text)
STATES = st.builds(State, TEXT, st.integers(0, MAX_ID), TEXT, st.dictionaries(ADDRESSES, RECORDS, max_size=6))
INTEGERS = st.integers(-(2**63), 2**63 - 1)


def entries_of(entry_type: type) -> st.SearchStrategy[Entry]:
    hints = get_type_hints(entry_type)
    known = {name: INTEGERS for name, hint in hints.items() if hint is int and name != "format"}
    known |= {name: TEXT for name, hint in hints.items() if hint is str}
    known |= {
        name: st.lists(INTEGERS, max_size=3).map(tuple) for name, hint in hints.items() if hint == tuple[int, ...]
    }
    if "record" in hints:
        known["record"] = st.none() | RECORDS
    if "notes" in hints:
        known |= {"notes": TEXT_OR_NOT, "token_source": TEXT_OR_NOT}
    return st.builds(entry_type, **known)


ENTRIES = st.one_of([entries_of(entry_type) for entry_type in get_args(Entry)])
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2**64 - 1),
    st.floats(allow_nan=False),
    TEXT,
    st.lists(st.integers(0, 3)),
    st.sampled_from(["Stripe", "unmanaged", "create", "adopted", [True], {}, {"id": 1, "coworker_invoice_id": 2}]),
)


@given(STATES)
def test_a_state_reads_back_and_is_written_the_same_again(state):
    data = dump_state(state)
    assert load_state(data) == state
    assert dump_state(load_state(data)) == data
    # What a person reformatted takes the other way, to the same end.
    assert load_state(orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2)) == state


@settings(max_examples=20)
@given(STATES)
def test_a_large_state_reads_back_too(state):
    pad = StateRecord(1, 1, notes="x" * 300_000)
    large = state._replace(records={**state.records, "pad": pad})
    assert load_state(dump_state(large)) == large


ODD = [
    b"NaN", b"-Infinity", b"[1e999]", b"-0", b"01", b"1.", b"18446744073709551615", b"18446744073709551616", b"'a'",
    b"-9223372036854775808", b"-9223372036854775809", rb'"\ud800"', rb'"\ud83d\ude00"', rb'"\u0000"', b'"\x00"',
    b'"\n"', b'"\x7f"', b'"\xff"', b'"\xed\xa0\x80"', b"\xef\xbb\xbf1", b"\xfe\xff\x00[\x00]", b"", b" 1 ", b"nul",
    b"{}{}", b"[1,]", b'{"a":1,"a":2}', b"[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("written", ODD)
def test_what_the_parser_of_small_files_reads_the_other_reads_the_same(written):
    small, large = (read_or_none(json_parser(size), written) for size in (0, 10**9))
    assert small in (large, None)


@settings(max_examples=300)
@given(
    st.recursive(JUNK, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8).map(orjson.dumps),
    st.binary(max_size=2),
    st.integers(0, 40),
)
def test_what_it_reads_of_damaged_json_the_other_reads_the_same(written, damage, at):
    data = written[:at] + damage + written[at:]
    small, large = (read_or_none(json_parser(size), data) for size in (0, 10**9))
    assert small in (large, None)


@given(STATES)
def test_both_json_writers_write_the_same(state):
    plain = [to_plain(record) for record in state.records.values()]
    (_, small), (_, large) = json_codec(0), json_codec(10**9)
    assert small(plain) == large(plain)


def read_or_none(parse, data):
    try:
        found = parse(data)
    except ValueError:
        return None
    return [repr(found)]


@given(st.lists(ENTRIES, max_size=5))
def test_a_journal_reads_back(entries):
    data, crc = encode(entries)
    assert decode(data) == Decoded(tuple(entries), crc)


@settings(max_examples=300)
@given(st.data())
def test_whatever_was_changed_in_an_object_both_ways_say_the_same(data):
    value = data.draw(RECORDS | ENTRIES)
    raw = orjson.loads(orjson.dumps(to_plain(value)))
    for name in data.draw(st.lists(st.sampled_from([*get_type_hints(type(value)), "unknown"]), max_size=2)):
        if data.draw(st.booleans()):
            raw.pop(name, None)
        else:
            raw[name] = data.draw(JUNK)
    try:
        explained = explain(type(value), raw)
    except NotPlainError:
        explained = None
    assert reader_of(type(value))(raw.copy()) == explained


@settings(max_examples=300)
@given(STATES, st.data())
def test_a_damaged_state_is_refused_or_reads_as_it_says(state, data):
    written = dump_state(state)
    at = data.draw(st.integers(0, len(written) - 1))
    damaged = written[:at] + data.draw(st.binary(max_size=3)) + written[at + data.draw(st.integers(0, 2)) :]
    failure = failure_of(lambda: load_state(damaged))
    if failure is None:
        assert dump_state(load_state(damaged)) == dump_state(load_state(orjson.dumps(orjson.loads(damaged))))
    else:
        assert failure.code in {"state-corrupt", "state-too-new"}
