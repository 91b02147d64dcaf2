"""Names of models on the hub: OWNER/NAME, or hf://OWNER/NAME/FOLDER for a folder in a repository. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_SCHEME = "hf://"
_PART = re.compile(r"[\w.-]+")


class HubName(NamedTuple):
    """A name on the hub.

    repository: OWNER/NAME.
    folder:     a folder in it, or empty.
    """

    repository: str
    folder: str

    @property
    def written(self) -> str:
        """The name as it is written for --model."""
        return f"{_SCHEME}{self.repository}/{self.folder}" if self.folder else self.repository

    def inside(self, name: str) -> str:
        """Write the path of a file in the repository."""
        return f"{self.folder}/{name}" if self.folder else name


def hub_name(name: str) -> HubName | None:
    """Read a name on the hub; None if it is none."""
    parts = name.removeprefix(_SCHEME).strip("/").split("/") if name.startswith(_SCHEME) else name.split("/")
    if not all(_PART.fullmatch(part) and not part.startswith(".") for part in parts):
        return None
    if len(parts) == 2 or (name.startswith(_SCHEME) and len(parts) > 2):
        return HubName("/".join(parts[:2]), "/".join(parts[2:]))
    return None
