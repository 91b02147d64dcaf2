"""Making a store."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from support.builder import Builder, aliases
from support.failing_disks import Watched, disk

from vstore.disk import durable
from vstore.disk.lock import Lock
from vstore.disk.reserve import RESERVE
from vstore.errors import (
    Locked,
    NoStore,
    UsageError,
    VstoreError,
)
from vstore.format.hashing import HASHES
from vstore.format.layout import DTYPES, NEWEST, Layout
from vstore.repository.create import create_store
from vstore.repository.repository import Repository
from vstore.store import Store

__all__ = ["disk"]


@pytest.mark.parametrize("hash", HASHES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_store_is_made_of_what_format_says(tmp_path: Path, hash: str, dtype: str) -> None:
    folder = tmp_path / ".vstore"
    repo = create_store(folder, hash, dtype)
    assert sorted(os.listdir(folder)) == sorted([p.name for p in repo.layout.folders()] + ["FORMAT", "reserve"])
    assert (folder / "reserve").read_bytes() == bytes(RESERVE)
    text = (folder / "FORMAT").read_bytes()
    form = json.loads(text)
    assert (form["format"], form["hash"], form["dtype"], form["store"]) == (NEWEST, hash, dtype, repo.store_id)
    assert text.endswith(b"}\n") and text.count(b"\n") == 1
    again = Repository(folder)
    assert (again.store_id, again.hash.name, again.dtype) == (repo.store_id, hash, dtype)
    assert again.state.document == {}


def test_the_name_format_comes_last_and_everything_is_flushed(tmp_path: Path, disk: Watched) -> None:
    create_store(tmp_path / ".vstore")
    links = [at for at, call in enumerate(disk.calls) if call == ("link", "FORMAT")]
    after = disk.calls[links[0] + 1 :]
    assert len(links) == 1
    assert not [call for call, _ in after if call in ("mkdir", "rename", "link", "write")]
    assert ("fsync", ".vstore") in after
    assert ("fsync", tmp_path.name) in disk.calls


def test_half_a_store_is_no_store_and_is_made_whole_by_the_next_attempt(tmp_path: Path, disk: Watched) -> None:
    folder = tmp_path / ".vstore"
    (tmp_path / "count").mkdir()
    Store.init(tmp_path / "count" / ".vstore")
    calls = sorted({(call, path) for call, path in disk.calls if call != "read"})
    for call, path in calls:
        shutil.rmtree(folder, ignore_errors=True)
        disk.heal()
        disk.fail(call, errno.EIO, path)
        with contextlib.suppress(VstoreError):
            Store.init(folder)
        disk.heal()
        if not (folder / "FORMAT").exists():
            with pytest.raises(NoStore):
                Repository(folder)
        if not (folder / "FORMAT").exists() or not Repository(folder).tip.highest:
            Store.init(folder)
        assert Repository(folder).state.start_space is not None
        leftovers = [p for p in folder.rglob("*") if p.name.startswith(durable.TEMPORARY)]
        assert not leftovers or call == "unlink"


def test_making_a_store_that_was_killed_before_its_first_record_is_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / ".vstore"
    store_id = create_store(folder, "sha256", "float32").store_id
    with pytest.raises(UsageError, match=r"a store was begun at .* with --hash sha256 --store-dtype float32"):
        Store.init(folder)
    report = Store.init(folder, hash="sha256", store_dtype="float32")
    assert report.id == store_id
    with pytest.raises(UsageError, match=r"a store already exists at"):
        Store.init(folder, hash="sha256", store_dtype="float32")
    with Store(folder) as store:
        assert [row.op for row in store.log()] == ["init"]


def test_a_store_is_never_made_over_another_one_whatever_its_state(builder: Builder) -> None:
    builder.add_pictures(aliases(1))
    folder = builder.repo.layout.folder
    form = json.loads((folder / "FORMAT").read_bytes())
    for text in (b"garbage", json.dumps({**form, "format": 99}).encode()):
        (folder / "FORMAT").write_bytes(text)
        with pytest.raises(UsageError, match=r"a store already exists at"):
            create_store(folder)
        assert (folder / "FORMAT").read_bytes() == text
    shutil.rmtree(folder / "refs")
    with pytest.raises(UsageError, match=r"a store already exists at"):
        create_store(folder)


def test_only_one_process_at_a_time_makes_a_store(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".vstore")
    layout.locks.mkdir(parents=True)
    with Lock(layout.locks, "ingest") as lock:
        lock.acquire(0, "init")
        with pytest.raises(Locked):
            create_store(layout.folder)
    assert not layout.format.exists()
    create_store(layout.folder)


@pytest.mark.parametrize(("hash", "dtype"), [("md5", "float16"), ("xxh3_128", "int8")])
def test_a_hash_or_dtype_that_is_not_known_makes_nothing(tmp_path: Path, hash: str, dtype: str) -> None:
    with pytest.raises(UsageError, match="unknown"):
        create_store(tmp_path / ".vstore", hash, dtype)
    assert not (tmp_path / ".vstore").exists()
