"""`Store.decide` and `Store.decisions`: words in, decisions about keys out."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from support.folders import World

import vstore.decide.rows
import vstore.repository.decisions
from vstore.decide.report import DecidedPicture
from vstore.errors import MigrationNeeded, UsageError
from vstore.store import Store

OLD = Path(__file__).parent / "data" / "format-1" / "store"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    world.put({"a.png": 1, "b.png": 2, "c.png": 3, "copy.png": 1})
    world.sync()
    monkeypatch.chdir(tmp_path)
    return world


def said(store: Store, *pictures: str) -> list[tuple[str, str, str]]:
    """The decisions in force, newest first: verb, pictures, over; by the first path of each."""
    return [(row.verb, names(row.pictures), names(row.over)) for row in store.decisions(pictures).decisions]


def names(pictures: Iterable[DecidedPicture]) -> str:
    paths = (one.key.hex() if one.path is None else one.path.decode() for one in pictures)
    return " ".join(sorted(path.removeprefix("pictures/") for path in paths))


def counts(report: Any) -> tuple[int, int, int, int]:
    return report.made, report.known, report.pictures, report.absent


def test_pictures_are_named_by_file_by_stored_path_and_by_key(world: World) -> None:
    report = world.store.decide("different", [world.pictures / "a.png", "pictures/b.png", world.key(3)[:8]])
    assert counts(report) == (1, 0, 3, 0)
    assert said(world.store) == [("different", "a.png b.png c.png", "")]
    assert counts(world.store.decide("same", [world.key(2), b"pictures/c.png"])) == (1, 0, 2, 0)
    assert said(world.another()) == [("same", "b.png c.png", ""), ("different", "a.png b.png c.png", "")]


def test_the_key_of_a_group_is_a_picture(world: World) -> None:
    key = world.store.dupes().groups[0].key
    assert counts(world.store.decide("keep", key)) == (1, 0, 1, 0)
    assert counts(world.store.decide("same", [bytes(16), bytes.fromhex(world.key(2))])) == (1, 0, 2, 1)
    assert said(world.store) == [("same", f"{bytes(16).hex()} b.png", ""), ("keep", "a.png", "")]


def test_bytes_that_are_a_path_are_no_key(world: World) -> None:
    shutil.copy(world.pictures / "b.png", "sixteen-long.png")
    assert counts(world.store.decide("same", [b"sixteen-long.png", world.key(3)])) == (1, 0, 2, 0)
    assert said(world.store) == [("same", "b.png c.png", "")]


def test_keep_marks_those_that_are_to_stay(world: World) -> None:
    world.store.decide("keep", "pictures/a.png", over=["pictures/b.png", "pictures/c.png"])
    world.store.decide("keep", ["pictures/a.png", "pictures/b.png"])
    assert said(world.store) == [("keep", "a.png b.png", ""), ("keep", "a.png", "b.png c.png")]
    world.store.undo()
    assert said(world.store) == [("keep", "a.png", "b.png c.png")]


def test_decisions_about_some_pictures_are_those_about_all_of_them(world: World) -> None:
    world.store.decide("same", ["pictures/a.png", "pictures/b.png"])
    world.store.decide("different", ["pictures/b.png", "pictures/c.png"])
    world.store.decide("keep", ["pictures/b.png"])
    assert [verb for verb, *_ in said(world.store, "pictures/b.png")] == ["keep", "different", "same"]
    assert [verb for verb, *_ in said(world.store, "pictures/b.png", "pictures/c.png")] == ["different"]
    assert said(world.store, "pictures/a.png", "pictures/c.png") == []
    assert [row.verb for row in world.store.decisions(limit=2).decisions] == ["keep", "different"]
    assert world.store.decisions(limit=0).decisions == ()
    with pytest.raises(UsageError, match="a list of -1 decisions is none"):
        world.store.decisions(limit=-1)


def test_the_decision_that_was_made_last_is_the_newest_though_the_clock_went_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ["pictures/a.png", "pictures/b.png"]
    world.store.decide("same", both)
    monkeypatch.setattr(vstore.repository.decisions, "microseconds", lambda: 1_000_000)
    world.store.decide("different", both)
    assert [one.verb for one in world.store.decisions().decisions] == ["different", "same"]
    assert world.store.decide("different", both).known == 1


def test_what_holds_already_is_not_decided_again(world: World) -> None:
    world.store.decide("same", ["pictures/a.png", "pictures/b.png"])
    number = world.repo.tip.number
    assert counts(world.store.decide("same", ["pictures/b.png", "pictures/copy.png"])) == (0, 1, 0, 0)
    assert world.repo.tip.number == number
    world.store.decide("different", ["pictures/b.png", "pictures/c.png"])
    assert counts(world.store.decide("same", ["pictures/b.png", "pictures/a.png"])) == (0, 1, 0, 0), "of other pairs"
    world.store.decide("different", [f"pictures/{name}.png" for name in "abc"])
    assert counts(world.store.decide("same", ["pictures/b.png", "pictures/a.png"])) == (1, 0, 2, 0), "a newer one"
    rows = [{"verb": verb, "pictures": ["pictures/a.png", "pictures/c.png"]} for verb in ("same", "same", "different")]
    assert counts(world.store.decide(rows=rows)) == (2, 1, 2, 0)
    assert said(world.store)[:2] == [("different", "a.png c.png", ""), ("same", "a.png c.png", "")]
    world.store.decide("keep", ["pictures/a.png"], over=["pictures/c.png"])
    assert counts(world.store.decide("keep", ["pictures/c.png"], over=["pictures/a.png"])) == (1, 0, 2, 0)


def test_what_is_kept_over_a_picture_is_decided_again_after_all_its_copies_were_to_stay(world: World) -> None:
    a, b, c = (f"pictures/{name}.png" for name in "abc")
    rows = [{"verb": "keep", "pictures": [b], "over": [a]}, {"verb": "keep", "pictures": [a]}]
    world.store.decide(rows=rows)
    assert counts(world.store.decide(rows=rows)) == (0, 2, 0, 0)
    assert counts(world.store.decide("keep", [b], over=[a])) == (1, 0, 2, 0)
    world.store.decide("keep", [a, c])
    assert counts(world.store.decide("keep", [b], over=[a])) == (1, 0, 2, 0)
    world.store.decide("keep", [c])
    assert counts(world.store.decide("keep", [b], over=[a])) == (0, 1, 0, 0), "of another picture"
    world.store.decide("same", [a, c])
    assert counts(world.store.decide("keep", [b], over=[a])) == (0, 1, 0, 0), "of another pair"


def test_a_file_that_contradicts_itself_can_be_read_again(world: World) -> None:
    names = [f"pictures/{name}.png" for name in "abc"]
    rows = [
        {"verb": "different", "pictures": names},
        {"verb": "same", "pictures": names[:2]},
        {"verb": "different", "pictures": names[:2]},
        {"verb": "keep", "pictures": names[:1]},
    ]
    assert counts(world.store.decide(rows=rows)) == (4, 0, 3, 0)
    assert counts(world.store.decide(rows=rows)) == (0, 4, 0, 0)
    assert counts(world.store.decide(rows=rows[:2])) == (2, 0, 3, 0), "the newest of these two is another now"
    assert counts(world.store.decide(rows=rows)) == (1, 3, 2, 0)
    world.store.decide("keep", names[:1], over=names[1:2])
    assert counts(world.store.decide("keep", names[:1])) == (1, 0, 1, 0), "its copies are to stay"


def test_a_dry_run_counts_and_writes_nothing(world: World) -> None:
    number = world.repo.tip.number
    report = world.store.decide("keep", ["pictures/a.png"], over=["pictures/b.png"], dry_run=True)
    assert (counts(report), report.dry_run) == ((1, 0, 2, 0), True)
    assert (world.repo.tip.number, said(world.store)) == (number, [])


def test_a_whole_key_needs_no_picture_here(world: World) -> None:
    other = "ab" * 16
    assert counts(world.store.decide("different", [other.upper(), "pictures/a.png"])) == (1, 0, 2, 1)
    assert said(world.store) == [("different", f"a.png {other}", "")]
    with pytest.raises(UsageError, match="no snapshot has a picture whose key begins with abababab"):
        world.store.decide("different", [other[:8], "pictures/a.png"])


def test_a_picture_of_an_older_snapshot_is_decided_about(world: World) -> None:
    (world.pictures / "c.png").unlink()
    world.sync()
    assert counts(world.store.decide("same", ["pictures/a.png", "pictures/c.png"])) == (1, 0, 2, 1)
    assert said(world.store) == [("same", f"a.png {world.key(3)}", "")]


def test_a_store_without_a_snapshot_takes_whole_keys_alone(tmp_path: Path) -> None:
    store = World(tmp_path).store
    assert counts(store.decide("same", ["ab" * 16, "cd" * 16])) == (1, 0, 2, 2)
    assert [len(row.pictures) for row in store.decisions().decisions] == [2]
    with pytest.raises(UsageError, match="there is no snapshot yet"):
        store.decide("same", ["ab" * 16, "pictures/a.png"])


@pytest.mark.parametrize(
    ("verb", "pictures", "over", "message"),
    [
        (None, [], [], "no decision is given"),
        ("alike", ["a", "b"], [], "'alike' is no decision"),
        ("diferent", ["a", "b"], [], "did you mean different?"),
        ("same", [], [], "no picture is named, and same is about two or more"),
        ("different", ["a"], [], "one picture is named, and different is about two or more"),
        ("keep", [], ["a"], "no picture is named, and keep is about one or more"),
        ("same", ["a", "b"], ["c"], "nothing is kept over other pictures by same"),
        ("same", ["a", "copy"], [], "all that is named is one picture"),
        ("keep", ["a", "b"], ["copy"], "a picture cannot be kept over itself"),
        ("same", ["a", "none"], [], "pictures/none.png"),
        ("same", ["a", ""], [], "pictures"),
        (5, ["a", "b"], [], "5 is no decision"),
    ],
)
def test_what_is_no_decision_is_refused(
    world: World, verb: str | None, pictures: list[str], over: list[str], message: str
) -> None:
    number = world.repo.tip.number
    words, others = ([f"pictures/{one}.png" if one else "pictures" for one in some] for some in (pictures, over))
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        world.store.decide(verb, words, over=others)
    assert world.repo.tip.number == number


def test_a_decision_is_about_ten_thousand_pictures_at_most(world: World) -> None:
    keys = [f"{number:032x}" for number in range(10_001)]
    with pytest.raises(UsageError, match="about at most 10,000 pictures, and this is about 10,001"):
        world.store.decide("different", keys)
    assert counts(world.store.decide("different", keys[1:])) == (1, 0, 10_000, 10_000)


def write(file: Path, *rows: object) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_a_file_says_many_decisions_in_one_record(world: World) -> None:
    file = write(
        world.top / "decisions.jsonl",
        {"verb": "different", "pictures": ["pictures/a.png", world.key(2)]},
        {"verb": "keep", "pictures": ["pictures/c.png"], "over": [{"key": world.key(1), "path": "anything"}]},
    )
    number = world.repo.tip.number
    assert counts(world.store.decide(rows=file)) == (2, 0, 3, 0)
    assert world.repo.tip.number == number + 1
    assert said(world.store) == [("keep", "c.png", "a.png"), ("different", "a.png b.png", "")]
    assert counts(world.store.decide(rows=str(file))) == (0, 2, 0, 0)
    with file.open("rb") as opened:
        assert counts(world.store.decide(rows=opened, dry_run=True)) == (0, 2, 0, 0)


def test_what_is_listed_is_taken_again_in_the_same_order(world: World, tmp_path: Path) -> None:
    for verb in ("same", "different", "same"):
        world.store.decide(verb, ["pictures/a.png", "pictures/b.png"])
    world.store.decide("keep", ["pictures/c.png"], over=["pictures/a.png"])
    document = {**world.store.decisions().to_json(), "store": "/somewhere"}
    other = World(tmp_path / "other").store
    other.decide(rows=io.BytesIO(json.dumps(document).encode()))
    keys = [
        [(row.verb, {one.key for one in row.pictures}) for row in store.decisions().decisions]
        for store in (world.store, other)
    ]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 4


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"x.jsonl, line 2: it is not JSON"),
        ("[1]", r"x.jsonl, line 2: it is no object"),
        ("{}", r"line 2: it has no verb"),
        ('{"verb": 1}', r"line 2: it has no verb"),
        ('{"verb": "same"}', r"line 2: no picture is named"),
        ('{"verb": "same", "pictures": 5}', r"line 2: its pictures are no list"),
        ('{"verb": "same", "pictures": {"a": 1}}', r"line 2: its pictures are no list"),
        ('{"verb": "same", "pictures": [5, 6]}', r"line 2: one of its pictures is neither"),
        ('{"verb": "same", "pictures": [{"path": "a"}]}', r"line 2: one of its pictures is neither"),
        ('{"verb": "same", "pictures": ["\\ud800"]}', r"line 2: '\\ud800' is no text"),
        ('{"verb": "same", "pictures": ["pictures/a.png", ""]}', r"line 2: a path is empty"),
        ('{"verb": "same", "pictures": ["pictures/a.png", "a\\u0000"]}', r"line 2: a path has a NUL character"),
        ('{"verb": "same", "pictures": ["pictures/a.png", "pictures/x.png"]}', r"line 2: pictures/x.png"),
        ('{"verb": "same", "keys": []}', r"line 2: a decision has no field 'keys'"),
        ('{"decisions": [{"verb": "sane", "pictures": []}]}', r"line 2, decision 1: 'sane' is no decision"),
        ('{"decisions": [], "more": 1}', r"line 2: a decision has no field 'decisions'"),
    ],
)
def test_a_fault_in_a_file_is_named_with_its_line_and_nothing_is_written(world: World, line: str, message: str) -> None:
    file = world.top / "x.jsonl"
    first = json.dumps({"verb": "same", "pictures": ["pictures/a.png", "pictures/b.png"]})
    file.write_text(f"{first}\n{line}\n")
    number = world.repo.tip.number
    with pytest.raises(UsageError, match=message) as caught:
        world.store.decide(rows=file)
    assert "nothing was changed" in caught.value.next_step
    assert world.repo.tip.number == number


def test_what_is_no_file_of_decisions_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for file, message in ((world.top / "none", "cannot be read"), (world.pictures, "is no file")):
        with pytest.raises(UsageError, match=message):
            world.store.decide(rows=file)
    (world.top / "x").write_bytes(b"\xff\n")
    with pytest.raises(UsageError, match="line 1: it is not UTF-8"):
        world.store.decide(rows=world.top / "x")
    monkeypatch.setattr(vstore.decide.rows, "LINE", 10)
    with pytest.raises(UsageError, match="line 1: it is too long"):
        world.store.decide(rows=write(world.top / "x", {"verb": "same", "pictures": []}))
    with pytest.raises(UsageError, match="is open for text; open it for bytes"):
        world.store.decide(rows=io.StringIO("{}\n"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a decision and a file of decisions are given"):
        world.store.decide("same", rows=[])
    with pytest.raises(UsageError, match="no decision is given"):
        world.store.decide(None, ["pictures/a.png"], rows=[])


@pytest.mark.parametrize("limit", [-1, "3", 2.5])
def test_a_list_has_a_whole_number_of_decisions(world: World, limit: Any) -> None:
    with pytest.raises(UsageError, match="decisions is none; give 0 or more, or None for all"):
        world.store.decisions(limit=limit)


def test_no_rows_decide_nothing(world: World) -> None:
    number = world.repo.tip.number
    assert counts(world.store.decide(rows=[])) == (0, 0, 0, 0)
    assert world.repo.tip.number == number


def test_a_stored_path_comes_before_a_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the store listed means the same wherever a program runs."""
    other = world.top / "elsewhere/pictures"
    other.mkdir(parents=True)
    (other / "a.png").write_bytes((world.pictures / "b.png").read_bytes())
    world.sync(other.parent)
    monkeypatch.chdir(other.parent)
    world.store.decide("same", ["pictures/a.png", "pictures/c.png"])
    assert said(world.store)[0][1] == "a.png c.png"
    world.store.decide("same", ["./pictures/a.png", "pictures/c.png"])
    assert said(world.store)[0][1] == "c.png elsewhere/pictures/a.png"


def test_a_store_of_format_1_says_what_to_run(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "store")
    with Store(tmp_path / "store") as store:
        assert store.decisions().decisions == ()
        with pytest.raises(MigrationNeeded, match=r"decisions need store format 2.*run: vstore migrate"):
            store.decide("same", ["ab" * 16, "cd" * 16], dry_run=True)


def test_the_report_of_one_decision_has_its_time_and_its_files(world: World) -> None:
    world.store.decide("keep", ["pictures/a.png"], over=["ab" * 16])
    (row,) = world.store.decisions().to_json()["decisions"]
    assert row["pictures"] == [{"key": world.key(1), "path": "pictures/a.png", "file": str(world.pictures / "a.png")}]
    assert row["over"] == [{"key": "ab" * 16, "path": None, "file": None}]
    assert (row["verb"], len(row["id"]), row["time"][:2], row["time"][-1]) == ("keep", 32, "20", "Z")
