"""Migrating a store to the newest format: what is written, and that nothing else changes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.folders import ENVIRONMENT, World, digests, newest_pack, stats_of
from support.format_1 import begin, later_parts, many_snapshots

from vstore.doctor.spaces import store as findings_of
from vstore.errors import Damage, Locked, MigrationNeeded, NothingToUndo
from vstore.format import listing
from vstore.format.layout import Layout
from vstore.format.listing import WINDOW
from vstore.format.state import State
from vstore.migrate import MigrateReport
from vstore.repository.decisions import Choice, decide
from vstore.repository.facts import added
from vstore.repository.fields import set_fields
from vstore.repository.form import read_form
from vstore.repository.index_parts import write_index_part
from vstore.repository.newest import is_between, is_newest
from vstore.repository.repository import Repository
from vstore.store import Store

DATA = Path(__file__).parent / "data"
MANY = 230  # snapshots: more than the state of format 2 holds


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many") / ".vstore"
    many_snapshots(folder, MANY, 40)
    return folder


@pytest.fixture
def many(template: Path, tmp_path: Path) -> Path:
    """A store of format 1 with many snapshots."""
    shutil.copytree(template, tmp_path / ".vstore")
    return tmp_path / ".vstore"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """What format 1 wrote: pictures, and stores of them."""
    shutil.copytree(DATA / "format-1", tmp_path / "format-1")
    return tmp_path / "format-1"


@pytest.fixture
def world_1(tmp_path: Path) -> World:
    """A folder of pictures, and a store of format 1."""
    begin(tmp_path / ".vstore")
    world = World(tmp_path)
    world.put({"a.png": 1, "b.png": 2})
    world.sync()
    assert later_parts(world.folder) == []
    return world


def migrated(folder: Path, **options: Any) -> MigrateReport:
    with Store(folder) as store:
        return store.migrate(**options)


def interrupted(folder: Path) -> None:
    """Leave a store as a migration that is killed after its second step."""
    form = read_form(folder)
    assert form.format == 1
    Layout(folder).format.write_bytes(form._replace(format=2).to_bytes())


def files_of(folder: Path) -> dict[str, str]:
    return digests(folder, without=("locks", "cache"))


# What is written


def test_there_is_nothing_to_migrate(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()
    before = files_of(world.folder)
    report = world.store.migrate()
    assert (report.format, report.newest, report.steps, report.bytes) == (2, 2, (), 0)
    assert world.store.migrate(dry_run=True) == report._replace(dry_run=True)
    assert files_of(world.folder) == before


def test_a_dry_run_says_what_is_written_and_writes_nothing(many: Path) -> None:
    before, stats = digests(many, without=()), stats_of(many)
    plan = migrated(many, dry_run=True)
    assert digests(many, without=()) == before
    assert stats_of(many) == stats
    assert (plan.dry_run, plan.format, plan.newest) == (True, 1, 2)
    assert migrated(many) == plan._replace(dry_run=False, format=2)
    after = digests(many, without=("locks", "cache", "catalogue"))
    gone = [name for name in before if name not in after and not name.startswith(("locks", "cache"))]
    assert gone == []
    written = [name for name in after if after[name] != before.get(name)]
    sizes = {name.split("/")[0]: (many / name).stat().st_size for name in written}
    record = max(name for name in written if name.startswith("refs/"))
    assert plan.steps == (
        f"packs/: the list of all {MANY} snapshots, {sizes['packs']:,} bytes",
        f"FORMAT: format 2, {sizes['FORMAT']:,} bytes",
        f"{record}: the state of the store, {sizes['refs']:,} bytes",
    )
    assert len(written) == 3
    assert plan.bytes == sum(sizes.values())


def test_the_new_state_is_a_window_on_the_snapshots_and_the_tree_holds_them_all(many: Path) -> None:
    before = Repository(many).state
    assert len(before.window) == MANY
    migrated(many)
    repo = Repository(many)
    record = repo.log.read(repo.tip.number)
    assert (record.op, record.format, record.about) == ("migrate", 2, "to format 2")
    assert State(record.whole or {}) == repo.state
    assert repo.state.listed == before.next_v
    assert WINDOW <= len(repo.state.window) < WINDOW + len(before.tags) + 2
    assert {snapshot.name: snapshot.to_json() for snapshot in repo.listing.every()} == before.window
    now = {name: value for name, value in repo.state.document.items() if name not in ("snapshots", "listed", "trees")}
    packs = now.pop("packs")
    was = {name: value for name, value in before.document.items() if name not in ("snapshots", "packs")}
    assert now == was
    assert len(packs) == len(before.packs) + 1
    assert packs.items() > before.document["packs"].items()


def test_a_store_of_few_snapshots_needs_no_tree(world_1: World) -> None:
    before = world_1.repo.state
    report = world_1.store.migrate()
    assert [step.split(":")[0] for step in report.steps] == ["FORMAT", "refs/000000000003.json"]
    assert world_1.repo.state == before
    assert world_1.repo.tip.format == 2


def test_only_the_format_of_a_store_changes(many: Path) -> None:
    before = read_form(many)
    migrated(many)
    assert read_form(many) == before._replace(format=2)


def test_an_empty_store_gets_another_format_alone(tmp_path: Path) -> None:
    folder = begin(tmp_path / ".vstore", "sha256", "float32")
    report = migrated(folder)
    assert [step.split(":")[0] for step in report.steps] == ["FORMAT"]
    assert (read_form(folder).format, read_form(folder).hash) == (2, "sha256")
    assert is_newest(Repository(folder))
    Store.init(folder, hash="sha256", store_dtype="float32")
    assert Repository(folder).log.read(1).format == 2


def test_what_is_written_afterwards_is_of_format_2(world_1: World) -> None:
    world_1.store.migrate()
    world_1.put({"c.png": 3})
    world_1.sync()
    repo = world_1.repo
    assert repo.tip.format == 2
    assert [repo.manifest(repo.snapshot(name)).store for name in ("v1", "v2")] == ["", repo.store_id]


# What stays


def test_every_name_of_a_snapshot_means_what_it_meant(many: Path) -> None:
    repo = Repository(many)
    ids = [snapshot.id for snapshot in repo.listing.every()]
    names = [f"v{number}" for number in range(MANY + 2)]
    names += [id[:length] for id in ids for length in (4, 8, len(id))]
    names += [*repo.state.tags, "current", "latest", *(f"{tag}~1" for tag in repo.state.tags)]
    names += [f"{name}~{up}" for name in ("current", "latest", f"v{MANY // 2}") for up in (1, 2, 50, 110, 113, 200)]
    names += [f"@{{{back}}}" for back in range(MANY + 5)]

    def meanings() -> dict[str, str]:
        repo = Repository(many)
        found = {}
        for name in names:
            try:
                found[name] = repr(repo.snapshot(name))
            except LookupError as err:
                found[name] = repr(err)
        return found

    before = meanings()
    assert len({meaning for meaning in before.values() if meaning.startswith("Snapshot(")}) > MANY - 10
    migrated(many)
    assert meanings() == before


def test_every_snapshot_lists_what_it_listed(many: Path) -> None:
    def listed() -> Any:
        repo = Repository(many)
        with Store(many) as store:
            rows = [row.to_json() for row in store.snapshot_list()]
            diff = store.snapshot_diff("v2", "current").to_json()
        aliases = {snapshot.name: dict(repo.tree(snapshot)) for snapshot in repo.listing.every()}
        return rows, diff, aliases, repo.state.tags, repo.state.current

    before = listed()
    migrated(many)
    assert listed() == before


@pytest.mark.parametrize("name", ["store", "sha256-float32"])
def test_a_search_answers_byte_for_byte_what_it_answered(old: Path, name: str) -> None:
    def answers() -> list[bytes]:
        out = []
        for words in (
            ["search", "--json", "-k", "9", str(old / "pictures/a.png")],
            ["search", "--json", "--at", "v1", str(old / "pictures/summer/c.png")],
            ["search", str(old / "pictures/a.png"), "-", str(old / "pictures/d.png")],
            ["dupes", "--near", "0.5", "--json"],
            ["snapshot", "list", "--json"],
            ["snapshot", "show", "--json"],
        ):
            command = [sys.executable, "-m", "vstore_cli", "--store", str(old / name), *words]
            done = subprocess.run(command, env=ENVIRONMENT, cwd=old, capture_output=True, check=False)
            assert (done.returncode, done.stderr) == (0, b""), words
            out.append(done.stdout)
        return out

    before = answers()
    migrated(old / name)
    assert answers() == before


def test_the_log_keeps_its_operations_and_undo_ends_there(many: Path) -> None:
    with Store(many) as store:
        before = [row.to_json() for row in store.log()]
        store.migrate()
        assert [row.to_json() for row in store.log()][1:] == before
        with pytest.raises(NothingToUndo, match="nothing before the migrate of"):
            store.undo()
        with pytest.raises(NothingToUndo):
            store.redo()
        store.snapshot_tag("v3", "later")
        assert store.undo().about.startswith("tag of")
        with pytest.raises(NothingToUndo):
            store.undo()


# Interrupted, and gone on with


def test_an_interrupted_migration_is_a_store_of_format_2_and_goes_on(many: Path) -> None:
    before = [snapshot.to_json() for snapshot in Repository(many).listing.every()]
    interrupted(many)
    repo = Repository(many)
    assert (repo.format, repo.tip.format) == (2, 1)
    assert is_between(repo)
    assert [snapshot.to_json() for snapshot in repo.listing.every()] == before
    plan = migrated(many, dry_run=True)
    assert [step.split(":")[0] for step in plan.steps] == ["packs/", f"refs/{repo.tip.number + 1:012}.json"]
    assert migrated(many).steps == plan.steps
    assert is_newest(Repository(many))
    assert migrated(many).steps == ()
    assert [snapshot.to_json() for snapshot in Repository(many).listing.every()] == before


def test_whoever_writes_after_an_interrupted_migration_completes_it(world_1: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(listing, "PENDING", 1)
    world_1.put({"c.png": 3})
    world_1.sync()
    interrupted(world_1.folder)
    assert world_1.another().migrate(dry_run=True).steps
    world_1.put({"d.png": 4})
    assert world_1.sync().snapshot == "v3"
    repo = world_1.repo
    assert is_newest(repo)
    assert repo.state.root("snapshots") is not None
    assert [snapshot.name for snapshot in repo.listing.every()] == ["v3", "v2", "v1"]
    assert world_1.store.migrate().steps == ()
    assert world_1.store.undo().about.startswith("sync of")  # no barrier: the record `migrate` never came
    assert world_1.repo.state.current == "v2"
    assert world_1.store.check(read_data=True).ok


def test_a_copy_of_a_store_that_was_being_migrated_is_of_format_2(world_1: World) -> None:
    """FORMAT is copied first, and refs/ after the record `migrate` came."""
    form = Layout(world_1.folder).format.read_bytes()
    world_1.store.migrate()
    Layout(world_1.folder).format.write_bytes(form)
    repo = world_1.repo
    assert repo.format == 2
    assert is_between(repo)
    world_1.put({"c.png": 3})
    with world_1.another() as store:
        store.sync([world_1.pictures])
        repo = world_1.repo
        assert repo.tip.format == 2
        assert repo.manifest(repo.snapshot("v2")).store == repo.store_id
        assert store.migrate().steps == ("FORMAT: format 2, 119 bytes",)
    assert is_newest(world_1.repo)
    assert world_1.repo.log.read(world_1.repo.tip.number).op == "sync"


@pytest.mark.parametrize("spoil", [interrupted, None])
def test_check_stats_and_doctor_say_whether_there_is_something_to_migrate(
    world_1: World, spoil: Callable[[Path], None] | None
) -> None:
    def told() -> tuple[int, bool, tuple[str, ...], str, str]:
        with world_1.another() as store:
            stats, report = store.stats(), store.check()
        assert report.ok
        (finding,) = (found for found in findings_of(world_1.folder) if found.name == "format")
        return stats.format, stats.newest, report.notes, finding.state, finding.fix

    if spoil is None:
        assert told() == (1, False, (), "note", "vstore migrate --dry-run")
    else:
        spoil(world_1.folder)
        note = "the migration of this store was interrupted; nothing is lost: run vstore migrate again"
        assert told() == (2, False, (note,), "note", "vstore migrate --dry-run")
    migrated(world_1.folder)
    assert told() == (2, True, (), "ok", "")


# Handles that were opened before


MIGRATE = "import sys; from vstore.store import Store; print(Store(sys.argv[1]).migrate().format)"


def migrated_elsewhere(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", MIGRATE, str(folder)], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_a_store_that_was_opened_before_goes_on_in_the_new_format(world_1: World) -> None:
    store, repo = world_1.store, world_1.repo
    assert (repo.format, store._repo.format) == (1, 1)
    migrated_elsewhere(world_1.folder)
    world_1.put({"c.png": 3})
    world_1.sync()
    store.snapshot_tag("v1", "first")
    assert [world_1.repo.log.read(number).format for number in range(1, 6)] == [1, 1, 2, 2, 2]
    repo.reload()
    assert repo.format == 2
    assert repo.manifest(repo.snapshot("v2")).store == repo.store_id
    key = next(iter(repo.tree(repo.snapshot("v2"))))[1]
    decide(repo, [Choice("keep", [key], [key])])
    assert store.check(read_data=True).ok


def test_a_dry_run_of_a_store_that_was_opened_before_sees_what_others_did(world_1: World) -> None:
    store = world_1.store
    before = store.migrate(dry_run=True)
    world_1.another().snapshot_tag("v1", "first")
    assert store.migrate(dry_run=True) == world_1.another().migrate(dry_run=True) != before
    migrated_elsewhere(world_1.folder)
    assert store.migrate(dry_run=True).steps == ()


@pytest.mark.parametrize("kill", [True, False])
def test_whoever_commits_looks_at_format_again(world_1: World, kill: bool) -> None:
    """The record `migrate` says it too; a migration that was killed left none."""
    repo = world_1.repo
    if kill:
        interrupted(world_1.folder)
    else:
        migrated_elsewhere(world_1.folder)
    with repo.committing("tag"):
        assert repo.format == 2
        repo.require_format_2("decisions")
        repo.publish("tag", {"tags": {"x": "v1"}})
    assert world_1.repo.tip.format == 2


def test_a_plan_of_a_store_that_was_opened_before_knows_the_tree(many: Path, tmp_path: Path) -> None:
    with Store(many) as store, Store(many) as fresh:
        old_plan = store.snapshot_forget(keep_last=20, dry_run=True)
        migrated_elsewhere(many)
        plan = store.snapshot_forget(keep_last=20, dry_run=True)
        assert plan == fresh.snapshot_forget(keep_last=20, dry_run=True)
        assert plan.forgotten == old_plan.forgotten
        assert store.gc(dry_run=True) == fresh.gc(dry_run=True)


# Refused


def torn(folder: Path) -> None:
    path = max(Layout(folder).refs.iterdir())
    path.write_bytes(path.read_bytes()[:-9])


def without_a_pack(folder: Path) -> None:
    (Layout(folder).packs / newest_pack(Repository(folder)).name).unlink()


def without_a_segment(folder: Path) -> None:
    next(Layout(folder).segments.iterdir()).unlink()


@pytest.mark.parametrize("damage", [torn, without_a_pack, without_a_segment])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_damaged_store_is_refused_and_stays_as_it_is(
    world_1: World, damage: Callable[[Path], None], dry_run: bool
) -> None:
    world_1.store.snapshot_tag("v1", "first")
    damage(world_1.folder)
    before = files_of(world_1.folder)
    with world_1.another() as store, pytest.raises(Damage) as caught:
        store.migrate(dry_run=dry_run)
    assert (caught.value.exit_code, caught.value.next_step) == (4, "run: vstore repair")
    assert files_of(world_1.folder) == before
    assert read_form(world_1.folder).format == 1


def test_a_store_whose_format_is_damaged_is_refused(world_1: World) -> None:
    path = Layout(world_1.folder).format
    path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":2'))
    before = files_of(world_1.folder)
    for dry_run in (True, False):
        with pytest.raises(Damage, match="FORMAT cannot be read"):
            world_1.store.migrate(dry_run=dry_run)
    assert files_of(world_1.folder) == before


def test_a_store_in_use_is_refused_or_waited_for(world_1: World) -> None:
    lock = world_1.repo.lock("ingest")
    lock.acquire(0.0, "sync")
    before = files_of(world_1.folder)
    assert world_1.store.migrate(dry_run=True).steps, "a look takes no lock"
    with pytest.raises(Locked, match=r"process \d+ .*\(sync") as caught:
        world_1.store.migrate()
    assert "--wait" in caught.value.next_step
    assert files_of(world_1.folder) == before
    free = threading.Timer(0.2, lock.release)
    began = time.monotonic()
    free.start()
    assert world_1.another().migrate(wait=True).format == 2
    assert time.monotonic() - began > 0.1
    free.join()


def test_a_migration_waits_for_a_commit(world_1: World) -> None:
    lock = world_1.repo.lock("commit")
    lock.acquire(0.0, "tag")
    free = threading.Timer(0.2, lock.release)
    free.start()
    assert world_1.store.migrate().format == 2
    free.join()


def test_half_written_files_of_a_killed_migration_go(world_1: World) -> None:
    folder = world_1.folder
    left = [folder / ".tmp-ingest-1", folder / "packs/.tmp-commit-2", folder / "refs/.tmp-commit-3"]
    for path in left:
        path.write_bytes(b"half")
    world_1.store.migrate()
    assert [path for path in left if path.exists()] == []


# What needs the newest format


def test_what_needs_format_2_says_how_to_get_it_and_writes_nothing(world_1: World) -> None:
    repo = world_1.repo
    key = next(iter(repo.tree(repo.snapshot("v1"))))[1]
    before = files_of(world_1.folder)
    part: dict[str, Any] = {"size": 1, "covers": [], "parameters": {}}
    for act, what in (
        (lambda: set_fields(repo, {(key, "stars"): 5}), "fields of pictures"),
        (lambda: decide(repo, [Choice("keep", [key], [key])]), "decisions"),
        (lambda: added(repo, []), "facts"),
        (lambda: write_index_part(repo, "0" * 64, "test", [b"x"], **part), "indexes"),
    ):
        with pytest.raises(MigrationNeeded) as caught:
            act()
        error = caught.value
        assert (error.code, error.exit_code) == ("migration_needed", 12)
        assert error.message == f"{what} need store format 2, and this store has format 1"
        assert error.next_step == "run: vstore migrate"
    assert files_of(world_1.folder) == before
    world_1.store.migrate()
    assert set_fields(repo, {(key, "stars"): 5}) is not None
    assert decide(repo, [Choice("keep", [key], [key])])
    assert added(repo, []).changes == {}
    assert write_index_part(repo, next(iter(repo.state.spaces)), "test", [b"x"], **part) is not None
    assert world_1.store.check(read_data=True).ok
