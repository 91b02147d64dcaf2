"""The page: its first and its next searches, a screen of thumbnails, its memory, and ten clients at once.

    python benchmarks/bench_page.py [--pictures 30000] [--many 100000] [--screen 200] [--keep FOLDER]

Times are those of a client on the same machine, so they include HTTP. A search is one by the key of a picture (no model
runs) and one by a picture that was sent. A screen is asked for as a browser does it: by 6 connections. `new`: nothing
is in `cache/thumbs`; `kept`: a server that has just started finds it there. Memory is that of the server and of the
processes that decode, in shares (PSS); what only maps files of the store is told apart. CPU time is theirs, too: on a
busy machine it says more than the clock.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import numpy as np
from measure import VSTORE, environment, machine, spread, workplace
from PIL import Image

from vstore import Store

CONNECTIONS = 6  # of a browser to one server
CLIENTS = 10
RUNS = 5
TWELVE = (4000, 3000)  # pixels


def draw(folder: Path, count: int) -> None:
    """Make distinct small pictures, 1,000 in a folder."""
    random = np.random.default_rng(1)
    for number in range(count):
        place = folder / f"{number // 1000:03d}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        small = Image.fromarray(random.integers(0, 256, (3, 4, 3), dtype=np.uint8))
        small.resize((64, 48), Image.Resampling.BICUBIC).save(place / f"img_{number:06d}.jpg", quality=70)


def draw_large(folder: Path, count: int) -> None:
    """Make JPEGs of 12 megapixels and some 4 MB, as cameras do; the bytes behind their ends differ."""
    folder.mkdir()
    random = np.random.default_rng(2)
    made = []
    for _ in range(min(10, count)):
        small = Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        grain = Image.fromarray(random.normal(128, 14, (TWELVE[1], TWELVE[0])).clip(0, 255).astype(np.uint8))
        picture = Image.blend(small.resize(TWELVE, Image.Resampling.BICUBIC), grain.convert("RGB"), 0.3)
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=90)
        made.append(out.getvalue())
    for number in range(count):
        (folder / f"img_{number:04d}.jpg").write_bytes(made[number % len(made)] + b"%06d" % number)


def built(top: Path, draw: Callable[[Path, int], None], count: int) -> Path:
    """Make a store of the built-in space, unless it is there."""
    store = top / ".vstore"
    if not (top / "done").exists():
        shutil.rmtree(top, ignore_errors=True)
        top.mkdir(parents=True)
        draw(top / "pictures", count)
        Store.sync_new(store, [top / "pictures"])
        (top / "done").touch()
    return store


class Server:
    """A running `vstore serve`, and its clients."""

    def __init__(self, store: Path) -> None:
        words = [*VSTORE, "--store", str(store), "serve", "--no-open", "--port", "0", "--json"]
        began = time.perf_counter()
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, env=environment(), text=True)
        assert self._process.stdout is not None
        self.address: str = json.loads(self._process.stdout.readline())["address"]
        self.start = time.perf_counter() - began
        self._host = urlsplit(self.address).netloc
        answer = self.client()
        answer.request("GET", self.address.removeprefix(f"http://{self._host}"))
        self._cookie = answer.getresponse().headers["Set-Cookie"].partition(";")[0]

    def client(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._host, timeout=600)

    def get(self, client: http.client.HTTPConnection, path: str, accept: str = "application/json") -> bytes:
        """Ask for an address. Raises: RuntimeError for another status than 200."""
        client.request("GET", path, headers={"Cookie": self._cookie, "Accept": accept})
        return self._body(client, path)

    def send(self, client: http.client.HTTPConnection, path: str, data: bytes) -> Any:
        """Send a picture."""
        headers = {"Cookie": self._cookie, "Origin": f"http://{self._host}", "X-Vstore": "1"}
        client.request("POST", path, data, {**headers, "Content-Type": "application/octet-stream"})
        return json.loads(self._body(client, path))

    def time(self, client: http.client.HTTPConnection, path: str, accept: str = "application/json") -> float:
        """Seconds until an answer has come."""
        return timed(lambda: self.get(client, path, accept))

    def time_picture(self, client: http.client.HTTPConnection, data: bytes) -> float:
        """Seconds of a search for a picture that is sent first."""
        began = time.perf_counter()
        self.get(client, search(self.send(client, "/uploads", data)["upload"], "up"))
        return time.perf_counter() - began

    @staticmethod
    def _body(client: http.client.HTTPConnection, path: str) -> bytes:
        answer = client.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
        return body

    def keys(self, count: int) -> list[str]:
        found = self.get(self.client(), "/keys", "*/*")
        size = found[0]
        every = [found[at : at + size].hex() for at in range(1, len(found), size)]
        return every[:: max(1, len(every) // count)][:count]

    def screen(self, keys: Sequence[str], connections: int = CONNECTIONS) -> float:
        """Seconds until all thumbnails of a screen have come."""
        parts = [keys[at::connections] for at in range(connections)]

        def run(part: Sequence[str]) -> None:
            client = self.client()
            for key in part:
                self.get(client, f"/thumbnail/{key}", "image/*")

        began = time.perf_counter()
        with ThreadPoolExecutor(connections) as pool:
            list(pool.map(run, parts))
        return time.perf_counter() - began

    def memory(self) -> tuple[float, float]:
        """MiB of it and its processes that are its own, and that map files."""
        pids = [self._process.pid, *_children(self._process.pid)]
        own = files = 0
        for pid in pids:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in ("Pss_Anon", "Pss_Shmem"):
                    own += int(value.split()[0])
                elif name == "Pss_File":
                    files += int(value.split()[0])
        return own / 1024, files / 1024

    def cpu(self) -> float:
        """Seconds of CPU time that it and its processes have used."""
        ticks = 0
        for pid in [self._process.pid, *_children(self._process.pid)]:
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def close(self) -> float:
        """End it. Returns: the seconds that this took."""
        began = time.perf_counter()
        self._process.terminate()
        self._process.wait(60)
        return time.perf_counter() - began


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(one) for one in (task / "children").read_text().split()]
    return found + [below for one in found for below in _children(one)]


@contextmanager
def serving(store: Path) -> Iterator[Server]:
    server = Server(store)
    try:
        yield server
    finally:
        server.close()


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def search(key: str, kind: str = "key") -> str:
    return f"/search?t={quote(f'+1:{kind}:{key}')}"


class Cost(NamedTuple):
    """Seconds of a request, by the clock and of CPU."""

    wall: float
    cpu: float


def searches(store: Path, pictures: Path) -> None:
    """The first search after the start, and the next ones."""
    started: list[float] = []
    first: dict[str, list[Cost]] = {"by key": [], "by a picture that is sent": []}
    following: dict[str, list[Cost]] = {name: [] for name in first}
    files = [next(one.iterdir()) for one in sorted(pictures.iterdir())][: 4 * RUNS]
    with Store(store) as opened, opened.view() as view:
        keys = [key.hex() for _, key in zip(range(40), view, strict=False)]
    for run in range(RUNS):
        for name in first:
            with serving(store) as server:
                started.append(server.start)
                client, costs = server.client(), []
                for key, file in zip(keys, files, strict=False):
                    begin = server.cpu()
                    if name == "by key":
                        wall = server.time(client, search(key))
                    else:
                        wall = server.time_picture(client, file.read_bytes() + b"%d" % run)
                    costs.append(Cost(wall, server.cpu() - begin))
            first[name].append(costs[0])
            following[name] += costs[1:]
    print(f"  start until the address is printed: {spread(started)}")
    for name in first:
        print(f"  first search, {name}: {told(first[name])}   target 1,000 ms")
    for name in first:
        print(f"  next ones, {name}: {told(following[name])}   target 50 ms")


def told(costs: Sequence[Cost]) -> str:
    # A tick of CPU time is 10 ms: only the mean of many says something.
    cpu = sum(one.cpu for one in costs) / len(costs)
    return f"{tail([one.wall for one in costs])}, CPU {cpu * 1000:.0f} ms"


def tail(values: Sequence[float]) -> str:
    return f"{median(values) * 1000:.1f} ms (95%: {quantiles(values, n=20)[-1] * 1000:.1f})"


def screens(store: Path, count: int) -> None:
    """A screen of thumbnails, for the first time and then."""
    new, kept, large, cpu_new, cpu_kept = [], [], [], [], []
    for _ in range(RUNS):
        shutil.rmtree(store / "cache" / "thumbs", ignore_errors=True)
        with serving(store) as server:
            keys, begin = server.keys(count), server.cpu()
            new.append(server.screen(keys))
            cpu_new.append(server.cpu() - begin)
        with serving(store) as server:
            begin = server.cpu()
            kept.append(server.screen(keys))
            cpu_kept.append(server.cpu() - begin)
            client = server.client()
            large += [server.time(client, f"/preview/{key}", "image/*") for key in keys[:5]]
    print(
        f"  {count} thumbnails of 12 megapixels: new {spread(new, 's', 1)}, CPU {spread(cpu_new, 's', 1)}   target 5 s"
    )
    print(f"  {count} thumbnails that are kept: {spread(kept, 's', 1)}, CPU {spread(cpu_kept, 's', 1)}   target 1 s")
    print(f"  one of 2,048 pixels: {spread(large)}")


def many(store: Path) -> None:
    """Memory with many pictures, and ten clients at once."""
    with serving(store) as server:
        client = server.client()
        begin = server.memory()
        keys = server.keys(400)
        server.get(client, search(keys[0]))
        server.get(client, "/names?from=50000&count=200")
        after = server.memory()
        server.screen(keys)
        server.get(client, f"/preview/{keys[0]}", "image/*")
        full = server.memory()
        waited: list[float] = []

        def act(number: int) -> None:
            own = server.client()
            for turn in range(10):
                key = keys[(number * 10 + turn) % len(keys)]
                waited.append(server.time(own, search(key)))
                server.screen(keys[turn * 20 : turn * 20 + 20], 2)

        began = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(act, range(CLIENTS)))
        took = time.perf_counter() - began
        end = server.memory()
        stop = server.close()
    for name, (own, files) in (
        ("at the start", begin),
        ("after a search and all keys", after),
        ("after 400 thumbnails", full),
        (f"after {CLIENTS} clients", end),
    ):
        print(f"  {name}: {own:.0f} MiB, and {files:.0f} MiB of mapped files   target 300 MiB")
    print(f"  {CLIENTS} clients at once, 100 searches and 2,000 thumbnails: {took:.1f} s; a search {tail(waited)}")
    print(f"  end, by SIGTERM: {stop * 1000:.0f} ms   target 1,000 ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=30_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--screen", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="make the stores in this folder, and leave them there")
    parser.add_argument("--only", choices=("search", "screen", "many"))
    given = parser.parse_args()
    os.environ.pop("VSTORE_DIR", None)
    print(machine())
    with workplace() as top:
        place = given.keep or top
        if given.only in (None, "search"):
            print(f"searches of {given.pictures:,} pictures, built-in space")
            store = built(place / f"small-{given.pictures}", draw, given.pictures)
            searches(store, store.parent / "pictures")
        if given.only in (None, "screen"):
            print("a screen of thumbnails")
            screens(built(place / f"large-{given.screen}", draw_large, given.screen), given.screen)
        if given.only in (None, "many"):
            print(f"memory with {given.many:,} pictures")
            many(built(place / f"small-{given.many}", draw, given.many))


if __name__ == "__main__":
    main()
