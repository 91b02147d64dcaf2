"""Vectors of a FAISS index file, mapped into memory and reconstructed block by block."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vstore.errors import UsageError
from vstore.importing.faiss_structure import METRICS, Structure, structure
from vstore.packages import faiss_module

if TYPE_CHECKING:
    from vstore.importing.source import Array


class FaissSource:
    """The vectors of a FAISS index file."""

    def __init__(self, path: Path) -> None:
        """Map the file. Raises: UsageError, naming the reason; MissingPackage."""
        try:
            found = structure(path)
        except OSError as err:
            raise UsageError(f"{path} cannot be read: {err.strerror}") from err
        if found.metric not in METRICS:
            raise UsageError(
                f"{path} cannot be imported: its metric (faiss's {found.metric}) is neither inner product nor L2",
                "vstore ranks by cosine, which is not what these vectors were made for",
            )
        self.ids: Array | None = None
        self._listed: Array | None = None
        self._rows = _mapped_rows(path, found)
        if self._rows is not None:
            self.ids = _mapped_numbers(path, found)
        else:
            self._open(path, found)
        self.structure: Structure = found
        self.files: tuple[Path, ...] = (path,)
        self.rows, self.dim = found.rows, found.dim
        self.dtype = "float16" if found.half else "float32"
        coarse = "" if found.exact else "; its codes restore the vectors only approximately"
        self.notes: tuple[str, ...] = (f"{path.name} is {found.kind}, metric {METRICS[found.metric]}{coarse}",)

    def _open(self, path: Path, found: Structure) -> None:
        """Let faiss map a file whose rows do not lie in it one after another as they are."""
        faiss = faiss_module()
        with path.open("rb") as file:
            name = f"/dev/fd/{file.fileno()}"  # faiss opens by name, and takes none that is not UTF-8
            if not os.path.exists(name):  # a machine without /proc
                name = str(path)
            try:
                # The whole keeps its parts alive: what downcast gives is a view.
                self._whole = faiss.read_index(name, faiss.IO_FLAG_MMAP_IFC)
            except RuntimeError as err:
                reason = _line(err).replace(name, str(path))
                raise UsageError(f"{path} cannot be imported: faiss cannot read it ({reason})") from err
        self._index = faiss.downcast_index(self._whole)
        if hasattr(self._index, "id_map"):
            self.ids = faiss.vector_to_array(self._index.id_map).copy()
            self._index = faiss.downcast_index(self._index.index)
        if hasattr(self._index, "storage"):  # of a graph
            self._index = faiss.downcast_index(self._index.storage)
        self._listed = _own_numbers(faiss, self._index, path) if found.inverted else None
        if self.ids is None:
            self.ids = self._listed

    def block(self, first: int, end: int) -> Array:
        import numpy as np

        if self._rows is not None:
            return np.array(self._rows[first:end])
        if self._listed is not None:
            rows = self._index.reconstruct_batch(np.ascontiguousarray(self._listed[first:end]))
        else:
            rows = self._index.reconstruct_n(first, end - first)
        return rows.astype(np.float16) if self.dtype == "float16" else rows  # type: ignore[no-any-return]


def _mapped_rows(path: Path, found: Structure) -> Array | None:
    """Map the rows of a file in which they lie one after another; None if they do not."""
    import numpy as np

    kind = "<f2" if found.half else "<f4"
    if found.at is None:
        return None
    if not found.rows:
        return np.zeros((0, found.dim), kind)
    return np.memmap(path, kind, mode="r", offset=found.at, shape=(found.rows, found.dim))


def _mapped_numbers(path: Path, found: Structure) -> Array | None:
    """Read the numbers of such rows; None if they have none of their own."""
    import numpy as np

    return None if found.ids_at is None else np.fromfile(path, "<i8", count=found.rows, offset=found.ids_at)


def _own_numbers(faiss: Any, index: Any, path: Path) -> Array | None:
    """Find the numbers of an IVF index's rows; None if they are 0 to n - 1. Raises: UsageError."""
    own = _ids_in_lists(faiss, index)
    if _is_range(own):
        return None
    if len(set(own.tolist())) < len(own):
        raise UsageError(
            f"{path} cannot be imported: several of its rows have the same number, as after remove_ids and another add "
            "below an IDMap",
            "nothing tells them apart any more: save the vectors once more where they come from, with a list of paths",
        )
    own.sort()
    index.set_direct_map_type(faiss.DirectMap.Hashtable)
    return own


def _ids_in_lists(faiss: Any, index: Any) -> Array:
    import numpy as np

    lists = index.invlists
    found = [np.zeros(0, np.int64)]
    for number in range(lists.nlist):
        size = lists.list_size(number)
        if size:
            ids = lists.get_ids(number)
            found.append(faiss.rev_swig_ptr(ids, size).copy())
            lists.release_ids(number, ids)
    return np.concatenate(found)


def _is_range(ids: Array) -> bool:
    import numpy as np

    return bool(np.array_equal(np.sort(ids), np.arange(len(ids))))


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200]
