"""The spellings of a listed path: what it may mean, and which files it may be."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.importing.files import File
from vstore.importing.listing import Entry
from vstore.importing.matching import AMBIGUOUS, MATCHED, Answer, Matcher
from vstore.importing.spelling import composed, is_escaped, loose, readings

ROOT = "/new/pictures"
NAMES = [
    "Café/Crème brûlée.jpg",
    "plain.jpg",
    "a b/c%20d.jpg",
    "日本/ガギグ.jpg",
    "한국/사진.jpg",
    "München/Straße 1.jpg",
]


def match(listed: list[str | bytes], files: list[str]) -> list[Answer]:
    stats = {file.encode(): File(10, 0) for file in files}
    entries = [Entry(path if isinstance(path, bytes) else path.encode()) for path in listed]
    return Matcher(stats, [ROOT.encode()], [b"/lists"], written=1).match(entries).answers


def found(listed: list[str | bytes], files: list[str]) -> list[str | None]:
    return [answer.files[0].decode() if answer.state == MATCHED else None for answer in match(listed, files)]


def forms(name: str) -> list[str]:
    return [unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)]


@pytest.mark.parametrize("top", [ROOT, "/far/away", "../old", "."])
@pytest.mark.parametrize("listed", [0, 1])
def test_either_unicode_form_is_found(top: str, listed: int) -> None:
    files = [forms(name)[1 - listed] for name in NAMES]
    assert found([f"{top}/{forms(name)[listed]}" for name in NAMES], files) == files


def test_a_root_in_another_form_is_the_root() -> None:
    nfc, nfd = forms("Bücher")
    matcher = Matcher({b"a.jpg": File(1, 0)}, [f"/{nfd}".encode()], [b"/lists"], written=1)
    assert matcher.match([Entry(f"/{nfc}/a.jpg".encode())]).answers[0].state == MATCHED


def test_the_exact_spelling_wins() -> None:
    nfc, nfd = forms("é.jpg")
    assert found([f"{ROOT}/{nfc}", f"{ROOT}/{nfd}"], [nfd, nfc]) == [nfc, nfd]
    assert found([f"{ROOT}/a.jpg", f"{ROOT}/A.jpg"], ["A.jpg", "a.jpg"]) == ["a.jpg", "A.jpg"]


def test_another_letter_case_is_found_where_one_file_has_it() -> None:
    assert found(["C:\\Pics\\Sub\\A.JPG", "C:\\Pics\\B.JPG"], ["sub/a.jpg", "b.jpg"]) == ["sub/a.jpg", "b.jpg"]
    answers = match([f"{ROOT}/A.JPG"], ["a.jpg"])
    assert answers[0].reason == "where it says, in another letter case"
    several = match([f"{ROOT}/A.JPG"], ["a.jpg", "A.jpg"])[0]
    assert (several.state, len(several.files)) == (AMBIGUOUS, 2)


def test_a_row_that_spells_a_file_as_it_is_has_it() -> None:
    assert found([f"{ROOT}/a.jpg", f"{ROOT}/A.JPG"], ["a.jpg"]) == ["a.jpg", None]


@pytest.mark.parametrize("before", ["file://", "file://localhost", "file:", "FILE://"])
def test_addresses_of_files_are_paths(before: str) -> None:
    assert found([before + quote(f"{ROOT}/{name}") for name in NAMES], NAMES) == NAMES


def test_addresses_that_nobody_encoded_are_paths() -> None:
    assert found([f"file://{ROOT}/a b#c?d.jpg"], ["a b#c?d.jpg"]) == ["a b#c?d.jpg"]


def test_addresses_of_windows_are_paths() -> None:
    listed = [f"file:///C:/Users/me/pics/{quote(name)}" for name in NAMES]
    assert found(listed, NAMES) == NAMES
    assert found(["file://server/share/a/x.jpg", "file://server/share/a/y.jpg"], ["a/x.jpg", "a/y.jpg"]) == [
        "a/x.jpg", "a/y.jpg"
    ]  # fmt: skip


def test_a_list_that_is_encoded_as_a_whole_is_decoded() -> None:
    assert found([quote(f"/far/{name}") for name in NAMES], NAMES) == NAMES


def test_an_escape_in_a_list_that_is_not_encoded_is_a_name() -> None:
    """Else the row of a deleted `100%25.jpg` would have the vector of `100%.jpg`."""
    listed = [f"{ROOT}/100%25.jpg", f"{ROOT}/a b.jpg"]
    assert found(listed, ["100%.jpg", "a b.jpg"]) == [None, "a b.jpg"]
    files = ["a%20b.jpg", "a b.jpg", "c d.jpg"]
    assert found([f"{ROOT}/a%20b.jpg", f"{ROOT}/c%20d.jpg"], files) == ["a%20b.jpg", None]


@pytest.mark.parametrize(
    "path", ["D:\\old\\sub\\{}", "\\\\server\\share\\sub\\{}", "..\\old\\sub\\{}", "D:/old/sub/{}"]
)
def test_backslashes_and_drives_are_paths(path: str) -> None:
    assert found([path.format("a.jpg"), path.format("b.jpg")], ["sub/a.jpg", "sub/b.jpg"]) == ["sub/a.jpg", "sub/b.jpg"]


@pytest.mark.parametrize("path", ["{} ", "{}\r", " {}", '"{}"', "{}\t ", "'{}'", "\u00a0{}"])
def test_what_is_left_of_a_line_is_no_part_of_a_path(path: str) -> None:
    assert found([path.format(f"{ROOT}/a b.jpg"), f"{ROOT}/c.jpg"], ["a b.jpg", "c.jpg"]) == ["a b.jpg", "c.jpg"]
    assert found([f"{ROOT}/a.jpg "], ["a.jpg ", "a.jpg"]) == ["a.jpg "], "unless a file is called so"


@given(st.text(min_size=1, max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_forms_are_forms(name: bytes) -> None:
    assert composed(composed(name)) == composed(name)
    assert loose(loose(name)) == loose(name)
    assert loose(composed(name)) == loose(name)


@given(st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")), st.booleans())
def test_the_literal_path_is_the_first_reading(path: bytes, escaped: bool) -> None:
    found = readings(path, escaped=escaped)
    assert found[0] == path
    assert len(set(found)) == len(found)


def test_a_list_is_encoded_if_all_of_it_is() -> None:
    assert is_escaped([b"a%20b", b"c"])
    for paths in ([b"a", b"b"], [b"a%20b", b"c d"], [b"a%20b", b"100%"], [b"a%20b", "é".encode()], []):
        assert not is_escaped(paths)
