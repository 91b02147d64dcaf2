"""An old index of a real family: declared, imported, proved, and told by which recipe it was made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from models.tiny import save_clip, save_dinov2
from store.reembed_photos import photo

from vstore.embed import load_embedder
from vstore.embed.place import Words
from vstore.images import preparation_of, prepare
from vstore.legacy.declared import declared
from vstore.store import Store

pytest.importorskip("torch", reason="the model families need vstore-index[model]")


def _old(top: Path, words: Words, **changes: object) -> dict[str, Path]:
    """Pictures, and an old index of them that a variation of the declared model gave."""
    recipe, _ = declared(words)
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


@pytest.mark.parametrize("cause", ["exif-ignored", "pooling-mean"])
def test_what_was_made_otherwise_is_found_and_adopted(tmp_path: Path, cause: str) -> None:
    words = Words(str(save_dinov2(tmp_path / "dino")))
    recipe, _ = declared(words)
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
