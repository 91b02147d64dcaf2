"""Previews: pictures made small for a program that shows them for long."""

from __future__ import annotations

import io
import os
import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from support.folders import World
from support.watching import until

import vstore
from vstore.disk.thumbs import Thumb
from vstore.errors import SnapshotNotFound, StoreClosed, UsageError
from vstore.gallery import previews as module
from vstore.gallery import thumbnails
from vstore.gallery.previews import InMemory, Previews
from vstore.gallery.thumbnails import CHANGED, GONE, UNKNOWN, Missing, Shown
from vstore.pictures.isolation import IsolatedDecoder, _Worker
from vstore.store import Store


def noise(width: int, height: int) -> bytes:
    """A JPEG of noise."""
    out = io.BytesIO()
    Image.frombytes("RGB", (width, height), os.urandom(3 * width * height)).save(out, "JPEG", quality=60)
    return out.getvalue()


@pytest.fixture
def filled(world: World) -> World:
    world.put({f"{number}.png": number for number in range(4)})
    world.sync()
    return world


@pytest.fixture
def previews(filled: World) -> Iterator[Previews]:
    with filled.store.previews() as previews:
        yield previews


def path_of(name: str) -> tuple[bytes]:
    return (f"pictures/{name}".encode(),)


def size_of(found: Shown | Missing) -> tuple[int, int]:
    assert isinstance(found, Shown), found
    return Image.open(io.BytesIO(found.thumb.jpeg)).size


def test_a_thumbnail_is_small_and_a_large_one_large(filled: World, previews: Previews) -> None:
    data = noise(3000, 1500)
    filled.put({"big.jpg": data})
    filled.sync()
    key = bytes.fromhex(filled.key(data))
    with filled.store.view() as view:
        small, large = (ask(key, view.paths_of(key)) for ask in (previews.thumbnail, previews.large))
    assert (size_of(small), size_of(large)) == ((256, 128), (2048, 1024))
    assert isinstance(large, Shown)
    assert (large.path, large.thumb.width, large.thumb.height) == (b"pictures/big.jpg", 3000, 1500)


@pytest.mark.parametrize("form", ["JPEG", "TIFF", "WEBP"])
def test_both_are_turned(filled: World, previews: Previews, form: str) -> None:
    picture, out, exif = Image.new("RGB", (3000, 1500), (220, 20, 20)), io.BytesIO(), Image.Exif()
    picture.paste((20, 20, 220), (1500, 0, 3000, 1500))
    exif[0x0112] = 6  # a quarter to the right: what was on the left is at the top
    picture.save(out, form, exif=exif)
    name = f"turned.{form.lower()}"
    filled.put({name: out.getvalue()})
    filled.sync()
    key = bytes.fromhex(filled.key(out.getvalue()))
    for ask, size in ((previews.thumbnail, (128, 256)), (previews.large, (1024, 2048))):
        found = ask(key, path_of(name))
        assert size_of(found) == size
        assert isinstance(found, Shown)
        shown = Image.open(io.BytesIO(found.thumb.jpeg)).convert("RGB")
        (top, *_), (bottom, *_) = shown.getpixel((60, 20)), shown.getpixel((60, size[1] - 20))  # type: ignore[misc]
        assert top > 150 > 80 > bottom


def test_large_ones_are_kept_in_memory_alone(
    filled: World, previews: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = bytes.fromhex(filled.key(1))
    before = previews.large(key, path_of("1.png"))
    monkeypatch.setattr(IsolatedDecoder, "prepare", lambda *_: pytest.fail("decoded again"))
    assert previews.large(key, path_of("1.png")) == before
    assert not (filled.folder / "cache" / "thumbs").exists()


def test_what_is_kept_is_not_shown_of_a_file_that_changed(filled: World, previews: Previews) -> None:
    keys = [bytes.fromhex(filled.key(number)) for number in range(3)]
    for ask in (previews.thumbnail, previews.large):
        assert all(isinstance(ask(key, path_of(f"{at}.png")), Shown) for at, key in enumerate(keys))
    filled.put({"1.png": 3})
    (filled.pictures / "2.png").unlink()
    for ask in (previews.thumbnail, previews.large):
        assert [ask(key, path_of(f"{at}.png")) for at, key in enumerate(keys)][1:] == [CHANGED, GONE]
    assert previews.thumbnail(keys[0], ()) == GONE


def test_a_folder_that_came_later_and_a_label_of_then_are_known(filled: World, previews: Previews) -> None:
    key = bytes.fromhex(filled.key(1))
    assert isinstance(previews.thumbnail(key, path_of("1.png")), Shown)
    more = filled.top / "more"
    more.mkdir()
    (more / "1.png").write_bytes((filled.pictures / "1.png").read_bytes())
    filled.sync(more)
    assert isinstance(previews.thumbnail(key, (b"more/1.png",)), Shown)
    filled.store.root_rename("pictures", "photos")
    (more / "1.png").unlink()
    assert isinstance(previews.thumbnail(key, (b"photos/1.png",)), Shown)
    assert isinstance(previews.thumbnail(key, (b"pictures/1.png",), at="v1"), Shown)


def test_a_link_out_of_the_folder_of_a_store_from_elsewhere_shows_nothing(filled: World, tmp_path: Path) -> None:
    key = bytes.fromhex(filled.key(1))
    secret = tmp_path.parent / f"{tmp_path.name}-secret.png"
    (filled.pictures / "1.png").rename(secret)
    (filled.pictures / "1.png").symlink_to(secret)
    with Store(filled.folder, config=tmp_path / "config") as store, store.previews() as previews:
        assert isinstance(previews.thumbnail(bytes.fromhex(filled.key(0)), path_of("0.png")), Shown)
        assert previews.thumbnail(key, path_of("1.png")) == UNKNOWN
        assert previews.large(key, path_of("1.png")) == UNKNOWN


def test_a_folder_that_moved_is_known_at_once(filled: World, previews: Previews) -> None:
    key = bytes.fromhex(filled.key(1))
    assert isinstance(previews.thumbnail(key, path_of("1.png")), Shown)
    new = filled.pictures.with_name("at home")
    filled.pictures.rename(new)
    assert filled.sync(new, as_label="pictures").snapshot is None
    assert isinstance(previews.thumbnail(key, path_of("1.png")), Shown)


def test_a_folder_that_its_user_named_meanwhile_is_known(
    filled: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FRESH", 0.0)
    key, config = bytes.fromhex(filled.key(1)), tmp_path / "config"
    far = tmp_path.parent / f"{tmp_path.name}-far.png"
    filled.sync(follow_symlinks=True)
    (filled.pictures / "1.png").rename(far)
    (filled.pictures / "1.png").symlink_to(far)
    with Store(filled.folder, config=config) as store, store.previews() as previews:
        assert previews.thumbnail(key, path_of("1.png")) == UNKNOWN
        before = store.moves().newest
        with Store(filled.folder, config=config, load_embedder=filled.load) as another:
            another.sync([filled.pictures], follow_symlinks=True)
        assert store.moves().newest == before, "the store is as it was"
        assert isinstance(previews.thumbnail(key, path_of("1.png")), Shown)


def test_bad_input_is_refused(previews: Previews) -> None:
    for key in (b"short", "0" * 32):
        with pytest.raises(UsageError, match="is no key"):
            previews.thumbnail(key, ())  # type: ignore[arg-type]
    with pytest.raises(SnapshotNotFound):
        previews.large(bytes(16), (), at="v9")
    with pytest.raises(UsageError, match="cannot be sent"):
        pickle.dumps(previews)


def test_many_who_ask_for_one_picture_wait_for_one_decoding(
    filled: World, previews: Previews, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, begun, go_on = bytes.fromhex(filled.key(1)), [], threading.Event()
    decode = IsolatedDecoder.prepare

    def prepare(self: IsolatedDecoder, data: bytes, preparation: object) -> object:
        begun.append(data)
        assert go_on.wait(60)
        return decode(self, data, preparation)  # type: ignore[arg-type]

    monkeypatch.setattr(IsolatedDecoder, "prepare", prepare)
    joined = threading.Barrier(9)

    def ask(_: int) -> Shown | Missing:
        joined.wait(60)
        return previews.thumbnail(key, path_of("1.png"))

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, number) for number in range(8)]
        joined.wait(60)
        until(lambda: bool(begun))
        go_on.set()
        found = {one.result(60) for one in asked}
    assert len(found) == 1
    assert len(begun) == 1


def test_closing_ends_a_decoder_that_hangs(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    workers: list[_Worker] = []
    ask = _Worker.ask

    def hanging(self: _Worker, data: bytes, preparation: object, seconds: float) -> object:
        os.kill(self._process.pid, 19)  # SIGSTOP
        workers.append(self)
        return ask(self, data, preparation, seconds)  # type: ignore[arg-type]

    monkeypatch.setattr(_Worker, "ask", hanging)
    previews = filled.store.previews()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(previews.thumbnail, bytes.fromhex(filled.key(n)), path_of(f"{n}.png")) for n in range(4)]
        until(lambda: len(workers) >= 1)
        previews.close()
        for one in asked:
            with pytest.raises(StoreClosed, match="previews were closed"):
                one.result(30)
    assert all(worker._process.poll() is not None for worker in workers)
    assert repr(previews) == "Previews(closed)"
    previews.close()
    with pytest.raises(StoreClosed):
        previews.thumbnail(bytes.fromhex(filled.key(1)), path_of("1.png"))


def test_closing_does_not_wait_for_a_disk(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reads, go_on = threading.Event(), threading.Event()
    read = thumbnails.read_up_to

    def slow(file: io.FileIO, most: int) -> bytes:
        reads.set()
        assert go_on.wait(60)
        return read(file, most)

    monkeypatch.setattr(thumbnails, "read_up_to", slow)
    previews = filled.store.previews()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(previews.thumbnail, bytes.fromhex(filled.key(1)), path_of("1.png"))
        assert reads.wait(60)
        previews.close()
        assert not asked.done()
        go_on.set()
        with pytest.raises(StoreClosed):
            asked.result(60)


def test_a_crashed_decoder_costs_one_picture(filled: World, previews: Previews) -> None:
    assert isinstance(previews.thumbnail(bytes.fromhex(filled.key(0)), path_of("0.png")), Shown)
    for worker in previews._decoder._all:
        worker.kill()
        worker._process.wait()
    found = [previews.thumbnail(bytes.fromhex(filled.key(n)), path_of(f"{n}.png")) for n in (1, 2, 3)]
    assert sum(isinstance(one, Shown) for one in found) >= 2


def test_a_closed_store_is_said(filled: World) -> None:
    store = filled.another()
    with store.previews() as previews:
        store.close()
        with pytest.raises(StoreClosed):
            previews.thumbnail(bytes.fromhex(filled.key(1)), path_of("1.png"))


def test_the_folders_of_thumbnails_keep_to_their_size(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pruned: list[int] = []
    monkeypatch.setattr(module.OnDisk, "prune", lambda self: pruned.append(len(self._written)) or self._written.clear())
    monkeypatch.setattr(module, "_PRUNE", 2)
    with filled.store.previews() as previews:
        for number in range(4):
            previews.thumbnail(bytes.fromhex(filled.key(number)), path_of(f"{number}.png"))
    assert pruned == [2, 2, 0]


def test_memory_keeps_what_was_asked_for_last() -> None:
    kept, thumb = InMemory(30), Thumb((0, 0, 0, 0), 1, 1, bytes(10))
    for name in (b"a", b"b", b"c"):
        kept.write(name, thumb)
    assert kept.read(b"a") == thumb
    kept.write(b"c", thumb)
    kept.write(b"d", thumb)
    assert [name for name in (b"a", b"b", b"c", b"d") if kept.read(name)] == [b"a", b"c", b"d"]
    kept.write(b"e", thumb._replace(jpeg=bytes(31)))
    assert not any(map(kept.read, (b"a", b"c", b"d", b"e")))


def test_it_is_of_the_face() -> None:
    assert {"Previews", "Shown", "Missing", "Thumb"} <= set(vstore.__all__)


def test_a_picture_in_memory_is_made_small_and_not_kept(filled: World, previews: Previews) -> None:
    data = noise(600, 300)
    found = previews.given(data)
    assert isinstance(found, Thumb)
    assert (found.width, found.height, found.stat[0]) == (600, 300, len(data))
    assert Image.open(io.BytesIO(found.jpeg)).size == (256, 128)
    assert previews.given(b"no picture") == Missing("cannot be decoded: not a supported image format")
    assert previews.given(b"") == Missing("cannot be decoded: the file is empty")
    assert not list((filled.folder / "cache" / "thumbs").rglob("*"))
    previews.close()
    with pytest.raises(StoreClosed):
        previews.given(data)
