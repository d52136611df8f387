"""A server of whole records, each kept as the JSON text it is, and its books about everything that was done to them.

Separate from the sandbox and from the tool in every line. Every record has fields that the tool knows nothing of, with
numbers that do not survive being read and written again.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fault_server import FILTER, PATH, Fault, FaultServer, Peer
from ledger import open_intents

MANAGED = {"CoworkerInvoiceId", "RegularPaymentProvider", "Token", "Notes"}
STRANGE = '"SystemId":"s\\u00e9","Big":123456789012345678901234567890,"Money":1.10,"CustomFields":{"a":[1.0,-0,1E-400]}'
NOT_FOUND = "Not found"


def exact(text: str) -> dict[str, Any]:
    """A JSON object whose numbers are their own text."""
    return json.loads(text, parse_float=lambda number: f"#{number}", parse_int=lambda number: f"#{number}")


@dataclass(frozen=True)
class Effect:
    """Something a request does, now or later: `text` replaces the record, None deletes it."""

    at: float
    id: int
    text: str | None


class Books:
    """What the server holds, and what the client did wrong.

    Attributes:
        ours: For each record that may be written to, the wire names of the fields that are declared.
        doomed: The ids that may be deleted.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.records: dict[int, str] = {}
        self.ours: dict[int, set[str]] = {}
        self.doomed: set[int] = set()
        self.arrived: Counter[tuple[str, int]] = Counter()
        self.broken: list[str] = []
        self.pending: list[Effect] = []
        self.requests = 0
        self.lock = threading.RLock()
        self._now = now
        self._next_id = 7001

    def plant(self, fields: Mapping[str, object]) -> int:
        """A record with these fields, and with strange ones."""
        with self.lock:
            record_id, self._next_id = self._next_id, self._next_id + 1
            known = {"Id": record_id, "RegularPaymentProvider": None, "Token": None, "Notes": None, **fields}
            self.records[record_id] = f"{json.dumps(known)[:-1]},{STRANGE}}}"
            return record_id

    def edit(self, record_id: int, **fields: object) -> None:
        """Somebody else changes a record."""
        with self.lock:
            changed = {name: json.dumps(value) for name, value in fields.items()}
            text = self.records[record_id]
            for name, value in changed.items():
                before = json.dumps(json.loads(text)[name])
                assert f'"{name}": {before}' in text or f'"{name}":{before}' in text
                text = text.replace(f'"{name}": {before}', f'"{name}": {value}')
                text = text.replace(f'"{name}":{before}', f'"{name}":{value}')
            self.records[record_id] = text

    def note(self, method: str, record_id: int, journal: bytes) -> None:
        """An update or a delete begins to arrive: its intent has to be durable, and nothing else of it open."""
        action = {"PUT": "update", "DELETE": "delete"}[method]
        with self.lock:
            self.take_effect()
            self.arrived[action, record_id] += 1
            if record_id not in self.ours and record_id not in self.doomed:
                self.broken.append(f"id {record_id} is not declared, and was {action}d")
            mine = [entry for entry in open_intents(journal) if entry.get("id") == record_id]
            if [entry["action"] for entry in mine] != [action]:
                self.broken.append(f"I4, I5: {action} of {record_id} with the intents {mine}")
            if method == "DELETE" and record_id not in self.doomed:
                self.broken.append(f"id {record_id} is declared, and was deleted")

    def do(self, effect: Effect) -> bool:
        """Lets it happen when its time has come; False when there is no such record any more."""
        with self.lock:
            if effect.at > self._now():
                self.pending.append(effect)
                return True
            before = self.records.pop(effect.id, None)
            if before is None or effect.text is None:
                return before is not None
            self.records[effect.id] = effect.text
            self._compare(effect.id, exact(before), exact(effect.text))
            return True

    def _compare(self, record_id: int, before: dict[str, Any], after: dict[str, Any]) -> None:
        managed = self.ours.get(record_id, set())
        for name in before.keys() | after.keys():
            if name not in managed and before.get(name) != after.get(name):
                self.broken.append(f"{name} of {record_id} is not managed, and went from {before} to {after}")

    def take_effect(self) -> None:
        """What was due by now has happened."""
        with self.lock:
            due = [effect for effect in self.pending if effect.at <= self._now()]
            self.pending = [effect for effect in self.pending if effect.at > self._now()]
            for effect in due:
                self.do(effect)

    def read(self, record_id: int) -> dict[str, Any] | None:
        with self.lock:
            text = self.records.get(record_id)
            return json.loads(text) if text is not None else None


class LifeServer(FaultServer):
    """Serves whole records; `faults` and `always` speak of `create`, `update`, `delete`, `list` and `get`."""

    def __init__(self, books: Books, journal: Callable[[], bytes], now: Callable[[], float]) -> None:
        super().__init__(None, journal, now)  # type: ignore[arg-type]  # the books take the ledger's place
        self.books = books

    def _meet(self, peer: Peer, head: bytes, body: bytes, image: bytes) -> None:
        method, target = (part.decode() for part in head.split(b" ", 2)[:2])
        self.targets.append(target)
        url = urlsplit(target)
        below = url.path.removeprefix(PATH).strip("/")
        kind = {"POST": "create", "PUT": "update", "DELETE": "delete"}.get(method, "get" if below else "list")
        with self.books.lock:
            self.seen[kind] += 1
            self.books.requests += 1
            fault = self.faults.get((kind, self.seen[kind])) or self.always.get(kind) or Fault("none")
            self.books.take_effect()
        if method == "GET":
            self._read(peer, below, parse_qs(url.query), fault)
        elif method == "POST":
            record_id = self.books.plant(json.loads(body))
            self.books.ours[record_id] = set(json.loads(body))
            self._answer(peer, fault, record_id)
        else:
            self._change(peer, method, int(below) if below else json.loads(body)["Id"], body.decode(), image, fault)

    def _change(self, peer: Peer, method: str, record_id: int, body: str, image: bytes, fault: Fault) -> None:
        self.books.note(method, record_id, image)
        is_there = True
        if fault.effect != "none":
            at = self._now() + (fault.after if fault.effect == "late" else 0.0)
            is_there = self.books.do(Effect(at, record_id, body if method == "PUT" else None))
        if not is_there and fault.answer is None:
            peer.send(404, NOT_FOUND)
        else:
            self._answer(peer, fault, record_id if method == "PUT" else None)

    def _answer(self, peer: Peer, fault: Fault, record_id: int | None) -> None:
        if fault.answer is not None:
            fault.answer(peer, None)
        else:
            value = {"Id": record_id} if record_id is not None else None
            peer.send(200, {"Status": 200, "Value": value, "Errors": None, "WasSuccessful": True})

    def _read(self, peer: Peer, below: str, query: dict[str, list[str]], fault: Fault) -> None:
        if fault.answer is not None:
            fault.answer(peer, None)
            return
        with self.books.lock:
            if below:
                text = self.books.records.get(int(below))
                peer.send(200, text.encode()) if text is not None else peer.send(404, NOT_FOUND)
                return
            rows = [json.loads(text) for _, text in sorted(self.books.records.items())]
        if FILTER in query:
            rows = [row for row in rows if row["CoworkerInvoiceId"] == int(query[FILTER][0])]
        shown = [{"Id": row["Id"], "CoworkerInvoiceId": row["CoworkerInvoiceId"]} for row in rows]
        if "id" in query:
            wanted = json.loads(query["id"][0])
            peer.send(200, [row for row in shown if row["Id"] in wanted])
            return
        number, size = int(query["page"][0]), min(int(query["size"][0]), 25)
        page = shown[(number - 1) * size : number * size]
        peer.send(200, {"Records": page, "TotalItems": len(rows), "HasNextPage": number * size < len(rows)})
