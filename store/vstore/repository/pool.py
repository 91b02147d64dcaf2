"""The repositories of one open store: each call has one of its own, so that threads share nothing that changes."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from weakref import WeakSet

from vstore.errors import Damage, DiskTrouble, StoreClosed
from vstore.repository.repository import Repository


class Pool:
    """The repositories of one store that no call is using."""

    def __init__(self, first: Repository) -> None:
        self._first = first
        self._idle = [first]
        self._is_closed = False
        self._lock = threading.Lock()
        _pools.add(self)

    @contextlib.contextmanager
    def one(self) -> Iterator[Repository]:
        """Give a repository to one call. Raises: StoreClosed; StoreGone in place of an error that it explains."""
        repo = self._take()
        try:
            yield repo
        except (Damage, DiskTrouble, OSError):
            repo.refuse_gone_to_readers()
            raise
        finally:
            self._give_back(repo)

    def _take(self) -> Repository:
        with self._lock:
            if self._is_closed:
                raise StoreClosed(f"the store {self._first.layout.folder} was closed", "open it again")
            if self._idle:
                return self._idle.pop()
        return self._first.beside()

    def _give_back(self, repo: Repository) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append(repo)
                return
        repo.close()

    def close(self) -> None:
        """Close the repositories. Calls that are under way end as they would; a second time nothing happens."""
        with self._lock:
            idle, self._idle, self._is_closed = self._idle, [], True
        for repo in idle:
            repo.close()

    def forked(self) -> None:
        """Begin again in a child of a fork: another thread of the parent may have had the lock, or a repository."""
        self._lock = threading.Lock()


_pools: WeakSet[Pool] = WeakSet()


def _forked() -> None:
    for pool in list(_pools):
        pool.forked()


os.register_at_fork(after_in_child=_forked)
