"""The founding case at its real size: 27,018 old rows of 3584 numbers meet a folder of 29,104 pictures.

    python benchmarks/bench_founding_case.py [--pictures 600]

Makes the pictures (drawn, small, distinct) and an old index under `../o00_images/` paths: 400 pictures were renamed
since, 150 copied, 60 edited, 30 deleted, and 12 names occur in two folders. Imports, syncs, compares every picture with
the truth, rolls back and forward, exports, and imports the export. Vectors come from the digest of the pixels, so that
the numbers are about everything but a model.

Targets: import 60 s beyond reading and hashing the files; `status` 5 s beyond hashing at first sight, then 1 s; the
merge 0.5 s, beside a plain script that rewrites the three files; the store 1.02 times its vectors and keys; peak
RssAnon of import and sync 300 MB, not growing with the number of pictures.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from measure import environment, machine

from vstore.format.recipes import Recipe
from vstore.store import Store
from vstore.testing import FakeEmbedder

FULL = 29_104
SHARES = {"old": 27_018, "renamed": 400, "copies": 150, "edited": 60, "deleted": 30, "twice": 12}
HOUR = 3600


class Embedder(FakeEmbedder):
    """Remembers when it was done last."""

    last = last_cpu = 0.0

    def embed_images(self, pictures: Any) -> Any:
        rows = super().embed_images(pictures)
        self.last, self.last_cpu = time.perf_counter(), time.process_time()
        return rows


class Case:
    """Where everything lies, and how many there are of what."""

    def __init__(self, top: Path, pictures: int, dim: int) -> None:
        self.top, self.total, self.dim = top, pictures, dim
        self.count = {name: max(2, round(n * pictures / FULL)) for name, n in SHARES.items()}
        self.pictures = top / "pictures"
        self.store = top / ".vstore"
        self.old = top / "scripts"  # so that ../o00_images/ leads nowhere, as for somebody who has moved on
        self.faiss = self.old / "v11_o00_index_1095.faiss"
        self.npy = self.old / "v11_o00_index_1095_embeddings.npy"
        self.json = self.old / "v11_o00_index_1095_metadata.json"
        self.embedder = Embedder("lora-1095", dim)

    def load(self, recipe: Recipe) -> Embedder:
        return self.embedder

    def open(self) -> Store:
        return Store(self.store, load_embedder=self.load)

    def triple(self) -> dict[str, Any]:
        return {"faiss": self.faiss, "embeddings": self.npy, "metadata": self.json}


def drawn(number: int) -> bytes:
    """A JPEG of 64 x 48 pixels, another one for each number."""
    import numpy as np
    from PIL import Image

    coarse = np.random.default_rng(number).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize((64, 48), Image.Resampling.BILINEAR).save(out, "JPEG", quality=80)
    return out.getvalue()


# The stages, each in a process of its own, so that its memory can be told


def make(case: Case) -> dict[str, Any]:
    """Draw what the old index was made of, make the index, and then let the folder change."""
    import faiss
    import numpy as np

    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import Preparation

    count = case.count
    case.old.mkdir(parents=True)
    case.pictures.mkdir()
    names = [f"img_{number:06}.jpg" for number in range(count["old"])]
    index = faiss.IndexFlatIP(case.dim)
    halves = np.lib.format.open_memmap(case.npy, "w+", np.float16, (count["old"], case.dim))
    for at in range(0, count["old"], 512):
        rows = []
        for number in range(at, min(at + 512, count["old"])):
            data = drawn(number)
            (case.pictures / names[number]).write_bytes(data)
            rows.append(case.embedder.of(prepare(data, Preparation())[0]))
        block = np.stack(rows)
        index.add(block)
        halves[at : at + len(block)] = block
    halves.flush()
    faiss.write_index(index, str(case.faiss))
    case.json.write_text(json.dumps([f"../o00_images/{name}" for name in names]))
    written = time.time() - HOUR
    for path in case.old.iterdir():
        os.utime(path, (written, written))
    for path in case.pictures.iterdir():
        os.utime(path, (written - HOUR, written - HOUR))
    return _change(case, names, written)


def _change(case: Case, names: list[str], written: float) -> dict[str, Any]:
    """Change the folder as its users did since. Returns: the counts of a right import and a right sync."""
    count, folder = case.count, case.pictures
    step = count["old"] // (sum(count.values()) - count["old"] + 1)
    picked = iter(range(1, count["old"], max(1, step)))  # spread over the whole index
    before = written - HOUR

    def put(name: str, data: bytes, when: float) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (when, when))

    for number in range(count["renamed"]):
        os.rename(folder / names[next(picked)], folder / f"renamed_{number:04}.jpg")
    for number in range(count["copies"]):
        put(f"copy_{number:04}.jpg", (folder / names[next(picked)]).read_bytes(), before)
    for number in range(count["edited"]):
        put(names[next(picked)], drawn(10_000_000 + number), written + HOUR / 2)
    for _ in range(count["deleted"]):
        (folder / names[next(picked)]).unlink()
    asked = 0
    for number in range(count["twice"]):
        name = names[next(picked)]
        if number % 2:  # the old picture was moved, and another one has its name in a second folder
            (folder / "first").mkdir(exist_ok=True)
            os.rename(folder / name, folder / "first" / name)
            asked += 1
        put(f"second/{name}", drawn(20_000_000 + number), before)
    have = sum(1 for path in folder.rglob("*.jpg"))
    new = max(0, case.total - have)
    for number in range(new):
        put(f"new_{number:06}.jpg", drawn(30_000_000 + number), before)
    unmatched = count["renamed"] + count["edited"] + count["deleted"] + asked
    return {
        "matched": count["old"] - unmatched,
        "missing": count["renamed"] + count["deleted"],
        "edited": count["edited"],
        "ambiguous": asked,
        # A renamed picture has no name that a row had, and one of two that share a name is not guessed.
        "embedded": new + count["renamed"] + count["edited"] + count["twice"] + asked,
        "pictures": have + new,
    }


def bare(case: Case) -> dict[str, Any]:
    """Read and hash all pictures and read the three files, and nothing else."""
    import xxhash

    began = time.perf_counter()
    for folder, _, names in os.walk(os.fsencode(case.pictures)):
        for name in names:
            fd = os.open(os.path.join(folder, name), os.O_RDONLY)
            xxhash.xxh3_128_digest(os.read(fd, 1 << 22))
            os.close(fd)
    buffer = bytearray(1 << 20)
    for path in (case.faiss, case.npy, case.json):
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    return {"seconds": time.perf_counter() - began}


def import_(case: Case) -> dict[str, Any]:
    began = time.perf_counter()
    report = Store.import_new(case.store, **case.triple(), root=case.pictures, recipe=case.embedder.recipe)
    seconds = time.perf_counter() - began
    counts = report.counts()
    return {
        "seconds": seconds,
        "matched": counts["matched"],
        "missing": counts["missing"],
        "edited": counts["possibly_edited"],
        "ambiguous": counts["ambiguous"],
        "duplicated": counts["duplicated"],
        "kept_bits": report.kept_bits,
        "left": report.left,
    }


def first_sight(case: Case) -> dict[str, Any]:
    """`status` of the folder in a store that never saw it."""
    Store.init(case.top / "fresh", recipe=case.embedder.recipe)
    with Store(case.top / "fresh", load_embedder=case.load) as store:
        began = time.perf_counter()
        report = store.status([case.pictures])
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "new": report.new}


def status(case: Case) -> dict[str, Any]:
    with case.open() as store:
        began = time.perf_counter()
        report = store.status([case.pictures])
        return {"seconds": time.perf_counter() - began, "to_embed": report.to_embed, "known": report.unchanged}


def sync(case: Case) -> dict[str, Any]:
    """Sync, and search at once: from the last vector to the first answer is the merge."""
    from vstore.search.query import Operand

    with case.open() as store:
        began = time.perf_counter()
        report = store.sync([case.pictures])
        synced = time.perf_counter()
        query = os.fsencode(case.pictures / f"new_{0:06}.jpg")
        found = store.search([Operand(1.0, image=query)], k=3)
        answered, cpu = time.perf_counter(), time.process_time()
        assert found.snapshot == report.snapshot
        assert found.hits[0].score == 1.0
    return {
        "seconds": synced - began,
        "merge": answered - case.embedder.last,
        "merge_cpu": cpu - case.embedder.last_cpu,
        "commit": synced - case.embedder.last,
        "embedded": report.embedded,
        "copied": report.copied,
        "paths": report.paths,
        "candidates": len(report.candidates),
    }


def plain(case: Case) -> dict[str, Any]:
    """Do the work of today by hand: read the old files, add the given delta, write them again."""
    import faiss
    import numpy as np

    delta = np.random.default_rng(0).standard_normal((max(1, case.total - case.count["old"]), case.dim), np.float32)
    delta /= np.linalg.norm(delta, axis=1, keepdims=True)
    out = case.top / "plain"
    out.mkdir(exist_ok=True)
    began, began_cpu = time.perf_counter(), time.process_time()
    index = faiss.read_index(str(case.faiss))
    rows = np.load(case.npy)
    paths = json.loads(case.json.read_text())
    index.add(delta)
    rows = np.concatenate([rows, delta.astype(np.float16)])
    paths += [f"../o00_images/new_{number}.jpg" for number in range(len(delta))]
    assert index.ntotal == len(rows) == len(paths)
    faiss.write_index(index, str(out / "index.faiss"))
    np.save(out / "embeddings.npy", rows)
    (out / "metadata.json").write_text(json.dumps(paths))
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - began_cpu,
        "bytes": sum(path.stat().st_size for path in out.iterdir()),
    }


def truth(case: Case) -> dict[str, Any]:
    """Compare every picture under the root, one by one, with what the store says of it.

    The rows of the old index must be there bit for bit; what was embedded since may be rounded otherwise by one step.
    """
    import numpy as np
    import xxhash

    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import Preparation
    from vstore.repository.repository import Repository

    repo = Repository(case.store)
    snapshot = repo.snapshot("current")
    aliases = dict(iter(repo.tree(snapshot)))
    rows: dict[bytes, Any] = {}
    for ref in repo.state.segments(snapshot.space):
        segment = repo.segment(ref)
        mapped = segment.rows()
        for number, key in enumerate(segment.key_list()):
            rows.setdefault(key, (mapped, number))
    right, equal, wrong = 0, 0, []
    for path in case.pictures.rglob("*.jpg"):
        data = path.read_bytes()
        key = aliases.pop(b"pictures/" + os.fsencode(path.relative_to(case.pictures)), None)
        if key != xxhash.xxh3_128_digest(data) or key not in rows:
            wrong.append(str(path))
            continue
        mapped, number = rows[key]
        expected = case.embedder.of(prepare(data, Preparation())[0]).astype(np.float16)
        if mapped[number].tobytes() == expected.tobytes():
            equal += 1
        elif np.abs(mapped[number].view(np.int16) - expected.view(np.int16)).max() > 1:
            wrong.append(str(path))
            continue
        right += 1
    return {"right": right, "equal": equal, "wrong": wrong[:10], "over": len(aliases), "rows": len(rows)}


def back_and_forth(case: Case) -> dict[str, Any]:
    """Roll back to the import, look, come back, and undo and redo that."""
    from vstore.repository.repository import Repository

    def aliases() -> dict[bytes, bytes]:
        repo = Repository(case.store)
        return dict(iter(repo.tree(repo.snapshot("current"))))

    with case.open() as store:
        newest = aliases()
        began = time.perf_counter()
        store.rollback("v1")
        rolled = time.perf_counter() - began
        oldest = aliases()
        store.rollback("v2")
        assert aliases() == newest
        store.undo()
        assert aliases() == oldest
        store.redo()
        assert aliases() == newest
        report = store.sync()
    assert report.snapshot is None
    assert report.embedded == 0
    return {"seconds": rolled, "before": len(oldest), "after": len(newest)}


def export(case: Case) -> dict[str, Any]:
    """Write the triple, open it in plain faiss and numpy, and import it again: the id is the same."""
    import faiss
    import numpy as np

    out = case.top / "exported"
    with case.open() as store:
        began = time.perf_counter()
        report = store.export(out)
        seconds = time.perf_counter() - began
        identity = store.snapshot_show().row.id
    index = faiss.read_index(str(out / "index.faiss"), faiss.IO_FLAG_MMAP_IFC)
    rows = np.load(out / "embeddings.npy", mmap_mode="r")
    paths = json.loads((out / "metadata.json").read_text())
    assert index.ntotal == len(rows) == len(paths) == report.paths
    for number in range(0, len(rows), max(1, len(rows) // 50)):
        assert (index.reconstruct(number) == rows[number].astype(np.float32)).all()
    names = {"faiss": "index.faiss", "embeddings": "embeddings.npy", "metadata": "metadata.json"}
    given = {what: out / name for what, name in names.items()}
    began = time.perf_counter()
    again = Store.import_new(case.top / "again", **given)
    return {
        "seconds": seconds,
        "bytes": report.bytes,
        "same": again.id == identity,
        "again": time.perf_counter() - began,
    }


def verify(case: Case) -> dict[str, Any]:
    """`check --reembed 32`: the claimed space is verified."""
    with case.open() as store:
        began = time.perf_counter()
        report = store.check(reembed=32)
        assert report.reembed is not None
        return {
            "seconds": time.perf_counter() - began,
            "ok": report.ok,
            "fits": report.reembed.fits,
            "status": report.reembed.status,
        }


STAGES = {
    "make": make,
    "bare": bare,
    "import": import_,
    "first_sight": first_sight,
    "status": status,
    "sync": sync,
    "plain": plain,
    "truth": truth,
    "back_and_forth": back_and_forth,
    "export": export,
    "verify": verify,
}


# Around them


def run(case: Case, stage: str) -> dict[str, Any]:
    """Run a stage in a process of its own. Adds `peak`: the most RssAnon that it had, in bytes, looked at every 5 ms,
    beyond what it had when the stage began."""
    words = [sys.executable, __file__, "--stage", stage, "--top", str(case.top)]
    words += ["--pictures", str(case.total), "--dim", str(case.dim)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()  # what the script itself needs is loaded
    ground = peak = _anonymous(process.pid)
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, _anonymous(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    out, _ = process.communicate("go\n")
    done.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{stage} failed")
    return {**json.loads(out), "peak": peak - ground}


def _anonymous(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon")), 0)
    except OSError:
        return 0


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def say(what: str, value: str, target: str = "") -> None:
    print(f"  {what:58} {value:>24}   {target}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=FULL)
    parser.add_argument("--dim", type=int, default=3584)
    parser.add_argument("--top", type=Path, help="a folder to work in, that is left as it is afterwards")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.stage:
        import faiss  # noqa: F401  # what a stage needs of libraries is not its own memory
        import lmdb  # noqa: F401
        import PIL.Image  # noqa: F401

        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(STAGES[args.stage](Case(args.top, args.pictures, args.dim))))
        return
    top = args.top or Path(tempfile.mkdtemp(prefix="vstore-bench-"))
    case = Case(top, args.pictures, args.dim)
    try:
        _report(case)
    finally:
        if args.top is None:
            shutil.rmtree(top)


def _report(case: Case) -> None:
    print(machine())
    expected = run(case, "make")
    time.sleep(2.1)  # a file is known by its stat once that is two seconds old
    read = run(case, "bare")
    imported = run(case, "import")
    for name in ("matched", "missing", "edited", "ambiguous"):
        assert imported[name] == expected[name], (name, imported, expected)
    assert imported["kept_bits"] == imported["matched"]
    print(f"{case.count['old']:,} old rows of {case.dim} numbers, {expected['pictures']:,} pictures:")
    say("import: matched, missing, edited, ambiguous", " ".join(f"{expected[n]:,}" for n in list(expected)[:4]))
    beyond = imported["seconds"] - read["seconds"]
    say("import, beyond reading and hashing", f"{beyond:.2f} s", f"60 s (bare: {read['seconds']:.2f} s)")
    say("import, over reading and hashing", f"{imported['seconds'] / read['seconds']:.2f}x")
    say("import, peak RssAnon", f"{imported['peak'] / 1e6:.0f} MB", "300 MB")
    sight = run(case, "first_sight")
    say("status at first sight, beyond hashing", f"{sight['seconds'] - read['seconds']:.2f} s", "5 s")
    before = run(case, "status")
    assert before["to_embed"] == expected["embedded"], (before, expected)
    say("status after the import", f"{before['seconds']:.2f} s", "1 s")
    synced = run(case, "sync")
    assert synced["embedded"] == expected["embedded"], (synced, expected)
    say("sync: embedded, of pictures", f"{synced['embedded']:,} of {synced['paths']:,}")
    say("sync, peak RssAnon", f"{synced['peak'] / 1e6:.0f} MB", "300 MB")
    after = run(case, "status")
    say("status after the sync", f"{after['seconds']:.2f} s", "1 s")
    script = run(case, "plain")
    say("merge: last vector to first answer", f"{synced['merge']:.3f} s", "0.5 s")
    say("a plain script that rewrites the three files", f"{script['seconds']:.3f} s")
    say("plain script / merge", f"{script['seconds'] / synced['merge']:.1f}x")
    say(
        "the same in CPU time",
        f"{script['cpu']:.2f} s / {synced['merge_cpu']:.2f} s",
        "where other work holds the cores",
    )
    compared = run(case, "truth")
    say("truth: pictures whose key and vector are right", f"{compared['right']:,} of {expected['pictures']:,}", "all")
    assert compared["right"] == expected["pictures"], compared
    assert compared["over"] == 0
    assert compared["equal"] >= expected["matched"]
    moved = run(case, "back_and_forth")
    say("rollback", f"{moved['seconds'] * 1000:.1f} ms")
    written = run(case, "export")
    assert written["same"]
    say("export of the triple", f"{written['seconds']:.2f} s", "the import of it has the same id")
    verified = run(case, "verify")
    assert verified["ok"]
    assert (verified["fits"], verified["status"]) == (True, "verified")
    say("check --reembed 32", f"{verified['seconds']:.2f} s", "verified")
    kept = sum(
        bytes_in(path) if path.is_dir() else path.stat().st_size
        for path in case.store.iterdir()
        if path.name not in ("catalogue", "cache")
    )
    rows = compared["rows"]
    width = case.dim * 2 + 16
    say("store / its rows", f"{kept / (rows * width):.4f}x", f"1.02 ({rows:,} rows, {imported['left']:,} more wait)")
    say("store / its rows and those that wait", f"{kept / ((rows + imported['left']) * width):.4f}x", "1.02")
    say("their three copies / store", f"{script['bytes'] / kept:.2f}x")


if __name__ == "__main__":
    main()
