"""The catalogue: facts in LMDB for fast look-up. All can be rebuilt; none is believed where it does not prove itself.

Every value ends in the checksum of (table, key, value). An environment that was copied, or whose file is shorter than
its last page (reading past the end of a map is SIGBUS), is not opened: whoever may write makes a new one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import xxhash

from vstore import durable
from vstore.errors import DiskTrouble
from vstore.hashing import checksum

MAP_SIZE = 64 << 30  # address space, not disk; halved until the machine grants it
_SUM = 8
_LOCATION = struct.Struct("<II")
_FACTS = struct.Struct("<QII")
_IDENTITY = b"identity"
# One byte each, at the head of a key.
FOLDER, LOCATION, PICTURE, DECODE_FAILURE, MODEL_FAILURE, META = b"f", b"l", b"p", b"d", b"m", b"x"
# liblmdb's meta pages, at 0 and one page on: magic at 16, page size at 40, last page at 16 + 8 + 16 + 2 × 48 = 136.
_META_MAGIC = 0xBEEFC0DE
_META_LAST_PAGE = 136


class _Shared:
    """One environment per process and folder, counted: LMDB refuses to be opened twice."""

    open: dict[tuple[int, int], _Shared] = {}  # noqa: RUF012  # one table for the process is the point
    lock = threading.Lock()

    def __init__(self, env: Any, identity: tuple[int, int]) -> None:
        self.env = env
        self.identity = identity
        self.users = 0
        self.pid = os.getpid()


class Catalogue:
    """An open catalogue. Look-ups give None for what is missing or does not prove itself."""

    def __init__(self, shared: _Shared, writable: bool) -> None:
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
        Raises: DiskTrouble if a new one cannot be made.
        """
        for _ in range(2):
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
        return self._get(_meta_key(name))

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

    # Changing

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """One write transaction: all of it, or nothing. Raises: DiskTrouble."""
        import lmdb

        self._end_reading()
        try:
            with self._env.begin(write=True) as transaction:
                yield Batch(transaction)
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
        """places: key, position of the segment in the list, row."""
        prefix = _space_key(LOCATION, space, b"")
        entries = []
        for key, ordinal, row in places:
            value = _LOCATION.pack(ordinal, row)
            entries.append((prefix + key, value + checksum(prefix + key, value)))
        entries.sort()
        with self._transaction.cursor() as cursor:
            cursor.putmulti(entries)

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
    found = (folder / "data.mdb").stat()
    return f"{store_id} {found.st_dev} {found.st_ino}".encode()


def _open(folder: Path, store_id: str, write: bool) -> Catalogue | None:
    import lmdb

    try:
        found = (folder / "data.mdb").stat()
        identity = (found.st_dev, found.st_ino)
        with _Shared.lock:
            shared = _Shared.open.get(identity)
            if shared is not None and shared.pid != os.getpid():
                del _Shared.open[identity]  # inherited by a fork: the parent's, not ours
                shared = None
            if shared is None:
                if not _is_whole(folder / "data.mdb"):
                    return None
                shared = _Shared(_environment(folder, write or os.access(folder, os.W_OK)), identity)
                _Shared.open[identity] = shared
            shared.users += 1
    except (OSError, lmdb.Error):
        return None
    catalogue = Catalogue(shared, write)
    try:
        if write:
            shared.env.reader_check()
        if catalogue.meta("identity") == _identity_value(folder, store_id) and not catalogue.damaged:
            return catalogue
    except (OSError, lmdb.Error):
        pass
    catalogue.close()
    return None


def _environment(folder: Path, write: bool) -> Any:
    import lmdb

    size = MAP_SIZE
    while True:
        try:
            return lmdb.open(
                os.fspath(folder), map_size=size, readonly=not write, lock=write, max_readers=126, lib_version=0
            )
        except (lmdb.Error, MemoryError):
            size //= 2
            if size < 1 << 20:
                raise


def _is_whole(path: Path) -> bool:
    """Whether the file reaches as far as its meta pages say. Read plainly: a map of a cut file must not be touched."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(256)
        if len(head) < 256:
            return False
        page = struct.unpack_from("<I", head, 40)[0]
        if page < 512 or page > 1 << 16 or page & (page - 1):
            return False
        file.seek(page)
        other = file.read(256)
        for meta in (head, other):
            if len(meta) < 256 or struct.unpack_from("<I", meta, 16)[0] != _META_MAGIC:
                return False
            last = struct.unpack_from("<Q", meta, _META_LAST_PAGE)[0]
            if (last + 1) * page > size:
                return False
    return True


def renew(folder: Path, store_id: str) -> None:
    """Put an empty catalogue in the place of one that is not looked at. The caller holds `ingest`.

    Raises: DiskTrouble.
    """
    _make(folder, store_id)


def _make(folder: Path, store_id: str) -> None:
    """Make an empty environment in a new folder, and rename it in. A reader that has the old one open keeps it."""
    import lmdb

    fresh = folder.with_name(f"{durable.TEMPORARY}ingest-{durable.nonce()}")
    try:
        env = _environment_made(fresh)
        try:
            with env.begin(write=True) as transaction:
                Batch(transaction).put_meta("identity", _identity_value(fresh, store_id))
        finally:
            env.close()
        if folder.exists():
            old = folder.with_name(f"{durable.TEMPORARY}ingest-{durable.nonce()}")
            durable.disk.rename(str(folder), str(old))
            shutil.rmtree(old, ignore_errors=True)
        durable.disk.rename(str(fresh), str(folder))
    except (OSError, lmdb.Error) as err:
        with contextlib.suppress(OSError):
            shutil.rmtree(fresh)
        raise DiskTrouble(f"cannot make {folder}: {err}", "look at the disk, then run the command again") from err


def _environment_made(folder: Path) -> Any:
    durable.make_folder(folder)
    return _environment(folder, True)
