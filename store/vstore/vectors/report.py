"""The arrays that a program gets, with the pictures that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.brief import briefly

if TYPE_CHECKING:
    from vstore.disk.segments import Rows
    from vstore.embed.embedder import Floats


@briefly
class Vectors(NamedTuple):
    """The vectors of pictures, in the order in which the store holds them.

    keys:  the key of each picture.
    paths: its stored paths in the snapshot; one that is no UTF-8 is bytes.
    rows:  its vector, of norm 1: float16 or float32 as the store has it, (n, dim).
    """

    keys: tuple[bytes, ...]
    paths: tuple[tuple[str | bytes, ...], ...]
    rows: Rows


@briefly
class VectorIndex(NamedTuple):
    """A FAISS index of the vectors of a snapshot. The id of a picture in it is its place in `keys`.

    keys:  the key of each picture.
    paths: its stored paths in the snapshot; one that is no UTF-8 is bytes.
    index: a faiss.IndexScalarQuantizer (QT_fp16), or faiss.IndexFlatIP of a float32 store; inner products.
    """

    keys: tuple[bytes, ...]
    paths: tuple[tuple[str | bytes, ...], ...]
    index: Any


@briefly
class Embedded(NamedTuple):
    """The vectors of pictures that a program brought.

    rows:     float32 (n, dim), of norm 1, in the order of the pictures; NaN for one that failed.
    failures: number of a picture that failed -> the reason.
    """

    rows: Floats
    failures: Mapping[int, str]
