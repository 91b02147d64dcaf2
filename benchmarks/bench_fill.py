"""Is `facts --fill` bound by reading headers, not by decoding?

    python benchmarks/bench_fill.py [--pictures 1000] [--megapixels 3]

JPEG files with an EXIF header of their own, synced once; then in turn, with as many threads, and files that the system
has in memory: `facts --fill` of all of them, with the record that lists the facts; a bare read of the same headers
(open, metadata, close); and a decode of the same files as a sync prepares them (of one in ten, counted tenfold).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench_ingest import draw
from measure import in_turn, machine, ratio, spread, timed, workplace
from PIL import Image

from vstore.facts.reading import WORKERS
from vstore.pictures.decoding import prepare
from vstore.pictures.metadata.reading import metadata_of
from vstore.pictures.preparation import Preparation
from vstore.pictures.readable import FileBytes
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore.testing import FakeEmbedder

DRAWN = 8  # different pictures; the others have one of their headers
FAKE = FakeEmbedder()


def make(folder: Path, count: int, megapixels: float) -> list[Path]:
    """Make JPEG files, each with an EXIF header that says when it was taken."""
    draw(folder.parent / "drawn", DRAWN, megapixels)
    drawn = [path.read_bytes() for path in sorted((folder.parent / "drawn").iterdir())]
    folder.mkdir()
    paths = []
    for number in range(count):
        said = Image.Exif()
        said[271], said[272], said[274] = "Canon", "Canon EOS R5", 1
        said.get_ifd(0x8769)[0x9003] = f"2024:06:01 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
        head = said.tobytes()
        data = drawn[number % DRAWN]
        paths.append(folder / f"{number:06}.jpg")
        segment = b"\xff\xe1" + (len(head) + 2).to_bytes(2, "big") + head
        paths[-1].write_bytes(data[:2] + segment + b"\xff\xfe\0\x0a%08d" % number + data[2:])
    return paths


def forget(folder: Path) -> None:
    """Take all facts out of a store."""
    repo = Repository(folder)
    with repo.committing("bench"):
        repo.publish("seal", {"facts": repo.state.facts_changed([])})
    repo.close()


def each(work: Callable[[Path], object], paths: Sequence[Path]) -> float:
    """Do the same with all files, in as many threads as a fill has. Returns: seconds."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return timed(lambda: list(pool.map(work, paths)))


def header(path: Path) -> object:
    """Read the header of a file."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return metadata_of(FileBytes(fd))
    finally:
        os.close(fd)


def decode(path: Path) -> object:
    """Read and decode a file."""
    return prepare(path.read_bytes(), Preparation())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--megapixels", type=float, default=3)
    args = parser.parse_args()
    with workplace() as top:
        print(machine())
        paths = make(top / "pictures", args.pictures, args.megapixels)
        time.sleep(2.5)  # a file that was changed just now is read whole: its stat proves nothing
        Store.init(top / ".vstore", recipe=FAKE.recipe)
        with Store(top / ".vstore", load_embedder=lambda recipe: FAKE) as store:
            store.sync([top / "pictures"])

            def fill() -> float:
                forget(top / ".vstore")
                seconds = timed(lambda: store.facts(fill=True))
                missing = store.facts().without_facts
                assert missing == 0, f"{missing} pictures without facts"
                return seconds

            found = in_turn(
                {
                    "facts --fill": fill,
                    "bare headers": lambda: each(header, paths),
                    "decoding": lambda: 10 * each(decode, paths[::10]),
                }
            )
        for name, seconds in found.items():
            print(f"{name}: {spread(seconds, 'us', 1e6 / len(paths))} a picture")
        print(f"facts --fill / bare headers: {ratio(found['facts --fill'], found['bare headers'])}")
        print(f"decoding / facts --fill: {ratio(found['decoding'], found['facts --fill'])}")


if __name__ == "__main__":
    main()
