"""The program that knows format 1 alone, beside this one: on stores of format 1, and on migrated ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.folders import digests, drawn, newest_pack, put
from support.format_1 import begin, later_parts, many_snapshots
from support.old_program import OldProgram
from support.stores import FAKE, OPERATIONS, Operation, load, old_index, opened, plugin, quick_folder
from support.strangers import unpacked

from vstore.errors import Untrusted
from vstore.format.layout import Layout
from vstore.repository.form import read_form
from vstore.repository.repository import Repository
from vstore.store import Store

DATA = Path(__file__).parent / "data"
MANY = 210
WITHOUT = ("locks", "cache", "catalogue")
NEED_FORMAT_2 = ("root remove", "root rename")

# What a program says of a store: one answer for both.
ROWS = """
def rows(store):
    found = [[row.snapshot, row.id, row.parent, row.time, row.space, row.paths, row.images, row.message, row.partial,
              row.current, list(row.tags)] for row in store.snapshot_list()]
    report = store.check(read_data=True)
    return [found, len(store.log()), report.ok, [problem.what for problem in report.problems]]
"""
# Reads each store, and writes to it with every command that changes one.
READ_AND_WRITE = f"""{ROWS}
answers = {{}}
for top in map(Path, sys.argv[1:]):
    pictures = top / "pictures"
    with opened(top / ".vstore") as store:
        read = rows(store)
        some = min(path for path in pictures.iterdir() if path.suffix == ".png")
        (pictures / "by the old program.png").write_bytes(some.read_bytes() + b"another key")
        made = store.sync([pictures], space="fake-1", allow_mass_delete=True).snapshot
        store.snapshot_tag(made, "by-the-old-program")
        store.rollback(read[0][-1][0])
        store.undo()
        store.snapshot_forget(keep_last=4)
        store.gc(drop_unnamed=True)
    repaired = Store.repair(top / ".vstore", load_embedder=lambda recipe: FAKES[recipe["name"]])
    assert not repaired.changed, repaired
    with opened(top / ".vstore") as store:
        answers[top.name] = [read, made, rows(store)]
print(json.dumps(answers))
"""
MAKE = """
top = Path(sys.argv[1])
pictures = top / "pictures"
Store.init(top / ".vstore", recipe=FAKES["fake-1"].recipe)
with opened(top / ".vstore") as store:
    for number in range(int(sys.argv[2])):
        if number:
            os.rename(pictures / f"{number - 1}.png", pictures / f"{number}.png")
        store.sync([pictures], message=f"number {number}")
        if number % 50 == 20:
            store.snapshot_tag(f"v{number // 2}", f"tag-{number}")
            store.snapshot_forget([f"v{number // 3}"])
    assert store.check().ok
print(0)
"""
OLD_WRITES = """
with opened(Path(sys.argv[1]) / ".vstore") as store:
    print("open", flush=True)
    input()
    found = {}
    for name, act in {
        "list": lambda: store.snapshot_list(),
        "show": lambda: store.snapshot_show(),
        "tag": lambda: store.snapshot_tag("v1", "late"),
        "sync": lambda: store.sync([Path(sys.argv[1]) / "pictures"]),
        "rollback": lambda: store.rollback("v1"),
        "undo": lambda: store.undo(),
        "gc": lambda: store.gc(),
        "check": lambda: store.check().ok or 1 / 0,
    }.items():
        try:
            act()
            found[name] = 0
        except Exception as err:
            found[name] = getattr(err, "exit_code", repr(err))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> OldProgram:
    return OldProgram(tmp_path_factory.mktemp("old"))


@pytest.fixture(autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fakes are an installed plug-in, so that a store can load its models by itself."""
    monkeypatch.syspath_prepend(str(plugin(tmp_path_factory.mktemp("site"))))


@pytest.fixture
def top() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


def rows(store: Store) -> Any:
    """Say what ROWS says."""
    found: dict[str, Any] = {}
    exec(ROWS, found)
    return json.loads(json.dumps(found["rows"](store)))


def sound(top: Path) -> Any:
    with opened(top) as store:
        found = rows(store)
    assert found[2:] == [True, []]
    return found


def held_to_format_1(old: OldProgram, *tops: Path) -> None:
    """Let the old program read stores, and write to them; both programs say the same before and after."""
    assert {top.name: later_parts(top / ".vstore") for top in tops} == {top.name: [] for top in tops}
    before = {top.name: sound(top) for top in tops}
    answers = old.answer(READ_AND_WRITE, *tops)
    for top in tops:
        read, made, after = answers[top.name]
        assert read == before[top.name], top.name
        assert made is not None
        assert sound(top) == after, top.name
        assert later_parts(top / ".vstore") == []


def on_format_1(top: Path, operation: Operation) -> None:
    """Do an operation on a store of format 1."""
    top.mkdir()
    begin(top / ".vstore")
    with operation.set():
        operation.prepare(top)
        operation.run(top)


def test_the_old_program_reads_and_writes_what_every_operation_leaves(old: OldProgram, top: Path) -> None:
    operations = [one for one in OPERATIONS if one.name not in ("init", "found", "migrate", *NEED_FORMAT_2)]
    assert len(operations) > 15
    for operation in operations:
        on_format_1(top / operation.name, operation)
    held_to_format_1(old, *(top / operation.name for operation in operations))


def test_a_store_of_many_snapshots_of_the_old_program_goes_to_and_fro(old: OldProgram, top: Path) -> None:
    pictures = top / "pictures"
    put(pictures, {f"keep/{n}.png": n for n in range(9)} | {"0.png": 100, "still.png": 101})
    old.answer(MAKE, top, str(MANY))
    assert len(Repository(top / ".vstore").state.window) == MANY
    put(pictures, {"new.png": 102})
    index = old_index(top, "older", FAKE, {"keep/1.png": 1, "gone.png": 200})
    with opened(top) as store:
        for act in (
            lambda: store.sync([pictures], message="by the new program"),
            lambda: store.snapshot_tag("v7", "seven"),
            lambda: store.snapshot_forget(["v8", "v9"]),
            lambda: store.undo(),
            lambda: store.redo(),
            lambda: store.rollback("v20"),
            lambda: store.rollback("latest"),
            lambda: store.import_index(**index, recipe=FAKE.recipe),
            lambda: store.model_add("fake-2", model="fake:fake-2"),
            lambda: store.sync([pictures], space="fake-2"),
            lambda: store.model_use("fake-1"),
            lambda: store.gc(drop_unnamed=True),
            lambda: store.sync([pictures / "keep"], message="no news"),
            lambda: store.migrate(dry_run=True),
        ):
            act()
            assert store._repo.tip.format == 1
        put(pictures, {"newest.png": 103})
        store.sync([pictures], message="the last one")
    repo = Repository(top / ".vstore")
    assert len(repo.state.window) > MANY - 10
    (repo.layout.packs / newest_pack(repo).name).unlink()
    record = repo.layout.record(repo.tip.number)
    record.write_bytes(record.read_bytes()[:40])
    assert Store.repair(top / ".vstore", load_embedder=load).changed
    held_to_format_1(old, top)


def test_the_store_that_format_1_wrote_goes_to_and_fro(old: OldProgram, top: Path) -> None:
    shutil.copytree(DATA / "format-1", top / "old")
    folder = top / "old/store"
    with Store(folder) as store:
        assert store.sync().snapshot == "v3"
        store.snapshot_tag("v3", "new")
        store.rollback("v1")
        store.undo()
        store.gc()
        expected = rows(store)
    assert later_parts(folder) == []
    assert old.answer(f"{ROWS}\nprint(json.dumps(rows(Store(sys.argv[1]))))", folder) == expected
    (top / "old/pictures/f.png").write_bytes(drawn(5))
    done = old.run(folder, "sync", "--json")
    assert (done.returncode, json.loads(done.stdout)["snapshot"]) == (0, "v4")
    assert old.run(folder, "check", "--read-data").returncode == 0
    assert later_parts(folder) == []
    with Store(folder) as store:
        assert store.check(read_data=True).ok
        assert store.migrate().format == 2
        assert store.check(read_data=True).ok


# On a store that is migrated, or half so


def with_a_pack(folder: Path) -> None:
    """Kill a migration after its first step."""
    repo = Repository(folder)
    with repo.committing("migrate"):
        assert repo.write_blobs(repo.listing.settled({})[1])


def with_format(folder: Path) -> None:
    """Kill a migration after its second step."""
    with_a_pack(folder)
    Layout(folder).format.write_bytes(read_form(folder)._replace(format=2).to_bytes())


def migrated(folder: Path) -> None:
    with Store(folder) as store:
        store.migrate()


def copied(folder: Path) -> None:
    """Copy FORMAT before the migration, and the log after it."""
    form = Layout(folder).format.read_bytes()
    migrated(folder)
    Layout(folder).format.write_bytes(form)


COMMANDS = [
    ["sync", "pictures"], ["status"], ["search", "pictures/a.png"], ["dupes"], ["snapshot", "list"],
    ["snapshot", "tag", "v1", "x"], ["snapshot", "forget", "v1"], ["rollback", "v1"], ["undo"], ["log"], ["stats"],
    ["check", "--read-data"], ["repair"], ["repair", "--dry-run"], ["gc"], ["migrate"], ["model", "list"],
    ["export", "out"],
]  # fmt: skip


@pytest.mark.parametrize("leave", [with_format, migrated, copied])
def test_the_old_program_refuses_a_migrated_store_and_writes_nothing(
    old: OldProgram, top: Path, leave: Callable[[Path], None]
) -> None:
    folder = top / ".vstore"
    many_snapshots(folder, 135)
    leave(folder)
    before = digests(folder, without=())
    assert [words for words in COMMANDS if not old.refused(folder, *words)] == []
    assert digests(folder, without=()) == before
    if leave is not copied:
        done = old.run(folder, "log")
        assert done.stderr.startswith(f"Error: the store {folder} has format 2; this vstore reads up to 1\n")


def test_before_the_second_step_the_old_program_goes_on(old: OldProgram, top: Path) -> None:
    many_snapshots(top / ".vstore", 135)
    put(top / "pictures", {"a.png": 1})
    with_a_pack(top / ".vstore")
    (top / ".vstore/.tmp-ingest-0").write_bytes(b"half of a FORMAT")
    with opened(top) as store:
        before = rows(store)
    assert old.answer(f"{ROWS}\nprint(json.dumps(rows(opened(sys.argv[1]))))", top / ".vstore") == before
    done = old.run(top / ".vstore", "gc")
    assert done.returncode == 0, done.stderr
    assert later_parts(top / ".vstore") == []
    migrated(top / ".vstore")
    assert sound(top)[0] == before[0]


def opened_before(old: OldProgram, top: Path, act: Callable[[Path], None]) -> dict[str, Any]:
    """Let the old program open a store, migrate it, and let it go on."""
    process = old.start(OLD_WRITES, top)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    act(top / ".vstore")
    out, err = process.communicate("\n")
    assert process.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_an_old_program_that_had_opened_the_store_refuses_it_once_it_is_migrated(old: OldProgram, top: Path) -> None:
    put(top / "pictures", {"a.png": 1})
    with opened_1(top) as store:
        store.sync([top / "pictures"])
    put(top / "pictures", {"b.png": 2})
    left: dict[str, str] = {}

    def act(folder: Path) -> None:
        migrated(folder)
        left.update(digests(folder, without=("locks",)))

    found = opened_before(old, top, act)
    assert found == dict.fromkeys(found, 12)
    assert digests(top / ".vstore", without=("locks",)) == left


def opened_1(top: Path) -> Store:
    begin(top / ".vstore")
    Store.init(top / ".vstore", recipe=FAKE.recipe)
    return opened(top)


def test_after_a_killed_migration_an_old_program_that_had_opened_the_store_may_still_write_format_1(
    old: OldProgram, top: Path
) -> None:
    """No record tells it. What it writes is a store of format 2 whose migration is not finished."""
    put(top / "pictures", {"a.png": 1})
    with opened_1(top) as store:
        store.sync([top / "pictures"])
    put(top / "pictures", {"b.png": 2})

    def act(folder: Path) -> None:
        Layout(folder).format.write_bytes(read_form(folder)._replace(format=2).to_bytes())

    found = opened_before(old, top, act)
    assert found == dict.fromkeys(found, 0)
    repo = Repository(top / ".vstore")
    assert (repo.format, repo.tip.format) == (2, 1)
    assert repo.tip.complaint is None
    before = sound(top)
    migrated(top / ".vstore")
    after = sound(top)
    assert (after[0], after[1]) == (before[0], before[1] + 1)
    assert old.refused(top / ".vstore", "log")


@pytest.mark.parametrize("place", ["private", "."])
def test_a_job_that_the_old_program_served_goes_on_without_a_question(
    tmp_path: Path, old: OldProgram, place: str
) -> None:
    """Nobody was asked for folders outside of the store's own, which a stranger's store may name."""
    home, config, folder = tmp_path / "home", tmp_path / "config", tmp_path / "stores" / "old" / ".vstore"
    put(home / "private", {f"{number}.png": number for number in range(7)})
    folder.parent.mkdir(parents=True)
    assert old.run(folder, "sync", str(home / place)).returncode == 0
    put(home / "private", {"new.png": 90})
    with Store(folder, config=config) as store:
        report = store.sync()
    assert (report.new, report.unchanged) == (1, 7)
    copied = unpacked(folder.parent, tmp_path / "elsewhere") / ".vstore"
    with Store(copied, config=tmp_path / "another user") as store, pytest.raises(Untrusted):
        store.sync()
    with Store(copied, config=config) as store:
        assert store.sync().unchanged == 8  # its user is known to have meant the folder, wherever the store lies now
