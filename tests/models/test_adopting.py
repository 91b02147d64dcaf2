"""An old index of a real family: declared, imported, proved, and told by which recipe it was made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.reembed_photos import photo
from support.reference import SYSTEMS, Reference
from support.tiny import save_clip, save_dinov2
from support.zoo import Zoo

from vstore.embed.declared import declared
from vstore.embed.load import load_embedder
from vstore.embed.model_words import Words
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import preparation_of
from vstore.store import Store

pytest.importorskip("torch", reason="the model families need vstore-index[model]")


def _old(top: Path, words: Words, **changes: object) -> dict[str, Path]:
    """Pictures, and an old index of them that a variation of the declared model gave."""
    recipe, _ = declared(words, None)
    made_with = {**recipe, **changes}
    pictures = top / "pictures"
    pictures.mkdir()
    names = [f"p{i:02}.jpg" for i in range(12)]
    for i, name in enumerate(names):
        (pictures / name).write_bytes(photo(i, 6 if i % 2 else 1))
    embedder = load_embedder(made_with, words)
    prepared = [prepare((pictures / name).read_bytes(), preparation_of(made_with))[0] for name in names]
    np.save(top / "old.npy", np.asarray(embedder.embed_images(prepared)).astype(np.float16))
    (top / "old.json").write_text(json.dumps([f"../o00/{name}" for name in names]))
    return {"embeddings": top / "old.npy", "metadata": top / "old.json", "root": pictures}


def test_a_declared_model_is_verified_and_goes_on_embedding(tmp_path: Path) -> None:
    model = str(save_clip(tmp_path / "clip"))
    report = Store.import_new(tmp_path / ".vstore", **_old(tmp_path, Words(model)), model=model, trust_edited=True)
    assert report.status == "claimed"
    with Store(tmp_path / ".vstore") as store:
        sample = store.check(reembed=8).reembed
        assert sample is not None and (sample.fits, sample.status) == (True, "verified")
        (tmp_path / "pictures" / "new.jpg").write_bytes(photo(99, 1))
        assert store.sync().embedded == 1


def test_an_index_of_a_model_in_other_files_goes_into_its_space(tmp_path: Path) -> None:
    from support.recut import copied, resharded

    model = save_clip(tmp_path / "clip")
    Store.init(tmp_path / ".vstore", model=str(model), name="one", prepare=1, device="cpu")
    copy = resharded(copied(model, tmp_path / "copy"))
    with Store(tmp_path / ".vstore") as store:
        report = store.import_index(**_old(tmp_path, Words(str(copy))), model=str(copy), trust_edited=True)
        assert (report.space_name, len(store.model_list())) == ("one", 1)
        assert store.check(reembed=8, model=str(copy)).reembed.next == ""


@pytest.mark.parametrize("cause", ["exif-ignored", "pooling-mean"])
def test_what_was_made_otherwise_is_found_and_adopted(tmp_path: Path, cause: str) -> None:
    words = Words(str(save_dinov2(tmp_path / "dino")))
    recipe, _ = declared(words, None)
    changes = (
        {"pooling": "mean"} if cause == "pooling-mean" else {"prepare": {**recipe["prepare"], "orientation": "ignored"}}
    )
    Store.import_new(tmp_path / ".vstore", **_old(tmp_path, words, **changes), model=words.model, trust_edited=True)
    with Store(tmp_path / ".vstore") as store:
        sample = store.check(reembed=12).reembed
        assert sample is not None and (sample.best, sample.fits) == (cause, True), [
            (t.name, t.fitting, t.error) for t in sample.trials
        ]
        adopted = store.check(reembed=12, adopt=cause).reembed
        assert adopted is not None and adopted.adopted is not None
        (tmp_path / "pictures" / "new.jpg").write_bytes(photo(99, 6))
        assert store.sync().embedded == 1


def _foreign(top: Path, vector: Callable[[Image.Image], Any]) -> dict[str, Path]:
    """Pictures of several shapes, and an old index of them that another program made with transformers and peft."""
    pictures = top / "pictures"
    pictures.mkdir()
    names = [f"p{i:02}.jpg" for i in range(8)]
    for i, name in enumerate(names):
        (pictures / name).write_bytes(photo(i, 1, (96, 64) if i % 2 else (70 + i, 120)))
    rows = [vector(Image.open(pictures / name)) for name in names]
    np.save(top / "old.npy", np.asarray(rows, np.float32))
    (top / "old.json").write_text(json.dumps([f"../o00/{name}" for name in names]))
    return {"embeddings": top / "old.npy", "metadata": top / "old.json", "root": pictures}


CAUSES = [
    # The model, how it was declared, how the vectors were made, and what tells.
    ("clip", {"adapter": True}, {}, "no-adapter"),
    ("qwen2_vl", {"adapter": True}, {}, "no-adapter"),
    ("qwen2_vl", {}, {"pooling": "mean"}, "pooling-mean"),
    ("qwen2_vl", {}, {"pooling": "last-column"}, "pooling-last-column"),
    ("qwen2_vl", {}, {"pooling": "last-column-v4"}, "pooling-last-column-v4"),
    ("qwen2_vl", {}, {"prompt": "Describe the image."}, "prompt-3"),
    ("qwen2_vl", {"prompt": "find what is like it"}, {}, "no-prompt"),
    ("qwen3_vl", {}, {"system": SYSTEMS["qwen2_vl"]}, "no-prompt-system"),
]


@pytest.mark.parametrize(("name", "said", "made", "cause"), CAUSES)
def test_what_another_program_did_is_found_adopted_and_gone_on_with(
    zoo: Zoo, tmp_path: Path, name: str, said: dict[str, Any], made: dict[str, Any], cause: str
) -> None:
    model = {**said, "model": str(zoo[name])}
    if said.get("adapter"):
        model["adapter"] = str(zoo.adapter(name))
    reference = Reference(zoo[name])
    old = _foreign(tmp_path, lambda picture: reference.picture(picture, **made))
    Store.import_new(tmp_path / ".vstore", **old, **model, trust_edited=True)
    with Store(tmp_path / ".vstore") as store:
        sample = store.check(reembed=8).reembed
        assert sample is not None and (sample.best, sample.fits, sample.status) == (cause, True, "claimed"), [
            (t.name, t.fitting, t.median, t.error) for t in sample.trials
        ]
        assert sample.trials[0].fitting < sample.needed
        assert sample.next == f"vstore check --reembed 8 --adopt {cause}"
        assert store.check(reembed=8, adopt=cause).reembed is not None
        new = tmp_path / "pictures" / "new.jpg"
        new.write_bytes(photo(99, 1, (90, 110)))
        assert store.sync().embedded == 1
        again = store.check(reembed=9).reembed
        assert again is not None and (len(again.trials), again.fits, again.status) == (1, True, "verified")
        store.export(tmp_path / "all.npz", format="npz")
    with np.load(tmp_path / "all.npz") as all_:
        row = next(i for i, paths in enumerate(all_["paths"]) if "new.jpg" in str(paths))
        assert np.abs(all_["vectors"][row] - reference.picture(Image.open(new), **made)).max() < 1e-3
