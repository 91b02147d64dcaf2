"""Decisions as programs write them: a line of JSON each, `{"verb": "different", "pictures": ["a.jpg", "b.jpg"]}`."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple, cast

from vstore.errors import UsageError
from vstore.paths import AnyPath, as_path, several

LINE = 256 << 20  # bytes of a line at most
_FIELDS = {"verb", "pictures", "over", "id", "time"}  # the last two say nothing of a decision to be made
_SHAPE = '{"verb": "different", "pictures": ["a.jpg", "b.jpg"]}'


class Row(NamedTuple):
    """A decision that a program wrote.

    at:       its place, for messages.
    verb:     what it says.
    pictures: the words for its pictures; of `keep`, for those that are to stay.
    over:     the words for the others.
    """

    at: str
    verb: str
    pictures: Sequence[AnyPath]
    over: Sequence[AnyPath]


def rows_of(given: AnyPath | BinaryIO | Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Read rows from a file of JSON lines, an open one, or mappings. Raises: UsageError, naming the place."""
    if isinstance(given, (str, bytes, os.PathLike)):
        with _opened(given) as file:
            yield from _lines(file, os.fsdecode(given))
    elif hasattr(given, "readline"):
        yield from _lines(cast("BinaryIO", given), "standard input")
    else:
        for number, value in enumerate(given, 1):
            yield from _several(value, f"decision {number}")


def _opened(given: AnyPath) -> BinaryIO:
    path = as_path(given)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UsageError(f"{path} is no file", "write the decisions to a file, and name that")
        return path.open("rb")
    except OSError as err:
        from vstore.near_files import did_you_mean, near_files

        step = did_you_mean(near_files(os.fsencode(path)), "check the name")
        raise UsageError(f"{path} cannot be read: {err.strerror}", step) from err


def _lines(file: BinaryIO, name: str) -> Iterator[Row]:
    number = 0
    while True:
        try:
            line: Any = file.readline(LINE + 1)
        except OSError as err:
            raise UsageError(f"{name} cannot be read: {err.strerror or err}", "check the file") from err
        if isinstance(line, str):
            raise UsageError("the file of decisions is open for text", "open it for bytes: open(FILE, 'rb')")
        if not line:
            return
        number += 1
        at = f"{name}, line {number}"
        if len(line) > LINE:
            raise _wrong(at, "it is too long", "write a decision a line")
        if line.strip():
            yield from _several(_parsed(line, at), at)


def _parsed(line: bytes, at: str) -> Any:
    try:
        return json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        raise _wrong(at, "it is not UTF-8", "save the file as UTF-8") from err
    except (ValueError, RecursionError) as err:
        why = f"it is not JSON ({' '.join(str(err).split())[:100]})"
        raise _wrong(at, why, f"write an object a line: {_SHAPE}") from err


def _several(value: Any, at: str) -> Iterator[Row]:
    """Read a decision, or all that `vstore decisions --json` prints: the newest, which stands first there, last."""
    if (
        isinstance(value, Mapping)
        and isinstance(value.get("decisions"), list)
        and value.keys() <= {"decisions", "store"}
    ):
        every = value["decisions"]
        for number in range(len(every), 0, -1):
            yield _row(every[number - 1], f"{at}, decision {number}")
    else:
        yield _row(value, at)


def _row(value: Any, at: str) -> Row:
    if not isinstance(value, Mapping):
        raise _wrong(at, "it is no object", f"write one like this: {_SHAPE}")
    for name in value:
        if name not in _FIELDS:
            raise _wrong(at, f"a decision has no field {name!r}", "it has: verb, pictures, and over for keep")
    verb = value.get("verb")
    if not isinstance(verb, str):
        raise _wrong(at, "it has no verb", f"write it like this: {_SHAPE}")
    return Row(at, verb, _words(value, "pictures", at), _words(value, "over", at))


def _words(value: Mapping[str, Any], name: str, at: str) -> list[AnyPath]:
    given = value.get(name, ())
    if isinstance(given, Mapping) or not isinstance(given, (str, bytes, os.PathLike, Iterable)):
        raise _wrong(at, f"its {name} are no list", f"write it like this: {_SHAPE}")
    return [_word(one, at) for one in several(cast("Iterable[Any]", given))]


def _word(value: Any, at: str) -> AnyPath:
    """Take a picture: a path or a key, or an object that has its key."""
    word = value.get("key") if isinstance(value, Mapping) else value
    if not isinstance(word, (str, bytes, os.PathLike)):
        raise _wrong(at, "one of its pictures is neither a text nor an object with a key", "write its path or its key")
    try:
        os.fsencode(word)
    except UnicodeEncodeError as err:
        raise _wrong(at, f"{word!r} is no text", "write its path or its key") from err
    return word


def _wrong(at: str, why: str, step: str) -> UsageError:
    return UsageError(f"{at}: {why}", f"{step}; nothing was changed")
