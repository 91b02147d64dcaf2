"""LEB128: numbers of seven bits a byte, low bits first; the high bit says that more follow. Pure."""

from __future__ import annotations


def put_number(out: bytearray, number: int) -> None:
    """Append a number."""
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def get_number(data: bytes, at: int) -> tuple[int, int]:
    """Read the number at a place. Returns: it, and the place after it. Raises: ValueError, IndexError."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    number, shift = byte & 0x7F, 7
    while True:
        at += 1
        byte = data[at]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0:
                raise ValueError("a number has needless bytes")
            return number, at + 1
        shift += 7
        if shift > 56:  # none is as large as 2^63
            raise ValueError("a number is too long")
