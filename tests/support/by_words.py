"""Bytes written from the words of FORMAT.md alone, and numbers taken out of its tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

from support.format_page import table


def leb(number: int) -> bytes:
    """7 bits a byte, low bits first, the high bit says that more follow."""
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + leb(rest) if rest else bytes([low])


def keys_of_a_page(keys: Sequence[bytes]) -> bytes:
    """Bytes shared with the one before, length of the rest, the rest."""
    out, before = b"", b""
    for key in keys:
        shared = max(size for size in range(len(key) + 1) if before[:size] == key[:size])
        out += leb(shared) + leb(len(key) - shared) + key[shared:]
        before = key
    return out


def numbers_in(text: str) -> list[int]:
    """The numbers of a text, as it writes them: 1,048,576."""
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)]


def about(part: str, name: str) -> str:
    """What a table of parts says of one of them."""
    (row,) = [row for row in table(name) if row["part"] == part]
    return row["what"]


def bits(given: Sequence[bool]) -> bytes:
    """Bit i mod 8 (lowest first) of byte i / 8."""
    out = bytearray(-(-len(given) // 8))
    for i, is_given in enumerate(given):
        out[i // 8] |= is_given << i % 8
    return bytes(out)
