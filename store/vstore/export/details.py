"""The facts and fields of all pictures of an export, in a file that has no name: any is found again by its key."""

from __future__ import annotations

import bisect
import json
import os
from array import array
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from vstore.disk.target import nameless
from vstore.export.pictures import Pictures
from vstore.format.canonical import Json
from vstore.format.facts import Column

if TYPE_CHECKING:
    from typing import Self


class DetailsFile:
    """The details of pictures as lines of JSON, in the order of the keys.

    facts:  the columns of facts that any picture has.
    fields: the types of the values of each field, by name.
    read:   a reader of facts saw some picture.
    """

    def __init__(self, pictures: Pictures, folder: Path) -> None:
        """Read all facts and fields. folder: of the file. Raises: Damage, OSError."""
        self._keys = pictures.keys
        self._ends = array("Q")
        self._file = nameless(folder)
        self.facts: set[Column] = set()
        self.fields: dict[str, set[type]] = {}
        self.read = False
        try:
            self._write(pictures)
        except BaseException:
            self._file.close()
            raise

    def _write(self, pictures: Pictures) -> None:
        at = 0
        for details in pictures.details():
            if details.fact is not None:
                self.read = True
                self.facts.update(details.fact.values)
            for name, value in details.fields.items():
                self.fields.setdefault(name, set()).add(type(value))
            line = json.dumps(details.to_json()).encode("ascii") + b"\n"
            self._file.write(line)
            at += len(line)
            self._ends.append(at)
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def of(self, key: bytes) -> dict[str, Json]:
        """Find the details of a picture, as JSON has them."""
        number = bisect.bisect_left(self._keys, key)
        begin = self._ends[number - 1] if number else 0
        found: dict[str, Json] = json.loads(os.pread(self._file.fileno(), self._ends[number] - begin, begin))
        return found

    @property
    def has_times(self) -> bool:
        """Some field is a time."""
        return any(datetime in types for types in self.fields.values())
