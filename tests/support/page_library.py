"""A store of the sample pictures, with all kinds of changes: what tests and screenshots of the page show."""

from __future__ import annotations

import shutil
from pathlib import Path

from PIL import Image
from support.lines import TOP, process

SAMPLES = TOP / "examples" / "pictures"


def run(folder: Path, *words: str) -> None:
    """Run `vstore` in a folder, for what it writes."""
    ran = process(*words, cwd=folder)
    assert ran.code == 0, (words, ran)


def build(home: Path) -> Path:
    """Make a store of the sample pictures: `home/.vstore` of `home/pictures`, three snapshots, all kinds of changes.

    v1: all pictures but `town`. v2, tagged `summer`: with `town`. v3, current: animals/cat-1.jpg is renamed.jpg,
    cat-2.jpg is gone, copied.jpg is cat-3.jpg once more; fish-1.jpg was turned, and is kept as it was in before.jpg.
    """
    pictures = home / "pictures"
    shutil.copytree(SAMPLES, pictures)
    town = home / "town"
    (pictures / "town").rename(town)
    run(home, "sync", "pictures", "-q", "-m", "first pictures")
    town.rename(pictures / "town")
    run(home, "sync", "pictures", "-q", "-m", "the town")
    run(home, "snapshot", "tag", "v2", "summer")
    animals = pictures / "animals"
    (animals / "cat-1.jpg").rename(animals / "renamed.jpg")
    (animals / "cat-2.jpg").unlink()
    shutil.copyfile(animals / "cat-3.jpg", animals / "copied.jpg")
    shutil.copyfile(animals / "fish-1.jpg", animals / "before.jpg")
    with Image.open(animals / "before.jpg") as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(animals / "fish-1.jpg", quality=90)
    run(home, "sync", "pictures", "-q", "-m", "tidied")
    return home
