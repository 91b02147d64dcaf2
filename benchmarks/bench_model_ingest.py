"""How near a sync with a real model comes to what reading and the model cost by themselves.

    python benchmarks/bench_model_ingest.py [--models tiny b32] [--pictures 64] [--runs 5]
    python benchmarks/bench_model_ingest.py --models l14 qwen2-vl-7b      where CUDA is; it is skipped elsewhere

The models have random weights: how fast a model is does not depend on them. In turn, in one process per model:
  reading   read, hash, decode to 512 px and the processor's part, in as many threads as a sync has; nothing is embedded
  model     the model alone, on inputs that are ready, in batches as a sync makes them
  sync      `vstore sync` of an empty store: everything, with the vectors kept and a snapshot written
  plain     the loop that one writes first: PIL, transformers' processor, model, one picture after the other
Targets on the CPU: sync at 0.90 or more of 1 / (1 / model + 1 / reading), by wall time. The same by CPU time, which
tells how much work is done that neither needs: on a busy machine that ratio is the steadier one. Loading the model is
counted in none of them.
On CUDA: pictures per second, their share of the model-only rate, the share of the chip's matrix rate as measured in
the same run, and how long the founding case's 2,086 new pictures take.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench_ingest import draw
from measure import machine, workplace

FOUNDING = 2_086  # new pictures of the run that vstore was founded on; they took 15 to 20 minutes
TINY = {"hidden": 32, "layers": 2, "heads": 4, "patch": 32, "mlp": 64}
B32 = {"hidden": 768, "layers": 12, "heads": 12, "patch": 32, "mlp": 3072}
L14 = {"hidden": 1024, "layers": 24, "heads": 16, "patch": 14, "mlp": 4096}


class Cost(NamedTuple):
    """Seconds of wall time and of CPU time, of all threads and children."""

    wall: float
    cpu: float


def measured(work: Callable[[], object]) -> Cost:
    def spent() -> float:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in both)

    wall, cpu = time.perf_counter(), spent()
    work()
    return Cost(time.perf_counter() - wall, spent() - cpu)


def save_clip(folder: Path, shape: dict[str, int], device: str) -> None:
    """A random CLIP whose picture side has the shape of a published one; its text side is small."""
    import torch
    import transformers

    config = transformers.CLIPConfig(
        text_config={"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4},
        vision_config={
            "hidden_size": shape["hidden"],
            "intermediate_size": shape["mlp"],
            "num_hidden_layers": shape["layers"],
            "num_attention_heads": shape["heads"],
            "patch_size": shape["patch"],
            "image_size": 224,
        },
        projection_dim=512,
    )
    with torch.device(device):
        transformers.CLIPModel(config).save_pretrained(folder)
    transformers.CLIPImageProcessorPil().save_pretrained(folder)


def save_qwen(folder: Path, device: str) -> Path:
    """A random Qwen2-VL of 7B parameters in bf16, made on the device. Returns: a LoRA adapter for it."""
    import peft
    import torch
    import transformers

    specials = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    save_tokenizer(folder, ["<|endoftext|>", *specials])
    text = {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "max_position_embeddings": 32768,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    }
    vision = {"embed_dim": 1280, "hidden_size": 3584, "depth": 32, "num_heads": 16, "mlp_ratio": 4, "patch_size": 14}
    names = {"vision_start": 3, "vision_end": 4, "image": 5, "video": 6}
    ids = {f"{name}_token_id": number for name, number in names.items()}
    config = transformers.Qwen2VLConfig(text_config=text, vision_config=vision, **ids)
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = transformers.Qwen2VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    transformers.Qwen2VLImageProcessorPil(
        patch_size=14, size={"shortest_edge": 56 * 56, "longest_edge": 512 * 512}
    ).save_pretrained(folder)
    lora = peft.LoraConfig(r=16, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], init_lora_weights=False)
    adapter = folder.with_name(f"{folder.name}-lora")
    peft.get_peft_model(model, lora).save_pretrained(adapter)
    config_file = adapter / "adapter_config.json"
    values = json.loads(config_file.read_text())
    config_file.write_text(json.dumps({**values, "base_model_name_or_path": str(folder)}))
    return adapter


def save_tokenizer(folder: Path, names: list[str]) -> None:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {token: number for number, token in enumerate([*names, *pre_tokenizers.ByteLevel.alphabet()])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=names[0], pad_token=names[0])
    fast.add_special_tokens({"additional_special_tokens": names[1:]})
    fast.save_pretrained(folder)


class Sides:
    """The sides of one model, over the same pictures. Each returns what it cost."""

    def __init__(self, top: Path, pictures: Path, model: Path, adapter: Path | None, device: str, compute: str) -> None:
        from vstore.store import Store

        self._pictures = sorted(pictures.rglob("*.jpg"))
        self._folder, self._device = pictures, device
        self._seed, self._store = top / "seed", top / "store"
        top.mkdir()
        words = {"model": str(model), "adapter": adapter and str(adapter), "compute": compute}
        Store.init(self._seed, device=device, **words)
        with Store(self._seed) as store:
            space = next(iter(store._repo.state.spaces.values()))
            self.embedder: Any = store._load(store._repo.recipe(space.id), self._settings())
        self._inputs: list[Any] = []
        self.reading()

    def _settings(self) -> Any:
        from vstore.embed.place import Settings

        return Settings(self._device)

    def reading(self) -> Cost:
        from concurrent.futures import ThreadPoolExecutor

        from vstore.hashing import store_hash
        from vstore.images import Preparation, prepare
        from vstore.sync.reader import WORKERS

        digest, preparation = store_hash("xxh3_128").digest, Preparation()

        def one(path: Path) -> Any:
            data = path.read_bytes()
            digest(data)
            return self.embedder.prepare(prepare(data, preparation)[0])

        def work() -> None:
            with ThreadPoolExecutor(WORKERS) as pool:
                self._inputs = list(pool.map(one, self._pictures))

        return measured(work)

    def model(self) -> Cost:
        from collections import deque

        def work() -> None:
            under_way: deque[Any] = deque()
            batch: list[Any] = []
            for number, one in enumerate(self._inputs, 1):
                batch.append(one)
                if self.embedder.is_full(batch) or number == len(self._inputs):
                    under_way.append(self.embedder.start(batch))
                    batch = []
                while len(under_way) >= self.embedder.in_flight:
                    under_way.popleft()()
            while under_way:
                under_way.popleft()()

        return measured(work)

    def sync(self) -> Cost:
        """With a model that is loaded already, as it is for all but the first batch of a run."""
        from vstore.store import Store

        shutil.rmtree(self._store, ignore_errors=True)
        shutil.copytree(self._seed, self._store)
        with Store(self._store, load_embedder=lambda recipe: self.embedder) as store:
            reports: list[Any] = []
            cost = measured(lambda: reports.append(store.sync([self._folder])))
            assert reports[0].embedded == len(self._pictures)
        return cost

    def plain(self) -> Cost:
        import torch
        from PIL import Image

        def work() -> None:
            with torch.no_grad():
                for path in self._pictures:
                    picture = Image.open(path).convert("RGB")
                    found = self.embedder.family._processor(images=picture, return_tensors="pt")
                    vector = self.embedder.model.get_image_features(**found.to(self._device)).pooler_output
                    (vector / vector.norm(dim=-1, keepdim=True)).cpu().numpy()

        return measured(work)


def over(upper: list[float], lower: list[float]) -> str:
    each = [a / b for a, b in zip(upper, lower, strict=True)]
    return f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"


def show(name: str, found: dict[str, list[Cost]], count: int) -> None:
    for side, costs in found.items():
        wall = statistics.median(cost.wall for cost in costs)
        cpu = statistics.median(cost.cpu for cost in costs)
        print(f"  {side:8} {count / wall:8.1f} pictures/s, {1000 * cpu / count:7.1f} ms of CPU each")
    both = list(zip(found["reading"], found["model"], strict=True))
    wall = over([a.wall + b.wall for a, b in both], [cost.wall for cost in found["sync"]])
    cpu = over([a.cpu + b.cpu for a, b in both], [cost.cpu for cost in found["sync"]])
    print(f"{name}: rate of sync / (1 / (1/model + 1/reading)): {wall}x   target 0.90; by CPU time {cpu}x")
    if "plain" in found:
        slower = over([cost.wall for cost in found["plain"]], [cost.wall for cost in found["sync"]])
        print(f"{name}: plain loop / sync: {slower}x")


def on_cpu(top: Path, pictures: Path, name: str, count: int, runs: int, plain: bool) -> None:
    save_clip(top / name, {"tiny": TINY, "b32": B32}[name], "cpu")
    sides = Sides(top / f"{name}-stores", pictures, top / name, None, "cpu", "fp32")
    each = {"reading": sides.reading, "model": sides.model, "sync": sides.sync}
    if plain:
        each["plain"] = sides.plain
    found: dict[str, list[Cost]] = {side: [] for side in each}
    for turn in range(runs + 1):
        for side, work in each.items():
            cost = work()
            if turn:  # the first round warms up
                found[side].append(cost)
    show(name, found, count)


def on_cuda(top: Path, pictures: Path, name: str, count: int, runs: int) -> None:
    import torch

    if not torch.cuda.is_available():
        print(f"{name}: skipped, as there is no CUDA here")
        return
    adapter = None
    if name == "l14":
        save_clip(top / name, L14, "cuda")
    else:
        adapter = save_qwen(top / name, "cuda")
        torch.cuda.empty_cache()
    sides = Sides(top / f"{name}-stores", pictures, top / name, adapter, "cuda", "bf16")
    peak = matrix_rate()
    work = operations(sides)
    found: dict[str, list[Cost]] = {"reading": [], "model": [], "sync": []}
    for turn in range(runs + 1):
        for side, costs in found.items():
            cost = getattr(sides, side)()
            if turn:
                costs.append(cost)
    show(name, found, count)
    rate = count / statistics.median(cost.wall for cost in found["sync"])
    share = over([cost.wall for cost in found["model"]], [cost.wall for cost in found["sync"]])
    print(f"{name} on {torch.cuda.get_device_name()}: {rate:.1f} pictures/s, {share} of the model-only rate,")
    print(f"  {rate * work / peak:.2f} of the {peak / 1e12:.0f} TFLOP/s that a large bf16 product reaches here")
    minutes, seconds = divmod(FOUNDING / rate, 60)
    print(f"  {FOUNDING:,} new pictures: {minutes:.0f} min {seconds:.0f} s, loading not counted (were: 15 to 20 min)")


def matrix_rate() -> float:
    """Operations per second of a product of large bf16 matrices."""
    import torch

    side = 8192
    one = torch.randn(side, side, device="cuda", dtype=torch.bfloat16)
    for turn in range(21):
        if turn == 1:
            torch.cuda.synchronize()
            began = time.perf_counter()
        one @ one
    torch.cuda.synchronize()
    return 20 * 2 * side**3 / (time.perf_counter() - began)


def operations(sides: Sides) -> float:
    """Operations that the model takes for a picture, as torch counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    some = sides._inputs[:8]
    with FlopCounterMode(display=False) as counter:
        sides.embedder.start(some)()
    return float(counter.get_total_flops()) / len(some)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["tiny", "b32"], choices=["tiny", "b32", "l14", "qwen2-vl-7b"])
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[2.0, 3.0, 4.0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-plain", action="store_true", help="leave the plain loop out")
    args = parser.parse_args()
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"{machine()}, torch {torch.__version__} with {torch.get_num_threads()} threads")
    with workplace() as top:
        pictures = top / "pictures"
        for size in args.megapixels:
            draw(pictures / f"{size:g}", args.pictures // len(args.megapixels), size)
        count = len(list(pictures.rglob("*.jpg")))
        print(f"{count} JPEG of {', '.join(f'{size:g}' for size in args.megapixels)} MP, {args.runs} runs")
        for name in args.models:
            sys.stdout.flush()
            if name in ("tiny", "b32"):
                on_cpu(top, pictures, name, count, args.runs, not args.no_plain)
            else:
                on_cuda(top, pictures, name, count, args.runs)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `vstore sync` does before torch, which is loaded here
    main()
