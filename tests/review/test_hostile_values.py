"""Five hundred values through every format: whatever they hold, the output does nothing but show them."""

import json
import re
from typing import Any

import pytest
from declarations import declare, doubt, held, manifests, plan
from hostile import is_harmless
from payloads import PAYLOADS
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog
from rendered import acted_on, elements_of, github_renders

from reconcile.core.changes import Plan, Refusal
from reconcile.core.diagnostics import Diagnostic, Excerpt, Location, Severity
from reconcile.core.errors import DiagnosedError
from reconcile.core.quota import Limits
from reconcile.core.records import StateRecord
from reconcile.render.diagnostics import as_text as diagnostics_as_text
from reconcile.render.escape import escaped, json_document
from reconcile.render.github import diagnostics_as_github, failure_as_github, plan_as_github
from reconcile.render.markdown import MARKER
from reconcile.render.plan import View, render_plan
from reconcile.render.plan_html import plan_as_html
from reconcile.render.plan_markdown import plan_as_markdown
from reconcile.render.plan_text import plan_as_text
from reconcile.render.records import render_record, render_records
from reconcile.render.review_html import failure_as_html
from reconcile.render.review_markdown import diagnostics_as_markdown, failure_as_markdown
from reconcile.render.sarif import diagnostics_as_sarif

of_every_value = pytest.mark.parametrize("values", [PAYLOADS[start : start + 50] for start in range(0, 500, 50)])

OURS = {
    *("h3", "p", "strong", "code", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"),
}


def planned(value: str) -> Plan:
    """A plan that holds the value wherever a plan has room for a text."""
    place = f"manifests/{value}.yaml"
    declared = [
        declare("new", 1, file=place, token_source=f"file:{value}", notes=value),
        *(declare(f"new-{n}", 1, file=place, line=n) for n in range(1, 25)),
        declare("old", 2, file=value, notes=value),
        declare("unknown", 3, file=place),
    ]
    records = {"old": held(2, 2, notes=f"{value}!", token_source=f"env:{value}"), "gone": held(4, 4)}
    made = plan(manifests(*declared), records, doubts=[doubt("unknown", 3, at=value)])
    refusal = Refusal("max-deletes", f"1 delete of {value}, 0 allowed", ("old", value), f"use `{value}` or {value}")
    problems = (diagnosed(value),)
    return made._replace(refusals=(refusal,), diagnostics=problems, hints=problems, digest=f"sha256:{value}")


def diagnosed(value: str) -> Diagnostic:
    place = Location(f"manifests/{value}.yaml", 3, 7)
    return Diagnostic("unknown-provider", f'"{value}" is not a provider', place, f"write {value}", Severity.ERROR)


def record(value: str) -> StateRecord:
    return held(4, 4, notes=value, token_source=f"env:{value}")


@of_every_value
def test_a_value_does_nothing_on_github(values: list[str]) -> None:
    for value in values:
        for text in every_markdown(value):
            rendered = github_renders(text)
            assert {element for element, _ in rendered.found} <= OURS, (value, text)
            assert {attributes for _, attributes in rendered.found} <= {(), (("open", None),), (("open", ""),)}, value
            assert acted_on(rendered) == [], (value, text)
            assert rendered.comments in ([], [MARKER.removeprefix("<!--").removesuffix("-->")]), value
            assert is_harmless(text), (value, text)


def every_markdown(value: str) -> list[str]:
    made, found = planned(value), [diagnosed(value)]
    return [
        plan_as_markdown(made),
        plan_as_markdown(made, full=True),
        diagnostics_as_markdown(f"Invalid: {value}", found),
        failure_as_markdown(DiagnosedError(value, found), "plan"),
        render_records([("gone", record(value))], "markdown"),
        render_record("gone", record(value), "markdown"),
    ]


def test_what_github_acts_on_is_noticed() -> None:
    """The test above sees nothing because there is nothing to see."""
    text = "@octocat #1 GH-1 deadbeef0 https://x.example www.x.example :tada: $x$ a@x.example"
    assert len(acted_on(github_renders(text))) >= 5
    assert {"a"} <= {element for element, _ in github_renders(text).found}
    assert acted_on(github_renders(f"`{text}`")) == []


@of_every_value
def test_every_value_is_shown_in_tables_of_the_same_shape(values: list[str]) -> None:
    def shape(text: str) -> list[str]:
        kept = {"tr", "td", "th", "details", "table", "h3", "li"}
        return [element for element, _ in github_renders(text).found if element in kept]

    usual = shape(plan_as_markdown(planned("x")))
    assert [value for value in values if shape(plan_as_markdown(planned(value))) != usual] == []


@of_every_value
def test_a_value_is_no_workflow_command_and_ends_none(values: list[str]) -> None:
    for value in values:
        made, found = planned(value), [diagnosed(value)]
        for text in (
            plan_as_github(made, folder=value),
            diagnostics_as_github(found, value, folder=value),
            failure_as_github(DiagnosedError(value, found), folder=value),
            render_records([("gone", record(value))], "github"),
        ):
            for line in text.removesuffix("\n").split("\n"):
                level, properties, message = parsed(line)
                assert level in {"error", "warning", "notice"}, (value, line)
                assert properties.keys() <= {"file", "line", "col", "title"}, (value, line)
                assert message.isprintable()
            assert not any(mark in text for mark in ("##[", "##vso[", "\r")), (value, text)


def test_the_runner_reads_back_what_was_said() -> None:
    for value in PAYLOADS:
        written = diagnostics_as_github([diagnosed(value)], "Invalid.", folder="").partition("\n")[0]
        _, properties, message = parsed(written)
        assert decoded(properties["file"]) == escaped(f"manifests/{value}.yaml"), value
        said = (f'"{value}" is not a provider', f"write {value}")
        assert decoded(message) == "\n".join(map(escaped, said)), value


def decoded(written: str) -> str:
    """What the runner makes of an escaped value; the percent sign comes last."""
    for code, character in {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}.items():
        written = written.replace(code, character)
    return written


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner reads it."""
    assert line.startswith("::")
    assert line.isprintable()
    command, _, message = line[2:].partition("::")
    level, _, properties = command.partition(" ")
    pairs = [written.partition("=") for written in properties.split(",")]
    return level, {name: value for name, _, value in pairs}, message


@of_every_value
def test_a_value_in_json_and_sarif_is_a_string_and_prints_as_it_stands(values: list[str]) -> None:
    for value in values:
        if any("\ud800" <= character <= "\udfff" for character in value):
            continue  # no file that is read as UTF-8 holds half a character
        log = json_document(diagnostics_as_sarif([diagnosed(value)], folder=value))
        for document in (
            log,
            render_plan(planned(value), "json", View()),
            render_record("gone", record(value), "json"),
        ):
            assert is_harmless(document), (value, document)
            assert isinstance(json.loads(document), dict)
        assert_sarif(json.loads(log))


@of_every_value
def test_a_value_adds_no_element_to_a_page(values: list[str]) -> None:
    def shape(pages: list[str]) -> list[object]:
        """The elements and their attributes."""
        return [element for page in pages for element in elements_of(page).found]

    usual = shape(every_page("x"))
    for value in values:
        pages = every_page(value)
        assert shape(pages) == usual, value
        for page in pages:
            assert is_harmless(page), value
            assert page.isascii(), value
            data = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
            assert all(isinstance(json.loads(document), dict) for document in data), value


def every_page(value: str) -> list[str]:
    # Code between backticks becomes an element in sentences; these are the ones without.
    made, plain = planned(value), value.replace("`", "'")
    refusals = tuple(refusal._replace(message=plain, help=plain) for refusal in made.refusals)
    problem = diagnosed(value)._replace(help=plain)
    error = DiagnosedError(value, [problem])
    return [
        plan_as_html(
            made._replace(refusals=refusals, diagnostics=(problem,), hints=(problem,)),
            created_at=value,
            limits=Limits(),
        ),
        render_records([("gone", record(value))], "html"),
        failure_as_html(error, "plan"),
    ]


@of_every_value
def test_a_value_in_text_prints_as_it_stands(values: list[str]) -> None:
    for value in values:
        problem = diagnosed(value)._replace(excerpt=Excerpt(f"notes: {value}", 8, len(value)))
        for text in (
            plan_as_text(planned(value)),
            plan_as_text(planned(value), full=True),
            diagnostics_as_text([problem]),
            render_records([("gone", record(value))], "text"),
            render_record("gone", record(value), "text"),
        ):
            assert is_harmless(text), (value, text)


def assert_sarif(log: dict[str, Any]) -> None:
    """Valid by the official schema, as classes that were generated from it, and by what they do not say."""
    SarifLog.model_validate(log)
    for run in log["runs"]:
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert sorted(set(rules)) == rules
        assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
        for result in run["results"]:
            assert result["message"]["text"]
            assert all(location["physicalLocation"]["artifactLocation"]["uri"] for location in result["locations"])


def test_text_around_elements_is_read_as_github_reads_it() -> None:
    assert elements_of("<p>a<code>b</code></p>").looked_into == ["a"]
