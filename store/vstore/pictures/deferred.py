"""A picture that another library than Pillow decodes, once it is loaded. Imports Pillow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL.Image import Image

from vstore.pictures.pixels_only.orientation import exif_of


class Deferred(Image):
    """A picture whose size is known, and whose pixels are not decoded yet.

    worth: pixels that its samples take the memory of.
    """

    def __init__(
        self, kind: str, size: tuple[int, int], decode: Callable[[], Image], *, orientation: int = 1, worth: int = 0
    ) -> None:
        """
        kind:        its format.
        size:        width and height, before it is turned.
        orientation: as EXIF counts.
        """
        super().__init__()
        self.format = kind
        self.worth = worth
        self._size = size
        self._decode: Callable[[], Image] | None = decode
        self.info["exif"] = exif_of(orientation)

    def load(self) -> Any:
        """Decode it, the first time. Raises: any error of the decoder."""
        if self._decode is not None:
            decoded = self._decode()
            self._decode = None
            self._im, self._mode, self._size = decoded.im, decoded.mode, decoded.size
        return super().load()
