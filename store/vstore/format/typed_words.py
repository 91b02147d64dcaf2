"""More of a record that is published, as type checkers see it."""

from __future__ import annotations

from typing import TypedDict

from vstore.format.records import Origin


class RecordWords(TypedDict, total=False):
    """More of a record that is published.

    undoes: the number of the record to undo.
    redoes: the number of the undo to cancel.
    about:  a few words for the log.
    origin: the record of another store from which the operation came.
    whole:  carry the whole state in any case.
    """

    undoes: int
    redoes: int
    about: str
    origin: Origin
    whole: bool
