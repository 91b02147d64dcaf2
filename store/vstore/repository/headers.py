"""Headers of known pictures: all that is read of a file, where its stat proves that it is the picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from vstore.format.facts import Column, Value
from vstore.pictures.metadata.reading import metadata_of
from vstore.pictures.picture_file import open_regular
from vstore.pictures.readable import FileBytes
from vstore.repository.repository import Repository
from vstore.repository.sampling import read_unchanged


class Header(NamedTuple):
    """The facts in the header of a picture.

    about: what it says.
    size:  bytes of the file that were read for it.
    """

    about: Mapping[Column, Value]
    size: int


def header_of(repo: Repository, key: bytes, file: bytes, proves: Callable[[os.stat_result], bool]) -> Header | None:
    """Read the header of a picture; None if its file cannot be read, or is no longer the picture with this key.

    proves: tells whether a file with this stat is the picture; where it is not proven, the file is read whole.
    """
    try:
        fd = open_regular(file)
        try:
            if proves(os.fstat(fd)):
                begin = FileBytes(fd)
                about = metadata_of(begin)
                if proves(os.fstat(fd)):
                    return Header(about, begin.read)
        finally:
            os.close(fd)
    except OSError:
        return None
    data = read_unchanged(repo, key, file)
    return None if data is None else Header(metadata_of(data), len(data))
