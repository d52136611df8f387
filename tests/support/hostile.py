"""Texts that a manifest or the API might hold to trick whoever reads the output."""

ANSI = "\x1b[31mred\x1b[0m"
BIDI = "left\u202eright\u2066"
LINES = "one\r\ntwo\x85three\u2028four"
COMMANDS = [
    "::error file=x::y",
    "##[error]bad",
    "##vso[task.setvariable]x",
    "\n::add-mask::x",
    "  ::set-output name=a::b",
]
EVERYTHING = [ANSI, BIDI, LINES, "\x00\x07\x9b31m", "(\x1b[31mnot managed", *COMMANDS]


def is_harmless(output: str) -> bool:
    """Whether every line prints as it stands, and none can be read as a command by a CI service."""
    lines = output.split("\n")
    return all(line.isprintable() and not line.lstrip().startswith("::") for line in lines) and not any(
        mark in output for mark in ("##[", "##vso[")
    )
