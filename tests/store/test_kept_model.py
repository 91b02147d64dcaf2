"""A store that keeps the model of a search: it is loaded once, and its searches take turns."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.folders import put

from vstore.repository.add_space import add_space
from vstore.search.query import Operand
from vstore.store import Store
from vstore.testing import FakeEmbedder

if TYPE_CHECKING:
    from vstore.embed.embedder import Embedder
    from vstore.format.recipes import Recipe


class Loads:
    """Loads the embedders of two spaces, and counts."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.fakes = {"fake-1": FakeEmbedder(), "fake-2": FakeEmbedder("fake-2", dim=12)}

    def __call__(self, recipe: Recipe) -> Embedder:
        self.names.append(recipe["name"])
        return self.fakes[recipe["name"]]


@pytest.fixture
def loads() -> Loads:
    return Loads()


@pytest.fixture
def folder(tmp_path: Path, loads: Loads) -> Path:
    """A store with a snapshot of each space, v1 and v2, and queries that it does not hold."""
    put(tmp_path / "pictures", {f"{number}.png": number for number in range(4)})
    put(tmp_path, {f"query {number}.png": 100 + number for number in range(8)})
    Store.sync_new(
        tmp_path / "store", [tmp_path / "pictures"], recipe=loads.fakes["fake-1"].recipe, load_embedder=loads
    )
    with Store(tmp_path / "store", load_embedder=loads) as store:
        add_space(store._repo, loads.fakes["fake-2"].recipe, "fake-2")
        store.sync(space="fake-2")
    loads.names.clear()
    return tmp_path


def ask(store: Store, folder: Path, number: int, at: str = "v1") -> bytes:
    image = bytes(folder / f"query {number}.png")
    return store.search([Operand(1.0, image=image)], k=1, at=at).hits[0].paths[0]


def test_it_is_loaded_once(folder: Path, loads: Loads) -> None:
    with (
        Store(folder / "store", load_embedder=loads, keep_model=True) as kept,
        Store(folder / "store", load_embedder=loads) as plain,
    ):
        assert [ask(kept, folder, n) for n in range(4)] == [ask(plain, folder, n) for n in range(4)]
    assert loads.names == ["fake-1"] * 5, "one for all, and one for each"


def test_no_picture_that_is_stored_loads_it(folder: Path, loads: Loads) -> None:
    with Store(folder / "store", load_embedder=loads, keep_model=True) as store:
        store.search([Operand(1.0, image=bytes(folder / "pictures/0.png"))])
    assert loads.names == []


def test_of_two_spaces_the_model_of_the_last_one_is_kept_and_no_vector_is_of_the_other(
    folder: Path, loads: Loads
) -> None:
    with Store(folder / "store", load_embedder=loads, keep_model=True) as store:
        for at in ("v1", "v2", "v2", "v1"):
            ask(store, folder, 0, at)
    assert loads.names == ["fake-1", "fake-2", "fake-1"]


def test_another_device_is_another_model(folder: Path, loads: Loads) -> None:
    with Store(folder / "store", load_embedder=loads, keep_model=True) as store:
        for device in ("auto", "cpu", "cpu"):
            store.search([Operand(1.0, image=bytes(folder / "query 0.png"))], at="v1", device=device)
    assert len(loads.names) == 2


def test_a_model_that_does_not_load_is_loaded_by_the_next_search(folder: Path, loads: Loads) -> None:
    def failing(recipe: Recipe) -> Embedder:
        if not loads.names:
            loads(recipe)
            raise ValueError("no")
        return loads(recipe)

    with Store(folder / "store", load_embedder=failing, keep_model=True) as store:
        with pytest.raises(ValueError, match="no"):
            ask(store, folder, 0)
        ask(store, folder, 0)
        ask(store, folder, 1)
    assert loads.names == ["fake-1"] * 2


@pytest.mark.parametrize("viewed", [False, True])
def test_searches_of_several_threads_take_turns(
    folder: Path, loads: Loads, monkeypatch: pytest.MonkeyPatch, viewed: bool
) -> None:
    plain, at_once, most = FakeEmbedder.embed_images, [0], [0]
    lock = threading.Lock()

    def slow(self: FakeEmbedder, pictures: object) -> object:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.05)
        with lock:
            at_once[0] -= 1
        return plain(self, pictures)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeEmbedder, "embed_images", slow)
    with Store(folder / "store", load_embedder=loads, keep_model=True) as store, ThreadPoolExecutor(8) as pool:
        view = store.view("v1")

        def one(number: int) -> None:
            if viewed and number % 2:
                view.search([Operand(1.0, image=bytes(folder / f"query {number}.png"))], k=1)
            else:
                ask(store, folder, number)

        list(pool.map(one, range(8)))
    assert most == [1]
    assert loads.names == ["fake-1"]
