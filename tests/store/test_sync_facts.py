"""The facts that a sync reads of the pictures that it embeds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.edited import Declared, edited
from support.exif_blocks import block, jpeg, packet, rationals, short, text
from support.folders import drawn, during

from vstore.browse.show import ShowReport
from vstore.format import facts
from vstore.format.facts import NEWEST_READER, Fact
from vstore.repository.facts import runs_of

EXIF = block(
    {271: text("Canon"), 272: text("Canon EOS 5D"), 274: short(6)},
    {0x9003: text("2024:06:01 12:30:15"), 0x9011: text("-03:30")},
    {1: text("N"), 2: rationals((52, 1)), 3: text("E"), 4: rationals((13, 1))},
)
PICTURE = jpeg(EXIF, packet(xmp__Rating="4"))


@pytest.fixture
def world(tmp_path: Path) -> Declared:
    made = Declared(tmp_path)
    made.put({"camera.jpg": PICTURE, "drawn.png": drawn(1), "broken.jpg": PICTURE[:200]})
    return made


def listed(world: Declared) -> dict[str, Fact]:
    """Read the facts of all runs, by key."""
    return {fact.key.hex(): fact for run in runs_of(world.repo) for fact in run}


def shown(world: Declared, name: str) -> ShowReport:
    return world.store.show(world.pictures / name, no_neighbours=True)


@pytest.mark.parametrize("isolate", [False, True])
def test_a_sync_reads_facts_beside_decoding(world: Declared, isolate: bool) -> None:
    world.sync(isolate_decoding=isolate)
    found = listed(world)
    assert found.keys() == {world.key(PICTURE), world.key(drawn(1))}  # what has no vector has no facts
    assert {fact.reader for fact in found.values()} == {NEWEST_READER}
    values = found[world.key(PICTURE)].values
    assert (values[facts.CAMERA], values[facts.RATING], values[facts.ZONE]) == ("Canon EOS 5D", 4, -210)
    assert [record.op for record in world.repo.records()][-1] == "sync"  # no record of their own
    assert world.store.facts().without_facts == 0
    assert world.store.check(read_data=True).ok


def test_an_edit_of_metadata_has_facts_of_its_own(world: Declared) -> None:
    world.sync()
    other = jpeg(EXIF, packet(xmp__Rating="5"))
    world.put({"camera.jpg": other})
    report = world.sync()
    assert (report.same_pixels, report.embedded) == (1, 0)
    found = listed(world)
    assert [found[world.key(one)].values[facts.RATING] for one in (PICTURE, other)] == [4, 5]


def test_a_journal_that_is_sealed_midway_lists_the_facts_of_its_vectors(
    world: Declared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vstore.intake.keeper.SEAL_SECONDS", 0.0)
    world.put({f"{number}.png": number for number in range(2, 50)})
    world.sync()
    records = [record for record in world.repo.records() if record.changes.get("segments")]
    assert len(records) > 1
    assert all(record.changes.get("facts") for record in records)
    assert len(listed(world)) == 50 and world.store.facts().without_facts == 0
    rows = [fact.key for run in runs_of(world.repo) for fact in run]
    assert len(rows) == len(set(rows))  # none is listed twice


def test_the_facts_of_a_copied_vector_come_with_it(world: Declared, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put({f"{number}.png": number for number in range(2, 9)})
    world.sync()
    monkeypatch.setattr("vstore.intake.keeper.SEAL_SECONDS", 0.0)
    before = len(list(world.repo.records()))
    world.put({"1.png": 100, "2.png": edited(2), "3.png": 101, "4.png": edited(4), "5.png": 102})
    world.sync()
    copied = {world.key(edited(2)), world.key(edited(4))}
    *_, last = records = list(world.repo.records())
    assert len(records) > before + 1
    refs = {ref.root.hex(): run for ref, run in zip(world.repo.state.facts, runs_of(world.repo), strict=True)}
    with_copies = [root for root, run in refs.items() if copied & {fact.key.hex() for fact in run}]
    assert with_copies == [root for root, _ in last.changes["facts"].values()]
    assert copied <= listed(world).keys()


def test_show_and_a_long_list_say_what_a_header_says(world: Declared) -> None:
    world.sync()
    found = shown(world, "camera.jpg").facts
    assert (found["taken"], found["camera"], found["latitude"]) == ("2024-06-01T12:30:15", "Canon EOS 5D", 52.0)
    assert (found["width"], found["height"], found["orientation"]) == (10, 20, 6)  # as it is shown
    entry = next(one for one in world.store.ls([world.pictures], long=True).entries if one.path.endswith(b"camera.jpg"))
    assert entry.details is not None
    assert (entry.details.width, entry.details.height, entry.details.taken) == (10, 20, "2024-06-01T12:30:15")


class Killed(BaseException):
    """As if the process had ended here, but for the locks."""


def killed(world: Declared, batch: int) -> None:
    """Sync up to the middle of a batch, as a kill would end it."""

    def kill() -> None:
        raise Killed

    during(world.fake, kill, batch)
    with pytest.raises(Killed):
        world.sync()


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("kills", [1, 2])
def test_a_vector_of_a_killed_run_comes_with_the_facts_of_its_header(
    world: Declared, monkeypatch: pytest.MonkeyPatch, kills: int, settled: bool
) -> None:
    """After the second kill nothing tells that vectors were recovered: they are listed as others are."""
    if settled:  # then the headers alone are read a second time
        monkeypatch.setattr("vstore.intake.reader.SETTLED_NS", -1)
        monkeypatch.setattr("vstore.repository.headers.read_unchanged", lambda *args: pytest.fail("read as a whole"))
    world.put({f"{number}.png": number for number in range(2, 50)})
    for _ in range(kills):
        killed(world, batch=world.fake.calls + 2)
    report = world.sync()
    assert report.recovered > 0
    assert report.embedded < 50
    found = listed(world)
    assert found.keys() == {world.key(PICTURE), *(world.key(drawn(number)) for number in range(1, 50))}
    assert {fact.reader for fact in found.values()} == {NEWEST_READER}
    assert found[world.key(PICTURE)].values[facts.CAMERA] == "Canon EOS 5D"
    assert world.store.facts().without_facts == 0
    assert world.store.check(read_data=True).ok


def test_a_picture_that_comes_back_to_a_store_without_its_facts_gets_them(world: Declared) -> None:
    world.sync()
    os.remove(world.pictures / "camera.jpg")
    world.sync()
    repo = world.repo
    with repo.committing("test"):
        repo.publish("seal", {"facts": repo.state.facts_changed([])})
    world.put({"camera.jpg": PICTURE})
    assert (world.sync().embedded, listed(world).keys()) == (0, {world.key(PICTURE)})
