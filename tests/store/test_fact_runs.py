"""Runs of facts: their pages, look-ups down one path, and the merge of several."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builder import HASH, key
from support.facts import PREPARED, UNKNOWN, Pages, made, rows

from vstore.errors import Damage
from vstore.format import fact_pages, fact_runs, facts
from vstore.format.fact_pages import ROWS, FactPage
from vstore.format.fact_runs import Inner, Run, merged, new_run
from vstore.format.facts import Column, Fact, chosen
from vstore.format.pages import FACTS, MAXIMUM, Child, decode_inner, encode_inner, level_of
from vstore.format.run_entry import RunRef


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves of four facts and inner pages of three children, so that a few facts make a run of several levels."""
    monkeypatch.setattr(fact_pages, "ROWS", 4)
    monkeypatch.setattr(fact_runs, "ROWS", 4)
    monkeypatch.setattr(fact_runs, "MAXIMUM", 3)


def stored(found: list[Fact], pages: Pages | None = None) -> tuple[Run, Pages]:
    """Store a run, and open it."""
    pages = pages or Pages()
    new = new_run(HASH, found)
    assert new is not None
    assert all(HASH.digest(page) == digest for digest, page in new.pages.items())
    pages.stored |= new.pages
    return Run(HASH, pages.fetch, new.ref), pages


def test_no_facts_are_no_run() -> None:
    assert new_run(HASH, []) is None


@given(rows(max_size=40))
def test_a_run_of_one_leaf_is_its_leaf(found: list[Fact]) -> None:
    run, pages = stored(found)
    assert list(pages.stored) == [run.top.digest] and run.top.count == len(found)
    assert list(run) == found and list(run.digests()) == [run.top.digest]


@pytest.mark.parametrize("count", [4, 5, 12, 13, 36, 37, 100])
@pytest.mark.usefixtures("small")
def test_a_run_is_read_back_as_it_was_written(count: int) -> None:
    found = made(1, range(count))
    run, pages = stored(found)
    assert list(run) == found
    assert set(run.digests()) == pages.stored.keys()
    assert [leaf.rows for leaf in run.leaves()] == [4] * (count // 4) + [count % 4] * bool(count % 4)
    for fact in found:
        assert list(run.find([fact.key])) == [fact]
    assert list(run.find([fact.key for fact in found])) == found
    assert list(run.find([key(1000 + n) for n in range(50)])) == []
    some = sorted([*(fact.key for fact in found[1::3]), *(key(1000 + n) for n in range(30)), bytes(16), b"\xff" * 16])
    assert list(run.find(some)) == found[1::3]
    assert list(run.find(some, {facts.WIDTH})) == [f._replace(values={facts.WIDTH: 4000}) for f in found[1::3]]


def test_a_run_is_cut_as_format_says() -> None:
    found = made(1, range(2 * ROWS + 5))
    run, pages = stored(found)
    root = run.page(run.top)
    assert isinstance(root, Inner) and root.level == 1
    assert [child.count for child in root.children] == [ROWS, ROWS, 5]
    assert [child.first for child in root.children] == [found[0].key, found[ROWS].key, found[2 * ROWS].key]
    assert pages.stored[run.top.digest][:3] == b"vf1"
    assert fact_runs.MAXIMUM == MAXIMUM == 512 and ROWS == 1024


@pytest.mark.usefixtures("small")
def test_levels_are_built_until_one_page_is_left() -> None:
    run, pages = stored(made(1, range(40)))
    levels = sorted((level_of(page, FACTS), len(page)) for page in pages.stored.values())
    assert [level for level, _ in levels] == [0] * 10 + [1] * 4 + [2] * 2 + [3]
    root = decode_inner(pages.stored[run.top.digest], 16, FACTS)
    assert [child.count for child in root] == [36, 4]


@pytest.mark.usefixtures("small")
def test_a_look_up_reads_one_path_and_several_read_each_page_once() -> None:
    found = made(1, range(100))
    run, pages = stored(found)
    for wanted in (found[0], found[37], found[99]):
        pages.read.clear()
        assert list(run.find([wanted.key])) == [wanted]
        assert len(pages.read) == 4
    pages.read.clear()
    assert list(run.find([found[0].key, found[1].key, found[99].key])) == [found[0], found[1], found[99]]
    assert len(pages.read) == len(set(pages.read)) == 7
    pages.read.clear()
    assert list(run.find([bytes(16)])) == [] and len(pages.read) == 1
    pages.read.clear()
    assert list(run.find([])) == [] and len(pages.read) <= 1
    pages.read.clear()
    assert len(set(run.digests())) == 25 + 9 + 3 + 1 and len(pages.read) == 13, "leaves are not read"


@pytest.mark.usefixtures("small")
def test_facts_that_do_not_rise_from_leaf_to_leaf_are_not_written() -> None:
    found = made(1, range(8))
    for wrong in ([*found[4:], *found[:4]], [*found[:4], *found[3:6]]):
        with pytest.raises(ValueError, match="out of order"):
            new_run(HASH, wrong)


def swapped(page: bytes, change: Callable[[list[Child]], list[Child]], level: int = 1) -> bytes:
    return encode_inner(change(decode_inner(page, 16, FACTS)), level, FACTS)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "change",
    [
        lambda c: [c[0], c[1]._replace(count=3), c[2]._replace(count=5)],
        lambda c: [c[0], c[1]._replace(first=c[1].first[:-1] + bytes([c[1].first[-1] ^ 1])), c[2]],
        lambda c: [c[0], c[1]._replace(digest=c[2].digest), c[2]],
        lambda c: c[:2],
    ],
    ids=["count", "first", "digest", "fewer"],
)
def test_a_page_that_is_not_what_names_it_is_damage(change: Callable[[list[Child]], list[Child]]) -> None:
    run, pages = stored(made(1, range(12)))
    for level in (1, 2):
        pages.stored[b"root"] = swapped(pages.stored[run.top.digest], change if level == 1 else list, level)
        with pytest.raises(Damage, match="does not match what names it"):
            list(Run(HASH, pages.fetch, RunRef(b"root", 12)))
    with pytest.raises(Damage, match="does not match what names it"):
        list(Run(HASH, pages.fetch, RunRef(run.top.digest, 13)))


@pytest.mark.usefixtures("small")
def test_pages_of_another_level_are_damage() -> None:
    found = made(1, range(16))
    run, pages = stored(found)
    root = run.page(run.top)
    assert isinstance(root, Inner) and root.level == 2
    leaf = stored(found[12:], pages)[0].top._replace(first=found[12].key)
    pages.stored[b"root"] = encode_inner([root.children[0], leaf], 2, FACTS)
    with pytest.raises(Damage, match="does not match what names it"):
        list(Run(HASH, pages.fetch, RunRef(b"root", 16)).find([found[15].key]))


@pytest.mark.usefixtures("small")
def test_leaves_that_are_out_of_order_are_damage() -> None:
    found = made(1, range(8))
    first, second = stored(found[:5:2] + found[7:])[0].top, stored(found[1:7:2])[0].top
    pages = stored(found[1:7:2], stored(found[:5:2] + found[7:])[1])[1]
    children = [first._replace(first=found[0].key), second._replace(first=found[1].key)]
    pages.stored[b"root"] = encode_inner(children, 1, FACTS)
    with pytest.raises(Damage, match="out of order"):
        list(Run(HASH, pages.fetch, RunRef(b"root", 7)))


def test_a_page_of_another_kind_is_damage() -> None:
    pages = Pages()
    pages.stored[b"root"] = b"vp0\0"
    with pytest.raises(Damage, match="page of facts"):
        list(Run(HASH, pages.fetch, RunRef(b"root", 1)))


# Merging


OTHER = Column("pixels/0123456789abcdef", "k")


def test_the_highest_reader_wins_and_of_equal_ones_the_later_place() -> None:
    one, two, three = Fact(b"k", 2, {facts.WIDTH: 1}), Fact(b"k", 1, {facts.WIDTH: 2}), Fact(b"k", 2, {facts.HEIGHT: 3})
    assert chosen([one]) == one
    assert chosen([one, two]) == one
    assert chosen([two, one]) == one
    assert chosen([one, two, three]) == three, "all of the winner, and nothing of another"
    assert chosen([three, one, two]) == one


def test_pixels_that_the_winner_lacks_come_from_the_next() -> None:
    one = Fact(b"k", 1, {PREPARED: b"1", OTHER: b"1", facts.WIDTH: 1})
    two = Fact(b"k", 2, {PREPARED: b"2"})
    three = Fact(b"k", 3, {facts.HEIGHT: 3})
    assert chosen([one, three, two]).values == {PREPARED: b"2", OTHER: b"1", facts.HEIGHT: 3}
    assert chosen([two, one]).values == {PREPARED: b"2", OTHER: b"1"}
    assert chosen([Fact(b"k", 1, {PREPARED: b"a"}), Fact(b"k", 1, {PREPARED: b"b"}), three]).values[PREPARED] == b"b"


@st.composite
def several(draw: st.DrawFn) -> list[list[Fact]]:
    """Draw runs that share keys."""
    keys = draw(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=6, unique=True))
    values = st.fixed_dictionaries(
        {}, optional={facts.WIDTH: st.integers(0, 9), PREPARED: st.just(b"p" * 16), UNKNOWN: st.integers(0, 9)}
    )
    one = st.dictionaries(st.sampled_from(keys), st.tuples(st.integers(1, 3), values), min_size=1)
    runs = draw(st.lists(one, min_size=1, max_size=6))
    return [[Fact(key, *run[key]) for key in sorted(run)] for run in runs]


def by_hand(runs: list[list[Fact]]) -> dict[bytes, Fact]:
    """Merge runs, one fact after another, as FORMAT.md says it."""
    best: dict[bytes, Fact] = {}
    for run in runs:
        for fact in run:
            old = best.get(fact.key)
            if old is None:
                best[fact.key] = fact
                continue
            winner, other = (fact, old) if fact.reader >= old.reader else (old, fact)
            kept = {column: value for column, value in other.values.items() if column.name.startswith("pixels/")}
            best[fact.key] = winner._replace(values={**kept, **winner.values})
    return best


@settings(max_examples=200)
@given(several(), st.data())
def test_a_merge_of_runs_is_a_run_and_the_order_of_merges_changes_nothing(
    runs: list[list[Fact]], data: st.DataObject
) -> None:
    whole = list(merged(runs))
    assert {fact.key: fact for fact in whole} == by_hand(runs)
    assert whole == sorted(whole, key=lambda fact: fact.key)
    start = data.draw(st.integers(0, len(runs) - 1))
    stop = data.draw(st.integers(start + 1, len(runs)))
    part = list(merged(runs[start:stop]))
    assert list(merged([*runs[:start], part, *runs[stop:]])) == whole


def test_a_merge_keeps_columns_that_it_does_not_know() -> None:
    one, _ = stored([Fact(key(1), 1, {UNKNOWN: 7, facts.WIDTH: 1})])
    two, _ = stored([Fact(key(2), 1, {OTHER: b"o" * 16})])
    both = new_run(HASH, merged([one, two]))
    assert both is not None
    page = FactPage(both.pages[both.ref.root], 16)
    found = {fact.key: fact.values for fact in page.facts()}
    assert found == {key(1): {UNKNOWN: 7, facts.WIDTH: 1}, key(2): {OTHER: b"o" * 16}}


@pytest.mark.usefixtures("small")
def test_a_column_has_one_type_in_all_leaves_of_a_run() -> None:
    def with_column(fact: Fact, column: Column, value: int | str) -> Fact:
        return fact._replace(values={**fact.values, column: value})

    found = made(1, range(8))
    other = [with_column(fact, Column("zz", "2"), 1) for fact in found[:6]]
    other += [with_column(fact, Column("zz", "t"), "x") for fact in found[6:]]
    with pytest.raises(ValueError, match="two types"):
        new_run(HASH, other)
    tops = [stored(part)[0].top._replace(first=part[0].key) for part in (other[:4], other[4:6], other[6:])]
    pages = Pages()
    for part in (other[:4], other[4:6], other[6:]):
        stored(part, pages)
    pages.stored[b"root"] = encode_inner(tops, 1, FACTS)
    with pytest.raises(Damage, match="two types"):
        list(Run(HASH, pages.fetch, RunRef(b"root", 8)))
