"""What GitHub makes of Markdown, as far as parsers can tell: its elements, and the text that it would look into.

CommonMark with tables, strikethrough and bare links is parsed by markdown-it. GitHub then looks for mentions,
references, emoji and mathematics in the text of the result, but not in that of code.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from markdown_it import MarkdownIt

_NOT_LOOKED_INTO = {"code", "pre", "a", "tt", "script", "style"}
_VOID = {"br", "hr", "img", "meta", "link", "input", "base"}
_GITHUB_ACTS_ON = re.compile(
    r"@\w|#\d|\b[A-Za-z]{2,}-\d|\b[0-9a-f]{7,40}\b|://|www\.|:[\w+-]+:|\$|[*_~]{2}|&#?\w+;|\[[!^ x]", re.IGNORECASE
)


@dataclass
class Elements(HTMLParser):
    """The elements of a piece of HTML with their attributes, and its text by whether GitHub looks into it."""

    found: list[tuple[str, tuple[tuple[str, str | None], ...]]] = field(default_factory=list)
    open_elements: list[str] = field(default_factory=list)
    looked_into: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(attrs)))
        if tag not in _VOID:
            self.open_elements.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_elements, f"</{tag}> ends nothing"
        assert self.open_elements.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if not _NOT_LOOKED_INTO.intersection(self.open_elements):
            self.looked_into.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def elements_of(html: str) -> Elements:
    """Parses HTML in which every element that is opened is closed."""
    parser = Elements()
    parser.feed(html)
    parser.close()
    assert parser.open_elements == []
    return parser


def github_renders(markdown: str) -> Elements:
    """The elements that GitHub would show."""
    parser = MarkdownIt("commonmark", {"html": True, "linkify": True}).enable(["table", "strikethrough", "linkify"])
    return elements_of(parser.render(markdown))


def acted_on(rendered: Elements) -> list[str]:
    """What GitHub would turn into a mention, a reference, a link, an emoji or a formula."""
    return [match[0] for text in rendered.looked_into for match in _GITHUB_ACTS_ON.finditer(text)]
