"""Fields: what a user says of a picture, a typed value under a name, as entries of a table. Pure.

One value has one spelling, so that equal fields have equal roots.
"""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta

from vstore.errors import Damage, UsageError
from vstore.format.leb128 import get_number, put_number

FieldValue = str | int | float | bool | datetime | tuple[str, ...]

NAME_BYTES = 200  # of a name at most, in UTF-8
TEXT_BYTES = 65_536  # of a text, or of all texts of a list, at most
ITEMS = 1_000  # texts of a list at most
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def field_key(key: bytes, name: str) -> bytes:
    """Write the key of a field: that of its picture, then its name. Raises: UsageError for a name that is none."""
    return key + _name(name)


def split_field_key(data: bytes, key_size: int) -> tuple[bytes, str]:
    """Read the key of a field. Returns: the key of its picture, its name. Raises: Damage."""
    key, name = data[:key_size], data[key_size:]
    try:
        text = name.decode("utf-8")
        _name(text)
    except (UnicodeDecodeError, UsageError) as err:
        raise Damage(f"a field has a name that cannot be read: {err}", "run: vstore check") from err
    return key, text


def encode_field(value: FieldValue) -> bytes:
    """Write a value: the letter of its type, then its content.

    value: a time has a time zone; it is kept in UTC, to the microsecond.
    Raises: UsageError for a value that no field may have.
    """
    if isinstance(value, bool):  # before int, of which it is a kind
        return b"b" + bytes([value])
    if isinstance(value, str):
        return b"t" + _text(value)
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise UsageError(f"the number {value} is too large for a field", "whole numbers lie within 64 bits")
        return b"i" + struct.pack("<q", value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UsageError(f"a field cannot be {value}", "give a finite number, or no field")
        return b"f" + struct.pack("<d", value + 0.0)  # -0.0 + 0.0 is 0.0
    if isinstance(value, datetime):
        if value.tzinfo is None or value.utcoffset() is None:
            raise UsageError(f"the time {value} has no time zone", "say one: datetime(…, tzinfo=UTC)")
        try:
            value.astimezone(UTC)
        except OverflowError as err:
            raise UsageError(f"the time {value} does not lie in the years 1 to 9999 of UTC", "give another") from err
        return b"d" + struct.pack("<q", (value - _EPOCH) // _MICROSECOND)
    if isinstance(value, tuple):
        return b"l" + _texts(value)
    raise UsageError(f"a field cannot be {value!r}", "give text, a number, true or false, a time, or a tuple of texts")


def decode_field(data: bytes) -> FieldValue:
    """Read a value. Raises: Damage if it is not a valid one in its one spelling."""
    try:
        value = _decoded(data)
        if encode_field(value) != data:
            raise ValueError("it has another spelling")
    except (ValueError, IndexError, OverflowError, struct.error, UsageError) as err:
        raise Damage(f"the value of a field cannot be read: {err}", "run: vstore check") from err
    return value


def _decoded(data: bytes) -> FieldValue:
    kind, content = data[:1], data[1:]
    if kind == b"t":
        return content.decode("utf-8")
    if kind == b"l":
        return _decoded_texts(content)
    if kind == b"b":
        return content != b"\0"
    if kind == b"i":
        return int(struct.unpack("<q", content)[0])
    if kind == b"f":
        return float(struct.unpack("<d", content)[0])
    if kind == b"d":
        return _EPOCH + timedelta(microseconds=struct.unpack("<q", content)[0])
    raise ValueError(f"its type is {kind!r}")


def _decoded_texts(content: bytes) -> tuple[str, ...]:
    count, at = get_number(content, 0)
    texts = []
    for _ in range(count):
        size, at = get_number(content, at)
        texts.append(content[at : at + size].decode("utf-8"))
        at += size
    return tuple(texts)


def _texts(texts: tuple[str, ...]) -> bytes:
    if len(texts) > ITEMS:
        raise UsageError(f"a list of {len(texts):,} texts is too long for a field", f"{ITEMS:,} at most")
    out = bytearray()
    put_number(out, len(texts))
    total = 0
    for text in texts:
        if not isinstance(text, str):
            raise UsageError(f"a list of texts cannot hold {text!r}", "give text")
        encoded = _text(text)
        total += len(encoded)
        if total > TEXT_BYTES:
            raise UsageError("the texts of a list are too long for a field", f"{TEXT_BYTES:,} bytes together at most")
        put_number(out, len(encoded))
        out += encoded
    return bytes(out)


def _text(text: str) -> bytes:
    encoded = _utf8(text)
    if len(encoded) > TEXT_BYTES:
        raise UsageError(f"a text of {len(encoded):,} bytes is too long for a field", f"{TEXT_BYTES:,} at most")
    return encoded


def _name(name: str) -> bytes:
    if not isinstance(name, str):
        raise UsageError(f"the name of a field cannot be {name!r:.100}", "give text")
    encoded = _utf8(name)
    if not 1 <= len(encoded) <= NAME_BYTES:
        raise UsageError(f"the name of a field has {len(encoded)} bytes", f"1 to {NAME_BYTES} bytes are allowed")
    if any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in name):
        raise UsageError(f"the name of a field cannot be {name!r}", "control characters are not allowed")
    return encoded


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as err:
        raise UsageError(f"{text!a} is not text", "give whole Unicode characters") from err
