"""The leaves of a table: keys as the paths of an alias leaf, the lengths of all values, then the values. Pure."""

from __future__ import annotations

from vstore.errors import UsageError
from vstore.format.leb128 import get_number, put_number
from vstore.format.pages import LONGEST_KEY, TABLE, Entry, begin_page, get_keys, magic, no_page, put_keys, rises

LONGEST = 1_048_576  # bytes of a value at most
FULL = 65_536  # bytes of values that a leaf of several entries may hold


def encode_table_leaf(entries: list[Entry]) -> bytes:
    """Write a leaf of entries in rising order of their keys. Raises: UsageError for a value that is too long."""
    out = bytearray(magic(TABLE, 0))
    put_number(out, len(entries))
    put_keys(out, [key for key, _ in entries])
    for _, value in entries:
        if len(value) > LONGEST:
            raise UsageError(f"a value of {len(value):,} bytes is longer than the {LONGEST:,} that a store holds")
        put_number(out, len(value))
    for _, value in entries:
        out += value
    return bytes(out)


def decode_table_leaf(data: bytes) -> list[Entry]:
    """Read a leaf. Raises: Damage if it is not a valid one."""
    try:
        count, at = begin_page(data, TABLE, 0)
        keys, at = get_keys(data, at, count, LONGEST_KEY)
        if not rises(keys):
            raise ValueError("its keys are out of order")
        lengths = []
        for _ in keys:
            length, at = get_number(data, at)
            lengths.append(length)
        if lengths and max(lengths) > LONGEST:
            raise ValueError(f"it holds a value of {max(lengths)} bytes")
        if len(data) != at + sum(lengths):
            raise ValueError("its length is wrong")
        entries = []
        for key, length in zip(keys, lengths, strict=True):
            entries.append((key, data[at : at + length]))
            at += length
        return entries
    except (ValueError, IndexError) as err:
        raise no_page(TABLE, err) from err
