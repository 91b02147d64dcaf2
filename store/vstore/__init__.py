"""vstore: the content-addressed, versioned index store for pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore._version import __version__

if TYPE_CHECKING:
    from vstore.store import Store

__all__ = ["Store", "__version__"]


def __getattr__(name: str) -> Any:
    # Importing vstore costs nothing: the store and all that it needs come when they are asked for.
    if name == "Store":
        from vstore.store import Store

        return Store
    raise AttributeError(f"module 'vstore' has no attribute {name!r}")
