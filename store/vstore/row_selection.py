"""The parameters that let faiss look at some rows of an index alone."""

from __future__ import annotations

from typing import Any

# Each of these obeys a selector, which tests/store/test_row_selection.py proves. Others may not: the classic indexes of
# a GPU take one and give rows that it leaves out, without a word; flat FastScan kinds refuse it.
OBEDIENT = (
    "IndexFlatIP",
    "IndexFlatL2",
    "IndexScalarQuantizer",
    "IndexRaBitQ",
    "IndexIVFFlat",
    "IndexIVFScalarQuantizer",
    "IndexIVFRaBitQ",
)


def only_marked(faiss: Any, index: Any, bits: Any, **more: Any) -> Any:
    """Make the parameters of a search of the marked rows. All selectors of vstore are made here.

    index:  is searched with them, and with no other.
    bits:   uint8 (rows / 8, rounded up), the lowest bit first. It must stay while they are used.
    more:   other parameters of an IVF kind, such as `nprobe`.
    Raises: TypeError if an index of this kind may not obey them.
    """
    kind = type(index).__name__
    if kind not in OBEDIENT:
        raise TypeError(f"a search of a {kind} may not obey a selector: give it an index of the marked rows alone")
    selector = faiss.IDSelectorBitmap(bits)
    if kind == "IndexIVFRaBitQ":
        return faiss.IVFRaBitQSearchParameters(sel=selector, **more)
    if kind.startswith("IndexIVF"):
        return faiss.SearchParametersIVF(sel=selector, **more)
    return faiss.SearchParameters(sel=selector, **more)
