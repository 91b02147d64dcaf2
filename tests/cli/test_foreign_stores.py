"""A store of another user: it is searched and listed, and nothing is written into it until it is trusted."""

from __future__ import annotations

import os
import pwd
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.folders import put
from support.lines import Line, Ran, environment, process
from support.quick_doctor import quick

ANNA, BERT = 54_001, 54_002
__all__ = ["quick"]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")

READING = [
    ["search", "./pictures/a.png", "-k", "2"],
    ["search", "./pictures/a.png", "--under", "pictures/sub"],
    ["dupes"],
    ["ls", "-R", "--long"],
    ["ls", "--failed"],
    ["find", "*.png", "--all"],
    ["show", "pictures/a.png"],
    ["dupes", "--near", "0.5"],
    ["dupes", "--plan", "../plan.json"],
    ["status"],
    ["sync", "--dry-run"],
    ["snapshot", "list"],
    ["snapshot", "show"],
    ["snapshot", "diff", "v1"],
    ["snapshot", "export", "v1", "../out.jsonl"],
    ["snapshot", "forget", "v2", "--dry-run"],
    ["export", "../out.npz", "--format", "npz"],
    ["model", "list"],
    ["model", "show", "builtin-2"],
    ["model", "allow"],
    ["log"],
    ["check"],
    ["check", "--read-data", "--source"],
    ["check", "--reembed", "2"],
    ["stats"],
    ["facts"],
    ["gc", "--dry-run"],
    ["repair", "--dry-run"],
    ["migrate", "--dry-run"],
    ["doctor"],
]
WRITING = [
    ["sync"],
    ["sync", "pictures", "--wait"],
    ["snapshot", "tag", "v1", "first"],
    ["snapshot", "untag", "kept"],
    ["snapshot", "forget", "v2"],
    ["rollback", "v1"],
    ["undo"],
    ["redo"],
    ["facts", "--fill", "--pixels"],
    ["fields", "set", "label=cat", "pictures/a.png"],
    ["fields", "unset", "label", "pictures/a.png"],
    ["dupes", "--apply", "../plan.json"],
    ["gc"],
    ["repair"],
    ["migrate"],
    ["model", "use", "builtin-2"],
    ["import", "--embeddings", "rows.npy", "--metadata", "rows.txt", "--root", "pictures"],
]


def give(folder: Path, owner: int) -> None:
    """Give a folder with all that lies in it to a user."""
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, owner, owner)


def whole(folder: Path) -> dict[str, tuple[object, ...]]:
    """Look at all that lies in a folder: names, bytes, times and modes."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        at = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (at.st_mode, at.st_uid, at.st_ino, at.st_mtime_ns, at.st_ctime_ns, data)
    return found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SUDO_UID", "VSTORE_TRUST", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    made = tmp_path / "roots-home"
    made.mkdir()
    monkeypatch.setenv("HOME", str(made))
    return made


@pytest.fixture
def foreign(pictures: Line) -> Line:
    """A store of Anna's in a folder of root's, with three snapshots of three and more pictures."""
    pictures("snapshot", "tag", "v1", "kept")
    for seed in (4, 5):
        pictures.put({f"pictures/{seed}.png": seed})
        pictures("sync", "-q")
    give(pictures.store, ANNA)
    return pictures


# Reading


def test_no_reading_command_touches_a_store_of_another_user(foreign: Line, quick: dict[str, Any]) -> None:
    os.chmod(foreign.store, 0o777)
    before = whole(foreign.store)
    for words in READING:
        foreign(*words)
        assert whole(foreign.store) == before, words


@pytest.mark.parametrize("words", WRITING, ids=lambda words: " ".join(words[:2]))
def test_no_writing_command_writes_into_a_store_of_another_user(foreign: Line, words: list[str]) -> None:
    import numpy as np

    np.save(foreign.home / "rows.npy", np.ones((1, 333), np.float32))
    (foreign.home / "rows.txt").write_text("a.png\n")
    before = whole(foreign.store)
    error = foreign(*words, "--json", code=5).error
    assert error["code"] == "foreign_store"
    assert f"{foreign.store} belongs to user {ANNA}, and you are root (user 0)" in error["message"]
    assert f"vstore trust {foreign.store}" in error["next"]
    assert whole(foreign.store) == before


def test_what_a_search_remembers_lies_in_the_users_own_folder_and_is_used_again(foreign: Line, home: Path) -> None:
    first = foreign("search", "./pictures/a.png", "--json").json
    folder = home / ".cache" / "vstore" / "stores"
    (own,) = folder.iterdir()
    assert own.stat().st_mode & 0o777 == folder.stat().st_mode & 0o777 == 0o700
    names = {path.name for path in own.iterdir()}
    assert any(name.startswith("rows-") for name in names)
    at = {path: path.stat().st_ino for path in own.iterdir()}
    assert foreign("search", "./pictures/a.png", "--json").json["hits"] == first["hits"]
    assert {path: path.stat().st_ino for path in own.iterdir()} == at, "nothing was computed again"


def test_a_cache_of_the_stores_own_is_not_believed(foreign: Line) -> None:
    """Its maker could compute the checksums of whatever it says."""
    for path in (foreign.store / "cache").iterdir():
        path.unlink()
    os.mkfifo(foreign.store / "cache" / "state")  # would be damage, if it was looked at
    foreign("search", "./pictures/a.png")


def test_the_folder_for_caches_is_the_one_of_xdg(
    foreign: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    foreign("search", "./pictures/a.png")
    assert list((tmp_path / "elsewhere" / "vstore" / "stores").iterdir())


@pytest.mark.parametrize("how", ["no home", "a file", "open to others", "of another user"])
def test_without_a_private_folder_nothing_is_remembered_and_nothing_fails(
    foreign: Line, home: Path, monkeypatch: pytest.MonkeyPatch, quick: dict[str, Any], how: str
) -> None:
    if how == "no home":
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(pwd, "getpwuid", lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    elif how == "a file":
        (home / ".cache").write_bytes(b"")
    else:
        folder = home / ".cache" / "vstore" / "stores"
        folder.mkdir(parents=True, mode=0o755 if how == "open to others" else 0o700)
        if how == "of another user":
            os.chown(folder, BERT, BERT)
    before = whole(foreign.store)
    for _ in range(2):
        assert len(foreign("search", "./pictures/a.png", "--json").json["hits"]) == 5
    foreign("check", "--read-data")
    foreign("stats")
    assert "ok       store" in foreign("doctor").out
    assert whole(foreign.store) == before
    assert not [path for path in home.rglob("*") if path.name.startswith("rows-")]
    error = foreign("sync", "--json", code=5).error
    assert error["code"] == "foreign_store"


# Who may write


def test_the_owner_is_asked_nothing(foreign: Line) -> None:
    give(foreign.store, 0)
    foreign("sync")


def test_root_may_write_what_belongs_to_the_owner_of_the_folder_that_holds_it(foreign: Line) -> None:
    os.chown(foreign.home, ANNA, ANNA)
    foreign("sync")
    os.chown(foreign.home, BERT, BERT)
    foreign("sync", code=5)


def test_the_folder_that_holds_it_is_the_real_one(foreign: Line, tmp_path: Path) -> None:
    link = tmp_path / "annas" / "link"
    link.parent.mkdir()
    os.chown(link.parent, ANNA, ANNA)
    link.symlink_to(foreign.store)
    error = foreign("--store", link, "snapshot", "tag", "v2", "mine", "--json", code=5).error
    assert f"the store {foreign.store} belongs" in error["message"]
    os.chown(foreign.home, ANNA, ANNA)
    foreign("--store", link, "snapshot", "tag", "v2", "mine")


@pytest.mark.parametrize(("uid", "code"), [(ANNA, 0), (BERT, 5), ("", 5), ("-1", 5), ("54001x", 5), ("٥٤٠٠١", 5)])
def test_root_by_sudo_may_write_what_belongs_to_who_called_it(
    foreign: Line, monkeypatch: pytest.MonkeyPatch, uid: object, code: int
) -> None:
    monkeypatch.setenv("SUDO_UID", str(uid))
    foreign("sync", code=code)


@pytest.mark.parametrize("inner", ["refs", "packs", "segments", "journal", "locks"])
def test_a_folder_in_the_store_that_belongs_to_somebody_else_is_refused(foreign: Line, inner: str) -> None:
    """An archive that root unpacks brings the owner of each folder with it."""
    give(foreign.store, 0)
    os.chown(foreign.store / inner, BERT, BERT)
    before = whole(foreign.store)
    error = foreign("sync", "--json", code=5).error
    assert f"the folder {inner}/ of the store {foreign.store} belongs to user {BERT}" in error["message"]
    foreign("search", "./pictures/a.png")
    assert whole(foreign.store) == before
    foreign("trust")
    foreign("sync")


def test_an_archive_that_root_unpacks_keeps_its_owner_and_is_refused(foreign: Line, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "gift.tar", "w") as archive:
        archive.add(foreign.store, "gift/.vstore")
    with tarfile.open(tmp_path / "gift.tar") as archive:
        archive.extractall(tmp_path / "here", filter="tar")
    (tmp_path / "here" / "gift").mkdir(exist_ok=True)
    gift = tmp_path / "here" / "gift" / ".vstore"
    give(gift, ANNA)  # as the program tar does for root
    foreign("--store", gift, "sync", code=5)
    foreign("--store", gift, "search", "./pictures/a.png")
    give(gift, 0)
    foreign("--store", gift, "snapshot", "tag", "v1", "mine")


def test_no_store_is_made_in_a_folder_of_another_user(line: Line) -> None:
    """Somebody may have put an empty folder there, to hold what others write."""
    line.put({"pictures/a.png": 1})
    line.store.mkdir()
    os.chown(line.store, ANNA, ANNA)
    for words in (["init"], ["sync", "pictures"]):
        assert line(*words, "--json", code=5).error["code"] == "foreign_store"
        assert list(line.store.iterdir()) == []
    line("init", "--trust")
    line("sync", "pictures", code=5)
    line("sync", "pictures", "--trust")


def test_a_new_store_belongs_to_who_made_it(line: Line) -> None:
    line.put({"pictures/a.png": 1})
    os.chown(line.home, ANNA, ANNA)
    line("sync", "pictures")
    assert line.store.stat().st_uid == 0
    line("sync")


# Trust


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ("{store}", 0),
        ("{store}/", 0),
        ("{home}", 0),
        ("/nowhere:{store}", 0),
        ("*", 0),
        ("1", 0),
        ("", 5),
        ("/nowhere", 5),
        ("{home}/pictures", 5),
        (".vstore", 2),
        ("/nowhere:.", 2),
    ],
)
def test_a_variable_trusts_stores_by_their_paths(
    foreign: Line, monkeypatch: pytest.MonkeyPatch, named: str, code: int
) -> None:
    monkeypatch.setenv("VSTORE_TRUST", named.format(store=foreign.store, home=foreign.home))
    ran = foreign("sync", code=code)
    if code == 2:
        assert "which is no absolute path" in ran.err


@pytest.mark.parametrize("words", [["--trust", "sync"], ["sync", "--trust"], ["sync", "pictures", "--trust", "-q"]])
def test_an_option_trusts_the_store_of_one_command(foreign: Line, words: list[str]) -> None:
    foreign(*words)
    foreign("sync", code=5)


def test_a_trusted_store_keeps_its_caches_itself(foreign: Line, home: Path) -> None:
    shutil.rmtree(foreign.store / "cache")
    foreign("search", "./pictures/a.png", "--trust")
    assert list((foreign.store / "cache").iterdir())
    assert not (home / ".cache").exists()


def test_trust_is_kept_and_taken_back(foreign: Line, home: Path) -> None:
    before = whole(foreign.store)
    ran = foreign("trust")
    assert ran.lines[0] == f"You trust the store {foreign.store} of user {ANNA}."
    assert whole(foreign.store) == before
    foreign("sync")
    assert foreign("trust", foreign.home).lines[0].endswith(", as before.")
    listed = foreign("trust", "--list")
    assert listed.lines == [f"{foreign.store}  of user {ANNA}"]
    assert "1 store " in listed.err
    assert foreign("trust", "--list", "--json").json["stores"] == [
        {"store": str(foreign.store), "uid": ANNA, "owner": f"user {ANNA}"}
    ]
    assert "no longer" in foreign("trust", "--remove").out
    assert "did not trust" in foreign("trust", "--remove").out
    foreign("sync", code=5)
    assert foreign("trust", "--list").lines == []


def test_trust_ends_when_the_folder_belongs_to_somebody_else(foreign: Line) -> None:
    foreign("trust")
    give(foreign.store, BERT)
    assert f"user {BERT}" in foreign("sync", code=5).err
    assert foreign("trust", "--json").json["trusted"] is True
    foreign("sync")


def test_trust_is_of_one_place(foreign: Line, tmp_path: Path) -> None:
    """Whoever copies a store copies its id."""
    foreign("trust")
    copy = tmp_path / "copy"
    shutil.copytree(foreign.store, copy)
    give(copy, ANNA)
    foreign("--store", copy, "sync", code=5)


def test_the_trust_in_a_store_that_is_gone_can_be_taken_back(foreign: Line) -> None:
    foreign("trust")
    shutil.rmtree(foreign.store)
    assert "no longer" in foreign("trust", "--remove", foreign.store).out
    assert foreign("trust", "--list", "--json").json["stores"] == []


def test_an_own_store_needs_no_trust(foreign: Line, home: Path) -> None:
    give(foreign.store, 0)
    ran = foreign("trust")
    assert "is your own" in ran.out
    assert foreign("trust", "--json").json | {"kept_in": ""} == {
        "store": str(foreign.store),
        "owner": "root (user 0)",
        "own": True,
        "trusted": False,
        "changed": False,
        "stores": [],
        "kept_in": "",
    }
    assert not (home / ".config" / "vstore" / "trusted").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["trust", "/nowhere"], 10),
        (["trust", ""], 2),
        (["trust", "--list", "--remove"], 2),
        (["trust", "--list", "."], 2),
        (["trust", ".", "."], 2),
    ],
)
def test_a_wrong_trust_is_refused(foreign: Line, words: list[str], code: int) -> None:
    assert foreign(*words, "--json", code=code).error["message"]


def test_without_a_configuration_trust_cannot_be_kept(
    foreign: Line, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    assert "set XDG_CONFIG_HOME" in foreign("trust", "--json", code=2).error["next"]
    monkeypatch.setenv("HOME", str(home))
    (home / ".config" / "vstore" / "trusted").write_bytes(b"")
    foreign("trust", code=1)


def test_the_message_names_a_command_that_helps(foreign: Line) -> None:
    step = foreign("sync", "--json", code=5).error["next"]
    words = step.partition("vstore ")[2].partition(";")[0].split()
    foreign(*words)
    foreign("sync")


def test_who_did_not_mean_the_store_of_somebody_else_above_is_told_how_to_make_an_own_one(
    foreign: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "or make a store of your own here: vstore init"
    assert own not in foreign("sync", "pictures", "--json", code=5).error["next"]
    put(foreign.home / "mine", {"pictures/z.png": 9})
    monkeypatch.chdir(foreign.home / "mine")
    assert foreign("sync", "pictures", "--json", code=5).error["next"].endswith(own)
    assert own not in foreign("--store", foreign.store, "sync", "pictures", "--json", code=5).error["next"]
    foreign("init")
    foreign("sync", "pictures")
    assert (foreign.home / "mine" / ".vstore").stat().st_uid == 0


# As another user


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter."""
    made = Path(tempfile.mkdtemp(prefix="vstore-foreign-"))
    os.chmod(made, 0o755)
    yield made
    shutil.rmtree(made)


# Becomes another user, who may still read everything: Python itself may lie in root's home.
BECOME = """
import ctypes, os, struct
libc = ctypes.CDLL(None)
assert libc.prctl(8, 1, 0, 0, 0) == 0  # PR_SET_KEEPCAPS
os.setgroups([])
os.setresgid({uid}, {uid}, {uid})
os.setresuid({uid}, {uid}, {uid})
may_read = 1 << 2  # CAP_DAC_READ_SEARCH
assert libc.capset(struct.pack("Ii", 0x20080522, 0), struct.pack("6I", may_read, may_read, 0, 0, 0, 0)) == 0
"""


def as_user(uid: int, *words: str | Path, cwd: Path, home: Path) -> Ran:
    return process(*words, cwd=cwd, before=BECOME.format(uid=uid), env=environment(HOME=str(home)))


def test_as_another_user(place: Path) -> None:
    shared, annas, berts = place / "shared", place / "anna", place / "bert"
    for folder, owner in ((shared, ANNA), (annas, ANNA), (berts, BERT)):
        folder.mkdir()
        os.chown(folder, owner, owner)
    put(shared, {"pictures/a.png": 1, "pictures/b.png": 2})
    store = shared / ".vstore"

    def vstore(uid: int, *words: str | Path) -> Ran:
        return as_user(uid, *words, cwd=shared, home=annas if uid == ANNA else berts)

    assert vstore(ANNA, "sync", "pictures").code == 0
    before = whole(store)
    found = vstore(BERT, "search", "./pictures/a.png", "--json")
    assert (found.code, len(found.json["hits"])) == (0, 2)
    assert list((berts / ".cache" / "vstore" / "stores").iterdir())
    refused = vstore(BERT, "sync", "--json")
    assert refused.error["code"] == "foreign_store"
    assert "its owner can run the command" in refused.error["next"], "no trust lets Bert write there"
    assert whole(store) == before
    # A shared disk, where each may write.
    for path in (store, *store.rglob("*")):
        os.chmod(path, 0o777 if path.is_dir() else 0o666)
    before = whole(store)
    assert f"vstore trust {store}" in vstore(BERT, "sync", "--json").error["next"]
    assert vstore(BERT, "search", "./pictures/a.png").code == 0
    assert whole(store) == before
    assert vstore(BERT, "trust").code == 0
    put(shared, {"pictures/c.png": 3})
    assert vstore(BERT, "sync").code == 0
    # To the owner nothing has changed: no question, for a cron job.
    put(shared, {"pictures/d.png": 4})
    assert vstore(ANNA, "sync").code == 0
    # Root's is refused to both.
    give(store, 0)
    assert vstore(ANNA, "sync", "--json").error["code"] == "foreign_store"


def test_the_owner_goes_on_after_a_sync_by_sudo(place: Path, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(place, ANNA, ANNA)
    put(place, {"pictures/a.png": 1, "pictures/b.png": 2})

    def anna(*words: str | Path) -> Ran:
        return as_user(ANNA, *words, cwd=place, home=place)

    assert anna("sync", "pictures").code == 0
    put(place, {"pictures/c.png": 3})
    monkeypatch.setenv("SUDO_UID", str(ANNA))
    line("--store", place / ".vstore", "sync")
    put(place, {"pictures/d.png": 4})
    ran = anna("sync")
    assert ran.code == 0, ran
    assert anna("check", "--read-data").code == 0
    # What root makes anew is root's.
    shutil.rmtree(place / ".vstore" / "catalogue")
    line("--store", place / ".vstore", "sync")
    put(place, {"pictures/e.png": 5})
    ran = anna("sync")
    step = f"sudo chown -R {ANNA} {place / '.vstore'}"
    assert ran.code == 1 and step in ran.err, ran
    give(place / ".vstore", ANNA)
    assert anna("sync").code == 0
