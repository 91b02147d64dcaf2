"""Made the stores that lie beside it, with the code of format 1; kept to say how, not to be run again.

python tests/store/data/format-1/make.py FOLDER: writes `pictures/`, `store/` and `sha256-float32/` into FOLDER.
What may be deleted at any time, and what is the same in every store (`reserve`), is left out.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from PIL import Image

from vstore.embed.builtin import BuiltinEmbedder
from vstore.images import Preparation, prepare
from vstore.repository import Repository
from vstore.store import Store
from vstore.sync.keeper import Keeper


def draw(path: Path, red: int, green: int, blue: int) -> None:
    """A small picture whose colours run across it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (24, 16))
    pixels = [(x * red % 256, y * green % 256, (x + y) * blue % 256) for y in range(16) for x in range(24)]
    picture.putdata(pixels)
    picture.save(path, optimize=True)


def journal(store: Path, picture: Path) -> None:
    """What a run leaves that was killed after it embedded one picture."""
    repo = Repository(store)
    data = picture.read_bytes()
    prepared, _ = prepare(data, Preparation())
    (space,) = repo.state.spaces.values()
    keeper = Keeper(repo, space.id, space.dim)
    keeper.keep([repo.hash.digest(data)], BuiltinEmbedder().embed_images([prepared]))
    keeper.close()


def main(folder: Path) -> None:
    pictures, store, other = folder / "pictures", folder / "store", folder / "sha256-float32"
    draw(pictures / "a.png", 10, 15, 0)
    draw(pictures / "b.png", 0, 16, 11)
    draw(pictures / "summer" / "c.png", 5, 0, 7)
    Store.init(store)
    with Store(store) as opened:
        opened.sync([pictures], message="three pictures")
        opened.snapshot_tag("v1", "first")
        shutil.copy(pictures / "a.png", pictures / "copy of a.png")
        os.rename(pictures / "b.png", pictures / "summer" / "b.png")
        draw(pictures / "d.png", 3, 9, 4)
        opened.sync([pictures], message="a copy, a renamed one, a new one")
        opened.rollback("first")
        opened.undo()
    draw(pictures / "e.png", 0, 0, 9)
    journal(store, pictures / "e.png")
    Store.init(other, hash="sha256", store_dtype="float32")
    with Store(other) as opened:
        opened.sync([pictures])
    for made in (store, other):
        for name in ("catalogue", "cache", "locks", "quarantine"):
            shutil.rmtree(made / name)
        (made / "reserve").unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
