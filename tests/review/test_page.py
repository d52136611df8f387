"""The page in a real browser: what it shows, that it stays quick, and that nothing in it does anything."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, running_browser
from declarations import declare, doubt, held, manifests, plan
from payloads import PAYLOADS

from reconcile.core.changes import Plan, Refusal
from reconcile.core.diagnostics import Diagnostic, Location
from reconcile.core.errors import DiagnosedError
from reconcile.core.quota import Limits
from reconcile.core.records import Provider
from reconcile.render.plan_html import plan_as_html
from reconcile.render.records import render_records
from reconcile.render.review_html import failure_as_html

MANY = 50_000
IN_SIGHT = 120
"""More rows than this are never in the document."""

Show = Callable[[str], Browser]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("profile")) as running:
        running.resize(1280, 900)
        yield running


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Show:
    """Opens a page, and forgets what the browser logged before."""

    def opened(html: str) -> Browser:
        page = tmp_path / "page.html"
        page.write_text(html, encoding="ascii")
        browser.open(page)
        return browser

    browser.log("performance")
    browser.log("browser")
    return opened


def as_html(made: Plan) -> str:
    return plan_as_html(made, created_at="2026-03-02T10:14:00Z", limits=Limits())


@pytest.fixture(scope="module")
def many() -> str:
    providers = (Provider.Stripe, Provider.GoCardless, Provider.Cash)
    records = (
        declare(f"inv-{n}", MANY - n, line=n, regular_payment_provider=providers[n % 3], notes=f"renewal {n}")
        for n in range(1, MANY)
    )
    return as_html(plan(manifests(*records, declare("old", 7, notes="new")), {"old": held(77, 7, notes="before")}))


def rows_in_document(browser: Browser) -> int:
    return browser.run("return document.querySelectorAll('#table tbody tr:not(.spacer)').length")


def choose(browser: Browser, selector: str, value: str) -> None:
    """Gives a control a value, and says so at once."""
    script = "const control = document.querySelector(arguments[0]); control.value = arguments[1];"
    browser.run(
        f"{script} for (const kind of ['input', 'change']) control.dispatchEvent(new Event(kind))", selector, value
    )


def count(browser: Browser) -> str:
    return browser.run("return document.getElementById('count').textContent")


def first_cells(browser: Browser) -> list[str]:
    cells = "document.querySelector('#table tbody tr:not(.spacer)')?.cells ?? []"
    return browser.run(f"return [...{cells}].map((cell) => cell.textContent)")


def requests(browser: Browser) -> list[str]:
    events = [json.loads(entry["message"])["message"] for entry in browser.log("performance")]
    sent = (event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent")
    return [url for url in sent if not url.startswith("file:///")]


def test_fifty_thousand_rows_keep_the_document_small(many: str, show: Show) -> None:
    browser = show(many)
    assert count(browser) == "50,000 rows"
    assert browser.run("return document.getElementById('table').getAttribute('aria-rowcount')") == "50001"
    assert 20 <= rows_in_document(browser) <= IN_SIGHT
    for share in (0.5, 1, 0.01, 0.99, 0):
        script = "const r = document.getElementById('scroll'); r.scrollTop = arguments[0] * r.scrollHeight;"
        browser.run(script, share)
        seen = "(() => { const r = document.getElementById('scroll').getBoundingClientRect(); return [...document"
        seen += ".querySelectorAll('#table tbody tr:not(.spacer)')].filter((row) => { const b = row"
        seen += ".getBoundingClientRect(); return b.bottom > r.top + 60 && b.top < r.bottom }).length > 10 })()"
        browser.until(seen)
        assert rows_in_document(browser) <= IN_SIGHT


def test_rows_are_searched_filtered_and_sorted(many: str, show: Show) -> None:
    browser = show(many)
    browser.type("#search", "RENEWAL inv-4999 ")
    browser.until("document.getElementById('count').textContent === '11 of 50,000 rows'")
    assert rows_in_document(browser) == 11
    choose(browser, "#search", "nothing holds this")
    assert count(browser) == "0 of 50,000 rows"
    choose(browser, "#search", "")
    assert count(browser) == "50,000 rows"

    choose(browser, "#filters select", "update")
    assert count(browser) == "1 of 50,000 rows"
    assert first_cells(browser)[:2] == ["update", "old"]
    choose(browser, "#filters select", "\0")

    heads = "[...document.querySelectorAll('#table th')].map((head) => head.getAttribute('aria-sort'))"
    browser.click("#table th:nth-child(3) button")
    assert browser.run(f"return {heads}")[2] == "ascending"
    assert first_cells(browser)[2] == "1"
    browser.click("#table th:nth-child(3) button")
    assert browser.run(f"return {heads}")[2] == "descending"
    assert first_cells(browser)[2] == str(MANY - 1)
    browser.click("#table th:nth-child(2) button")
    assert first_cells(browser)[1] == "inv-1", "digits are not sorted as numbers"
    assert browser.run(f"return {heads}")[2] is None
    assert rows_in_document(browser) <= IN_SIGHT


def test_the_keyboard_reaches_every_row_and_its_details(many: str, show: Show) -> None:
    browser = show(many)
    focused = "document.activeElement.textContent"
    browser.run("document.querySelector('#table tbody button').focus()")
    browser.press("ArrowDown", "ArrowDown")
    browser.until(f"{focused} === 'inv-3'")
    browser.press("End")
    browser.until(f"{focused} === 'old'")
    assert rows_in_document(browser) <= IN_SIGHT
    places = "[document.activeElement, document.getElementById('scroll')].map((e) => e.getBoundingClientRect().bottom)"
    row, region = browser.run(f"return {places}")
    assert region - 60 < row < region, "the row that has the focus is not in sight"
    browser.press("Enter")
    browser.until("document.getElementById('detail').open")
    text = browser.run("return document.getElementById('detail').innerText")
    assert re.findall(r"notes\s+before\s+new", text)
    assert re.findall(r"Id\s+77", text)
    browser.press("Escape")
    browser.until("!document.getElementById('detail').open")
    assert browser.run(f"return {focused}") == "old"
    assert browser.run("return document.querySelectorAll('#table tbody button[tabindex=\"0\"]').length") == 1


def test_a_screen_reader_hears_what_everything_is(many: str, show: Show) -> None:
    browser = show(many)
    browser.devtools("Accessibility.enable")
    nodes = browser.devtools("Accessibility.getFullAXTree")["nodes"]

    def names(role: str) -> list[str]:
        return [node.get("name", {}).get("value", "") for node in nodes if node.get("role", {}).get("value") == role]

    assert names("searchbox") == ["Search"]
    assert names("combobox") == ["Action", "Provider"]
    assert names("columnheader") == ["Action", "Address", "Invoice", "Provider", "What", "Where"]
    assert names("table")[-1] == "Changes"
    assert "Changes" in names("region")
    assert "Changes by provider and action" in names("image")
    assert names("heading")[1:] == ["Summary", "By provider and action", "Schedule", "Changes"]
    assert all(names("button")), "a button without a name"


def test_a_print_shows_every_row_or_says_how_many(many: str, show: Show) -> None:
    browser = show(many)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert rows_in_document(browser) == 2000
    assert browser.run("return document.getElementById('printed').textContent") == "Printed: 2,000 of 50,000 rows."
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert rows_in_document(browser) <= IN_SIGHT

    few = show(as_html(plan(manifests(*(declare(f"inv-{n}", n) for n in range(1, 301))))))
    few.run("dispatchEvent(new Event('beforeprint'))")
    assert rows_in_document(few) == 300
    assert few.run("return document.getElementById('printed').textContent") == "All 300 rows."
    assert few.pdf().startswith(b"%PDF")
    few.until("document.querySelectorAll('#table tbody tr:not(.spacer)').length < 120")


def test_without_changes_there_is_a_verdict_and_no_table(show: Show) -> None:
    browser = show(as_html(plan(manifests(declare("a")), {"a": held()})))
    assert browser.run("return document.querySelector('.verdict').textContent") == "Nothing to do."
    assert browser.run("return document.querySelectorAll('table, script, svg').length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_its_window_in_light_and_dark(scheme: str, width: int, many: str, show: Show) -> None:
    browser = show(many)
    browser.prefer(scheme)
    browser.resize(width, 900)
    try:
        assert browser.run("return document.documentElement.scrollWidth") <= width
        dark = browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
        assert dark == (scheme == "dark")
        assert browser.picture().startswith(b"\x89PNG")
    finally:
        browser.prefer("light")
        browser.resize(1280, 900)


def hostile_plan(values: list[str]) -> Plan:
    """Each value in a create, an update, a doubt, a refusal and a warning."""
    records = [
        part
        for n, value in enumerate(values)
        for part in (
            declare(f"new-{n}", 1, file=value, notes=value, token_source=f"env:{value}"),
            declare(f"old-{n}", 2, file=value, notes=value),
            declare(f"lost-{n}", 3, file=value),
        )
    ]
    known = {f"old-{n}": held(n + 1, 2, notes=f"{value}!") for n, value in enumerate(values)}
    doubts = [doubt(f"lost-{n}", 3, at=value) for n, value in enumerate(values)]
    made = plan(manifests(*records, digest=values[0]), known, doubts=doubts)
    refusals = tuple(Refusal("policy", value, (value,), f"`{value}` {value}") for value in values)
    problems = tuple(Diagnostic("code", value, Location(value, 1), value) for value in values)
    return made._replace(refusals=refusals, diagnostics=problems)


WALK = """
const region = document.getElementById('scroll'), done = arguments[arguments.length - 1], cells = {};
const tags = new Set(), names = new Set(), details = [];
const look = () => {
  for (const element of document.querySelectorAll('*')) {
    tags.add(element.localName);
    for (const attribute of element.attributes) names.add(attribute.name);
  }
  for (const row of document.querySelectorAll('#table tbody tr:not(.spacer)'))
    cells[row.ariaRowIndex ?? row.getAttribute('aria-rowindex')] = [...row.cells].map((cell) => cell.textContent);
};
const step = () => {
  for (const button of document.querySelectorAll('#table tbody button')) {
    button.click(); look();
    details.push(...[...document.querySelectorAll('#detail td')].map((cell) => cell.textContent));
    document.getElementById('close').click();
  }
  if (region.scrollTop + region.clientHeight + 1 >= region.scrollHeight)
    return done({cells, details, tags: [...tags], names: [...names], owned: window.owned ?? null});
  region.scrollTop += region.clientHeight;
  requestAnimationFrame(() => requestAnimationFrame(step));
};
step();
"""


def walked(browser: Browser) -> dict[str, Any]:
    """What the page shows from its first row to its last, each row's details opened and closed."""
    return browser.ask("POST", "execute/async", script=WALK, args=[])


@pytest.mark.parametrize("start", range(0, 500, 100))
def test_no_value_does_anything_in_the_page(start: int, show: Show) -> None:
    values = PAYLOADS[start : start + 100]
    usual = walked(show(as_html(hostile_plan(["x"] * 3))))
    browser = show(as_html(hostile_plan(values)))

    seen = walked(browser)

    assert seen["owned"] is None
    assert set(seen["tags"]) == set(usual["tags"])
    assert set(seen["names"]) == set(usual["names"])
    assert requests(browser) == []
    assert browser.log("browser") == [], "a script was refused, or failed"
    assert len(seen["cells"]) == 300
    shown = [*seen["details"], *(text for cells in seen["cells"].values() for text in cells)]
    assert all(text.isprintable() for text in shown)


def test_a_script_that_got_in_could_neither_run_nor_call_anybody(show: Show) -> None:
    browser = show(as_html(plan(manifests(declare("a")))))
    browser.run(
        "document.body.append(Object.assign(document.createElement('img'), {src: 'https://evil.example/a.png'}));"
        "fetch('https://evil.example/b').catch(() => {});"
        "try { document.body.innerHTML = '<b>x</b>'; window.owned = 1 } catch { }"
        "try { document.body.append(Object.assign(document.createElement('script'), {text: 'owned = 2'})) } catch {}"
        "document.body.append(Object.assign(document.createElement('style'), {textContent: 'body { width: 1px }'}))"
    )
    refused = [entry["message"] for entry in browser.log("browser")]
    assert browser.run("return window.owned ?? null") is None
    assert browser.run("return document.body.clientWidth") > 1
    assert sum("Content Security Policy" in message for message in refused) >= 3
    # The driver sees that somebody wanted to send it; nothing answers to any name here, and nothing left.
    assert {url.rpartition("/")[0] for url in requests(browser)} <= {"https://evil.example"}


def test_a_request_would_be_noticed(show: Show) -> None:
    """The tests above see none because there is none."""
    browser = show('<!DOCTYPE html><title>x</title><img src="https://evil.example/x.png">')
    browser.until("document.images[0].complete")
    assert requests(browser) == ["https://evil.example/x.png"]


def test_the_state_and_a_failure_are_pages_too(show: Show) -> None:
    browser = show(render_records([(f"inv-{n}", held(n, n, notes="<b>note</b>")) for n in range(1, 400)], "html"))
    assert count(browser) == "399 rows"
    browser.click("#table tbody button")
    assert "<b>note</b>" in browser.run("return document.getElementById('detail').innerText")
    assert browser.log("browser") == []

    problem = Diagnostic("unknown-key", "<i>no</i> field", Location("m.yaml", 3, 7), "write `token`")
    failed = show(failure_as_html(DiagnosedError("the manifests are <u>invalid</u>", [problem]), "plan"))
    text = failed.run("return document.body.innerText")
    assert "the manifests are <u>invalid</u>" in text
    assert "m.yaml:3:7 error: <i>no</i> field write token" in text
    assert render_records([], "html").count("<script") == 0
