"""Requests to end in every stage of every long command, and the command that each suggests. Real processes."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
from support.folders import put
from support.lines import Line, process
from support.signalled import IN_C, SLOW, Running, typed, wait_for, waiting_in

FORMAT_1 = Path(__file__).resolve().parents[1] / "store/data/format-1"
SOON = 40.0  # seconds; a second on a machine that does nothing else
PICTURES = 40
IMPORT = (
    "import --store imported --faiss triple/index.faiss --metadata triple/metadata.json --root pictures --model builtin"
)


def suggested(err: str) -> str:
    """Find the command that the last line suggests."""
    found = re.search(r"(?:continue with|run it again): (vstore .*)\n\Z", err)
    assert found, err
    return found[1]


@pytest.fixture
def home(line: Line) -> Line:
    """A folder whose name a shell must be told in quotes."""
    line.put({f"my 'best' pictures/{number:02}.png": number for number in range(PICTURES)})
    return line


FIRST = [
    ["sync", "my 'best' pictures"],
    ["sync", "my 'best' pictures", "--as", "best of", "-m", "a; b", "--exclude", "*.gif"],
    ["sync", "--store=a store", "--model=builtin", "my 'best' pictures", "--batch-size", "16"],
    ["sync", "--files-from", "list of"],
]


@pytest.mark.parametrize("words", FIRST)
@pytest.mark.parametrize("times", [1, 2])
def test_the_command_after_a_first_sync_works_as_it_is_typed(words: list[str], times: int, home: Line) -> None:
    (home.home / "list of").write_text("my 'best' pictures\n")
    with Running(home.home, *words) as running:
        running.signal(signal.SIGINT)
        running.says("Stopping after this batch")
        if times == 2:
            running.signal(signal.SIGINT)
        ran = running.end() if times == 2 else running.go_on()
    assert ran.code == 130
    again = typed(suggested(ran.err), home.home)
    assert again.code == 0, again
    store = [word for word in words if "store" in word] and ["--store", "a store"]
    (newest, *_) = home("snapshot", "list", "--json", *store).json
    assert (newest["images"], newest["partial"]) == (PICTURES, False)
    assert home("check", "--read-data", "--json", *store).json["ok"]


def test_an_exclude_that_a_partial_snapshot_forgot_is_not_forgotten_twice(home: Line) -> None:
    home.put({"my 'best' pictures/a.jpg": 900})
    home("sync", "my 'best' pictures", "--exclude", "*.png", "-q")
    with Running(home.home, "sync", "--no-exclude", "*.png", "my 'best' pictures") as running:
        running.signal(signal.SIGINT)
        running.says("Stopping after this batch")
        ran = running.go_on()
    again = typed(suggested(ran.err), home.home)
    assert again.code == 0, again
    assert len(home.paths()) == PICTURES + 1


@pytest.mark.parametrize("place", ["vstore.pictures.listing:Lister.list", "vstore.repository.init:init"])
def test_the_command_before_there_is_a_store_works_as_it_is_typed(place: str, home: Line) -> None:
    words = ["sync", "my 'best' pictures", "--model", "builtin", "--as", "best of"]
    with Running(home.home, *words, script=waiting_in(place)) as running:
        running.signal(signal.SIGINT)
        ran = running.end()
    assert ran.code == 130
    assert not (home.home / ".vstore").exists()
    assert suggested(ran.err) == """vstore sync 'my '"'"'best'"'"' pictures' --model builtin --as 'best of'"""
    assert typed(suggested(ran.err), home.home).code == 0
    assert home.paths()[0].startswith("best of/")


LISTS = "vstore.pictures.listing:Lister.list"
# Every stage that has nothing to finish: its command, a function of it, and whether the command suggests one.
STAGES = {
    "sync lists": ("sync", LISTS, True),
    "sync -n lists": ("sync -n", LISTS, True),
    "sync -n hashes": ("sync -n", "vstore.intake.ingest:Ingest.hash", True),
    "sync loads the model": ("sync", "vstore.repository.embedders:Embedders.load_on_all", True),
    "sync loads faiss": ("sync", "vstore.packages:faiss_module", True),
    "status": ("status", LISTS, False),
    "search loads the model": ("search ./new/00.png", "vstore.repository.embedders:Embedders.load_for_query", False),
    "search": ("search ./pictures/00.png", "vstore.search.index:Index.top_k", False),
    "check": ("check", "vstore.check.objects:Objects.check_packs", False),
    "check --read-data": ("check --read-data", "vstore.check.objects:Objects._read_rows", False),
    "check --source": ("check --source", "vstore.check.source:check_source", False),
    "check --reembed": ("check --reembed 4", "vstore.embed.builtin:BuiltinEmbedder.embed_images", False),
    "dupes --near": ("dupes --near 0.9", "vstore.search.space_rows:SpaceRows.unit", False),
    "dupes --verify": ("dupes --verify", "vstore.search.group_files:_are_same", False),
    "gc plans": ("gc", "vstore.gc.run:plan_of", True),
    "gc deletes": ("gc --drop-unnamed", "vstore.disk.durable:remove", True),
    "repair": ("repair", "vstore.repair.blobs:Blobs.read_packs", True),
    "snapshot diff": ("snapshot diff v1 v2", "vstore.versions.diff:snapshot_diff", False),
    "stats": ("stats", "vstore.stats:_parts", False),
    "log": ("log", "vstore.versions.log:log", False),
    "export triple": ("export out", "vstore.export.triple:write", True),
    "export npz": ("export out --format npz", "vstore.export.npz:write", True),
    "export parquet": ("export out --format parquet", "vstore.export.parquet:write", True),
    "export jsonl": ("export out --format jsonl", "vstore.export.jsonl:write", True),
    "export csv": ("export out --format csv", "vstore.export.csv:write", True),
    "export reads facts": ("export out --format jsonl", "vstore.export.pictures:Pictures.details", True),
    "export clip-retrieval": ("export out --format clip-retrieval", "vstore.export.clipretrieval:write", True),
    "import reads the vectors": (IMPORT, "vstore.importing.old_index:_open_vectors", True),
    "import matches": (IMPORT, "vstore.importing.matching:Matcher.match", True),
    "import hashes": (IMPORT, "vstore.importing.pairing:Pairer._hash", True),
    "import writes vectors": (IMPORT, "vstore.importing.commit:Commit._write_rows", True),
    "import lists": (IMPORT, LISTS, True),
    "facts --fill lists": ("facts --fill --pixels", "vstore.facts.fill:lacking", True),
    "migrate": ("migrate --store old", "vstore.migrate:_plan", True),
    "waiting for a lock": ("sync --wait", "vstore.disk.lock:Lock._take", True),
}


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of two snapshots, files that no sync has seen, an index to import, and an older store."""
    top = tmp_path_factory.mktemp("grown")
    put(top, {f"pictures/{number:02}.png": number for number in range(8)})
    put(top, {"pictures/copy.png": 0, "other/00.png": 0, "other/01.png": 1, "gone/0.png": 50})
    for words in ("sync pictures gone", "export triple"):
        assert process(*words.split(), cwd=top).code == 0
    shutil.rmtree(top / "gone")
    put(top, {"pictures/08.png": 8})
    assert process("sync", "--allow-mass-delete", "-q", cwd=top).code in (0, 5)
    assert process("sync", "pictures", "-q", cwd=top).code == 0
    put(top, {"pictures/new.png": 60, "new/00.png": 60})
    shutil.copytree(FORMAT_1 / "store", top / "old/.vstore")
    (top / "triple/vstore.json").unlink()  # else nothing is matched
    return top


OTHERS = [(stage, number) for stage in ("sync lists", "gc deletes", "import hashes") for number in (15, 1)]


@pytest.mark.parametrize(("stage", "number"), [*((stage, signal.SIGINT) for stage in STAGES), *OTHERS])
def test_the_first_request_ends_a_stage_that_has_nothing_to_finish(
    stage: str, number: int, grown: Path, tmp_path: Path
) -> None:
    words, place, suggests = STAGES[stage]
    home = tmp_path / "home"
    shutil.copytree(grown, home)
    before = files_of(home)
    with Running(home, *words.split(), script=waiting_in(place)) as running:
        running.signal(number)
        sent = time.monotonic()
        ran = running.end()
        assert time.monotonic() - sent < SOON
    assert ran.code == 130, ran
    assert ran.out == ""
    assert ran.err.startswith("Error: ") or "\nError: " in ran.err
    assert "Traceback" not in ran.err
    assert [name for name in files_of(home) if name not in before] == [], "nothing is left half-written"
    assert json.loads(process("check", "--read-data", "--json", cwd=home).out)["ok"]
    if suggests:
        again = typed(suggested(ran.err), home)
        assert again.code == 0, again


def files_of(home: Path) -> set[str]:
    """List the files that a stopped command might leave beside a store, and those in it that are half-written."""
    every = (path.relative_to(home) for path in home.rglob("*") if path.is_file())
    return {
        str(path) for path in every if path.name != "reached" and (".vstore" not in path.parts or ".tmp-" in str(path))
    }


def test_a_call_of_a_library_that_never_returns_is_ended_too(grown: Path, tmp_path: Path) -> None:
    """Python calls no handler meanwhile: a second thread does."""
    home = tmp_path / "home"
    shutil.copytree(grown, home)
    load = STAGES["search loads the model"][1]
    for as_json in ([], ["--json"]):
        (home / "reached").unlink(missing_ok=True)
        with Running(home, "search", "./new/00.png", *as_json, script=waiting_in(load, IN_C)) as running:
            running.signal(signal.SIGINT)
            ran = running.end()
        assert ran.code == 130
        assert (ran.error["code"] == "interrupted") if as_json else (ran.err == "Error: interrupted\n")


def test_a_batch_that_never_returns_is_said_and_the_second_request_ends_it(home: Line) -> None:
    script = waiting_in("vstore.embed.builtin:BuiltinEmbedder.embed_images", IN_C)
    with Running(home.home, "sync", "my 'best' pictures", script=script) as running:
        running.signal(signal.SIGTERM)
        running.says("Stopping after this batch; finished work is saved. Press Ctrl-C again to stop at once.")
        running.signal(signal.SIGTERM)
        ran = running.end()
    assert ran.code == 130
    assert "stopped at once; every finished batch is saved" in ran.err
    assert typed(suggested(ran.err), home.home).code == 0


def test_whoever_cleans_up_for_long_says_so(grown: Path, tmp_path: Path) -> None:
    """KeyboardInterrupt rose, and something on its way takes its time."""
    home = tmp_path / "home"
    shutil.copytree(grown, home)
    slow = "try:\n            open('amid', 'w').close(), time.sleep(60)\n        finally:\n            time.sleep(60)"
    with Running(home, "stats", script=waiting_in("vstore.stats:_parts", slow)) as running:
        wait_for((home / "amid").exists)
        running.signal(signal.SIGINT)
        running.says("Stopping. Press Ctrl-C again to stop at once.")
        running.signal(signal.SIGINT)
        ran = running.end()
    assert ran.code == 130
    assert "Error: interrupted" in ran.err


def test_an_error_that_a_library_makes_of_an_interruption_is_no_error_of_its_own(grown: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(grown, home)
    odd = 'exec(\'try: open("amid", "w").close(), time.sleep(60)\\nexcept BaseException: raise ImportError(1)\')'
    with Running(home, "stats", script=waiting_in("vstore.stats:_parts", odd)) as running:
        wait_for((home / "amid").exists)
        running.signal(signal.SIGINT)
        ran = running.end()
    assert (ran.code, ran.err) == (130, "Error: interrupted\n")


def test_a_closed_terminal_does_not_keep_a_sync_from_finishing_its_batch(home: Line) -> None:
    master, terminal = pty.openpty()
    with Running(home.home, "sync", "my 'best' pictures", streams=terminal) as running:
        os.close(terminal)
        os.close(master)
        running.signal(signal.SIGHUP)
        time.sleep(1)
        (home.home / "go").touch()
        assert running.wait() == 130
    (row,) = home("snapshot", "list", "--json").json
    assert row["partial"]
    assert row["images"] == 32


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_the_process_was_started_to_ignore_stays_ignored(number: int, home: Line) -> None:
    """As nohup starts it, and a shell a job in the background."""
    script = f"import signal; signal.signal({number}, signal.SIG_IGN)\n{SLOW}"
    with Running(home.home, "sync", "my 'best' pictures", script=script) as running:
        running.signal(number)
        time.sleep(1)
        assert running.go_on().code == 0


SLOW_DISK = """
import os, time
def preadv(fd, buffers, at):
    open("reached", "w").close()
    time.sleep(0.05)
    return min(1, len(buffers[0]))
os.preadv = preadv
from vstore_cli.main import main
main()
"""


@pytest.mark.parametrize("words", [["sync", "-n"], ["sync"]])
def test_a_large_file_that_is_being_read_is_not_waited_for(words: list[str], home: Line) -> None:
    home("sync", "my 'best' pictures", "-q")
    with (home.home / "my 'best' pictures/large.png").open("wb") as file:
        file.truncate(1 << 26)
    with Running(home.home, *words, script=SLOW_DISK) as running:
        running.signal(signal.SIGINT)
        sent = time.monotonic()
        ran = running.end()
        assert time.monotonic() - sent < SOON
    assert ran.code == 130, ran
    assert home("check", "--read-data", "--json").json["ok"]


def test_filling_facts_in_keeps_what_it_has_and_says_how_to_go_on(grown: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(grown, home)
    script = waiting_in("vstore.facts.fill:_taken")
    with Running(home, "facts", "--fill", "--pixels", "--store", ".vstore", script=script) as running:
        running.signal(signal.SIGTERM)
        running.says("Stopping after these pictures; finished work is saved.")
        ran = running.go_on()
    assert ran.code == 130
    assert suggested(ran.err) == "vstore facts --fill --pixels --store .vstore"


def test_an_import_that_is_committing_is_finished(grown: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(grown, home)
    script = waiting_in("vstore.importing.commit:Commit._put_snapshot")
    with Running(home, *IMPORT.split(), script=script) as running:
        running.signal(signal.SIGINT)
        running.says("Stopping after the commit; finished work is saved.")
        ran = running.go_on()
    assert ran.code == 0
    assert "Wrote snapshot v1" in ran.out
    assert json.loads(process("check", "--read-data", "--json", "--store", "imported", cwd=home).out)["ok"]
