"""Vectors of `.npy` files, mapped into memory; a pickled one is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.errors import UsageError

if TYPE_CHECKING:
    from vstore.importing.source import Array


class NpySource:
    """The rows of one or more `.npy` files, one file after another."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Map the files. Raises: UsageError, naming the file and the reason."""
        self._parts = [_mapped(path) for path in paths]
        if not self._parts:
            raise UsageError("there is no .npy file to read vectors from")
        self.files: tuple[Path, ...] = tuple(paths)
        dims = {part.shape[1] for part in self._parts}
        kinds = {part.dtype.name for part in self._parts}
        if len(dims) > 1 or len(kinds) > 1:
            raise UsageError(
                f"the parts differ: {sorted(dims)} numbers a row, stored as {', '.join(sorted(kinds))}",
                "name the parts of one index",
            )
        self.dim = int(self._parts[0].shape[1])
        self.dtype = str(self._parts[0].dtype.name)
        self.rows = sum(len(part) for part in self._parts)
        self.ids: Array | None = None
        self.notes: tuple[str, ...] = ()

    def block(self, first: int, end: int) -> Array:
        import numpy as np

        found = []
        for part in self._parts:
            if first < len(part) and end > 0:
                found.append(np.asarray(part[max(0, first) : end]))
            first, end = first - len(part), end - len(part)
        return found[0] if len(found) == 1 else np.concatenate(found)


def _mapped(path: Path) -> Array:
    import numpy as np

    try:
        with path.open("rb") as file:
            if file.read(6) != b"\x93NUMPY":
                raise UsageError(f"{path} is not a .npy file", "give the array that numpy.save wrote")
        # Mapping keeps it out of memory; a pickle could run any code, and is refused.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except UsageError:
        raise
    except Exception as err:  # numpy reads the header as Python: garbage raises whatever the parser does
        if isinstance(err, OSError) and err.errno is not None:
            raise UsageError(f"{path} cannot be read: {err.strerror}") from err
        said = str(err)[:300]
        why = "it holds pickled objects" if "pickle" in said.lower() or "object" in said.lower() else said
        raise UsageError(
            f"{path} cannot be imported: {why}", "save the vectors as one float array: numpy.save(path, array)"
        ) from err
    if array.ndim != 2 or array.dtype.name not in ("float16", "float32", "float64") or array.shape[1] < 1:
        raise UsageError(
            f"{path} holds {array.dtype.name} of the shape {array.shape}", "vectors are floats of the shape (rows, dim)"
        )
    mapped: Array = array
    return mapped
