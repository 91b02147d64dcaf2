"""The reasons why a picture has no vector, and how a decoder's error becomes one."""

from __future__ import annotations

import re

PASSING = frozenset({"permission", "io"})  # kinds of failures that the next try may not meet
_LONGEST = 200  # characters of what a decoder says
_CUT = (
    "truncat",
    "end of file",
    "premature",
    "unexpected end",
    "not enough data",
    "broken data stream",
    "no more images",
)


class PictureFailure(Exception):
    """A picture that has no vector. One bad picture stops no run.

    kind:   for programs: permission io truncated not_an_image too_large bomb needs_extra model.
    reason: one line for people.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


def failure_of(err: Exception, data: bytes) -> PictureFailure:
    """Turn a decoder's error into a failure."""
    from PIL.Image import DecompressionBombError

    text = " ".join(str(err).split())[:_LONGEST] or type(err).__name__
    if isinstance(err, DecompressionBombError):
        claimed = re.search(r"\((\d+) pixels\)", text)
        return bomb(claimed[1], int(claimed[1])) if claimed else PictureFailure("bomb", text)
    if isinstance(err, EOFError) or any(word in text.lower() for word in _CUT) or _is_cut(data):
        return PictureFailure("truncated", f"the file is cut short ({text})")
    return PictureFailure("not_an_image", f"it cannot be decoded ({text})")


def bomb(claimed: str, pixels: int) -> PictureFailure:
    """Refuse a picture for its size. claimed: the size as its header says it."""
    return PictureFailure("bomb", f"it claims {claimed} pixels; if you trust it, add --max-pixels {pixels}")


def _is_cut(data: bytes) -> bool:
    """Tell whether the header of a picture says that it is longer: not every decoder says why it gives up."""
    if data[:4] == b"RIFF":
        return 8 + int.from_bytes(data[4:8], "little") > len(data)
    if data[:4] in (b"II*\0", b"MM\0*"):
        return int.from_bytes(data[4:8], "little" if data[:1] == b"I" else "big") >= len(data)
    if data[4:8] != b"ftyp":
        return False
    at = 0
    while at + 16 <= len(data):  # boxes: size, name
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            return False  # 0: up to the end
        at += size
    return at != len(data)
