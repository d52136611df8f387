"""The Nexudus API's payment tokens: writes that are sent once, and reads that are complete or an error.

The room's front: what `ports.PaymentTokens` promises is kept here. Below it are access and repeated reads
(`session.py`, `auth.py`) and HTTP (`transport.py`, `sockets.py`); the names on the wire are in `wire_records.py`. Must
not decide what an answer to a write means; that is `core/outcomes.py`. Cheap to import: HTTP and pydantic are loaded
when first used.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from math import ceil
from typing import TYPE_CHECKING

from reconcile.adapters.answers import answer_to_write, mapping, seconds_of_date, words_of
from reconcile.adapters.auth import Authenticator, LoginThrottledError
from reconcile.adapters.exchange import MIB, ApiOptions, ExchangeError, RawAnswer
from reconcile.adapters.session import ReadPace, Session
from reconcile.core.errors import ApiError, InputError, ReconcileError
from reconcile.core.outcomes import Answer, NeverSent, NoAnswer, Seen
from reconcile.core.records import ObservedRecord, Secret, WholeRecord
from reconcile.ports import Clock

if TYPE_CHECKING:
    from httpcore import NetworkBackend

    from reconcile.adapters.wire_records import Page, Row

LONGEST_WRITE_ANSWER = 1 * MIB
LONGEST_READ_ANSWER = 32 * MIB

PAGE_SIZE = 1000
"""Records asked for at once, the most the API gives; what comes may be fewer."""

LISTINGS = 4
"""How often a listing is read in all while records come and go, before it counts as unreadable."""

_CHECK_ADDRESS = "check api.base_url in reconcile.yaml, or NEXUDUS_BASE_URL"


class Nexudus:
    """The API as `ports.PaymentTokens`; used by several threads at once.

    Args:
        options: Where the API is and how it may be reached.
        authenticator: Hands out access.
        clock: For waits between tries of a read.
        pace: Asked before every read; writes are paced by whoever sends them.
        backend: The network below HTTP; another one only in tests.

    Raises:
        InputError: The address of the API cannot be used.
    """

    def __init__(
        self,
        options: ApiOptions,
        authenticator: Authenticator,
        clock: Clock,
        pace: ReadPace,
        *,
        backend: "NetworkBackend | None" = None,
    ) -> None:
        self._session = Session(options, authenticator, clock, pace, backend)
        self._clock = clock
        self._page_size = PAGE_SIZE

    def sign_in(self) -> None:
        """Logs in, where a login is due, before the first write takes its turn. See `Session.sign_in`."""
        from importlib import import_module

        import_module("reconcile.adapters.wire_records")  # a write that loads it would leave after its turn
        self._session.sign_in()

    def create(self, fields: Mapping[str, int | str | None], token: Secret | None) -> Seen:
        """Sends one create; a login, where one is due, falls within the same deadline. See `ports.PaymentTokens`."""

        def body() -> bytes:
            from reconcile.adapters.wire_records import create_body

            return create_body(fields, token)

        return self._write("POST", "", body, token)

    def update(self, whole: WholeRecord, fields: Mapping[str, int | str | None], token: Secret | None) -> Seen:
        """Sends a record back with the managed fields laid over it, once. See `ports.PaymentTokens`."""

        def body() -> bytes:
            from reconcile.adapters.wire_records import update_body

            return update_body(whole.text, fields, token)

        return self._write("PUT", "", body, token, whole.observed.token)

    def delete(self, record_id: int, token: Secret | None = None) -> Seen:
        """Sends one delete, once. See `ports.PaymentTokens`."""
        return self._write("DELETE", f"/{record_id}", None, token)

    def _write(
        self, method: str, below: str, make_body: Callable[[], bytes] | None = None, *tokens: Secret | None
    ) -> Seen:
        """Sends one write, whose answer may repeat none of the tokens."""
        session = self._session
        deadline = session.deadline()  # before anything is loaded: the caller's intent counts from here
        from reconcile.adapters.wire_records import PATH

        try:
            content = make_body() if make_body is not None else None
            headers = {"Authorization": session.authorization(deadline)}
            if content is not None:
                headers["Content-Type"] = "application/json"
        except (ApiError, InputError) as error:
            # A refused login is what a refused request would be; refresh_access() raises it again, with its hint.
            return Answer(401, words=error.message)
        except LoginThrottledError as error:
            return Answer(429, is_empty=True, retry_after=error.retry_after)
        except (ExchangeError, ValueError) as error:
            return NeverSent(str(error))
        except ReconcileError as error:  # no turn for a login
            return NeverSent(error.message)
        try:
            raw = session.exchange(
                method,
                PATH + below,
                headers=headers,
                content=content,
                max_bytes=LONGEST_WRITE_ANSWER,
                deadline=deadline,
            )
        except ExchangeError as error:
            return NoAnswer(error.reason) if error.sent else NeverSent(error.reason)
        return answer_to_write(raw, session.secrets(*tokens), self._clock.now())

    def refresh_access(self) -> bool:
        """Gets an access token other than the one this thread used last. See `ports.PaymentTokens`."""
        return self._session.refresh()

    def list_records(self, coworker_invoice_id: int | None = None, *, since: str = "") -> Iterator[ObservedRecord]:
        """Every record, or those of one invoice, by ascending id. See `ports.PaymentTokens`.

        Paging is by offset and without a snapshot: a listing counts when every id came once and their number is the
        total that every page named; else it is read again.
        """
        for _ in range(LISTINGS):
            rows = self._complete_listing(coworker_invoice_id, since)
            if rows is not None:
                yield from self._observed(rows, coworker_invoice_id)
                return
        raise ApiError(
            f"the list of records did not come out the same size as its total in {LISTINGS} readings",
            code="list-unsteady",
            help="other clients are writing; try again when the account is quieter",
        )

    def list_newer(self, than: int, known: int) -> Iterator[ObservedRecord]:
        """The records with a higher id than `than`. See `ports.PaymentTokens`.

        They stand at one end of the listing, whichever way that is sorted; the total says whether these were all.
        """
        for pages in (self._last_pages(than, known), self._first_pages(than)):
            rows: dict[int, Row] = {}
            total = 0
            for page in pages:
                rows.update((row.Id, row) for row in page.Records if row.Id > than)
                total = page.TotalItems
            if known + len(rows) >= total:
                yield from self._observed(rows, None)
                return
        yield from (record for record in self.list_records() if record.id > than)

    def count_records(self) -> int:
        """How many records there are in all, by one request. See `ports.PaymentTokens`."""
        return self._page(1, size=1).TotalItems

    def measure_listing(self) -> tuple[int, int]:
        """How many records there are, and how many requests all their pages take. See `ports.PaymentTokens`."""
        page = self._page(1)
        return page.TotalItems, ceil(page.TotalItems / max(1, len(page.Records)))

    def get_batch(self, record_ids: Sequence[int]) -> Mapping[int, ObservedRecord] | None:
        """What one request shows of several records, by their ids. See `ports.PaymentTokens`."""
        from reconcile.adapters.wire_records import PATH, WrongShapeError, observed, rows_of

        ids = f"[{','.join(map(str, record_ids))}]"
        raw = self._session.read(f"{PATH}/", {"id": ids}, max_bytes=LONGEST_READ_ANSWER)
        if raw.status in {401, 403} or raw.status >= 500:
            raise self._unusable(raw, "a batch of records", "Read")
        try:
            rows = rows_of(raw.document) if raw.status == 200 and raw.is_json else None
        except WrongShapeError:
            return None
        if rows is None:
            return None
        often = Counter(row.Id for row in rows)  # a record that comes twice is none that can be believed
        wanted = {record_id for record_id in record_ids if often[record_id] == 1}
        return {r.Id: observed(r, r.CoworkerInvoiceId) for r in rows if r.Id in wanted and r.CoworkerInvoiceId}

    def get(self, record_id: int) -> ObservedRecord | None:
        """One full record by its id; None when the API says, in JSON, that there is none. See `ports.PaymentTokens`."""
        whole = self.get_whole(record_id)
        return whole.observed if whole is not None else None

    def get_whole(self, record_id: int) -> WholeRecord | None:
        """The same with everything an update has to send back. See `ports.PaymentTokens`."""
        read = self._get(record_id)
        if read is None:
            return None
        from reconcile.adapters.wire_records import observed

        row, body = read
        if row.CoworkerInvoiceId is None:
            raise _wrong_shape(f"record {record_id}", "CoworkerInvoiceId")
        return WholeRecord(observed(row, row.CoworkerInvoiceId), Secret(body.decode("utf-8-sig")))

    @property
    def server_time(self) -> float | None:
        """Seconds since the epoch by the server's last `Date` header and what passed since; None when it sent none."""
        date, at = self._session.dated
        said = seconds_of_date(date) if date else None
        return None if said is None else said + self._clock.monotonic() - at

    def close(self) -> None:
        """Closes every connection."""
        self._session.close()

    def _complete_listing(self, coworker_invoice_id: int | None, since: str) -> "dict[int, Row] | None":
        """The rows of every page by id; None when they do not add up."""
        rows: dict[int, Row] = {}
        total: int | None = None
        for number in count(1):
            page = self._page(number, coworker_invoice_id, since)
            total = page.TotalItems if total is None else total
            expected = len(rows) + len(page.Records)
            rows.update((row.Id, row) for row in page.Records)
            if len(rows) != expected or expected > total or page.TotalItems != total:
                return None
            if not page.Records or not _goes_on(page, len(rows)):
                break
            self._page_size = len(page.Records)  # the server may give fewer than were asked for
        return rows if len(rows) == total else None

    def _last_pages(self, than: int, known: int) -> "Iterator[Page]":
        """From the page on which the last known record should stand; from an earlier one where some were deleted."""
        number = max(1, ceil(known / self._page_size))
        page = self._page(number)
        while number > 1 and all(row.Id > than for row in page.Records):
            number -= 1
            page = self._page(number)
        yield page
        while page.Records and _goes_on(page, (number - 1) * self._page_size + len(page.Records)):
            number += 1
            page = self._page(number)
            yield page

    def _first_pages(self, than: int) -> "Iterator[Page]":
        """Until a page shows a record that is known."""
        for number in count(1):
            page = self._page(number)
            yield page
            rows = page.Records
            if not rows or min(row.Id for row in rows) <= than or not _goes_on(page, number * len(rows)):
                return

    def _page(
        self, number: int, coworker_invoice_id: int | None = None, since: str = "", *, size: int = PAGE_SIZE
    ) -> "Page":
        from reconcile.adapters.wire_records import CHANGED_SINCE, INVOICE_FILTER, PATH, WrongShapeError, page_of

        params: dict[str, str | int] = {"page": number, "size": size, "orderBy": "Id"}
        if coworker_invoice_id is not None:
            params[INVOICE_FILTER] = coworker_invoice_id
        if since:
            params[CHANGED_SINCE] = since
        raw = self._session.read(PATH, params, max_bytes=LONGEST_READ_ANSWER)
        if raw.status != 200 or not raw.is_json:
            raise self._unusable(raw, "the list of records", "List")
        try:
            return page_of(raw.document)
        except WrongShapeError as error:
            raise self._refused_or_misshapen(raw, "the list of records", str(error)) from None

    def _observed(self, rows: "dict[int, Row]", coworker_invoice_id: int | None) -> Iterator[ObservedRecord]:
        from reconcile.adapters.wire_records import observed

        for record_id in sorted(rows):
            row = rows[record_id]
            invoice = row.CoworkerInvoiceId
            if invoice is None:
                # A list may leave fields out, and a record that might be the invoice's must not pass for another's.
                full = self.get(record_id)
                if full is not None and coworker_invoice_id in {None, full.coworker_invoice_id}:
                    yield full
            elif coworker_invoice_id in {None, invoice}:
                yield observed(row, invoice)

    def _get(self, record_id: int) -> "tuple[Row, bytes] | None":
        from reconcile.adapters.wire_records import PATH, WrongShapeError, row_of

        raw = self._session.read(f"{PATH}/{record_id}", max_bytes=LONGEST_WRITE_ANSWER)
        if raw.status == 404 and raw.is_json:
            return None
        what = f"record {record_id}"
        if raw.status != 200 or not raw.is_json:
            raise self._unusable(raw, what, "Read")
        try:
            row = row_of(raw.document)
        except WrongShapeError as error:
            raise self._refused_or_misshapen(raw, what, str(error)) from None
        if row.Id != record_id:
            raise _wrong_shape(what, "Id")
        return row, raw.body

    def _refused_or_misshapen(self, raw: RawAnswer, what: str, field: str) -> ApiError:
        """The error of an HTTP 200 that is no record: the API may have said no in its envelope."""
        if (mapping(raw.document) or {}).get("WasSuccessful") is False:
            return ApiError(f"the API refused to give {what}: {words_of(raw, self._session.secrets()) or 'no reason'}")
        return _wrong_shape(what, field)

    def _unusable(self, raw: RawAnswer, what: str, role: str) -> ApiError:
        words = words_of(raw, self._session.secrets())
        told = f" ({words})" if words else ""
        if raw.status in {401, 403}:
            return ApiError(
                f"HTTP {raw.status} for {what}{told}: bad credentials, or the role "
                f"CoworkerInvoicePaymentToken-{role} is missing",
                code="unauthorized",
                help="check NEXUDUS_ACCESS_TOKEN or NEXUDUS_USERNAME and NEXUDUS_PASSWORD, then the roles of that user",
            )
        if raw.status in {200, 404} or 300 <= raw.status < 400:
            message = f"HTTP {raw.status} for {what}: whatever answers at {self._session.host} is not the API"
            return ApiError(message, code="wrong-address", help=_CHECK_ADDRESS)
        return ApiError(f"HTTP {raw.status} for {what}{told}")


def _goes_on(page: "Page", rows: int) -> bool:
    """Whether another page follows, by the server's word or else by the total."""
    return page.HasNextPage if page.HasNextPage is not None else rows < page.TotalItems


def _wrong_shape(what: str, field: str) -> ApiError:
    return ApiError(f"the API sent {what} in a shape that is not documented: {field}", code="wrong-shape")
