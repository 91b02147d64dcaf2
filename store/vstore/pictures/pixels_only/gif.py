"""GIF without its comments and the extensions of programs."""

from __future__ import annotations

_EXTENSION, _PICTURE, _CONTROL = 0x21, 0x2C, 0xF9


def copy_of(data: bytes) -> bytes | None:
    """Copy a GIF without the extensions before its first picture, but for the one that tells its transparency."""
    at = 13  # signature and screen; then the colours, if there are any
    if len(data) < at:
        return None
    if data[10] & 0x80:
        at += 3 << (data[10] & 7) + 1
    kept = [data[:at]]
    while at + 2 < len(data) and data[at] == _EXTENSION:
        begin, control = at, data[at + 1] == _CONTROL
        at += 2
        while at < len(data) and data[at]:  # blocks: size, data
            at += 1 + data[at]
        at += 1
        if control:
            kept.append(data[begin:at])
    if at >= len(data) or data[at] != _PICTURE:
        return None
    return b"".join([*kept, data[at:]])
