"""Which class each path is in."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from vstore.format.delta import CLASSES, EXAMPLES, Change, Delta, classify


def classes(delta: Delta) -> dict[str, list[tuple[bytes, ...]]]:
    return {name: found for name, found in delta.examples.items() if found}


def test_two_files_that_swap_contents_are_changed_both() -> None:
    delta = classify([(b"a", b"1", b"2"), (b"b", b"2", b"1")], {b"1", b"2"}, {b"1", b"2"})
    assert classes(delta) == {"changed": [(b"a",), (b"b",)]}


def test_paths_that_went_and_came_with_one_key_are_paired_in_path_order() -> None:
    changes: list[Change] = [(b"z", b"1", None), (b"y", b"1", None), (b"b", None, b"1"), (b"a", None, b"1")]
    assert classes(classify(changes, {b"1"}, {b"1"})) == {"renamed": [(b"y", b"a"), (b"z", b"b")]}


def test_of_a_key_that_went_once_and_came_twice_one_is_renamed_and_one_copied() -> None:
    changes: list[Change] = [(b"m", b"1", None), (b"z", None, b"1"), (b"a", None, b"1")]
    assert classes(classify(changes, {b"1"}, {b"1"})) == {"renamed": [(b"m", b"a")], "copied": [(b"z",)]}


def test_a_key_that_the_snapshot_names_elsewhere_is_copied() -> None:
    assert classes(classify([(b"a", None, b"1")], {b"1"}, {b"1"})) == {"copied": [(b"a",)]}


def test_a_key_that_only_the_store_has_is_known() -> None:
    assert classes(classify([(b"a", None, b"1")], (), {b"1"})) == {"known": [(b"a",)]}


def test_of_two_new_paths_with_one_key_the_first_is_new_and_the_other_copied() -> None:
    changes: list[Change] = [(b"b", None, b"1"), (b"a", None, b"1")]
    assert classes(classify(changes, (), ())) == {"new": [(b"a",)], "copied": [(b"b",)]}


def test_a_new_path_after_one_that_changed_to_its_key_is_copied() -> None:
    changes: list[Change] = [(b"a", b"0", b"1"), (b"b", None, b"1")]
    assert classes(classify(changes, {b"0"}, ())) == {"changed": [(b"a",)], "copied": [(b"b",)]}


def test_only_so_many_examples_are_kept_and_all_are_counted() -> None:
    delta = classify([(b"%05d" % i, None, b"%d" % i) for i in range(1000)], (), ())
    assert delta.counts["new"] == 1000
    assert delta.examples["new"] == [(b"%05d" % i,) for i in range(EXAMPLES)]


KEYS = st.sampled_from([b"1", b"2", b"3"])
SIDES = st.dictionaries(st.sampled_from([b"a", b"b", b"c", b"d", b"e", b"f"]), KEYS)


@given(before=SIDES, after=SIDES, stored=st.sets(KEYS))
def test_every_path_that_differs_is_in_exactly_one_class(
    before: dict[bytes, bytes], after: dict[bytes, bytes], stored: set[bytes]
) -> None:
    changes = [
        (path, before.get(path), after.get(path))
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    ]
    delta = classify(changes, set(before.values()), stored, examples=len(changes))
    found = Counter(path for name in CLASSES for paths in delta.examples[name] for path in paths)
    assert found == Counter(path for path, _, _ in changes)
    assert delta.counts == {name: len(delta.examples[name]) for name in CLASSES}
    for old, new in delta.examples["renamed"]:
        assert before[old] == after[new] and old not in after and new not in before
    for (path,) in delta.examples["removed"]:
        assert path not in after
    for (path,) in delta.examples["changed"]:
        assert path in before and path in after
    for (path,) in delta.examples["new"]:
        assert after[path] not in set(before.values()) | stored
    for (path,) in delta.examples["known"]:
        assert after[path] in stored and after[path] not in before.values()
    removed, renamed = delta.counts["removed"], delta.counts["renamed"]
    assert removed + renamed == len(before.keys() - after.keys())
    # As many pairs as there can be.
    gone = Counter(before[path] for path in before.keys() - after.keys())
    came = Counter(after[path] for path in after.keys() - before.keys())
    assert renamed == sum((gone & came).values())


@given(changes=st.lists(st.tuples(st.binary(), KEYS), unique_by=lambda change: change[0]), seed=st.randoms())
def test_the_order_in_which_changes_come_does_not_matter(changes: list[tuple[bytes, bytes]], seed: object) -> None:
    news: list[Change] = [(path, None, key) for path, key in changes]
    shuffled = list(news)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    ordered, other = classify(news, (), ()), classify(shuffled, (), ())
    assert (ordered.counts, ordered.examples) == (other.counts, other.examples)
