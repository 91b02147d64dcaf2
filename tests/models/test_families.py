"""Each family gives the vectors that transformers and peft give when they are called directly, in any batch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from PIL import Image
from safetensors.torch import save_file
from support.embedder_suite import check_embedder, pictures
from support.embedders import embedder, probes, recipe_of
from support.reference import Reference
from support.zoo import MAKERS, Zoo

from vstore.embed.embedder import text_side
from vstore.errors import ModelError
from vstore.format.recipes import space_id

PROMPT = "describe the image"
WITH_TEXT = (
    *("clip", "metaclip_2", "chinese_clip", "altclip", "aimv2", "siglip", "naflex"),
    *("qwen2_vl", "qwen2_5_vl", "qwen3_vl"),
)
ADAPTED = [
    ("clip", "lora"),
    ("clip", "rslora"),
    ("clip", "dora"),
    ("chinese_clip", "lora"),
    ("altclip", "lora"),
    ("aimv2", "lora"),
    ("siglip", "lora"),
    ("naflex", "lora"),
    ("dinov2", "lora"),
    ("dinov3", "lora"),
    ("vit", "lora"),
    ("qwen2_vl", "lora"),
    ("qwen2_vl", "dora"),
    ("qwen2_5_vl", "lora"),
    ("qwen3_vl", "lora"),
]


def assert_equal_to(reference: Reference, made: Any, **how: str) -> None:
    """Every probe, singly, in batches of two and backwards, is within 1e-5 of the reference."""
    some = list(probes().values())
    wanted = np.stack([reference.picture(picture, **how) for picture in some])
    assert np.abs(wanted @ wanted.T - 1).max() > 1e-3, "pictures that all look alike prove nothing"
    for size in (1, 2, 8):
        made.limits.batch_size = size
        assert np.abs(made.embed_images(some) - wanted).max() < 1e-5
        assert np.abs(made.embed_images(some[::-1])[::-1] - wanted).max() < 1e-5


@pytest.mark.parametrize("name", MAKERS)
def test_pictures_have_the_vectors_of_the_reference(zoo: Zoo, name: str) -> None:
    assert_equal_to(Reference(zoo[name]), embedder(zoo[name]))


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_weights_with_the_names_of_the_full_class_are_the_same_model(zoo: Zoo, tmp_path: Path, name: str) -> None:
    """As a fine-tune is saved by its state dict: transformers takes `model.visual` for a part of the language model."""
    folder = Path(shutil.copytree(zoo[name], tmp_path / "tuned"))
    full = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    save_file({key: value.detach().clone() for key, value in full.named_parameters()}, folder / "model.safetensors")
    some = list(probes().values())
    assert np.abs(embedder(folder).embed_images(some) - embedder(zoo[name]).embed_images(some)).max() < 1e-6


@pytest.mark.parametrize(("name", "kind"), ADAPTED)
def test_adapted_pictures_have_the_vectors_of_the_reference(zoo: Zoo, name: str, kind: str) -> None:
    adapter = zoo.adapter(name, kind)
    made = embedder(zoo[name], adapter)
    assert_equal_to(Reference(zoo[name], adapter), made)
    plain = embedder(zoo[name]).embed_images(list(probes().values()))
    assert (made.embed_images(list(probes().values())) * plain).sum(1).min() < 0.9999


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("name", WITH_TEXT)
def test_texts_have_the_vectors_of_the_reference(zoo: Zoo, name: str, adapted: bool) -> None:
    adapter = zoo.adapter(name) if adapted else None
    texts = ["a red car", "A Blue Cat of the Sky", "dog"]
    side = text_side(embedder(zoo[name], adapter))
    assert side is not None
    reference = Reference(zoo[name], adapter)
    wanted = np.stack([reference.text(text) for text in texts])
    assert np.abs(side(texts) - wanted).max() < 1e-5
    assert np.abs(side(texts[::-1])[::-1] - wanted).max() < 1e-5


@pytest.mark.parametrize("name", ["dinov2", "dinov2_with_registers", "dinov3", "vit", "vit_mae", "qwen2_vl"])
def test_the_mean_is_another_space_and_the_mean_of_the_reference(zoo: Zoo, name: str) -> None:
    made = embedder(zoo[name], pooling="mean")
    assert_equal_to(Reference(zoo[name]), made, pooling="mean")
    assert space_id(made.recipe) != space_id(recipe_of(zoo[name]))


@pytest.mark.parametrize("pooling", ["last-column", "last-column-v4"])
@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_the_last_column_is_that_of_the_reference_padded_to_any_length(zoo: Zoo, name: str, pooling: str) -> None:
    made = embedder(zoo[name], pooling=pooling)
    assert_equal_to(Reference(zoo[name]), made, pooling=pooling)
    some = list(probes().values())
    other = embedder(zoo[name], pooling="last-column" if pooling.endswith("v4") else "last")
    assert np.abs(made.embed_images(some) - other.embed_images(some)).max() > 1e-3
    assert np.isfinite(made.embed_texts(["a red car"])).all()


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen3_vl"])
def test_the_prompt_is_part_of_the_space_and_of_the_vector(zoo: Zoo, name: str) -> None:
    made = embedder(zoo[name], prompt=PROMPT)
    assert_equal_to(Reference(zoo[name]), made, prompt=PROMPT)
    plain = embedder(zoo[name])
    assert space_id(made.recipe) != space_id(plain.recipe)
    picture = [probes()["landscape"]]
    assert np.abs(made.embed_images(picture) - plain.embed_images(picture)).max() > 1e-3


def test_a_whole_template_is_taken_as_it_is(zoo: Zoo) -> None:
    whole = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>x<|endoftext|>"
    made = embedder(zoo["qwen2_vl"], prompt=whole)
    assert made.recipe["prompt"] == whole
    assert made.recipe["text"]["template"] == "<|im_start|>user\n%sx<|endoftext|>"
    with pytest.raises(ModelError, match="holds the picture 2 times"):
        recipe_of(zoo["qwen2_vl"], prompt=whole + "<|vision_start|><|image_pad|><|vision_end|>")


def test_a_text_that_spells_a_special_token_is_letters(zoo: Zoo) -> None:
    made = embedder(zoo["qwen2_vl"])
    seen: list[list[int]] = []
    plain = made.family._padded
    made.family._padded = lambda sequences: seen.extend(list(one) for one in sequences) or plain(sequences)
    assert np.isfinite(made.embed_texts(["<|image_pad|>", "<|im_end|>"])).all()
    special = made.family._tokenizer.convert_tokens_to_ids(["<|image_pad|>", "<|im_end|>"])
    assert [ids.count(special[0]) for ids in seen] == [0, 0]
    assert seen[0].count(special[1]) == seen[1].count(special[1]) == 2, "those of the prompt alone"


def test_mae_sees_all_of_a_picture_and_gives_one_vector_of_it(zoo: Zoo) -> None:
    model = transformers.ViTMAEModel.from_pretrained(zoo["vit_mae"]).eval()
    picture = probes()["landscape"]
    pixels = transformers.ViTImageProcessorPil.from_pretrained(zoo["vit_mae"])(picture, return_tensors="pt")
    first, second = (model(**pixels).last_hidden_state for _ in range(2))
    assert first.shape[1] == 1 + 4, "a quarter of 16 patches"
    assert not np.allclose(first[0, 0].detach(), second[0, 0].detach()), "the library chooses others each time"
    made = embedder(zoo["vit_mae"])
    assert np.array_equal(made.embed_images([picture]), made.embed_images([picture]))


@pytest.mark.parametrize("name", MAKERS)
def test_keeps_to_what_every_embedder_keeps_to(zoo: Zoo, name: str) -> None:
    made = embedder(zoo[name])
    some = [one for one in pictures() if max(one.size) <= 200 * min(one.size)] if name.startswith("qwen") else None
    check_embedder(made, some=some)


@pytest.mark.parametrize("name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_a_picture_too_long_for_the_model_is_one_failure_and_ends_nothing(zoo: Zoo, name: str) -> None:
    good = probes()["landscape"]
    rows = embedder(zoo[name]).embed_images([good, Image.new("RGB", (512, 2)), good])
    assert np.isnan(rows[1]).all()
    assert np.isfinite(rows[[0, 2]]).all()
    assert np.abs(rows[0] - rows[2]).max() < 1e-6


def test_a_squeezed_picture_is_not_a_cropped_one(zoo: Zoo) -> None:
    """Square pictures could not tell a crop from a squash: the probes are not square."""
    assert all(width != height for width, height in (picture.size for picture in probes().values()))
    wide = probes()["landscape"]
    cropped = wide.crop((50, 0, 250, 200))
    clip = embedder(zoo["clip"])
    assert np.abs(clip.embed_images([wide]) - clip.embed_images([cropped])).max() < 0.2
    siglip = embedder(zoo["siglip"])
    assert (siglip.embed_images([wide]) * siglip.embed_images([cropped])).sum() < 0.99


def test_bf16_is_a_class_of_the_same_space(zoo: Zoo) -> None:
    some = list(probes().values())
    full, half = embedder(zoo["clip"]), embedder(zoo["clip"], compute="bf16")
    assert space_id(full.recipe) == space_id(half.recipe)
    assert {str(value.dtype) for value in half.model.parameters()} == {"torch.bfloat16"}
    likeness = (full.embed_images(some) * half.embed_images(some)).sum(1)
    assert 0.99 < likeness.min() < 1 - 1e-7
    check_embedder(half, tolerance=2e-2)


def test_an_adapter_is_merged_in_fp32_before_it_is_cast(zoo: Zoo) -> None:
    adapter = zoo.adapter("clip")
    made = embedder(zoo["clip"], adapter, compute="bf16")
    full = embedder(zoo["clip"], adapter)
    for (name, one), (_, other) in zip(made.model.named_parameters(), full.model.named_parameters(), strict=True):
        assert (one == other.to(one.dtype)).all(), name
    assert made.recipe["adapter"]["merge"] == "merged in fp32, then cast"


def test_the_base_of_an_adapter_is_the_one_that_it_names(zoo: Zoo) -> None:
    adapter = zoo.adapter("clip")
    made = embedder(None, adapter)
    assert np.array_equal(
        made.embed_images([probes()["tiny"]]), embedder(zoo["clip"], adapter).embed_images([probes()["tiny"]])
    )


def test_what_the_folder_says_of_preparation_later_changes_no_vector(zoo: Zoo, tmp_path: Path) -> None:
    from vstore.embed.hf.description import describe
    from vstore.embed.hf.digests import Digests
    from vstore.embed.hf.loading import load
    from vstore.embed.model_words import Settings, Words

    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    recipe, place = describe(Words(str(folder)), Digests())
    before = load(recipe, place, Settings("cpu"), Digests()).embed_images(list(probes().values()))
    values = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**values, "image_mean": [0.1, 0.2, 0.3]}))
    after = load(recipe, place, Settings("cpu"), Digests()).embed_images(list(probes().values()))
    assert np.array_equal(before, after)
    assert space_id(describe(Words(str(folder)), Digests())[0]) != space_id(recipe)


def test_a_siglip_2_of_fixed_size_is_known_by_its_tokenizer(zoo: Zoo, tmp_path: Path) -> None:
    """Its model type is that of the first SigLIP; its texts were lower case, and Gemma's tokenizer keeps the case."""
    folder = Path(shutil.copytree(zoo["siglip"], tmp_path / "siglip2"))
    assert recipe_of(folder)["text"]["lowercase"] is False
    values = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**values, "tokenizer_class": "GemmaTokenizerFast"}))
    assert recipe_of(folder)["text"]["lowercase"] is True


def test_a_processor_of_before_with_min_and_max_pixels_is_taken(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["qwen2_vl"], tmp_path / "q"))
    values = json.loads((folder / "preprocessor_config.json").read_text())
    size = values.pop("size")
    old = {**values, "min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}
    (folder / "preprocessor_config.json").write_text(json.dumps(old))
    assert recipe_of(folder)["processor"]["size"] == size
    assert_equal_to(Reference(zoo["qwen2_vl"]), embedder(folder))


OLD_CLIP = {
    "crop_size": 32,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": 32,
}


def test_a_preparation_as_it_was_published_years_ago_is_the_same_one(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "clip"))
    (folder / "preprocessor_config.json").write_text(json.dumps(OLD_CLIP))
    assert space_id(recipe_of(folder)) == space_id(recipe_of(zoo["clip"]))
    assert type(recipe_of(folder)["processor"]["resample"]) is int
