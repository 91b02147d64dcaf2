"""Rot: a bit, a block or the end of a file is lost: it is found, never answered from, and mended where that can be."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from faults.stores import FAKE, load, opened, quick_folder, said
from store.folders import put

from vstore.errors import VstoreError
from vstore.repository import Repository
from vstore.search import Operand
from vstore.store import Store

REGIONS = 16
HELD = ("FORMAT", "refs", "segments", "packs")  # what holds data: damage to it is found
REST = ("catalogue", "cache", "reserve", "locks", "journal")  # what can be made again, or holds nothing yet


class Rot(NamedTuple):
    """How a file rots. at: sixteenths of it."""

    kind: str
    at: int

    def spoil(self, path: Path) -> bool:
        """Returns: whether the file is another one now."""
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
    """A store with a log of its own, two spaces' worth of files of each kind, and something in `cache/`."""
    (top / "pictures").mkdir()
    Store.init(top / ".vstore", recipe=FAKE.recipe)
    with opened(top) as store:
        for number in range(2):
            put(top / "pictures", {f"{number}-{n}.png": 10 * number + n for n in range(4)})
            store.sync([top / "pictures"], message=f"sync {number}")
        store.snapshot_tag("v1", "good")
        store.rollback("v1")
        store.rollback("v2")
        answers(top)


def answers(top: Path) -> list[tuple[str, tuple[bytes, ...]]] | None:
    """What search says of three pictures in both versions; None where it refuses."""
    found = []
    try:
        with opened(top) as store:
            for at in ("v1", "v2"):
                for name in ("0-0.png", "0-3.png", "1-1.png"):
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


def test_rot_in_any_region_of_any_file_is_found_never_answered_from_and_mended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures: Counter[str] = Counter()
    with quick_folder() as folder:
        whole = folder / "whole"
        whole.mkdir()
        template(whole)
        expected = answers(whole)
        assert expected
        versions = said(Repository(whole / ".vstore")).versions
        top = folder / "top"
        shutil.copytree(whole / "pictures", top / "pictures")
        expected = answers_in(whole, top, folder)
        for relative in files(whole / ".vstore", HELD):
            for rot in ROTS:
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
                    lost = {loss.snapshot for loss in report.degraded}
                    # Pages stand in one place alone: the version that they were of is marked, and no other.
                    assert not lost or (kind == "packs" and len(lost) == 1), where
                    figures["versions degraded"] += len(lost)
                    if report.left:  # as does a recipe that is not built in
                        assert kind == "packs" and "recipe" in report.left[0], (where, report.left)
                        give_recipe(top)
                        figures["recipes given anew"] += 1
                    with Store(top / ".vstore") as store:
                        checked = store.check(read_data=True)
                        assert checked.ok, (where, checked.problems)
                    now = said(Repository(top / ".vstore")).versions
                    assert {n for n in versions if now[n] != versions[n]} == lost, where
                    if not lost:
                        assert answers(top) == expected, where
                        figures[f"{kind} mended"] += 1
                shutil.rmtree(top / ".vstore")
    with capsys.disabled():
        print("\nrot: " + ", ".join(f"{name} {count}" for name, count in figures.items()), end=" ")


def answers_in(whole: Path, top: Path, folder: Path) -> list[tuple[str, tuple[bytes, ...]]] | None:
    shutil.copytree(whole / ".vstore", top / ".vstore", ignore=shutil.ignore_patterns("catalogue"))
    found = answers(top)
    shutil.rmtree(top / ".vstore")
    return found


def give_recipe(top: Path) -> None:
    """As `vstore model add` does: the space is known, and gets its recipe back."""
    repo = Repository(top / ".vstore")
    repo.add_space(FAKE.recipe, "fake-1")
    repo.close()


def is_found(top: Path) -> bool:
    try:
        with opened(top) as store:
            return not store.check(read_data=True).ok
    except VstoreError as err:
        return err.exit_code == 4


def test_rot_in_what_can_be_made_again_changes_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    figures: Counter[str] = Counter()
    with quick_folder() as folder:
        whole = folder / "whole"
        whole.mkdir()
        template(whole)
        expected = answers(whole)
        count = len(said(Repository(whole / ".vstore")).versions)
        for relative in files(whole / ".vstore", REST):
            path = whole / ".vstore" / relative
            before = path.read_bytes()
            for rot in ROTS[:: 1 if relative.parts[0] == "cache" else 7]:
                if relative.parts[0] == "catalogue":
                    continue  # its own matrix is in tests/store/test_catalogue.py: it is never read by a search
                rot.spoil(path)
                figures[relative.parts[0]] += 1
                assert answers(whole) == expected, (relative, rot)
                with opened(whole) as store:
                    assert store.check(read_data=True).ok
                    assert store.sync().snapshot is None
                path.write_bytes(before)
        assert len(said(Repository(whole / ".vstore")).versions) == count
    with capsys.disabled():
        print("\nrot without effect: " + ", ".join(f"{name} {count}" for name, count in figures.items()), end=" ")
