"""The sides that a sync with a real model is measured beside, over the same pictures and the same loaded model."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from bench_ingest import draw
from measure import environment
from random_models import SIDE, Vit

HELD = 256  # inputs that are kept ready for the model by itself; of a large model one takes megabytes


class Cost(NamedTuple):
    """Seconds of wall time and of CPU time, of all threads and children."""

    wall: float
    cpu: float


class Side(Protocol):
    def __call__(self) -> Cost: ...


def measured(work: Callable[[], object]) -> Cost:
    def spent() -> float:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in both)

    wall, cpu = time.perf_counter(), spent()
    work()
    return Cost(time.perf_counter() - wall, spent() - cpu)


def show(found: dict[str, list[Cost]], count: int) -> None:
    """Print the rate of each side, and what of the cores it had: on a machine that others load, less than it could."""
    for side, costs in found.items():
        rates = sorted(count / cost.wall for cost in costs)
        cpu = statistics.median(cost.cpu for cost in costs)
        busy = statistics.median(cost.cpu / cost.wall for cost in costs) / (os.cpu_count() or 1)
        print(
            f"  {side:13} {statistics.median(rates):7.1f} pictures/s ({rates[0]:.1f} to {rates[-1]:.1f}), "
            f"{1000 * cpu / count:.1f} ms of CPU each, {busy:.0%} of the cores"
        )


def walls(costs: Sequence[Cost]) -> list[float]:
    return [cost.wall for cost in costs]


def cpus(costs: Sequence[Cost]) -> list[float]:
    return [cost.cpu for cost in costs]


def draw_pictures(folder: Path, count: int, megapixels: Sequence[float]) -> None:
    """Draw as many JPEG files, as evenly of these sizes as it goes."""
    for number, size in enumerate(megapixels):
        draw(folder / f"{size:g}", len(range(number, count, len(megapixels))), size)


class Sides:
    """The sides of one model: each reads or embeds all the pictures once, and tells what it cost."""

    def __init__(
        self,
        top: Path,
        pictures: Path,
        model: Path,
        adapter: Path | None,
        device: str,
        compute: str,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """top: a folder to be made, for the stores. adapter: None for the model as it is. more: words of the model."""
        from vstore.embed.model_words import Settings
        from vstore.pictures.preparation import preparation_of
        from vstore.store import Store

        self.pictures = sorted(pictures.rglob("*.jpg"))
        self._folder, self._device = pictures, device
        self._seed, self._store = top / "seed", top / "store"
        top.mkdir()
        words = {"model": str(model), "adapter": adapter and str(adapter), "compute": compute, **(more or {})}
        Store.init(self._seed, device=device, **words)
        with Store(self._seed) as store:
            recipe = store._repo.recipe(next(iter(store._repo.state.spaces.values())).id)
            self.preparation = preparation_of(recipe)
            began = time.perf_counter()
            self.embedder: Any = store._embedders.load(recipe, Settings(device))
            self.loading = time.perf_counter() - began  # seconds, with the proof by its probes
        self.inputs: list[Any] = []
        self.reading()

    def reading(self) -> Cost:
        """Read, hash, decode and prepare in as many threads as a sync has; nothing is embedded."""
        from vstore.format.hashing import store_hash
        from vstore.intake.reader import WORKERS
        from vstore.pictures.decoding import prepare

        digest, preparation = store_hash("xxh3_128").digest, self.preparation

        def one(path: Path) -> Any:
            data = path.read_bytes()
            digest(data)
            return self.embedder.prepare(prepare(data, preparation)[0])

        def work() -> None:
            # Pictures of all sizes are kept: evenly through all, not the first ones.
            every = -(-len(self.pictures) // HELD)
            with ThreadPoolExecutor(WORKERS) as pool:
                self.inputs = [made for n, made in enumerate(pool.map(one, self.pictures)) if n % every == 0]

        return measured(work)

    def model(self) -> Cost:
        """The model alone, on inputs that are ready, in batches as a sync makes them."""

        def work() -> None:
            under_way: deque[Any] = deque()
            batch: list[Any] = []
            for number, one in enumerate(islice(cycle(self.inputs), len(self.pictures)), 1):
                batch.append(one)
                if self.embedder.is_full(batch) or number == len(self.pictures):
                    under_way.append(self.embedder.start(batch))
                    batch = []
                while len(under_way) >= self.embedder.in_flight:
                    under_way.popleft()()
            while under_way:
                under_way.popleft()()

        return measured(work)

    def sync(self) -> Cost:
        """`vstore sync` of an empty store, with a model that is loaded already: as for all but a run's first batch."""
        from vstore.store import Store

        shutil.rmtree(self._store, ignore_errors=True)
        shutil.copytree(self._seed, self._store)
        with Store(self._store, load_embedder=lambda recipe: self.embedder) as store:
            reports: list[Any] = []
            cost = measured(lambda: reports.append(store.sync([self._folder])))
            assert reports[0].embedded == len(self.pictures)
        return cost

    def plain(self) -> Cost:
        """The loop that one writes first: Pillow, transformers' processor, the model, one picture after the other."""
        import torch
        from PIL import Image

        def work() -> None:
            with torch.no_grad():
                for path in self.pictures:
                    picture = Image.open(path).convert("RGB")
                    found = self.embedder.family._processor(images=picture, return_tensors="pt")
                    vector = self.embedder.model.get_image_features(**found.to(self._device)).pooler_output
                    (vector / vector.norm(dim=-1, keepdim=True)).cpu().numpy()

        return measured(work)


class Process:
    """A side in a process of its own. It says that it is ready in a line; it answers a line with the cost of a run."""

    def __init__(self, name: str, words: Sequence[str], settings: Mapping[str, str], log: Path) -> None:
        """Raises: SystemExit with its stderr where it cannot run."""
        self._name, self._log = name, log
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, env=settings
            )
        self.ready = self._answer()

    def __call__(self) -> Cost:
        """One index from nothing."""
        return self._asked("index")

    def reading(self) -> Cost:
        """All pictures read and prepared, where the other side offers that."""
        return self._asked("read")

    def _asked(self, word: str) -> Cost:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        return Cost(*json.loads(self._answer()))

    def close(self) -> None:
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate()
            sys.exit(f"{self._name} cannot run: {self._log.read_text(errors='replace').strip()[-1000:]}")
        return line.strip()


def rclip(python: str, top: Path, pictures: Path, shape: Vit) -> Process:
    """Start rclip's own indexing with a random model of the same shape, in another Python that has it: see `Process`.

    Its first line names its versions.
    """
    words = [python, str(Path(__file__).with_name("rclip_side.py")), str(top), str(pictures), str(SIDE)]
    settings = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "OMP_WAIT_POLICY")}
    return Process(
        "rclip",
        [*words, json.dumps(shape._asdict())],
        {**settings, "RCLIP_DATADIR": str(top), "HF_HUB_OFFLINE": "1"},
        top.with_name(f"{top.name}.stderr"),
    )


def syncing(sources: Path, top: Path, pictures: Path, model: Path) -> Process:
    """Start `Sides.sync` with the vstore, and the benchmarks, of some sources: see `Process`."""
    paths = os.pathsep.join(str(sources / name) for name in ("store", "cli", "benchmarks"))
    return Process(
        f"a sync of {sources}",
        [sys.executable, "-c", _SYNCS, str(top), str(pictures), str(model)],
        {**environment(), "PYTHONPATH": paths},
        top.with_name(f"{top.name}.stderr"),
    )


_SYNCS = """
import json, sys
from pathlib import Path
from model_sides import Sides
sides = Sides(*map(Path, sys.argv[1:]), None, "cpu", "fp32")
print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(sides.sync()), flush=True)
"""
