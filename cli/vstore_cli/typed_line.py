"""A command line that is still being typed: its words as a shell reads them. Pure."""

from __future__ import annotations

from typing import NamedTuple

_PLAIN = "%+,-./:=@_"  # besides letters and digits, characters that mean nothing to a shell inside a word


class Typed(NamedTuple):
    """A command line up to the cursor.

    words: the words before the last one, without their quotes.
    last:  the last word, which is being typed; empty after a space.
    raw:   the same with its quotes.
    quote: the quote that is still open in it, or empty.
    """

    words: tuple[str, ...]
    last: str
    raw: str
    quote: str


def split(line: str) -> Typed:
    """Split a command line into words. A quote that is still open ends with the line."""
    words: list[str] = []
    text, raw, quote = "", "", ""
    is_word = is_escaped = False
    for char in line:
        if is_escaped:
            text, raw, is_escaped = text + (char if char != "\n" else ""), raw + char, False
        elif char == "\\" and quote != "'":
            raw, is_word, is_escaped = raw + char, True, True
        elif quote:
            raw += char
            if char == quote:
                quote = ""
            else:
                text += char
        elif char in "'\"":
            raw, is_word, quote = raw + char, True, char
        elif char.isspace():
            if is_word:
                words.append(text)
            text, raw, is_word = "", "", False
        else:
            text, raw, is_word = text + char, raw + char, True
    return Typed(tuple(words), text, raw, quote)


def escaped(value: str, quote: str = "") -> str | None:
    """Write a value so that bash takes it for this one word, whoever made it up.

    quote: the quote in which it stands. Returns: None if it cannot stand in it.
    """
    if quote:
        return None if set(value) & set({"'": "'"}.get(quote, '"$`\\!')) else quote + value
    written = "".join(char if char.isalnum() or char in _PLAIN else f"\\{char}" for char in value)
    return written if value[:1] == "~" else written.replace("\\~", "~")  # only there it means a home
