"""The folders that a store names: none is looked at that the user did not name at this machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.folders import FakeOs, World, digests, drawn, put, stats_of
from support.forge import Forge
from support.old_indexes import OldIndex
from support.opened import watched
from support.strangers import not_looked_at, unpacked

from vstore.errors import LabelTaken, Untrusted, VstoreError
from vstore.format.hashing import HASHES
from vstore.format.usual_words import UsualWords
from vstore.repository import on_this_disk
from vstore.search.query import Operand
from vstore.store import Store
from vstore.testing import FakeEmbedder


class Victim:
    """A user who unpacked a stranger's folder with pictures and their store, and has a folder of their own.

    store:   the stranger's.
    private: the folder of the user.
    config:  the configuration of the user.
    trust:   the user trusts whoever owns the store.
    usual:   options of folders that keep none of their own.
    """

    def __init__(self, top: Path) -> None:
        self.fake = FakeEmbedder()
        self.trust = False
        self.usual: UsualWords = {}
        self.top = top
        self.private = top / "home" / "private"
        self.config = top / "home" / "config"
        put(self.private, {f"{number}.png": 50 + number for number in range(6)})
        put(self.private, {"below/6.png": 56})
        self.folder = top / "unpacked" / "gift" / ".vstore"

    def forge(self, place: Path | str, *, relative: bool = False, label: str = "private", **options: Any) -> None:
        """Let the store name a folder, as whoever made the archive can."""
        root = {"place": str(place), "relative": relative, "options": options}
        Forge(self.folder).record("sync", {"roots": {label: root}})

    def open(self, **words: Any) -> Store:
        words = {"config": self.config, "trust": self.trust, "usual": self.usual, **words}
        return Store(self.folder, load_embedder=lambda recipe: self.fake, **words)

    def sync(self, *paths: Path, **options: Any) -> Any:
        with self.open() as store:
            return store.sync(paths, **options)

    def aliases(self) -> list[str]:
        with self.open() as store:
            tree = store._repo.tree(store._repo.snapshot("current"))
            return [os.fsdecode(path) for path, _ in tree]

    def refused(self, *paths: Path, **options: Any) -> Untrusted:
        """Sync, and be refused. Nothing may be written, nor looked at in the folder of the user."""
        before = digests(self.folder)
        with not_looked_at(self.private), pytest.raises(Untrusted) as caught:
            self.sync(*paths, **options)
        assert digests(self.folder) == before
        return caught.value


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    world = World(tmp_path / "made")
    world.put({f"{number}.png": number for number in range(3)})
    world.sync()
    world.store.close()
    victim = Victim(tmp_path)
    unpacked(tmp_path / "made", tmp_path / "unpacked")
    return victim


# What a stranger names


def test_places_beside_the_store_are_synced_wherever_they_were_unpacked(victim: Victim) -> None:
    put(victim.folder.parent / "pictures", {"new.png": 9})
    assert victim.sync().new == 1
    assert not victim.config.exists()


def test_another_place_is_refused_with_the_command_that_names_it(victim: Victim) -> None:
    victim.forge(victim.private)
    before = stats_of(victim.folder / "catalogue")
    error = victim.refused()
    assert stats_of(victim.folder / "catalogue") == before  # that of the stranger
    assert (error.exit_code, error.code) == (5, "untrusted")
    assert str(victim.private) in error.message
    assert error.next_step == f"if the pictures there are yours: vstore sync {victim.private}"
    victim.refused(dry_run=True)


def test_several_places_are_refused_in_one_command(victim: Victim) -> None:
    victim.forge(victim.private)
    victim.forge("/nowhere/it's mine", label="other")
    error = victim.refused()
    assert error.next_step.endswith(
        f"vstore sync {victim.private} '/nowhere/it'\"'\"'s mine'"
    ) or error.next_step.endswith(f"vstore sync '/nowhere/it'\"'\"'s mine' {victim.private}")


@pytest.mark.parametrize(
    ("place", "relative"),
    [
        ("../../home/private", True),
        ("pictures/../../../home/private", True),
        ("{private}", True),
        ("{gift}/../../home/private", False),
        ("{gift}/pictures/../../../home/private", False),
        ("link", True),
        ("{gift}/link", False),
        ("relative link", True),
        ("pictures/link/below", True),
        ("loop/private", True),
    ],
)
def test_no_spelling_of_a_place_hides_that_it_lies_elsewhere(victim: Victim, place: str, relative: bool) -> None:
    gift = victim.folder.parent
    (gift / "link").symlink_to(victim.private)
    (gift / "relative link").symlink_to("../../home/private")
    (gift / "pictures" / "link").symlink_to("../link")
    (gift / "loop").symlink_to("loop")
    victim.forge(place.format(private=victim.private, gift=gift), relative=relative)
    victim.refused()


def test_links_that_stay_beside_the_store_are_followed(victim: Victim) -> None:
    gift = victim.folder.parent
    put(gift / "real", {"a.png": 7})
    (gift / "one").symlink_to(gift / "real")
    (gift / "two").symlink_to("./pictures/../one")
    victim.forge("two", relative=True, label="two")
    assert victim.sync().new == 1


def test_every_command_that_reads_pictures_refuses(victim: Victim) -> None:
    victim.forge(victim.private)
    commands: dict[str, Callable[[Store], object]] = {
        "sync": lambda store: store.sync(),
        "status": lambda store: store.status(),
        "check --source": lambda store: store.check(source=True),
        "check --reembed": lambda store: store.check(reembed=2),
        "facts --fill": lambda store: store.facts(fill=True, pixels=True),
        "dupes --verify": lambda store: store.dupes(verify=True),
    }
    for name, command in commands.items():
        with not_looked_at(victim.private), victim.open() as store, pytest.raises(Untrusted):
            command(store)
            pytest.fail(name)


def test_no_plan_moves_what_lies_in_a_folder_that_was_not_named(victim: Victim, tmp_path: Path) -> None:
    victim.sync()
    put(victim.private, {"again.png": 50})
    victim.forge(victim.private)
    key = HASHES["xxh3_128"].digest(drawn(50)).hex()
    rows = [{"do": do, "path": f"private/{name}.png", "key": key} for do, name in (("keep", 0), ("move", "again"))]
    with victim.open() as store:
        store.dupes_plan(tmp_path / "made.json")
        plan = {**json.loads((tmp_path / "made.json").read_bytes()), "groups": [{"files": rows}]}
        (tmp_path / "edited.json").write_text(json.dumps(plan))
        with not_looked_at(victim.private):
            report = store.dupes_apply(tmp_path / "edited.json")
    reason = "you have not named its folder at this machine: see vstore sync"
    assert [(row.path, row.reason) for row in report.refused] == [(b"private/again.png", reason)]
    assert (victim.private / "again.png").exists()


def test_every_other_command_goes_on_without_a_look(victim: Victim, tmp_path: Path) -> None:
    own = tmp_path / "own"
    put(own, {"0.png": 0})
    put(victim.folder.parent / "pictures", {"again.png": 0})
    victim.sync()
    victim.forge(victim.private, label="pictures")
    shutil.rmtree(victim.folder / "catalogue")
    with not_looked_at(victim.private), victim.open() as store:
        files = (os.fsencode(victim.private / "0.png"), os.fsencode(victim.private / "again.png"))
        for under in (None, tmp_path / "home", "pictures/0.png"):
            hit = store.search([Operand(1, os.fsencode(own / "0.png"))], under=under).hits[0]
            assert hit.files == hit.unnamed == (files if under != "pictures/0.png" else files[:1])
            assert (hit.file, hit.path) == (None, "pictures/0.png")
        page = store.search(own / "0.png")._repr_html_()
        assert page.count("no picture") == page.count("<figure") == 3
        with pytest.raises(VstoreError, match="neither on disk nor in this snapshot"):
            store.search([Operand(1, os.fsencode(own / "0.png"))], under="pictures/misspelled")
        (group,) = store.dupes().groups
        assert (group.size, group.wasted) == (None, 0)
        assert set(group.troubles.values()) == {"you have not named its folder here"}
        (root,) = store.stats().roots
        assert (root.there, root.named) == (False, False)
        assert store.check(read_data=True).ok
        report = store.export(tmp_path / "links", format="links", operands=[Operand(1, os.fsencode(own / "0.png"))])
        assert report.images == 3
        store.export(tmp_path / "triple")
    with victim.open() as store:  # a folder that the user names is found by its name
        assert store.label_of(victim.private / "below") == "pictures"
        assert store.search([Operand(1, os.fsencode(own / "0.png"))], under=victim.private).hits
    with not_looked_at(victim.private), victim.open() as store:
        store.snapshot_tag("v1", "mine")
        store.undo()  # the tag
        store.undo()  # the record of the stranger
        store.redo()
        store.gc()


def test_a_notebook_follows_no_link_out_of_a_strangers_folder(victim: Victim) -> None:
    pictures = victim.folder.parent / "pictures"
    own = victim.top / "own"
    put(own, {"0.png": 0})
    (pictures / "0.png").unlink()
    put(victim.private, {"0.png": 0})
    (pictures / "0.png").symlink_to(victim.private / "0.png")
    with victim.open() as store, not_looked_at(victim.private):
        page = store.search(own / "0.png")._repr_html_()
    assert (page.count("no picture"), page.count("<img")) == (1, 2)


def test_a_repair_leaves_the_pictures_of_a_folder_that_nobody_named(victim: Victim) -> None:
    victim.sync(victim.private)
    victim.forge("/nowhere/private")
    shutil.rmtree(victim.folder / "catalogue")
    shutil.rmtree(victim.folder / "segments")
    with not_looked_at(Path("/nowhere")):
        report = Store.repair(victim.folder, load_embedder=lambda recipe: victim.fake, config=victim.config)
    (left,) = report.left
    assert "their folder /nowhere/private, or a link out of it, is not one that you named at this machine" in left
    assert "vstore sync /nowhere/private" in left
    assert report.embedded == 3


# What the user names


def test_who_names_a_place_is_not_asked_again(victim: Victim) -> None:
    victim.forge(victim.private)
    assert victim.sync(victim.private).new == 7
    put(victim.private, {"new.png": 90})
    assert victim.sync().new == 1
    (file,) = (victim.config / "vstore" / "places").iterdir()
    file.unlink()
    shutil.rmtree(victim.folder / "catalogue")
    victim.refused()


def test_a_new_folder_is_named_by_its_first_sync(victim: Victim) -> None:
    victim.sync(victim.private)
    put(victim.private, {"new.png": 90})
    shutil.rmtree(victim.folder / "catalogue")  # no other proof
    assert victim.sync().new == 1


def test_a_look_names_nothing(victim: Victim) -> None:
    victim.forge(victim.private)
    assert victim.sync(victim.private, dry_run=True).new == 7
    assert not victim.config.exists()
    victim.refused()


def test_a_part_is_synced_by_its_name_and_names_no_more(victim: Victim) -> None:
    victim.forge(victim.private)
    assert victim.sync(victim.private / "below").new == 1
    assert not victim.config.exists()
    shutil.rmtree(victim.folder / "catalogue")
    victim.refused()


def test_a_part_that_is_gone_is_looked_for_in_no_other(victim: Victim) -> None:
    victim.forge(victim.private)
    with pytest.raises(Untrusted):
        victim.sync(victim.private / "misspelled")


def test_another_place_under_the_same_label_is_another_folder(victim: Victim) -> None:
    victim.sync(victim.private)
    other = victim.private.with_name("other")
    put(other, {"secret.png": 99})
    victim.forge(other)
    shutil.rmtree(victim.folder / "catalogue")
    with not_looked_at(other), pytest.raises(Untrusted):
        victim.sync()


def test_the_same_place_under_another_label_is_another_folder(victim: Victim) -> None:
    victim.sync(victim.private)
    Forge(victim.folder).record("sync", {"roots": {"private": None}})
    victim.forge(victim.private, label="mine")
    victim.refused()


def test_the_same_place_in_another_store_is_another_folder(victim: Victim, tmp_path: Path) -> None:
    victim.sync(victim.private)
    world = World(tmp_path / "second")
    world.put({"0.png": 0})
    world.sync()
    victim.folder = world.folder
    victim.forge(victim.private)
    victim.refused()


def test_a_link_that_takes_a_named_place_is_another_folder(victim: Victim, tmp_path: Path) -> None:
    shared = tmp_path / "shared" / "pictures"
    put(shared, {"a.png": 80})
    victim.sync(shared, as_label="shared")
    shutil.rmtree(shared)
    shared.symlink_to(victim.private)
    shutil.rmtree(victim.folder / "catalogue")
    with pytest.raises(Untrusted, match="shared/pictures"):
        victim.sync()


def test_a_place_is_named_by_a_link_too(victim: Victim) -> None:
    (victim.folder.parent / "link").symlink_to(victim.private)
    victim.forge("link", relative=True)
    assert victim.sync(victim.folder.parent / "link").new == 7
    put(victim.private, {"new.png": 90})
    assert victim.sync().new == 1


def test_a_file_of_the_configuration_that_says_something_else_names_nothing(victim: Victim) -> None:
    victim.sync(victim.private)
    (file,) = (victim.config / "vstore" / "places").iterdir()
    file.write_bytes(file.read_bytes().replace(b"private", b"PRIVATE"))
    shutil.rmtree(victim.folder / "catalogue")
    with pytest.raises(Untrusted):
        victim.sync()


def test_a_moved_folder_is_named_by_its_move(victim: Victim) -> None:
    victim.sync(victim.private)
    moved = victim.private.with_name("moved")
    victim.private.rename(moved)
    victim.sync(moved, as_label="private")
    put(moved, {"new.png": 90})
    shutil.rmtree(victim.folder / "catalogue")
    assert victim.sync().new == 1


def test_a_label_whose_place_must_not_be_looked_at_is_moved_on_demand_alone(victim: Victim) -> None:
    victim.forge("/nowhere/private")
    with not_looked_at(Path("/nowhere")), pytest.raises(LabelTaken, match="not named at this machine") as caught:
        victim.sync(victim.private)
    assert caught.value.next_step == "add --as private if this folder takes its place, else --as NAME"
    assert victim.sync(victim.private, as_label="private").new == 7


def test_a_path_that_is_not_utf_8_can_be_named(victim: Victim) -> None:
    odd = Path(os.fsdecode(os.fsencode(victim.private) + b"\xff"))
    victim.private.rename(odd)
    victim.sync(odd)
    put(odd, {"new.png": 90})
    shutil.rmtree(victim.folder / "catalogue")
    assert victim.sync().new == 1


# What an import names


@pytest.mark.parametrize("names", [True, False], ids=["by its user", "by its export alone"])
def test_an_import_names_the_folder_that_its_user_gives(victim: Victim, tmp_path: Path, names: bool) -> None:
    made = World(tmp_path / "exporter", victim.fake)
    made.sync(victim.private)
    made.store.export(tmp_path / "triple")
    victim.folder = tmp_path / "importer" / ".vstore"
    victim.folder.parent.mkdir()
    words: dict[str, Any] = {"faiss": tmp_path / "triple/index.faiss", "metadata": tmp_path / "triple/metadata.json"}
    root = {"root": victim.private} if names else {}
    with contextlib.nullcontext() if names else not_looked_at(victim.private):
        Store.import_new(victim.folder, **words, **root, recipe=victim.fake.recipe, config=victim.config)
    if not names:
        victim.refused()
        victim.sync(victim.private)
    put(victim.private, {"new.png": 90})
    assert victim.sync().new == 1


def test_an_import_that_goes_on_looks_at_no_folder_of_the_stores_choosing(victim: Victim, tmp_path: Path) -> None:
    old = OldIndex(tmp_path / "old")
    (old.pictures / "p04.png").unlink()
    report = Store.import_new(old.folder, **old.triple(), config=victim.config)
    old.put({"p04.png": 4})
    shutil.rmtree(old.folder / "catalogue")
    Forge(old.folder).record("sync", {"roots": {"pictures": {"place": str(victim.private), "relative": False}}})
    with not_looked_at(victim.private), Store(old.folder, config=victim.config) as store, pytest.raises(Untrusted):
        store.import_index(resume=report.import_id)


# Without a configuration


@pytest.mark.parametrize("kind", ["none", "a file in the way"])
def test_without_a_configuration_a_named_place_is_synced_and_no_other(
    victim: Victim, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "none":

        def nowhere() -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "home", nowhere)
        victim.config = None  # type: ignore[assignment]
    else:
        victim.config.write_text("a file in the way")
    victim.forge(victim.private)
    with victim.open() as store:
        assert store.sync([victim.private]).new == 7
        assert store.sync().new == 0  # the same process was told
    assert victim.sync(victim.private).new == 0
    shutil.rmtree(victim.folder / "catalogue")
    error = victim.refused()
    folder = "you have no folder for configurations"
    if kind != "none":
        folder = f"{victim.config}/vstore/places cannot be written"
    assert error.next_step.endswith(f"vstore sync {victim.private}, each time: {folder}")
    assert victim.sync(victim.private).unchanged == 7


# Links in a folder that nobody named


@pytest.fixture
def outside(victim: Victim) -> Path:
    return victim.private / "0.png"


def link(victim: Victim, name: str, to: Path | str) -> None:
    (victim.folder.parent / "pictures" / name).symlink_to(to)


def watching(victim: Victim) -> Any:
    return watched([victim.private])


def test_a_link_to_a_picture_elsewhere_is_not_followed(victim: Victim, outside: Path) -> None:
    link(victim, "holiday.png", outside)
    with watching(victim) as events:
        error = victim.refused()
    assert events == []
    assert "pictures/holiday.png is a link out of the folder that holds the store" in error.message
    assert error.next_step == f"if the pictures there are yours: vstore sync {victim.folder.parent / 'pictures'}"
    assert victim.sync(victim.folder.parent / "pictures").new == 1
    link(victim, "another.png", victim.private / "1.png")
    assert victim.sync().new == 1


def test_a_link_to_a_folder_elsewhere_is_not_followed_though_the_store_says_so(victim: Victim) -> None:
    link(victim, "more", victim.private)
    assert victim.sync().new == 0
    victim.forge("pictures", relative=True, label="pictures", follow_symlinks=True)
    with watching(victim) as events:
        victim.refused()
        error = victim.refused(victim.folder.parent / "pictures")  # nor by naming it: the option is the stranger's
        command = f"vstore sync {victim.folder.parent / 'pictures'}"
        assert (
            error.next_step == f"if they should be: {command} --follow-symlinks; else: {command} --no-follow-symlinks"
        )
        victim.refused(victim.folder.parent)
    assert events == []
    assert victim.sync(victim.folder.parent / "pictures", follow_symlinks=False, dry_run=True).new == 0
    assert victim.sync(victim.folder.parent / "pictures", follow_symlinks=True).new == 7
    put(victim.private, {"new.png": 90})
    assert victim.sync().new == 1
    (victim.private / "new.png").unlink()
    assert victim.sync(victim.folder.parent).removed == 1


def test_links_out_of_a_folder_are_not_followed_because_it_is_usual(victim: Victim) -> None:
    link(victim, "more", victim.private)
    place = victim.folder.parent / "pictures"
    victim.usual = {"follow_symlinks": True}
    error = victim.refused()
    assert "your configuration says of every folder that the links of" in error.message
    command = f"vstore sync {place}"
    assert error.next_step == f"if they should be: {command} --follow-symlinks; else: {command} --no-follow-symlinks"
    victim.refused(place)
    assert victim.sync(place, follow_symlinks=False, dry_run=True).new == 0


def test_an_ignore_file_elsewhere_is_not_read(victim: Victim) -> None:
    link(victim, ".vstoreignore", victim.private / "0.png")
    with watching(victim) as events:
        victim.refused()
    assert events == []


@pytest.mark.parametrize("is_last", [False, True])
def test_a_link_elsewhere_that_is_no_picture_is_passed_over(
    victim: Victim, monkeypatch: pytest.MonkeyPatch, is_last: bool
) -> None:
    """Wherever the disk lists the ignore file."""
    fake = FakeOs()
    fake.order = lambda name: (name == ".vstoreignore") == is_last
    monkeypatch.setattr("vstore.pictures.listing.os", fake)
    link(victim, "notes.txt", victim.private / "0.png")
    link(victim, "more", victim.private)
    put(victim.folder.parent / "pictures", {".vstoreignore": b"hidden*\n"})
    link(victim, "hidden.png", victim.private / "0.png")
    with watching(victim) as events, not_looked_at(victim.private):
        assert victim.sync().new == 0
    assert events == []


def test_the_lines_of_an_ignore_file_are_looked_for_nowhere(victim: Victim) -> None:
    line = f"{victim.private}/*.png\n"
    put(victim.folder.parent / "pictures", {".vstoreignore": line.encode()})
    with not_looked_at(victim.private):
        victim.sync()


def test_links_to_pictures_beside_the_store_are_read(victim: Victim) -> None:
    put(victim.folder.parent, {"objects/1.png": 60})
    link(victim, "one.png", "../objects/1.png")
    link(victim, "two.png", victim.folder.parent / "objects" / "1.png")
    assert victim.sync().new == 1


def test_an_alias_through_a_link_is_not_read(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    link(victim, "more", victim.private)
    victim.sync(victim.folder.parent / "pictures", follow_symlinks=True)
    assert "pictures/more/0.png" in victim.aliases()
    shutil.rmtree(victim.config)
    shutil.rmtree(victim.folder / "catalogue")
    with watching(victim) as events, victim.open() as store:
        report = store.check(reembed=20).reembed
        assert report is not None
        assert (report.asked, report.unread) == (3, 7)
        store.dupes(verify=True)
    assert events == []


# Stores from before anybody was asked


@pytest.fixture
def older(victim: Victim) -> Victim:
    """A store that has met the folder of the user, on this disk; nothing says that the user named it."""
    victim.sync(victim.private)
    shutil.rmtree(victim.config)
    return victim


def test_a_store_that_was_synced_on_this_disk_goes_on_without_a_question(older: Victim) -> None:
    put(older.private, {"new.png": 90})
    assert older.sync().new == 1
    assert len(list((older.config / "vstore" / "places").iterdir())) == 1
    shutil.rmtree(older.folder / "catalogue")
    assert older.sync().new == 0


def test_it_goes_on_after_a_move_of_everything(older: Victim) -> None:
    older.folder.parent.rename(older.top / "moved")
    older.folder = older.top / "moved" / ".vstore"
    put(older.private, {"new.png": 90})
    assert older.sync().new == 1


def test_a_copy_of_it_is_a_strangers(older: Victim) -> None:
    unpacked(older.folder.parent, older.top / "copied")
    older.folder = older.top / "copied" / "gift" / ".vstore"
    older.refused()
    older.refused()  # nor does the first refusal make it one of this disk


def test_a_copy_that_names_its_own_file_must_know_the_pictures(older: Victim) -> None:
    for number in range(6):
        os.chmod(older.private / f"{number}.png", 0o640)  # no other change: their ctime tells
    with not_looked_at(Path("/nowhere")), pytest.raises(Untrusted):
        older.sync()


def test_one_picture_of_many_is_no_proof(older: Victim) -> None:
    for number in range(4):
        os.chmod(older.private / f"{number}.png", 0o640)
    with pytest.raises(Untrusted):
        older.sync()


def test_a_folder_that_it_never_met_is_none_of_it(older: Victim) -> None:
    other = older.private.with_name("other")
    put(other, {f"{number}.png": 50 + number for number in range(6)})
    older.forge(other)
    with pytest.raises(Untrusted):
        older.sync()
    older.forge(older.private)
    older.forge(other, label="new")
    with not_looked_at(other), pytest.raises(Untrusted):
        older.sync()


def test_a_catalogue_of_another_user_proves_nothing(older: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    me = os.getuid()
    monkeypatch.setattr(on_this_disk.os, "geteuid", lambda: me + 1)
    older.trust = True  # else its store is one of another user, too
    older.refused()
    with older.open(sudo_uid=me) as store:
        assert store.sync().unchanged == 10


def test_links_of_a_folder_that_it_met_are_followed(victim: Victim, outside: Path) -> None:
    link(victim, "holiday.png", outside)
    victim.sync(victim.folder.parent / "pictures")
    shutil.rmtree(victim.config)
    link(victim, "another.png", victim.private / "1.png")
    assert victim.sync().new == 1


def test_what_a_sync_met_beside_the_store_lets_no_link_lead_out(victim: Victim, outside: Path) -> None:
    assert victim.sync().unchanged == 3  # the catalogue knows these now, on this disk
    link(victim, "holiday.png", outside)
    victim.refused()


@pytest.mark.parametrize("name", [b"../../private", b"/etc", b"..", b"."])
def test_names_of_a_catalogue_lead_nowhere(name: bytes) -> None:
    assert not on_this_disk._is_name(name)
