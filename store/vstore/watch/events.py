"""The events of the system for a set of folders.

Only the folders themselves are watched, not what lies below them: those that no sync enters cost nothing and wake
nobody. A queue that ran over loses events without a word (watchfiles drops the mark of it), and so does a folder that
is made and filled before it is watched: so each sync reads all folders, and `MANY` changes at once mean a new look.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from vstore.packages import WATCHFILES

if TYPE_CHECKING:
    import threading

_STEP = 200  # milliseconds between two looks at what came: a process that only waits costs 0.02 % of a core
_LONGEST = 1000  # milliseconds of a burst before it is passed on


class Seen(NamedTuple):
    """One change. is_new: a name that was not there before. is_gone: a name that is there no more."""

    path: bytes
    is_new: bool
    is_gone: bool


class EventsLost(Exception):
    """Events that cannot be told: all folders have to be looked at, and watched again."""


class NoEvents(Exception):
    """A limit of the system, or a folder that it cannot watch.

    message: what it is.
    advice:  what lifts it, or "".
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class Source(Protocol):
    """A source of changes."""

    def wait(self, seconds: float, stop: threading.Event) -> list[Seen]:
        """Wait for changes. Returns: none if the time is over, or somebody asked to stop. Raises: EventsLost."""
        ...

    def close(self) -> None:
        """Stop watching."""
        ...


class Events:
    """The events of the system, through watchfiles."""

    def __init__(self, folders: Iterable[bytes]) -> None:
        """Raises: NoEvents, MissingPackage; FileNotFoundError if a folder has just gone."""
        rust = WATCHFILES.load()
        try:
            self._watcher = rust.RustNotify(sorted(map(os.fsdecode, folders)), False, False, 0, False, False)
        except FileNotFoundError:
            raise
        except UnicodeEncodeError as err:
            raise NoEvents("the name of a folder is not UTF-8, and its events cannot be told") from err
        except (OSError, RuntimeError) as err:
            raise _refusal(err) from err

    def wait(self, seconds: float, stop: threading.Event) -> list[Seen]:
        try:
            found = self._watcher.watch(_LONGEST, _STEP, max(1, int(1000 * seconds)), stop)
        except RuntimeError as err:  # such as a name that is not UTF-8; from now on it tells nothing else
            raise EventsLost(f"the events of the folders were lost: {_words(err)}") from err
        if isinstance(found, str):
            return []
        return [Seen(os.fsencode(path), kind == 1, kind == 3) for kind, path in found]

    def close(self) -> None:
        self._watcher.close()


def _refusal(err: Exception) -> NoEvents:
    """Say which limit was met, and how it is raised."""
    text = str(err)
    if "limit reached" in text or "os error 28" in text:
        return NoEvents(
            "the system watches no more folders for this user (fs.inotify.max_user_watches)",
            "raise it: sudo sysctl fs.inotify.max_user_watches=1048576, keep it in /etc/sysctl.d/, and start again",
        )
    if "os error 24" in text or "Too many open files" in text:
        return NoEvents(
            "the system watches for no more programs of this user (fs.inotify.max_user_instances), or this one has too "
            "many files open",
            "raise it: sudo sysctl fs.inotify.max_user_instances=1024, keep it in /etc/sysctl.d/, and start again",
        )
    return NoEvents(f"the system cannot watch the folders: {_words(err)}")


def _words(err: Exception) -> str:
    return " ".join(str(err).split())[:200]
