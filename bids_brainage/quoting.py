"""What files and people say, fit to be shown: nothing in it that a terminal or a page would obey."""

from __future__ import annotations

LONGEST = 200
# Invisible, but letters of some scripts are joined or kept apart by them.
_JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    """The text with spaces for line ends and the like, and ``?`` for control and direction characters."""
    return "".join(
        " " if letter.isspace() else letter if letter.isprintable() or letter in _JOINERS else "?"
        for letter in text
    )


def one_line(value: object) -> str:
    """What a file says, fit to stand in a sentence: on one line, printable and not too long."""
    text = printable(" ".join(str(value).split()))
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."


def has_controls(text: str) -> bool:
    """Whether there are control characters in it, line ends and tabs among them."""
    return any(ord(character) < 32 or ord(character) == 127 for character in text)


def is_utf8(text: str) -> bool:
    """Whether it can be written in UTF-8; names of files need not be."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
