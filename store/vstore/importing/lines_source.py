"""Vectors in JSON lines: an object with a vector and its paths a line. A row without one is NaN."""

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
        self._refuse_empty()
        self.files: tuple[Path, ...] = (path,)
        self.rows = len(self._places)
        self.dtype = "float64"
        self.ids: Array | None = None
        self.notes: tuple[str, ...] = (f"the vectors are those of {self._field!r}",)

    def _wrong(self, why: str) -> UsageError:
        return UsageError(f"{self._path} cannot be imported: {why}", STEP)

    def _refuse_empty(self) -> None:
        """Raises: UsageError if there is no vector."""
        if not self._places:
            raise self._wrong("it is empty")
        if self._field is None:
            had = ", ".join(map(repr, list(self.objects[0])[:20]))
            raise self._wrong(f"no field has a known name for a vector: {had}")
        if not self.dim:
            raise self._wrong(f"no line has a vector in {self._field!r}")

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
        vector = value.pop(self._field, None) if self._field is not None else None
        if not _is_vector(vector):
            raise self._wrong(f"line {number} has no list of numbers in {self._field!r}")
        self.dim = self.dim or len(vector or ())
        if vector and len(vector) != self.dim:
            raise self._wrong(f"line {number} has a vector of {len(vector)} numbers, those before it {self.dim}")
        self._places.append(at)
        self.objects.append(value)

    def block(self, first: int, end: int) -> Array:
        import numpy as np

        rows = np.empty((end - first, self.dim), np.float64)
        with self._path.open("rb") as file:
            for number in range(first, end):
                file.seek(self._places[number])
                vector = json.loads(file.readline().decode("utf-8-sig")).get(self._field)
                rows[number - first] = vector or np.nan  # null within a vector is NaN, too
        return rows


def _is_vector(value: Any) -> bool:
    """Tell whether a value is a vector, or none: null, or a list of no numbers."""
    return value is None or (isinstance(value, list) and all(one is None or type(one) in (int, float) for one in value))
