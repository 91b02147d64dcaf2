"""What happens at sizes that nobody has: of folders, segments, packs, snapshots, hits, and with few descriptors.

    python benchmarks/bench_limits.py folder     [--files 300000]                one folder of tiny pictures
    python benchmarks/bench_limits.py folders    [--folders 100000]              as many folders of one picture each
    python benchmarks/bench_limits.py segments   [--segments 5000]               small ones, then ones of 8 MiB
    python benchmarks/bench_limits.py packs      [--packs 1100] [--open 256 1024]
    python benchmarks/bench_limits.py snapshots  [--snapshots 20000]
    python benchmarks/bench_limits.py pictures   [--pictures 1000000] [--hits 100000]
    python benchmarks/bench_limits.py fields     [--pictures 1000000]            a label of each, in each format
    Each takes --dir DIR: where to work; a new temporary folder by default.

Prints a line for each command: wall and CPU time, memory at most, exit status, and the last line that it prints. There
is no target but that each ends, and says what is true. The embedder is the built-in one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import struct
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from bench_commit import store_of
from bench_search import build
from bench_snapshots import Store as ManySnapshots
from bench_snapshots import Unflushed
from measure import VSTORE, environment, machine, make_pictures, workplace

from vstore.disk import durable
from vstore.disk.footer import BLOCK, Footer
from vstore.disk.pack_writer import write_pack
from vstore.disk.segment_writer import rounded, write_segment
from vstore.format.entries import FileRef, listed_packs
from vstore.format.hashing import checksum
from vstore.repository.repository import Repository

WIDE = 4096  # numbers of a vector
LARGE = (8 << 20) // (2 * WIDE)  # rows of a segment that is no longer merged
SETTLED = 2.2  # seconds after which the time of a file is trusted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--files", type=int, default=300_000)
    parser.add_argument("--folders", type=int, default=100_000)
    parser.add_argument("--segments", type=int, default=5_000)
    parser.add_argument("--packs", type=int, default=1_100)
    parser.add_argument("--open", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--snapshots", type=int, default=20_000)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--hits", type=int, default=100_000)
    parser.add_argument("--dir", type=Path)
    args = parser.parse_args()
    print(machine())
    with workplace(args.dir) as top:
        KINDS[args.kind](top, args)


def step(store: Path, *words: str, files: int | None = None) -> None:
    """Run a command on a store, and print a line about it. files: descriptors that it may have."""

    def limit() -> None:
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    with tempfile.TemporaryFile() as told:
        began = time.perf_counter()
        command = [*VSTORE, "--store", str(store), *words]
        child = subprocess.Popen(command, stdout=told, stderr=told, env=environment(), preexec_fn=limit)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        last = (told.read().decode(errors="replace").strip().splitlines() or [""])[-1]
    name = " ".join(word if len(word) < 40 else "…" + word[-20:] for word in words)
    cpu = used.ru_utime + used.ru_stime
    print(
        f"  {name}: {wall:.3g} s, CPU {cpu:.3g} s, {used.ru_maxrss >> 10} MiB, exit {child.returncode}: {last[:150]}",
        flush=True,
    )


def tiny(number: int) -> bytes:
    """Make a PNG of 8 x 8 random pixels."""
    pixels = random.Random(number).randbytes(8 * 24)
    rows = b"".join(b"\0" + pixels[at : at + 24] for at in range(0, len(pixels), 24))
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )


def put(paths: Iterator[Path]) -> None:
    """Write pictures. paths: those of one folder one after another."""
    made: Path | None = None
    for number, path in enumerate(paths):
        if path.parent != made:
            made = path.parent
            made.mkdir(parents=True)
        path.write_bytes(tiny(number))


def synced(top: Path, pictures: Path, some: Callable[[int], Path], count: int) -> None:
    """Sync many pictures, then with a few changes. some: the path of a picture by its number."""
    store = top / "store"
    time.sleep(SETTLED)
    step(store, "init")
    step(store, "sync", str(pictures), "-q")
    step(store, "sync", "-q")
    step(store, "status")
    step(store, "search", "--image", str(some(count // 2)), "-k", "3")
    some(count // 3).rename(some(count // 3).with_name("renamed.png"))
    step(store, "sync")
    (pictures / "00.png").write_bytes(tiny(count))
    step(store, "sync")
    for number in range(count // 4, count // 4 + min(1000, count // 20)):
        some(number).unlink()
    step(store, "sync")
    time.sleep(SETTLED)
    step(store, "sync", "-q")
    step(store, "snapshot", "diff", "v1")
    step(store, "check", "--read-data")
    step(store, "gc")


def folder(top: Path, args: argparse.Namespace) -> None:
    pictures = top / "pictures"

    def path(number: int) -> Path:
        return pictures / f"img_{number:07d}.png"

    put(path(number) for number in range(args.files))
    print(f"{args.files:,} pictures in one folder")
    synced(top, pictures, path, args.files)


def folders(top: Path, args: argparse.Namespace) -> None:
    pictures = top / "pictures"

    def path(number: int) -> Path:
        return pictures / f"{number:06d}" / "img.png"

    put(path(number) for number in range(args.folders))
    print(f"{args.folders:,} folders of one picture each, in one folder")
    synced(top, pictures, path, args.folders)


def segments(top: Path, args: argparse.Namespace) -> None:
    durable.disk = Unflushed()
    for kind, make in (("20 rows each", small_segments), ("8 MiB each, which no sync merges", large_segments)):
        store, pictures = top / kind[0] / "store", top / kind[0] / "pictures"
        make_pictures(pictures, 100, 20)
        with store_of(store, WIDE) as opened:
            opened.sync([pictures])
        repo = Repository(store)
        space = repo.state.current_space
        assert space is not None
        with repo.committing("sync"):
            listed = [*repo.state.segments(space), *make(repo, space, args.segments)]
            repo.append("sync", {"segments": repo.state.segments_changed(space, listed)})
        repo.close()
        print(f"{len(listed):,} segments of {kind}")
        query = str(min(pictures.rglob("*.jpg")))
        for words in (
            ["status"],
            ["search", "--image", query, "-k", "3"],
            ["search", "--image", query, "-k", "100"],
            ["stats"],
            ["sync"],
            ["sync"],
            ["search", "--image", query, "-k", "3"],
            ["check", "--read-data"],
            ["gc"],
            ["repair"],
        ):
            step(store, *words, files=args.open[0])


def small_segments(repo: Repository, space: str, count: int) -> Iterator[FileRef]:
    chance = np.random.default_rng(1)
    for number in range(count):
        rows = chance.standard_normal((20, WIDE))
        keys = [repo.hash.digest(b"%d/%d" % (number, row)) for row in range(20)]
        yield repo.write_segment(space, keys, [rounded(rows / np.linalg.norm(rows, axis=1)[:, None], repo.dtype)])


def large_segments(repo: Repository, space: str, count: int) -> Iterator[FileRef]:
    """Write sparse files: rows of zeros that take no room on the disk, each with keys of its own."""
    blank = np.zeros((LARGE, WIDE), repo.dtype)
    first = write_segment(
        repo.layout.segments,
        space,
        [repo.hash.digest(b"%d" % row) for row in range(LARGE)],
        [blank],
        dtype=repo.dtype,
        time=int(time.time()),
        lock="ingest",
    )
    data = (repo.layout.segments / first.name).read_bytes()
    footer = Footer.from_bytes(data[-128:])
    (repo.layout.segments / first.name).unlink()
    sums = data[footer.sums_at : footer.sums_at + 8 * -(-LARGE // BLOCK)]
    for number in range(count):
        keys = random.Random(number).randbytes(LARGE * footer.key_size)
        tail = footer._replace(keys_sum=checksum(keys)).to_bytes()
        name = f"{durable.nonce()}.faiss"
        with (repo.layout.segments / name).open("wb") as file:
            file.write(data[: footer.header])
            file.seek(footer.keys_at)
            file.write(keys + sums + tail)
        yield FileRef(name, footer.size, tail[-16:-8].hex(), LARGE)


def packs(top: Path, args: argparse.Namespace) -> None:
    for files in args.open:
        store = ManySnapshots(top / str(files), 200, 3)
        repo = Repository(store.folder)
        durable.disk, usual = Unflushed(), durable.disk
        blobs = (os.urandom(1200 << 10) for _ in range(args.packs))
        refs = [write_pack(repo.layout.packs, repo.hash, {repo.hash.digest(b): b}, "commit") for b in blobs]
        durable.disk = usual
        with repo.committing("sync"):
            repo.append("sync", {"packs": listed_packs(refs)})
        repo.close()
        print(f"{args.packs:,} packs of 1.2 MiB, {files} descriptors")
        picture = min(store.pictures.rglob("*.jpg"))
        out = str(top / f"{files}.jsonl")
        for words in (
            ["status"],
            ["search", "--image", str(picture), "-k", "3"],
            ["export", out],
            ["check", "--read-data"],
            ["repair"],
            ["sync"],
        ):
            step(store.folder, *words, files=files)
        picture.rename(picture.with_name("renamed.jpg"))
        for words in (["sync"], ["gc"], ["status"], ["sync"]):
            step(store.folder, *words, files=files)


def snapshots(top: Path, args: argparse.Namespace) -> None:
    store = ManySnapshots(top, 200, args.snapshots)
    print(f"{args.snapshots:,} snapshots of 200 pictures: {store.counts()}")
    for words in (
        ["log", "-n", "1"],
        ["log", "-n", "1"],
        ["log", "-n", "20"],
        ["log"],
        ["undo"],
        ["undo"],
        ["redo"],
        ["snapshot", "list"],
        ["snapshot", "forget", "--keep-last", "100", "--dry-run"],
        ["snapshot", "forget", "--keep-last", "100"],
        ["undo"],
        ["snapshot", "forget", "--keep-last", "100"],
        ["gc", "--dry-run"],
        ["gc"],
        ["log", "-n", "1"],
        ["log"],
        ["undo"],
        ["check"],
    ):
        step(store.folder, *words)


def pictures(top: Path, args: argparse.Namespace) -> None:
    build(top, args.pictures, 8)
    store = top / ".vstore"
    repo = Repository(store)
    current = repo.state.current_snapshot
    assert current is not None
    edit_half(repo)
    repo.close()
    print(f"{args.pictures:,} pictures x 8, two snapshots; in the second every tenth picture is another one")
    query = str(top / "pictures" / "query.jpg")
    for words in (
        ["status"],
        ["search", "--image", query, "-k", "10"],
        ["search", "--image", query, "-k", "10"],
        ["search", "--image", query, "-k", str(args.hits)],
        ["search", "--image", query, "-k", str(args.hits), "--json"],
        ["snapshot", "diff", "v1", "v2"],
        ["snapshot", "forget", "v1", "--dry-run"],
        ["snapshot", "forget", "v1"],
        ["undo"],
        ["gc", "--dry-run"],
    ):
        step(store, *words)


def fields(top: Path, args: argparse.Namespace) -> None:
    build(top, args.pictures, 8)
    store = top / ".vstore"
    repo = Repository(store)
    aliases = list(repo.tree(repo.state.current_snapshot))
    repo.close()
    random.Random(0).shuffle(aliases)
    by_path, by_key = top / "paths.csv", top / "keys.jsonl"
    with by_path.open("w") as file:
        file.write("path,label\n")
        file.writelines(f"{os.fsdecode(path)},label {number % 100}\n" for number, (path, _) in enumerate(aliases))
    with by_key.open("w") as file:
        lines = ({"key": key.hex(), "label": f"label {number % 101}"} for number, (_, key) in enumerate(aliases))
        file.writelines(json.dumps(line) + "\n" for line in lines)
    del aliases
    print(f"{args.pictures:,} pictures x 8, a label of each, in no order")
    out = [str(top / f"out.{kind}") for kind in ("parquet", "jsonl", "csv")]
    for words in (
        ["import", str(by_path)],
        ["import", str(by_key)],
        ["list"],
        *(["export", file] for file in out),
        ["import", out[0]],
        ["prune"],
        ["carry", "v1"],
        ["unset", "label", "--all-pictures"],
    ):
        step(store, "fields", *words)


def edit_half(repo: Repository) -> None:
    """Write a second snapshot, which has other pictures at every tenth path."""
    from vstore.repository.snapshots import new_snapshot

    current = repo.state.current_snapshot
    assert current is not None
    tree = repo.tree(current)
    keys = [key for _, key in tree]
    edits: dict[bytes, bytes | None] = {path: keys[-at - 1] for at, (path, _) in enumerate(tree) if at % 10 == 0}
    tree = tree.edited(edits)
    with repo.committing("sync"):
        name, changes, blobs = new_snapshot(repo, current.space, tree, len(set(tree.every_key())), current, "")
        repo.publish("sync", changes, blobs=blobs, about=name.name)


KINDS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "folder": folder,
    "folders": folders,
    "segments": segments,
    "packs": packs,
    "snapshots": snapshots,
    "fields": fields,
    "pictures": pictures,
}

if __name__ == "__main__":
    main()
