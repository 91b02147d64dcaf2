"""The limits that the system sets a process: an error of theirs tells nothing of a file, a folder or a disk."""

from __future__ import annotations

import errno

from vstore.errors import SystemLimit

_STEPS = {
    errno.EMFILE: "let a process open more files (ulimit -n 1024), or close some, and try again",
    errno.ENFILE: "close other programs, and try again",
    errno.ENOMEM: "close other programs, and try again",
}


def refuse_limit(err: OSError, doing: str) -> None:
    """Raise SystemLimit if an error is of such a limit, before it is taken for one of what was being done."""
    if err.errno in _STEPS:
        raise SystemLimit(f"cannot {doing}: {err.strerror}", _STEPS[err.errno]) from err
