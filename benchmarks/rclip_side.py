"""rclip's indexing, run as bench_model_ingest.py --rclip asks: by a Python that has rclip, torch, onnx and onnxscript.

    PYTHON rclip_side.py DATADIR PICTURES SIDE SHAPE

It says which versions it has. For each line on stdin, `index` or `read`, it indexes all pictures into a new database,
or reads and prepares them alone in as many threads as it does for that, and answers with [seconds of wall time, of CPU
time]. The model is a random one of the SHAPE asked for, exported to where rclip
looks for its own, with rclip's own session over it; its prepared pictures are made SIDE pixels wide, as the model's.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any


def vit(shape: dict[str, int], side: int) -> Any:
    """The picture side of a CLIP: (n, 3, side, side) to (n, dim). As open_clip's, with torch's own layers."""
    import torch
    from torch import nn

    class Vit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            hidden, patch = shape["hidden"], shape["patch"]
            self.patches = nn.Conv2d(3, hidden, patch, patch, bias=False)
            self.first = nn.Parameter(torch.randn(1, 1, hidden) * 0.02)
            self.places = nn.Parameter(torch.randn(1, (side // patch) ** 2 + 1, hidden) * 0.02)
            self.before, self.after = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
            layer = nn.TransformerEncoderLayer(
                hidden, shape["heads"], shape["mlp"], 0.0, "gelu", batch_first=True, norm_first=True
            )
            self.layers = nn.TransformerEncoder(layer, shape["layers"], enable_nested_tensor=False)
            self.project = nn.Linear(hidden, shape["dim"], bias=False)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            found = self.patches(pixels).flatten(2).transpose(1, 2)
            found = torch.cat([self.first.expand(found.shape[0], -1, -1), found], 1) + self.places
            found = self.layers(self.before(found))
            projected: torch.Tensor = self.project(self.after(found[:, 0]))
            return projected

    return Vit().eval()


def export(model: Any, path: Path, side: int) -> None:
    import torch

    path.parent.mkdir(parents=True)
    torch.onnx.export(
        model,
        (torch.randn(2, 3, side, side),),
        path,
        input_names=["input"],
        output_names=["output"],
        dynamic_shapes={"pixels": {0: torch.export.Dim("n")}},
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def measured(work: Callable[[], object]) -> list[float]:
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    work()
    wall, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_SELF)
    return [wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime]


def read(pictures: str) -> list[float]:
    """Read, hash and prepare all pictures with rclip's own function. Returns: seconds of wall time, of CPU time."""
    from rclip.main import _read_and_preprocess

    paths = [os.path.join(place, name) for place, _, names in os.walk(pictures) for name in names]

    def work() -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(_read_and_preprocess, paths):
                pass

    return measured(work)


def main() -> None:
    datadir, pictures, side, shape = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
    answers, sys.stdout = sys.stdout, sys.stderr  # nobody's remarks stand between the answers
    from rclip import model_download
    from rclip.db import DB
    from rclip.main import RClip
    from rclip.model import Model
    from rclip.utils import preprocess

    export(vit(shape, side), datadir / model_download.MODEL_SUBDIR / model_download.VISUAL_ONNX, side)
    preprocess.IMAGE_SIZE = side
    model = Model()
    print(f"rclip {version('rclip')} on onnxruntime {version('onnxruntime')}", file=answers, flush=True)
    for number, line in enumerate(sys.stdin):
        if line.strip() == "read":
            print(json.dumps(read(pictures)), file=answers, flush=True)
            continue
        database = DB(datadir / f"{number}.sqlite3")
        rclip = RClip(model, database, 8, None)  # 8 to a batch, as where nothing is said
        cost = measured(partial(rclip.ensure_index, pictures))
        indexed = len(list(database.get_image_vectors_by_dir_path(pictures)))
        wanted = sum(name.endswith(".jpg") for _, _, names in os.walk(pictures) for name in names)
        if indexed != wanted:
            sys.exit(f"rclip indexed {indexed} of {wanted} pictures")
        rclip.close()
        database.close()
        print(json.dumps(cost), file=answers, flush=True)


if __name__ == "__main__":
    main()
