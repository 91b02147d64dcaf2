"""Names that differ in their spelling alone: in the form of Unicode, and on some disks in letter case."""

from __future__ import annotations

import os


def composed(text: str) -> str:
    """Return a text in the composed form of Unicode (NFC): the disks of Macs give names back in another one."""
    if text.isascii():
        return text
    import unicodedata

    return unicodedata.normalize("NFC", text)


def on_disk(folder: bytes, path: bytes) -> bytes | None:
    """Find a path below a folder whose names have another form of Unicode; None if there is none."""
    found: list[bytes] = []
    for name in path.split(b"/"):
        here = os.path.join(folder, *found)
        if not os.path.lexists(os.path.join(here, name)):
            wanted = composed(os.fsdecode(name))
            try:
                name = next(other for other in os.listdir(here) if composed(os.fsdecode(other)) == wanted)
            except (OSError, StopIteration):
                return None
        found.append(name)
    return b"/".join(found)


def folds_case(place: bytes) -> bool:
    """Tell whether a folder finds its entries in any letter case, as on most disks of Macs and Windows.

    False where it cannot be told: it is unreadable, or no entry has a letter.
    """
    try:
        with os.scandir(place) as entries:
            name = next((e.name for e in entries if e.name.swapcase() != e.name and e.name.isascii()), None)
        if name is None:
            return False
        one, other = (os.lstat(os.path.join(place, spelled)) for spelled in (name, name.swapcase()))
        if (one.st_dev, one.st_ino) != (other.st_dev, other.st_ino):
            return False
        return name.swapcase() not in os.listdir(place)  # two names of one file are listed
    except OSError:
        return False
