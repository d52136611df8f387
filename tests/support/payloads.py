"""Five hundred values that somebody might write into a manifest or an answer to trick whoever reads the output."""

from itertools import chain

from hostile import EVERYTHING

_MARKDOWN = [
    *("**bold**", "*x*", "__x__", "_x_", "~~gone~~", "# title", "- item", "1. item", "> quote", "> [!WARNING]", "---"),
    *("[x](https://evil.example)", "![x](https://evil.example/x.png)", "[x]: https://evil.example", "[^1]", "- [ ] x"),
    *(
        "<https://evil.example>",
        "https://evil.example",
        "http://evil.example/?q=1",
        "www.evil.example",
        "ftp://x.example",
    ),
    *("a@evil.example", "mailto:a@evil.example", "xmpp:a@evil.example", "@octocat", "@org/team", "hi @octocat!"),
    *("#1", "GH-1", "org/repo#1", "octocat#1", "JIRA-123", "deadbeef", "0123456789abcdef0123456789abcdef01234567"),
    *(
        ":tada:",
        ":+1:",
        "$x^2$",
        "$`x`$",
        "$$x$$",
        "`",
        "``",
        "` | `",
        "\\`",
        "`|`",
        "```",
        "~~~",
        "\\",
        "\\|",
        "\\\\|",
    ),
    *(
        "|",
        "a | b",
        "||",
        "|---|",
        "| a |\n|---|",
        "a  \nb",
        "a\n\nb",
        "\n\n# x",
        "&lt;b&gt;",
        "&#64;octocat",
        "&copy;",
    ),
    *(
        "[`](x)`",
        "`x`](y)",
        "*`*`",
        "a`b`c`d",
        "<!-- reconcile plan -->",
        "-->",
        "<!--",
        "]]>",
        "<?x?>",
        "<![CDATA[x]]>",
    ),
]
_HTML = [
    *("<script>window.owned=1</script>", "</script><script>window.owned=1</script>", "<!--<script>", "</style><b>"),
    *("<img src=x onerror=window.owned=1>", "<svg onload=window.owned=1>", "<b>x</b>", "<a href=javascript:owned=1>x"),
    *(
        "<iframe src=//evil.example>",
        "<base href=//evil.example>",
        "<meta http-equiv=refresh content=0>",
        "<details open>",
    ),
    *("</details>", "</summary>", "</code>", "</td></tr></table>", "</title>", "</textarea>", "<plaintext>", "<form>"),
    *('" onmouseover="owned=1', "' autofocus onfocus='owned=1", "<link rel=stylesheet href=//evil.example>", "<x-y>"),
    *(
        "javascript:owned=1",
        "data:text/html,<script>owned=1</script>",
        "{{7*7}}",
        "${{ secrets.X }}",
        "<%= 7 %>",
        "#{7}",
    ),
    *("${7*7}", "{% raw %}", "[[${7*7}]]", "__proto__", "constructor", "toString", "%00", "%0A::error::x", "%25"),
]
_OTHER = [
    *("=1+1", "+1+1", "-1+1", "@SUM(A1)", '=HYPERLINK("http://evil.example")', "\t=1+1", "\r=1+1", "=cmd|'/C calc'!A0"),
    *(
        "\x1b]8;;https://evil.example\x07x\x1b]8;;\x07",
        "\x1b[2J",
        "\x9b31m",
        "\x08\x08",
        "\x7f",
        "\ufeff",
        "\u200b",
        "\u200d",
    ),
    *(
        "\u202e",
        "\u2066x\u2069",
        "\u061c",
        "\u2028::error::x",
        "\u2029",
        "\x85",
        "\x0b::error::x",
        "\x0c",
        "\U000e0041",
    ),
    *(
        "::warning::x",
        "::stop-commands::x",
        "::group::x",
        "::debug::x",
        "##[group]x",
        "##vso[x]y",
        "##teamcity[x]",
        "::",
    ),
    *(
        "x\n::error::y",
        "x\r::error::y",
        "section_start:1:x\r\x1b[0K",
        "🎉",
        "日本語",
        "\U0001d4d0",
        "e\u0301",
        "\u3164",
        " ",
    ),
    *("x" * 5000, "`" * 200, "|" * 200, "<" * 200, "\u202e" * 200, "\U000e0101" * 200, "a " * 2000, "%" * 200),
    *(
        "C:\\x",
        "../../../etc/passwd",
        "a,b:c;d",
        "file=x,line=1::y",
        "\ud800",
        "\udcff.yaml",
        "NaN",
        "null",
        "-0",
        "1e999",
    ),
]
_SINGLE = [*_MARKDOWN, *_HTML, *_OTHER, *EVERYTHING]
_AROUND = [
    ("", "\n"),
    ("x ", " y"),
    ("(", ")"),
    ("`", "`"),
    ("<", ">"),
    ("\n", ""),
    ("| ", " |"),
    ('"', '"'),
    ("[", "](x)"),
]


def _between(value: str, number: int) -> str:
    before, after = _AROUND[number % len(_AROUND)]
    return f"{before}{value}{after}"


PAYLOADS: list[str] = list(
    dict.fromkeys(chain(_SINGLE, *([_between(value, n + turn) for n, value in enumerate(_SINGLE)] for turn in (0, 4))))
)[:500]
"""Each alone, and then between other characters that mean something."""
