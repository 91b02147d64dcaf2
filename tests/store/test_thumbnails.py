"""Thumbnails: of the right bytes, turned as they are shown, made once, kept small."""

from __future__ import annotations

import errno
import io
import os
import struct
from pathlib import Path

import pytest
from PIL import Image, ImageCms
from support.folders import World, drawn

from vstore.disk import thumbs
from vstore.disk.thumbs import Thumb, read_thumb, write_thumb
from vstore.errors import Damage
from vstore.format.hashing import checksum
from vstore.gallery import thumbnails as module
from vstore.gallery.thumbnails import (
    BROKEN,
    CHANGED,
    GONE,
    TOO_LARGE,
    UNKNOWN,
    UNREADABLE,
    Missing,
    Shown,
    Wanted,
    thumbnails,
)
from vstore.pictures.isolation import IsolatedDecoder
from vstore.repository.acquaintance import KnownFolders, PictureSource


def picture(form: str, **words: object) -> bytes:
    """A picture of 600 x 300: red on the left, blue on the right."""
    made = Image.new("RGB", (600, 300), (220, 20, 20))
    made.paste((20, 20, 220), (300, 0, 600, 300))
    out = io.BytesIO()
    made.save(out, form, **words)
    return out.getvalue()


@pytest.fixture
def filled(world: World) -> World:
    world.put({f"{number}.png": number for number in range(4)})
    world.sync()
    return world


def source_of(world: World) -> PictureSource:
    repo = world.repo
    return KnownFolders(repo).source(repo.snapshot("current"))


def made(world: World, *paths: str) -> list[Shown | Missing]:
    keys = world.aliases()
    wanted = [Wanted(bytes.fromhex(keys[path]), (os.fsencode(path),)) for path in paths]
    return list(thumbnails(source_of(world), wanted))


def image(found: Shown | Missing) -> Image.Image:
    assert isinstance(found, Shown)
    return Image.open(io.BytesIO(found.thumb.jpeg)).convert("RGB")


def test_they_come_in_their_order_and_fit_the_side(filled: World) -> None:
    filled.put({"wide.png": picture("PNG")})
    filled.sync()
    paths = ["pictures/wide.png", "pictures/3.png", "pictures/1.png"] * 20
    found = made(filled, *paths)
    assert [os.fsdecode(one.path) for one in found if isinstance(one, Shown)] == paths
    assert image(found[0]).size == (256, 128)
    assert isinstance(found[0], Shown)
    assert (found[0].thumb.width, found[0].thumb.height) == (600, 300)


@pytest.mark.parametrize("form", ["JPEG", "TIFF", "WEBP", "PNG"])
def test_every_form_is_shown_and_turned(filled: World, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right: what was on the left is at the top
    filled.put({f"turned.{form.lower()}": picture(form, exif=exif)})
    filled.sync()
    shown = image(made(filled, f"pictures/turned.{form.lower()}")[0])
    assert shown.size == (128, 256)
    (top, *_), (bottom, *_) = shown.getpixel((64, 20)), shown.getpixel((64, 236))  # type: ignore[misc]
    assert top > 150 > 80 > bottom


def test_heic_is_shown(filled: World) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    filled.put({"new.heic": picture("HEIF")})
    filled.sync()
    shown = image(made(filled, "pictures/new.heic")[0])
    assert shown.size == (256, 128)
    assert shown.getpixel((20, 64))[0] > 150 > 80 > shown.getpixel((236, 64))[0]  # type: ignore[index]


def test_nothing_of_the_file_but_its_pixels_is_in_a_thumbnail(filled: World) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "a secret"
    filled.put({"told.jpg": picture("JPEG", exif=exif, icc_profile=profile, comment=b"a secret")})
    filled.sync()
    (found,) = made(filled, "pictures/told.jpg")
    assert isinstance(found, Shown)
    assert b"secret" not in found.thumb.jpeg
    assert set(Image.open(io.BytesIO(found.thumb.jpeg)).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_a_thumbnail_is_made_once_and_read_then(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made(filled, "pictures/1.png")
    monkeypatch.setattr(IsolatedDecoder, "prepare", lambda *_: pytest.fail("decoded again"))
    monkeypatch.setattr(module, "read_up_to", lambda *_: pytest.fail("read again"))
    assert made(filled, "pictures/1.png") == before
    key = filled.key(1)
    assert (filled.folder / "cache" / "thumbs" / key[:2] / key).is_file()


def test_they_are_kept_as_format_says(filled: World) -> None:
    (found,) = made(filled, "pictures/1.png")
    assert isinstance(found, Shown)
    key = filled.key(1)
    data = (filled.folder / "cache" / "thumbs" / key[:2] / key).read_bytes()
    stat = (filled.pictures / "1.png").stat()
    head = struct.pack("<QqqQII", stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, 30, 20)
    assert data == checksum(key.encode(), data[8:]) + head + found.thumb.jpeg


def test_a_file_that_changed_is_not_shown_by_what_was_kept(filled: World) -> None:
    made(filled, "pictures/1.png", "pictures/2.png", "pictures/3.png")
    filled.put({"1.png": 2})
    (filled.pictures / "2.png").unlink()
    assert made(filled, "pictures/1.png", "pictures/2.png") == [CHANGED, GONE]
    os.utime(filled.pictures / "3.png")  # the same bytes
    assert isinstance(made(filled, "pictures/3.png")[0], Shown)


def test_a_file_that_is_there_is_not_said_to_be_gone(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [Wanted(bytes.fromhex(filled.key(1)), (b"pictures/1.png",))]

    def refused(path: bytes) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    assert list(thumbnails(PictureSource(refused), wanted)) == [UNREADABLE]
    assert list(thumbnails(PictureSource(lambda path: None), wanted)) == [UNKNOWN]
    monkeypatch.setattr(module, "_LARGEST", 10)
    assert made(filled, "pictures/1.png") == [TOO_LARGE]


def test_what_a_stranger_put_into_the_cache_is_not_shown(filled: World) -> None:
    key = bytes.fromhex(filled.key(1))
    (own,) = made(filled, "pictures/1.png")
    forged = Thumb((1, 2, 3, 4), 1, 1, b"not even a JPEG")
    assert write_thumb(filled.folder / "cache", key, forged)
    assert made(filled, "pictures/1.png") == [own]


def test_a_cut_picture_is_shown_as_far_as_it_goes(filled: World) -> None:
    data = drawn(9)
    filled.put({"cut.png": data[: len(data) * 3 // 4]})
    filled.sync(accept_truncated=50)
    shown = image(made(filled, "pictures/cut.png")[0])
    assert shown.size == (30, 20)
    assert shown.getpixel((15, 19)) == (128, 128, 128)


def test_damage_and_loss_of_what_was_kept_do_no_harm(filled: World) -> None:
    before = made(filled, "pictures/1.png")
    key = filled.key(1)
    file = filled.folder / "cache" / "thumbs" / key[:2] / key
    for harm in (b"", file.read_bytes()[:50], b"x" + file.read_bytes()[1:], bytes(thumbs.LARGEST + 100)):
        file.write_bytes(harm)
        assert made(filled, "pictures/1.png") == before
    assert Thumb.from_bytes(b"short") is None


def test_a_link_in_the_cache_is_damage(filled: World, tmp_path: Path) -> None:
    (filled.folder / "cache").mkdir(exist_ok=True)
    (filled.folder / "cache" / "thumbs").symlink_to(tmp_path)
    with pytest.raises(Damage, match="thumbs is a symbolic link"):
        made(filled, "pictures/1.png")
    page = filled.store.search(bytes.fromhex(filled.key(1)))._repr_html_()
    assert page.count("no picture") == 4, "a notebook raises nothing"


def test_where_nothing_can_be_kept_they_are_made_all_the_same(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bytes] = []
    monkeypatch.setattr(module, "WORKERS", 1)
    monkeypatch.setattr(module, "write_thumb", lambda cache, key, thumb: bool(tried.append(key)))
    assert all(isinstance(one, Shown) for one in made(filled, "pictures/1.png", "pictures/2.png"))
    assert len(tried) == 1, "a full disk is not tried again for each"
    source = PictureSource(source_of(filled).open_file)
    assert isinstance(next(thumbnails(source, [Wanted(bytes.fromhex(filled.key(1)), (b"pictures/1.png",))])), Shown)


def test_a_folder_of_thumbnails_keeps_to_its_size(tmp_path: Path) -> None:
    keys = [bytes([7, number]) + bytes(14) for number in range(10)]
    for number, key in enumerate(keys):
        assert write_thumb(tmp_path, key, Thumb((1, 1, 1, 1), 1, 1, bytes(1000)))
        os.utime(tmp_path / "thumbs" / "07" / key.hex(), ns=(number, number))
    other = bytes([8]) * 16
    write_thumb(tmp_path, other, Thumb((1, 1, 1, 1), 1, 1, bytes(1000)))
    abandoned = tmp_path / "thumbs" / "07" / ".tmp-cache-0"
    young = tmp_path / "thumbs" / "07" / ".tmp-cache-1"
    abandoned.write_bytes(b"")
    young.write_bytes(b"")
    os.utime(abandoned, (0, 0))
    thumbs.prune_thumbs(tmp_path, keys, most=5500)
    assert [read_thumb(tmp_path, key) is not None for key in keys] == [False] * 5 + [True] * 5
    assert read_thumb(tmp_path, other) is not None
    assert (abandoned.exists(), young.exists()) == (False, True)


def test_gc_removes_those_of_pictures_that_are_gone(filled: World) -> None:
    made(filled, "pictures/0.png", "pictures/1.png")
    (filled.pictures / "1.png").unlink()
    filled.sync()
    filled.store.snapshot_forget(["v1"])
    filled.store.gc(drop_unnamed=True)
    cache = filled.folder / "cache"
    assert read_thumb(cache, bytes.fromhex(filled.key(0))) is not None
    assert read_thumb(cache, bytes.fromhex(filled.key(1))) is None
    assert filled.store.check(read_data=True).ok


def test_a_picture_that_ends_its_decoder_costs_itself_alone(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.put({"hostile.png": drawn(9)})
    filled.sync()
    hostile = drawn(9)
    real = IsolatedDecoder.prepare

    def prepare(self: IsolatedDecoder, data: bytes, preparation: object) -> object:
        if data == hostile:  # the process is lost while it decodes
            worker = self._taken()
            worker._process.kill()
            self._idle.append(worker)
        return real(self, data, preparation)  # type: ignore[arg-type]

    monkeypatch.setattr(IsolatedDecoder, "prepare", prepare)
    found = made(filled, "pictures/1.png", "pictures/hostile.png", "pictures/2.png")
    assert [isinstance(one, Shown) for one in found] == [True, False, True]
    assert found[1] == BROKEN


def test_a_link_that_appears_meanwhile_is_not_followed(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the way and the opening, a folder becomes a link out of the folder."""
    secret = filled.top / "elsewhere"
    secret.mkdir()
    (secret / "1.png").write_bytes(drawn(1))
    real = os.path.realpath

    def swapped(path: bytes) -> bytes:
        found = real(path)
        if path.endswith(b"1.png"):
            filled.pictures.rename(filled.top / "before")
            filled.pictures.symlink_to(secret)
        return found

    source = source_of(filled)
    monkeypatch.setattr("vstore.repository.acquaintance.os.path.realpath", swapped)
    with pytest.raises(OSError, match=r"symbolic link|Not a directory"):
        source.open_file(b"pictures/1.png")


def test_a_link_of_the_users_is_shown(filled: World) -> None:
    (filled.pictures / "1.png").rename(filled.pictures / "annexed")
    (filled.pictures / "1.png").symlink_to("annexed")
    assert isinstance(made(filled, "pictures/1.png")[0], Shown)
