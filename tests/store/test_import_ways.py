"""The way in which a whole list moved: what it explains is found, and a namesake never has the vector of another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vstore.importing.files import File
from vstore.importing.listing import Entry
from vstore.importing.matching import MATCHED, MISSING, Matcher, Matches
from vstore.importing.ways import Pair, Way, common_ways

QUICK = settings(max_examples=300, deadline=None)
ROOT = b"/new/place"
NAMES = [b"IMG_%04d.JPG" % number for number in range(1, 9)]
FOLDERS = st.sampled_from([b"canon", b"phone", b"DCIM", b"2019", b"trip", b"100CANON"])
PREFIXES = st.lists(FOLDERS, max_size=3).map(tuple)


def match(
    listed: list[bytes], files: list[bytes], *, by_name: bool = False, ways: tuple[Way, ...] | None = None
) -> Matches:
    stats = {file: File(10, 0) for file in files}
    matcher = Matcher(stats, [ROOT], [b"/lists"], written=1, by_name=by_name, ways=ways)
    return matcher.match([Entry(path) for path in listed])


def found(matches: Matches) -> list[bytes | None]:
    return [answer.files[0] if answer.state == MATCHED else None for answer in matches.answers]


def below(prefix: bytes, *names: bytes) -> list[bytes]:
    return [prefix + name for name in names or NAMES]


# Property tests


@given(old=PREFIXES, new=PREFIXES, tails=st.sets(st.tuples(PREFIXES, st.sampled_from(NAMES)), min_size=2, max_size=30))
@QUICK
def test_a_list_that_moved_as_a_whole_is_found_whole(
    old: tuple[bytes, ...], new: tuple[bytes, ...], tails: set[tuple[tuple[bytes, ...], bytes]]
) -> None:
    ends = sorted((*folders, name) for folders, name in tails)
    listed = [b"/far/away/" + b"/".join((*old, *end)) for end in ends]
    files = [b"/".join((*new, *end)) for end in ends]
    answers = match(listed, files).answers
    clear = [answer.files[0] if answer.state == MATCHED else file for answer, file in zip(answers, files, strict=True)]
    assert clear == files, "a row has its own file, or none"


@given(new=PREFIXES, tails=st.sets(st.tuples(PREFIXES, st.sampled_from(NAMES)), min_size=2, max_size=30))
@QUICK
def test_a_tree_that_has_another_place_is_found_whole(
    new: tuple[bytes, ...], tails: set[tuple[tuple[bytes, ...], bytes]]
) -> None:
    ends = sorted((*folders, name) for folders, name in tails)
    listed = [b"/far/away/" + b"/".join((b"top", *end)) for end in ends]
    files = [b"/".join((*new, b"top", *end)) for end in ends]
    assert found(match(listed, files)) == files


@given(
    gone=st.sets(st.sampled_from(NAMES), min_size=1, max_size=6),
    strangers=st.sets(st.tuples(PREFIXES, st.sampled_from(NAMES)), max_size=12),
    old=st.sampled_from([b"/new/place/canon/", b"/far/away/canon/", b"canon/"]),
)
@QUICK
def test_a_picture_that_is_gone_gives_its_vector_to_nobody(
    gone: set[bytes], strangers: set[tuple[tuple[bytes, ...], bytes]], old: bytes
) -> None:
    """Whatever files have the names of the listed ones elsewhere, no row has another file than its own."""
    files = {b"canon/" + name for name in NAMES if name not in gone}
    others = {b"/".join((b"elsewhere", *folders, name)) for folders, name in strangers}
    matches = match(below(old), sorted(files | others))
    for name, file in zip(NAMES, found(matches), strict=True):
        assert file in (None, b"canon/" + name)


@given(
    pairs=st.lists(
        st.tuples(st.lists(FOLDERS, min_size=1, max_size=3), st.lists(FOLDERS, min_size=1, max_size=3)), max_size=20
    )
)
@QUICK
def test_a_way_leads_two_paths_or_more_to_their_files(pairs: list[tuple[list[bytes], list[bytes]]]) -> None:
    given_ = [Pair((*a, b"x%d" % n), (*b, b"x%d" % n), (*b, b"x%d" % n)) for n, (a, b) in enumerate(pairs)]
    for way in common_ways(given_, {pair.listed for pair in given_}, lambda names: True):
        led = [pair for pair in given_ if way.place(pair.listed, pair.listed) == pair.file]
        assert len(led) >= 2


# What is told from what


def test_a_namesake_elsewhere_is_a_near_miss() -> None:
    matches = match(below(b"/new/place/canon/"), [*below(b"canon/", *NAMES[:7]), b"phone/" + NAMES[7]])
    assert found(matches) == [*below(b"canon/", *NAMES[:7]), None]
    assert (matches.answers[7].state, matches.answers[7].files) == (MISSING, (b"phone/" + NAMES[7],))


@pytest.mark.parametrize("old", [b"/new/place/canon/", b"/far/away/canon/", b"C:\\pictures\\canon\\"])
def test_a_namesake_at_the_top_of_the_root_is_no_better(old: bytes) -> None:
    matches = match(below(old), [*below(b"canon/", *NAMES[:7]), NAMES[7]])
    assert found(matches)[7] is None and found(matches)[:7] == below(b"canon/", *NAMES[:7])


def test_a_folder_whose_name_repeats_is_no_better() -> None:
    listed = below(b"/new/place/trip-a/DCIM/") + below(b"/new/place/home/")
    files = below(b"trip-a/DCIM/", *NAMES[:7]) + below(b"home/") + below(b"trip-b/DCIM/")
    assert found(match(listed, files)) == [*below(b"trip-a/DCIM/", *NAMES[:7]), None, *below(b"home/")]
    assert found(match(listed, below(b"home/") + below(b"trip-b/DCIM/"))) == [None] * 8 + below(b"home/")


def test_a_folder_that_is_gone_is_not_the_one_with_the_same_names() -> None:
    listed = below(b"/far/away/nikon/", *NAMES[:3]) + below(b"/far/away/canon/")
    assert (
        found(match(listed, below(b"nikon/", *NAMES[:3]) + below(b"phone/")))
        == [*below(b"nikon/", *NAMES[:3])] + [None] * 8
    )


def test_a_few_namesakes_of_a_whole_folder_are_no_way() -> None:
    assert found(match(below(b"/far/away/canon/"), below(b"phone/", *NAMES[:4]))) == [None] * 8


def test_one_path_alone_moves_nowhere() -> None:
    assert found(match([b"../old/q.jpg"], [b"q.jpg"])) == [None]
    assert found(match([b"../old/q.jpg"], [b"q.jpg"], by_name=True)) == [b"q.jpg"]


def test_a_folder_with_another_name_is_found_where_it_explains_all() -> None:
    matches = match(below(b"/far/away/canon/"), below(b"x/kanon/", *NAMES[:7]))
    assert found(matches) == [*below(b"x/kanon/", *NAMES[:7]), None]
    assert matches.ways == (Way((b"far", b"away", b"canon"), (b"x", b"kanon")),)


def test_two_whole_copies_are_a_question() -> None:
    answers = match(below(b"/far/away/canon/"), below(b"a/canon/") + below(b"b/canon/")).answers
    assert {answer.state for answer in answers} == {"ambiguous"}
    assert all(answer.how for answer in answers), "they may turn out to be the same pictures"


def test_two_copies_that_differ_are_not_chosen_from() -> None:
    matches = match(below(b"/far/away/canon/"), below(b"a/kanon/") + below(b"b/kanon/", *NAMES[:7]))
    assert found(matches) == [None] * 8


def test_a_folder_in_one_of_its_own_name_is_not_guessed() -> None:
    """Here the files of the inner folder have the longest common ends with the paths of the outer one."""
    listed = below(b"/far/away/canon/") + below(b"/far/away/canon/canon/")
    assert found(match(listed, below(b"") + below(b"canon/"))) == [None] * 16
    clear = below(b"x/canon/") + below(b"x/canon/canon/")
    assert found(match(listed, clear)) == clear


def test_the_ways_of_a_list_hold_for_the_rows_that_it_left_over() -> None:
    ways = match(below(b"/far/away/canon/"), below(b"canon/", *NAMES[:7])).ways
    left = [b"/far/away/canon/" + NAMES[7]]
    assert found(match(left, [b"phone/" + NAMES[7]], ways=ways)) == [None]
    assert found(match(left, [b"canon/" + NAMES[7], b"phone/" + NAMES[7]], ways=ways)) == [b"canon/" + NAMES[7]]


def test_rows_left_over_make_no_way_of_their_own() -> None:
    assert found(match(below(b"/far/away/canon/"), below(b"phone/"), ways=())) == [None] * 8


def test_a_list_relative_to_the_root_is_one() -> None:
    assert (
        found(match(below(b"canon/"), below(b"canon/", *NAMES[:1]) + below(b"phone/", *NAMES[:1])))
        == [b"canon/" + NAMES[0]] + [None] * 7
    )


def test_size_and_date_tell_a_moved_picture() -> None:
    files = {b"canon/a.jpg": File(10, 5), b"new/b.jpg": File(11, 90 * 10**9)}
    matcher = Matcher(files, [ROOT], [b"/lists"], written=100 * 10**9)
    listed = [Entry(b"/new/place/canon/a.jpg", 10, 0.0), Entry(b"/new/place/canon/b.jpg", 11, 90.0)]
    assert found(matcher.match(listed)) == [b"canon/a.jpg", b"new/b.jpg"]
    for other in (Entry(listed[1].path, 12, 90.0), Entry(listed[1].path, 11, 50.0), Entry(listed[1].path, 11)):
        assert found(matcher.match([listed[0], other])) == [b"canon/a.jpg", None]


def test_a_size_and_date_that_several_rows_have_tell_nothing() -> None:
    """Uncompressed pictures of one camera have one size, and a copy may give all of them one date."""
    files = {b"canon/1.tif": File(10, 0), b"phone/2.tif": File(10, 0)}
    listed = [Entry(b"/new/place/canon/%d.tif" % number, 10, 0.0) for number in (1, 2)]
    assert found(Matcher(files, [ROOT], [b"/lists"], written=1).match(listed)) == [b"canon/1.tif", None]


def test_many_files_of_one_name_cost_little() -> None:
    import time

    many = [b"%05d/cover.jpg" % number for number in range(20_000)]
    began = time.perf_counter()
    assert found(match([b"/far/" + path for path in many], many)) == many
    assert time.perf_counter() - began < 30
