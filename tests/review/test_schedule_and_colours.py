"""The figures and colours of a page, which need no browser."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.core.quota import Limits, price, writes_by_day
from reconcile.render import html_page
from reconcile.render.charts import schedule

STYLE = (Path(html_page.__file__).parent / "page" / "page.css").read_text(encoding="ascii")


@given(st.integers(0, 30_000), st.integers(1, 6000), st.integers(0, 7000))
def test_the_schedule_has_as_many_days_as_the_price_and_every_write_once(writes: int, per_day: int, used: int) -> None:
    limits = Limits(None, per_day, None, None, None, None)
    by_day = writes_by_day(writes, limits, max(0, per_day - used))
    assert sum(by_day) == writes
    assert len(by_day) == price(writes, 0, limits, used)[1]
    assert all(0 <= n <= per_day for n in by_day)


def test_without_a_limit_a_day_everything_is_sent_today() -> None:
    unlimited = Limits(None, None, None, None, None, None)
    assert writes_by_day(7, unlimited, None) == (7,)
    assert writes_by_day(0, unlimited, None) == writes_by_day(0, Limits(), 0) == ()
    assert writes_by_day(7, Limits(writes_per_day=5), None) == (5, 2)


def test_days_that_are_alike_share_a_bar() -> None:
    drawn = schedule((3180, *[5000] * 9, 1820), 50_000)
    names = re.findall(r'<text x="0" y="\d+">([^<]*)</text>', drawn)
    assert names == ["Day 1 · 53 min", "Days 2 to 10, each · 1 h 23 min", "Day 11 · 30 min"]


def luminance(colour: str) -> float:
    """As WCAG 2 defines it."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_every_text_stands_out_from_what_is_behind_it(scheme: int) -> None:
    """WCAG 2 AA: a contrast of 4.5 for text."""
    block = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
    inks = colours.keys() - {"paper", "raised", "line"}
    assert {"ink", "quiet", "create", "delete", "in-doubt"} <= inks
    for name in inks:
        for behind in ("paper", "raised"):
            darker, lighter = sorted((luminance(colours[name]), luminance(colours[behind])))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (name, behind)
