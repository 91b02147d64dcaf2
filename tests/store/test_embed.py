"""Vectors of pictures that a program brings: those that the space would give them, and a reason where there is none."""

from __future__ import annotations

import io
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest

import vstore.vectors.embed
from vstore.errors import Damage, ModelError, UsageError
from vstore.store import Store
from vstore.testing import FakeEmbedder

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats

PHOTOS = Path(__file__).parents[2] / "examples" / "pictures"
CAT, FISH, CUP = PHOTOS / "animals/cat-1.jpg", PHOTOS / "animals/fish-3.webp", PHOTOS / "table/cup-2.png"


class Picky(FakeEmbedder):
    """Fails on pictures of one size. most: the largest batch that it got."""

    def __init__(self, bad: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.bad = bad
        self.most = 0

    def embed_images(self, pictures: Sequence[Image]) -> Floats:
        self.most = max(self.most, len(pictures))
        if any(picture.size == self.bad for picture in pictures):
            raise RuntimeError("no such shape")
        return super().embed_images(pictures)


class World:
    """A folder with a cat that a store knows. Its model is loaded by `load`, which counts."""

    def __init__(self, top: Path, **options: Any) -> None:
        self.top = top
        self.embedder = Picky()
        self.loads = 0
        (top / "known").mkdir()
        (top / "known/cat.jpg").write_bytes(CAT.read_bytes())
        Store.init(top / ".vstore", recipe=self.embedder.recipe, **options)
        with self.open() as store:
            store.sync([top / "known"])
        self.loads = self.embedder.calls = self.embedder.embedded = 0

    def load(self, recipe: Any) -> FakeEmbedder:
        self.loads += 1
        return self.embedder

    def open(self, **words: Any) -> Store:
        return Store(self.top / ".vstore", load_embedder=self.load, **words)


@pytest.fixture(params=["float16 xxh3_128", "float32 sha256"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    dtype, hash = request.param.split()
    return World(tmp_path, store_dtype=dtype, hash=hash)


@pytest.fixture
def plain(tmp_path: Path) -> World:
    return World(tmp_path)


def dot(rows: Floats) -> Floats:
    return np.linalg.norm(rows, axis=1)  # type: ignore[return-value]


def drawn(number: int, size: tuple[int, int] = (20, 10)) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", size, (number % 256, number // 256, 9)).save(file, "PNG")
    return file.getvalue()


def test_a_known_picture_has_its_stored_vector_and_no_model_is_loaded(world: World) -> None:
    with world.open() as store:
        stored = store.vectors().rows.astype(np.float32)
        for given in (CAT, str(CAT), CAT.read_bytes(), bytearray(CAT.read_bytes()), [CAT]):
            rows, failures = store.embed(given)  # type: ignore[arg-type]
            assert (rows.dtype, rows.shape, failures) == (np.float32, (1, 8), {})
            np.testing.assert_allclose(rows, stored / dot(stored)[:, None], atol=1e-6)
            np.testing.assert_allclose(dot(rows), 1, atol=1e-6)
    assert world.loads == 0


def test_other_pictures_have_the_vectors_that_a_sync_gives_them(world: World) -> None:
    others = [FISH, CUP, PHOTOS / "animals/cat-2.jpg"]
    with world.open() as store:
        rows, failures = store.embed([others[0], CAT, *others[1:]])
        assert not failures
        assert world.embedder.embedded == 3
        (world.top / "known/more").mkdir()
        for path in others:
            (world.top / "known/more" / path.name).write_bytes(path.read_bytes())
        store.sync([world.top / "known"])
        keys, _, stored = store.vectors()
        again, _ = store.embed([others[0], CAT, *others[1:]])
    np.testing.assert_allclose(rows, again, atol=1e-3)
    np.testing.assert_allclose(dot(rows), 1, atol=1e-6)
    scores = rows @ stored.astype(np.float32).T
    assert sorted(scores.argmax(axis=1).tolist()) == [0, 1, 2, 3]
    np.testing.assert_allclose(scores.max(axis=1), 1, atol=2e-3)
    assert len(keys) == 4


def test_nothing_is_written(plain: World) -> None:
    with plain.open() as store:
        before = store.log()
        store.embed([FISH])
        assert store.log() == before
        assert len(store.vectors().keys) == 1


def test_a_picture_of_pillow_is_prepared_as_its_file_is(plain: World) -> None:
    with plain.open() as store:
        opened = [PIL.Image.open(path) for path in (FISH, CUP)]
        np.testing.assert_allclose(store.embed(opened).rows, store.embed([FISH, CUP]).rows, atol=1e-6)
        turned = PIL.Image.open(FISH)
        turned.getexif()[0x0112] = 6
        upright = PIL.Image.open(FISH).transpose(PIL.Image.Transpose.ROTATE_270)
        np.testing.assert_allclose(store.embed(turned).rows, store.embed(upright).rows, atol=1e-6)


def test_a_picture_that_fails_costs_itself_alone(plain: World) -> None:
    (plain.top / "empty.jpg").touch()
    (plain.top / "text.jpg").write_text("no picture")
    (plain.top / "cut.jpg").write_bytes(FISH.read_bytes()[:500])
    closed = PIL.Image.open(FISH)
    closed.close()
    given: list[Any] = [
        CAT,
        plain.top / "nowhere.jpg",
        plain.top / "known",
        plain.top / "empty.jpg",
        plain.top / "text.jpg",
        FISH,
        plain.top / "cut.jpg",
        b"",
        b"nothing",
        closed,
        "a\0b",
        "\ud800.jpg",
    ]
    with plain.open() as store:
        rows, failures = store.embed(given)
    assert sorted(failures) == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert np.isnan(rows[sorted(failures)]).all()
    assert np.isfinite(rows[[0, 5]]).all()
    assert "No such file" in failures[1] and "directory" in failures[2] and "empty" in failures[3]
    assert "not a supported" in failures[4] and "name" in failures[10] and "name" in failures[11]


def test_bytes_that_name_a_file_are_told_from_a_file(plain: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plain.top)
    with plain.open() as store:
        _, failures = store.embed([b"known/cat.jpg", b"nowhere.jpg"])
    assert "os.fsdecode" in failures[0] and "os.fsdecode" not in failures[1]


def test_a_pipe_is_not_waited_for(plain: World) -> None:
    os.mkfifo(plain.top / "pipe.jpg")
    with plain.open() as store:
        assert "regular file" in store.embed(plain.top / "pipe.jpg").failures[0]


def test_content_that_is_elsewhere_says_where(plain: World) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n"
    (plain.top / "annexed.jpg").symlink_to(".git/annex/objects/x/y/z.jpg")
    with plain.open() as store:
        _, failures = store.embed([pointer, plain.top / "annexed.jpg"])
    assert "git lfs pull" in failures[0] and "git annex get" in failures[1]


def test_a_name_that_is_not_utf_8_is_read(plain: World) -> None:
    path = os.path.join(os.fsencode(plain.top), b"\xff.jpg")
    with open(path, "wb") as file:
        file.write(CAT.read_bytes())
    with plain.open() as store:
        assert not store.embed(os.fsdecode(path)).failures
    assert plain.loads == 0


def test_a_picture_that_the_model_fails_on_has_its_reason(plain: World) -> None:
    plain.embedder.bad = (33, 7)
    with plain.open() as store:
        rows, failures = store.embed([drawn(1), drawn(2, (33, 7)), drawn(3)])
    assert failures == {1: "the model failed on it: RuntimeError: no such shape"}
    assert np.isnan(rows[1]).all() and np.isfinite(rows[[0, 2]]).all()


@pytest.mark.parametrize(
    "given", [5, [5], None, [None], io.BytesIO(b"a\nb\n"), [np.zeros((4, 4, 3), np.uint8)], [[CAT]]]
)
def test_what_is_no_picture_is_refused(plain: World, given: Any) -> None:
    with plain.open() as store, pytest.raises(UsageError, match="is no picture") as told:
        store.embed(given)
    assert "PIL.Image.fromarray" in told.value.next_step


def test_none_have_no_rows(plain: World) -> None:
    with plain.open() as store:
        rows, failures = store.embed([])
    assert (rows.shape, rows.dtype, failures, plain.loads) == ((0, 8), np.float32, {}, 0)


def test_many_pictures_are_taken_as_they_are_needed(plain: World) -> None:
    """A generator is a few pictures ahead of the model, whatever it still holds."""
    ahead = 0

    def given() -> Iterator[bytes]:
        nonlocal ahead
        for number in range(400):
            ahead = max(ahead, number - plain.embedder.embedded)
            yield drawn(number)

    with plain.open() as store:
        rows, failures = store.embed(given())
    assert not failures and len({row.tobytes() for row in rows}) == 400
    assert plain.embedder.most == vstore.vectors.embed.BATCH
    assert plain.loads == 1
    assert ahead <= 3 * vstore.vectors.embed.BATCH


def test_few_large_pictures_are_held_while_they_wait(plain: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vstore.vectors.embed, "_HELD", 4 * 90 * 90 * 3)
    alive: set[int] = set()
    most = 0

    def given() -> Iterator[Image.Image]:
        nonlocal most
        for number in range(100):
            picture = PIL.Image.new("RGB", (90, 90), (number, 0, 0))
            alive.add(number)
            weakref.finalize(picture, alive.remove, number)
            most = max(most, len(alive))
            yield picture

    with plain.open() as store:
        assert not store.embed(given()).failures
    assert most <= 3 + vstore.vectors.embed.WORKERS + 4


@pytest.mark.parametrize("keep_model", [True, False])
def test_a_generator_may_ask_the_store(plain: World, keep_model: bool) -> None:
    with plain.open(keep_model=keep_model) as store:

        def given() -> Iterator[bytes]:
            for number in range(3):
                assert store.search(FISH).hits
                assert not store.embed(CAT).failures
                yield drawn(number)

        done = threading.Event()
        thread = threading.Thread(target=lambda: (store.embed(given()), done.set()), daemon=True)
        thread.start()
        thread.join(60)
        assert done.is_set()


def test_an_error_of_the_generator_reaches_the_caller(plain: World) -> None:
    def given() -> Iterator[bytes]:
        yield drawn(1)
        raise KeyError("mine")

    with plain.open() as store, pytest.raises(KeyError, match="mine"):
        store.embed(given())


def test_progress_counts_each_picture_once(plain: World) -> None:
    class Counter:
        def __init__(self) -> None:
            self.total: int | None = None
            self.done = 0

        def stage(self, name: str, total: int | None) -> None:
            if name == "embedding":
                self.total, self.done = total, 0

        def advance(self, n: int = 1) -> None:
            self.done += n

        def note(self, text: str) -> None: ...

        def close(self) -> None: ...

    counter = Counter()
    with plain.open() as store:
        store.embed([CAT, b"no", *map(drawn, range(40))], progress=counter)
    assert (counter.total, counter.done) == (42, 42)


def test_a_space_is_named(plain: World) -> None:
    with plain.open() as store:
        (space,) = [row.space_name for row in store.model_list()]
        assert not store.embed(CAT, space=space).failures
        with pytest.raises(UsageError, match="no space 'other'"):
            store.embed(CAT, space="other")


def test_a_store_without_a_snapshot_embeds(tmp_path: Path) -> None:
    Store.init(tmp_path / ".vstore")
    with Store(tmp_path / ".vstore") as store:
        rows, failures = store.embed([CAT, FISH])
    assert rows.shape == (2, 333) and not failures


def test_a_model_that_cannot_be_loaded_is_an_error_only_where_it_is_needed(plain: World) -> None:
    def load(recipe: Any) -> FakeEmbedder:
        raise ModelError("there is none", "make one")

    with Store(plain.top / ".vstore", load_embedder=load) as store:
        assert not store.embed([CAT]).failures
        with pytest.raises(ModelError, match="there is none"):
            store.embed([CAT, FISH])


def test_vectors_without_a_model_are_given_and_others_refused(tmp_path: Path) -> None:
    photos = sorted(PHOTOS.rglob("*.jpg"))
    rows = np.eye(4, 16, dtype=np.float32)
    np.save(tmp_path / "old.npy", rows)
    (tmp_path / "pictures").mkdir()
    for path in photos[:4]:
        (tmp_path / "pictures" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "old.txt").write_text("".join(f"pictures/{path.name}\n" for path in photos[:4]))
    Store.import_new(
        tmp_path / ".vstore",
        embeddings=tmp_path / "old.npy",
        metadata=tmp_path / "old.txt",
        root=tmp_path / "pictures",
        trust_edited=True,  # they were copied a moment ago
    )
    with Store(tmp_path / ".vstore") as store:
        np.testing.assert_allclose(store.embed(photos[:4]).rows, rows, atol=1e-6)
        with pytest.raises(ModelError, match="without a model"):
            store.embed(photos[:5])


def test_a_damaged_segment_gives_no_vector(plain: World) -> None:
    (path,) = (plain.top / ".vstore/segments").iterdir()
    data = bytearray(path.read_bytes())
    data[90] ^= 1
    path.write_bytes(data)
    with plain.open() as store, pytest.raises(Damage, match=path.name):
        store.embed(CAT)


def test_threads_embed_beside_one_another(plain: World) -> None:
    alone = {number: plain.open().embed(drawn(number)).rows for number in range(6)}
    gate = threading.Barrier(3)
    with plain.open() as store, ThreadPoolExecutor(3) as pool:

        def work(number: int) -> Floats:
            gate.wait()
            return store.embed([drawn(number), CAT]).rows

        for number, rows in enumerate(pool.map(work, range(6))):
            np.testing.assert_array_equal(rows[:1], alone[number])


def test_a_foreign_store_embeds_and_is_not_written(
    plain: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = plain.top / ".vstore"
    before = sorted(str(path) for path in folder.rglob("*"))
    monkeypatch.setattr("vstore.disk.owner.os.geteuid", lambda: 12345)
    with plain.open(cache=tmp_path / "caches") as store:
        assert not store.embed([CAT, FISH]).failures
    assert sorted(str(path) for path in folder.rglob("*")) == before
