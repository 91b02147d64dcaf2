from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import pytest
from support import catalogue_harm
from support.catalogue_harm import SPACE, STORE, answers, put_all
from support.folders import World, classes, trust_young_stats
from support.stores import quick_folder

from vstore.disk import catalogue, environment
from vstore.disk.catalogue import Catalogue
from vstore.disk.environment import is_sound
from vstore.disk.facts import LOCATION, MODEL_FAILURE, ModelFailure, space_key
from vstore.errors import DiskTrouble
from vstore.store import Store

OTHER = "cd" * 32
KEY = bytes(range(16))
FAILURE = ModelFailure("model", "no vector", "machine-1", '{"device": "cpu"}')
ALL = (320, 0)  # of what `put_all` puts, all is there and nothing is wrong


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as top:
        yield top / "catalogue"


def opened(folder: Path, *, write: bool = True, store: str = STORE) -> Catalogue:
    catalogue = Catalogue.open(folder, store, write=write)
    assert catalogue is not None
    return catalogue


def put(folder: Path, fill: Callable[[Any], None]) -> None:
    with opened(folder) as catalogue, catalogue.batch() as batch:
        fill(batch)


def raw(folder: Path, change: Callable[[Any], None]) -> None:
    """Change the environment behind our back."""
    with lmdb.open(str(folder), map_size=1 << 26, lib_version=0) as env, env.begin(write=True) as transaction:
        change(transaction)


def in_a_process(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run code that a fault may kill. PYTHONPATH is this process's own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=600
    )


def test_facts_come_back_as_they_were_put(folder: Path) -> None:
    def fill(batch: Any) -> None:
        batch.put_folder(b"pictures/\xff\n", 0, b"")
        batch.put_folder(b"pictures/\xff\n", 7, b"\0" * 5000)
        batch.put_locations(SPACE, [(KEY, 3, 4_000_000_000), (bytes(16), 0, 0)])
        batch.put_facts(KEY, size=1 << 40, format="JPEG", width=100_000, height=1)
        batch.put_decode_failure(KEY, "decoder-1", "truncated", "cut\0short é")
        batch.put_model_failure(SPACE, KEY, FAILURE)
        batch.put_meta("count/" + "é" * 5000 + "\udcff", b"\0\1")

    put(folder, fill)
    for write in (False, True):
        with opened(folder, write=write) as catalogue:
            assert catalogue.folder(b"pictures/\xff\n", 0) == b""
            assert catalogue.folder(b"pictures/\xff\n", 7) == b"\0" * 5000
            assert catalogue.location(SPACE, KEY) == (3, 4_000_000_000)
            assert catalogue.location(SPACE, bytes(16)) == (0, 0)
            assert catalogue.facts(KEY) == (1 << 40, "JPEG", 100_000, 1)
            assert catalogue.decode_failure(KEY, "decoder-1") == ("truncated", "cut short é")
            assert catalogue.model_failure(SPACE, KEY) == FAILURE
            assert catalogue.meta("count/" + "é" * 5000 + "\udcff") == b"\0\1"
            assert not catalogue.damaged


def test_a_failure_that_an_earlier_version_remembered_names_no_machine(folder: Path) -> None:
    put(folder, lambda batch: batch._put(space_key(MODEL_FAILURE, SPACE, KEY), b"model\0no vector"))
    with opened(folder) as catalogue:
        assert catalogue.model_failure(SPACE, KEY) == ModelFailure("model", "no vector", machine="", environment="")


def test_a_failure_can_be_dropped(folder: Path) -> None:
    put(folder, lambda batch: batch.put_model_failure(SPACE, KEY, FAILURE))
    put(folder, lambda batch: batch.put_decode_failure(KEY, "decoder-1", "truncated", "cut short"))
    put(folder, lambda batch: [batch.drop_model_failure(SPACE, KEY), batch.drop_decode_failure(KEY)])
    with opened(folder) as catalogue:
        assert catalogue.model_failure(SPACE, KEY) is catalogue.decode_failure(KEY, "decoder-1") is None
        assert not catalogue.damaged


def test_what_was_not_put_is_not_there(folder: Path) -> None:
    def fill(batch: Any) -> None:
        batch.put_folder(b"a", 0, b"x")
        batch.put_locations(SPACE, [(KEY, 0, 0)])
        batch.put_decode_failure(KEY, "decoder-1", "truncated", "cut short")
        batch.put_model_failure(SPACE, KEY, FAILURE)

    put(folder, fill)
    with opened(folder) as catalogue:
        assert catalogue.folder(b"a", 1) is catalogue.folder(b"b", 0) is None
        assert catalogue.location(OTHER, KEY) is catalogue.location(SPACE, bytes(16)) is None
        assert catalogue.facts(KEY) is None
        assert catalogue.decode_failure(KEY, "decoder-2") is None  # another decoder may read it
        assert catalogue.model_failure(OTHER, KEY) is None
        assert catalogue.meta("x") is None
        assert not catalogue.damaged


def test_a_later_value_takes_the_place_of_the_earlier_one(folder: Path) -> None:
    put(folder, lambda batch: batch.put_meta("x", b"1"))
    with opened(folder) as catalogue:
        assert catalogue.meta("x") == b"1"
        with catalogue.batch() as batch:
            batch.put_meta("x", b"2")
        assert catalogue.meta("x") == b"2"
        with catalogue.batch() as batch:
            batch.drop_meta("x")
        assert catalogue.meta("x") is None


def test_clearing_the_locations_of_one_space_leaves_the_others(folder: Path) -> None:
    keys = [bytes([n]) * 16 for n in range(200)]
    with opened(folder) as catalogue:
        with catalogue.batch() as batch:
            for space in (SPACE, OTHER):
                batch.put_locations(space, [(key, 0, row) for row, key in enumerate(keys)])
            batch.put_facts(KEY, size=1, format="PNG", width=1, height=1)
        with catalogue.batch() as batch:
            batch.clear_locations(SPACE)
        assert {catalogue.location(SPACE, key) for key in keys} == {None}
        assert [catalogue.location(OTHER, key) for key in keys] == [(0, row) for row in range(200)]
        assert catalogue.facts(KEY) == (1, "PNG", 1, 1)


def test_a_batch_that_fails_leaves_nothing(folder: Path) -> None:
    with opened(folder) as catalogue:
        with pytest.raises(ZeroDivisionError), catalogue.batch() as batch:
            batch.put_meta("x", b"1")
            raise ZeroDivisionError
        assert catalogue.meta("x") is None


def test_a_value_proves_the_key_under_which_it_stands(folder: Path) -> None:
    put(
        folder,
        lambda batch: [batch.put_facts(bytes([n]) * 16, size=n, format="PNG", width=n, height=n) for n in (1, 2)],
    )

    def swap(transaction: Any) -> None:
        one, two = (b"p" + bytes([n]) * 16 for n in (1, 2))
        values = transaction.get(one), transaction.get(two)
        transaction.put(two, values[0])
        transaction.put(one, values[1])

    raw(folder, swap)
    with opened(folder, write=False) as catalogue:
        assert not catalogue.damaged
        assert catalogue.facts(b"\1" * 16) is catalogue.facts(b"\2" * 16) is None
        assert catalogue.damaged


@pytest.mark.parametrize("missing", ["data.mdb", "lock.mdb", "seal"])
def test_a_file_that_is_missing_is_made_again(folder: Path, missing: str) -> None:
    put_all(folder)
    (folder / missing).unlink()
    kept = missing != "data.mdb"
    with opened(folder) as catalogue:
        assert (catalogue.facts(KEY) is not None or not kept) and not catalogue.damaged
    put_all(folder)
    assert answers(folder) == ALL


def test_a_folder_that_is_missing_is_none_to_a_reader_and_new_to_a_writer(folder: Path) -> None:
    assert Catalogue.open(folder, STORE, write=False) is None
    assert not folder.exists()
    put_all(folder)
    assert answers(folder) == ALL


def test_a_file_in_the_place_of_the_folder_is_set_right_by_a_writer(folder: Path) -> None:
    folder.write_bytes(b"what is this?")
    assert Catalogue.open(folder, STORE, write=False) is None
    put_all(folder)
    assert answers(folder) == ALL


def test_a_copied_environment_is_not_believed(folder: Path, tmp_path: Path) -> None:
    put_all(folder)
    shutil.copytree(folder, tmp_path / "copy")
    assert Catalogue.open(tmp_path / "copy", STORE, write=False) is None
    with opened(tmp_path / "copy") as catalogue:
        assert catalogue.facts(KEY) is None
    assert answers(folder) == ALL


@pytest.mark.parametrize("write", [False, True])
def test_a_file_that_this_disk_did_not_write_is_looked_at_before_liblmdb_sees_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, write: bool
) -> None:
    """As where a program without `place` wrote it last, or somebody who can compute a seal put it there."""
    put_all(folder)
    looked: list[Path] = []
    monkeypatch.setattr(catalogue, "is_sound", lambda one: bool(looked.append(one)) or is_sound(one))
    assert answers(folder, write=write) == ALL and looked == []
    os.utime(folder / "data.mdb")
    assert answers(folder, write=write) == ALL and looked == [folder]
    (folder / "place").unlink(missing_ok=True)
    assert answers(folder, write=write) == ALL and looked == [folder] * 2
    assert answers(folder, write=write) == ALL and len(looked) == (2 if write else 3)


def test_that_of_another_user_is_looked_at_each_time_and_not_touched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who owns the files can write `place` and `seal`, too; and readers of LMDB write into its lock."""
    put_all(folder)
    looked: list[Path] = []
    monkeypatch.setattr(catalogue, "is_sound", lambda one: bool(looked.append(one)) or is_sound(one))
    (folder / "lock.mdb").unlink()
    for number in range(1, 3):
        found = Catalogue.open(folder, STORE, write=False, foreign=True)
        assert found is not None
        with found:
            assert found.facts(KEY) is not None
        assert looked == [folder] * number
    assert not (folder / "lock.mdb").exists()
    monkeypatch.setattr(catalogue, "is_sound", lambda one: False)
    assert Catalogue.open(folder, STORE, write=False, foreign=True) is None


class Renumbered:
    """The stat of a file on a disk that has another number since."""

    st_dev = 1 << 40

    def __init__(self, found: os.stat_result) -> None:
        self._found = found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found, name)


@pytest.fixture
def mount_anew(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give all disks another number, as many have one after each mount."""
    look = environment.inside.look
    return lambda: monkeypatch.setattr(environment.inside, "look", lambda path: Renumbered(look(path)))


def test_an_environment_on_a_disk_that_was_mounted_anew_is_still_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mount_anew: Callable[[], None]
) -> None:
    """Else all pictures would be read again after each mount, and nobody knew which disks a folder had."""
    put_all(folder)
    put(folder, lambda batch: batch.put_meta("count/p", b"7"))
    looked: list[Path] = []
    monkeypatch.setattr(catalogue, "is_sound", lambda one: bool(looked.append(one)) or is_sound(one))
    mount_anew()
    for write, looks in ((False, 1), (True, 1), (True, 0), (False, 0)):  # the first writer puts it right
        looked.clear()
        with opened(folder, write=write) as again:
            assert again.meta("count/p") == b"7"
        assert len(looked) == looks
    assert answers(folder) == ALL


def test_a_file_of_the_same_number_on_another_disk_is_a_copy(
    folder: Path, tmp_path: Path, mount_anew: Callable[[], None]
) -> None:
    put_all(folder)
    os.utime(folder / "data.mdb")
    mount_anew()
    assert Catalogue.open(folder, STORE, write=False) is None


def test_an_unsound_file_on_a_disk_that_was_mounted_anew_is_not_opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mount_anew: Callable[[], None]
) -> None:
    put_all(folder)
    mount_anew()
    monkeypatch.setattr(catalogue, "is_sound", lambda one: False)
    assert Catalogue.open(folder, STORE, write=False) is None


def test_a_note_of_another_file_is_not_believed_after_a_new_mount(folder: Path, mount_anew: Callable[[], None]) -> None:
    put(folder, lambda batch: batch.put_meta("identity", b"the store 1 2"))
    mount_anew()
    assert Catalogue.open(folder, STORE, write=False) is None


def test_the_environment_of_another_store_is_not_believed(folder: Path) -> None:
    put_all(folder)
    assert Catalogue.open(folder, "another store", write=False) is None
    with opened(folder, store="another store") as catalogue:
        assert catalogue.facts(KEY) is None


def test_an_environment_that_was_renamed_is_still_itself(folder: Path) -> None:
    put_all(folder)
    folder.rename(folder.with_name("moved"))
    assert answers(folder.with_name("moved")) == ALL


HARMS = [
    "flip in each 4096", "flip heads", "cut", "zero", "noise", "another", "older", "grow", "copied while written",
    "sealed flip heads", "sealed cut", "sealed zero", "sealed another",
    pytest.param("flip in each 256", marks=pytest.mark.long),
    pytest.param("sealed flip in each 256", marks=pytest.mark.long),
    pytest.param("sealed noise", marks=pytest.mark.long),
]  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
def test_whatever_becomes_of_the_file_no_answer_is_wrong_and_nothing_crashes(folder: Path, harm: str) -> None:
    """In a process of its own: what this is about ends a process by a signal."""
    done = in_a_process("from support.catalogue_harm import main; main()", folder, harm)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 20


def test_a_transaction_that_was_killed_costs_nothing(folder: Path) -> None:
    """Whenever the process dies, what was committed is there."""
    put_all(folder)
    code = "from support.catalogue_harm import keep_putting; keep_putting()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert process.stdout is not None
        process.stdout.read(20)  # so many transactions are done
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert answers(folder) == ALL
        assert answers(folder, write=True) == ALL


def test_what_may_have_lost_something_says_no_more_that_it_is_whole(folder: Path) -> None:
    """A page of which a key was flipped is sound, and its value is missing without a trace."""
    put(
        folder,
        lambda batch: (
            batch.put_meta("segments", b"all of them"),
            batch.put_facts(KEY, size=1, format="PNG", width=1, height=1),
        ),
    )
    raw(folder, lambda transaction: transaction.delete(b"p" + KEY))
    with opened(folder, write=False) as reader:
        assert reader.meta("segments") is None
    with opened(folder) as writer:
        assert writer.meta("segments") is None
    with opened(folder, write=False) as reader:
        assert reader.meta("segments") is None  # nor is it believed again later


def test_a_page_that_is_sound_but_not_as_it_was_left_is_never_written_to(folder: Path) -> None:
    """Nodes that overlap can be read, and crash liblmdb when it makes room between them."""
    put(
        folder,
        lambda batch: [batch.put_facts(bytes([n]) * 16, size=n, format="PNG", width=n, height=n) for n in range(200)],
    )
    raw(folder, lambda transaction: transaction.delete(b"p" + bytes(16)))
    before = (folder / "data.mdb").read_bytes()
    inode = folder.with_name("inode")
    os.link(folder / "data.mdb", inode)
    put(folder, lambda batch: batch.put_facts(KEY, size=1, format="PNG", width=1, height=1))
    assert inode.read_bytes() == before
    with opened(folder) as catalogue:
        assert [catalogue.facts(bytes([n]) * 16) for n in range(1, 200)] == [(n, "PNG", n, n) for n in range(1, 200)]


def test_after_a_fork_the_child_goes_without(folder: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from support.catalogue_harm import STORE, put_all
from vstore.disk.catalogue import Catalogue
from vstore.disk.environment import is_sound
folder = Path(sys.argv[1])
put_all(folder)
parent = Catalogue.open(folder, STORE, write=True)
before = parent.facts(bytes(range(16)))
assert before is not None
pid = os.fork()
if pid == 0:
    ok = parent.facts(bytes(range(16))) is None
    ok &= all(Catalogue.open(folder, STORE, write=write) is None for write in (False, True))
    parent.close()
    os._exit(0 if ok else 1)
assert os.waitpid(pid, 0)[1] == 0
assert parent.facts(bytes(range(16))) == before
with parent.batch() as batch:
    batch.put_meta("x", b"1")
parent.close()
pid = os.fork()
if pid == 0:  # nothing is open: the child has its own
    child = Catalogue.open(folder, STORE, write=True)
    os._exit(0 if child.meta("x") == b"1" and child.facts(bytes(range(16))) == before else 1)
assert os.waitpid(pid, 0)[1] == 0
"""
    done = in_a_process(code, folder)
    assert done.returncode == 0, done.stderr


def test_two_may_be_open_in_one_process(folder: Path) -> None:
    put_all(folder)
    with opened(folder, write=False) as reader:
        with opened(folder) as writer:
            assert reader.facts(KEY) == writer.facts(KEY) is not None
            with writer.batch() as batch:
                batch.put_meta("x", b"1")
            assert writer.meta("x") == b"1"
        assert reader.facts(KEY) is not None  # what one closes, the other still has
    with opened(folder, write=False) as reader:
        assert reader.meta("x") == b"1"
    reader.close()
    assert reader.facts(KEY) is None


def test_a_reader_goes_on_while_another_process_writes(folder: Path) -> None:
    put_all(folder)
    with opened(folder, write=False) as reader:
        assert reader.facts(KEY) is not None
        done = in_a_process("from support.catalogue_harm import put_some; put_some()", folder, 50)
        assert done.returncode == 0, done.stderr
        assert reader.facts(KEY) is not None
        assert not reader.damaged
    assert answers(folder) == ALL


def test_a_reader_that_was_killed_holds_no_page_for_ever(folder: Path) -> None:
    """Its slot in the lock file would keep every page that it may have seen, and the file would grow without end."""
    for _ in range(3):
        put_all(folder)
    code = """
import os, sys
from pathlib import Path
from support.catalogue_harm import STORE
from vstore.disk.catalogue import Catalogue
from vstore.disk.environment import is_sound
catalogue = Catalogue.open(Path(sys.argv[1]), STORE, write=False)
assert catalogue.facts(bytes(range(16))) is not None
os.kill(os.getpid(), 9)
"""
    with opened(folder, write=False) as other:  # while somebody has it open, LMDB keeps the slots
        other._end_reading()
        assert in_a_process(code, folder).returncode == -signal.SIGKILL
        assert "no active readers" not in other._env.readers()
        put_all(folder)
        assert "no active readers" in other._env.readers()
        size = (folder / "data.mdb").stat().st_size
        for _ in range(20):
            put_all(folder)
        assert (folder / "data.mdb").stat().st_size < size * 5 // 4
    assert answers(folder) == ALL


def test_a_folder_that_cannot_be_written_is_read_without_a_trace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_all(folder)
    (folder / "lock.mdb").unlink()
    monkeypatch.setattr("vstore.disk.catalogue.os.access", lambda *args: False)
    assert answers(folder) == ALL
    assert sorted(path.name for path in folder.iterdir()) == ["data.mdb", "place", "seal"]


def test_a_full_map_is_an_error_and_keeps_what_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_all(folder)
    monkeypatch.setattr(environment, "MAP_SIZE", 1 << 21)
    with opened(folder) as catalogue:
        with pytest.raises(DiskTrouble, match="catalogue"), catalogue.batch() as batch:
            batch.put_folder(b"large", 0, bytes(4 << 20))
        assert catalogue.folder(b"large", 0) is None
        assert catalogue.facts(KEY) is not None
    monkeypatch.undo()
    put(folder, lambda batch: batch.put_folder(b"large", 0, bytes(4 << 20)))
    with opened(folder) as catalogue:
        assert catalogue.folder(b"large", 0) == bytes(4 << 20)
    assert answers(folder) == ALL


def test_a_full_disk_is_an_error_and_keeps_what_was_there(folder: Path) -> None:
    put_all(folder)
    code = """
import resource, sys
from pathlib import Path
from support.catalogue_harm import STORE
from vstore.disk.catalogue import Catalogue
from vstore.disk.environment import is_sound
from vstore.errors import DiskTrouble
catalogue = Catalogue.open(Path(sys.argv[1]), STORE, write=True)
size = (Path(sys.argv[1]) / "data.mdb").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, size + 8192))
try:
    with catalogue.batch() as batch:
        for n in range(100):
            batch.put_folder(b"large%d" % n, 0, bytes(10_000))
except DiskTrouble as err:
    assert "nothing is lost" in str(err)
else:
    raise SystemExit("no error")
assert catalogue.facts(bytes(range(16))) is not None
"""
    done = in_a_process(code, folder)
    assert done.returncode == 0, done.stderr
    assert answers(folder) == ALL
    assert answers(folder, write=True) == ALL


def test_the_machine_may_grant_less_address_space(folder: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from support.catalogue_harm import answers, put_all
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
put_all(Path(sys.argv[1]))
assert answers(Path(sys.argv[1])) == (320, 0)
"""
    done = in_a_process(code, folder)
    assert done.returncode == 0, done.stderr


def test_a_catalogue_that_cannot_be_made_says_which(folder: Path) -> None:
    folder.parent.joinpath("none").write_bytes(b"")
    with pytest.raises(DiskTrouble, match=r"none.*Not a directory"):
        Catalogue.open(folder.parent / "none" / "catalogue", STORE, write=True)


# The whole store, with a catalogue that something happened to.


def harm_store(world: World, harm: str) -> None:
    folder = world.folder / "catalogue"
    data = (folder / "data.mdb").read_bytes()
    if harm == "deleted":
        shutil.rmtree(folder)
    elif harm == "copied":
        shutil.copytree(folder, world.top / "copy")
        shutil.rmtree(folder)
        (world.top / "copy").rename(folder)
    elif harm == "cut":
        os.truncate(folder / "data.mdb", len(data) - 4096)
    elif harm == "empty":
        os.truncate(folder / "data.mdb", 0)
    elif harm == "locations lost":
        raw(folder, lambda t: [t.delete(key) for key, _ in list(t.cursor()) if key.startswith(LOCATION)])
    elif harm == "everything flipped":
        raw(folder, lambda t: [t.put(k, bytes([v[0] ^ 1]) + v[1:]) for k, v in list(t.cursor()) if k[:1] != b"x"])
    else:
        catalogue_harm.write(folder / "data.mdb", bytes(len(data)))


STORE_HARMS = ["deleted", "copied", "cut", "empty", "locations lost", "everything flipped", "zeros"]


@pytest.mark.parametrize("harm", STORE_HARMS)
def test_no_harm_to_the_catalogue_changes_what_a_sync_says_or_stores(
    tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust_young_stats(monkeypatch)
    world = World(tmp_path)
    world.put({f"{n}.png": n for n in range(20)})
    world.sync()
    harm_store(world, harm)
    os.rename(world.pictures / "1.png", world.pictures / "renamed.png")
    os.unlink(world.pictures / "2.png")
    world.put({"new.png": 30})
    looked = Store(world.folder, load_embedder=world.load).status([world.pictures])
    assert classes(looked) == {"unchanged": 18, "new": 1, "renamed": 1, "removed": 1}
    report = world.sync()
    assert classes(report) == {"unchanged": 18, "new": 1, "renamed": 1, "removed": 1}
    assert report.embedded == 1
    assert len(world.keys()) == len(set(world.keys())) == 21
    after = world.sync()
    assert classes(after) == {"unchanged": 20}
    assert after.snapshot is None


def test_values_that_do_not_prove_themselves_embed_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust_young_stats(monkeypatch)
    world = World(tmp_path)
    world.put({f"{n}.png": n for n in range(20)})
    world.sync()
    harm_store(world, "everything flipped")
    environment.put_seal(world.folder / "catalogue")  # as if it had rotted after the file was looked at
    for n in range(20):
        os.rename(world.pictures / f"{n}.png", world.pictures / f"renamed {n}.png")
    report = world.sync()
    assert classes(report) == {"renamed": 20}
    assert report.embedded == 0
    assert len(world.keys()) == 20
