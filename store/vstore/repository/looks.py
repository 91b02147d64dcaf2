"""The facts that one look at a prepared picture gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vstore.format.canonical import Document
from vstore.format.hashing import Hash

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.format.facts import Fact


class Look(NamedTuple):
    """The facts of a prepared picture that are kept.

    digest: of its pixels.
    flat:   it is of one colour.
    """

    digest: bytes
    flat: bool

    def fact(self, key: bytes, preparation: Document) -> Fact:
        """Make the fact of the picture with this key. preparation: by which it was prepared."""
        from vstore.format.facts import NO_READER, Fact, flat, pixels

        values = {pixels(preparation): self.digest}
        return Fact(key, NO_READER, {**values, flat(preparation): 1} if self.flat else values)


def look(hash: Hash, preparation: Document, picture: Image) -> Look:
    """Look at a picture that was prepared as the object `prepare` of a recipe says. Thread-safe."""
    from vstore.format.pixel_digest import pixel_digest
    from vstore.pictures.flatness import is_flat

    return Look(pixel_digest(hash, preparation, picture.size, picture.tobytes()), is_flat(picture))
