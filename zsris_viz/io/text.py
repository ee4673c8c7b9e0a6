"""Text that is safe to print."""

from __future__ import annotations

_JOINERS = "\u200c\u200d"  # invisible, but needed by some scripts and emoji


def printable(text: str) -> str:
    r"""Replace characters that control a terminal or cannot be encoded by escape sequences.

    Control characters (ANSI sequences, line breaks), marks that reverse the writing direction, and lone surrogates are
    replaced; letters, accents and emoji stay.

    Example:
        >>> printable("red \x1b[31mcat")
        'red \\x1b[31mcat'
    """
    return "".join(
        character
        if character.isprintable() or character in _JOINERS
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def storable(text: str) -> str:
    r"""Replace lone surrogates, which no file in UTF-8 can hold, by the replacement character.

    Damaged JSON and pickles may hold them. Pairs that stand for one character are joined.

    Example:
        >>> storable("cat \ud800")
        'cat \ufffd'
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def shorten(text: str, length: int = 80) -> str:
    """Cut a text to at most `length` characters, the last three of which are then dots."""
    return text if len(text) <= length else text[: length - 3] + "..."
