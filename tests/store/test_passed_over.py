"""What a scan passed over, by kind and name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.folders import put

from vstore.pictures import passed_over
from vstore.pictures.formats import EXTENSIONS
from vstore.pictures.passed_over import BROKEN, FILES, LINK, OTHER, PICTURE, PassedOver, extension_of, in_words, kind_of
from vstore.pictures.scan import Scan
from vstore.pictures.scan_options import ScanOptions
from vstore.pictures.shared_scan import shared_scan


def passed(place: Path, **options: object) -> PassedOver:
    """What a scan passed over; its files are those that it counts as ignored."""
    found: PassedOver = {}
    ignored = 0
    for folder in Scan(os.fsencode(place), ScanOptions(**options), EXTENSIONS):  # type: ignore[arg-type]
        passed_over.add(found, folder.passed, b"")
        ignored += folder.ignored
    assert ignored == passed_over.times(found, FILES)
    return found


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.mp4", "mp4"), ("a.b.MP4", "mp4"), ("a", ""), (".hidden", ""), ("a.", ""), ("a.2024", ""), ("a.jpg~", ""),
        ("a.é", ""), ("report.of the year", ""), ("a.abcdefghijklm", ""), ("a.7z", "7z"), ("a.psd", "psd"),
    ],
)  # fmt: skip
def test_an_extension_is_a_short_word_after_the_last_dot(name: str, extension: str) -> None:
    assert extension_of(name) == extension


def test_other_files_are_counted_by_extension_and_pictures_apart(tmp_path: Path) -> None:
    files = ["a.mp4", "b.MP4", "c.xmp", "d", "e.PSD", "x/f.psd", "x/g.xcf", "h.svg", "i.qoi", "ok.jpg", "j.heif"]
    put(tmp_path, dict.fromkeys(files, b""))  # type: ignore[arg-type]
    found = passed(tmp_path)
    assert {key: count for key, (count, _) in found.items()} == {
        (OTHER, "mp4"): 2, (OTHER, "xmp"): 1, (OTHER, ""): 1, (PICTURE, "psd"): 2, (PICTURE, "xcf"): 1,
        (PICTURE, "svg"): 1, (PICTURE, "qoi"): 1,
    }  # fmt: skip
    assert found[PICTURE, "xcf"][1] == b"x/g.xcf"


def test_no_candidate_counts_as_a_picture_that_is_not_read() -> None:
    assert kind_of("a.qoi", frozenset({".qoi"})) == (OTHER, "qoi")
    assert kind_of("a.qoi", frozenset({".jpg"})) == (PICTURE, "qoi")


def test_links_to_folders_are_no_files_and_broken_ones_are(tmp_path: Path) -> None:
    put(tmp_path, {"real/a.jpg": b"", "real/b.txt": b""})
    (tmp_path / "album").symlink_to("real")
    (tmp_path / "album.jpg").symlink_to("real")
    (tmp_path / "z.jpg").symlink_to("nowhere")
    (tmp_path / "z.txt").symlink_to("nowhere")
    expected = {(OTHER, "txt"): (2, b"real/b.txt"), (LINK, ""): (2, b"album"), (BROKEN, ""): (1, b"z.jpg")}
    assert passed(tmp_path) == expected
    assert (LINK, "") not in passed(tmp_path, follow_symlinks=True)


def test_another_process_tells_what_it_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    put(tmp_path, {f"{n}/{name}": b"" for n in range(40) for name in ("a.jpg", "b.mp4", "Thumbs/c.jpg")})
    options = ScanOptions()
    scan = shared_scan(os.fsencode(tmp_path), options, EXTENSIONS, under=b"", skip=(), expect=1_000_000)
    found: PassedOver = {}
    for folder in scan:
        passed_over.add(found, folder.passed, b"")
    assert {key: count for key, (count, _) in found.items()} == {(OTHER, "mp4"): 40, ("previews", "Thumbs"): 40}


def test_a_message_lists_it() -> None:
    assert in_words({}) == ""
    found: PassedOver = {
        (OTHER, "xmp"): (1, b"a"), (OTHER, "mp4"): (2, b"a"), ("deleted", "#recycle"): (1, b"a"), (LINK, ""): (1, b"a"),
        ("elsewhere", "git-annex"): (3, b"a"),
    }  # fmt: skip
    assert in_words(found) == (
        "3 other files (2 mp4, 1 xmp), 1 folder left out (1 #recycle), 1 symlinked folder, entered with "
        "--follow-symlinks, 3 pictures whose content is not here but in git-annex"
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jpg ", ("picture", "jpg + blank")),
        ("b.JPEG  ", ("picture", "jpeg + blank")),
        ("c.jpg x", ("other", "")),
        ("d.xmp ", ("other", "")),
        ("e ", ("other", "")),
    ],
)
def test_blanks_after_the_extension_of_a_picture_are_named(name: str, kind: tuple[str, str]) -> None:
    assert kind_of(name, EXTENSIONS) == kind
