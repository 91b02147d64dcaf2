"""The folders that are left out by default, and how they are taken in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.folders import put

from vstore.pictures.folder import Folder, files_of
from vstore.pictures.formats import EXTENSIONS
from vstore.pictures.left_out import DELETED, OLDER, ORIGINALS, PREVIEWS, WORDS, left_out, taking_in
from vstore.pictures.patterns import Pattern
from vstore.pictures.scan import Scan
from vstore.pictures.scan_options import ScanOptions


def names(walk: Scan) -> tuple[list[str], dict[tuple[str, str], tuple[int, bytes]]]:
    """The candidates of a scan, and what it passed over."""
    folders: list[Folder] = list(walk)
    found = [os.path.join(f.path, file.name) for f in folders for head in f.heads for file in files_of(head)]
    passed = dict(walk.passed)
    for folder in folders:
        passed.update(folder.passed)
    return sorted(map(os.fsdecode, found)), passed


def scan(place: Path, under: str = "", **options: object) -> Scan:
    return Scan(os.fsencode(place), ScanOptions(**options), EXTENSIONS, under=os.fsencode(under))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v/#recycle", DELETED), ("/v/@Recycle", DELETED), ("/v/$RECYCLE.BIN", DELETED), ("/v/$Recycle.Bin", DELETED),
        ("/v/.Trash-1000", DELETED), ("/v/.Trashes", DELETED), ("/v/.Trash", DELETED), ("/v/.dtrash", DELETED),
        ("/v/files_trashbin", DELETED), ("/v/#snapshot", OLDER), ("/v/@Recently-Snapshot", OLDER),
        ("/v/@GMT-2026.11.30-01.02.03", OLDER), ("/v/System Volume Information", OLDER), ("/v/@eaDir", PREVIEWS),
        ("/v/.@__thumb", PREVIEWS), ("/v/.thumbnails", PREVIEWS), ("/v/Thumbs", PREVIEWS), ("/v/thumbs", PREVIEWS),
        ("/v/Lightroom Catalog Previews.lrdata", PREVIEWS), ("/v/x Smart Previews.lrdata", PREVIEWS),
        ("/v/Lightroom 5 Previews", PREVIEWS), ("/v/mipmaps-0a1b.d", PREVIEWS), ("/v/film.trickplay", PREVIEWS),
        ("/v/A.photoslibrary/resources/derivatives", PREVIEWS), ("/v/A.photoslibrary/Thumbnails", PREVIEWS),
        ("/v/A.photoslibrary/resources/cloudsharing/resources/derivatives", PREVIEWS),
        ("/v/A.photoslibrary/scopes/syndication/resources/derivatives", PREVIEWS),
        ("/v/A.aplibrary/Previews", PREVIEWS), ("/v/A.aplibrary/Thumbnails", PREVIEWS),
        ("/v/iPhoto Library/Thumbnails", PREVIEWS), ("/v/storage/cache/thumbnails", PREVIEWS),
        ("/v/appdata_oc1x/preview", PREVIEWS), ("/v/.picasaoriginals", ORIGINALS),
    ],
)  # fmt: skip
def test_bins_older_states_and_previews_of_programs_are_known(path: str, kind: str) -> None:
    assert left_out(path) == (path.rpartition("/")[2], kind)
    assert WORDS[kind]


@pytest.mark.parametrize(
    "path",
    [
        "/v/recycle", "/v/recycling", "/v/snapshot", "/v/Previews", "/v/Thumbnails", "/v/derivatives", "/v/Originals",
        "/v/A.photoslibrary", "/v/A.photoslibrary/originals", "/v/A.photoslibrary/originals/0",
        "/v/A.photoslibrary/resources", "/v/A.photoslibrary/resources/renders", "/v/A.aplibrary/Masters",
        "/v/resources/derivatives", "/v/Lightroom", "/v/My previews", "/v/#recycled bottles", "/v/.Trash-mine",
        "/v/iPhoto Library/Originals", "/v/appdata_oc1x", "/v/preview", "/v/thumbs up",
    ],
)  # fmt: skip
def test_folders_of_pictures_are_not(path: str) -> None:
    assert left_out(path) is None


def test_they_are_not_entered_and_noted_once_by_name(tmp_path: Path) -> None:
    put(tmp_path, dict.fromkeys(["a.jpg", "#recycle/b.jpg", "@eaDir/c.jpg", "d/@eaDir/e.jpg", ".Trash-7/f.jpg"], b""))  # type: ignore[arg-type]
    found, passed = names(scan(tmp_path))
    assert found == ["a.jpg"]
    assert passed[DELETED, "#recycle"] == (1, b"#recycle")
    assert passed[DELETED, ".Trash-7"] == (1, b".Trash-7")
    assert set(passed) == {(DELETED, "#recycle"), (DELETED, ".Trash-7"), (PREVIEWS, "@eaDir")}


def test_a_file_of_such_a_name_is_a_file_like_any_other(tmp_path: Path) -> None:
    put(tmp_path, dict.fromkeys(["Thumbs", "a.jpg", ".Trash"], b""))  # type: ignore[arg-type]
    assert names(scan(tmp_path)) == (["a.jpg"], {("other", ""): (1, b"Thumbs")})


@pytest.mark.parametrize("name", ["#recycle", "@eaDir", ".thumbnails", "x[1] Previews.lrdata", ".picasaoriginals"])
@pytest.mark.parametrize("how", ["exclude", "file"])
def test_the_pattern_that_the_report_names_takes_one_in(tmp_path: Path, name: str, how: str) -> None:
    put(tmp_path, {f"{name}/a.jpg": b"", "b/Thumbs/c.jpg": b""})
    pattern = taking_in(name)
    assert Pattern.parse(pattern).spelled
    if how == "file":
        (tmp_path / ".vstoreignore").write_text(pattern + "\n")
    walk = scan(tmp_path, exclude=(pattern,) if how == "exclude" else ())
    found, passed = names(walk)
    assert found == [f"{name}/a.jpg"]
    assert list(passed) == [(PREVIEWS, "Thumbs")]
    assert not walk.hides(os.fsencode(f"{name}/a.jpg")) and walk.hides(b"b/Thumbs/c.jpg")


@pytest.mark.parametrize("pattern", ["!*/", "!**/", "!#recycl?/", "!**", "!/*"])
def test_a_pattern_that_does_not_spell_the_name_takes_none_in(tmp_path: Path, pattern: str) -> None:
    """Ignore files that let only some files through begin with `*` and `!*/`."""
    put(tmp_path, {"#recycle/a.jpg": b"", "b.jpg": b""})
    found, passed = names(scan(tmp_path, exclude=("*", pattern, "!*.jpg")))
    assert found == ["b.jpg"] and (DELETED, "#recycle") in passed


def test_an_excluded_one_is_not_named(tmp_path: Path) -> None:
    put(tmp_path, {"#recycle/a.jpg": b"", "b.jpg": b""})
    assert names(scan(tmp_path, exclude=("#recycle/",))) == (["b.jpg"], {})
    walk = scan(tmp_path, exclude=("#recycle/",))
    assert walk.hides(b"#recycle/a.jpg") and not walk.leaves_out(b"#recycle/a.jpg")


def test_a_root_is_scanned_whatever_its_own_name(tmp_path: Path) -> None:
    put(tmp_path, {"#recycle/a.jpg": b"", "#recycle/#recycle/b.jpg": b""})
    assert names(scan(tmp_path / "#recycle"))[0] == ["a.jpg"]


def test_what_is_above_the_root_tells_what_a_folder_is(tmp_path: Path) -> None:
    put(tmp_path, {"A.photoslibrary/resources/derivatives/a.jpg": b"", "resources/derivatives/b.jpg": b""})
    assert names(scan(tmp_path / "A.photoslibrary/resources"))[0] == []
    assert names(scan(tmp_path / "resources"))[0] == ["derivatives/b.jpg"]


@pytest.mark.parametrize("under", ["d/#recycle", "d/#recycle/x", "d/#recycle/x/a.jpg"])
def test_a_part_in_one_is_not_walked_and_noted(tmp_path: Path, under: str) -> None:
    put(tmp_path, {"d/#recycle/x/a.jpg": b"", "b.jpg": b""})
    assert names(scan(tmp_path, under)) == ([], {(DELETED, "#recycle"): (1, b"d/#recycle")})
    assert names(scan(tmp_path, under, exclude=("!#recycle/",)))[0] == ["d/#recycle/x/a.jpg"]


def test_a_scan_knows_which_paths_lie_in_one(tmp_path: Path) -> None:
    put(tmp_path, {"a.jpg": b""})
    walk = scan(tmp_path)
    list(walk)
    assert walk.leaves_out(b"gone/#recycle/x/a.jpg") and walk.leaves_out(b"Thumbs/a.jpg")
    assert not walk.leaves_out(b"gone/a.jpg") and not walk.leaves_out(b".hidden/a.jpg")
    assert not walk.leaves_out(b"Thumbs")  # a file
