"""The user's file of options: `vstore/config.toml` in the user's folder for configurations."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vstore import UsageError
from vstore_cli.locate import config_file, sudo_uid

_LONGEST = 1 << 20  # bytes


class UserFile(NamedTuple):
    """A file of options that was read.

    path:   of the file.
    text:   its content.
    tables: the same, parsed.
    """

    path: Path
    text: str
    tables: dict[str, Any]

    def table(self, words: Sequence[str]) -> Mapping[str, Any]:
        """Find the table of a command; an empty one if there is none."""
        tables: Mapping[str, Any] = self.tables
        for word in words:
            below = tables.get(word)
            tables = below if isinstance(below, dict) else {}
        return tables

    def place(self, table: Sequence[str], key: str) -> str:
        """Say where a key stands, as an error begins: `/home/ada/.config/vstore/config.toml, line 3, [sync] device`."""
        line = self._line(table, key)
        at = f", line {line}" if line else ""
        return f"{self.path}{at}, {heading(table)}{key}"

    def _line(self, table: Sequence[str], key: str) -> int | None:
        """Find the line of a key, or of the table of that name; None where it is written in another way."""
        at: list[str] = []
        for number, line in enumerate(self.text.splitlines(), 1):
            words = line.strip()
            if head := re.match(r"\[([^\[\]]+)\]", words):
                at = _names(head[1])
                if at[: len(table) + 1] == [*table, key]:
                    return number
            elif (equals := re.match(r"([^=#\[]+)=", words)) and [*at, *_names(equals[1])][: len(table) + 1] == [
                *table,
                key,
            ]:
                return number
        return None


def _names(dotted: str) -> list[str]:
    return [name.strip().strip("\"'") for name in dotted.split(".")]


def heading(table: Sequence[str]) -> str:
    """Write the heading of a table, and a space; nothing for what stands at the top."""
    return f"[{'.'.join(table)}] " if table else ""


def read() -> UserFile | None:
    """Read the file. Returns: None if there is none. Raises: UsageError."""
    file = config_file()
    if file is None:
        return None
    place = Path(file)
    try:
        found = os.stat(place)
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # a home that is closed to this user holds no file
        return None
    except (OSError, ValueError) as err:
        raise UsageError(f"cannot look at {place}: {getattr(err, 'strerror', None) or err}", _STEP) from err
    _refuse_strange(place, found)
    try:
        data = place.read_bytes()
    except OSError as err:
        raise UsageError(f"cannot read {place}: {err.strerror}", "look at its permissions, or move it away") from err
    return _parsed(place, data)


_STEP = "see where it should be with: vstore config path"


def _refuse_strange(place: Path, found: os.stat_result) -> None:
    """Refuse what is no file of this user. Raises: UsageError."""
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{place} is not a file", "make a TOML file of it, or move it away")
    if found.st_size > _LONGEST:
        raise UsageError(f"{place} has {found.st_size:,} bytes, and {_LONGEST:,} are allowed", "move it away")
    if hasattr(os, "geteuid"):
        me = os.geteuid()
        mine = {me, 0} | ({sudo_uid()} if me == 0 else set())
        if found.st_uid not in mine:
            raise UsageError(
                f"{place} belongs to another user (uid {found.st_uid}), so its options are not taken",
                f"if they are yours: chown {me} {place}; else move it away, or name your own folder with "
                "XDG_CONFIG_HOME",
            )


def _parsed(place: Path, data: bytes) -> UserFile:
    import tomllib  # most users have no file

    try:
        text = data.decode("utf-8-sig")
        return UserFile(place, text, tomllib.loads(text))
    except UnicodeDecodeError as err:
        at = data.count(b"\n", 0, err.start) + 1
        raise UsageError(f"{place}, line {at}: this is not UTF-8", "save the file as UTF-8") from err
    except (tomllib.TOMLDecodeError, RecursionError) as err:
        what, _, where = str(err).partition(" (at ")
        line = where.removeprefix("line ").partition(",")[0]
        if not line.isdigit():  # it is only found at the end of the document
            line = str(len(text.splitlines()))
        raise UsageError(
            f"{place}, line {line}: this is not TOML: {what}",
            'write options as: device = "cuda:0"; those of one command below its heading, [sync]',
        ) from err
