"""The catalogue: facts in LMDB for fast look-up. All can be rebuilt; none is believed where it does not prove itself.

Every value ends in the checksum of (table, key, value). liblmdb follows the pages of a file wherever they point: one
flipped bit in a page can crash the process, a cut file is SIGBUS. So an environment is used only if its file is, byte
for byte, what the last transaction left (`seal` holds its checksum). Another one, such as a run leaves that was killed
before it could say so, is at most read, and only if every page of it is sound: whoever may write makes a new one of
what still proves itself. One that was copied is not even read.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import xxhash

from vstore.disk import durable
from vstore.disk.file_hash import hash_file
from vstore.errors import DiskTrouble
from vstore.format.hashing import checksum

MAP_SIZE = 64 << 30  # address space, not disk; halved until the machine grants it
READERS = 126
LOCK_SIZE = 8192  # of the lock file for so many readers
_SUM = 8
_LOCATION = struct.Struct("<II")
_SORTED = 4096  # locations that are put in the order of their keys: quicker, and no more of them are held at once
_FACTS = struct.Struct("<QII")
_IDENTITY = "identity"
# One byte each, at the head of a key.
FOLDER, LOCATION, PICTURE, DECODE_FAILURE, MODEL_FAILURE, META = b"f", b"l", b"p", b"d", b"m", b"x"
_DATA, _LOCK, _SEAL = "data.mdb", "lock.mdb", "seal"


class _Shared:
    """One environment per process and folder, counted: LMDB refuses to be opened twice.

    exact: the file is what the last transaction left, so that what it lacks was never in it.
    """

    open: dict[tuple[int, int], _Shared] = {}  # noqa: RUF012  # one table for the process is the point
    lock = threading.Lock()

    def __init__(self, env: Any, identity: tuple[int, int], exact: bool) -> None:
        self.env = env
        self.identity = identity
        self.exact = exact
        self.users = 0
        self.pid = os.getpid()


class Catalogue:
    """An open catalogue. Look-ups give None for what is missing or does not prove itself.

    damaged: something that was looked up did not prove itself, or could not be read: a miss then proves nothing.
    """

    def __init__(self, folder: Path, shared: _Shared, writable: bool) -> None:
        self._folder = folder
        self._shared = shared
        self._env = shared.env
        self._closed = False
        self._lock = threading.RLock()
        self._reader: Any = None
        self.writable = writable
        self.damaged = False

    @classmethod
    def open(cls, folder: Path, store_id: str, *, write: bool) -> Catalogue | None:
        """Open the catalogue of a store.

        write: the caller holds `ingest`; one that is missing or unusable is then made anew. Else: None for those.
        None, too, in a child of a process that had it open at the fork: LMDB lets it neither use nor reopen it.
        Raises: DiskTrouble if a new one cannot be made.
        """
        for _ in range(2):
            if _is_inherited(folder):
                return None
            catalogue = _open(folder, store_id, write)
            if catalogue is not None or not write:
                return catalogue
            _make(folder, store_id)
        raise DiskTrouble(f"cannot open {folder}", f"remove it ({folder}) and run the command again: it holds no data")

    # Facts

    def folder(self, path: bytes, chunk: int) -> bytes | None:
        """What is remembered of the chunk-th thousand files of a folder."""
        return self._get(_folder_key(path, chunk))

    def location(self, space: str, key: bytes) -> tuple[int, int] | None:
        """Where a vector lies: position of the segment in its space's list, row."""
        value = self._get(_space_key(LOCATION, space, key))
        return _LOCATION.unpack(value) if value is not None and len(value) == _LOCATION.size else None

    def facts(self, key: bytes) -> tuple[int, str, int, int] | None:
        """Bytes, format, width and height of a picture."""
        value = self._get(PICTURE + key)
        if value is None or len(value) < _FACTS.size:
            return None
        size, width, height = _FACTS.unpack_from(value)
        return size, value[_FACTS.size :].decode("ascii", "replace"), width, height

    def decode_failure(self, key: bytes, decoder: str) -> tuple[str, str] | None:
        """Kind and reason, if this decoder has failed on these bytes before."""
        value = self._get(DECODE_FAILURE + key)
        if value is None:
            return None
        parts = value.decode("utf-8", "replace").split("\0")
        return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == decoder else None

    def model_failure(self, space: str, key: bytes) -> tuple[str, str] | None:
        """Kind and reason, if this space's model has failed on this picture before."""
        value = self._get(_space_key(MODEL_FAILURE, space, key))
        parts = value.decode("utf-8", "replace").split("\0") if value is not None else []
        return (parts[0], parts[1]) if len(parts) == 2 else None

    def meta(self, name: str) -> bytes | None:
        """What a run noted of its own. It may say that other tables are whole, which only an exact file proves."""
        return self._get(_meta_key(name)) if self._shared.exact else None

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
        if len(value) < _SUM or checksum(key, value[:-_SUM]) != value[-_SUM:]:
            self.damaged = True
            return None
        return value[:-_SUM]

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All that proves itself, as it stands, up to where the pages cannot be read."""
        import lmdb

        with contextlib.suppress(lmdb.Error, SystemError), self._env.begin() as transaction:
            for key, value in transaction.cursor():
                if value[-_SUM:] == checksum(key, value[:-_SUM]):
                    yield key, value

    def is_whole(self) -> bool:
        """Whether the file is what the last transaction left, and every value in it proves itself."""
        return self._shared.exact and sum(1 for _ in self.items()) == self._env.stat()["entries"]

    # Changing

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """One write transaction: all of it, or nothing. Raises: DiskTrouble."""
        import lmdb

        self._end_reading()
        try:
            with self._env.begin(write=True) as transaction:
                yield Batch(transaction)
            _put_seal(self._folder)
        except lmdb.Error as err:
            raise DiskTrouble(
                f"cannot write the catalogue: {err}", "free some space and run the command again; nothing is lost"
            ) from err
        finally:
            self._end_reading()

    def _end_reading(self) -> None:
        """Let go of the reader's view, so that the next look-up sees what was written since."""
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
        with _Shared.lock:
            self._shared.users -= 1
            if not self._shared.users:
                _Shared.open.pop(self._shared.identity, None)
                self._env.close()

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Batch:
    """What one transaction writes."""

    def __init__(self, transaction: Any) -> None:
        self._transaction = transaction

    def _put(self, key: bytes, value: bytes) -> None:
        self._transaction.put(key, value + checksum(key, value))

    def put_folder(self, path: bytes, chunk: int, value: bytes) -> None:
        self._put(_folder_key(path, chunk), value)

    def put_locations(self, space: str, places: Iterable[tuple[bytes, int, int]]) -> None:
        """places: key, position of the segment in the list, row. A key that has a place already keeps it."""
        prefix = _space_key(LOCATION, space, b"")

        def entry(key: bytes, ordinal: int, row: int) -> tuple[bytes, bytes]:
            value = _LOCATION.pack(ordinal, row)
            return prefix + key, value + checksum(prefix + key, value)

        rest = iter(places)
        with self._transaction.cursor() as cursor:
            while some := sorted(entry(*place) for place in islice(rest, _SORTED)):
                cursor.putmulti(some, overwrite=False)

    def clear_locations(self, space: str) -> None:
        prefix = _space_key(LOCATION, space, b"")
        with self._transaction.cursor() as cursor:
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                found = cursor.delete()

    def put_facts(self, key: bytes, size: int, format: str, width: int, height: int) -> None:
        self._put(PICTURE + key, _FACTS.pack(size, width, height) + format.encode("ascii", "replace"))

    def put_decode_failure(self, key: bytes, decoder: str, kind: str, reason: str) -> None:
        self._put(DECODE_FAILURE + key, "\0".join((decoder, kind, reason.replace("\0", " "))).encode())

    def put_model_failure(self, space: str, key: bytes, kind: str, reason: str) -> None:
        self._put(_space_key(MODEL_FAILURE, space, key), "\0".join((kind, reason.replace("\0", " "))).encode())

    def take_over(self, old: Catalogue) -> None:
        """Put what another catalogue still proves, up to where it cannot be read; not what a run noted of its own."""
        for key, value in old.items():
            if not key.startswith(META):
                self._transaction.put(key, value)

    def put_meta(self, name: str, value: bytes) -> None:
        self._put(_meta_key(name), value)

    def drop_meta(self, name: str) -> None:
        self._transaction.delete(_meta_key(name))


def _folder_key(path: bytes, chunk: int) -> bytes:
    # LMDB keys end at 511 bytes, paths do not.
    return FOLDER + xxhash.xxh3_128_digest(path) + struct.pack(">I", chunk)


def _space_key(table: bytes, space: str, key: bytes) -> bytes:
    return table + bytes.fromhex(space)[:8] + key


def _meta_key(name: str) -> bytes:
    # Names may hold labels, and labels may be long, or no UTF-8.
    return META + xxhash.xxh3_128_digest(os.fsencode(name))


def _identity_value(folder: Path, store_id: str) -> bytes:
    return " ".join([store_id, *map(str, _identity(folder))]).encode()


def _identity(folder: Path) -> tuple[int, int]:
    found = (folder / _DATA).stat()
    return found.st_dev, found.st_ino


def _is_inherited(folder: Path) -> bool:
    try:
        shared = _Shared.open.get(_identity(folder))
    except OSError:
        return False
    return shared is not None and shared.pid != os.getpid()


def _open(folder: Path, store_id: str, write: bool) -> Catalogue | None:
    import lmdb

    try:
        identity = _identity(folder)
        with _Shared.lock:
            shared = _Shared.open.get(identity)
            if shared is None:
                exact = _is_sealed(folder)
                if not exact and (write or not _is_sound(folder)):
                    return None
                env = _environment(folder, write or os.access(folder, os.W_OK))
                if not exact and _is_cut(env, folder):
                    env.close()
                    return None
                shared = _Shared(env, identity, exact)
                _Shared.open[identity] = shared
            if write and not shared.exact:
                return None
            shared.users += 1
    except (OSError, lmdb.Error):
        return None
    catalogue = Catalogue(folder, shared, write)
    try:
        if write:
            shared.env.reader_check()
        if catalogue._get(_meta_key(_IDENTITY)) == _identity_value(folder, store_id) and not catalogue.damaged:
            return catalogue
    except (OSError, lmdb.Error):
        pass
    catalogue.close()
    return None


def _environment(folder: Path, write: bool) -> Any:
    import lmdb

    if write:
        durable.allocate(folder / _LOCK, LOCK_SIZE)  # LMDB maps it, and would leave it one large hole
    size = MAP_SIZE
    while True:
        try:
            return lmdb.open(
                os.fspath(folder), map_size=size, readonly=not write, lock=write, max_readers=READERS, lib_version=0
            )
        except (lmdb.Error, MemoryError):
            size //= 2
            if size < 1 << 20:
                raise


def _is_sealed(folder: Path) -> bool:
    try:
        return durable.read(folder / _SEAL) == _sum(folder)
    except OSError:
        return False


def _put_seal(folder: Path) -> None:
    """Say what the file is now. Not flushed, and no error: a seal that lags behind costs a look at every page."""
    with contextlib.suppress(OSError):
        durable.write_unflushed(folder / _SEAL, _sum(folder))


def _sum(folder: Path) -> bytes:
    """The checksum of the data file: 3 ms for 100,000 pictures."""
    seal: bytes = hash_file(folder / _DATA, xxhash.xxh3_64()).intdigest().to_bytes(_SUM, "little")
    return seal


def _is_sound(folder: Path) -> bool:
    """Whether every page is such that liblmdb can follow it; 100 times slower than its checksum."""
    from lmdb.verify import VerifyError, verify

    try:
        return not verify(os.fspath(folder))  # type: ignore[no-untyped-call]
    except VerifyError:
        return False


def _is_cut(env: Any, folder: Path) -> bool:
    """Whether the file ends before its last page. Of a value of several pages the verifier looks at the first alone."""
    needed: int = (env.info()["last_pgno"] + 1) * env.stat()["psize"]
    return (folder / _DATA).stat().st_size < needed


def renew(folder: Path, store_id: str) -> None:
    """Make the catalogue anew, of what the old one still proves. The caller holds `ingest`.

    Raises: DiskTrouble.
    """
    _make(folder, store_id)


def _make(folder: Path, store_id: str) -> None:
    """Make an environment in a new folder, of what the old one still proves, and rename it in.

    A reader that has the old one open keeps it.
    """
    import shutil  # with its compressors 3 ms that a run which finds its catalogue does without

    import lmdb

    fresh = folder.with_name(f"{durable.TEMPORARY}ingest-{durable.nonce()}")
    try:
        env = _environment_made(fresh)
        try:
            with env.begin(write=True) as transaction:
                batch = Batch(transaction)
                batch.put_meta(_IDENTITY, _identity_value(fresh, store_id))
                old = _open(folder, store_id, write=False)
                if old is not None:
                    with old:
                        batch.take_over(old)
        finally:
            env.close()
        _put_seal(fresh)
        if folder.exists():
            aside = folder.with_name(f"{durable.TEMPORARY}ingest-{durable.nonce()}")
            durable.disk.rename(str(folder), str(aside))
            shutil.rmtree(aside, ignore_errors=True)
        durable.disk.rename(str(fresh), str(folder))
    except (OSError, lmdb.Error, DiskTrouble) as err:
        with contextlib.suppress(OSError):
            shutil.rmtree(fresh)
        if isinstance(err, DiskTrouble):
            raise
        raise DiskTrouble(f"cannot make {folder}: {err}", "look at the disk, then run the command again") from err


def _environment_made(folder: Path) -> Any:
    durable.make_folder(folder)
    return _environment(folder, True)
