"""The optional packages that decode pictures."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from vstore.errors import VstoreError
from vstore.packages import IMAGECODECS, TIFF, Package
from vstore.pictures.failures import PictureFailure

_WITH = {TIFF: (IMAGECODECS,)}  # what else of the same extra is needed
_DISTRIBUTIONS = ("tifffile", "imagecodecs")


def is_there(package: Package) -> bool:
    """Tell whether a package is installed, with what it needs. It may be broken."""
    return all(one.is_there() for one in (package, *_WITH.get(package, ())))


def load(package: Package) -> Any:
    """Import a package. Raises: PictureFailure, if it is missing or broken."""
    try:
        return package.load()
    except VstoreError as err:
        raise needs(package, package.why) from err


def needs(package: Package, why: str) -> PictureFailure:
    """Make the failure of a picture that needs a package."""
    return PictureFailure("needs_extra", f"{why}: {package.pip}")


def versions() -> list[str]:
    """Name the packages and their versions, for those that are installed."""
    found = []
    for name in _DISTRIBUTIONS:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} none")
    return found
