"""An operand of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.brief import briefly
from vstore.paths import AnyPath
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from PIL.Image import Image


@briefly
class Operand(NamedTuple):
    """One part of a query: a picture, a text, a key or a vector. It has one of them.

    weight:  how much it counts; less than 0 leads away from it.
    image:   the path of a picture file, its `file://` address, or a path of the snapshot that is searched.
    text:    a text.
    typed:   a person typed the text: where it names a picture, that may be meant. The report's notes say so.
    key:     the key of a picture that the store has, in bytes or in hex.
    picture: a picture of Pillow. It is prepared as a PNG of its pixels is, and turned as its EXIF says.
    vector:  an embedding by the model of the space: a 1-D array of numbers of any norm above 0.
    data:    the content of a picture file.
    """

    weight: float
    image: AnyPath | None = None
    text: str | None = None
    typed: bool = False
    key: bytes | str | None = None
    picture: Image | None = None
    vector: Any = None
    data: bytes | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Operand):
            return NotImplemented
        one, another = self._replace(vector=None), other._replace(vector=None)
        return tuple(one) == tuple(another) and _is_same_vector(self.vector, other.vector)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.weight, self.image, self.text, self.typed, self.key, self.data))


def _is_same_vector(one: Any, other: Any) -> bool:
    if one is None or other is None or one is other:
        return one is other
    import numpy as np

    return np.array_equal(one, other)
