"""What does it cost to hand batches to a worker process, beside reading the pictures that they hold?

    python benchmarks/bench_workers.py

One thread prepares 512 px JPEGs as CLIP (224 px, 0.6 MB a picture) and Qwen2-VL (6 MB) are given them. The same batches
then go through the pipes of `vstore.embed.workers.wire` to a process that takes them and answers a byte.
"""

from __future__ import annotations

import io
import subprocess
import sys
from functools import partial
from typing import Any

from measure import environment, in_turn, machine, ratio, spread, timed

COUNT = 32  # pictures of a batch
CODE = """
import sys
from vstore.embed.workers.wire import receive, send
while True:
    receive(sys.stdin.buffer)
    send(sys.stdout.buffer, 1)
"""


def jpegs() -> list[bytes]:
    import numpy as np
    from PIL import Image

    found = []
    for seed in range(COUNT):
        rough = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        out = io.BytesIO()
        Image.fromarray(rough).resize((512, 384)).save(out, "JPEG", quality=90)
        found.append(out.getvalue())
    return found


def processors() -> dict[str, Any]:
    import transformers

    return {
        "CLIP": transformers.CLIPImageProcessorPil(
            size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}
        ),
        "Qwen2-VL": transformers.Qwen2VLImageProcessorPil(),
    }


def main() -> None:
    from vstore.embed.workers.wire import receive, send, widen_pipe
    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import Preparation

    print(machine())
    files = jpegs()
    with subprocess.Popen(
        [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    ) as other:
        widen_pipe(other.stdin)
        for name, processor in processors().items():
            batch: list[Any] = []

            def reading(processor: Any = processor, batch: list[Any] = batch) -> None:
                batch[:] = [
                    dict(processor(images=prepare(data, Preparation())[0], return_tensors="np")) for data in files
                ]

            def handing(batch: list[Any] = batch) -> None:
                send(other.stdin, batch)  # type: ignore[arg-type]
                receive(other.stdout)  # type: ignore[arg-type]

            found = in_turn({"reading": partial(timed, reading), "handing": partial(timed, handing)})
            size = sum(value.nbytes for one in batch for value in one.values()) / COUNT / 1e6
            each = {side: spread([seconds / COUNT for seconds in values]) for side, values in found.items()}
            print(f"{name}, {size:.1f} MB a picture: reading {each['reading']}, handing over {each['handing']}")
            print(f"  handing over / reading: {ratio(found['handing'], found['reading'])}")
        assert other.stdin is not None
        other.kill()


if __name__ == "__main__":
    main()
