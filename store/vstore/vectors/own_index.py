"""A FAISS index of a program's own: a copy in memory of the rows of a snapshot."""

from __future__ import annotations

from vstore.packages import faiss_module
from vstore.vectors.report import VectorIndex
from vstore.vectors.snapshot_rows import SnapshotRows


def own_index(found: SnapshotRows) -> VectorIndex:
    """Copy the rows of a snapshot into a new index, which holds the same numbers as its segments.

    Raises: MissingPackage, Damage.
    """
    import numpy as np

    faiss = faiss_module()
    if found.dtype == np.float32:
        index = faiss.IndexFlatIP(found.dim)
    else:
        index = faiss.IndexScalarQuantizer(found.dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    keys, paths = found.named()
    if found.count:
        index.codes.resize(found.count * index.code_size)  # all at once: a vector that grows is copied each time
        codes = faiss.rev_swig_ptr(index.codes.data(), index.codes.size())
        at = 0
        for rows in found.blocks():
            part = rows.astype(rows.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8)
            codes[at : at + len(part)] = part
            at += len(part)
        index.ntotal = found.count
    return VectorIndex(keys, paths, index)
