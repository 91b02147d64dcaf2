"""The error for an adapter whose own files contradict each other."""

from __future__ import annotations


class Inconsistent(LookupError):
    """Files of an adapter that contradict each other, whatever model it is put on.

    message:   what contradicts what.
    next_step: what to do.
    """

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
