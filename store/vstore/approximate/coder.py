"""Codes of rows: one bit for each dimension of a rotated row, less the centroid of its list.

Source: Gao and Long, RaBitQ, 2024, arXiv:2405.12497, as faiss has it in IndexIVFRaBitQ.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from vstore.approximate.rotation import rotated
from vstore.packages import faiss_module, faiss_threads

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.approximate.gpu import Gpu

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]
    Codes = npt.NDArray[np.uint8]

QUERY_BITS = 8  # of each dimension of a query: with 4, recall before exact scores is 0.01 less
FEW = 16  # queries that one thread answers: others, of faiss or BLAS, cost them 10 ms where all cores are busy
_SCORES = 1 << 24  # scores of rows with centroids at once: 64 MiB


class Coder:
    """The codes of rows under the centroids of one generation.

    centroids: float32 (lists, dim), rotated, of norm 1.
    """

    def __init__(self, centroids: Floats, gpu: Gpu | None = None) -> None:
        """gpu: assigns rows to lists."""
        self._gpu = gpu
        self._there: Any = None  # the centroids on it
        self.lists, self.dim = centroids.shape
        faiss = faiss_module()
        self._quantizer: Any = faiss.IndexFlatIP(self.dim)
        self._quantizer.add(centroids)
        held = faiss.rev_swig_ptr(self._quantizer.get_xb(), centroids.size)
        self.centroids: Floats = held.reshape(centroids.shape)  # the memory of faiss: aligned, and the only copy
        self._index = self.index()
        self.code_size: int = self._index.code_size

    def index(self) -> Any:
        """Make an index of faiss without rows. It shares the centroids; this object must live as long."""
        faiss = faiss_module()
        index = faiss.IndexIVFRaBitQ(self._quantizer, self.dim, self.lists, faiss.METRIC_INNER_PRODUCT)
        index.is_trained = True
        return index

    def nearest_lists(self, turned: Floats, count: int) -> tuple[Ints, Floats]:
        """Find the lists nearest to rotated rows: int64 (n, count), best first, and their scores, float32."""
        import numpy as np

        if len(turned) < FEW:
            with faiss_threads(1):
                found, lists = self._quantizer.search(turned, count)
            return lists, found
        scores = turned @ self.centroids.T
        if count < self.lists:
            lists = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        else:
            lists = np.broadcast_to(np.arange(self.lists), scores.shape)
        found = np.take_along_axis(scores, lists, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        return np.take_along_axis(lists, order, axis=1).astype(np.int64), np.take_along_axis(found, order, axis=1)

    def assign(self, turned: Floats) -> Ints:
        """Find the list of each of some rotated rows: int64 (n,)."""
        import numpy as np

        gpu = self._gpu
        found = None if gpu is None else gpu.tried(partial(self._assign_there, gpu, turned))
        if found is not None:
            return found
        step = max(1, _SCORES // self.lists)
        parts = [
            (turned[at : at + step] @ self.centroids.T).argmax(axis=1).astype(np.int64)
            for at in range(0, len(turned), step)
        ]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def _assign_there(self, gpu: Gpu, turned: Floats) -> Ints:
        import numpy as np

        if self._there is None:
            self._there = gpu.flat(self.dim)
            self._there.add(self.centroids)
        found: Ints = self._there.search(np.ascontiguousarray(turned), 1)[1][:, 0]
        return np.maximum(found, 0)  # a row that is no number is near to none

    def encode(self, turned: Floats, lists: Ints) -> Codes:
        """Code rotated rows, each in its list: uint8 (n, code size)."""
        import numpy as np

        faiss = faiss_module()
        rows, lists = np.ascontiguousarray(turned), np.ascontiguousarray(lists)
        codes = np.zeros((len(rows), self.code_size), np.uint8)
        if len(rows):
            self._index.encode_vectors(len(rows), *(faiss.swig_ptr(array) for array in (rows, lists, codes)))
        return codes

    @cached_property
    def sample(self) -> str:
        """The code of a known vector in the first list, in hex: another version of faiss may code otherwise.

        The last eight bytes are two numbers of float32, which differ a little from processor to processor: left out.
        """
        import numpy as np

        known = np.zeros((1, self.dim), np.float32)
        known[0, :: max(1, self.dim // 7)] = 1
        known /= np.linalg.norm(known)
        return self.encode(rotated(known), np.zeros(1, np.int64))[0, : -(-self.dim // 8)].tobytes().hex()
