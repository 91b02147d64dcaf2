"""Addresses that people type where a file is meant: `file:///home/a.jpg`, `https://e.org/a.jpg`, `data:image/png,…`."""

from __future__ import annotations

import os
import re

from vstore.errors import UsageError
from vstore.quoting import quoted

# Compiled when a picture is not there at once: few commands ask.
_ADDRESS = r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://\S+"
_DATA = r"data:[A-Za-z0-9.+/-]*[;,].*"


def file_of_address(word: bytes) -> bytes:
    """Give the path that a `file://` address means, percent-decoded; any other word as it is. Raises: UsageError."""
    if word[:5].lower() != b"file:" or not word[5:].startswith(b"/"):
        return word
    from urllib.parse import unquote_to_bytes, urlsplit  # few name a file so

    address = urlsplit(os.fsdecode(word))
    if address.netloc.lower() not in ("", "localhost"):
        raise UsageError(
            f"{os.fsdecode(word)} is on the machine {address.netloc}",
            "mount its disk here, and name the file by its path",
        )
    rest = word[5 + 2 + len(os.fsencode(address.netloc)) :] if word[5:7] == b"//" else word[5:]
    return unquote_to_bytes(rest)


def refuse_address(word: str, use: str = "search with") -> None:
    """Refuse the address of something that is not on this disk: vstore downloads no picture.

    use:    the command, and what it does: `search with` that.
    Raises: UsageError.
    """
    command = use.partition(" ")[0]
    if re.fullmatch(_DATA, word, re.IGNORECASE | re.DOTALL):
        raise UsageError(
            f"{word[:40]}… holds the picture itself, and vstore takes files",
            f"save it to a file (base64 -d), and {use} that",
        )
    found = re.fullmatch(_ADDRESS, word)
    if found is None or found["scheme"].lower() == "file":
        return
    save = f"curl -Lo query.jpg {quoted(word)}" if found["scheme"].lower() in ("http", "https", "ftp") else ""
    raise UsageError(
        f"{word} is an address, and vstore downloads no pictures",
        f"save it first: {save}, and {use} it: vstore {command} ./query.jpg"
        if save
        else f"save it to a file, and {use} that",
    )


def file_meant(word: bytes, use: str) -> bytes:
    """Give the path that a word means: of a `file:` address its file; any other word as it is.

    use:    as in `refuse_address`.
    Raises: UsageError for an address of something that is not on this disk.
    """
    if b":" not in word or os.path.lexists(word):
        return word
    refuse_address(os.fsdecode(word), use)
    return file_of_address(word)
