"""Rot: a bit, a block or the end of a file is lost. It is found, never answered from, and repaired where possible."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from support.blob_roles import FLAGS, Role, entries_below, facts_on, leaf_entries, roles_of
from support.every_kind import FETCHED, every_kind, fill
from support.lost import lose
from support.stores import FAKES, Contents, contents, full, load, opened, quick_folder, vectors

from vstore.errors import VstoreError
from vstore.format.history import History, Line
from vstore.format.listing import snapshot_name
from vstore.repair.report import RepairReport
from vstore.repository.add_space import add_space
from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.store import Store

REGIONS = 16
HELD = ("FORMAT", "refs", "segments", "packs")  # files with data: damage to them is found
REST = (
    "catalogue",
    "cache",
    "indexes",
    "reserve",
    "locks",
    "journal",
)  # files that can be made again, or hold nothing yet


class Rot(NamedTuple):
    """A way for a file to rot.

    kind: bit, cut or zeros.
    at:   sixteenths of the file.
    """

    kind: str
    at: int

    def spoil(self, path: Path) -> bool:
        """Damage a file. Returns: whether its bytes changed."""
        data = bytearray(path.read_bytes())
        before = bytes(data)
        place = min(len(data) * self.at // REGIONS, len(data) - 1)
        if self.kind == "bit":
            data[place] ^= 1 << (self.at % 8)
        elif self.kind == "cut":
            del data[place:]
        else:
            end = min(len(data), place + max(16, len(data) // REGIONS))
            data[place:end] = bytes(end - place)
        path.write_bytes(data)
        return bytes(data) != before


ROTS = [Rot(kind, at) for kind in ("bit", "cut", "zeros") for at in range(REGIONS + (kind == "bit"))]


def template(top: Path) -> None:
    """Make a store with every kind, rolled back and forth, and with files in `cache/` and `indexes/`."""
    full(top)
    fill(top)
    with opened(top) as store:
        store.rollback("v1")
        store.rollback("v11")
    answers(top)


def answers(top: Path) -> list[tuple[str, tuple[bytes, ...]]] | None:
    """Search in snapshots of each space; None where search refuses."""
    found = []
    try:
        with opened(top) as store:
            for at, name in (("v1", "sub/c.png"), ("v5", "d.png"), ("v6", "e.png"), ("v7", "new.png"), ("v8", "d.png")):
                operand = Operand(1.0, image=os.fsencode(top / "pictures" / name))
                report = store.search([operand], at=at, k=3)
                found += [(f"{hit.key.hex()} {hit.score:.4f}", hit.paths) for hit in report.hits]
    except VstoreError:
        return None
    return found


def files(folder: Path, kinds: tuple[str, ...]) -> Iterator[Path]:
    for kind in kinds:
        path = folder / kind
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.stat().st_size and file.name != "lock.mdb":
                yield file.relative_to(folder)


def test_rot_in_any_region_of_any_file_is_found_never_answered_from_and_repaired(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each file rots in a ninth of the ways, another ninth than the file before it."""
    rot_away(lambda number: ROTS[number % 9 :: 9], capsys)


@pytest.mark.long
@pytest.mark.parametrize("kind", HELD)
def test_rot_of_every_kind_in_any_region_of_any_file_is_found_never_answered_from_and_repaired(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rot_away(lambda number: ROTS, capsys, (kind,))


def rot_away(
    rots: Callable[[int], Sequence[Rot]], capsys: pytest.CaptureFixture[str], kinds: tuple[str, ...] = HELD
) -> None:
    figures: Counter[str] = Counter()
    with quick_folder() as folder:
        whole = folder / "whole"
        whole.mkdir()
        template(whole)
        before = contents(Repository(whole / ".vstore"))
        rows = vectors(Repository(whole / ".vstore"))
        roles, pages = roles_of_packs(whole)
        top = folder / "top"
        top.mkdir()
        shutil.copytree(whole / "pictures", top / "pictures")
        expected = answers_in(whole, top, folder)
        assert expected
        for number, relative in enumerate(files(whole / ".vstore", kinds)):
            for rot in rots(number):
                shutil.copytree(whole / ".vstore", top / ".vstore", ignore=shutil.ignore_patterns("catalogue"))
                if rot.spoil(top / ".vstore" / relative):
                    where = f"{relative} {rot}"
                    kind = relative.parts[0]
                    figures[f"{kind} spoilt"] += 1
                    found = answers(top)
                    assert found in (None, expected), where
                    figures[f"{kind} answered still"] += found is not None
                    assert is_found(top), where
                    report = Store.repair(top / ".vstore", load_embedder=load)
                    done, left = list(report.done), list(report.left)
                    lost = {loss.snapshot for loss in report.degraded}
                    # Only snapshots with a page in that pack are marked, of aliases or of fields. One with a picture
                    # that is no longer on disk may lose a vector.
                    assert lost <= ({"v1"} if kind == "segments" else pages.get(relative.name, set())), (where, report)
                    figures["snapshots degraded"] += len(lost)
                    if any("recipe" in one or "probes" in one for one in left):
                        assert kind == "packs", where
                        give_recipes(top)
                        left = [one for one in left if "recipe" not in one and "probes" not in one]
                        figures["recipes and probes given again"] += 1
                    said = ("fetch them again", "of the list of snapshots", "no page tells")
                    unlisted = {FETCHED[1]} if any(word in one for one in (*left, *done) for word in said) else set()
                    left = [one for one in left if not any(word in one for word in said)]
                    if left:  # vectors without a known model: they come back with the disk, or are removed
                        assert kind == "segments" and "imported without a model" in left[0], (where, left)
                        without = Store.repair(top / ".vstore", load_embedder=load, no_embed=True)
                        lost |= {loss.snapshot for loss in without.degraded}
                        assert lost <= {"v1", "v5"}, (where, without)
                        figures["vectors without a model removed"] += 1
                    with Store(top / ".vstore") as store:
                        checked = store.check(read_data=True)
                        assert checked.ok, (where, checked.problems)
                    now = contents(Repository(top / ".vstore"))
                    again = vectors(Repository(top / ".vstore"))
                    lost |= before.snapshots.keys() - now.snapshots.keys()  # fetched ones, which no manifest lists
                    assert lost - now.snapshots.keys() <= unlisted, (where, report)
                    figures["fetched snapshots lost"] += bool(unlisted)
                    assert {n for n, v in before.snapshots.items() if now.snapshots.get(n) != v} == lost, where
                    judge_tables(before, now, kind, roles.get(relative.name, set()))
                    assert all(row == rows[name] for name, row in again.items()), (where, report)
                    if now.waiting != before.waiting:
                        assert any("rows that the import" in one for one in done), (where, report)
                        figures["rows of imports lost"] += 1
                    assert (now.spaces, now.tags, now.current) == (before.spaces, before.tags, before.current) or (
                        kind == "refs"
                    ), (where, report)
                    if not lost:
                        assert answers(top) == expected, where
                        figures[f"{kind} repaired"] += 1
                shutil.rmtree(top / ".vstore")
    with capsys.disabled():
        print("\nrot: " + ", ".join(f"{name} {count}" for name, count in figures.items()), end=" ")


def judge_tables(before: Contents, now: Contents, kind: str, roles: set[str]) -> None:
    """See that decisions and facts are lost with a pack that holds some alone; a record may name some that go back."""
    if kind == "refs":
        return
    assert [one for one in before.decisions if one in now.decisions] == now.decisions
    assert now.decisions == before.decisions or "decisions" in roles
    assert now.facts == before.facts or "facts" in roles


def test_a_blob_of_any_kind_that_rots_costs_what_format_says_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures: Counter[str] = Counter()
    with quick_folder() as folder:
        whole, top = folder / "whole", folder / "top"
        for path in (whole, top):
            path.mkdir()
        every_kind(whole)
        shutil.copytree(whole / "pictures", top / "pictures")
        expected = answers_in(whole, top, folder)
        repo = Repository(whole / ".vstore")
        roles = roles_of(repo)
        assert {role.kind for some in roles.values() for role in some} >= {*FLAGS[:-1]}
        for digest, some in sorted(roles.items()):
            shutil.copytree(whole / ".vstore", top / ".vstore", ignore=shutil.ignore_patterns("catalogue"))
            lose(Repository(top / ".vstore"), digest)
            kinds = {role.kind for role in some}
            where = f"{digest.hex()}: {kinds}"
            assert answers(top) in (None, expected), where
            assert is_found(top), where
            report = Store.repair(top / ".vstore", load_embedder=load)
            if "recipe" in kinds:
                give_recipes(top)
            else:
                assert not [one for one in report.left if "snapshots" not in one], (where, report)
            judge_loss(repo, digest, some, top, report)
            again = Store.repair(top / ".vstore", load_embedder=load)
            assert not again.changed, (where, again)
            if not report.degraded:
                assert answers(top) == expected, where
            for kind in kinds:
                figures[kind] += 1
            shutil.rmtree(top / ".vstore")
    with capsys.disabled():
        print("\nblobs spoilt: " + ", ".join(f"{name} {count}" for name, count in figures.items()), end=" ")


def judge_loss(repo: Repository, digest: bytes, roles: set[Role], top: Path, report: RepairReport) -> None:
    """Compare a repaired store with the whole one: what the blob did not hold is all there, and losses are said."""
    before, now = contents(repo), contents(Repository(top / ".vstore"))
    kinds = {role.kind for role in roles}
    where = kinds, report
    degraded = {role.name for role in roles if role.kind in ("aliases", "fields")}
    listed = {snapshot_name(key) for key, _ in entries_below(repo, digest)} if "snapshots" in kinds else set()
    # No manifest tells under which name a snapshot was fetched.
    unlisted = {name for name in listed - repo.state.window.keys() if "/" in name}
    lost = {name for name, version in before.snapshots.items() if now.snapshots.get(name) != version}
    assert lost == degraded | unlisted, where
    assert {loss.snapshot for loss in report.degraded} == degraded, where
    assert all(now.snapshots[name][2] for name in degraded), where
    assert not unlisted or any("fetch them again" in one for one in report.left), where
    assert (now.current, now.tags, now.hold, now.spaces) == (before.current, before.tags, before.hold, before.spaces)
    assert "import" in kinds or now.waiting == before.waiting, where
    # What a leaf held is lost, unless an older page has it; leaves below a lost page are found again.
    gone = leaf_entries(repo, digest) if "decisions" in kinds else 0
    assert len(before.decisions) - gone <= len(now.decisions) <= len(before.decisions), where
    assert len(now.decisions) == len(before.decisions) or any("decisions" in one for one in report.done), where
    assert [one for one in before.decisions if one in now.decisions] == now.decisions, where
    facts, facts_left = ({fact.key: fact for fact in one.facts} for one in (before, now))
    on_page = set(facts_on(repo, digest)) if "facts" in kinds else set()
    assert facts_left.keys() <= facts.keys(), where
    assert all(facts_left.get(key) == fact for key, fact in facts.items() if key not in on_page), where
    lines, before_lines = history_of(top), history_of(repo.layout.folder.parent)
    assert (lines == before_lines) if "history" not in kinds else (lines < before_lines), where
    rows, found = vectors(repo), vectors(Repository(top / ".vstore"))
    assert all(found[name] == row for name, row in rows.items() if name in found), where
    with opened(top) as store:
        checked = store.check(read_data=True)
        assert checked.ok, (where, checked.problems)


def history_of(top: Path) -> set[Line]:
    repo = Repository(top / ".vstore")
    lines = set(History(repo.hash, repo.packs.get, repo.state.root("history")).newest())
    repo.close()
    return lines


def roles_of_packs(top: Path) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Find the kinds of the blobs of each pack, and the snapshots that have pages of aliases or of fields there."""
    repo = Repository(top / ".vstore")
    roles = roles_of(repo)
    kinds: dict[str, set[str]] = {}
    names: dict[str, set[str]] = {}
    for pack in repo.packs.opened():
        found = [role for digest in pack.digests() for role in roles[digest]]
        kinds[pack.ref.name] = {role.kind for role in found}
        names[pack.ref.name] = {role.name for role in found if role.kind in ("aliases", "fields")}
    repo.close()
    return kinds, names


def answers_in(whole: Path, top: Path, folder: Path) -> list[tuple[str, tuple[bytes, ...]]] | None:
    shutil.copytree(whole / ".vstore", top / ".vstore", ignore=shutil.ignore_patterns("catalogue"))
    found = answers(top)
    shutil.rmtree(top / ".vstore")
    return found


def give_recipes(top: Path) -> None:
    """Give the spaces their recipes and probes back, as `vstore model add` would."""
    repo = Repository(top / ".vstore")
    for space in list(repo.state.spaces.values()):
        if space.name == "old":
            digest = hashlib.sha256((top.parent / "whole" / "second.npy").read_bytes()).hexdigest()
            add_space(repo, {"family": "imported", "dim": 8, "sha256": digest}, "old")
        elif not space.probes:
            add_space(repo, FAKES[space.name].recipe, space.name)
    repo.close()
    with Store(top / ".vstore") as store:
        store.model_add("fake-2", model="fake:fake-2")


def is_found(top: Path) -> bool:
    try:
        with opened(top) as store:
            return not store.check(read_data=True).ok
    except VstoreError as err:
        return err.exit_code == 4


def test_rot_in_files_that_can_be_made_again_changes_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    rot_without_effect({"cache": 3, "indexes": 7}, capsys)


@pytest.mark.long
def test_rot_of_every_kind_in_files_that_can_be_made_again_changes_no_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rot_without_effect({"cache": 1, "indexes": 1}, capsys)


def rot_without_effect(steps: dict[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    """Spoil what can be made again. steps: from one way to rot to the next, by folder."""
    figures: Counter[str] = Counter()
    with quick_folder() as folder:
        whole = folder / "whole"
        whole.mkdir()
        template(whole)
        expected = answers(whole)
        count = len(contents(Repository(whole / ".vstore")).snapshots)
        for relative in files(whole / ".vstore", REST):
            path = whole / ".vstore" / relative
            before = path.read_bytes()
            for rot in ROTS[:: steps.get(relative.parts[0], 7)]:
                if relative.parts[0] == "catalogue":
                    continue  # its own matrix is in tests/store/test_catalogue.py: it is never read by a search
                rot.spoil(path)
                figures[relative.parts[0]] += 1
                assert answers(whole) == expected, (relative, rot)
                with opened(whole) as store:
                    assert store.check(read_data=True).ok
                    assert store.sync().snapshot is None
                path.write_bytes(before)
        assert len(contents(Repository(whole / ".vstore")).snapshots) == count
    with capsys.disabled():
        print("\nrot without effect: " + ", ".join(f"{name} {count}" for name, count in figures.items()), end=" ")
