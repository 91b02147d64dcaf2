"""The folders of pictures that a user named for a store, kept at each machine in the user's configuration.

A store says where its pictures lie, and may come from a stranger: what it says of a place outside its own folder is
followed only where the user named that place. Each is a file `vstore/places/DIGEST`: whoever removes it is asked again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import xxhash

from vstore.disk import durable
from vstore.errors import DiskTrouble, ReadOnly
from vstore.format.canonical import SMALL, canonical, path_to_json
from vstore.quick_tuple import NamedTuple


class NamedPlace(NamedTuple):
    """A folder of pictures that a user named for one store.

    store: the id of the store.
    label: of the folder.
    place: its absolute path, as the store has it.
    real:  its real path when it was named: a link that comes into its place later is another folder.
    """

    store: str
    label: str
    place: bytes
    real: bytes

    @property
    def file(self) -> str:
        """The name of its file. The file says it all again, so that nobody gains by another one with this name."""
        return xxhash.xxh3_128_hexdigest(canonical([self.store, self.label, path_to_json(self.place)]))

    def to_bytes(self) -> bytes:
        paths = {"place": path_to_json(self.place), "real": path_to_json(self.real)}
        return canonical({"label": self.label, "store": self.store, **paths}) + b"\n"


class NamedPlaces:
    """The folders of pictures that a user named.

    folder: of their files; None where the user has no configuration: they hold in this process alone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._named: dict[str, bytes] = {}

    @classmethod
    def of_user(cls, config: Path | None) -> NamedPlaces:
        """Find those of a user. config: the folder for configurations, if there is one."""
        return cls(None if config is None else config / "vstore" / "places")

    def has(self, place: NamedPlace, real: Callable[[], bytes]) -> bool:
        """Tell whether the user named a folder.

        real: finds its real path now; called only if it was named by its path: even a look may be too much.
        """
        kept = self._kept(place)
        return kept is not None and kept == place._replace(real=real()).to_bytes()

    @property
    def can_keep(self) -> bool:
        """True if a file can be made in the folder, as far as a look tells."""
        if self.folder is None:
            return False
        there = next(one for one in (self.folder, *self.folder.parents) if os.path.lexists(one))
        return os.path.isdir(there) and os.access(there, os.W_OK)

    def keep(self, place: NamedPlace) -> None:
        """Note a folder that the user names. Where that cannot be kept, it holds in this process."""
        if self.has(place, lambda: place.real):
            return
        self._named[place.file] = place.to_bytes()
        if self.folder is not None:
            from vstore.disk import user_config  # a folder is named once

            with contextlib.suppress(DiskTrouble, ReadOnly):
                user_config.put(self.folder / place.file, place.to_bytes())
                del self._named[place.file]

    def _kept(self, place: NamedPlace) -> bytes | None:
        name = place.file
        if name not in self._named and self.folder is not None:
            try:
                return durable.read(self.folder / name, SMALL)
            except OSError:
                return None
        return self._named.get(name)
