"""Why the bytes of a picture gave no vector, as far as the catalogue remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vstore.disk.catalogue import Catalogue


def failure_of(catalogue: Catalogue, space: str, key: bytes) -> tuple[str, str] | None:
    """Look up why the bytes of a picture gave no vector. Returns: kind and reason; None if that is not known."""
    found = catalogue.decode_failure(key, None)
    if found is None and (failure := catalogue.model_failure(space, key)) is not None:
        found = failure.kind, failure.reason
    return found
