"""Colour, where it is wanted: nothing but text otherwise."""

from typing import NamedTuple

_CODES = {"red": "31", "green": "32", "yellow": "33", "magenta": "35", "cyan": "36", "bold": "1"}


class Style(NamedTuple):
    """How to print. Without colour, every method gives back its text."""

    colour: bool = False

    def paint(self, text: str, colour: str) -> str:
        """The text in one of the terminal's own colours; unchanged for an unknown or empty one."""
        code = _CODES.get(colour)
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code else text

    def bold(self, text: str) -> str:
        """The text in bold."""
        return self.paint(text, "bold")
