import random

import orjson
import pytest
from journal_entries import AT, creates, failure_of, intent, record, run_of

from reconcile.core.commit import decode_commit
from reconcile.core.entries import (
    CommittedEntry,
    FinishedEntry,
    HeaderEntry,
    InDoubtEntry,
    NoEffectEntry,
    ResolvedEntry,
    StateChangedEntry,
)
from reconcile.core.errors import StateError
from reconcile.core.journalfile import Decoded, decode, decode_runs, encode, encode_runs
from reconcile.core.runs import RunSummary

EVERY_KIND = (
    HeaderEntry("lineage-1", 3),
    run_of(),
    intent("o1", "inv-1"),
    intent("o2", "inv-2", notes=None, regular_payment_provider=None, baseline=(), action="update", id=9),
    *creates(2)[1:3],
    NoEffectEntry("o1", AT, "rejected", 'the "server" said: no\n'),
    InDoubtEntry("o2", AT, "reset", (1, 2)),
    ResolvedEntry("o2", AT, "adopted", 9, (8, 9), "ana"),
    StateChangedEntry("adopt", AT, "inv-3", 7, record=record(7, notes="Größe")),
    StateChangedEntry("mv", AT, "inv-3", 7, to="inv-4"),
    FinishedEntry("r1", AT, 4, 2),
    CommittedEntry(4, "ab" * 32, AT, "lineage-1", settled=True),
)
DATA, CRC = encode(EVERY_KIND)


def refused(data: bytes) -> StateError:
    with pytest.raises(StateError) as caught:
        decode(data)
    return caught.value


def test_every_kind_of_entry_reads_back_as_it_was_written():
    assert decode(DATA) == Decoded(EVERY_KIND, CRC)


def test_every_line_is_json_with_sorted_keys():
    for text in DATA.splitlines():
        found = orjson.loads(text)
        assert list(found) == ["crc", "entry"]
        assert list(found["entry"]) == sorted(found["entry"])


def test_lines_written_in_two_goes_continue_each_other():
    first, crc = encode(EVERY_KIND[:5])
    second, last = encode(EVERY_KIND[5:], crc)
    assert (first + second, last) == (DATA, CRC)


def test_an_empty_journal_holds_nothing():
    assert decode(b"") == Decoded()


def test_a_journal_cut_at_any_byte_reads_back_as_a_prefix():
    ends = [0]
    for text in DATA.splitlines(keepends=True):
        ends.append(ends[-1] + len(text))
    for cut in range(len(DATA)):
        decoded = decode(DATA[:cut])
        whole = max(i for i, end in enumerate(ends) if end <= cut)
        assert decoded.entries == EVERY_KIND[:whole]
        assert decoded.torn == (None if cut in ends else ends[whole])


def test_no_flipped_bit_gives_an_entry_that_was_not_written():
    dice = random.Random(20260302)  # noqa: S311 - the same bits every time
    for _ in range(3000):
        at, bit = dice.randrange(len(DATA)), 1 << dice.randrange(8)
        flipped = DATA[:at] + bytes([DATA[at] ^ bit]) + DATA[at + 1 :]
        failure = failure_of(lambda data=flipped: decode(data))
        if failure is not None:
            assert failure.code == "journal-corrupt"
        else:
            decoded = decode(flipped)
            assert decoded.torn is not None
            assert decoded.entries == EVERY_KIND[: len(decoded.entries)]


@pytest.mark.parametrize("number", [1, 2, 7])
def test_a_line_that_was_lost_moved_or_repeated_shows(number):
    lines = DATA.splitlines(keepends=True)
    at = number - 1
    for damaged in (
        lines[:at] + lines[number:],
        [*lines[:at], lines[number], lines[at], *lines[number + 1 :]],
        [*lines[:number], *lines[at:]],
    ):
        error = refused(b"".join(damaged))
        assert error.code == "journal-corrupt"
        assert "line " in error.message
        assert "byte " in error.message
        assert "restore a copy" in error.help


def test_where_a_line_is_broken_is_said_with_its_byte():
    lines = DATA.splitlines(keepends=True)
    broken = DATA.replace(b'"inv-1"', b'"inv-9"', 1)
    offset = len(lines[0]) + len(lines[1])
    assert f"line 3 of the journal (byte {offset})" in refused(broken).message


def test_a_broken_last_line_is_torn_even_with_its_newline():
    broken = DATA.replace(b"abababab", b"abababac", 1)
    decoded = decode(broken)
    assert decoded.entries == EVERY_KIND[:-1]
    assert DATA[decoded.torn :].startswith(b'{"crc"')


def test_a_broken_line_before_a_torn_one_stops_everything():
    assert refused(DATA.replace(b"abababab", b"abababac", 1) + b'{"crc"').code == "journal-corrupt"


def test_what_follows_a_torn_line_continues_the_last_whole_one():
    decoded = decode(DATA[:-5])
    more, _ = encode([FinishedEntry("r2", AT, 0)], decoded.last_crc)
    assert decode(DATA[: decoded.torn] + more).entries == (*EVERY_KIND[:-1], FinishedEntry("r2", AT, 0))


def sealed(entry: bytes) -> bytes:
    from zlib import crc32

    return b'{"crc":"%08x","entry":%b}\n' % (crc32(entry), entry)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (b"{", "is not JSON"),
        (b"[]", "its type is unknown"),
        (b'{"type":"later"}', "its type is unknown"),
        (b'{"type":["run"]}', "its type is unknown"),
        (b'{"type":"header","lineage":"x"}', "serial: field required"),
        (b'{"type":"header","lineage":"x","serial":1,"token":"pm_secret"}', "token: unexpected keyword"),
        (b'{"type":"no_effect","operation":"o","at":"t","proof":"guessed"}', "proof"),
    ],
)
def test_a_whole_line_that_is_no_known_entry_stops_everything(entry, words):
    error = refused(sealed(entry))
    assert words in error.message
    assert error.code == "journal-corrupt"
    assert "pm_secret" not in error.message


def test_a_journal_of_a_newer_tool_is_refused_before_its_entries_are_looked_at():
    newer = sealed(b'{"type":"header","lineage":"x","serial":1,"format":2,"more":1}')
    assert refused(newer).code == "journal-too-new"


def test_a_commit_is_read_from_its_line_alone():
    last = DATA.splitlines(keepends=True)[-1]
    assert decode_commit(last) == EVERY_KIND[-1]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"torn",
        DATA.splitlines(keepends=True)[0],
        DATA.splitlines(keepends=True)[-1][:-1],
        b'{"crc":"00000000","entry":{"type":"committed"}\n',
        b'{"crc":"00000000","entry":[]}\n',
        b'{"crc":"00000000","entry":{"type":"committed","serial":"4"}}\n',
    ],
)
def test_a_last_line_that_is_no_commit_says_nothing(text):
    assert decode_commit(text) is None


def test_no_flipped_bit_of_a_commit_settles_a_doubt():
    text, _ = encode([CommittedEntry(4, "ab" * 32, AT, "lineage-1")])
    for at in range(len(text)):
        for bit in range(8):
            found = decode_commit(text[:at] + bytes([text[at] ^ (1 << bit)]) + text[at + 1 :])
            assert found is None or not found.settled


def test_the_history_holds_each_run_once_and_survives_a_torn_line():
    first, second = RunSummary("r1", "apply", AT, writes=3, applied=3, exit_code=0), RunSummary("r2", "apply", AT)
    data = encode_runs([first]) + b'{"run":"r9","oper\n[1]\n\n' + encode_runs([second, first]) + b'{"run":"r3"'
    assert decode_runs(data) == [first, second]
