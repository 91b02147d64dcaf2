"""The header of a segment: the only bytes before the rows that FORMAT.md allows. Pure.

faiss reads sizes, types and names of other files out of a header, so none but this one is given to it.
"""

from __future__ import annotations

from vstore.format.layout import DTYPES

LARGEST_DIM = 1 << 20
MOST_ROWS = (1 << 32) - 1
# kind, d, ntotal, two places that are no longer used, is_trained, metric_type (inner product)
_INDEX = "<4siqqqBi"
_UNUSED = 1 << 20
# qtype (fp16), rangestat, rangestat_arg, d, code_size, length of `trained`; then the bytes of all codes
_QUANTISER = "<iifQQQQ"
_QT_FP16 = 4
_FLOATS = "<Q"  # the numbers of all codes


def segment_header(dtype: str, dim: int, rows: int) -> bytes:
    """Write the header of a segment as faiss serialises it: IndexScalarQuantizer for float16, IndexFlatIP for float32.

    dim:  1 to 1,048,576.
    rows: 1 to 2^32 - 1.
    """
    from struct import pack  # the numbers above are asked by every command, the header by few

    kind, width = (b"IxSQ", dim * DTYPES[dtype]) if dtype == "float16" else (b"IxFI", dim)
    index = pack(_INDEX, kind, dim, rows, _UNUSED, _UNUSED, 1, 0)
    if dtype == "float16":
        return index + pack(_QUANTISER, _QT_FP16, 0, 0.0, dim, width, 0, rows * width)
    return index + pack(_FLOATS, rows * width)
