"""The terms of a query in an address: `t=+1:text:red car`, `t=-0.5:key:9f…`, `t=+1:up:3a…`, in their order.

`static/terms.js` writes them, and reads them, too. No term is the name of a file: none is opened for a client.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore import Operand, UsageError
from vstore_page.answers import key_of
from vstore_page.cards import picture

if TYPE_CHECKING:
    from vstore import View
    from vstore_page.uploads import Uploads

TEXT, KEY, UPLOAD = "text", "key", "up"
_MOST = 20  # terms of a query
_LONGEST = 2000  # characters of a text
_LARGEST = 100.0  # weight
# A + that nobody encoded arrives as a space.
_TERM = re.compile(r"([+ -]?)(\d{1,6}(?:\.\d{0,9})?|\.\d{1,9}):(text|key|up):(.*)", re.ASCII | re.DOTALL)


class Term(NamedTuple):
    """One part of a query.

    weight: how much it counts; less than 0 leads away from it.
    kind:   `text`, `key` of a picture, or `up`: a picture that was uploaded.
    value:  the text, the hex digits of the key, or the name of the upload.
    """

    weight: float
    kind: str
    value: str

    def __str__(self) -> str:
        """Write it as it stands in an address."""
        return f"{self.weight:+.9g}:{self.kind}:{self.value}"


def read_terms(given: Sequence[str]) -> list[Term]:
    """Read the terms of an address. Raises: UsageError."""
    if len(given) > _MOST:
        raise UsageError(f"a query has {len(given)} parts, and {_MOST} at most are taken", "leave some out")
    return [_read(one) for one in given]


def _read(given: str) -> Term:
    found = _TERM.fullmatch(given)
    if found is None:
        raise UsageError(
            f"{given!r:.100} is no part of a query", "write it so: +1:text:red car, or -0.5:key:… with digits of a key"
        )
    sign, weight, kind, value = found.groups()
    amount = float(weight) * (-1 if sign == "-" else 1)
    if not 0 < math.fabs(amount) <= _LARGEST:
        raise UsageError(f"a weight of {amount:g} has no use", f"give one from 0.01 to {_LARGEST:g}, or below 0")
    if kind == TEXT and not value.strip():
        raise UsageError("a text to look for is empty", "write some words")
    if len(value) > _LONGEST:
        raise UsageError(f"a text has {len(value):,} characters, and {_LONGEST:,} at most are taken", "shorten it")
    if kind == KEY:
        key_of(value)
    return Term(amount, kind, value)


def operands_of(terms: Sequence[Term], uploads: Uploads) -> list[Operand]:
    """Make the operands of terms, for a search. Raises: NotKept if an upload is not kept."""
    return [_operand(term, uploads) for term in terms]


def described(term: Term, view: View, uploads: Uploads) -> dict[str, Any]:
    """Describe a term for its chip. view: names its picture. Raises: NotKept if an upload is not kept."""
    about: dict[str, Any] = {"term": str(term), "weight": term.weight, "kind": term.kind, "value": term.value}
    if term.kind == KEY:
        key = bytes.fromhex(term.value)
        about["picture"] = picture(key, view.paths_of(key))
    elif term.kind == UPLOAD:
        about["upload"] = uploads.of(term.value).to_json()
    return about


def _operand(term: Term, uploads: Uploads) -> Operand:
    if term.kind == TEXT:
        return Operand(term.weight, text=term.value)  # not typed: such a word may name a file
    if term.kind == KEY:
        return Operand(term.weight, key=key_of(term.value))
    return Operand(term.weight, data=uploads.of(term.value).data)
