"""The filters of an address: each is a condition of the expression that `--where` takes, or an option of a search.

Nothing here is a path of the disk: a folder is one that the snapshot has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from vstore import UsageError
from vstore_page.answers import many, one

if TYPE_CHECKING:
    from starlette.requests import Request

    from vstore import View
    from vstore_page.page import Page

_LONGEST = 500  # characters of a value
_MOST = 100  # values of one filter
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)
_FIELD = re.compile(r"([^:]+):(is|not|ge|le|contains|has|set|unset):(.*)", re.DOTALL)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")  # a doubled quote makes two of them
_AFTER = "~"  # sorts after all that may follow in a time


class Filters(NamedTuple):
    """The part of a snapshot that is looked at.

    under:     a folder of the snapshot.
    new_since: only pictures that this snapshot lacks.
    where:     only pictures for which this expression is true.
    """

    under: bytes | None = None
    new_since: str | None = None
    where: str | None = None

    @property
    def words(self) -> dict[str, Any]:
        """The options of `View.search` and `View.select`."""
        return self._asdict()


def filters_of(page: Page, request: Request, view: View) -> Filters:
    """Read the filters of an address. Raises: UsageError."""
    under, new_since = one(request, "under"), one(request, "new_since")
    folder = page.folders.of(view).get(under.strip("/")) if under else None
    if under and folder is None:
        raise UsageError(f"{view.snapshot} has no folder {under!r:.200}", "choose one of its folders")
    return Filters(folder.path if folder else None, new_since or None, where_of(request))


def met_first(request: Request, filters: Filters) -> Callable[[Sequence[bytes]], Sequence[bytes]]:
    """Make what brings the paths of a picture that meet the filters before its other ones: it is shown by the first."""
    name, folder = one(request, "name").lower(), filters.under
    if not name and folder is None:
        return lambda paths: paths

    def is_other(path: bytes) -> bool:
        is_below = folder is None or path == folder or path.startswith(folder + b"/")
        return not is_below or name not in path.decode("utf-8", "replace").lower()

    return partial(sorted, key=is_other)


def where_of(request: Request) -> str | None:
    """Write the expression of an address; None without conditions. Raises: UsageError."""
    found = []
    for name, condition in _CONDITIONS.items():
        given = [value for value in many(request, name) if value]
        if len(given) > _MOST or any(len(value) > _LONGEST for value in given):
            raise UsageError(f"the filter {name} is too long", "look for less at once")
        if given:
            found.append(condition(given))
    return narrowed(" and ".join(found), one(request, "where").strip()) or None


def narrowed(condition: str, typed: str) -> str:
    """Write that a condition of ours and an expression that a person typed are both true; either may be empty.

    One whose parentheses do not match stands alone, to be refused: beside ours, it could say the opposite of both.
    """
    if not condition or not typed or not _is_closed(typed):
        return typed or condition
    return f"{condition} and ({typed})"


def _is_closed(expression: str) -> bool:
    """Tell whether each parenthesis of an expression has its other one."""
    depth = 0
    for sign in _QUOTED.sub("", expression):
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return False
    return not depth


def text(value: str) -> str:
    """Write a text of SQL."""
    return "'" + value.replace("'", "''") + "'"


def _single(name: str, write: Callable[[str], str]) -> Callable[[list[str]], str]:
    def condition(given: list[str]) -> str:
        if len(given) > 1:
            raise UsageError(f"{name} is given {len(given)} times", "give it once")
        return write(given[0])

    return condition


def _one_of(column: str) -> Callable[[list[str]], str]:
    return lambda given: f"{column} in ({', '.join(map(text, given))})"


def _name(given: str) -> str:
    return f"instr(lower(fact.path), lower({text(given)})) > 0"


def _date(given: str) -> str:
    if not _DATE.fullmatch(given):
        raise UsageError(f"{given!r:.60} is no date", "write it so: 2024, 2024-06 or 2024-06-30")
    return given


def _whole(name: str) -> Callable[[str], int]:
    def read(given: str) -> int:
        if not re.fullmatch("-?[0-9]{1,9}", given):
            raise UsageError(f"{name} is {given!r:.60}, and no whole number")
        return int(given)

    return read


def _fields(given: list[str]) -> str:
    return " and ".join(map(_field, given))


def _field(given: str) -> str:
    found = _FIELD.fullmatch(given)
    if found is None:
        raise UsageError(f"{given!r:.100} is no filter of a field", "write it so: stars:ge:4")
    name, verb, value = unquote(found[1]), found[2], found[3]
    column = 'field."' + name.replace('"', '""') + '"'
    is_number = _NUMBER.fullmatch(value) is not None
    if verb in ("set", "unset"):
        return f"{column} is {'not ' * (verb == 'set')}null"
    if verb in ("is", "not"):
        same = f"{column} = {text(value)}" + (f" or {column} = {value}" if is_number else "")
        return f"({same})" if verb == "is" else f"({column} is null or not ({same}))"
    if verb in ("ge", "le"):
        return f"{column} {'>=' if verb == 'ge' else '<='} {value if is_number else text(value)}"
    if verb == "has":
        return f"has({column}, {text(value)})"
    return f"instr(lower({column}), lower({text(value)})) > 0"


# Each takes the values of its parameter, which are not empty.
_CONDITIONS: dict[str, Callable[[list[str]], str]] = {
    "name": _single("name", _name),
    "since": _single("since", lambda given: f"fact.taken >= {text(_date(given))}"),
    "until": _single("until", lambda given: f"fact.taken < {text(_date(given) + _AFTER)}"),
    "camera": _one_of("fact.camera"),
    "format": _one_of("fact.format"),
    "side": _single("side", lambda given: f"max(fact.width, fact.height) >= {_whole('side')(given)}"),
    "rating": _single("rating", lambda given: f"fact.rating >= {_whole('rating')(given)}"),
    "f": _fields,
}
