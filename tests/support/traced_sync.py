"""A sync in a process of its own that prints how many bytes Python holds once all pictures are embedded.

Arguments: an empty folder, the number of pictures, the bytes of vectors after which they are listed.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from pathlib import Path
from typing import Any

from support.folders import World, drawn

import vstore.intake.keeper as keeper
from vstore.intake.ingest import Ingest

EACH = 100  # pictures of a folder


def main(top: Path, count: int, seal_bytes: int) -> None:
    keeper.SEAL_BYTES = seal_bytes
    read_and_embed = Ingest.read_and_embed

    def traced(self: Ingest, *arguments: Any) -> None:
        read_and_embed(self, *arguments)
        gc.collect()
        print(tracemalloc.get_traced_memory()[0])

    Ingest.read_and_embed = traced  # type: ignore[method-assign]
    world, picture = World(top), drawn(1)
    for number in range(0, count, EACH):  # written by hand: a table of all would be measured, too
        folder = world.pictures / f"{number:06}"
        folder.mkdir()
        for one in range(number, number + EACH):
            (folder / f"{one:06}.png").write_bytes(picture + b"%d" % one)
    tracemalloc.start()
    assert world.sync().embedded == count


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
