"""A picture as a program gives it: a path, the bytes of a file, or a picture of Pillow."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias, cast

from vstore.errors import UsageError
from vstore.limits import refuse_limit
from vstore.pictures.elsewhere import Elsewhere, program_of_link, program_of_pointer
from vstore.pictures.failures import PictureFailure
from vstore.pictures.picture_file import read_regular
from vstore.search.wanted import is_picture

if TYPE_CHECKING:
    from PIL.Image import Image

AnyPicture: TypeAlias = "str | os.PathLike[str] | os.PathLike[bytes] | bytes | Image"

_LARGEST = 1 << 30  # bytes of a picture
_LONGEST_NAME = 4096  # bytes


def given_pictures(pictures: Iterable[AnyPicture] | AnyPicture) -> Iterator[AnyPicture]:
    """Yield what a program gave, one by one; a lone picture counts as a list of one.

    Raises: UsageError if one is no picture.
    """
    alone = isinstance(pictures, (str, bytes, bytearray, memoryview, os.PathLike)) or is_picture(pictures)
    # Of an open file the lines would be pictures.
    if not alone and (not isinstance(pictures, Iterable) or hasattr(pictures, "read")):
        raise _refused(pictures)
    for given in [cast("AnyPicture", pictures)] if alone else cast("Iterable[AnyPicture]", pictures):
        if isinstance(given, (bytearray, memoryview)):
            yield bytes(given)
        elif isinstance(given, (str, bytes, os.PathLike)) or is_picture(given):
            yield given
        else:
            raise _refused(given)


def file_of(given: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> bytes:
    """Give the bytes of a picture's file. Raises: PictureFailure; SystemLimit if too many files are open."""
    data = given if isinstance(given, bytes) else _read(given)
    if program := program_of_pointer(data):
        raise Elsewhere(program)
    return data


def size_of(given: AnyPicture) -> int:
    """Count the bytes that a picture takes in memory, decoded if it is one of Pillow; a path takes none."""
    if isinstance(given, bytes):
        return len(given)
    if isinstance(given, (str, os.PathLike)):
        return 0
    return 4 * given.width * given.height


def is_name(data: bytes) -> bool:
    """Tell whether bytes that are no picture are the name of one: other methods take paths as bytes."""
    return 0 < len(data) <= _LONGEST_NAME and b"\0" not in data and os.path.lexists(data)


def _read(given: str | os.PathLike[str] | os.PathLike[bytes]) -> bytes:
    try:
        path = os.fsencode(given)
        return read_regular(path, _LARGEST)
    except ValueError as err:  # a NUL, or half a character
        raise PictureFailure("not_an_image", "no file can have this name") from err
    except MemoryError as err:
        raise PictureFailure("io", "there was not enough memory to read it") from err
    except OSError as err:
        refuse_limit(err, f"read {os.fsdecode(path)}")
        if os.path.islink(path) and (program := program_of_link(os.fsdecode(os.readlink(path)))):
            raise Elsewhere(program) from err
        raise PictureFailure("io", err.strerror or str(err)) from err


def _refused(given: object) -> UsageError:
    text = repr(given)
    shown = text if len(text) <= 100 else f"{text[:100]}…"
    return UsageError(
        f"{shown} is no picture",
        "give a path, the bytes of a file, or a picture of Pillow: PIL.Image.fromarray(array) makes one of an array",
    )
