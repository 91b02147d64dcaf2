"""What does a search cost beside the least that it could: one pass over the vectors?

    python benchmarks/bench_search.py [--rows 29104] [--dim 3584] [--runs 7] [--ways] [--keep DIR] [--base [COMMIT]]

Whole processes, in turn: `vstore search --image` of a picture that the store knows, and a script that maps the same
vectors as a float32 `.npy` and multiplies. Cold means that the store's files and the `.npy` are not in the page cache
(Python and its libraries are); there the measure is reading the segment files once. Targets: at most 2.0 times either;
under 100 MB of anonymous memory; no torch. Then, within one process, what the checks of single rows cost, which large
spaces have: the checksums of all rows at the first reading, and those of the rows of an answer. `--ways` compares,
within one process, the ways to scan the segments of which `vstore.search.views` keeps one, and its threads. With
--base: the same search against that of an older commit (by default the one that `benchmarks/base` names), 15 pairs by
wall and CPU time, warm; the lower end of the 95 % interval of the median ratio is at most 1.05.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import against
import numpy as np
from measure import (
    RUNS,
    TOP,
    VSTORE,
    environment,
    imported,
    in_turn,
    machine,
    output,
    process,
    ratio,
    spread,
    timed,
)

from vstore.clock import now
from vstore.disk.segment_writer import rounded, write_segment
from vstore.disk.segments import Segment
from vstore.format.entries import Root, Snapshot, listed_segments
from vstore.format.manifest import Manifest
from vstore.format.recipes import space_id
from vstore.format.tree import Tree
from vstore.packages import faiss_module
from vstore.repository.add_space import add_space
from vstore.repository.create import create_store
from vstore.repository.repository import Repository
from vstore.search import views
from vstore.search.index import Index
from vstore.search.views import Views

SEAL = 64 << 20  # bytes at which a sync seals a segment
CENTRES = 200
PLAIN = """
import sys
import numpy as np
m = np.load(sys.argv[1], mmap_mode="r")
scores = m @ np.load(sys.argv[2])
best = np.argpartition(-scores, 10)[:10]
print(best[np.argsort(-scores[best])][0])
"""


def build(folder: Path, rows: int, dim: int) -> None:
    """Write a store of random clustered vectors in segments as a sync seals them, and the same rows as float32 .npy."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((CENTRES, dim)).astype(np.float32)
    pictures = folder / "pictures"
    pictures.mkdir()
    query = pictures / "query.jpg"
    query.write_bytes(random.bytes(2000))  # it is never decoded: its vector is known
    repo = create_store(folder / ".vstore")
    recipe = {"family": "bench", "name": "bench", "dim": dim}
    add_space(repo, recipe, "bench")
    space = space_id(recipe)
    keys = [repo.hash.digest(row.to_bytes(8, "little")) for row in range(rows)]
    keys[rows // 2] = repo.hash.digest(query.read_bytes())
    paths = [b"pictures/%03d/picture-%07d.jpg" % (row % 300, row) for row in range(rows)]
    paths[rows // 2] = b"pictures/query.jpg"
    plain = np.lib.format.open_memmap(folder / "plain.npy", "w+", np.float32, (rows, dim))
    refs = []
    step = max(1, SEAL // (2 * dim))
    for begin in range(0, rows, step):
        count = min(step, rows - begin)
        block = centres[random.integers(0, CENTRES, count)] + 0.7 * random.standard_normal((count, dim))
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        half = rounded(block, "float16")
        plain[begin : begin + count] = half
        listed = keys[begin : begin + count]
        refs.append(write_segment(repo.layout.segments, space, listed, [half], dtype="float16", time=0, lock="ingest"))
    np.save(folder / "query.npy", plain[rows // 2])
    plain.flush()
    with repo.committing("sync"):
        tree = Tree.empty(repo.hash, repo.packs.get).edited(dict(zip(paths, keys, strict=True)))
        manifest = Manifest("v1", space, tree.root, rows, rows, now(), message="", parent=None, partial=False)
        data = manifest.to_bytes()
        digest = repo.hash.digest(data)
        snapshot = Snapshot.of(manifest, digest, manifest.content_id(repo.hash))
        changes = {
            "roots": {"pictures": Root("pictures", b"pictures", True).to_json()},
            "segments": {space: listed_segments(refs)},
            "packs": repo.write_blobs({**tree.fresh, digest: data}),
            "snapshots": {"v1": snapshot.to_json()},
            "current": "v1",
            "next_v": 2,
        }
        repo.publish("sync", changes)
    repo.close()


def drop(folder: Path) -> None:
    """Put the store's files and the .npy out of the page cache."""
    for path in [*folder.rglob("*.npy"), *(folder / ".vstore").rglob("*")]:
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def read_segments(folder: Path) -> None:
    read_through(sorted((folder / ".vstore" / "segments").iterdir()))


def read_through(paths: list[Path]) -> None:
    buffer = bytearray(1 << 20)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def compare(name: str, sides: dict[str, Callable[[], float]], runs: int, target: str = "") -> None:
    found = in_turn(sides, runs)
    ours, theirs = found.values()
    listed = " / ".join(spread(values) for values in found.values())
    print(f"{name}, {' / '.join(found)}: {ratio(ours, theirs)}{target and '   target ' + target}: {listed}")


def memory(words: list[str]) -> tuple[int, int]:
    """The most anonymous memory, and the most memory of all kinds, that a command was seen to have: MB."""
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=environment())
    anonymous = resident = 0
    while child.poll() is None:
        try:
            status = Path(f"/proc/{child.pid}/status").read_text()
        except OSError:
            break
        found = dict(line.split(":", 1) for line in status.splitlines() if line.startswith(("RssAnon", "VmHWM")))
        anonymous = max(anonymous, int(found.get("RssAnon", "0 kB").split()[0]))
        resident = max(resident, int(found.get("VmHWM", "0 kB").split()[0]))
        time.sleep(0.001)
    child.wait()
    return anonymous >> 10, resident >> 10


@contextmanager
def place(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def whole_processes(folder: Path, runs: int) -> None:
    query = str(folder / "pictures" / "query.jpg")
    search = [*VSTORE, "search", "--image", query, "--json", "--store", str(folder / ".vstore")]
    plain = [sys.executable, "-c", PLAIN, str(folder / "plain.npy"), str(folder / "query.npy")]
    best = json.loads(output(search))["hits"][0]
    assert (best["paths"], best["score"]) == (["pictures/query.jpg"], 1.0), best
    assert int(output(plain)) == np.load(folder / "plain.npy", mmap_mode="r").shape[0] // 2

    def cold(side: Callable[[], float]) -> Callable[[], float]:
        def dropped() -> float:
            drop(folder)
            return side()

        return dropped

    # What mapped faults once brought in lies in small pages, and is twice as slow to map again: both sides start alike.
    drop(folder)
    read_segments(folder)
    read_through([folder / "plain.npy"])
    ours, theirs = (lambda: process(search)), (lambda: process(plain))
    reading = cold(lambda: timed(lambda: read_segments(folder)))
    compare("warm", {"search": ours, "numpy over float32": theirs}, runs, "2.0")
    compare("cold", {"search": cold(ours), "reading the segments": reading}, runs, "2.0")
    compare("cold", {"search": cold(ours), "numpy over float32": cold(theirs)}, runs)
    imports = {"search": ours, "importing faiss": lambda: process([sys.executable, "-c", "import faiss"])}
    compare("warm", imports, runs)
    peaks = [memory(search) for _ in range(3)]
    print(
        f"memory at its peak: {max(a for a, _ in peaks)} MB anonymous   target 100; "
        f"{max(r for _, r in peaks)} MB with mapped files"
    )
    heavy = ("torch", "transformers", "peft", "tqdm", "PIL", "lmdb")
    print(f"of {', '.join(heavy)} it imports: {', '.join(imported(search, heavy)) or 'none'}   target: no torch")


def row_checks(folder: Path, runs: int) -> None:
    """What large spaces pay for rows that are checked one by one, within one process."""
    repo = Repository(folder / ".vstore")
    (space,) = repo.state.spaces
    refs = repo.state.segments(space)
    query = np.load(folder / "query.npy")[None]
    views.REMEMBERED_FROM = 1
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name)

        def index() -> Index:
            """As another process would open it."""
            segments = [Segment(repo.layout.segments, ref) for ref in refs]
            made = Index(
                segments, [b"\xff" * (ref.rows // 8) + bytes([(1 << ref.rows % 8) - 1]) for ref in refs], cache
            )
            made.wait()
            return made

        index()
        segments = [repo.segment(ref) for ref in refs]
        sides = {
            "with the checksum of each row": lambda: timed(lambda: [one.verified_row_sums() for one in segments]),
            "without": lambda: timed(lambda: [one.verify() for one in segments]),
        }
        compare("a first reading, one thread", sides, runs)
        for k in (10, 200, 100_000):
            checks, searches = [], []
            for _ in range(runs):
                fresh = index()
                with timing(Views, "prove") as spent:
                    searches.append(timed(lambda one=fresh, k=k: one.top_k(query, min(k, one.count))))  # type: ignore[misc]
                checks.append(sum(spent))
            print(f"checking the rows of an answer of k = {k:,}: {spread(checks)}; the whole scan: {spread(searches)}")
    repo.close()


@contextmanager
def timing(owner: type, name: str) -> Iterator[list[float]]:
    """Collect the seconds of all calls of a method."""
    method, spent = getattr(owner, name), []

    def timed_call(*args: Any) -> Any:
        begin = time.perf_counter()
        try:
            return method(*args)
        finally:
            spent.append(time.perf_counter() - begin)

    setattr(owner, name, timed_call)
    try:
        yield spent
    finally:
        setattr(owner, name, method)


def against_base(folder: Path, rows: int, dim: int, commit: str) -> bool:
    """Compare with an older commit, each on a store of its own. Returns: whether the target is met."""
    with against.checkout(commit) as old:
        for side, sources in (("now", TOP), ("base", old)):
            (folder / side).mkdir()
            against.make(f"from bench_search import build; build(Path({str(folder / side)!r}), {rows}, {dim})", sources)

        def search(side: str) -> list[str]:
            query = str(folder / side / "pictures" / "query.jpg")
            return ["search", "--image", query, "--json", "--store", str(folder / side / ".vstore")]

        return against.report(f"now / {commit[:7]}", against.compare(old, {f"search of {rows:,} x {dim}": search}))


def ways(folder: Path, runs: int) -> None:
    """One query over all rows, within one process, each segment checked before."""
    faiss = faiss_module()
    repo = Repository(folder / ".vstore")
    (space,) = repo.state.spaces
    segments = [repo.segment(ref) for ref in repo.state.segments(space)]
    query = np.load(folder / "query.npy")[None]
    cores = os.cpu_count() or 1
    views = [faiss.read_index(str(segment.path), faiss.IO_FLAG_MMAP_IFC) for segment in segments]
    bits = [np.full(-(-segment.footer.rows // 8), 255, np.uint8) for segment in segments]
    pool = ThreadPoolExecutor(cores)

    def one(at: int) -> Any:
        faiss.omp_set_num_threads(1)
        return views[at].search(query, 11, params=faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits[at])))

    def mapped(threads: int) -> None:
        faiss.omp_set_num_threads(threads)
        for at, view in enumerate(views):
            view.search(query, 11, params=faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits[at])))

    def blocks() -> None:
        for segment in segments:
            rows = segment.rows()
            for begin in range(0, len(rows), 256):
                rows[begin : begin + 256].astype(np.float32) @ query[0]

    def streamed(chunk: int = 256) -> None:
        """Read into an index of our own, check and search what was read: one pass, nothing mapped."""
        import xxhash

        faiss.omp_set_num_threads(1)
        for segment in segments:
            footer = segment.footer
            index = faiss.IndexScalarQuantizer(footer.dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
            index.add(np.zeros((chunk, footer.dim), np.float32))
            buffer = memoryview(faiss.rev_swig_ptr(index.codes.data(), chunk * footer.width))
            hasher = xxhash.xxh3_64()
            with segment.path.open("rb", buffering=0) as file:
                file.seek(footer.header)
                for begin in range(0, footer.rows, chunk):
                    index.ntotal = min(chunk, footer.rows - begin)
                    size = index.ntotal * footer.width
                    file.readinto(buffer[:size])
                    hasher.update(buffer[:size])
                    index.search(query, min(11, index.ntotal))

    rows = {
        "check alone, one thread": lambda: [segment.verify() for segment in segments],
        f"check alone, {cores} threads": lambda: list(pool.map(Segment.verify, segments)),
        "mapped, faiss with 1 thread": lambda: mapped(1),
        f"mapped, faiss with {cores} threads": lambda: mapped(cores),
        f"mapped, segments in {cores} threads (kept)": lambda: list(pool.map(one, range(len(views)))),
        "streamed through one buffer, checked on the way": streamed,
        "numpy, blocks of 256 rows to float32": blocks,
    }
    for name, work in rows.items():
        work()
        print(f"{name}: {spread([timed(work) for _ in range(runs)])}")
    pool.shutdown()
    repo.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=29_104)
    parser.add_argument("--dim", type=int, default=3584)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--ways", action="store_true", help="compare ways to scan, within one process")
    parser.add_argument("--keep", type=Path, help="build the store here, or use the one that is here")
    parser.add_argument("--base", nargs="?", const=against.base_commit(), metavar="COMMIT")
    args = parser.parse_args()
    print(f"{machine()}, numpy {np.__version__}, faiss {faiss_module().__version__}")
    if args.base:
        with place(None) as folder:
            sys.exit(not against_base(folder, args.rows, args.dim, args.base))
    with place(args.keep) as folder:
        if not (folder / ".vstore").exists():
            build(folder, args.rows, args.dim)
        files = [path.stat().st_size for path in (folder / ".vstore" / "segments").iterdir()]
        rows, dim = np.load(folder / "plain.npy", mmap_mode="r").shape
        print(
            f"{rows} x {dim}: {len(files)} float16 segments of {sum(files) >> 20} MiB in all; k = 10; {args.runs} runs"
        )
        if args.ways:
            ways(folder, args.runs)
        else:
            whole_processes(folder, args.runs)
            row_checks(folder, args.runs)


if __name__ == "__main__":
    main()
