"""The consent of a user to the models that stores name, kept at each machine, outside every store.

A store may come from a stranger. What it says of the place, the download and the code of a model is a wish; here stands
what the user said. Each consent is a file of the user's configuration, `vstore/models/KIND-DIGEST`: whoever removes it
takes the consent back.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from vstore.disk import durable, user_config
from vstore.format.canonical import canonical
from vstore.paths import in_home

CODE, DOWNLOAD, PLACE, PLUGIN = "code", "download", "place", "plug-in"


class Wish(NamedTuple):
    """One thing that a store wants of a user for a model.

    kind:  CODE, DOWNLOAD, PLACE or PLUGIN.
    about: what exactly: digests of the code; REPOSITORY@COMMIT; the real path of a folder; a plug-in, a space and its
           words.
    """

    kind: str
    about: str

    @property
    def file(self) -> str:
        """The name of the file of a consent to it."""
        import hashlib  # loads libcrypto, which costs each command 2 ms, and few ask

        return f"{self.kind}-{hashlib.sha256(os.fsencode(self.about)).hexdigest()}"

    def to_bytes(self) -> bytes:
        return canonical({"about": self.about, "kind": self.kind}) + b"\n"


class Consent:
    """The wishes to which a user has consented.

    folder: of the files of earlier consents; None where the user has no configuration: it holds in this process alone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._given: set[Wish] = set()

    @classmethod
    def of_user(cls, config: Path | None = None) -> Consent:
        """Find the consents of the user of this process. config: the folder for configurations; None is ~/.config."""
        config = config or in_home(".config")
        return cls() if config is None else cls(config / "vstore" / "models")

    def has(self, wish: Wish) -> bool:
        """Tell whether the user has consented to a wish."""
        if wish in self._given:
            return True
        if self.folder is not None:
            with contextlib.suppress(OSError):
                given = wish.to_bytes()
                return durable.read(self.folder / wish.file, len(given)) == given
        return False

    def give(self, wishes: Iterable[Wish]) -> None:
        """Consent to wishes, from now on. In this process they hold even after an error.

        Raises: DiskTrouble, ReadOnly.
        """
        new = [wish for wish in wishes if not self.has(wish)]
        self._given.update(new)
        if self.folder is not None:
            for wish in new:
                user_config.put(self.folder / wish.file, wish.to_bytes())
