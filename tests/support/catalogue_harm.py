"""Harms the files of a catalogue, and finds out if it then gives a wrong answer. Run in processes that may die."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from vstore.disk.catalogue import Catalogue
from vstore.format.hashing import checksum

STORE = "the store"
SPACE = "ab" * 32
PAGE = 4096
COUNT = 80


def key(number: int) -> bytes:
    return bytes(range(16)) if number == 0 else number.to_bytes(16, "big")


def value(number: int) -> bytes:
    """Make the facts of a folder; some fill more than a page."""
    return bytes([number % 256]) * (50 + number % 16 * 400)


def put_all(folder: Path) -> None:
    """Put four facts of each of 80 pictures, in several transactions, so that the free list holds something."""
    with Catalogue.open(folder, STORE, write=True) or sys.exit("none") as catalogue:
        for again in range(3):
            with catalogue.batch() as batch:
                for number in range(again * 10, COUNT):
                    batch.put_folder(b"folder %d" % number, 0, value(number))
                    batch.put_facts(key(number), size=number, format="JPEG", width=number, height=number)
                    batch.put_decode_failure(key(number), "decoder", "truncated", str(number))
                batch.put_locations(SPACE, [(key(number), 0, number) for number in range(COUNT)])


def answers(folder: Path, write: bool = False) -> tuple[int, int]:
    """Count the right and the wrong answers for 320 facts. Both are 0 if the catalogue does not open."""
    catalogue = Catalogue.open(folder, STORE, write=write)
    if catalogue is None:
        return 0, 0
    there = wrong = 0
    with catalogue:
        for number in range(COUNT):
            for found, right in (
                (catalogue.folder(b"folder %d" % number, 0), value(number)),
                (catalogue.facts(key(number)), (number, "JPEG", number, number)),
                (catalogue.decode_failure(key(number), "decoder"), ("truncated", str(number))),
                (catalogue.location(SPACE, key(number)), (0, number)),
            ):
                there += found is not None
                wrong += found is not None and found != right
    return there, wrong


def write(path: Path, data: bytes) -> None:
    """Write in place: another inode would be another environment."""
    with path.open("r+b") as file:
        file.truncate(len(data))
        file.write(data)


def harmed(kind: str, data: bytes, older: bytes) -> Iterator[bytes]:
    rng = random.Random(kind)
    pages = len(data) // PAGE
    if kind.startswith("flip in each "):  # so many bytes one of their bits
        step = int(kind.rpartition(" ")[2])
        for start in range(0, len(data), step):
            at = rng.randrange(start, min(start + step, len(data)))
            yield data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    elif kind == "flip heads":  # of pages and their tables of nodes: what liblmdb follows
        for page in (0, 1, 0, 1, *range(2, pages, 3)):
            at = page * PAGE + (rng.randrange(200) if page < 2 else rng.randrange(24))
            yield data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    elif kind == "cut":
        for page in range(pages):
            yield data[: page * PAGE]
            yield data[: page * PAGE + rng.randrange(1, PAGE)]
    elif kind == "zero":
        for page in range(0, pages, 4):
            yield data[: page * PAGE] + bytes(PAGE) + data[(page + 1) * PAGE :]
    elif kind == "noise":
        for page in range(0, pages, 4):
            yield data[: page * PAGE] + rng.randbytes(PAGE) + data[(page + 1) * PAGE :]
    elif kind == "another":  # a page that stands in the place of another one
        for page in range(0, pages, 4):
            at = rng.randrange(pages) * PAGE
            yield data[: page * PAGE] + data[at : at + PAGE] + data[(page + 1) * PAGE :]
    elif kind == "older":  # a write of one page that never came to the disk
        for page in range(0, min(pages, len(older) // PAGE), 2):
            yield data[: page * PAGE] + older[page * PAGE : (page + 1) * PAGE] + data[(page + 1) * PAGE :]
    elif kind == "grow":
        for _ in range(30):
            yield data + rng.randbytes(rng.randrange(1, 3 * PAGE))


def copied_while_written(folder: Path) -> Iterator[bytes]:
    """Copy the file a page at a time while another process writes it."""
    code = "from support.catalogue_harm import keep_putting; keep_putting()"
    writer = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        writer.stdout.read(1)
        for number in range(40):
            found = []
            with (folder / "data.mdb").open("rb", buffering=0) as file:
                while page := file.read(PAGE):
                    found.append(page)
                    if len(found) % 8 == number % 8:
                        time.sleep(0.0005)
            yield b"".join(found)
    finally:
        writer.kill()
        writer.wait()
        assert writer.stdout is not None
        writer.stdout.close()


def main() -> None:
    """Harm a catalogue in one way, in many places. Each time it must answer rightly or not at all, and be repaired.

    A kind that begins with "sealed " is by somebody who computes the seal again.
    """
    folder, kind = Path(sys.argv[1]), sys.argv[2].removeprefix("sealed ")
    forged = kind != sys.argv[2]
    put_all(folder)
    older = (folder / "data.mdb").read_bytes()
    put_all(folder)
    copies = list(copied_while_written(folder)) if kind == "copied while written" else []
    put_all(folder)
    data, seal = (folder / "data.mdb").read_bytes(), (folder / "seal").read_bytes()
    inode = folder.with_name("inode")
    os.link(folder / "data.mdb", inode)
    done = 0
    for changed in copies or harmed(kind, data, older):
        if (folder / "data.mdb").stat().st_ino != inode.stat().st_ino:
            shutil.rmtree(folder)
            folder.mkdir()
            os.link(inode, folder / "data.mdb")
        write(folder / "data.mdb", changed)
        (folder / "seal").write_bytes(checksum(changed) if forged else seal)
        assert answers(folder)[1] == 0, done
        assert answers(folder, write=True)[1] == 0, done
        if done % 5 == 0:
            put_all(folder)
            assert answers(folder) == (4 * COUNT, 0), done
        done += 1
    assert [path.name for path in folder.parent.glob(".tmp-*")] == []
    print(done)


def put_some() -> None:
    for _ in range(int(sys.argv[2])):
        put_all(Path(sys.argv[1]))


def keep_putting() -> None:
    while True:
        put_all(Path(sys.argv[1]))
        os.write(1, b".")
