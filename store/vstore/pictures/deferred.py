"""A picture that another library than Pillow decodes, once it is loaded. Imports Pillow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL.Image import Image

from vstore.pictures.pixels_only.orientation import exif_of


class Deferred(Image):
    """A picture whose size is known, and whose pixels are not decoded yet.

    whole:   its width and height where what is decoded is smaller, else None.
    worth:   pixels that its samples take the memory of.
    preview: a JPEG that is decoded in its place; None if there is none.
    """

    def __init__(
        self,
        kind: str,
        size: tuple[int, int],
        decode: Callable[[], Image],
        *,
        orientation: int = 1,
        worth: int = 0,
        whole: tuple[int, int] | None = None,
        preview: bytes | None = None,
    ) -> None:
        """
        kind:        its format.
        size:        width and height, before it is turned.
        orientation: as EXIF counts.
        """
        super().__init__()
        self.format = kind
        self.whole = whole
        self.worth = worth
        self.preview = preview
        self._size = size
        self._decode: Callable[[], Image] | None = decode
        self.info["exif"] = exif_of(orientation)

    def load(self) -> Any:
        """Decode it, the first time. Raises: any error of the decoder."""
        if self._decode is not None:
            decoded = self._decode()
            self._decode = None
            self.info.update((name, value) for name, value in decoded.info.items() if name == "icc_profile")
            self._im, self._mode, self._size = decoded.im, decoded.mode, decoded.size
        return super().load()
