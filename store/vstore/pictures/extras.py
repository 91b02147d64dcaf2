"""The optional packages that decode pictures."""

from __future__ import annotations

from typing import Any

from vstore.errors import VstoreError
from vstore.packages import IMAGECODECS, JXL, TIFF, Package
from vstore.pictures.failures import PictureFailure
from vstore.pictures.formats import OPTIONAL

_WITH = {TIFF: (IMAGECODECS,), JXL: (IMAGECODECS,)}  # what else of the same extra is needed
_DISTRIBUTIONS = ("tifffile", "imagecodecs", "rawpy", "pillow-jxl-plugin")


def is_there(package: Package) -> bool:
    """Tell whether a package is installed, with what it needs. It may be broken."""
    return all(one.is_there() for one in (package, *_WITH.get(package, ())))


def load(package: Package) -> Any:
    """Import a package. Raises: PictureFailure, if it is missing or broken."""
    try:
        return package.load()
    except VstoreError as err:
        raise needs(package) from err


def needs(package: Package, why: str = "") -> PictureFailure:
    """Make the failure of a picture that needs a package. why: in other words than the package's own."""
    return PictureFailure("needs_extra", f"{why or package.why}: {package.pip}")


def lacking(extensions: frozenset[str]) -> dict[str, Package]:
    """Return the extensions of pictures that need a package which is not installed, with the package."""
    missing = {package for package in set(OPTIONAL.values()) if not is_there(package)}
    return {name: package for name, package in OPTIONAL.items() if package in missing and name in extensions}


def versions() -> list[str]:
    """Name the packages and their versions, for those that are installed."""
    import importlib.metadata

    found = []
    for name in _DISTRIBUTIONS:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} none")
    return found
