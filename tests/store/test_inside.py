"""No link leads out of a store: `disk.inside` alone opens what lies in one, and follows none."""

from __future__ import annotations

import ast
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import vstore
from vstore.disk import durable, inside
from vstore.disk.file import File
from vstore.disk.lock import Lock
from vstore.errors import Damage, Locked
from vstore.format.layout import Layout

TOP = Path(vstore.__file__).parent


# Nobody passes it by

# Rooms that deal with what lies outside the store: pictures, models, old indexes, what an export makes.
OUTSIDE = ("pictures", "embed", "importing", "doctor", "export", "fields", "models", "plans")
# Elsewhere, who looks at the disk by himself, and at what.
EXCEPTIONS = {
    # LMDB and faiss open their files by themselves; a folder of facts is removed whole, from its own name on.
    "vstore.disk.environment": {"lmdb.open"},
    "vstore.search.views": {"faiss.read_index", "os.path.exists"},  # by the number of the open file
    "vstore.approximate.lists": {"os.path.exists"},  # by the number of the open file
    "vstore.disk.catalogue": {"os.access", "shutil.rmtree"},
    "vstore.disk.durable": {"os.open", "shutil.rmtree"},  # below an open folder of the user's
    "vstore.disk.long_folders": {"os.access"},  # below an open folder
    # The store's own folder, which may be a link.
    "vstore.disk.owner": {"open", "os.access"},  # the list of mounts
    "vstore.repository.create": {".is_dir", "os.listdir"},
    "vstore.repository.discovery": {"Layout", "os.lstat", "os.path.lexists"},
    "vstore.intake.surveyor": {"os.stat"},
    # The user's configuration, whose folders may be links.
    "vstore.disk.named_places": {"os.access", "os.path.isdir", "os.path.lexists"},
    "vstore.disk.user_config": {".is_dir"},
    # Whether it is worth loading a module: nothing is opened.
    "vstore.repository.repository": {"os.path.lexists"},
    # What the kernel says of the process that holds a lock.
    "vstore.disk.lock": {"open"},
    # Pictures, folders of pictures, and what the user names.
    "vstore.browse.picture": {"os.path.isdir", "os.path.lexists"},
    "vstore.decide.keys": {"os.path.lexists"},
    "vstore.decide.rows": {"os.stat"},
    "vstore.browse.show": {"os.path.lexists"},
    "vstore.browse.words": {"os.path.lexists"},
    "vstore.check.source": {"os.path.isdir", "os.stat"},
    "vstore.disk.target": {".is_dir", ".is_symlink", ".rglob", "os.path.lexists", "shutil.rmtree"},
    "vstore.gallery.thumbnails": {"open"},  # by the number of the open file
    "vstore.gallery.write": {".stat"},
    "vstore.disk.file_hash": {"open"},
    "vstore.intake.reader": {"os.open", "os.stat"},
    "vstore.intake.targets": {"os.path.isdir", "os.stat"},
    "vstore.repair.recompute": {"os.path.isdir"},
    "vstore.repository.addresses": {"os.path.lexists"},
    "vstore.repository.files": {"os.path.lexists"},
    "vstore.repository.model_space": {"os.path.isdir"},
    "vstore.near_files": {"os.path.isdir", "os.scandir"},
    "vstore.repository.near_paths": {"os.scandir"},
    "vstore.repository.on_this_disk": {"os.stat"},
    "vstore.repository.places": {"os.lstat", "os.stat"},
    "vstore.repository.stored_paths": {"os.path.exists"},
    "vstore.search.group_files": {"open", "os.lstat", "os.stat"},
    "vstore.search.terms": {"open", "os.path.isfile", "os.path.islink", "os.path.lexists", "os.readlink"},
    "vstore.stats": {"os.path.isdir"},
    "vstore.sync.first": {"os.path.isdir", "os.path.lexists"},
    "vstore.sync.disks": {"open", "os.stat"},
    "vstore.sync.guards": {"os.stat"},
    "vstore.sync.losses": {"os.path.lexists"},
    "vstore.sync.options": {".read_bytes"},
    "vstore.watch.look": {"os.path.isdir"},
    "vstore.vectors.given": {"os.path.islink", "os.path.lexists", "os.readlink"},
    "vstore.watch.filesystems": {"open"},  # the list of mounts
    # The package of faiss, and the socket of a served model.
    "vstore.disk.proven_faiss": {"os.stat"},
    "vstore.repository.serving": {".exists"},
}
READING = {
    "os": {"open", "scandir", "listdir", "walk", "fwalk", "stat", "lstat", "access", "readlink"},
    "os.path": {"exists", "lexists", "isfile", "isdir", "islink", "getsize", "getmtime", "samefile"},
    "shutil": {"copy", "copyfile", "copytree", "rmtree", "move"},
    "faiss": {"read_index"},
    "lmdb": {"open"},
}
OF_PATHS = {
    "read_bytes", "read_text", "exists", "is_file", "is_dir", "is_symlink", "iterdir", "glob", "rglob", "stat", "lstat",
    "samefile", "resolve", "readlink",
}  # fmt: skip


def looks(tree: ast.AST) -> Iterator[str]:
    """The calls in a module that look at the disk by a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if alias.name in READING.get(node.module or "", ()))
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in ("open", "io.open", "Layout"):
            yield name
        elif isinstance(node.func, ast.Attribute):
            owner, attribute = ast.unparse(node.func.value), node.func.attr
            if attribute in READING.get(owner, ()):
                yield name
            elif attribute in OF_PATHS and owner not in ("os", "os.path", "inside", "env", "self._env"):
                yield f".{attribute}"


def modules() -> Iterator[tuple[tuple[str, ...], ast.AST]]:
    for path in sorted(TOP.rglob("*.py")):
        parts = path.relative_to(TOP).with_suffix("").parts
        if parts != ("disk", "inside"):
            yield parts, ast.parse(path.read_text(encoding="utf-8"))


def test_nobody_else_opens_what_lies_in_a_store() -> None:
    found = {".".join(["vstore", *parts]): set(looks(tree)) for parts, tree in modules() if parts[0] not in OUTSIDE}
    assert {name: calls for name, calls in found.items() if calls} == EXCEPTIONS


def test_rooms_that_deal_with_other_files_give_places_of_a_store_to_no_such_call() -> None:
    for parts, tree in modules():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call) and parts[0] in OUTSIDE):
            if list(looks(ast.Expression(call))):
                assert ".layout." not in ast.unparse(call), (parts, call.lineno)


@pytest.mark.parametrize(
    "code",
    [
        "open(layout.format)",
        "path.read_bytes()",
        "layout.refs.glob('*.json')",
        "os.listdir(folder)",
        "os.path.getsize(p)",
        "Path(p).stat()",
        "faiss.read_index(p)",
        "Layout(folder)",
        "from os.path import exists",
    ],
)
def test_such_a_call_would_be_seen(code: str) -> None:
    assert len(list(looks(ast.parse(code)))) == 1


@pytest.mark.parametrize("code", ["inside.look(p)", "file.read()", "env.stat()", "durable.read(p)", "os.fstat(fd)"])
def test_other_calls_are_not_taken_for_one(code: str) -> None:
    assert list(looks(ast.parse(code))) == []


# What it does


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = inside.layout_of(tmp_path / "store")
    made.refs.mkdir(parents=True)
    return made


@pytest.fixture
def hurry() -> Iterator[None]:
    """A pipe that is opened to be read waits for its writer: not here."""
    signal.alarm(20)
    yield
    signal.alarm(0)


def link_to_a_file(path: Path) -> None:
    victim = path.parent.parent.parent / "victim"
    victim.write_bytes(b"the user's")
    path.symlink_to(victim)


def dangling(path: Path) -> None:
    path.symlink_to("nothing")


def listening(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


ODD: dict[str, Callable[[Path], None]] = {
    "a symbolic link": link_to_a_file,
    "a symbolic link ": dangling,
    "a named pipe": lambda path: os.mkfifo(path),
    "a socket": listening,
    "a folder where a file belongs": Path.mkdir,
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_CREAT])
def test_what_is_no_file_is_damage(layout: Layout, hurry: None, kind: str, flags: int) -> None:
    path = layout.record(1)
    ODD[kind](path)
    with pytest.raises(Damage, match=f"000000000001.json is {kind.strip()}"):
        os.close(durable.disk.open(str(path), flags))
    with pytest.raises(Damage, match=kind.strip()):
        File(path)
    with pytest.raises(Damage, match=kind.strip()):
        durable.read(path, 100)
    assert inside.exists(path)
    if kind != "a folder where a file belongs":
        with pytest.raises(Damage, match=kind.strip()):
            inside.look(path)
        with pytest.raises(Damage, match=kind.strip()):
            inside.is_folder(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_damage(layout: Layout) -> None:
    try:
        os.mknod(layout.format, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero
    except OSError:
        pytest.skip("no devices here")
    with pytest.raises(Damage, match="FORMAT is a device"):
        durable.read(layout.format, 100)


@pytest.mark.parametrize("kind", ["a symbolic link", "a named pipe", "a socket", "a file where a folder belongs"])
def test_a_folder_on_the_way_that_is_none_is_damage(layout: Layout, tmp_path: Path, hurry: None, kind: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis").write_bytes(b"the user's")
    path = layout.packs
    if kind == "a symbolic link":
        path.symlink_to(victim)
    elif kind == "a file where a folder belongs":
        path.write_bytes(b"")
    else:
        ODD[kind](path)
    file = path / "thesis"
    calls: list[Callable[[], object]] = [
        lambda: durable.read(file, 100),
        lambda: durable.remove(file),
        lambda: durable.remove_tree(file),
        lambda: durable.sweep(path, "ingest"),
        lambda: durable.set_aside(file, layout.quarantine),
        lambda: durable.write_durably(path / "new", [b"new"], "ingest"),
        lambda: durable.publish(path / "new", b"new", "ingest"),
        lambda: durable.write_unflushed(path / "new", [b"new"]),
        lambda: durable.allocate(file, 100),
        lambda: durable.make_folder(path / "new"),
        lambda: durable.sync_folder(path),
        lambda: durable.Appender(path / "new"),
        lambda: durable.disk.rename(str(layout.format), str(file)),
        lambda: durable.disk.rename(str(file), str(layout.format)),
        lambda: durable.disk.rmdir(str(file)),
        lambda: inside.names(path),
        lambda: inside.look(file),
        lambda: inside.exists(file),
        lambda: Lock(path, "new").acquire(),
    ]
    for call in calls:
        with pytest.raises(Damage, match=f"packs is {kind}"):
            call()
    assert [(p.name, p.read_bytes()) for p in victim.iterdir()] == [("thesis", b"the user's")]


def test_a_link_is_removed_itself(layout: Layout, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis").write_bytes(b"the user's")
    layout.cache.mkdir()
    for name in ("file", "folder", "tree/deep"):
        (layout.cache / name).parent.mkdir(exist_ok=True)
        (layout.cache / name).symlink_to(victim / "thesis" if name == "file" else victim)
    durable.remove(layout.cache / "file")
    durable.remove_tree(layout.cache / "folder")
    durable.remove_tree(layout.cache / "tree")
    assert list(layout.cache.iterdir()) == []
    assert [p.read_bytes() for p in victim.iterdir()] == [b"the user's"]


def test_a_missing_file_or_folder_is_no_damage(layout: Layout) -> None:
    for path in (layout.format, layout.packs / "x", layout.indexes / "a" / "b"):
        with pytest.raises(FileNotFoundError) as caught:
            durable.read(path, 100)
        assert caught.value.filename == str(path)
        assert not inside.exists(path)
        assert not inside.is_folder(path)
        assert inside.names_if_any(path) == []
    with pytest.raises(FileNotFoundError):
        durable.read(inside.layout_of(layout.folder / "none").format, 100)


def test_the_folder_of_the_store_may_be_a_link(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    durable.write_durably(layout.format, [b"whole"], "ingest")
    (tmp_path / "link").symlink_to("store")
    linked = inside.layout_of(tmp_path / "link")
    assert durable.read(linked.format, 100) == b"whole"
    assert inside.look(linked.folder) == inside.look(layout.folder)
    durable.write_durably(linked.refs / "x", [b"y"], "ingest")
    assert (layout.refs / "x").read_bytes() == b"y"
    monkeypatch.chdir(tmp_path / "link")
    here = inside.layout_of(Path("."))
    assert (durable.read(here.format, 100), durable.read(here.refs / "x", 100)) == (b"whole", b"y")
    (layout.folder / "packs").symlink_to("refs")
    with pytest.raises(Damage, match="packs is a symbolic link"):
        durable.read(here.packs / "x", 100)


def test_a_path_that_leads_into_no_store_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"the user's")
    (tmp_path / "link").symlink_to("file")
    assert durable.read(tmp_path / "link", 100) == b"the user's"


def test_what_is_changed_in_place_has_no_other_name(layout: Layout, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"the user's")
    layout.locks.mkdir()
    os.link(victim, layout.locks / "commit")
    with Lock(layout.locks, "commit") as lock:
        lock.acquire(command="sync")
        with pytest.raises(Locked):
            Lock(layout.locks, "commit").acquire()
    assert victim.read_bytes() == b"the user's"


def test_no_descriptor_stays_open(layout: Layout) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc here")
    layout.packs.symlink_to("refs")
    (layout.refs / "x").symlink_to("y")
    before = os.listdir("/proc/self/fd")
    for path in (layout.packs / "x", layout.refs / "x", layout.refs / "none"):
        with pytest.raises((Damage, FileNotFoundError)):
            durable.read(path, 100)
    durable.write_durably(layout.format, [b"x"], "ingest")
    inside.names(layout.refs)
    assert os.listdir("/proc/self/fd") == before
