"""Models in OpenCLIP's layout have the vectors of open_clip itself, and what is built otherwise is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from support.arrays import read_npz
from support.embedder_suite import check_embedder
from support.embedders import embedder, probes, recipe_of
from support.model_store import change_json
from support.open_clip_side import KINDS, OWN, TEXTS
from support.sides import run_side
from support.zoo import Zoo

from vstore.embed.hf.families import open_clip_config
from vstore.embed.hf.families.open_clip_config import NotPlain, towers
from vstore.embed.hf.families.open_clip_weights import renamed
from vstore.embed.hf.families.text_cleaning import cleaned
from vstore.errors import ModelError
from vstore.format.recipes import space_id


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models with open_clip's vectors of the probes, and what open_clip makes of its configurations."""
    top = tmp_path_factory.mktemp("open-clip")
    run_side("open_clip_side", top)
    return top


@pytest.fixture(autouse=True)
def tiny_siglip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(open_clip_config.SIGLIP_SIZES, "tiny", (32, 2, 4, 128))


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_have_the_vectors_of_open_clip(models: Path, kind: str) -> None:
    wanted = read_npz(models / f"{kind}.npz")
    made = embedder(models / kind)
    some = list(probes().values())
    pixels = np.stack([made.prepare(picture)["pixel_values"] for picture in some])
    assert np.abs(pixels - wanted["pixels"]).max() < 1e-6
    assert np.abs(wanted["pictures"] @ wanted["pictures"].T - 1).max() > 1e-2, "pictures that look alike prove nothing"
    for size in (1, 3):
        made.limits.batch_size = size
        assert np.abs(made.embed_images(some) - wanted["pictures"]).max() < 1e-5
        assert np.abs(made.embed_images(some[::-1])[::-1] - wanted["pictures"]).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_texts_have_the_vectors_of_open_clip(models: Path, kind: str) -> None:
    """Broken encodings, entities, capitals, punctuation, a text that is too long, and one that spells a token."""
    wanted = read_npz(models / f"{kind}.npz")["texts"]
    found = embedder(models / kind).embed_texts(TEXTS)
    assert np.abs(found - wanted).max() < 1e-5
    assert np.abs(wanted @ wanted.T - 1).max() > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_keeps_to_what_every_embedder_keeps_to(models: Path, kind: str) -> None:
    check_embedder(embedder(models / kind))


def test_bf16_is_a_class_of_the_same_space(models: Path) -> None:
    some = list(probes().values())
    full, half = embedder(models / "clip"), embedder(models / "clip", compute="bf16")
    assert space_id(full.recipe) == space_id(half.recipe)
    assert {str(value.dtype) for value in half.model.parameters()} == {"torch.bfloat16"}
    assert 0.99 < (full.embed_images(some) * half.embed_images(some)).sum(1).min() < 1 - 1e-7


# Every architecture that open_clip ships


ACTS = {
    "gelu": "GELU(approximate='none')",
    "gelu_pytorch_tanh": ("GELUTanh()", "GELU(approximate='tanh')"),
    "quick_gelu": "QuickGELU()",
}


def test_every_plain_architecture_of_open_clip_has_its_place_in_transformers(models: Path) -> None:
    """Shapes, activations, heads and norms, of models with up to four billion numbers, none of which is made."""
    taken = []
    for name, facts in json.loads((models / "architectures.json").read_text()).items():
        try:
            found = towers(facts["cfg"])
        except NotPlain:
            continue
        taken.append(name)
        kind = {"clip": "CLIP", "siglip": "Siglip"}[found.model_type]
        config = getattr(transformers, f"{kind}Config")(**found.config)
        assert facts["depth"] == config.vision_config.num_hidden_layers, name
        assert facts["cfg"]["text_cfg"]["layers"] == config.text_config.num_hidden_layers, name
        config.vision_config.num_hidden_layers = config.text_config.num_hidden_layers = 1
        with torch.device("meta"):
            ours = getattr(transformers, f"{kind}Model")(config).state_dict()
            theirs = {name: torch.empty(shape) for name, shape in facts["shapes"].items()}
        shapes = {name: value.shape for name, value in renamed(theirs, found).items()}
        assert shapes == {name: value.shape for name, value in ours.items()}, name
        assert facts["act"] in ACTS[config.vision_config.hidden_act], name
        assert facts["text_act"] in ACTS[config.text_config.hidden_act], name
        assert facts["heads"] == config.vision_config.num_attention_heads, name
        assert facts["eps"] == config.vision_config.layer_norm_eps, name
    assert len(taken) >= 56
    published = ("ViT-B-32", "ViT-L-14", "ViT-H-14-378-quickgelu", "ViT-bigG-14", "ViT-SO400M-14-SigLIP-384")
    assert {*published, "ViT-B-16-SigLIP2", "ViT-gopt-16-SigLIP2-384"} <= set(taken)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("RN50", "layers"),
        ("MobileCLIP-S1", "timm_model_name: fastvit_mci1"),
        ("EVA02-B-16", "timm_model_name"),
        ("convnext_base_w", "timm_model_name"),
        ("coca_ViT-B-32", "multimodal_cfg"),
        ("xlm-roberta-base-ViT-B-32", "hf_model_name"),
        ("ViT-L-14-CLIPA", "no_ln_pre"),
        ("ViT-H-14-worldwide", "pool_type"),
        ("ViT-M-16-alt", "ls_init_value"),
    ],
)
def test_another_architecture_is_told_by_the_word_that_makes_it_one(models: Path, name: str, word: str) -> None:
    cfg = json.loads((models / "architectures.json").read_text())[name]["cfg"]
    with pytest.raises(NotPlain, match=word):
        towers(cfg)


@pytest.mark.parametrize("tower", ["vision_cfg", "text_cfg"])
def test_a_word_that_is_not_known_makes_another_architecture(tower: str) -> None:
    cfg = json.loads(json.dumps(KINDS["clip"]["model_cfg"]))
    cfg[tower]["rotary"] = True
    with pytest.raises(NotPlain, match="rotary: True"):
        towers(cfg)


def test_what_is_built_otherwise_is_computed_by_open_clip(models: Path) -> None:
    assert {kind: recipe_of(models / kind)["family"] for kind in KINDS} == {
        kind: "open-clip-own" if kind in OWN else "open-clip" for kind in KINDS
    }
    made = embedder(models / "mobile")
    assert {"open_clip_torch", "timm", "ftfy"} <= made.environment.keys()
    assert made.environment["attention"] == "open_clip"
    assert made.family.picture_side(made.model) is made.model.model.visual, "what --compile compiles"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("coca_ViT-B-32", "multimodal_cfg"),
        ("xlm-roberta-base-ViT-B-32", "hf_model_name: xlm-roberta-base"),
        ("nllb-clip-base-siglip", "hf_model_name"),
    ],
)
def test_what_needs_more_than_the_folder_is_refused(models: Path, tmp_path: Path, name: str, word: str) -> None:
    cfg = json.loads((models / "architectures.json").read_text())[name]["cfg"]
    with pytest.raises(ModelError, match=f"vstore does not compute: its configuration says {word}"):
        recipe_of(changed(models, tmp_path / "m", lambda config: config.update(model_cfg=cfg)))


@pytest.mark.parametrize(
    "change",
    [
        lambda cfg: cfg["vision_cfg"].update(rotary=True),
        lambda cfg: cfg["vision_cfg"].update(timm_model_name="of_tomorrow"),
        lambda cfg: cfg["text_cfg"].update(rotary=True),
        lambda cfg: cfg.update(rotary=True),
    ],
)
def test_what_open_clip_does_not_know_is_refused(models: Path, tmp_path: Path, change: Any) -> None:
    with pytest.raises(ModelError, match="open_clip cannot make the model") as caught:
        recipe_of(changed(models, tmp_path / "m", lambda config: change(config["model_cfg"]), "mobile"))
    assert "pip install --no-deps 'open_clip_torch>=3.2' 'timm>=1.0.22' --upgrade" in caught.value.next_step


@pytest.mark.parametrize("module", ["open_clip", "timm"])
def test_without_open_clip_the_whole_command_is_named(
    models: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelError, match=f"the model needs {module}") as caught:
        recipe_of(models / "mobile")
    assert "pip install --no-deps" in caught.value.next_step
    assert recipe_of(models / "clip")["family"] == "open-clip", "which needs neither"


# The files


def changed(models: Path, to: Path, change: Callable[[dict[str, Any]], None], kind: str = "clip") -> Path:
    """Copy a model, and change its configuration."""
    shutil.copytree(models / kind, to)
    config = json.loads((to / "open_clip_config.json").read_text())
    change(config)
    (to / "open_clip_config.json").write_text(json.dumps(config))
    return to


def reweighted(models: Path, to: Path, change: Callable[[dict[str, Any]], None], kind: str = "clip") -> Path:
    """Copy a model, and change its weights."""
    shutil.copytree(models / kind, to)
    weights = load_file(to / "open_clip_model.safetensors")
    change(weights)
    save_file(weights, to / "open_clip_model.safetensors")
    return to


@pytest.mark.parametrize("weight", ["visual.proj", "ln_final.bias", "visual.transformer.resblocks.1.attn.in_proj_bias"])
def test_a_missing_weight_is_refused(models: Path, tmp_path: Path, weight: str) -> None:
    with pytest.raises(ModelError, match="they would be random"):
        embedder(reweighted(models, tmp_path / "m", lambda weights: weights.pop(weight)))


@pytest.mark.parametrize(
    ("kind", "change", "why"),
    [
        ("mobile", lambda weights: weights.pop("visual.trunk.final_conv.conv_scale.bn.bias"), "they would be random"),
        ("mobile", lambda weights: weights.pop("text.text_projection"), "they would be random"),
        ("mobile", lambda weights: weights.update(extra=torch.ones(2)), r"there is no place for 1 of them \(extra\)"),
        ("resnet", lambda weights: weights.update({"visual.bn1.bias": torch.ones(2)}), "size mismatch"),
    ],
)
def test_weights_of_what_is_built_otherwise_are_guarded_too(
    models: Path, tmp_path: Path, kind: str, change: Any, why: str
) -> None:
    with pytest.raises(ModelError, match=why):
        embedder(reweighted(models, tmp_path / "m", change, kind))


def test_half_a_pool_is_refused(models: Path, tmp_path: Path) -> None:
    pool = "visual.trunk.attn_pool.kv.weight"
    with pytest.raises(ModelError, match=r"there is no place for 1 of them \(q.weight\)"):
        embedder(reweighted(models, tmp_path / "m", lambda weights: weights.pop(pool), "siglip"))


def test_a_weight_of_another_size_is_refused(models: Path, tmp_path: Path) -> None:
    """As of a model that was trained at a larger size than its configuration says."""
    with pytest.raises(ModelError, match="they would be random"):
        embedder(
            reweighted(models, tmp_path / "m", lambda w: w.update({"visual.positional_embedding": torch.zeros(50, 32)}))
        )


def test_a_weight_without_a_place_is_refused(models: Path, tmp_path: Path) -> None:
    """transformers would pass it over, and the vector would be that of a model without it."""
    with pytest.raises(ModelError, match=r"no place for 1 of them \(visual.ln_extra.weight\)"):
        embedder(reweighted(models, tmp_path / "m", lambda w: w.update({"visual.ln_extra.weight": torch.ones(32)})))


def test_a_half_downloaded_model_is_refused(models: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models / "clip", tmp_path / "m"))
    weights = (folder / "open_clip_model.safetensors").read_bytes()
    (folder / "open_clip_model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(ModelError, match="is cut short") as caught:
        embedder(folder)
    assert "copy open_clip_model.safetensors into it again" in caught.value.next_step


def test_pickled_weights_are_refused_by_the_name_that_is_wanted(models: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models / "clip", tmp_path / "m"))
    (folder / "open_clip_model.safetensors").rename(folder / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only as pickles \(open_clip_pytorch_model.bin\)"):
        recipe_of(folder)


@pytest.mark.parametrize("part", [{}, {"vision_cfg": {}}, {"embed_dim": "x", "vision_cfg": {}, "text_cfg": {}}])
def test_a_configuration_without_its_parts_is_refused(models: Path, tmp_path: Path, part: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="is not valid"):
        recipe_of(changed(models, tmp_path / "m", lambda config: config.update(model_cfg=part)))


def test_what_decides_a_vector_decides_the_space(models: Path, tmp_path: Path) -> None:
    plain = space_id(recipe_of(models / "clip"))
    changes: list[Callable[[dict[str, Any]], None]] = [
        lambda config: config["preprocess_cfg"].update(mean=[0.5, 0.5, 0.5]),
        lambda config: config["preprocess_cfg"].update(interpolation="bilinear"),
        lambda config: config["preprocess_cfg"].update(resize_mode="squash"),
        lambda config: config["model_cfg"].update(quick_gelu=True),
        lambda config: config["model_cfg"]["text_cfg"].update(tokenizer_kwargs={"clean": "whitespace"}),
    ]
    found = {space_id(recipe_of(changed(models, tmp_path / str(n), change))) for n, change in enumerate(changes)}
    assert len(found - {plain}) == len(changes)


@pytest.mark.parametrize(
    "values",
    [{"size": 48}, {"size": [32, 48]}, {"mode": "L"}, {"crop_pct": 0.9}, {"resize_mode": "x"}, {"std": [0, 1, 1]}],
)
def test_a_preparation_that_does_not_fit_is_refused(models: Path, tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"does not fit its model|does not know"):
        recipe_of(changed(models, tmp_path / "m", lambda config: config["preprocess_cfg"].update(values)))


@pytest.mark.parametrize("kwargs", [{"strip_sep_token": True}, {"clean": "x"}, {"reduction_mask": "simple"}])
def test_a_tokenizer_with_other_options_is_refused(models: Path, tmp_path: Path, kwargs: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="prepared in a way that vstore does not know"):
        recipe_of(
            changed(
                models, tmp_path / "m", lambda config: config["model_cfg"]["text_cfg"].update(tokenizer_kwargs=kwargs)
            )
        )


def test_a_tokenizer_of_siglip_2_that_names_no_side_pads_on_the_right(models: Path, tmp_path: Path) -> None:
    """Its class, Gemma's, pads on the left: tests/models/test_token_ids.py compares the vectors."""
    folder = Path(shutil.copytree(models / "siglip", tmp_path / "m"))
    change_json(folder, "tokenizer_config.json", tokenizer_class="GemmaTokenizer")
    assert recipe_of(folder)["text"]["padding_side"] == "right"
    assert "padding_side" not in recipe_of(models / "siglip")["text"]


def test_without_tokenizer_files_there_is_no_text_side(models: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models / "clip", tmp_path / "m"))
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    made = embedder(folder)
    assert made.recipe["text"] is None
    assert (
        np.abs(made.embed_images([probes()["tiny"]]) - embedder(models / "clip").embed_images([probes()["tiny"]])).max()
        == 0
    )


def test_without_ftfy_the_command_that_installs_it_is_named(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ftfy", None)
    with pytest.raises(ModelError, match="the model needs ftfy") as caught:
        recipe_of(models / "clip")
    assert "pip install 'vstore-index[model]'" in caught.value.next_step


def test_an_adapter_is_refused(models: Path, zoo: Zoo) -> None:
    with pytest.raises(ModelError, match="an adapter cannot be put on"):
        recipe_of(models / "clip", zoo.adapter("clip"))


def test_transformers_layout_in_the_same_folder_goes_first(models: Path, zoo: Zoo, tmp_path: Path) -> None:
    """LAION publishes both: a space that was made before vstore read OpenCLIP's stays what it is."""
    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "m"))
    for name in ("open_clip_config.json", "open_clip_model.safetensors"):
        shutil.copy(models / "clip" / name, folder)
    assert space_id(recipe_of(folder)) == space_id(recipe_of(zoo["clip"]))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert recipe_of(folder)["family"] == "open-clip", "the other one has no weights that may be read"


# Cleaning and pixels, by cases that can be read


@pytest.mark.parametrize(
    ("text", "how", "wanted"),
    [
        ("A  Red\tCar ", "whitespace", "A Red Car"),
        ("A  Red Car", "lower", "a red car"),
        ("don’t &amp;amp; Ã©", "lower", "don't & é"),
        ("A red_car, 2 dogs!", "canonicalize", "a red car 2 dogs"),
    ],
)
def test_texts_are_cleaned(text: str, how: str, wanted: str) -> None:
    assert cleaned(text, how) == wanted


def test_the_odd_line_of_a_crop_is_where_torchvision_leaves_it() -> None:
    """Rounded half to even: 5 lines too many leave 2 before, 3 leave 2."""
    from vstore.embed.hf.pixels import pixels_recipe, prepare_pixels

    for more, first in ((5, 2), (3, 2), (1, 0), (4, 2)):
        ramp = Image.fromarray(np.arange(8 + more, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(3, 2))
        recipe = pixels_recipe(
            resize="shortest", resize_to=(8, 8), crop=(8, 8), interpolation="bicubic", mean=[0] * 3, std=[1] * 3
        )
        rows = np.round(prepare_pixels(ramp, recipe)[0, :, 0] * 255).astype(int)
        assert rows.tolist() == list(range(first, first + 8))
