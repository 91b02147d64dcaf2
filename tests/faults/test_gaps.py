"""Any record of the log is lost, at any time of a store's life: repair restores what other records and objects say, and
reports the rest as lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.stores import contents, full, load, opened, quick_folder, vectors

from vstore.repository.repository import Repository
from vstore.store import Store


def test_any_record_may_be_lost_at_any_time(capsys: pytest.CaptureFixture[str]) -> None:
    count = embedded = 0
    with quick_folder() as folder:
        whole, top = folder / "whole", folder / "top"
        whole.mkdir()
        full(whole)
        newest = Repository(whole / ".vstore").tip.number
        for last in range(2, newest + 1):
            for lost in range(1, last + 1):
                as_it_was(whole, top, last)
                repo = Repository(top / ".vstore")
                before, rows = contents(repo), vectors(repo)
                record = repo.layout.record(lost)
                record.write_bytes(record.read_bytes()[:40])
                report = Store.repair(top / ".vstore", load_embedder=load)
                where = f"record {lost} of {last}: {report}"
                repo = Repository(top / ".vstore")
                now = contents(repo)
                # An adoption whose first record is lost before the second was written has to be done again.
                gone = {name for name in before.snapshots if f"{name} is not restored" in " ".join(report.left)}
                assert gone <= ({"v6"} if lost == last else set()), where
                kept = {name: value for name, value in before.snapshots.items() if name not in gone}
                assert {name: now.snapshots[name] for name in kept} == kept, where
                said_so = ("the places of the picture folders", "is not restored")
                assert all(any(words in one for words in said_so) for one in report.left), where
                again = vectors(repo)
                assert all(row == rows[name] for name, row in again.items() if name in rows), where
                if len(now.waiting) < len(before.waiting):
                    assert any("imports set aside" in one for one in report.done), where
                for space in repo.state.spaces.values():
                    if repo.recipe(space.id)["family"] == "imported":
                        assert space.status == "claimed", where
                repo.close()
                with opened(top) as store:
                    found = store.check(read_data=True)
                    assert found.ok, (where, found.problems)
                count += 1
                embedded += report.embedded
    with capsys.disabled():
        print(f"\ngaps: {count} records lost, {embedded} vectors computed again", end=" ")


def as_it_was(whole: Path, top: Path, last: int) -> None:
    """Restore the store of when this record was the newest; later files stay, as a killed run leaves them."""
    shutil.rmtree(top, ignore_errors=True)
    shutil.copytree(whole, top)
    for name in ("cache", "catalogue"):
        shutil.rmtree(top / ".vstore" / name)
    for record in (top / ".vstore" / "refs").iterdir():
        if int(record.stem) > last:
            record.unlink()
