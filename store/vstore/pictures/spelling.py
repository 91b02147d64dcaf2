"""Names that differ in their spelling alone: in the form of Unicode, and on some disks in letter case."""

from __future__ import annotations

import os

# Equal by `re.IGNORECASE`, and neither by `casefold` nor by `lower`.
_CASELESS: dict[int, int | str] = {0x130: "i", 0x131: "i", 0x1FD3: 0x390, 0x1FE3: 0x3B0, 0xFB05: 0xFB06}


def composed(text: str) -> str:
    """Return a text in the composed form of Unicode (NFC): the disks of Macs give names back in another one."""
    if text.isascii():
        return text
    import unicodedata

    return unicodedata.normalize("NFC", text)


def caseless(text: str) -> str:
    """Return a text that is equal for texts which `re.IGNORECASE` takes for equal, and only for them."""
    if text.isascii():
        return text.lower()
    return "".join(map(_caseless_character, text.translate(_CASELESS)))


def _caseless_character(char: str) -> str:
    for form in (char.casefold(), char.lower()):
        if len(form) == 1:
            return form
    return char


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


class ListedNames:
    """The names below a folder as its disk lists them, where it finds them in any letter case.

    folds: it does. Else every name is right as it is.
    """

    def __init__(self, place: bytes) -> None:
        self.folds = folds_case(place)
        self._place = place
        self._listed: dict[bytes, dict[str, bytes]] = {}

    def spelled(self, path: bytes) -> bytes:
        """Spell a path below the folder as the disk lists it; a part that is not there stays as it is."""
        if not self.folds:
            return path
        found: list[bytes] = []
        for name in path.split(b"/"):
            listed = self._names(os.path.join(self._place, *found))
            found.append(listed.get(_folded(name), name))
        return b"/".join(found)

    def _names(self, folder: bytes) -> dict[str, bytes]:
        if folder not in self._listed:
            try:
                self._listed[folder] = {_folded(name): name for name in os.listdir(folder)}
            except OSError:
                self._listed[folder] = {}
        return self._listed[folder]


def _folded(name: bytes) -> str:
    return composed(os.fsdecode(name)).casefold()
