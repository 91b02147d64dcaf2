"""The preparation of a model's space: kept by its space, proved of an import, and another space where it is another."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.reembed_photos import photo
from support.tiny import save_clip

from vstore.embed.declared import declared
from vstore.embed.load import load_embedder
from vstore.embed.model_words import Words
from vstore.errors import UsageError
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import preparation_of
from vstore.store import Store

pytest.importorskip("torch", reason="the model families need vstore-index[model]")


@pytest.fixture
def clip(tmp_path: Path) -> str:
    return str(save_clip(tmp_path / "clip"))


def _photo(seed: int) -> bytes:
    """Make a photograph that is far larger than what a tiny model sees, with the profile of another display."""
    picture = Image.open(io.BytesIO(photo(seed, 1))).resize((600, 400))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    return file.getvalue()


def _vectors(words: Words, files: list[bytes]) -> Any:
    recipe, place = declared(words, None)
    assert recipe is not None
    embedder = load_embedder(recipe, Words.from_json(place))
    return np.asarray(embedder.embed_images([prepare(data, preparation_of(recipe))[0] for data in files]))


def _old(top: Path, words: Words) -> dict[str, Path]:
    pictures = top / "pictures"
    pictures.mkdir()
    files = {f"p{number:02}.jpg": _photo(number) for number in range(12)}
    for name, data in files.items():
        (pictures / name).write_bytes(data)
    np.save(top / "old.npy", _vectors(words, list(files.values())))
    (top / "old.json").write_text(json.dumps(list(files)))
    return {"embeddings": top / "old.npy", "metadata": top / "old.json", "root": pictures}


def _prepares(store: Store) -> dict[str, int | None]:
    return {row.space_name: store.model_show(row.space_name).prepare for row in store.model_list()}


def test_an_import_goes_on_with_the_preparation_of_before(tmp_path: Path, clip: str) -> None:
    Store.import_new(
        tmp_path / ".vstore", **_old(tmp_path, Words(clip)), model=clip, trust_edited=True, store_dtype="float32"
    )
    with Store(tmp_path / ".vstore") as store:
        sample = store.check(reembed=12).reembed
        assert sample is not None and (sample.best, sample.status) == ("as-declared", "verified")
        fresh = {f"new{number}.jpg": _photo(100 + number) for number in range(10)}
        for name, data in fresh.items():
            (tmp_path / "pictures" / name).write_bytes(data)
        assert store.sync().embedded == 10
        fresh_files = list(fresh.values())
        expected, other = (_vectors(Words(clip, prepare=policy), fresh_files) for policy in (1, 2))
        assert np.abs(expected - other).max() > 1e-3  # what a wrong preparation would make
        store.export(tmp_path / "out")
        rows = np.load(tmp_path / "out" / "embeddings.npy")
        names = json.loads((tmp_path / "out" / "metadata.json").read_text())
        stored = {Path(name).name: row for name, row in zip(names, rows, strict=True)}
        assert np.abs(np.array([stored[name] for name in fresh]) - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("made", "said", "best"),
    [
        (Words(prepare=2), {}, "preparation-2"),
        (Words(prepare=1), {"prepare": 2}, "preparation-1"),
        (Words(prepare=2), {"prepare": 2}, "as-declared"),
    ],
)
def test_a_sample_tells_by_which_preparation_an_index_was_made(
    tmp_path: Path, clip: str, made: Words, said: dict[str, Any], best: str
) -> None:
    old = _old(tmp_path, made._replace(model=clip))
    Store.import_new(tmp_path / ".vstore", **old, model=clip, trust_edited=True, **said)
    with Store(tmp_path / ".vstore") as store:
        sample = store.check(reembed=12).reembed
        assert sample is not None and (sample.best, sample.fits) == (best, True)
        if best != "as-declared":
            assert store.check(reembed=12, adopt=best).reembed.adopted is not None
        (tmp_path / "pictures" / "new.jpg").write_bytes(_photo(99))
        assert store.sync().embedded == 1
        assert store.model_show(store.status().space_name).prepare == made.prepare


def test_a_model_that_has_a_space_is_resolved_under_its_preparation(tmp_path: Path, clip: str) -> None:
    Store.init(tmp_path / ".vstore", model=clip, name="one", prepare=1)
    with Store(tmp_path / ".vstore") as store:
        with pytest.raises(UsageError, match="already has a space: 'one'") as caught:
            store.model_add("two", model=clip)
        assert "--prepare 2" in str(caught.value.next_step)
        again = store.model_add("one", model=clip)
        assert again.known and any("preparation 1; --prepare 2 makes a new space" in note for note in again.notes)
        assert not store.model_add("two", model=clip, prepare=2).known
        assert _prepares(store) == {"one": 1, "two": 2}
        newer = store.model_show("one").newer
        assert newer is not None and "--prepare 2" in newer and store.model_show("two").newer is None
        # With both there, each is found by its name.
        assert store.model_add("one", model=clip).known and store.model_add("two", model=clip).known
        assert not store.model_add("three", model=clip, colour="ignore").known
        with pytest.raises(UsageError, match="'three'"):
            store.model_add("four", model=clip, colour="ignore")


def test_a_new_model_is_prepared_in_the_new_way_whatever_the_current_space_has(tmp_path: Path, clip: str) -> None:
    Store.init(tmp_path / ".vstore", model=clip, name="one", prepare=1)
    other = str(save_clip(tmp_path / "other", seed=7))
    with Store(tmp_path / ".vstore") as store:
        store.model_add("other", model=other)
        assert _prepares(store) == {"one": 1, "other": 2}


def test_the_built_in_embedder_has_both(tmp_path: Path) -> None:
    Store.init(tmp_path / ".vstore", model="builtin", prepare=1)
    with Store(tmp_path / ".vstore") as store:
        assert _prepares(store) == {"builtin": 1}
        with pytest.raises(UsageError, match="'builtin'"):
            store.model_add("b", model="builtin")
        store.model_add("b", model="builtin", prepare=2)
        assert _prepares(store) == {"b": 2, "builtin": 1}
        with pytest.raises(UsageError, match="takes no --colour"):
            store.model_add("c", model="builtin", colour="ignore")


@pytest.mark.parametrize("words", [{"decode": "fast"}, {"decode": "fine"}, {"colour": "ignore"}], ids=str)
def test_words_of_the_newer_preparation_never_give_a_space_of_the_older_one(
    tmp_path: Path, clip: str, words: dict[str, Any]
) -> None:
    Store.init(tmp_path / "store", model=clip, prepare=1)
    with Store(tmp_path / "store") as store:
        store.model_add("newer", model=clip, **words)
        assert _prepares(store) == {store.model_list()[0].space_name: 1, "newer": 2}
