"""Random manifests, outside edits and deletions, lost answers: apply reaches what is declared, drift says what is so.

The real apply over HTTP against a server of whole records, whose books notice every field that changed without being
declared, every record that was touched without being ours, and every write without a durable intent.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from campaign import size
from conducting import SETTLE
from declarations import declare, manifests
from fault_server import Fault
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from living import Life

from reconcile.app.connection import Connection
from reconcile.app.drift import Unwatched, look
from reconcile.core.drift import DriftKind
from reconcile.core.manifest import Manifests
from reconcile.core.records import UNMANAGED, PaymentToken, Provider, Secret, StateRecord
from reconcile.core.report import Report

WIRE = {"notes": "Notes", "regular_payment_provider": "RegularPaymentProvider", "token_source": "Token"}
ADDRESSES = st.sampled_from([f"a{number}" for number in range(5)])
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "notes": st.sampled_from([None, "", "March", 'Größe "L"', "x" * 300]),
        "regular_payment_provider": st.sampled_from([None, Provider.Stripe, Provider.Cash]),
        "token": st.sampled_from([None, "pm_one", "pm_two"]),
        "protect": st.booleans(),
    },
)
OUTSIDE = st.sampled_from([{"Notes": "theirs"}, {"RegularPaymentProvider": 5}, {"Token": "pm_theirs"}, {"Notes": None}])


class LifeMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="life-"))
        self.life = Life(self.folder)
        self.declared: dict[str, PaymentToken] = {}
        self.imports: dict[str, int] = {}
        self.strangers: dict[int, str] = {}
        for number in range(3):
            self.life.books.plant({"CoworkerInvoiceId": 100 + number, "Notes": f"of somebody else {number}"})
        self.strangers = dict(self.life.books.records)

    @rule(address=ADDRESSES, fields=FIELDS)
    def declares(self, address: str, fields: dict[str, Any]) -> None:
        token = fields.pop("token", UNMANAGED)
        if isinstance(token, str):
            fields |= {"token_source": "literal", "literal": Secret(token)}
        elif token is None:
            fields |= {"token_source": None}
        # Two addresses share an invoice; what only one of them could be, its notes say.
        notes = fields.get("notes", UNMANAGED)
        if isinstance(notes, str):
            fields["notes"] = f"{notes}{address}"
        self.declared[address] = declare(address, 100 + int(address[1:]) // 2, **fields)

    @precondition(lambda self: self.declared)
    @rule(data=st.data())
    def declares_no_more(self, data: st.DataObject) -> None:
        del self.declared[data.draw(st.sampled_from(sorted(self.declared)))]

    @precondition(lambda self: self.life.ids())
    @rule(data=st.data(), change=OUTSIDE)
    def somebody_changes_a_record(self, data: st.DataObject, change: dict[str, object]) -> None:
        record_id = data.draw(st.sampled_from(sorted(self.life.ids().values())))
        if record_id in self.life.books.records:
            self.life.books.edit(record_id, **change)

    @precondition(lambda self: self.life.ids())
    @rule(data=st.data())
    def somebody_deletes_a_record(self, data: st.DataObject) -> None:
        record_id = data.draw(st.sampled_from(sorted(self.life.ids().values())))
        self.life.books.records.pop(record_id, None)

    @rule(action=st.sampled_from(["update", "delete"]), effect=st.sampled_from(["none", "now", "late"]))
    def loses_the_next_answer(self, action: str, effect: str) -> None:
        nth = self.life.server.seen[action] + 1
        self.life.server.faults[action, nth] = Fault("lost", effect, SETTLE / 2, lambda peer, _: peer.reset())

    @rule()
    def waits(self) -> None:
        self.life.wait()

    @rule()
    def looks_for_drift(self) -> None:
        """What drift says of every record is what the server's own records say, and no byte of the state changes."""
        self.life.check()
        conductor = self.life.conductor()
        folded, before = conductor.known(), self.life.bytes_kept()
        connection = Connection(conductor.api, conductor.pace)
        found = look(conductor.project, folded, connection, Unwatched(), lambda _: True)  # type: ignore[arg-type]
        fingerprint = conductor.project.fingerprints(create=False).of
        said = {drift.address: drift.kind for drift in found.drifts}
        kinds = {
            address: kind_of(held, self.life.books.records.get(held.id), fingerprint)
            for address, held in folded.state.records.items()
            if address not in folded.doubts
        }
        assert said == {address: kind for address, kind in kinds.items() if kind is not None}
        assert self.life.bytes_kept() == before

    @rule(options=st.sampled_from([{}, {"refresh": True}]))
    def applies(self, options: dict[str, bool]) -> None:
        wanted = self.manifests()
        ids, books = self.life.ids(), self.life.books
        known = self.life.conductor().known().state.records
        books.doomed = {known[a].id for a in known.keys() - self.declared.keys() if not known[a].protect}
        books.ours = {i: managed(self.declared[a]) for a, i in ids.items() if a in self.declared}
        before = dict(books.records)
        report = self.life.apply(wanted, **options)
        if not isinstance(report, Report):
            assert report.exit_code == 3, report
            assert books.records == before, "a refused apply wrote something"
            return
        for result in report.results:
            self.check(result.change.address, result.status, before)
        left_alone = [r for r in report.results if r.status in {"refused", "exists", "in_doubt", "unattempted"}]
        if not left_alone and not report.doubts:
            assert self.life.conductor().plan(wanted).is_empty

    def manifests(self) -> Manifests:
        return manifests(*self.declared.values())

    def check(self, address: str, status: str, before: dict[int, str]) -> None:
        """What became of one address, by the server's own records."""
        books, declared = self.life.books, self.declared.get(address)
        held = self.life.conductor().known().state.records.get(address)
        if status in {"refused", "exists"} and held is not None:
            assert books.records.get(held.id) == before.get(held.id), "what was refused was written to"
        elif status == "applied" and declared is None:
            assert held is None
        elif status == "applied":
            assert held is not None
            record = json.loads(books.records[held.id])
            for name, wire in WIRE.items():
                assert name_of(declared, name) in {UNMANAGED, blank(record[wire])}, (address, name)

    def teardown(self) -> None:
        if hasattr(self, "life"):
            try:
                self.life.check()
                kept = {i: self.life.books.records.get(i) for i in self.strangers}
                assert kept == self.strangers, "a record of somebody else was touched"
            finally:
                self.life.close()
                shutil.rmtree(self.folder)


def kind_of(held: StateRecord, text: str | None, fingerprint: Callable[[Secret], str]) -> DriftKind | None:
    if text is None:
        return DriftKind.GONE
    record = json.loads(text)
    is_same = all(
        getattr(held, name) is UNMANAGED or blank(getattr(held, name)) == blank(record[WIRE[name]])
        for name in ("notes", "regular_payment_provider")
    )
    token = blank(record["Token"])
    if held.token_source is None:
        is_same = is_same and token is None
    elif held.token_source is not UNMANAGED:
        is_same = is_same and token is not None and fingerprint(Secret(token)) == held.token_fingerprint
    return None if is_same else DriftKind.CHANGED


def managed(declared: PaymentToken) -> set[str]:
    return {wire for name, wire in WIRE.items() if getattr(declared, name) is not UNMANAGED}


def name_of(declared: PaymentToken | None, name: str) -> object:
    """The value of a declared field as it is on the wire."""
    value: Any = getattr(declared, name)
    if name == "token_source" and declared is not None and declared.literal is not None:
        return declared.literal.reveal()
    return value if value is UNMANAGED else blank(int(value) if isinstance(value, Provider) else value)


def blank(value: object) -> object:
    return value or None


small: Callable[..., Any] = settings(
    max_examples=size(60, 300),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
TestLife = LifeMachine.TestCase
TestLife.settings = small  # type: ignore[assignment]
