"""The catalogue: facts in LMDB for fast look-up. All can be rebuilt, and each must prove itself.

If the environment is not exactly as the last transaction left it, a writer makes a new one with all facts that still
prove themselves. An environment that was copied is not even read.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from vstore.disk import durable, inside
from vstore.disk.environment import (
    Place,
    Shared,
    identity,
    is_alone,
    is_cut,
    is_inherited,
    is_sealed,
    is_sound,
    make_environment,
    noted_identity,
    open_environment,
    place_of,
    put_place,
    put_seal,
)
from vstore.disk.facts import (
    DECODE_FAILURE,
    FACTS_VALUE,
    LOCATION,
    LOCATION_VALUE,
    MODEL_FAILURE,
    PICTURE,
    SUM,
    Batch,
    ModelFailure,
    folder_key,
    meta_key,
    space_key,
)
from vstore.errors import DiskTrouble
from vstore.format.hashing import checksum
from vstore.limits import refuse_limit

_IDENTITY = "identity"


class Catalogue:
    """An open catalogue. A look-up gives None for a missing or unproven fact.

    writable: facts may be written.
    damaged:  a look-up met an unproven or unreadable fact: a miss then proves nothing.
    """

    def __init__(self, folder: Path, shared: Shared, writable: bool) -> None:
        self._folder = folder
        self._shared = shared
        self._env = shared.env
        self._closed = False
        self._lock = threading.RLock()
        self._reader: Any = None
        self.writable = writable
        self.damaged = False

    @classmethod
    def open(cls, folder: Path, store_id: str, *, write: bool, foreign: bool = False) -> Catalogue | None:
        """Open the catalogue of a store.

        write:   the caller holds `ingest`; a missing or unusable catalogue is made again.
        foreign: the store is another user's: every page is looked at first, and no file is touched.
        Returns: None for a missing or unusable one; and in a child of a process that had it open at the fork,
                 which LMDB lets neither use nor reopen it.
        Raises:  DiskTrouble if a new one cannot be made.
        """
        for _ in range(2):
            if is_inherited(folder):
                return None
            catalogue = _open(folder, store_id, write, foreign=foreign)
            if catalogue is not None or not write:
                return catalogue
            renew(folder, store_id)
        raise DiskTrouble(
            f"cannot open {folder}", f"remove it ({folder}) and run the command again: vstore rebuilds it"
        )

    # Facts

    def folder(self, path: bytes, chunk: int) -> bytes | None:
        """Look up the stats of the chunk-th thousand files of a folder."""
        return self._get(folder_key(path, chunk))

    def location(self, space: str, key: bytes) -> tuple[int, int] | None:
        """Look up a vector: position of the segment in the list of its space, row."""
        value = self._get(space_key(LOCATION, space, key))
        return LOCATION_VALUE.unpack(value) if value is not None and len(value) == LOCATION_VALUE.size else None

    def facts(self, key: bytes) -> tuple[int, str, int, int] | None:
        """Look up bytes, format, width and height of a picture."""
        value = self._get(PICTURE + key)
        if value is None or len(value) < FACTS_VALUE.size:
            return None
        size, width, height = FACTS_VALUE.unpack_from(value)
        return size, value[FACTS_VALUE.size :].decode("ascii", "replace"), width, height

    def decode_failure(self, key: bytes, decoder: str | None) -> tuple[str, str] | None:
        """Look up kind and reason of an earlier failure of a decoder on these bytes. decoder: None means any."""
        value = self._get(DECODE_FAILURE + key)
        if value is None:
            return None
        parts = value.decode("utf-8", "replace").split("\0")
        return (parts[1], parts[2]) if len(parts) == 3 and decoder in (None, parts[0]) else None

    def model_failure(self, space: str, key: bytes) -> ModelFailure | None:
        """Look up an earlier failure of this space's model on this picture.

        Earlier versions of vstore remembered neither the machine nor the environment.
        """
        value = self._get(space_key(MODEL_FAILURE, space, key))
        parts = value.decode("utf-8", "replace").split("\0") if value is not None else []
        return ModelFailure(*parts) if len(parts) in (2, 4) else None

    def meta(self, name: str) -> bytes | None:
        """Look up a note of an earlier run. It may say that other tables are whole, which only an exact file proves."""
        return self._get(meta_key(name)) if self._shared.exact else None

    def _get(self, key: bytes) -> bytes | None:
        import lmdb

        with self._lock:
            if self._closed or os.getpid() != self._shared.pid:
                return None
            try:
                if self._reader is None:
                    self._reader = self._env.begin(buffers=False)
                value: bytes | None = self._reader.get(key)
            except lmdb.Error:
                self.damaged = True
                return None
        if value is None:
            return None
        if len(value) < SUM or checksum(key, value[:-SUM]) != value[-SUM:]:
            self.damaged = True
            return None
        return value[:-SUM]

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every proven item, as stored, up to the first unreadable page."""
        import lmdb

        with contextlib.suppress(lmdb.Error, SystemError), self._env.begin() as transaction:
            for key, value in transaction.cursor():
                if value[-SUM:] == checksum(key, value[:-SUM]):
                    yield key, value

    def is_whole(self) -> bool:
        """Tell whether the file is as the last transaction left it, and every value proves itself."""
        return self._shared.exact and sum(1 for _ in self.items()) == self._env.stat()["entries"]

    # Changing

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Open a write transaction: all of it is written, or nothing. Raises: DiskTrouble."""
        import lmdb

        self._end_reading()
        try:
            with self._env.begin(write=True) as transaction:
                yield Batch(transaction)
            put_seal(self._folder)
        except lmdb.Error as err:
            raise DiskTrouble(
                f"cannot write the catalogue: {err}", "free some space and run the command again; nothing is lost"
            ) from err
        finally:
            self._end_reading()

    def _end_reading(self) -> None:
        """Let go of the reader's view: the next look-up sees later writes."""
        with self._lock:
            if self._reader is not None:
                self._reader.abort()
                self._reader = None

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if os.getpid() != self._shared.pid:
            return  # LMDB must not be touched by a child of the process that opened it
        self._end_reading()
        with Shared.lock:
            self._shared.users -= 1
            if not self._shared.users:
                Shared.open.pop(self._shared.identity, None)
                self._env.close()

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def renew(folder: Path, store_id: str) -> None:
    """Replace the catalogue by one in a new folder, with all that the old one still proves. The caller holds `ingest`.

    A reader of the old one keeps it open.
    Raises: DiskTrouble.
    """
    import shutil  # with its compressors 3 ms that a run which finds its catalogue does without

    import lmdb

    fresh = folder.with_name(f"{durable.TEMPORARY}ingest-{durable.nonce()}")
    try:
        env = make_environment(fresh)
        try:
            with env.begin(write=True) as transaction:
                batch = Batch(transaction)
                batch.put_meta(_IDENTITY, _identity_value(store_id, identity(fresh)))
                old = _open(folder, store_id, write=False)
                if old is not None:
                    with old:
                        batch.take_over(old.items())
        finally:
            env.close()
        put_seal(fresh)
        if inside.exists(folder):
            aside = folder.with_name(f"{durable.TEMPORARY}ingest-{durable.nonce()}")
            durable.disk.rename(str(folder), str(aside))
            shutil.rmtree(aside, ignore_errors=True)
        durable.disk.rename(str(fresh), str(folder))
    except (OSError, lmdb.Error, DiskTrouble) as err:
        with contextlib.suppress(OSError):
            shutil.rmtree(fresh)
        if isinstance(err, DiskTrouble):
            raise
        if isinstance(err, OSError):
            refuse_limit(err, f"make {folder}")
        raise DiskTrouble(f"cannot make {folder}: {err}", "look at the disk, then run the command again") from err


def _open(folder: Path, store_id: str, write: bool, *, foreign: bool = False) -> Catalogue | None:
    import lmdb

    try:
        own = identity(folder)
        alone = is_alone(folder)
        if write and not alone:
            return None
        with Shared.lock:
            shared = Shared.open.get(own)
            if shared is None:
                place = place_of(folder)
                exact = is_sealed(folder)
                unproved = not exact or place is not Place.OWN or foreign  # who owns it can write `place` too
                if place is Place.COPY or (not exact and write) or (unproved and not is_sound(folder)):
                    return None
                env = open_environment(folder, alone and (write or (not foreign and os.access(folder, os.W_OK))))
                if unproved and is_cut(env, folder):
                    env.close()
                    return None
                noted = noted_identity(folder) if place is Place.REMOUNTED else None
                if write and unproved and noted is None:
                    put_place(folder)
                shared = Shared(env, own, exact=exact, noted=noted or own)
                Shared.open[own] = shared
            if write and not shared.exact:
                return None
            shared.users += 1
    except OSError as err:
        refuse_limit(err, f"open {folder}")
        return None
    except lmdb.Error:
        return None
    catalogue = Catalogue(folder, shared, write)
    try:
        if write:
            shared.env.reader_check()
        if catalogue._get(meta_key(_IDENTITY)) == _identity_value(store_id, shared.noted) and not catalogue.damaged:
            if write and shared.noted != own:
                with catalogue.batch() as batch:
                    batch.put_meta(_IDENTITY, _identity_value(store_id, own))
                shared.noted = own
            return catalogue
    except (OSError, lmdb.Error, DiskTrouble):
        pass
    catalogue.close()
    return None


def _identity_value(store_id: str, noted: tuple[int, int]) -> bytes:
    return " ".join([store_id, *map(str, noted)]).encode()
