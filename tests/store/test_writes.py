"""Nothing writes past `disk.durable`, but for what FORMAT.md names: so that faults can be put in at every call."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.folders import put

import vstore
import vstore_cli

SOURCES = {"vstore": Path(vstore.__file__).parent, "vstore_cli": Path(vstore_cli.__file__).parent}
TOP = SOURCES["vstore"].parents[1]

# FORMAT.md, section 3: who writes past the one door, and with what.
EXCEPTIONS = {
    # LMDB writes by itself, and holds no data.
    "vstore.disk.catalogue": {"shutil.rmtree"},
    "vstore.disk.environment": {"lmdb.open"},
    # Files and folders of the user's, outside the store.
    "vstore.disk.target": {
        ".open",
        "os.mkdir",
        "os.rename",
        "os.symlink",
        "os.unlink",
        "shutil.rmtree",
        "tempfile.TemporaryFile",
    },
    "vstore.fields.save": {".open", "shutil.copyfileobj", "tempfile.TemporaryFile"},
    "vstore.importing.report": {".open", ".unlink"},
    "vstore.importing.rclip": {"sqlite3.connect"},  # opened to be read alone
    "vstore.models.converted_folder": {"shutil.rmtree"},
    # Rows of a list of fields, sorted in a temporary file without a name.
    "vstore.fields.spool": {"sqlite3.connect"},
    # A table in memory.
    "vstore.where.engine": {"sqlite3.connect"},
    # The socket of a served model, outside the store.
    "vstore.embed.served.address": {".mkdir", "tempfile.gettempdir"},
    "vstore.embed.served.server": {".unlink"},
    # The folder of the user's own caches of other users' stores, outside them.
    "vstore.disk.user_cache": {".mkdir"},
    # A store that an import makes has no name yet.
    "vstore.importing.begin": {"shutil.rmtree", "tempfile.TemporaryDirectory"},
    # A dry run of a first sync has a store of its own, in the folder for temporary files.
    "vstore.sync.first": {"tempfile.TemporaryDirectory"},
    "vstore_cli.main": {"open", "os.open"},  # /dev/null
    "vstore_cli.interrupts": {"os.write"},
    # Standard error, and the file without a name in its place.
    "vstore_cli.progress.strays": {"os.ftruncate", "os.open", "os.write", "tempfile.TemporaryFile"},
    "vstore_cli.terminal.outlets": {"os.open", "os.write"},  # /dev/null in the place of a terminal that is gone
}
OS = {
    "chmod", "chown", "copy_file_range", "fchmod", "fdatasync", "fsync", "ftruncate", "link", "makedirs", "mkdir",
    "mkfifo", "mknod", "posix_fallocate", "pwrite", "pwritev", "remove", "removedirs", "rename", "renames", "replace",
    "rmdir", "sendfile", "symlink", "sync", "truncate", "unlink", "utime", "write", "writev",
}  # fmt: skip
PATH = {
    "hardlink_to", "mkdir", "rename", "replace", "rmdir", "symlink_to", "touch", "unlink", "write_bytes", "write_text",
}  # fmt: skip
MODULES = {"shutil", "tempfile"}
READING = {"shutil.get_terminal_size", "shutil.which", "shutil.disk_usage"}
OTHERS = {
    ("np", "save"), ("np", "savez_compressed"), ("np", "savetxt"), ("faiss", "write_index"), ("lmdb", "open"),
    ("sqlite3", "connect"), ("pickle", "dump"), ("json", "dump"), ("io", "open"), ("io", "FileIO"),
}  # fmt: skip


def writes(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every call in a module that may write to a disk, and its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := written_by(node)) is not None:
            yield name, node.lineno


def written_by(call: ast.Call) -> str | None:
    """The name of a call that may write, or None."""
    name = ast.unparse(call.func)
    if name == "open":
        return name if is_writing(call, 1) else None
    if not isinstance(call.func, ast.Attribute):
        return None
    owner, attribute = ast.unparse(call.func.value), call.func.attr
    if name in ("os.open", "inside.open_file", "open_file"):
        flags = ast.unparse(call.args[1])
        return None if "O_RDONLY" in flags or flags == "flags" else name
    if owner in ("os", "inside"):
        return name if attribute in OS else None
    if name in READING:
        return None
    if owner in MODULES or (owner, attribute) in OTHERS:
        return name
    if owner in ("disk", "durable.disk"):
        return None
    if attribute == "open":
        return f".{attribute}" if is_writing(call, 0) else None
    # str.replace takes two words and datetime.replace fields by name, Path.replace one word, its target.
    names = {keyword.arg for keyword in call.keywords} - {"target"}
    is_of_a_path = attribute in PATH and not (attribute == "replace" and (len(call.args) > 1 or names))
    return f".{attribute}" if is_of_a_path else None


def is_writing(call: ast.Call, at: int) -> bool:
    """Tell whether a call of open has a mode that writes; it stands at `at`, or is named."""
    modes = [*call.args[at : at + 1], *(k.value for k in call.keywords if k.arg == "mode")]
    return any(isinstance(m, ast.Constant) and isinstance(m.value, str) and set("wax+") & set(m.value) for m in modes)


def modules() -> Iterator[tuple[str, ast.AST]]:
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            yield ".".join([package, *parts]), ast.parse(path.read_text(encoding="utf-8"))


def test_no_module_but_the_disk_layer_writes() -> None:
    found: defaultdict[str, set[str]] = defaultdict(set)
    where: list[str] = []
    for name, tree in modules():
        if name not in ("vstore.disk.durable", "vstore.disk.inside"):
            for call, line in writes(tree):
                found[name].add(call)
                if call not in EXCEPTIONS.get(name, set()):
                    where.append(f"{name}:{line} {call}")
    assert where == []
    assert dict(found) == EXCEPTIONS, "an exception that is none any more should go"


@pytest.mark.parametrize(
    "code",
    [
        "open(p, 'w')",
        "open(p, mode='ab')",
        "open(p, 'r+b')",
        "os.open(p, os.O_WRONLY | os.O_CREAT)",
        "os.rename(a, b)",
        "path.write_bytes(b'')",
        "Path(p).open('xb')",
        "folder.mkdir()",
        "path.replace(other)",
        "shutil.move(a, b)",
        "tempfile.mkstemp()",
        "faiss.write_index(i, p)",
        "inside.open_file(p, os.O_RDWR)",
        "inside.rename(a, b)",
        "inside.link(a, b)",
    ],
)
def test_such_a_call_would_be_seen(code: str) -> None:
    assert len(list(writes(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "open(p, 'rb')",
        "open(p)",
        "os.open(p, os.O_RDONLY)",
        "durable.disk.rename(a, b)",
        "text.replace('a', 'b')",
        "time.replace(month=1, day=1)",
        "path.open('rb')",
        "os.read(f, 1)",
    ],
)
def test_what_only_reads_is_not_taken_for_a_write(code: str) -> None:
    assert list(writes(ast.parse(code))) == []


def test_format_names_the_exceptions() -> None:
    text = (SOURCES["vstore"].parent / "FORMAT.md").read_text(encoding="utf-8")
    for name in EXCEPTIONS:
        if name.startswith("vstore."):
            assert f"`{name.replace('.', '/')}.py`" in text


# Seen while it happens

TRACE = """
import json, os, sys
store, top, out = sys.argv[1:4]
seen = []
WRITES = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.link": 2, "os.rmdir": 1, "os.truncate": 1,
          "os.symlink": 2, "os.chmod": 1, "os.utime": 1, "shutil.rmtree": 1}

def who():
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.split(".")[0] in ("vstore", "vstore_cli"):
            return name
        frame = frame.f_back
    return "?"

def hook(event, args):
    if event == "open":
        path, mode, flags = args
        if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        paths = [path]
    elif event in WRITES:
        paths = args[:WRITES[event]]
    else:
        return
    paths = [os.fsdecode(p) if isinstance(p, (str, bytes)) else p for p in paths]
    # From the open folder of a store, a file has but its name.
    is_name = who() == "vstore.disk.inside" and all("/" not in str(p) for p in paths)
    if is_name or any(isinstance(p, int) or os.path.abspath(p).startswith(top) for p in paths):
        seen.append([event, who(), [str(p) for p in paths]])

sys.addaudithook(hook)
from vstore_cli.main import run
for words in json.loads(sys.stdin.read()):
    code = run(["--store", store, *words])
    assert code in (0, 3), (words, code)
with open(out, "w") as file:
    json.dump(seen, file)
"""


def test_no_command_writes_past_the_disk_layer(tmp_path: Path) -> None:
    top = tmp_path / "seen"
    pictures, store = top / "pictures", top / "store"
    put(pictures, {f"{i % 3}/{i}.png": i for i in range(12)})
    picture = str(pictures / "0" / "0.png")
    commands = [
        ["init"],
        ["sync", str(pictures), "-m", "one"],
        ["sync", str(pictures), "--exclude", "1/"],
        ["status"],
        ["search", picture],
        ["search", picture, "--html", str(top / "hits.html")],
        ["dupes", "--html", str(top / "dupes.html")],
        ["snapshot", "list"],
        ["snapshot", "show"],
        ["snapshot", "diff", "v1", "v2"],
        ["snapshot", "diff", "v1", "v2", "--html", str(top / "diff.html")],
        ["snapshot", "tag", "v1", "good"],
        ["snapshot", "untag", "good"],
        ["snapshot", "export", "v1", str(top / "out.jsonl")],
        ["export", str(top / "triple")],
        ["export", str(top / "out.npz"), "--format", "npz"],
        ["rollback", "v1", "--hold"],
        ["rollback", "--release"],
        ["undo"],
        ["redo"],
        ["log"],
        ["dupes", "--verify"],
        ["stats"],
        ["check", "--read-data"],
    ]
    out = tmp_path / "out.json"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TOP / "store"), str(TOP / "cli")])}
    subprocess.run(
        [sys.executable, "-c", TRACE, str(store), str(top), str(out)],
        input=json.dumps(commands).encode(),
        env={**env, "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seen = json.loads(out.read_text())
    modules_that_wrote: defaultdict[str, set[str]] = defaultdict(set)
    for event, module, paths in seen:
        modules_that_wrote[module].add(event)
        if module == "vstore.disk.target":
            assert all(not path.startswith(str(store)) for path in paths)
        assert not any(path.startswith(str(pictures)) for path in paths), "pictures are only ever read"
    assert {"open", "os.rename", "os.link", "os.remove", "os.mkdir"} <= modules_that_wrote.pop("vstore.disk.inside")
    assert modules_that_wrote.pop("vstore.disk.durable") == {"os.truncate"}
    assert modules_that_wrote.pop("vstore.pictures.isolation", set()) <= {"open"}, "pipes to its processes"
    assert modules_that_wrote.keys() <= {"vstore.disk.catalogue", "vstore.disk.target", "vstore.export.npz"}
    assert modules_that_wrote["vstore.disk.catalogue"] <= {"shutil.rmtree", "os.rmdir", "os.remove"}
