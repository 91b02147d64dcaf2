"""What was decided about groups, and which groups are still to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builder import key
from support.folders import World
from support.look_alikes import jpeg, scene

from vstore.embed.builtin import BuiltinEmbedder
from vstore.format.decisions import Decision
from vstore.search.decided import Decided, Verdict
from vstore.search.dupes import DupesReport

SOME = st.frozensets(st.integers(1, 6), min_size=2)
DECISIONS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["same", "different"]), SOME, st.just(frozenset[int]())),
        SOME.flatmap(
            lambda about: st.tuples(
                st.just("keep"), st.just(about), st.frozensets(st.sampled_from(sorted(about)), min_size=1)
            )
        ),
        st.integers(1, 6).map(lambda one: ("keep", frozenset([one]), frozenset([one]))),
    ),
    max_size=8,
)


def made(every: Sequence[tuple[str, frozenset[int], frozenset[int]]]) -> list[Decision]:
    """Decisions, newest first."""
    return [
        Decision.of(verb, map(key, about), map(key, kept), id=bytes(16), time=time)
        for time, (verb, about, kept) in reversed([*enumerate(every)])
    ]


@given(DECISIONS, st.dictionaries(st.integers(1, 7), st.integers(1, 2), min_size=1))
def test_the_newest_decision_about_each_pair_counts(
    every: list[tuple[str, frozenset[int], frozenset[int]]], group: dict[int, int]
) -> None:
    """Each pair is looked up by itself. group: the number of files of each picture."""
    decided = Decided(made(every))
    newest = [*reversed(every)]
    verdicts: list[str | None] = []
    over = set()
    for one, other in combinations(sorted(group), 2):
        found = next((each for each in newest if {one, other} <= each[1]), None)
        verdicts.append(found[0] if found is not None else None)
        assert decided.are_apart(key(one), key(other)) is (verdicts[-1] == "different")
        if found is not None and found[0] == "keep" and len(found[2] & {one, other}) == 1:
            over |= {key(one), key(other)} - set(map(key, found[2]))
    copies, kept = True, set()
    for one, files in group.items():
        keeping = next((each for each in newest if each[0] == "keep" and one in each[1]), None)
        if keeping is not None and one in keeping[2] and key(one) not in over:
            kept.add(key(one))
        copies = copies and (files < 2 or (keeping is not None and keeping[1] == keeping[2]))
    same, keep = verdicts.count("same"), verdicts.count("keep")
    is_touched = any(not each[1].isdisjoint(group) for each in every)
    assert decided.about({key(one): [b"path"] * files for one, files in group.items()}) == Verdict(
        pairs=len(verdicts),
        same=same,
        keep=keep,
        over=tuple(sorted(over)),
        kept=tuple(sorted(kept)),
        whole=is_touched and same + keep == len(verdicts) and copies,
    )
    assert decided.different == {key(one) for each in every if each[0] == "different" for one in each[1]}


def test_one_entry_decides_about_thousands() -> None:
    keys = [key(number) for number in range(5_000)]
    decided = Decided([Decision.of("keep", keys, keys, id=bytes(16), time=0)])
    verdict = decided.about({one: [b"a", b"b"] for one in keys})
    assert verdict == Verdict(pairs=12_497_500, keep=12_497_500, kept=tuple(sorted(keys)), whole=True)


# Which groups are shown


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A store of a picture in three qualities, one of them twice, and of two others."""
    world = World(tmp_path, BuiltinEmbedder())  # type: ignore[arg-type]
    world.put({f"a{quality}.jpg": jpeg(scene(1), quality) for quality in (70, 80, 90)})
    world.put({"copy.jpg": jpeg(scene(1), 90), "b.jpg": jpeg(scene(2)), "c.jpg": jpeg(scene(3))})
    world.sync()
    monkeypatch.chdir(tmp_path)
    return world


A = [f"pictures/a{quality}.jpg" for quality in (70, 80, 90)]


def found(report: DupesReport) -> list[list[str]]:
    return [sorted(path.decode().removeprefix("pictures/") for path in group.paths) for group in report.groups]


def test_a_group_about_which_all_is_decided_is_left_out_and_counted(world: World) -> None:
    whole = ["a70.jpg", "a80.jpg", "a90.jpg", "copy.jpg"]
    assert found(world.store.dupes(near="auto")) == [whole]
    world.store.decide("keep", A)
    report = world.store.dupes(near="auto")
    assert (report.groups, report.wasted, report.decided) == ((), 0, 1)
    (group,) = world.store.dupes(near="auto", all=True).groups
    kept = tuple(sorted(bytes.fromhex(world.aliases()[path]) for path in A))
    assert group.verdict == Verdict(pairs=3, keep=3, kept=kept, whole=True)
    assert world.store.dupes(near="auto", all=True).decided == 0
    world.put({"a60.jpg": jpeg(scene(1), 60)})
    world.sync()
    (group,) = world.store.dupes(near="auto").groups
    assert (len(group.paths), group.verdict) == (5, Verdict(pairs=6, keep=3, kept=kept)), "a new one is undecided"
    world.store.undo()  # of the sync
    world.store.undo()
    assert found(world.store.dupes(near="auto")) == [whole]


def test_same_decides_about_pictures_and_not_about_their_files(world: World) -> None:
    world.store.decide("same", A[:2])
    (group,) = world.store.dupes(near="auto").groups
    assert group.verdict == Verdict(pairs=3, same=1)
    world.store.decide("same", A)
    (group,) = world.store.dupes(near="auto").groups
    assert group.verdict == Verdict(pairs=3, same=3)
    world.store.decide("keep", A[2])
    assert (world.store.dupes(near="auto").groups, world.store.dupes(near="auto").decided) == ((), 1)


def test_keep_says_which_are_not_to_stay(world: World) -> None:
    world.store.decide("keep", A[2], over=A[:2])
    (group,) = world.store.dupes(near="auto", all=True).groups
    assert set(group.verdict.over) == {bytes.fromhex(world.aliases()[path]) for path in A[:2]}
    assert (group.verdict.pairs, group.verdict.keep, group.verdict.whole) == (3, 3, False), "it has two files"
    assert group.verdict.kept == (bytes.fromhex(world.aliases()[A[2]]),)
    assert len(group.to_json()["verdict"]["over"]) == 2  # type: ignore[call-overload,index,arg-type]


def test_files_with_the_same_bytes_are_decided_about_by_keeping_them_all(world: World) -> None:
    assert found(world.store.dupes()) == [["a90.jpg", "copy.jpg"]]
    world.store.decide("keep", A[2], over=A[:1])
    assert found(world.store.dupes()) == [["a90.jpg", "copy.jpg"]]
    world.store.decide("keep", A[2])
    for verify in (False, True):
        report = world.store.dupes(verify=verify)
        assert (report.groups, report.wasted, report.decided) == ((), 0, 1)
        (group,) = world.store.dupes(verify=verify, all=True).groups
        assert group.verdict == Verdict(kept=(group.key,), whole=True)


def test_decisions_cut_before_they_are_counted(world: World) -> None:
    world.store.decide("keep", A)
    world.store.decide("different", A[:2])
    (group,) = world.store.dupes(near="auto", all=True).groups
    assert len({"pictures/a70.jpg", "pictures/a80.jpg"} & {path.decode() for path in group.paths}) == 1
    assert (group.verdict.pairs, group.verdict.keep, group.verdict.whole) == (1, 1, True)
    assert world.store.dupes(near="auto").decided == 1


def test_flat_pictures_with_the_same_bytes_are_decided_about_too(world: World) -> None:
    from support.folders import plain

    world.put({"black.png": plain((0, 0, 0)), "night.png": plain((0, 0, 0))})
    world.sync()
    assert ["black.png", "night.png"] in found(world.store.dupes(near="auto"))
    world.store.decide("keep", "pictures/night.png")
    report = world.store.dupes(near="auto")
    assert ["black.png", "night.png"] not in found(report)
    assert report.decided == 1
