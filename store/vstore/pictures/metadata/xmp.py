"""Properties in a packet of XMP, found by the names that programs write them under. No XML is parsed."""

from __future__ import annotations

import re
from functools import lru_cache

from vstore.pictures.metadata.tiff_tags import clean

_TRIES = 16  # places where a name stands
_ENTITIES = {b"&lt;": b"<", b"&gt;": b">", b"&quot;": b'"', b"&apos;": b"'", b"&amp;": b"&"}
_ENTITY = re.compile(b"|".join(_ENTITIES))


def property_of(xmp: bytes, name: bytes) -> str:
    """Find a property by its name: an attribute or an element with text alone. "" if there is none."""
    at = -1
    for _ in range(_TRIES):
        at = xmp.find(name, at + 1)
        if at < 0:
            break
        found = _value(name).match(xmp, max(0, at - 1))
        if found is not None:
            text = found[2] if found[2] is not None else found[3]
            return clean(_ENTITY.sub(lambda one: _ENTITIES[one[0]], text))
    return ""


@lru_cache(32)
def _value(name: bytes) -> re.Pattern[bytes]:
    """Compile how a property stands in a packet: every part has a limit, so no packet makes it slow."""
    attribute = rb"""[\s]%b\s{0,8}=\s{0,8}(["'])([^"'<>]{0,1000})\1"""
    element = rb"<%b>([^<>]{0,1000})</%b>"
    return re.compile((attribute + rb"|" + element) % (name, name, name))
