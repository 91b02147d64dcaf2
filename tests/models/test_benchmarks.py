"""The base of the benchmarks of models: the size of their random models, operations counted, other processes."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

torch.set_num_threads(1)  # threads that wait for one another cost such small models most of their time

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import random_models

    return random_models


def parameters(model: Any) -> int:
    return sum(value.numel() for value in model.parameters())


def test_the_shapes_have_the_sizes_of_the_published_models(made: Any) -> None:
    # As published: the picture sides of ViT-B/32 and ViT-L/14; all of Qwen2-VL-7B-Instruct.
    assert round(parameters(made.clip_on_meta(made.B32).vision_model) / 1e6) == 87
    assert round(parameters(made.clip_on_meta(made.L14).vision_model) / 1e6) == 303
    assert parameters(made.qwen_on_meta(made.QWEN_7B)) == 8_291_375_616


def test_a_small_shape_is_small(made: Any) -> None:
    assert parameters(made.qwen_on_meta(made.QWEN_TINY)) < 1e6


def test_a_clips_operations_are_those_that_torch_counts(made: Any) -> None:
    shape = made.Vit(hidden=64, layers=2, heads=4, patch=32, mlp=256)
    config = made.clip_on_meta(shape).config.vision_config
    config._attn_implementation = "eager"  # torch counts no fused attention on the CPU
    model = transformers.CLIPVisionModelWithProjection(config)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, made.SIDE, made.SIDE))
    assert counter.get_total_flops() == shape.operations()


def test_a_qwens_operations_are_those_that_torch_counts(made: Any) -> None:
    shape = made.QWEN_TINY
    config = made.qwen_on_meta(shape).config
    config._attn_implementation = "eager"
    model = transformers.Qwen2VLModel(config)
    height, width = 24, 36
    ids = torch.tensor([[1, *[config.image_token_id] * (height * width // 4), 2]])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(
            input_ids=ids,
            mm_token_type_ids=(ids == config.image_token_id).int(),
            pixel_values=torch.zeros(height * width, 3 * 2 * 14**2),
            image_grid_thw=torch.tensor([[1, height, width]]),
        )
    # Besides, torch counts the angles of positions, which are a product too.
    assert counter.get_total_flops() == pytest.approx(shape.operations(height * width, ids.numel()), rel=0.005)


def test_weights_come_in_shards_that_together_are_the_model(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "SHARD", 200_000)
    made.save_qwen(tmp_path / "qwen", made.QWEN_TINY, "cpu")
    files = list((tmp_path / "qwen").glob("model-*.safetensors"))
    assert len(files) > 2 and max(file.stat().st_size for file in files) < 210_000
    _, info = transformers.Qwen2VLForConditionalGeneration.from_pretrained(tmp_path / "qwen", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]


@pytest.mark.parametrize("model", ["l14", "qwen2-vl-7b"])
def test_the_accelerators_benchmark_runs_with_toy_models(
    made: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: str
) -> None:
    """In this process: another one would need ten times as long to import torch as to measure."""
    bench_accelerator = importlib.import_module("bench_accelerator")
    words = ["--model", model, "--device", "cpu", "--shape", "small", "--pictures", "6", "--runs", "1"]
    monkeypatch.setattr(sys, "argv", ["bench_accelerator.py", *words])
    bench_accelerator.main()
    out, err = capsys.readouterr()
    assert not err
    number = r"\d[\d.]*"
    for said in (
        rf"{number} GFLOP a picture",
        rf"{number} pictures/s \({number} to {number}\) from end to end",
        rf"{number}x \({number} to {number}\) of the model-only rate",
        rf"{number} of the {number} TFLOP/s that a large bf16 product reaches here",
        r"2,086 new pictures: \d+ min \d+ s, with loading \d+ min \d+ s",
    ):
        assert re.search(said, out), said
    assert ("a LoRA adapter" in out) == (model == "qwen2-vl-7b")


def test_searches_on_an_accelerator_are_measured_with_few_vectors(
    made: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bench_accelerator = importlib.import_module("bench_accelerator")
    words = ["--search", "--device", "cpu", "--rows", "2000", "--dim", "16", "--runs", "1", "--store", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["bench_accelerator.py", *words])
    bench_accelerator.main()
    out, err = capsys.readouterr()
    assert not err and (tmp_path / ".vstore").exists()
    number = r"\d[\d.e-]*"
    assert out.count("64 of 64 answers are the same, bit for bit") == 3
    assert len(re.findall(rf"faiss / cpu: {number}x \({number} to {number}\)", out)) == 3
    assert len(re.findall(rf"many on the CPU / cpu: {number}x \({number} to {number}\)", out)) == 3
    assert re.search(rf"read at {number} GB/s, {number} of what a copy moves there", out)


def test_an_accelerator_that_answers_otherwise_fails_its_benchmark(
    made: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bench_accelerator = importlib.import_module("bench_accelerator")
    from vstore.search.on_device import OnDevice

    near = OnDevice.near
    monkeypatch.setattr(OnDevice, "near", lambda *args: [rows[:3] for rows in near(*args) or ()])  # type: ignore[index]
    words = ["--search", "--device", "cpu", "--rows", "2000", "--dim", "16", "--runs", "1", "--store", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["bench_accelerator.py", *words])
    with pytest.raises(SystemExit, match="the device did not give the answers of the CPU"):
        bench_accelerator.main()


def test_a_cold_search_is_measured_against_the_base_by_memory_too(
    made: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench_cold_search import Spent, importing, report  # type: ignore[import-not-found]

    even, large, quick = Spent(4.0, 4.0, 400.0), Spent(4.0, 4.0, 440.0), Spent(0.2, 0.1, 40.0)
    assert report({"now": [even] * 7, "base": [even] * 7, "with a running model": [quick] * 7})
    said = capsys.readouterr().out
    assert "now / base, cpu: 1.000x (95 %: 1.000 to 1.000)   target: lower end at most 1.05" in said
    assert "now / with a running model, wall: 20.000x (95 %: 20.000 to 20.000)\n" in said
    assert not report({"now": [large] * 7, "base": [even] * 7})
    one = importing("data = b'x' * (80 << 20)")()
    assert one.wall > 0 and one.cpu > 0 and one.peak > 80


def test_a_process_answers_with_costs_or_its_error_is_told(made: Any, tmp_path: Path) -> None:
    from model_sides import Cost, Process  # type: ignore[import-not-found]

    answering = "print('ready', flush=True)\nfor _ in __import__('sys').stdin: print('[2, 3]', flush=True)"
    side = Process("it", [sys.executable, "-c", answering], dict(os.environ), tmp_path / "stderr")
    try:
        assert side.ready == "ready"
        assert [side(), side()] == [Cost(2, 3)] * 2
    finally:
        side.close()
    with pytest.raises(SystemExit, match=r"^it cannot run: (?s:.*)ModuleNotFoundError"):
        Process("it", [sys.executable, "-c", "import not_there"], dict(os.environ), tmp_path / "stderr")


def test_the_accelerators_benchmark_is_a_program() -> None:
    words = ["--model", "l14", "--device", "cpu"]
    run = subprocess.run(
        [sys.executable, "-W", "error", str(BENCHMARKS / "bench_accelerator.py"), *words],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "models of this size are for an accelerator; with --device cpu add --shape small\n"
