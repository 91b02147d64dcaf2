"""The names of snapshots."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builder import Builder, aliases
from support.failing_disks import disk
from support.folders import World

from vstore import Operand, clock
from vstore.errors import AmbiguousSnapshot, Damage, SnapshotNotFound, UsageError
from vstore.format.entries import Snapshot
from vstore.format.hashing import store_hash
from vstore.format.listing import Listing
from vstore.format.state import State
from vstore.repository.names import Past, find_snapshot
from vstore.repository.repository import Repository

__all__ = ["disk"]


@pytest.fixture
def versions(builder: Builder) -> Repository:
    """v1 to v4, of which v3 has the content of v1; current went v1 v2 v3 v4 v2."""
    for numbers in ((1,), (1, 2), (1,), (3,)):
        builder.add_pictures(aliases(*numbers))
    repo = builder.repo
    with repo.committing("tag"):
        repo.publish("tag", {"tags": {"good": "v2"}})
    with repo.committing("rollback"):
        repo.publish("rollback", {"current": "v2"})
    return Repository(repo.layout.folder)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("v1", "v1"),
        ("V4", "v4"),
        ("v0004", "v4"),
        ("current", "v2"),
        ("latest", "v4"),
        ("good", "v2"),
        ("v4~1", "v3"),
        ("v4~0", "v4"),
        ("latest~3", "v1"),
        ("v4~1~2", "v1"),
        ("good~1", "v1"),
        ("@{0}", "v2"),
        ("@{1}", "v4"),
        ("@{2}", "v3"),
        ("@{4}", "v1"),
        ("@{1}~1", "v3"),
        ("HEAD", "v2"),
        ("@", "v2"),
        ("HEAD~1", "v1"),
        ("@~1", "v1"),
        ("HEAD^", "v1"),
        ("HEAD@{1}", "v4"),
        ("current@{1}", "v4"),
        ("v4~", "v3"),
        ("v4^", "v3"),
        ("v4~~", "v2"),
        ("v4^^~1", "v1"),
        ("@{1}^", "v3"),
    ],
)
def test_a_snapshot_has_many_names(versions: Repository, name: str, found: str) -> None:
    assert versions.snapshot(name).name == found


@pytest.mark.parametrize(
    "name",
    [
        "",
        "v5",
        "v0",
        "v",
        "x",
        "Good",
        "v1~1",
        "v4~9",
        "~1",
        "v4~x",
        "@{x}",
        "@{}",
        "abc",
        "v1\n",
        "٧",
        "v٣",
        "2",
        *(
            "head",
            "v2^2",
            "v2@{1}",
            "^",
            "~",
            "~~",
            "2026",
            "2026-11",
            "yesterday",
            "V",
            "good~~",
            "v1^",
            "v4" + "~" * 50,
        ),
    ],
)
def test_what_names_no_snapshot_is_an_error_that_says_how_many_there_are(versions: Repository, name: str) -> None:
    with pytest.raises(SnapshotNotFound, match=r"\(this store has 4\)") as raised:
        versions.snapshot(name)
    assert repr(name) in raised.value.message
    assert raised.value.next_step.endswith("list them with: vstore snapshot list")


def test_a_value_of_current_that_is_not_kept_is_an_error_that_says_how_many_are(versions: Repository) -> None:
    with pytest.raises(SnapshotNotFound, match=r"there is no @\{5\}: `current` has had 5 values") as raised:
        versions.snapshot("@{5}")
    assert raised.value.next_step == "list them with: vstore snapshot list"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("2", "v2"),
        ("02", "v2"),
        ("v 2", "v2"),
        ("#3", "v3"),
        ("snapshot 3", "v3"),
        ("2~1", "v2~1"),
        ("v9", "v4"),
        ("lates", "latest"),
        ("curent", "current"),
        ("curent~1", "current~1"),
        ("Latest", "latest"),
        ("LATEST~2", "latest~2"),
        ("head", "current"),
        ("head~1", "current~1"),
        ("last", "latest"),
        ("previous", "@{1}"),
        ("-", "@{1}"),
        ("goood", "good"),
        ("Good", "good"),
        ("v4^2", "v4~2"),
        ("@{1", "@{1}"),
        ("@1", "@{1}"),
        ("@(1)", "@{1}"),
        ("HEAD@1", "@{1}"),
        (" v2 ", "v2"),
        ("origin/v3", "v3"),
        ("remotes/origin/v3", "v3"),
    ],
)
def test_a_near_miss_names_what_it_may_mean(versions: Repository, name: str, meant: str) -> None:
    with pytest.raises(SnapshotNotFound, match=rf"did you mean {re.escape(meant)}\? list them with:") as raised:
        versions.snapshot(name)
    assert raised.value.instead == (name, meant)


@pytest.mark.parametrize(
    "name", ["xyzzy", "v4~9", "9", "0", "@{77}", "v4~99", "lates~99", "v" + "9" * 6000, "@{" + "9" * 6000]
)
def test_nothing_is_suggested_that_there_is_not(versions: Repository, name: str) -> None:
    with pytest.raises(SnapshotNotFound) as raised:
        versions.snapshot(name)
    assert raised.value.instead is None


def test_a_suggestion_that_cannot_be_looked_up_is_none(versions: Repository) -> None:
    def lost() -> list[str | None]:
        raise Damage("refs/000000000001.json is damaged", "run: vstore repair")

    with pytest.raises(SnapshotNotFound) as raised:
        find_snapshot(versions.listing, "previous", Past(lost, list, lambda: 0))
    assert raised.value.instead is None


def test_the_first_digits_of_an_id_suggest_its_snapshot_if_they_are_too_few(versions: Repository) -> None:
    found = versions.snapshot("v2")
    with pytest.raises(SnapshotNotFound, match="did you mean v2"):
        versions.snapshot(found.id[:3])


def test_a_snapshot_is_found_by_the_first_digits_of_its_id(versions: Repository) -> None:
    listed = {s.name: s for s in versions.listing.kept()}
    assert listed["v1"].id == listed["v3"].id, "equal states have equal ids"
    assert versions.snapshot(listed["v2"].id[:8]).name == "v2"
    assert versions.snapshot(listed["v2"].id.upper()).name == "v2"
    assert versions.snapshot(listed["v1"].id[:8]).name == "v3", "the newest of equal ones"
    with pytest.raises(SnapshotNotFound):
        versions.snapshot(listed["v2"].id[:3])


def test_digits_that_fit_several_ids_are_ambiguous_and_all_are_named(builder: Builder) -> None:
    repo = builder.repo
    snapshot = builder.add_pictures(aliases(1))
    with repo.committing("sync"):
        listed = {f"v{n}": snapshot._replace(name=f"v{n}", id=f"abcd{n}{'0' * 27}").to_json() for n in (7, 8)}
        repo.publish("sync", {"snapshots": listed})
    with pytest.raises(AmbiguousSnapshot, match=r"v8 \(abcd80000000\), v7 \(abcd70000000\)"):
        repo.snapshot("abcd")
    assert repo.snapshot("abcd7").name == "v7"


def test_a_forgotten_snapshot_has_no_name_any_more(versions: Repository) -> None:
    with versions.committing("forget"):
        versions.publish("forget", {"snapshots": {"v3": {"kept": False}}})
    for name in ("v3", "v4~1", "@{2}"):
        with pytest.raises(SnapshotNotFound):
            versions.snapshot(name)
    with pytest.raises(SnapshotNotFound, match=r"v3 was forgotten \(this store has 3\); the nearest is v2; list them"):
        versions.snapshot("v3")
    with pytest.raises(SnapshotNotFound, match=r"'@\{2\}' leads to v3, which was forgotten"):
        versions.snapshot("@{2}")
    assert versions.snapshot("latest").name == "v4"


def test_in_an_empty_store_the_error_says_how_to_make_the_first_snapshot(builder: Builder) -> None:
    for name in ("current", "latest", "v1", "@{0}"):
        with pytest.raises(SnapshotNotFound, match="no snapshot yet; make one with: vstore sync FOLDER"):
            builder.repo.snapshot(name)


def test_the_number_of_an_undone_snapshot_is_not_given_again(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()
    world.put({"b.png": 2})
    world.sync()
    world.store.undo()
    world.store.undo()
    report = world.sync()
    assert report.snapshot == "v3"
    world.store.undo()
    world.put({"c.png": 3})
    assert world.sync().snapshot == "v4"
    assert [row.snapshot for row in world.store.snapshot_list()] == ["v4", "v3", "v2", "v1"]


# Dates


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the clock, UTC. The zone is an hour before it."""
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()

    def set_to(text: str) -> None:
        now = calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M"))
        monkeypatch.setattr(clock, "seconds", lambda: now)

    yield set_to
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def dated(world: World, at: Callable[[str], None]) -> World:
    """v1 of the 20th, v2 of the 21st 23:30 UTC, which is the 22nd here; back to v1 on the 23rd; today is the 24th."""
    at("2026-11-20 08:00")
    world.put({"a.png": 1})
    world.sync()
    at("2026-11-21 23:30")
    world.put({"b.png": 2})
    world.sync()
    at("2026-11-23 10:00")
    world.store.rollback("v1")
    at("2026-11-24 12:00")
    return world


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("2026-11-20", "v1"),
        ("2026-11-21", "v1"),
        ("2026-11-22", "v2"),
        ("2026-11-24", "v2"),
        ("2026-11-22 00:29", "v1"),
        ("2026-11-22 00:30", "v2"),
        ("2026-11-22T00:30:00", "v2"),
        ("2026-11-21T23:30:00Z", "v2"),
        ("2026-11-21T23:29:59Z", "v1"),
        ("2099-01-01", "v2"),
        ("2026-11-24~1", "v1"),
        ("@{2026-11-22}", "v2"),
        ("@{2026-11-23 10:59}", "v2"),
        ("@{2026-11-23 11:00}", "v1"),
        ("@{2026-11-24}", "v1"),
        ("@{yesterday}", "v1"),
        ("@{2 days ago}", "v2"),
        ("@{27 hours ago}", "v2"),
        ("@{25 hours ago}", "v1"),
        ("@{now}", "v1"),
        ("@{2 days ago}~1", "v1"),
        ("HEAD@{2.days.ago}", "v2"),
    ],
)
def test_a_date_means_what_was_newest_and_in_braces_what_was_current(dated: World, name: str, found: str) -> None:
    assert dated.repo.snapshot(name).name == found


def test_dates_hold_after_a_gc_and_after_what_it_unlinked(dated: World, at: Callable[[str], None]) -> None:
    dated.store.gc()
    at("2026-11-25 12:00")
    dated.store.rollback("v2")
    dated.store.gc()
    for name, found in (
        ("@{2026-11-22}", "v2"),
        ("@{2026-11-24}", "v1"),
        ("@{2026-11-25}", "v2"),
        ("2026-11-21", "v1"),
    ):
        assert dated.repo.snapshot(name).name == found
    values = {name: dated.repo.snapshot(name).name for name in ("@{0}", "@{1}", "@{2}", "@{3}")}
    assert values == {"@{0}": "v2", "@{1}": "v1", "@{2}": "v2", "@{3}": "v1"}


def test_earlier_values_of_current_are_the_same_after_a_gc(world: World) -> None:
    for number in (1, 2, 3):
        world.put({f"{number}.png": number})
        world.sync()
    world.store.rollback("v1")
    world.store.snapshot_tag("v2", "good")
    world.store.undo()  # of the tag: current stays
    before = [world.repo.snapshot(f"@{{{back}}}").name for back in range(4)]
    assert before == ["v1", "v3", "v2", "v1"]
    world.store.gc()
    assert [world.repo.snapshot(f"@{{{back}}}").name for back in range(4)] == before
    with pytest.raises(SnapshotNotFound, match=r"no @\{4\}: `current` has had 4 values as far as the log tells"):
        world.repo.snapshot("@{4}")
    world.store.rollback("v2")
    world.store.gc()
    assert [world.repo.snapshot(f"@{{{back}}}").name for back in range(5)] == ["v2", *before]


def test_a_removed_snapshot_says_what_removed_it_and_which_is_nearest(world: World, at: Callable[[str], None]) -> None:
    at("2026-11-20 08:00")
    for number in (1, 2, 3):
        world.put({f"{number}.png": number})
        world.sync()
    at("2026-11-21 08:00")
    world.store.snapshot_forget(["v2"])
    at("2026-11-22 08:00")
    world.store.gc()
    world.store.gc()
    how = "was forgotten at 2026-11-21T08:00:00Z, and removed by gc at 2026-11-22T08:00:00Z"
    for name, leads in (("v2", "v2 "), ("@{1}", "'@{1}' leads to v2, which "), ("v3~1", "'v3~1' leads to v2, which ")):
        with pytest.raises(SnapshotNotFound, match=f"^{re.escape(leads + how)}") as raised:
            world.repo.snapshot(name)
        assert raised.value.next_step == "the nearest is v1; list them with: vstore snapshot list"
    world.store.snapshot_forget(["v1"])
    world.store.gc()
    with pytest.raises(SnapshotNotFound, match="the nearest is v3"):
        world.repo.snapshot("v1")


def test_one_of_many_forgotten_snapshots_that_the_log_does_not_name_was_removed_by_gc(world: World) -> None:
    for number in range(13):
        world.put({f"{number}.png": number})
        world.sync()
    world.store.snapshot_forget([f"v{number}" for number in range(1, 13)])
    world.store.gc()
    with pytest.raises(SnapshotNotFound, match=r"^v1 was removed by gc \(this store has 1\); the nearest is v13"):
        world.repo.snapshot("v1")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("2026-11-19", r"no snapshot was made by 2026-11-19: the oldest, v1, is of 2026-11-20T08:00:00Z; list them"),
        ("2026-02-30", "2026-02-30 is no date: day is out of range for month"),
        ("@{2026-11-19}", "no snapshot was current at 2026-11-19T22:59:59Z: the log begins at 2026-11-20T08:00:00Z"),
        ("@{a year ago}", "no snapshot was current at 2025-11-24T12:00:00Z"),
        ("@{yesterdya}", r"no snapshot '@\{yesterdya\}' .* did you mean @\{yesterday\}"),
        ("yesterday", r"did you mean @\{yesterday\}"),
        ("2 days ago", r"did you mean @\{2 days ago\}"),
        ("2026/11/22", "did you mean 2026-11-22"),
        ("20261122", "did you mean 2026-11-22"),
        ("2026-11-9", None),
        ("2026-11-1", None),
        ("2026.11.22", "did you mean 2026-11-22"),
        ("22.11.2026", "did you mean 2026-11-22"),
        ("22/11/2026", "did you mean 2026-11-22"),
        ("11/22/2026", "did you mean 2026-11-22"),
        ("11-11-2027", "did you mean 2027-11-11"),
        ("12/11/2027", "no snapshot '12/11/2027' [^?]*$"),
        ("31.02.2027", "no snapshot '31.02.2027' [^?]*$"),
    ],
)
def test_a_date_before_the_first_snapshot_says_so(dated: World, name: str, says: str | None) -> None:
    with pytest.raises(SnapshotNotFound, match=says):
        dated.repo.snapshot(name)


def test_at_a_time_without_a_current_snapshot_none_is_found(world: World, at: Callable[[str], None]) -> None:
    at("2026-11-20 08:00")
    world.put({"a.png": 1})
    world.sync()
    at("2026-11-21 08:00")
    world.store.undo()
    at("2026-11-22 08:00")
    world.store.redo()
    with pytest.raises(SnapshotNotFound, match="the log names no snapshot that was current at 2026-11-21T22:59:59Z"):
        world.repo.snapshot("@{2026-11-21}")
    assert world.repo.snapshot("@{2026-11-20}").name == world.repo.snapshot("2026-11-21").name == "v1"


def test_dates_are_names_wherever_a_snapshot_is_asked_for(dated: World, tmp_path: Path) -> None:
    store = dated.store
    day = "2026-11-20"
    assert store.snapshot_show(day).row.snapshot == "v1"
    assert store.snapshot_diff(day, "2026-11-22").after == "v2"
    assert store.snapshot_export(day, tmp_path / "a.jsonl").snapshot == "v1"
    assert store.export(tmp_path / "b.jsonl", at=day).snapshot == "v1"
    assert store.dupes(at=day).snapshot == "v1"
    picture = [Operand(1.0, image=bytes(dated.pictures / "b.png"))]
    assert store.search(picture, at=day).snapshot == "v1"
    assert len(store.search(picture, at="2026-11-22", new_since=day).hits) == 1
    assert store.snapshot_tag(day, "first").snapshot == "v1"
    assert store.snapshot_forget(["2026-11-22"]).forgotten == ("v2",)
    assert store.rollback("@{2026-11-20}").current == "v1"


def test_a_tag_that_looks_like_a_date_keeps_its_meaning(dated: World) -> None:
    with dated.repo.committing("tag"):
        dated.repo.publish("tag", {"tags": {"2026-11-20": "v2", "a^": "v2", "HEAD": "v2"}})
    for tag in ("2026-11-20", "a^", "HEAD"):
        assert dated.repo.snapshot(tag).name == "v2"
        assert dated.repo.snapshot(f"{tag}~1").name == "v1"
    with pytest.raises(
        UsageError, match="'2026-11-21' looks like a date, which means the newest snapshot made by then"
    ):
        dated.store.snapshot_tag("v1", "2026-11-21")
    dated.store.snapshot_untag("2026-11-20")
    assert dated.repo.snapshot("2026-11-20").name == "v1"


def test_no_tag_of_a_forged_store_takes_the_place_of_current_or_latest(versions: Repository) -> None:
    with versions.committing("tag"):
        versions.publish("tag", {"tags": {"current": "v1", "latest": "v1"}})
    assert versions.snapshot("current").name == "v2"
    assert versions.snapshot("latest").name == "v4"
    assert versions.snapshot("latest~1").name == "v3"


# Any names of any store


class Made(NamedTuple):
    """A snapshot of a store made up: its time, its parent, and whether it is kept."""

    time: int
    parent: int
    kept: bool


def listed(made: list[Made], tags: dict[str, int], current: int | None) -> Listing:
    """List snapshots v1, v2, … of a state of format 1."""

    def entry(number: int, one: Made) -> dict[str, Any]:
        parent = f"v{one.parent}" if one.parent else None
        made = Snapshot(f"v{number}", f"{number:032x}", b"", "0" * 64, 1, 1, clock.written(one.time), parent=parent)
        return {**made.to_json(), **({} if one.kept else {"kept": False})}

    entries = {f"v{number}": entry(number, one) for number, one in enumerate(made, 1)}
    document: dict[str, Any] = {
        "snapshots": entries,
        "tags": {tag: f"v{number}" for tag, number in tags.items()},
        "current": f"v{current}" if current else None,
        "next_v": len(made) + 1,
    }
    return Listing(State(document), store_hash("xxh3_128"), lambda digest: pytest.fail("no tree is read"))


DAY = 86_400


@st.composite
def stores(draw: st.DrawFn) -> tuple[list[Made], dict[str, int], int]:
    count = draw(st.integers(1, 6))
    made = [
        Made(draw(st.integers(1, 8)) * DAY, draw(st.integers(0, number)), draw(st.booleans()) or number == 0)
        for number in range(count)
    ]
    tags = draw(st.dictionaries(st.sampled_from(["a", "b^", "1970-01-03", "v", "good"]), st.integers(1, count)))
    return made, tags, draw(st.integers(1, count))


NAMES = st.one_of(
    st.sampled_from(
        ["current", "latest", "HEAD", "@", "a", "b^", "good", "v", "1970-01-03", "1970-01-05", "1970-01-05T00:00:00Z"]
    ),
    st.integers(0, 8).map("v{}".format),
    st.text("v@{}~^0123currentaHEDl/- ", max_size=8),
)


@given(stores(), NAMES, st.lists(st.sampled_from(["~", "^", "~0", "~1", "~2"]), max_size=3))
def test_a_name_means_what_the_rules_say_and_a_suggestion_is_a_name(
    store: tuple[list[Made], dict[str, int], int], base: str, steps: list[str]
) -> None:
    made, tags, current = store
    listing, past = listed(*store), Past(list, list, lambda: 9 * DAY)
    name = base + "".join(steps)
    found = meaning(made, tags, current, name)
    try:
        assert find_snapshot(listing, name, past).name == f"v{found}"
    except SnapshotNotFound as miss:
        assert found is None
        if miss.instead is not None:
            assert miss.instead[0] == name != miss.instead[1]
            assert meaning(made, tags, current, miss.instead[1]) is not None


def meaning(made: list[Made], tags: dict[str, int], current: int, name: str) -> int | None:
    """Find the number of a snapshot by the rules, in another way: from the end of the name. None if it means none."""
    kept = [number for number, one in enumerate(made, 1) if one.kept]
    if name in tags:
        found: int | None = tags[name]
    elif step := re.search(r"(~[0-9]*|\^)$", name):
        up = 1 if step[1] in ("~", "^") else int(step[1][1:])
        found = meaning(made, tags, current, name[: step.start()])
        for _ in range(up):
            found = made[found - 1].parent if found else None
            found = found if found in kept else None
    elif name in ("current", "HEAD", "@"):
        found = current
    elif name == "latest":
        found = max(kept)
    elif re.fullmatch(r"[vV][0-9]+", name):
        found = int(name[1:])
    elif day := re.fullmatch(r"1970-01-0([35])(T00:00:00Z)?", name):
        until = (int(day[1]) - (1 if day[2] else 0)) * DAY - (0 if day[2] else 1) + OFFSET * (0 if day[2] else 1)
        found = max((n for n in kept if made[n - 1].time <= until), key=lambda n: (made[n - 1].time, n), default=None)
    else:
        found = None
    return found if found in kept else None


OFFSET = time.timezone  # seconds from local midnight to that of UTC, in winter
