"""A search of a large space reads what its answer needs, and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.builder import Builder, key, unit_vectors

from vstore import Operand, Store
from vstore.approximate.build import Wanted, build
from vstore.disk.segments import Segment
from vstore.errors import Damage
from vstore.progress import Stages
from vstore.search.views import Views

COUNT, DIM = 1200, 32
ROWS = unit_vectors(COUNT, DIM, seed=5)


def named(count: int) -> dict[bytes, bytes]:
    return {b"p/%d.jpg" % number: key(number) for number in range(count)}


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """A store of some segments, and an index of all but the last ones."""
    builder = Builder(tmp_path / ".vstore", recipe={"family": "fake", "name": "fake-1", "dim": DIM})
    for first in (0, COUNT // 2):
        builder.add_segment([key(n) for n in range(first, first + COUNT // 2)], ROWS[first : first + COUNT // 2])
    builder.add_snapshot(named(COUNT))
    assert build(builder.repo, builder.space, Wanted(exact=1), stages=Stages()).generation
    return builder


def rot(builder: Builder, number: int) -> None:
    """Change a bit of the row of a picture of the first segment."""
    ref = builder.repo.state.segments(builder.space)[0]
    segment = builder.repo.segment(ref)
    with segment.path.open("r+b") as file:
        row = segment.row_of(key(number))
        assert row is not None
        at = segment.footer.header + row * segment.footer.width
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def refuse(*args: Any) -> Any:
    raise AssertionError("a segment is read whole")


def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("verify", "verified_row_sums", "bad_blocks"):
        monkeypatch.setattr(Segment, name, refuse)


def test_an_approximate_search_reads_no_segment_whole(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole(monkeypatch)
    with Store(builder.repo.layout.folder) as store:
        for report in (
            store.search(Operand(1.0, key=key(7))),
            store.search(Operand(1.0, vector=ROWS[7])),
            store.view().search(Operand(1.0, key=key(7))),
        ):
            assert report.approximate
            assert report.hits[0].key == key(7)
        with pytest.raises(AssertionError, match="read whole"):
            store.search(Operand(1.0, key=key(7)), exact=True)


def test_rows_without_lists_are_read_with_their_segments_alone(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = unit_vectors(3, DIM, seed=6)
    builder.add_segment([key(COUNT + n) for n in range(3)], more)
    builder.add_snapshot(named(COUNT + 3))
    (_, _, last) = builder.repo.state.segments(builder.space)
    asked: list[list[str]] = []
    wait = Views.wait

    def waiting(views: Views, some: Any = None) -> None:
        asked.append([one.ref.name for one in (views._segments if some is None else some)])
        wait(views, some)

    monkeypatch.setattr(Views, "wait", waiting)
    with Store(builder.repo.layout.folder) as store:
        report = store.search(Operand(1.0, key=key(COUNT + 1)))
        assert report.approximate and report.hits[0].key == key(COUNT + 1)
    assert asked and all(names == [last.name] for names in asked)


def test_few_pictures_are_compared_without_reading_segments_whole(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole(monkeypatch)
    with Store(builder.repo.layout.folder) as store:
        report = store.search(Operand(1.0, key=key(8)), under="p/7.jpg", exact=True)
        assert [hit.key for hit in report.hits] == [key(7)] and not report.approximate
        rot(builder, 7)
        with pytest.raises(Damage, match="rows 0 to 599"):
            store.search(Operand(1.0, key=key(8)), under="p/7.jpg", exact=True)


def test_a_view_of_an_approximate_index_answers_once_its_segments_are_gone(builder: Builder) -> None:
    with Store(builder.repo.layout.folder) as store, store.view() as view:
        expected = view.search(Operand(1.0, key=key(7))).hits
        for ref in builder.repo.state.segments(builder.space):
            (builder.repo.layout.segments / ref.name).unlink()
        assert view.search(Operand(1.0, key=key(7))).hits == expected
        assert view.search(Operand(1.0, key=key(7)), exact=True).hits[0].key == key(7)


def test_a_rotten_row_is_in_no_approximate_answer(builder: Builder) -> None:
    rot(builder, 7)
    with Store(builder.repo.layout.folder) as store, pytest.raises(Damage, match="rows 0 to 599"):
        store.search(Operand(1.0, vector=ROWS[7]))


def test_an_approximate_search_loads_no_masked_arrays(builder: Builder) -> None:
    """They cost it as much as half of all that it does itself."""
    code = (
        "import sys; from vstore import Operand, Store\n"
        "found = Store(sys.argv[1]).search(Operand(1.0, key=bytes.fromhex(sys.argv[2])))\n"
        "assert found.approximate, found\n"
        "print('numpy.ma' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(builder.repo.layout.folder), key(7).hex()]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"
