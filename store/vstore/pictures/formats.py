"""The file extensions that vstore reads, and its limits. Pure."""

from __future__ import annotations

from vstore.packages import JXL, RAW, Package
from vstore.pictures.raw_kinds import EXTENSIONS as RAW_EXTENSIONS

_JPEG = ".jpg .jpeg .jpe .jfif .mpo .pjpeg .pjp .jpg_large .jpg-large .jpg_orig .jfif-tbnl .jps .insp"
_JPEG_2000 = ".jp2 .j2k .j2c .jpc .jpf .jpx"
_OTHER = ".png .apng .webp .gif .tif .tiff .bmp .dib .avif .heic .heif .hif"
OPTIONAL: dict[str, Package] = {**dict.fromkeys(RAW_EXTENSIONS, RAW), ".jxl": JXL}
"""Extensions of pictures that are not opened without a package."""
EXTENSIONS = frozenset((*f"{_JPEG} {_JPEG_2000} {_OTHER}".split(), *OPTIONAL))
MAX_PIXELS = 178_956_970  # larger pictures count as bombs: twice the size at which Pillow warns
READING = 3  # raised whenever other files decode than before: known failures are tried again
