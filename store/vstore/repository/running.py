"""The command that is changing a store now, as its lock tells others: for display, never to decide by."""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import TYPE_CHECKING, Any

from vstore.disk import inside
from vstore.disk.lock import LONGEST
from vstore.errors import Damage
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from vstore.format.canonical import Json

_TRIES, _PAUSE = 5, 0.002  # its holder replaces the content in two steps
_LONGEST_WORD = 200


class Running(NamedTuple):
    """A command that is changing the store, in whatever process.

    pid:     its process.
    host:    its machine.
    command: such as `sync`.
    since:   when it began, ISO 8601, UTC.
    stage:   of its work: `reading`, `loading the model`, …; None until it has run for a second.
    unit:    the noun of the items of the stage.
    done:    finished items.
    total:   all items; None if their number is unknown.
    at:      when it told that, ISO 8601, UTC.
    """

    pid: int
    host: str
    command: str
    since: str
    stage: str | None = None
    unit: str | None = None
    done: int | None = None
    total: int | None = None
    at: str | None = None

    def to_json(self) -> dict[str, Json]:
        return dict(self._asdict())


def running(locks: Path) -> Running | None:
    """Find the command that holds `ingest`. locks: the folder of the locks. Waits for nobody, writes nothing."""
    path = locks / "ingest"
    for _ in range(_TRIES):
        try:
            data = inside.read(str(path), LONGEST)
            if not data:
                return None
            found = _read(json.loads(data))
        except (OSError, Damage):
            return None
        except (ValueError, KeyError, TypeError, RecursionError):  # it is being replaced just now, or a stranger's
            time.sleep(_PAUSE)
            continue
        return found if _is_held(path) else None
    return None


def _read(value: Any) -> Running:
    """Read what a holder wrote. It may be a stranger's. Raises: KeyError, TypeError, ValueError."""

    def word(name: str) -> str | None:
        return None if value.get(name) is None else _word(value[name])

    def number(name: str) -> int | None:
        return None if value.get(name) is None else _count(value[name])

    return Running(
        pid=_count(value["pid"]),
        host=_word(value["host"]),
        command=_word(value["command"]),
        since=_word(value["since"]),
        stage=word("stage"),
        unit=word("unit"),
        done=number("done"),
        total=number("total"),
        at=word("at"),
    )


def _word(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_WORD:
        raise TypeError
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise TypeError
    return value


def _is_held(path: Path) -> bool:
    """Tell whether a lock is held: a killed process leaves its words behind."""
    try:
        fd = inside.open_file(str(path), os.O_RDONLY)
    except (OSError, Damage):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # freed by closing the file
        return False
    except OSError:
        return True
    finally:
        os.close(fd)
