"""Are the groups of `dupes --near` the copies of one picture each?

    python benchmarks/bench_dupes_quality.py --pictures DIR [--pictures DIR …] [--others PYTHON] [--near SCORE]

Target: B-cubed F of at least 0.98. Each picture of DIR is written eleven times: as it is, encoded again (JPEG quality
70 and 30), at half and a quarter of its size, cropped by 5 % at each side, in a black border of 5 %, watermarked,
mirrored, and turned by 90 and by 180 degrees. A group is right as far as its files come from one picture. Of pictures
of one scene in DIR the first is taken, and none of one colour (`photographs` of `bench_builtin_quality.py`). --without
NAME leaves out folders of that name.

Beside it stand chains over the same pairs (union-find), and with --others, a Python in which they are installed:
imagededup's pHash at its default distance of 10, whose lists of neighbours are joined to groups, and Czkawka by its
Python package at several distances. imagededup's CNN needs torchvision and a model that it downloads: it is left out.

Pairs: of all pairs within groups the share that is right (precision), of all right pairs the share within groups
(recall). B-cubed: the same for the group of each file, on average over files; F is their harmonic mean.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from bench_builtin_quality import Picture, cropped, encoded, photographs, resized, watermarked
from measure import machine
from PIL import Image, ImageOps

from vstore.embed.builtin import BuiltinEmbedder
from vstore.progress import Stages
from vstore.repository.repository import Repository
from vstore.search.calibration import Calibration, of_pairs
from vstore.search.pairs import near_pairs
from vstore.search.turned import best_of_turns, parted
from vstore.store import Store

Group = list[str]  # names of files: number of the picture, a hyphen, how it was changed

COPIES: dict[str, Callable[[Picture], Picture]] = {
    "as it is": lambda p: p,
    "quality 70": lambda p: encoded(p, 70),
    "quality 30": lambda p: encoded(p, 30),
    "half": lambda p: resized(p, 1 / 2),
    "quarter": lambda p: resized(p, 1 / 4),
    "cropped": lambda p: cropped(p, 0.05, 0.05, 0.05, 0.05),
    "bordered": lambda p: ImageOps.expand(p, (round(p.width * 0.05), round(p.height * 0.05)), 0),
    "marked": watermarked,
    "mirrored": ImageOps.mirror,
    "turned 90": lambda p: p.transpose(Image.Transpose.ROTATE_90),
    "turned 180": lambda p: p.transpose(Image.Transpose.ROTATE_180),
}

# Run by another Python: prints {side: groups}.
_OTHERS = """
import json, sys, types
folder, found = sys.argv[1], {}
for name, missing in ("imagededup.utils.models", "CustomModel"), ("imagededup.methods.cnn", "CNN"):
    sys.modules[name] = types.ModuleType(name)  # of its CNN, which would import torchvision
    setattr(sys.modules[name], missing, None)
try:
    from imagededup.methods.hashing import PHash
    options = dict(max_distance_threshold=10, num_enc_workers=0, num_dist_workers=0)
    near = PHash(verbose=False).find_duplicates(image_dir=folder, **options)
    found["imagededup, pHash"] = [[one, *others] for one, others in near.items() if others]
except ImportError as err:
    print(err, file=sys.stderr)
try:
    from czkawka import ImageSimilarity
    for distance in (2, 5, 10, 15, 20):
        finder = ImageSimilarity()
        finder.set_directories([folder])
        finder.set_similarity(distance)
        found[f"Czkawka, distance {distance}"] = [[path.name for path in group] for group in finder.find_similar()]
except ImportError as err:
    print(err, file=sys.stderr)
print()
print(json.dumps(found))
"""


def write(pictures: list[Picture], folder: Path) -> None:
    for number, picture in enumerate(pictures):
        for name, change in COPIES.items():
            change(picture).save(folder / f"{number}-{name}.png", compress_level=1)


def joined(groups: Iterable[Group]) -> list[Group]:
    """Join groups that share a file, until none do: chains."""
    of: dict[str, str] = {}

    def root(name: str) -> str:
        while of.setdefault(name, name) != name:
            name = of[name] = of[of[name]]
        return name

    for group in groups:
        for name in group:
            of[root(name)] = root(group[0])
    found: dict[str, Group] = defaultdict(list)
    for name in of:
        found[root(name)].append(name)
    return list(found.values())


def report(side: str, groups: Iterable[Group], names: list[str]) -> None:
    """Print how right groups are. A file of no group is one of its own."""
    group_of = {name: number for number, group in enumerate(groups) for name in group}
    for name in names:
        group_of.setdefault(name, len(group_of) + len(names))
    group = np.array([group_of[name] for name in names])
    origin = np.array([int(name.partition("-")[0]) for name in names])
    together, same = group[:, None] == group, origin[:, None] == origin
    both = together & same
    count = len(names)
    pairs_found, pairs_right, pairs = ((matrix.sum() - count) / 2 for matrix in (together, both, same))
    right, found = (both.sum(1) / together.sum(1)).mean(), (both.sum(1) / same.sum(1)).mean()
    print(
        f"  {side}: pairs {pairs_right / max(1, pairs_found):.4f} precision, {pairs_right / pairs:.4f} recall; "
        f"B-cubed {right:.4f} precision, {found:.4f} recall, F {2 * right * found / (right + found):.4f}"
    )


def missed(groups: Iterable[Group], names: list[str]) -> str:
    """Count the copies that stand apart from most of their picture's, by how they were changed."""
    group_of = {name: number for number, group in enumerate(groups) for name in group}
    counts: dict[str, int] = defaultdict(int)
    of_picture: dict[str, list[str]] = defaultdict(list)
    for name in names:
        of_picture[name.partition("-")[0]].append(name)
    for copies in of_picture.values():
        numbers = [group_of.get(name, -at - 1) for at, name in enumerate(copies)]
        most = max(numbers, key=numbers.count)
        for name, number in zip(copies, numbers, strict=True):
            if number != most:
                counts[name.partition("-")[2].removesuffix(".png")] += 1
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda one: -one[1])) or "none"


def tell_tail(name: str, found: Calibration | None, scores: np.ndarray) -> None:  # type: ignore[type-arg]
    if found is None:
        return
    of_pair = scores[np.triu_indices(len(scores), 1)]
    levels = ", ".join(f"{level:.3f}" for level in found.levels[::10])
    print(
        f"  {name}, {found.pictures} pictures: levels {levels}; width {found.width:.4f}; of {len(of_pair):,} pairs "
        f"1 in 1,000 reaches {np.quantile(of_pair, 0.999):.3f}, by the fit {found.score(0.001):.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=Path, action="append", required=True)
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--others", help="a Python with imagededup or czkawka")
    parser.add_argument("--near", type=float, help="a score instead of the default")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as made:
        top = Path(made)
        (top / "given").mkdir()
        taken = (file for folder in options.pictures for file in sorted(folder.rglob("*")) if file.is_file())
        for number, file in enumerate(file for file in taken if not set(file.parts) & set(options.without)):
            (top / "given" / f"{number:05d}{file.suffix}").symlink_to(file.resolve())
        pictures = photographs(top / "given")
        rows = BuiltinEmbedder().embed_images([picture.convert("RGB") for picture in pictures])
        for name, scores in (
            ("plain", rows @ rows.T),
            ("turned", best_of_turns(parted(rows), parted(rows))),
        ):
            tell_tail(name, of_pairs(scores), scores)
        files = top / "files"
        files.mkdir()
        write(pictures, files)
        names = sorted(path.name for path in files.iterdir())
        print(f"{len(names):,} files of {len(pictures)} pictures")
        Store.sync_new(top / "store", files)
        with Store(top / "store") as store:
            for loose in (False, True):
                found = store.dupes(near=options.near or "auto", loose=loose)
                groups = [[path.decode().rpartition("/")[2] for path in group.paths] for group in found.groups]
                report(f"vstore, {found.near:g}{', --loose' * loose}", groups, names)
                print(f"    apart: {missed(groups, names)}")
            assert found.near is not None
        repo = Repository(top / "store")
        snapshot = repo.snapshot("current")
        path_of = {key: path.decode().rpartition("/")[2] for path, key in repo.tree(snapshot)}
        pairs = near_pairs(repo, snapshot.space, path_of, found.near, stages=Stages(None))
        linked = [[path_of[pairs.keys[at]] for at in pair] for pair in zip(pairs.one, pairs.other, strict=True)]
        linked += [[path_of[pairs.keys[at]], path_of[key]] for key, at in zip(pairs.keys, pairs.node, strict=True)]
        report(f"chains over the same pairs, {found.near:g}", joined(linked), names)
        if options.others:
            theirs = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            words = [options.others, "-c", _OTHERS, str(files)]
            told = subprocess.run(words, stdout=subprocess.PIPE, check=True, env=theirs).stdout
            for side, groups in json.loads(told.splitlines()[-1]).items():
                report(side, joined(groups), names)


if __name__ == "__main__":
    main()
