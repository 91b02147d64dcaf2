"""The kinds of words that people type for a picture, told by their form. Pure."""

from __future__ import annotations

import os
import re

from vstore.errors import UsageError
from vstore.quoting import quoted

# Compiled when a picture is not there at once: few searches ask.
_ADDRESS = r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://\S+"
_DATA = r"data:[A-Za-z0-9.+/-]*[;,].*"
_PICTURE = r".*[^/\s.]\.(jpe?g|jpe|jfif|png|apng|webp|gif|tiff?|bmp|hei[cf]|hif|avif|jxl|jp2)"
_VIDEO = r".*\.(mp4|m4v|mov|avi|mkv|webm|wmv|flv|mpe?g|mts|m2ts|3gp|ogv)"


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


def refuse_address(word: str) -> None:
    """Refuse the address of something that is not on this disk: vstore downloads no picture. Raises: UsageError."""
    if re.fullmatch(_DATA, word, re.IGNORECASE | re.DOTALL):
        raise UsageError(
            f"{word[:40]}… holds the picture itself, and vstore searches with files",
            "save it to a file (base64 -d), and search with that",
        )
    found = re.fullmatch(_ADDRESS, word)
    if found is None or found["scheme"].lower() == "file":
        return
    save = f"curl -Lo query.jpg {quoted(word)}" if found["scheme"].lower() in ("http", "https", "ftp") else ""
    raise UsageError(
        f"{word} is an address, and vstore downloads no pictures",
        f"save it first: {save}, and search with it: vstore search ./query.jpg"
        if save
        else "save it to a file, and search with that",
    )


def refuse_pattern(word: str) -> None:
    """Refuse a pattern for pictures that a shell left as it is, as no file matched. Raises: UsageError."""
    if re.search(r"[*?]|\[.+\]", word) and names_picture(word) and " " not in word:
        glob = quoted(word.rpartition("/")[2])
        raise UsageError(f"no file matches {word}", f"name a picture file, or look for some with: vstore find {glob}")


def names_picture(word: str) -> bool:
    """Tell whether a word ends as the name of a picture does."""
    return re.fullmatch(_PICTURE, word, re.IGNORECASE) is not None


def refuse_video(word: str) -> None:
    """Refuse a video by its name. Raises: UsageError."""
    if re.fullmatch(_VIDEO, word, re.IGNORECASE | re.DOTALL):
        raise UsageError(
            f"{word} is a video, and vstore searches with pictures",
            f"take a picture out of it first: ffmpeg -i {quoted(word)} -frames:v 1 frame.png",
        )
