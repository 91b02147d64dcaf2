"""`Store.embed` with models: the vectors that a sync of the same files gives, in batches of the model's own size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.model_store import World
from support.tiny import save_clip, save_naflex

from vstore.store import Store

PHOTOS = sorted((Path(__file__).parents[2] / "examples" / "pictures").rglob("*.*"))


@pytest.mark.parametrize("save", [save_clip, save_naflex])
def test_pictures_have_the_vectors_of_a_sync(tmp_path: Path, save: Callable[[Path], Path]) -> None:
    world = World(tmp_path, save(tmp_path / "model"))
    assert len(PHOTOS) > 32  # more than are embedded at once
    with Store(world.folder, keep_model=True) as store:
        rows, failures = store.embed([*PHOTOS, tmp_path], device="cpu")
        assert list(failures) == [len(PHOTOS)]
        for path in PHOTOS:
            (world.pictures / path.name).write_bytes(path.read_bytes())
        world.sync()
        keys, paths, stored = store.vectors()
        found = {names[0]: row for names, row in zip(paths, stored.astype(np.float32), strict=True)}
        assert len(keys) == len(PHOTOS) + 5
        for path, row in zip(PHOTOS, rows, strict=False):
            assert float(row @ found[f"pictures/{path.name}"]) > 0.999
        again = store.embed(PHOTOS).rows
    np.testing.assert_allclose(again, rows[:-1], atol=2e-3)
