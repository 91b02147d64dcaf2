"""Vectors in JSON lines: an object with a vector and its paths a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vstore.errors import UsageError
from vstore.importing.shapes import VECTOR_FIELDS

if TYPE_CHECKING:
    from vstore.importing.source import Array

STEP = "write an object with a list of numbers a line"


class LinesSource:
    """The vectors of a file of JSON lines, which are found again by their places in it.

    objects: the objects without their vectors.
    """

    def __init__(self, path: Path) -> None:
        """Read the file once. Raises: UsageError, naming the line."""
        self._path = path
        self._places: list[int] = []
        self.objects: list[dict[str, Any]] = []
        self._field: str | None = None
        self.dim = 0
        try:
            with path.open("rb") as file:
                at = 0
                for number, line in enumerate(file, 1):
                    if line.strip():
                        self._note(number, at, line)
                    at += len(line)
        except OSError as err:
            raise UsageError(f"{path} cannot be read: {err.strerror or err}") from err
        if not self._places:
            raise self._wrong("it is empty")
        self.files: tuple[Path, ...] = (path,)
        self.rows = len(self._places)
        self.dtype = "float64"
        self.ids: Array | None = None
        self.notes: tuple[str, ...] = (f"the vectors are those of {self._field!r}",)

    def _wrong(self, why: str) -> UsageError:
        return UsageError(f"{self._path} cannot be imported: {why}", STEP)

    def _note(self, number: int, at: int, line: bytes) -> None:
        try:
            value = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError) as err:
            raise self._wrong(f"line {number} is not JSON ({' '.join(str(err).split())[:100]})") from err
        if not isinstance(value, dict):
            raise self._wrong(f"line {number} is no object")
        if self._field is None:
            lower = {name.lower(): name for name in reversed(list(value))}
            self._field = next((lower[name] for name in VECTOR_FIELDS if name in lower), None)
            if self._field is None:
                had = ", ".join(map(repr, list(value)[:20]))
                raise self._wrong(f"no field has a known name for a vector: {had}")
        vector = value.pop(self._field, None)
        if not isinstance(vector, list) or not vector or not all(type(one) in (int, float) for one in vector):
            raise self._wrong(f"line {number} has no list of numbers in {self._field!r}")
        self.dim = self.dim or len(vector)
        if len(vector) != self.dim:
            raise self._wrong(f"line {number} has a vector of {len(vector)} numbers, those before it {self.dim}")
        self._places.append(at)
        self.objects.append(value)

    def block(self, first: int, end: int) -> Array:
        import numpy as np

        rows = np.empty((end - first, self.dim), np.float64)
        with self._path.open("rb") as file:
            for number in range(first, end):
                file.seek(self._places[number])
                rows[number - first] = json.loads(file.readline().decode("utf-8-sig"))[self._field]
        return rows
