"""The stores of other users that a user trusts, kept at each machine in the user's configuration.

Each is a file `vstore/trusted/DIGEST` there: whoever removes it takes the trust back. It names the folder and its
owner: if the folder comes to belong to somebody else, the user is asked again.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from vstore.disk import durable, inside, user_config
from vstore.format.canonical import canonical, parsed
from vstore.format.names import is_number

_LONGEST = 1 << 16  # bytes of such a file at most


class Trusted(NamedTuple):
    """A store that a user trusts.

    folder: its real folder.
    owner:  uid of its owner.
    """

    folder: Path
    owner: int

    @property
    def file(self) -> str:
        """The name of its file."""
        import hashlib  # only who trusts a store pays for it

        return hashlib.sha256(os.fsencode(self.folder)).hexdigest()

    def to_bytes(self) -> bytes:
        return canonical({"owner": self.owner, "store": str(self.folder)}) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Trusted:
        """Raises: ValueError."""
        value = parsed(data, _LONGEST)
        if type(value) is dict and type(value.get("store")) is str and is_number(value.get("owner")):
            found = cls(Path(value["store"]), value["owner"])
            if found.to_bytes() == data:
                return found
        raise ValueError("it names no store")


def folder_of(config: Path) -> Path:
    """Find the folder of such files in a configuration."""
    return config / "vstore" / "trusted"


def is_trusted(config: Path | None, store: Trusted) -> bool:
    """Tell whether a user trusts a store."""
    if config is None:
        return False
    try:
        return durable.read(folder_of(config) / store.file, _LONGEST) == store.to_bytes()
    except OSError:
        return False


def trusted(config: Path | None) -> list[Trusted]:
    """List the stores that a user trusts, by their folders. A file that is none of ours is passed over."""
    if config is None:
        return []
    found = []
    for name in inside.names_if_any(folder_of(config)):
        with contextlib.suppress(OSError, ValueError):
            store = Trusted.from_bytes(durable.read(folder_of(config) / name, _LONGEST))
            if store.file == name:
                found.append(store)
    return sorted(found)


def trust(config: Path, store: Trusted) -> None:
    """Trust a store from now on. Raises: DiskTrouble, ReadOnly."""
    user_config.put(folder_of(config) / store.file, store.to_bytes())


def distrust(config: Path, store: Trusted) -> None:
    """Take back the trust in a store. Raises: DiskTrouble, ReadOnly."""
    durable.remove(folder_of(config) / store.file)
