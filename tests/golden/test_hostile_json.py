"""JSON output says the same as before it was made safe to print."""

import json

from hypothesis import given
from hypothesis import strategies as st

from reconcile.render.escape import escaped, escaped_json


@given(st.dictionaries(st.text(), st.text()))
def test_a_document_made_safe_reads_back_the_same(document: dict[str, str]) -> None:
    written = json.dumps(document, ensure_ascii=False)
    assert json.loads(escaped_json(written)) == document


def test_nothing_invisible_and_no_command_stands_raw_in_json() -> None:
    written = escaped_json(json.dumps({"notes": "a\u202eb ##vso[task.complete] \x7f \U000e0101"}, ensure_ascii=False))
    assert written.isprintable()
    assert "##" not in written
    assert escaped(written) == written
