"""The JSON contract: its tables are compared with what the commands print, and with the errors of the code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docs_tools.console import TOP
from PIL import Image
from support.folders import drawn, plain, put
from support.lines import COMMAND, environment, process
from support.old_indexes import OldIndex
from support.page_server import PageServer
from support.tables import Row, Tables, compare, word, words

from vstore import errors
from vstore.doctor import installed
from vstore.embed.hf.source.unpickle import Converted
from vstore.errors import VstoreError
from vstore.intake.new_facts import NewFacts
from vstore.progress import Stage
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore_cli.help import all_commands
from vstore_cli.main import run

CONTRACT = Tables(
    (TOP / "docs/reference/json.md").read_text(encoding="utf-8"),
    {
        "exits": "*(tested)* Never renumbered",
        "error": 'the last line of stderr is `{"error": …}` *(tested)*',
        "codes": "Codes *(tested)*",
        "progress": "Fields of progress *(tested)*",
        "notes": "Fields of notes *(tested)*",
        "stages": "Names of stages *(tested)*",
    },
)


PLANS = (("--plan",), ("--apply",), ("--restore",), ("--html",))  # options with documents of their own
GROUPS = {line[0] for line in all_commands() if len(line) > 1}


def sections() -> dict[str, list[Row]]:
    """Command -> its table."""
    found: dict[str, list[Row]] = {}
    for at, line in enumerate(CONTRACT.lines):
        if line.startswith("## `vstore "):
            for command in words(line):
                assert command not in found
                found[command] = CONTRACT.rows_after(at)
    return found


def plugin(folder: Path) -> Path:
    """An installed package that brings embedders of the family `fake`."""
    (folder / "fake-1.dist-info").mkdir(parents=True)
    (folder / "fake-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: fake\nVersion: 1\n")
    (folder / "fake-1.dist-info/entry_points.txt").write_text("[vstore.embedders]\nfake = fake_plugin\n")
    (folder / "fake_plugin.py").write_text(
        "from vstore.testing import FakeEmbedder\n"
        "def describe(words): return FakeEmbedder(words.model).recipe\n"
        "def load(recipe, words, settings): return FakeEmbedder(recipe['name'])\n"
    )
    return folder


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Command -> what it printed with --json, on stores in which every field can be met."""
    top = tmp_path_factory.mktemp("json")
    pictures, store = top / "pictures", top / "store"
    said: dict[str, list[Any]] = {}

    def say(*line: str, expect: int = 0, where: Path = store) -> None:
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            code = run(["--store", str(where), *line, "--json"])
        assert code == expect, (line, code)
        document = out.detach().getvalue().decode()
        assert document.count("\n") == 1
        command = " ".join(["vstore", *line[: 2 if line[0] in GROUPS or line[1:2] in PLANS else 1]])
        if line[0] in GROUPS and "--html" in line:
            command += " --html"
        said.setdefault(command, []).append(json.loads(document))
        if not isinstance(said[command][-1], list) and command not in (
            "vstore trust",
            "vstore model convert",
            "vstore completion",
            "vstore config path",
            "vstore dupes --restore",
        ):
            assert said[command][-1]["store"] == os.path.abspath(where), command

    say("init")
    put(
        pictures,
        {
            "a.png": 1,
            "b.png": 2,
            "c.png": 3,
            "same.png": 1,
            "gone.png": 4,
            "grey.png": plain((9, 9, 9)),
            "broken.png": b"no picture",
            "a again.jpg": _again(1, 95),
        },
    )
    odd = os.fsencode(pictures) + b"/\xff.png"
    with contextlib.suppress(OSError):
        Path(os.fsdecode(odd[:-4] + b" again.jpg")).write_bytes(_again(1, 90))
        Path(os.fsdecode(odd)).write_bytes(drawn(5))
        Path(os.fsdecode(odd[:-4] + b"2.png")).write_bytes(drawn(5))
        Path(os.fsdecode(odd[:-4] + b".gif")).write_bytes(b"no picture either")
        Path(os.fsdecode(odd[:-4] + b".psd")).write_bytes(b"")
    put(pictures, {"#recycle/old.png": 1, "notes.txt": b""})
    say("sync", str(pictures), "-m", "first", expect=3)
    (pictures / "b.png").rename(pictures / "bb.png")
    (pictures / "gone.png").unlink()
    put(pictures, {"new.png": 6, "copy.png": 3, "c.png": 7})
    with contextlib.suppress(OSError):
        os.rename(odd, odd[:-4] + b"\xfe.png")
        Path(os.fsdecode(odd[:-4] + b"3.png")).write_bytes(drawn(5))
        Path(os.fsdecode(odd[:-4] + b"4.png")).write_bytes(drawn(8))
        Path(os.fsdecode(odd[:-4] + b"2.png")).write_bytes(drawn(9))
    with contextlib.suppress(OSError):
        os.mkdir(odd[:-4])
        Path(os.fsdecode(odd[:-4] + b"/a.png")).write_bytes(drawn(45))
    cut = drawn(40)[: -len(drawn(40)) // 4]
    put(pictures, {"cut.png": cut})
    with contextlib.suppress(OSError):
        Path(os.fsdecode(odd[:-4] + b"5.png")).write_bytes(cut + b"2")
    with Repository(top / "store").lock("ingest") as lock:
        lock.acquire(0, "sync")
        lock.tell(Stage("reading", 3))
        say("status")
    say("sync", str(pictures), "--accept-truncated", "1%", expect=3)  # broken.png is tried again
    say("sync")
    with contextlib.suppress(OSError):
        os.unlink(odd[:-4] + b"4.png")
    (pictures / "same.png").unlink()
    say("dupes")
    say("dupes", "--verify")
    say("dupes", "--near")
    say("dupes", "--html", str(top / os.fsdecode(b"duplicates\xff.html")))
    _say_plans(top, say)
    _say_fields(top, say)
    say("search", str(pictures / "a.png"), "-k", "100")
    say("search", str(pictures / "a.png"), "-k", "100", "--min-p", "0.9", "--collapse")
    say("search", f"{pictures.name}/a.png")
    say("search", "--html", str(top / os.fsdecode(b"page\xff.html")), str(pictures / "a.png"))
    put(top, {"far/a.png": 1, "far/again.jpg": _again(1, 95), "gift/README": b""})
    say("init", where=top / "gift/.vstore")
    say("sync", str(top / "far"), where=top / "gift/.vstore")
    put(top, {"moving/a.png": 1})
    say("sync", str(top / "moving"), where=top / "gift/.vstore")
    (top / "moving").rename(top / "moved")
    say("sync", str(top / "moved"), "--as", "moving", where=top / "gift/.vstore")
    say("undo", where=top / "gift/.vstore")
    shutil.copytree(top / "gift", top / "unpacked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(top / "another user"))
        say("search", str(pictures / "a.png"), where=top / "unpacked/.vstore")
        say("search", str(pictures / "a.png"), "--collapse", where=top / "unpacked/.vstore")
        for line in (["ls", "-R"], ["find", "*"], ["show", "far/a.png"]):
            say(*line, where=top / "unpacked/.vstore")
    for line in (["ls", "--long"], ["ls", "pictures", "-l"], ["ls", "--failed"]):
        say(*line)
    for line in (["find", "*.png", "-l"], ["find", "*.png", "--all"], ["find", "*.PNG"], ["find", "*3.PNG"]):
        say(*line)
    say("show", "pictures/same.png")
    say("show", "pictures/cut.png", "--no-neighbours")
    put(pictures, {"new.png": 66})
    for name in ("new.png", "broken.png"):
        say("show", str(pictures / name))
    with contextlib.suppress(OSError):
        say("show", os.fsdecode(odd[:-4] + b"2.png"))
        say("show", os.fsdecode(odd[:-4] + b"3.png"))
        say("show", str(pictures / "a.png"))
    put(pictures, {"new.png": 6})
    say("root", "list")
    say("root", "list", where=top / "unpacked/.vstore")
    say("root", "rename", "pictures", "photos", "-n")
    say("root", "remove", "pictures", "--dry-run")
    put(top, {"more/a.png": 1})
    odd_place = os.fsdecode(os.fsencode(top) + b"/\xff")
    with contextlib.suppress(OSError):
        put(Path(odd_place), {"a.png": 1})
        say("sync", odd_place, "--as", "odd", where=top / "gift/.vstore")
        say("root", "list", where=top / "gift/.vstore")
        say("root", "rename", "odd", "odder", where=top / "gift/.vstore")
        say("root", "remove", "odder", where=top / "gift/.vstore")
    say("sync", str(top / "more"), where=top / "gift/.vstore")
    say("root", "rename", "more", "most", where=top / "gift/.vstore")
    say("root", "remove", "most", where=top / "gift/.vstore")
    say("snapshot", "tag", "v1", "good")
    say("sync")
    for line in (
        ["list"],
        ["show"],
        ["diff", "v1", "v2"],
        ["diff", "v2", "v1"],
        ["diff", "v2", "v3"],
    ):
        say("snapshot", *line)
    say("snapshot", "diff", "v1", "v2", "--stat")
    say("snapshot", "diff", "v1", "v2", "--html", str(top / os.fsdecode(b"diff\xff.html")))
    for name in ("jsonl", "npz"):
        say("snapshot", "export", "current", str(top / f"out.{name}"), "--format", name)
    say("snapshot", "untag", "good")
    say("rollback", "v1", "--hold")
    say("rollback", "--release")
    say("undo")
    say("redo")
    say("log")
    say("stats")
    with pytest.MonkeyPatch.context() as patch:  # another user, to whom this store is foreign
        patch.setenv("XDG_CONFIG_HOME", str(top / "config"))
        say("trust")
        patch.setattr(os, "geteuid", lambda: 54_001)
        say("trust")
        say("trust", "--list")
        patch.setenv("VSTORE_NOTHING", "1")
        patch.setenv("VSTORE_DEVICE", "cpu")
        say("completion", "bash")
        say("config", "list")
        say("config", "path")
    say("check")
    for format in ("triple", "parquet", "clip-retrieval"):
        say("export", str(top / f"out.{format}"), "--format", format)
    say("export", str(top / "links"), str(pictures / "a.png"), "--format", "links")
    _label(top, say)
    _adopt(top, say)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(plugin(top / "plugin")))
        say("model", "recommend")
        say("model", "add", "two", "--model", "fake:two")
        say("model", "add", "spare", "--model", "fake:spare")
        say("sync", "--space", "two")
        say("model", "diff", "v3", "two")
        say("model", "allow", "two")
        say("model", "serve", "two", "--idle", "0.001")
        say("model", "use", "builtin-2")
        say("model", "list")
        say("model", "show", "two")
        say("model", "drop", "spare")
        patch.setattr("vstore.models.convert.convert", _convert)
        say("model", "convert", str(_pickled(top / "pickled")), "--output", str(top / "converted"))
        patch.setattr(installed, "is_there", lambda name: False)  # importing what is installed has tests of its own
        say("doctor", expect=1)
    harmed = top / "harmed"
    shutil.copytree(store, harmed)
    with Store(harmed) as opened:
        opened.rollback("v3")
    for path in (harmed / "segments").iterdir():
        data = bytearray(path.read_bytes())
        data[90] ^= 1
        path.write_bytes(data)
    say("check", "--read-data", expect=4, where=harmed)
    say("repair", "--dry-run", expect=4, where=harmed)
    say("repair", expect=4, where=harmed)
    say("snapshot", "forget", "--keep-last", "1")
    say("index", "build", "--exact-below", "0")
    say("search", "--image", str(pictures / "a.png"), "-k", "2")
    say("index", "status")
    say("index", "drop")
    say("gc", "--dry-run")
    say("gc")
    say("migrate")
    say("facts")
    with pytest.MonkeyPatch.context() as patch:  # as after a program that knew no digests
        patch.setattr(NewFacts, "unlisted", lambda self, having: [])
        say("init", where=top / "undigested")
        say("sync", str(pictures), expect=3, where=top / "undigested")
    say("facts", "--fill", "--pixels", "--max-pixels", "1", expect=3, where=top / "undigested")
    said["vstore watch"] = _watched(pictures, top / "undigested")
    with PageServer(store, "--json") as server:
        said["vstore serve"] = [server.stop().json]
    return said


def _say_plans(top: Path, say: Callable[..., None]) -> None:
    """Plans of a folder with names that are not UTF-8, some of whose files do not go, or come back."""
    store, pictures = top / "planned", top / "plans"
    put(pictures, {f"{n}/{name}.png": at for n in (1, 2) for at, name in enumerate("abcd", 80)})
    odd = os.fsencode(pictures) + b"/2/\xff"
    with contextlib.suppress(OSError):
        for at in range(3):
            Path(os.fsdecode(odd + b"%d.png" % at)).write_bytes(drawn(80 + at))
        pictures = Path(os.fsdecode(os.fsencode(pictures) + b"\xff"))
        os.rename(top / "plans", pictures)
    file = top / os.fsdecode(b"plan\xff.json")
    odd = os.fsencode(pictures) + b"/2/\xff"
    say("init", where=store)
    say("sync", str(pictures), "-q", where=store)
    say("dupes", "--plan", str(file), where=store)
    for name in (b"0.png", b".png"):
        Path(os.fsdecode(odd + name)).write_bytes(drawn(89))
    (pictures / "2/d.png").unlink()
    say("dupes", "--apply", str(file), "--link", expect=3, where=store)
    (trash,) = (pictures / ".vstore-trash").iterdir()
    Path(os.fsdecode(odd + b"1.png")).write_bytes(drawn(89))
    (pictures / "2/a.png").write_bytes(drawn(89))
    Path(os.fsdecode(os.fsencode(trash) + b"/\xff")).write_bytes(b"")
    say("dupes", "--restore", str(trash), expect=3, where=store)


def _say_fields(top: Path, say: Callable[..., None]) -> None:
    """Fields that come and go, and a list with rows and values that cannot be taken."""
    say("fields", "set", "label=cat", "pictures/a.png")
    say("fields", "list")
    say("snapshot", "diff", "current~1")
    say("fields", "export", str(top / "fields.csv"))
    with contextlib.suppress(OSError):
        say("fields", "export", os.fsdecode(os.fsencode(top) + b"/\xff.csv"))
    rows = [
        {"path": "pictures/a.png", "stars": 5, "label": "dog"},
        {"path": "pictures/none.png", "stars": 5},
        {"path": "pictures/c.png", "stars": [1]},
    ]
    (top / "fields.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    say("fields", "import", str(top / "fields.jsonl"), "-n", expect=3)
    pictures = top / "pictures"
    say("fields", "set", "label=dog", "pictures/c.png")
    put(pictures, {"c.png": 71})
    with contextlib.suppress(OSError):
        odd = os.fsdecode(os.fsencode(pictures) + b"/\xfa.png")
        Path(odd).write_bytes(drawn(72))
        say("sync")
        say("fields", "set", "label=dog", odd)
        say("decide", "keep", odd)
        say("decide", "keep", "pictures/c.png", "--over", odd)
        say("decisions")
        Path(odd).write_bytes(drawn(73))
    say("sync")
    say("fields", "carry", "@{1}")
    with contextlib.suppress(OSError):
        os.unlink(odd)
    put(pictures, {"c.png": 7})
    say("sync")
    say("fields", "prune")
    say("fields", "unset", "label", "--all-pictures")


def _watched(pictures: Path, store: Path) -> list[Any]:
    """What a watch prints of its start, and of a folder that goes away."""
    command = [*COMMAND, "--store", str(store), "watch", "--settle", "0.1s", "--json"]
    found = []
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        for line in watch.stdout:
            found.append(json.loads(line))
            if found[-1]["kind"] == "sync":
                pictures.rename(pictures.parent / "away")
            elif found[-1]["kind"] == "error":
                watch.terminate()
    assert watch.returncode == 0
    (pictures.parent / "away").rename(pictures)
    return found


def _pickled(folder: Path) -> Path:
    """A model whose weights are a pickle, by its name."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    return folder


def _convert(source: Path, target: Path) -> Converted:
    """Write a safetensors file without tensors, in place of torch."""
    target.write_bytes(struct.pack("<Q", 2) + b"{}")
    return Converted(["a"], [])


def _adopt(top: Path, say: Callable[..., None]) -> None:
    """An old index whose names are not all UTF-8, and whose vectors no model gives."""
    old = OldIndex(top / "old", count=6, dim=333)
    odd, gone = os.fsdecode(b"\xfc.png"), os.fsdecode(b"\xfd.png")
    old.put({odd: 60, "p05.png": 0, "phone/p03.png": 62})
    (old.pictures / "p03.png").unlink()
    rows = old.rows.copy()
    rows[5] = rows[0]
    old.write(rows=rows)
    names = [old.names[0], gone, *old.names[2:4], odd, old.names[5]]
    (old.top / "old.txt").write_bytes(b"\n".join(b"../o00/" + os.fsencode(name) for name in names) + b"\n")
    files = ["--faiss", old.faiss, "--embeddings", old.npy, "--metadata", old.top / "old.txt"]
    store = top / "adopted"
    say("import", *map(str, files), "--root", str(old.pictures), "--model", "builtin-1", where=store)
    listed = [{"path": path, "caption": "one", "box": {"x": 1}} for path in old.paths]
    (old.top / "old.json").write_text(json.dumps(listed))
    said = ["--embeddings", old.npy, "--metadata", old.top / "old.json", "--root", old.pictures, "-n"]
    say("import", *map(str, said), where=store)
    with contextlib.suppress(OSError):
        shutil.copytree(old.pictures, top / os.fsdecode(b"old\xff"))
        said[-2] = top / os.fsdecode(b"old\xff")
        say("import", *map(str, said), where=store)
    old.put({gone: 61})
    say("status", where=store)
    say("sync", where=store)
    say("check", "--reembed", "20", expect=13, where=store)


def _again(seed: int, quality: int) -> bytes:
    """Write a picture as a JPEG: a near-duplicate of it."""
    out = io.BytesIO()
    Image.open(io.BytesIO(drawn(seed))).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _label(top: Path, say: Callable[..., None]) -> None:
    """Folders with labels that are not UTF-8."""
    odd, store = os.fsdecode(b"odd\xff"), top / "labels"
    try:
        put(top, {f"there/{odd}/a.png": 1})
    except OSError:
        return
    say("init", where=store)
    say("sync", str(top / "there" / odd), "--exclude", "*.gif", where=store)
    for line in (["root", "list"], ["stats"], ["snapshot", "show"], ["config", "list"]):
        say(*line, where=store)
    say("export", str(top / f"{odd}.npz"), "--format", "npz", where=store)
    say("snapshot", "export", "current", str(top / f"{odd}.jsonl"), where=store)
    (top / "there").rename(top / "moved there")
    for command in "status", "sync":
        say(command, str(top / "moved there" / odd), where=store)
    for command in "status", "sync":
        say(command, str(top / "moved there"), where=store)
    say("root", "rename", "moved there", f"{odd}2", where=store)
    say("root", "rename", f"{odd}2", f"{odd}3", where=store)
    say("root", "list", where=store)
    say("root", "remove", f"{odd}3", where=store)


def test_every_command_has_a_table() -> None:
    commands = {
        " ".join(["vstore", *line]) for line in all_commands() if line and (len(line) > 1 or line[0] not in GROUPS)
    }
    assert {command.partition(" --")[0] for command in sections()} == commands


@pytest.mark.parametrize("command", sections())
def test_what_a_command_prints_has_the_fields_of_its_table(command: str, printed: dict[str, list[Any]]) -> None:
    rows = sections()[command]
    seen: set[str] = set()
    for document in printed[command]:
        seen |= compare(document, rows, command)
    listed = {word(row["field"]) for row in rows}
    if command == "vstore status":  # which takes no picture
        listed -= {name for name in listed if name.startswith("truncated[]")}
    if command == "vstore sync":  # which knows that it is running
        listed -= {name for name in listed if name.startswith("running.")}
    if command == "vstore dupes":  # whose space here is the built-in one: tests/store/test_indexed_pairs.py
        listed -= {"approximate", "recall_at_10"}
    if command in ("vstore rollback", "vstore redo"):  # which leave nothing
        listed -= {"notes"}
    assert seen == listed, f"{command}: some fields of the table were never met"


def test_a_field_that_is_missing_or_of_another_type_would_be_seen() -> None:
    rows = sections()["vstore snapshot diff"]
    good: dict[str, Any] = {row["field"].strip("`"): [] for row in rows if "[" not in row["field"]}
    good |= {"before": "v1", "after": "v2", "same_space": True}
    compare(good, rows, "diff")
    for bad in (
        {**good, "more": 1},
        {name: value for name, value in good.items() if name != "added"},
        {**good, "before": 1},
        {**good, "added": [{}]},
        {**good, "renamed": [{"from": {"path": "a"}, "to": {"path": 1}}]},
        {**good, "renamed": [{"from": {"path": "a"}, "to": {"path": "b", "more": 1}}]},
    ):
        with pytest.raises(AssertionError):
            compare(bad, rows, "diff")


# Exit codes and errors


def kinds_of_errors() -> list[type[VstoreError]]:
    found = [VstoreError]
    for kind in found:
        found += kind.__subclasses__()
    return [kind for kind in found if kind.__module__ == errors.__name__]


def test_exit_codes_are_those_of_the_table() -> None:
    listed = {int(row["exit"]) for row in CONTRACT.table("exits")}
    assert listed == {kind.exit_code for kind in kinds_of_errors()} | {0, 3, 141}


def test_error_codes_are_those_of_the_table() -> None:
    listed = {word(row["code"]): int(row["exit"]) for row in CONTRACT.table("codes")}
    assert listed == {kind.code: kind.exit_code for kind in kinds_of_errors()}


@pytest.mark.parametrize(
    ("line", "exit_code", "code"),
    [(["snapshot", "list"], 10, "no_store"), (["sync", "/no/such/folder"], 2, "usage"), (["nonsense"], 2, "usage")],
)
def test_errors_have_the_fields_of_their_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: list[str], exit_code: int, code: str
) -> None:
    assert run(["--store", str(tmp_path / "none"), *line, "--json"]) == exit_code
    shown = capsys.readouterr()
    assert shown.out == ""
    rows = CONTRACT.table("error")
    document = json.loads(shown.err.rstrip("\n").split("\n")[-1])
    assert compare(document, rows, "error") == {word(row["field"]) for row in rows}
    assert (document["error"]["code"], document["error"]["exit"]) == (code, exit_code)


def test_progress_has_the_fields_and_names_of_its_tables(tmp_path: Path) -> None:
    put(tmp_path / "pictures", {"b\udcff.png": 2})
    slow = "import time\nfrom vstore.pictures import decoding\nreal = decoding.prepare\n"
    slow += "decoding.prepare = lambda *given: (time.sleep(1.0), warnings.warn('odd'), real(*given))[2]\n"
    ran = process("sync", "pictures", "--progress", "json", cwd=tmp_path, before=f"import warnings\n{slow}")
    assert ran.code == 0
    documents = [json.loads(line) for line in ran.err.splitlines()]
    progress = [document for document in documents if "progress" in document]
    notes = [document for document in documents if "note" in document]
    assert len(progress) + len(notes) == len(documents)
    assert notes
    seen = set[str]()
    for some, name in ((progress, "progress"), (notes, "notes")):
        for document in some:
            seen |= compare(document, CONTRACT.table(name), name)
    assert seen == {word(row["field"]) for name in ("progress", "notes") for row in CONTRACT.table(name)}
    assert {document["progress"]["stage"] for document in progress} <= stages()


def test_the_names_of_stages_are_those_of_the_code() -> None:
    rooms = TOP / "store/vstore"
    begin = re.compile(r"""_?(?:stages|verified|self)\.(?:_?begin|stage)\(\s*"([^"]+)\"""")
    names = {name for path in rooms.rglob("*.py") for name in begin.findall(path.read_text(encoding="utf-8"))}
    assert names == stages()


def stages() -> set[str]:
    """The names of stages in their table."""
    return {name for row in CONTRACT.table("stages") for name in words(row["stage"])}
