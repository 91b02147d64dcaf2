"""Names and numbers that a store holds, as FORMAT.md allows them: checked before one becomes a path or a size. Pure."""

from __future__ import annotations

import os

_HEX = "0123456789abcdef"
_DIGITS = "0123456789"
_LONGEST_LABEL = 255  # bytes
LONGEST_PATH = 32_767  # bytes of a stored path


def is_digest(value: object, digits: int) -> bool:
    """Tell whether a value is this many small hex digits."""
    return type(value) is str and len(value) == digits and not value.strip(_HEX)


def is_number(value: object, least: int = 0, most: int = (1 << 63) - 1) -> bool:
    """Tell whether a value is a whole number of a range."""
    return type(value) is int and least <= value <= most


def is_place(value: str) -> bool:
    """Tell whether a value is a place of a list: a decimal number below 2^63, without zeros before it."""
    return 0 < len(value) < 20 and not value.strip(_DIGITS) and (value[0] != "0" or value == "0")


def is_snapshot(value: object) -> bool:
    """Tell whether a value is `v` and a number, or such a one of another store: NAME, a slash, `v` and a number."""
    if type(value) is not str:
        return False
    origin, slash, own = value.rpartition("/")
    number = own[1:]
    fits = own[:1] == "v" and 0 < len(number) < 19 and not number.strip(_DIGITS) and number[0] != "0"
    return fits and (not slash or is_origin(origin))


def is_origin(value: str) -> bool:
    """Tell whether a value may be the name of another store."""
    fits = 0 < len(value) <= 100 and value.isprintable() and value[0] not in "-+."
    return fits and not any(c in "@~{}/\\: " for c in value)


def is_label(value: object) -> bool:
    """Tell whether a value is one name of a path."""
    if type(value) is not str:
        return False
    try:
        name = os.fsencode(value)
    except UnicodeEncodeError:  # half a character
        return False
    return is_stored_path(name) and b"/" not in name and len(name) <= _LONGEST_LABEL


def is_stored_path(path: bytes) -> bool:
    """Tell whether bytes are names joined by slashes, none of which leads elsewhere."""
    whole = b"/" + path + b"/"
    led = b"//" in whole or b"/./" in whole or b"/../" in whole
    return len(path) <= LONGEST_PATH and not led and b"\0" not in path
