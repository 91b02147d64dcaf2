"""The folder in a root that holds what plans moved away. Its name is hidden, so that no scan enters it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

TRASH = b".vstore-trash"


def finder_in_trash(place: bytes) -> Callable[[bytes], bool]:
    """Give a function that tells whether a plan moved the file of a path away, and it is still there.

    place: of the root; paths are relative to it.
    """
    plans: list[bytes] = []
    with contextlib.suppress(OSError):
        plans = [os.path.join(place, TRASH, name) for name in os.listdir(os.path.join(place, TRASH))]
    return lambda path: any(os.path.lexists(os.path.join(plan, path)) for plan in plans)
