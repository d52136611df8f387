"""Bugs to plant: each takes one promise of the protocol away, in words of the code, and names the test that notices.

A replacement that no longer fits the code exactly once is itself a failure: the list must grow with the code.
"""

from dataclasses import dataclass

KILLS = ("test_kills.py",)
TABLE = ("test_outcome_table.py",)
LATE = ("test_late.py",)
HOSTILE = ("test_hostile_answers.py",)
CHANGES = ("test_changes_table.py",)


@dataclass(frozen=True)
class Bug:
    """A mistake: `changes` are (file below the package, text, other text); `tests` find it."""

    name: str
    changes: tuple[tuple[str, str, str], ...]
    tests: tuple[str, ...] = KILLS


def bug(name: str, file: str, text: str, other: str, tests: tuple[str, ...] = KILLS) -> Bug:
    return Bug(name, ((file, text, other),), tests)


CREATE = "apply/create.py"
WRITE = "apply/write.py"
SETTLE = "apply/settle.py"
OUTCOMES = "core/outcomes.py"
OPERATIONS = "core/operations.py"
JUDGE = "core/settling.py"
JOURNAL = "journal.py"
RUN = "apply/run.py"

SETTLE_TIME = " + settle_seconds"
SETTLED = f"passed >= from_iso(intent.deadline) - from_iso(intent.at){SETTLE_TIME}"

BUGS = [
    bug("drop the journal's sync", "adapters/files.py", "            files.sync_content(fd)\n", "", TABLE),
    bug(
        "drop the folder's sync",
        "adapters/files.py",
        "        if is_new:\n            sync_folder",
        "        if False:\n            sync_folder",
        TABLE,
    ),
    bug(
        "say committed, then write the state",
        JOURNAL,
        "            digest = self._write_state(before._replace",
        "            self._say_commit('')\n            digest = self._write_state(before._replace",
    ),
    bug(
        "empty the journal, then write the state",
        JOURNAL,
        "            digest = self._write_state(before._replace",
        "            self._replace([HeaderEntry(before.lineage, before.serial)])\n"
        "            digest = self._write_state(before._replace",
    ),
    bug(
        "forget to write an outcome down",
        WRITE,
        "        self._record(intent, self._entry_for(intent.operation, outcome))\n",
        "",
    ),
    bug(
        "call a 500 no effect", OUTCOMES, "frozenset({400, 413, 415, 422})", "frozenset({400, 413, 415, 422, 500, 502})"
    ),
    bug("call a 502 throttling", OUTCOMES, "return answer.status == 429", "return answer.status in {429, 502}"),
    bug(
        "call a reset never sent",
        "adapters/nexudus.py",
        "return NoAnswer(error.reason) if error.sent else NeverSent(error.reason)",
        "return NeverSent(error.reason)",
        TABLE,
    ),
    bug(
        "believe a refusal that names an id",
        OUTCOMES,
        'if created is None and answer.status == 200 and envelope.get("WasSuccessful") is False',
        'if answer.status == 200 and envelope.get("WasSuccessful") is False',
        TABLE,
    ),
    bug(
        "believe an id that is known",
        WRITE,
        "classify(seen, self._is_known, ",
        "classify(seen, lambda _: False, ",
        TABLE,
    ),
    bug("do not ask about an id that is known", JUDGE, "    if elsewhere:\n", "    if False:\n", TABLE),
    bug("believe absence at once", JUDGE, f"return {SETTLED}", "return True"),
    bug("believe absence at the deadline", JUDGE, f"return {SETTLED}", f"return {SETTLED.removesuffix(SETTLE_TIME)}"),
    bug(
        "compare clocks instead of their progress",
        JUDGE,
        "from_iso(intent.server_at or intent.at)",
        "from_iso(intent.at)",
        LATE,
    ),
    bug("settle with one listing", SETTLE, "    second = _Reading(ripe, tools)\n", "    second = first\n"),
    bug(
        "let two listings disagree",
        SETTLE,
        "        if seen is None or seen != first.unseen[operation]:",
        "        if seen is None:",
        LATE,
    ),
    Bug(
        "ignore the baseline",
        (
            (
                JUDGE,
                "[record for record in seen if record.id not in intent.baseline and record.id not in owned]",
                "[record for record in seen if record.id not in owned]",
            ),
            (
                SETTLE,
                "[row for row in rows if row.id not in intent.baseline and row.id not in tools.owned]",
                "[row for row in rows if row.id not in tools.owned]",
            ),
        ),
    ),
    bug(
        "keep no baseline",
        CREATE,
        "self._ready(replace(draft, baseline=found.baseline), ",
        "self._ready(draft, ",
    ),
    Bug(
        "adopt what another address owns",
        (
            (
                JUDGE,
                "if record.id not in intent.baseline and record.id not in owned]",
                "if record.id not in intent.baseline]",
            ),
            (
                SETTLE,
                "[row for row in rows if row.id not in intent.baseline and row.id not in tools.owned]",
                "[row for row in rows if row.id not in intent.baseline]",
            ),
        ),
        LATE,
    ),
    bug("adopt one of several", JUDGE, "    if len(full) == 1:", "    if full:"),
    bug(
        "retry what is in doubt",
        WRITE,
        '                return Result("in_doubt", change, words=seen)',
        "                return None",
    ),
    bug(
        "do not stop at an id that is known", WRITE, "                if stop:\n", "                if False:\n", TABLE
    ),
    bug(
        "do not look at the lock before sending",
        WRITE,
        "        if not self._tools.lock.is_held():\n            self._tally.end(LOCK_LOST)\n            return None",
        "        if False:\n            return None",
    ),
    bug(
        "send what has grown stale",
        WRITE,
        "self._passed_since(intent) > SENT_WITHIN",
        "False",
        LATE,
    ),
    Bug(
        "write the intent after sending",
        (
            (WRITE, "        self._tools.journal.append(intent)\n", ""),
            (
                WRITE,
                "        return self._judge(intent, send())\n",
                (
                    "        seen = send()\n        self._tools.journal.append(intent)\n"
                    "        return self._judge(intent, seen)\n"
                ),
            ),
        ),
    ),
    bug(
        "send no matter how the guard decides",
        "apply/guard.py",
        "return Found(tuple(baseline), matches)",
        "return Found(tuple(baseline), ())",
    ),
    bug(
        "create at an invoice in doubt", RUN, '            if result.status == "in_doubt":\n', "            if False:\n"
    ),
    bug(
        "forget older doubt at an invoice",
        RUN,
        "stuck = {doubt.intent.coworker_invoice_id for doubt in doubts}",
        "stuck: set[int] = set()",
    ),
    bug(
        "hide doubt from the exit code",
        "core/report.py",
        'if self.doubts or self.twins or self.having("in_doubt")',
        "if self.twins",
    ),
    bug(
        "compact open intents away", OPERATIONS, "    for doubt in before.doubts.values():\n", "    for doubt in ():\n"
    ),
    bug(
        "leave applied ids out of the state",
        OPERATIONS,
        "            self._write(intent, entry.id, entry.at)\n",
        "            pass\n",
    ),
    bug("break the chain of checksums", JOURNAL, "data, crc = encode(new, self._crc)", "data, crc = encode(new)"),
    bug("keep a torn tail", JOURNAL, "        if decoded.torn is not None:\n", "        if False:\n"),
    bug(
        "take an error of a read for an empty list",
        "apply/lookup.py",
        "            self._rows[invoice] = list(self._noted(self._api.list_records(invoice)))\n",
        "            try:\n                self._rows[invoice] = list(self._api.list_records(invoice))\n"
        "            except Exception:\n                self._rows[invoice] = []\n",
        LATE,
    ),
    bug(
        "take a short listing for a complete one",
        "adapters/nexudus.py",
        "return rows if len(rows) == total else None",
        "return rows",
        TABLE,
    ),
    bug("ignore Retry-After", WRITE, "            self._tools.pace.pause(seconds)\n", "            pass\n"),
    bug(
        "adopt without writing it down",
        SETTLE,
        "        self._tools.journal.append(resolved(doubt.intent, self._tools, record_id, (record_id,)))\n",
        "",
    ),
    bug(
        "do not look for late twins",
        "app/settling.py",
        "twins = find_twins(watches, journal.folded.state.records, tools, may_close=not is_end)",
        "twins = ()",
        LATE,
    ),
    bug(
        "close a watch before its time",
        "apply/twins.py",
        "        elif may_close and is_ripe(watch.intent, tools, began):\n",
        "        else:\n",
        LATE,
    ),
    bug(
        "leave a rename's doubt behind",
        OPERATIONS,
        "                self.doubts[operation] = doubt._replace(intent=replace(doubt.intent, address=entry.to))\n",
        "                pass\n",
        LATE,
    ),
    bug(
        "lose a settled doubt in compaction",
        OPERATIONS,
        "    for watch in before.watches.values():\n",
        "    for watch in ():\n",
        LATE,
    ),
    bug(
        "trust a clock that is slow",
        WRITE,
        'server_at=iso(server_now) if server_now is not None else "",',
        'server_at="",',
        LATE,
    ),
    bug(
        "leave a rename's watch behind",
        OPERATIONS,
        "                self.watches[operation] = watch._replace(intent=replace(watch.intent, address=entry.to))\n",
        "                pass\n",
        LATE,
    ),
    bug(
        "let the last of two names win",
        "adapters/transport.py",
        "        json.loads(text, object_pairs_hook=_require_each_name_once)\n",
        "",
        HOSTILE,
    ),
    bug(
        "believe an id whatever else is said",
        "core/outcomes.py",
        'answer.status == 200 and envelope.get("WasSuccessful") is True and not envelope.get("Errors")',
        "True",
        HOSTILE,
    ),
    bug(
        "believe at once that an update had no effect",
        "apply/settle_changes.py",
        "began is not None and is_ripe(doubt.intent, tools, began)",
        "began is not None",
        CHANGES,
    ),
    bug(
        "take what is hidden from a read for gone",
        "apply/lookup.py",
        "return any(row.id == record_id for row in api.list_records(invoice))",
        "return False",
        CHANGES,
    ),
    bug(
        "send what is managed and nothing else",
        "adapters/wire_records.py",
        "return _encoded(carried | _named(fields, token))",
        'return _encoded({"Id": carried["Id"]} | _named(fields, token))',
        CHANGES,
    ),
    bug(
        "read numbers and write them again",
        "adapters/wire_records.py",
        "{name: orjson.Fragment(value) for name, value in _value_texts(text.reveal()).items()}",
        "orjson.loads(text.reveal())",
        CHANGES,
    ),
    bug(
        "keep a record that was deleted",
        OPERATIONS,
        "            del self.records[address]\n        else:",
        "            pass\n        else:",
        CHANGES,
    ),
]
