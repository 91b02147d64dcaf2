"""The recipes of docs/howto/vectors.md that need other packages, run as the page has them where these are installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docs_tools.console import TOP

from vstore.store import Store

PAGE = (TOP / "docs/howto/vectors.md").read_text()
RECIPES = {
    part.partition("\n")[0]: re.findall(r"^<!-- not run.*\n```python\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)[0]
    for part in PAGE.split("\n## ")
    if "<!-- not run" in part
}


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder with a store of three pictures, one of them twice, and one with a name that is not UTF-8."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("cat-1.jpg", "cat-2.jpg", "fish-3.webp"):
        shutil.copy(TOP / "examples/pictures/animals" / name, pictures)
    shutil.copy(pictures / "cat-1.jpg", pictures / "copy.jpg")
    os.rename(pictures / "cat-2.jpg", os.fsdecode(os.fsencode(pictures) + b"/cat-\xff.jpg"))
    Store.sync_new(tmp_path / ".vstore", [pictures])
    return tmp_path


def run(code: str, top: Path) -> str:
    env = {**os.environ, "HF_HOME": str(top / "hf"), "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    env["PYTHONPATH"] = str(TOP / "store")
    done = subprocess.run([sys.executable, "-c", code], cwd=top, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def test_each_recipe_of_the_page_is_found() -> None:
    assert RECIPES.keys() == {"pandas", "Hugging Face datasets"}


def test_a_data_frame_has_a_row_for_each_picture(top: Path) -> None:
    pytest.importorskip("pandas")
    assert run(RECIPES["pandas"], top) == "(3, 334)\n"


CHECK = """
import numpy as np
with Store(".vstore") as store:
    keys, paths, rows = store.vectors()
assert len(pictures) == 3, len(pictures)
assert pictures["key"][:] == [key.hex() for key in keys]
array = pictures.with_format("numpy")["vector"][:]
assert np.array_equal(np.asarray(array, np.float32), rows.astype(np.float32))
sizes = {picture["path"]: picture["image"] and picture["image"].size for picture in pictures}
assert sizes.pop(None) is None
print(sorted(sizes.items()), pictures.features["vector"].length)
"""


def test_a_data_set_has_the_vectors_and_shows_the_pictures(top: Path) -> None:
    pytest.importorskip("datasets")
    assert run(RECIPES["Hugging Face datasets"] + CHECK, top) == (
        "[('pictures/cat-1.jpg', (480, 360)), ('pictures/fish-3.webp', (480, 360))] 333\n"
    )
