"""Finding pictures by their names, in one snapshot or in all."""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.folders import World
from support.numbered import NumberedStore, key

from vstore.browse.globs import Glob, plain
from vstore.errors import UsageError
from vstore.store import Store

NAMES = st.binary(min_size=1, max_size=3).filter(
    lambda name: not {0, ord("/")} & set(name) and name not in (b".", b"..")
)
LETTERS = st.sampled_from([b"a", b"b", b"ab", b"ba", b"a.b", b"aab", b"A"])
PATHS = st.lists(LETTERS | NAMES, min_size=2, max_size=4).map(b"/".join)
TREES = st.dictionaries(PATHS, st.integers(1, 4), max_size=16)
GLOBS = (
    st.lists(st.sampled_from(["a", "b", "*", "?", "[ab]", ".", "[!a]", "A"]), min_size=1, max_size=4)
    .map("".join)
    .filter(lambda glob: "**" not in glob)
)


def whole(files: dict[bytes, int]) -> dict[bytes, int]:
    """Leave out paths below which others lie: no disk has both."""
    return {path: seed for path, seed in files.items() if not any(other.startswith(path + b"/") for other in files)}


def by_rule(glob: str, path: bytes, *, fold: bool) -> bool:
    """The rule for a pattern without `**`, by fnmatch: name by name, from any folder on."""
    wanted = glob.removeprefix("/").split("/")
    names = plain(path).split("/")
    if fold:
        wanted, names = [one.lower() for one in wanted], [one.lower() for one in names]
    if len(names) < len(wanted) or (glob.startswith("/") and len(names) != len(wanted)):
        return False
    last = names[-len(wanted) :]
    return all(re.fullmatch(fnmatch.translate(one), name) for one, name in zip(wanted, last, strict=True))


@settings(max_examples=60, deadline=None)
@given(files=TREES, globs=st.lists(GLOBS, min_size=1, max_size=3), lead=st.booleans())
def test_the_pictures_found_are_those_of_a_dict(
    tmp_path_factory: pytest.TempPathFactory, files: dict[bytes, int], globs: list[str], lead: bool
) -> None:
    files = whole(files)
    glob = "/" * lead + "/".join(globs)
    world = NumberedStore(tmp_path_factory.mktemp("find"))
    world.builder.add_snapshot({path: key(number) for path, number in files.items()}, "")
    with Store(world.builder.repo.layout.folder) as store:
        found = [(entry.path, entry.key) for entry in store.find_pictures(glob).entries]
        assert found == sorted((path, key(n)) for path, n in files.items() if by_rule(glob, path, fold=False))


@settings(max_examples=25, deadline=None)
@given(versions=st.lists(TREES, min_size=1, max_size=5), glob=GLOBS, forget=st.integers(0, 4))
def test_all_snapshots_are_those_of_a_list_of_dicts(
    tmp_path_factory: pytest.TempPathFactory, versions: list[dict[bytes, int]], glob: str, forget: int
) -> None:
    world = NumberedStore(tmp_path_factory.mktemp("find"))
    for files in versions:
        world.builder.add_snapshot({path: key(number) for path, number in whole(files).items()}, "")
    kept = {f"v{n}": whole(files) for n, files in enumerate(versions, 1)}
    with Store(world.builder.repo.layout.folder) as store:
        if 0 < forget < len(versions):
            world.publish("forget", {"snapshots": {f"v{forget}": {"kept": False}}})
            del kept[f"v{forget}"]
        entries = list(store.find_pictures(glob, all=True).entries)
    names = list(kept)
    found = {
        (one.path, one.key): {
            name for span in one.snapshots for name in names[names.index(span.first) : names.index(span.last) + 1]
        }
        for one in entries
    }
    wanted: dict[tuple[bytes, bytes], set[str]] = {}
    for name, files in kept.items():
        for path, number in files.items():
            if by_rule(glob, path, fold=False):
                wanted.setdefault((path, key(number)), set()).add(name)
    assert found == wanted
    for one in entries:  # each row is as long as it can be
        edges = [(names.index(span.first), names.index(span.last)) for span in one.snapshots]
        assert edges == sorted(edges)
        assert all(after[0] > before[1] + 1 for before, after in itertools.pairwise(edges))
    assert [one.path for one in entries] == sorted(one.path for one in entries)


@pytest.mark.parametrize(
    ("glob", "paths"),
    [
        ("*.jpg", {"r/2024/cat.jpg", "r/2024/x/cat2.jpg", "r/dog.jpg"}),
        ("2024/**/cat*", {"r/2024/cat.jpg", "r/2024/x/cat2.jpg"}),
        ("2024/*", {"r/2024/cat.jpg"}),
        ("**/x/**", {"r/2024/x/cat2.jpg"}),
        ("/r/*", {"r/dog.jpg", "r/!odd[1].png"}),
        ("/2024/*", set()),
        ("./r/dog.jpg", {"r/dog.jpg"}),
        ("!odd*", {"r/!odd[1].png"}),
        (r"!odd\[1\].png", {"r/!odd[1].png"}),
        ("cat", set()),
        ("**", {"r/2024/cat.jpg", "r/2024/x/cat2.jpg", "r/dog.jpg", "r/!odd[1].png"}),
        ("CAT.*", set()),
    ],
)
def test_patterns_mean_what_the_help_says(tmp_path: Path, glob: str, paths: set[str]) -> None:
    world = NumberedStore(tmp_path)
    world.sync({"r/2024/cat.jpg": 1, "r/2024/x/cat2.jpg": 2, "r/dog.jpg": 3, "r/!odd[1].png": 4})
    with Store(world.builder.repo.layout.folder) as store:
        assert {entry.path.decode() for entry in store.find_pictures(glob).entries} == paths


@pytest.mark.parametrize("glob", ["2024/", "[", "a[", "", "/", "\\"])
def test_what_is_no_pattern_is_refused(glob: str) -> None:
    with pytest.raises(UsageError):
        Glob.parse(glob)


def test_names_in_another_form_of_unicode_and_any_case_match(tmp_path: Path) -> None:
    world = NumberedStore(tmp_path)
    world.sync({"p/e\u0301te\u0301.jpg": 1, "p/gra\xe7a.jpg": 4, "p/IMG_1.JPG": 2, os.fsdecode(b"p/\xff\xfe.jpg"): 3})
    with Store(world.builder.repo.layout.folder) as store:

        def names(glob: str, **options: bool) -> list[bytes]:
            return [entry.path[2:] for entry in store.find_pictures(glob, **options).entries]

        assert names("\xe9t\xe9.jpg") == ["e\u0301te\u0301.jpg".encode()]
        assert names("grac\u0327*") == ["gra\xe7a.jpg".encode()], "the pattern is composed as the path is"
        assert names("/p/grac\u0327a*") == ["gra\xe7a.jpg".encode()]
        assert names("img_?.jpg") == []
        assert names("img_?.jpg", ignore_case=True) == [b"IMG_1.JPG"]
        assert names("??.jpg") == [b"\xff\xfe.jpg"]


def test_what_every_match_has_is_looked_for_first() -> None:
    assert Glob.parse("2024/**/cat*.jpg").literal == b"2024"
    assert Glob.parse("*[ab]longest").literal == b""
    assert Glob.parse("IMG_001?.jpg").literal == b"IMG_001"
    assert Glob.parse("caf\xe9_noir*").literal == b"_noir"
    assert Glob.parse(r"a\*bcdef").literal == b"a"
    assert Glob.parse("IMG*", fold=True).literal == b""


def test_what_every_match_begins_with_is_looked_up() -> None:
    assert Glob.parse("/p/2024/**/cat*.jpg").prefix == b"p/2024/"
    assert Glob.parse("/p/caf\xe9*").prefix == Glob.parse("/p/cafe\u0301*").prefix == b"p/caf"
    assert Glob.parse(r"/p/a\*b").prefix == b"p/a"
    assert Glob.parse("p/2024/*").prefix == Glob.parse("/P/*", fold=True).prefix == b""


def test_no_other_character_stands_for_one_that_is_looked_for() -> None:
    for code in {*range(0x80, 0x110000)} - {*range(0xD800, 0xE000)}:
        for char in unicodedata.normalize("NFC", chr(code)):
            assert not char.isascii() or char in "K;`", hex(code)
            break


def test_a_name_that_only_its_composed_form_shows_is_found(tmp_path: Path) -> None:
    world = NumberedStore(tmp_path)
    world.sync({"p/300\u212a\u037e\u1fef.jpg": 1})
    with Store(world.builder.repo.layout.folder) as store:
        assert len(list(store.find_pictures("300K;`*").entries)) == 1
        assert len(list(store.find_pictures("*K;*").entries)) == 1


def test_a_pattern_that_matches_nothing_names_what_may_be_meant(tmp_path: Path) -> None:
    world = NumberedStore(tmp_path)
    world.sync({"p/sunset-1.jpg": 1, "p/IMG_1.JPG": 2})
    with Store(world.builder.repo.layout.folder) as store:
        assert store.find_pictures("img*.jpg").near == (b"p/IMG_1.JPG",)
        assert store.find_pictures("sunste-1.jpg").near == (b"p/sunset-1.jpg",)
        assert store.find_pictures("zebra.gif").near == ()
        assert store.find_pictures("*.jpg").near == ()
        with pytest.raises(UsageError, match="--all looks through every snapshot"):
            store.find_pictures("*", all=True, at="v1")


def test_a_long_listing_and_an_older_snapshot(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    (settled.pictures / "a.png").unlink()
    settled.put({"b.png": 2})
    settled.sync()
    assert list(settled.store.find_pictures("a.png").entries) == []
    (old,) = settled.store.find_pictures("a.png", at="v1", long=True).entries
    assert old.details is not None
    assert old.details.width == 30
    (found,) = settled.store.find_pictures("a.png", all=True).entries
    assert [tuple(span) for span in found.snapshots] == [("v1", "v1")]
    assert settled.store.find_pictures("*").to_json()["entries"][0]["path"] == "pictures/b.png"
