"""A picture whose metadata was edited keeps its vector, to the bit, and no model is asked."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.edited import Declared, edited, pixel
from support.failing_disks import EVERY, Failing, Killed, Watched
from support.folders import Reads, World, classes, drawn, during, put, trust_young_stats

from vstore.disk import durable
from vstore.disk.catalogue import Catalogue
from vstore.disk.facts import LOCATION, LOCATION_VALUE, space_key
from vstore.errors import Damage, VstoreError
from vstore.format.facts import pixels
from vstore.format.hashing import checksum
from vstore.intake import stored_keys
from vstore.intake.copied_vectors import CopiedVectors
from vstore.intake.new_facts import NewFacts
from vstore.intake.stored_keys import Vectors
from vstore.repository.add_space import add_space
from vstore.repository.facts import facts_of
from vstore.store import Store
from vstore.sync.report import SyncReport
from vstore.testing import FakeEmbedder

OLD = Path(__file__).parent / "data" / "format-1" / "store"


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declared:
    trust_young_stats(monkeypatch)
    return Declared(tmp_path)


def same(report: SyncReport) -> tuple[int, int, int]:
    return report.same_pixels, report.embedded, report.reused


# What is written


def test_every_picture_that_a_run_reads_gets_a_digest_and_what_its_header_says(settled: Declared) -> None:
    settled.put({"1.png": 1, "2.png": 2, "also 1.png": 1, "edited.png": edited(2)})
    settled.sync()
    repo = settled.repo
    found = facts_of(repo, (bytes.fromhex(key) for key in settled.aliases().values()))
    assert len(found) == 3
    assert {fact.reader for fact in found.values()} == {1}
    assert {column.name.partition("/")[0] for fact in found.values() for column in fact.values} == {
        "pixels", "bytes", "format", "width", "height",
    }  # fmt: skip
    one, two, other = settled.digests(settled.key(1), settled.key(2), settled.key(edited(2)))
    assert one != two == other
    assert [record.op for record in repo.records()][-1] == "sync"  # no record of its own


def test_a_run_without_news_writes_no_fact(settled: Declared) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    before = settled.repo.tip.number
    settled.sync()
    os.utime(settled.pictures / "1.png", ns=(1, 1))
    settled.sync()
    assert settled.repo.tip.number == before


def test_a_picture_without_a_vector_gets_no_digest(settled: Declared) -> None:
    plain_embed = settled.fake.embed_images

    def embed_images(pictures: Sequence[Image.Image]) -> Any:
        rows = plain_embed(pictures)
        rows[[picture.size == (3, 2) for picture in pictures]] = np.nan
        return rows

    settled.fake.embed_images = embed_images  # type: ignore[method-assign]
    small = io.BytesIO()
    Image.new("RGB", (3, 2)).save(small, "PNG")
    settled.put({"1.png": 1, "broken.png": drawn(2)[:200], "unfit.png": small.getvalue()})
    assert sorted(failure.kind for failure in settled.sync().failed) == ["model", "truncated"]
    assert sum(ref.rows for ref in settled.repo.state.facts) == 1


def test_digests_are_the_same_where_pictures_are_decoded_in_other_processes(settled: Declared) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    settled.put({"1.png": edited(1)})
    assert same(settled.sync(isolate_decoding=True)) == (1, 0, 1)


# What is reused


def test_an_edit_of_metadata_takes_the_vector_to_the_bit_and_loads_no_model(settled: Declared) -> None:
    settled.put({"1.png": 1, "2.png": 2})
    settled.sync()
    loaded = settled.loaded
    settled.put({"1.png": edited(1)})
    report = settled.sync()
    assert classes(report) == {"unchanged": 1, "changed": 1}
    assert same(report) == (1, 0, 1) and settled.loaded == loaded
    assert report.examples["same_pixels"] == ((b"pictures/1.png",),)
    assert settled.aliases()["pictures/1.png"] == settled.key(edited(1))
    assert settled.vector(settled.key(edited(1))) == settled.vector(settled.key(1))
    assert settled.store.check(read_data=True).ok
    assert classes(settled.sync()) == {"unchanged": 2}


def test_it_is_the_stored_vector_and_not_one_that_the_model_would_give_today(settled: Declared) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    settled.fake.recipe = {**settled.fake.recipe, "name": "another that nobody noticed"}
    settled.put({"1.png": edited(1)})
    settled.sync()
    assert settled.vector(settled.key(edited(1))) == settled.vector(settled.key(1))


def test_an_edited_picture_may_be_edited_again(settled: Declared) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    for words in ("four stars", "three stars"):
        settled.put({"1.png": edited(1, words)})
        assert same(settled.sync()) == (1, 0, 1)
        assert settled.vector(settled.key(edited(1, words))) == settled.vector(settled.key(1))


def test_an_edit_that_is_taken_back_is_known_as_one(settled: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    settled.put({"1.png": edited(1)})
    settled.sync()
    settled.put({"1.png": 1})
    reads = Reads(monkeypatch)
    assert same(settled.sync()) == (1, 0, 1)
    assert reads.decoded == 0


def test_an_edit_of_pixels_is_embedded(settled: Declared) -> None:
    settled.put({"1.png": 1, "2.png": 2})
    settled.sync()
    settled.put({"1.png": 3, "2.png": edited(2)})
    report = settled.sync()
    assert classes(report) == {"changed": 2} and same(report) == (1, 1, 1)
    assert settled.vector(settled.key(3)) != settled.vector(settled.key(1))


@pytest.mark.parametrize("count", [1_200, pytest.param(10_000, marks=pytest.mark.long)])  # a head holds a thousand
def test_an_edit_of_all_metadata_embeds_nothing_and_trips_no_guard(settled: Declared, count: int) -> None:
    for number in range(count):
        (settled.pictures / f"{number:05d}.bmp").write_bytes(pixel(number))
    assert settled.sync().embedded == count
    calls, loaded = settled.fake.calls, settled.loaded
    for number in range(count):
        (settled.pictures / f"{number:05d}.bmp").write_bytes(pixel(number, b"five stars"))
    report = settled.sync()
    assert classes(report) == {"changed": count} and same(report) == (count, 0, count)
    assert (settled.fake.calls, settled.loaded) == (calls, loaded)
    for number in range(0, count, 100):
        before, after = settled.key(pixel(number)), settled.key(pixel(number, b"five stars"))
        assert settled.vector(before) == settled.vector(after)


def test_an_edit_under_a_new_name_is_a_new_picture(settled: Declared) -> None:
    settled.put({"1.png": 1, "2.png": 2})
    settled.sync()
    (settled.pictures / "1.png").unlink()
    settled.put({"renamed.png": edited(1)})
    report = settled.sync()
    assert classes(report) == {"unchanged": 1, "new": 1, "removed": 1} and same(report) == (0, 1, 0)


def test_a_copy_that_is_read_first_does_not_keep_an_edit_from_its_vector(settled: Declared) -> None:
    settled.put({"z.png": 1})
    settled.sync()
    settled.put({"z.png": edited(1), "a.png": edited(1)})
    report = settled.sync()
    assert classes(report) == {"changed": 1, "new": 1} and same(report) == (1, 0, 1)


def test_of_two_paths_of_one_picture_one_may_be_edited(settled: Declared) -> None:
    settled.put({"1.png": 1, "also 1.png": 1})
    settled.sync()
    settled.put({"1.png": edited(1)})
    report = settled.sync()
    assert classes(report) == {"unchanged": 1, "changed": 1} and same(report) == (1, 0, 1)
    assert settled.vector(settled.key(edited(1))) == settled.vector(settled.key(1))


def test_two_files_that_swap_contents_have_not_the_same_pixels(settled: Declared) -> None:
    settled.put({"1.png": 1, "2.png": 2})
    settled.sync()
    settled.put({"1.png": 2, "2.png": 1})
    assert same(settled.sync()) == (0, 0, 0)


def test_a_picture_hashed_before_it_is_decoded_is_known_too(settled: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    settled.put({f"{number}.bmp": pixel(number) for number in range(60)})
    settled.sync()
    for number in range(20, 60):  # renamed: so many are gone that all is hashed first
        os.rename(settled.pictures / f"{number}.bmp", settled.pictures / f"renamed {number}.bmp")
    settled.put({f"{number}.bmp": pixel(number, b"edited") for number in range(20)})
    reads = Reads(monkeypatch)
    report = settled.sync()
    assert classes(report) == {"changed": 20, "renamed": 40} and same(report) == (20, 0, 60)
    assert (len(reads.opened), reads.decoded) == (80, 20)


def test_a_dry_run_writes_nothing_and_the_sync_after_it_embeds_nothing(settled: Declared) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    settled.put({"1.png": edited(1)})
    status = settled.status()
    assert (status.changed, status.to_embed, same(status)) == (1, 1, (0, 0, 0))  # it decodes nothing
    assert same(settled.sync()) == (1, 0, 1)


def test_the_digests_of_all_changed_paths_are_looked_up_at_once(
    settled: Declared, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.put({f"{number}.png": number for number in range(9)})
    settled.sync()
    settled.put({f"{number}.png": edited(number) if number % 2 else number + 50 for number in range(9)})
    asked: list[int] = []

    def counting(repo: Any, keys: Any, columns: Any = None) -> Any:
        keys = list(keys)
        asked.append(len(keys))
        return facts_of(repo, keys, columns)

    monkeypatch.setattr("vstore.repository.facts.facts_of", counting)
    assert same(settled.sync()) == (4, 5, 4)
    assert asked == [9]


# What is not


def test_a_picture_whose_digest_is_missing_is_embedded(settled: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NewFacts, "unlisted", lambda self, having: [])
    settled.put({"1.png": 1})
    settled.sync()
    monkeypatch.undo()
    settled.put({"1.png": edited(1)})
    assert same(settled.sync()) == (0, 1, 0)
    settled.put({"1.png": edited(1, "again")})
    assert same(settled.sync()) == (1, 0, 1)


def test_code_that_does_not_declare_what_it_sees_is_asked(world: World) -> None:
    world.put({"1.png": 1})
    world.sync()
    world.put({"1.png": edited(1)})
    report = world.sync()
    assert classes(report) == {"changed": 1} and same(report) == (0, 1, 0)


def test_only_the_plain_truth_is_a_declaration(settled: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Declared.load, "sees_pixels_alone", "yes")
    settled.put({"1.png": 1})
    settled.sync()
    settled.put({"1.png": edited(1)})
    assert same(settled.sync()) == (0, 1, 0)


class Two(Declared):
    """A store of two spaces, whose pictures are prepared in two ways or in one."""

    def __init__(self, top: Path, **prepare: Any) -> None:
        super().__init__(top)
        self.second = FakeEmbedder("fake-2")
        self.second.recipe = {**self.second.recipe, "prepare": {**self.second.recipe["prepare"], **prepare}}
        add_space(self.repo, self.second.recipe, "fake-2")

    def load(self, recipe: Mapping[str, Any]) -> FakeEmbedder:
        return self.fake if recipe["name"] == "fake-1" else self.second

    load.sees_pixels_alone = True  # type: ignore[attr-defined]


@pytest.mark.parametrize("prepare", [{"orientation": "ignored"}, {"mode": "BGR"}, {"max_side": 20}])
def test_a_digest_counts_for_its_own_preparation_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepare: dict[str, Any]
) -> None:
    trust_young_stats(monkeypatch)
    two = Two(tmp_path, **prepare)
    two.put({"1.png": 1})
    two.sync()
    two.sync(space="fake-2")
    repo = two.repo
    first, second = (pixels(fake.recipe["prepare"]) for fake in (two.fake, two.second))
    key = bytes.fromhex(two.key(1))
    assert {column for column in facts_of(repo, [key])[key].values if column.type == "k"} == {first, second}
    monkeypatch.setattr(Two, "load", World.load)  # from here on without a declaration
    two.put({"1.png": edited(1)})
    assert same(two.another().sync([two.pictures])) == (0, 1, 0)  # in fake-2, whose digest it has
    monkeypatch.undo()
    trust_young_stats(monkeypatch)
    two.store.rollback("v1", hold=False)
    two.put({"1.png": edited(1, "another")})
    report = two.sync()
    assert report.space_name == "fake-1" and same(report) == (1, 0, 1)
    vectors = [two.vector(two.key(picture), report.space) for picture in (1, edited(1, "another"))]
    assert vectors[0] == vectors[1]


def test_a_digest_of_one_preparation_says_nothing_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust_young_stats(monkeypatch)
    two = Two(tmp_path, mode="BGR")
    two.put({"1.png": 1})
    two.sync()
    with monkeypatch.context() as patch:  # as a program that keeps no digests
        patch.setattr(NewFacts, "unlisted", lambda self, having: [])
        two.sync(space="fake-2")
    two.put({"1.png": edited(1)})
    assert same(two.sync()) == (0, 1, 0)


def test_spaces_of_one_preparation_share_digests_and_not_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust_young_stats(monkeypatch)
    two = Two(tmp_path)
    two.put({"1.png": 1})
    two.sync()
    two.sync(space="fake-2")
    two.put({"1.png": edited(1)})
    report = two.sync()
    assert report.space_name == "fake-2" and same(report) == (1, 0, 1)
    second = report.space
    assert two.vector(two.key(edited(1)), second) == two.vector(two.key(1), second)
    first = two.repo.space("fake-1").id
    assert two.vector(two.key(1), first) != two.vector(two.key(1), second)
    with pytest.raises(KeyError):
        two.vector(two.key(edited(1)), first)
    two.store.sync(space="fake-1")
    assert two.fake.embedded == 2


def test_an_old_picture_without_a_vector_in_the_space_gives_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust_young_stats(monkeypatch)
    two = Two(tmp_path)
    two.put({"1.png": 1})
    two.sync()
    two.put({"1.png": edited(1)})
    assert same(two.sync(space="fake-2")) == (0, 1, 0) and two.second.embedded == 1


def test_a_picture_that_failed_gives_no_vector(settled: Declared) -> None:
    settled.put({"1.png": 1, "2.png": drawn(2)[:300]})
    assert len(settled.sync().failed) == 1
    settled.put({"2.png": edited(2)})
    report = settled.sync()
    assert classes(report) == {"unchanged": 1, "new": 1} and same(report) == (0, 1, 0)


def test_a_store_of_format_1_embeds_and_goes_on(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / ".vstore")
    with Store(tmp_path / ".vstore") as store:
        put(tmp_path / "more", {"1.png": 1})
        store.sync([tmp_path / "more"])
        put(tmp_path / "more", {"1.png": edited(1)})
        report = store.sync([tmp_path / "more"])
        assert classes(report) == {"changed": 1} and same(report) == (0, 1, 0)
        assert store.check(read_data=True).ok


def test_the_built_in_embedder_is_not_asked(tmp_path: Path) -> None:
    put(tmp_path / "pictures", {"1.png": 1})
    Store.init(tmp_path / ".vstore")
    with Store(tmp_path / ".vstore") as store:
        store.sync([tmp_path / "pictures"])
        put(tmp_path / "pictures", {"1.png": edited(1)})
        assert same(store.sync()) == (1, 0, 1)


# Who decides: the facts and the segments, never the catalogue


def forge(world: Declared, key: str, place: tuple[int, int]) -> None:
    """Let the catalogue say, with a right checksum, that the vector of a key lies elsewhere."""
    repo = world.repo
    catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=True)
    assert catalogue is not None
    name = space_key(LOCATION, str(repo.state.current_space), bytes.fromhex(key))
    value = LOCATION_VALUE.pack(*place)
    with catalogue, catalogue.batch() as batch:
        batch._transaction.put(name, value + checksum(name, value))


@pytest.mark.parametrize("place", [(0, 1), (0, 2), (0, 99), (7, 0)])
def test_a_forged_catalogue_changes_no_vector(
    settled: Declared, place: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_keys, "REST", 0)  # the catalogue knows every vector
    settled.put({f"{number}.png": number for number in range(3)})
    settled.sync()
    before = {number: settled.vector(settled.key(number)) for number in range(3)}
    for number in range(3):
        forge(settled, settled.key(number), place)
    settled.put({f"{number}.png": edited(number) for number in range(3)})
    report = settled.sync()
    assert (report.changed, report.paths, report.images) == (3, 3, 3)
    for number in range(3):
        after = settled.vector(settled.key(edited(number)))
        assert after == before[number], number


@pytest.mark.parametrize("place", [(0, 1), (0, 99), (7, 0)])
def test_the_row_of_a_key_is_what_the_key_column_says(
    settled: Declared, place: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_keys, "REST", 0)
    settled.put({f"{number}.png": number for number in range(3)})
    settled.sync()
    ref, _ = one = settled.repo.state.segments(str(settled.repo.state.current_space))[0], 0
    first = settled.repo.segment(ref).key(0)
    for forged in (False, True):
        if forged:
            forge(settled, first.hex(), place)
        repo = settled.repo
        catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=False)
        assert catalogue is not None and catalogue.location(str(repo.state.current_space), first) is not None
        with catalogue:
            assert Vectors(repo, str(repo.state.current_space), catalogue).rows({first}) == {first: one}


def test_a_catalogue_of_another_store_changes_no_vector(settled: Declared, tmp_path: Path) -> None:
    other = Declared(tmp_path / "other")
    settled.put({f"{number}.png": number for number in range(3)})
    other.put({f"{number}.png": number for number in (2, 1, 0, 5)})
    settled.sync()
    other.sync()
    for world in (settled, other):
        world.store.close()
    before = {number: settled.vector(settled.key(number)) for number in range(3)}
    shutil.rmtree(settled.folder / "catalogue")
    shutil.copytree(other.folder / "catalogue", settled.folder / "catalogue")
    settled.put({f"{number}.png": edited(number) for number in range(3)})
    with settled.another() as store:
        store.sync([settled.pictures])
    for number in range(3):
        assert settled.vector(settled.key(edited(number))) == before[number]


def test_rot_in_the_old_vector_is_never_copied(settled: Declared) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    ref = settled.repo.state.segments(str(settled.repo.state.current_space))[0]
    path = settled.folder / "segments" / ref.name
    data = bytearray(path.read_bytes())
    segment = settled.repo.segment(ref)
    data[segment.footer.header] ^= 1
    os.chmod(path, 0o600)
    path.write_bytes(data)
    settled.put({"1.png": edited(1)})
    with settled.another() as store, pytest.raises(Damage, match="do not match their checksums"):
        store.sync([settled.pictures])


# Kills, and calls to the disk that fail

WAYS = ["fails", "disk full", "reports an error and yet succeeds", "killed before", "killed after"]


@pytest.mark.parametrize("how", WAYS)
def test_whatever_call_of_the_sync_of_an_edit_goes_wrong_the_next_one_is_whole(
    settled: Declared, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    settled.put({"1.png": 1, "2.png": 2})
    settled.sync()
    settled.store.close()
    before = settled.vector(settled.key(1))
    settled.put({"1.png": edited(1), "3.png": 3})
    shutil.copytree(settled.folder, settled.top / "before")

    def run(disk: Watched) -> str | None:
        shutil.rmtree(settled.folder)
        shutil.copytree(settled.top / "before", settled.folder)
        with monkeypatch.context() as patch:
            patch.setattr(durable, "disk", disk)
            try:
                with settled.another() as store:
                    return store.sync([settled.pictures]).snapshot
            except (VstoreError, Killed) as err:
                return type(err).__name__

    whole = Watched()
    assert run(whole) == "v2"
    for at in range(WAYS.index(how) % EVERY, len(whole.calls), EVERY):
        disk = Failing(at, how)
        said = f"call {at} of {len(whole.calls)}, {how}: {run(disk)}, {disk.calls[-1]}"
        with settled.another() as store:
            assert store.check(read_data=True).ok, said
            embedded = settled.fake.embedded
            store.sync([settled.pictures])
            assert settled.fake.embedded - embedded <= 1, said  # 3.png alone
            assert settled.aliases()["pictures/1.png"] == settled.key(edited(1)), said
            assert settled.vector(settled.key(edited(1))) == before, said
            assert settled.digests(settled.key(1)) == settled.digests(settled.key(edited(1))) != [None], said
            assert len(settled.keys()) == len(set(settled.keys())) == 4, said
            assert store.check(read_data=True).ok, said


# Other commands, other writers


def test_undo_and_rollback_give_back_the_old_key_with_its_vector(settled: Declared) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    settled.put({"1.png": edited(1)})
    settled.sync()
    settled.store.undo()
    assert settled.aliases() == {"pictures/1.png": settled.key(1)}
    report = settled.sync()
    assert classes(report) == {"changed": 1} and same(report) == (1, 0, 1)
    settled.store.rollback("v1")
    assert settled.aliases() == {"pictures/1.png": settled.key(1)}
    settled.store.rollback(release=True)
    assert same(settled.sync()) == (1, 0, 1)


def test_gc_of_the_old_key_leaves_the_new_one_its_vector_and_its_digest(settled: Declared) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    vector = settled.vector(settled.key(1))
    settled.put({"1.png": edited(1)})
    settled.sync()
    settled.store.snapshot_forget(["v1"])
    settled.store.gc(drop_unnamed=True)
    with pytest.raises(KeyError):
        settled.vector(settled.key(1))
    assert settled.vector(settled.key(edited(1))) == vector
    settled.put({"1.png": edited(1, "once more")})
    assert same(settled.sync()) == (1, 0, 1)
    assert settled.vector(settled.key(edited(1, "once more"))) == vector


def test_a_run_that_meets_another_snapshot_copies_once(settled: Declared) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    settled.put({"1.png": 2})
    settled.sync()
    settled.put({"1.png": edited(2), "3.png": 3})
    other = settled.another()
    during(settled.fake, lambda: other.rollback("v1", hold=False), batch=settled.fake.calls + 1)
    report = settled.sync()
    assert classes(report) == {"changed": 1, "new": 1}
    assert settled.vector(settled.key(edited(2))) == settled.vector(settled.key(2))
    keys = settled.keys()
    assert len(keys) == len(set(keys)) and settled.store.check(read_data=True).ok
    settled.put({"1.png": edited(2, "again")})
    assert same(settled.sync()) == (1, 0, 1)


def test_what_is_copied_is_written_for_commits_and_kept_in_no_journal(
    settled: Declared, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    settled.put({"1.png": edited(1)})

    def stop(self: CopiedVectors) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(CopiedVectors, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        settled.sync()
    assert not list((settled.folder / "journal").iterdir())
    assert settled.keys() == [settled.key(1)]
    monkeypatch.undo()
    assert same(settled.another().sync([settled.pictures])) == (1, 0, 1)
