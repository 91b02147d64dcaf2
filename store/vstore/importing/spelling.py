"""The spellings of a path: what a listed text may mean, and which file names are the same. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from vstore.pictures.spelling import composed as nfc

_DRIVE = rb"[A-Za-z]:[\\/]"
_WINDOWS = re.compile(rb"%s|\\\\|[^/]*\\[^/]*\Z" % _DRIVE)
_URL = re.compile(rb"file:(?://(?:localhost(?=/))?)?", re.IGNORECASE)
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
_NOT_ESCAPED = re.compile(rb"[^\x21-\x7e]|%(?![0-9A-Fa-f]{2})")  # a list of escaped paths has none of these


def is_escaped(paths: Iterable[bytes]) -> bool:
    """Tell whether the paths of a list are %-encoded: some hold an escape, and none a character that is escaped."""
    found = False
    for path in paths:
        if _NOT_ESCAPED.search(path) is not None:
            return False
        found = found or _ESCAPE.search(path) is not None
    return found


def readings(path: bytes, *, escaped: bool = False) -> tuple[bytes, ...]:
    """List the paths that a listed text may mean: the literal one, then those of text, URL and Windows.

    escaped: the list is %-encoded.
    """
    found = [path]
    plain = path.strip(b" \t\r\n\xc2\xa0") if path.strip() else path
    if len(plain) > 2 and plain[:1] == plain[-1:] and plain[:1] in (b'"', b"'"):
        plain = plain[1:-1]
    found.append(plain)
    url = _URL.match(plain)
    if url is not None:
        rest = plain[url.end() :]
        if re.match(rb"/[A-Za-z]:", rest):
            rest = rest[1:]  # file:///C:/pictures
        found += [unquote_to_bytes(rest), rest]
    elif escaped:
        found.append(unquote_to_bytes(plain))
    found += [one.replace(b"\\", b"/") for one in found if _WINDOWS.match(one)]
    return tuple(dict.fromkeys(found))


def composed(name: bytes) -> bytes:
    """Bring a name or path to one Unicode form: composed (NFC). Bytes that are not UTF-8 stay."""
    if name.isascii():
        return name
    try:
        return nfc(name.decode()).encode()
    except UnicodeDecodeError:
        return name


def loose(name: bytes) -> bytes:
    """Bring a name or path to one Unicode form and one letter case. Bytes that are not UTF-8 stay."""
    if name.isascii():
        return name.lower()
    try:
        return nfc(nfc(name.decode()).casefold()).encode()
    except UnicodeDecodeError:
        return name
