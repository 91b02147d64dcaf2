"""The prompts of Qwen's models: those of their own chat templates, and searches that have an instruction."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from PIL import Image
from support.embedders import embedder, probes, recipe_of
from support.folders import put
from support.official import QWEN2_VL_TEMPLATE, QWEN3_VL_TEMPLATE
from support.reference import Reference, unit
from support.zoo import Zoo

from vstore.embed.hf.description import describe
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.loading import load
from vstore.embed.model_words import Settings, Words
from vstore.embed.probes import Probes
from vstore.errors import ModelError
from vstore.format.recipes import space_id
from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.store import Store

QWEN = {
    "qwen2_vl": (transformers.Qwen2VLProcessor, QWEN2_VL_TEMPLATE),
    "qwen2_5_vl": (transformers.Qwen2_5_VLProcessor, QWEN2_VL_TEMPLATE),
    "qwen3_vl": (transformers.Qwen3VLProcessor, QWEN3_VL_TEMPLATE),
}
SIZES = [(1, 1), (1, 150), (16, 16), (28, 29), (300, 200), (200, 300), (512, 3), (3000, 20), (1000, 700), (57, 4)]
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


def turn(prompt: str) -> list[dict[str, Any]]:
    text = [{"type": "text", "text": prompt}] if prompt else []
    return [{"role": "user", "content": [{"type": "image"}, *text]}]


def real_processor(folder: Path, kind: str) -> Any:
    """The processor of transformers. It asks for torchvision only when it is made, for videos."""
    made = object.__new__(QWEN[kind][0])
    made.image_processor = transformers.Qwen2VLImageProcessorPil.from_pretrained(folder)
    made.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    made.image_token, made.video_token = "<|image_pad|>", "<|video_pad|>"
    made.image_token_id = made.tokenizer.convert_tokens_to_ids(made.image_token)
    made.video_token_id = made.tokenizer.convert_tokens_to_ids(made.video_token)
    made.image_ids, made.video_ids = [made.image_token_id], [made.video_token_id]
    made.chat_template = QWEN[kind][1]
    return made


@pytest.mark.parametrize("prompt", ["", "describe the image"])
@pytest.mark.parametrize("kind", QWEN)
def test_a_picture_gets_the_tokens_and_pixels_of_the_real_processor(zoo: Zoo, kind: str, prompt: str) -> None:
    processor = real_processor(zoo[kind], kind)
    words = processor.apply_chat_template(turn(prompt), add_generation_prompt=True, tokenize=False)
    family = embedder(zoo[kind], **({"prompt": prompt} if prompt else {})).family
    assert family.recipe["prompt"] == words, "the default is what its own chat template makes of one turn"
    for size in SIZES:
        picture = Image.effect_noise(size, 90).convert("RGB")
        prepared = family.prepare(picture)
        if max(size) > 200 * min(size):
            assert prepared is None
            continue
        wanted = processor(text=[words], images=[picture], return_tensors="np")
        assert prepared is not None
        assert prepared["ids"].tolist() == wanted["input_ids"][0].tolist(), size
        assert prepared["grid"].tolist() == wanted["image_grid_thw"][0].tolist(), size
        assert np.array_equal(prepared["pixels"], wanted["pixel_values"]), size


@pytest.mark.parametrize("kind", QWEN)
def test_a_text_gets_the_tokens_of_the_real_tokenizer(zoo: Zoo, kind: str) -> None:
    processor = real_processor(zoo[kind], kind)
    family = embedder(zoo[kind]).family
    for text in ("a red car", "Ünïcode, 3 cats!"):
        said = [{"role": "user", "content": [{"type": "text", "text": text}]}]
        words = processor.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
        assert family.text_ids(text) == processor.tokenizer(words)["input_ids"]


# The template in a model's folder


TAUGHT = (
    "{% for message in messages %}<|im_start|>user\n{% for item in message.content %}{% if item.type == 'image' %}"
    f"Picture 1: {PICTURE}"
    "{% else %}{{ item.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{{ '<|im_start|>assistant\n' }}"
)


@pytest.mark.parametrize("place", ["chat_template.jinja", "chat_template.json", "tokenizer_config.json"])
def test_the_chat_template_of_a_qwen3_vl_folder_is_its_prompt(zoo: Zoo, tmp_path: Path, place: str) -> None:
    folder = Path(shutil.copytree(zoo["qwen3_vl"], tmp_path / "q"))
    path = folder / place
    old = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(TAUGHT if place.endswith("jinja") else json.dumps({**old, "chat_template": TAUGHT}))
    wanted = f"<|im_start|>user\nPicture 1: {PICTURE}%s<|im_end|>\n<|im_start|>assistant\n"
    assert recipe_of(folder)["prompt"] == wanted % ""
    assert recipe_of(folder, prompt="look")["prompt"] == wanted % "look"
    assert recipe_of(folder, prompt=f"{PICTURE}x")["prompt"] == f"{PICTURE}x", "a whole template is taken as it is"


@pytest.mark.parametrize("template", ["{{ nobody.knows() }}", "{% if %}", "no picture", f"{PICTURE}{PICTURE}"])
def test_a_chat_template_that_gives_no_prompt_is_refused(zoo: Zoo, tmp_path: Path, template: str) -> None:
    folder = Path(shutil.copytree(zoo["qwen3_vl"], tmp_path / "q"))
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(
        ModelError, match=r"the chat template of .* (cannot be used|holds the picture [02] times)"
    ) as it:
        recipe_of(folder)
    assert "--prompt" in it.value.next_step
    assert recipe_of(folder, prompt=f"{PICTURE}x")["prompt"] == f"{PICTURE}x"


def test_no_chat_template_changes_a_space_of_qwen2_vl(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["qwen2_vl"], tmp_path / "q"))
    (folder / "chat_template.jinja").write_text(TAUGHT)
    assert space_id(recipe_of(folder)) == space_id(recipe_of(zoo["qwen2_vl"]))


# Spaces of before, whose Qwen3-VL prompt had a system turn


def test_a_space_of_before_keeps_its_prompt_and_is_found_again_where_its_model_moves(zoo: Zoo, tmp_path: Path) -> None:
    model = Path(shutil.copytree(zoo["qwen3_vl"], tmp_path / "q"))
    before = f"{SYSTEM}<|im_start|>user\n{PICTURE}<|im_end|>\n<|im_start|>assistant\n"
    (tmp_path / "pictures").mkdir()
    put(tmp_path / "pictures", {f"{i}.png": i for i in range(3)})
    Store.init(tmp_path / "s", model=str(model), prompt=before, name="old", prepare=1, device="cpu")
    repo = Repository(tmp_path / "s")
    (old,) = repo.state.spaces.values()
    assert repo.recipe(old.id)["prompt"] == before
    model.rename(tmp_path / "moved")
    with Store(tmp_path / "s") as store:
        # As it was said then: no --prompt.
        added = store.model_add("old", model=str(tmp_path / "moved"), device="cpu")
        assert (added.known, added.space) == (True, old.id)
        assert store.sync([tmp_path / "pictures"], device="cpu").embedded == 3
        lora = store.model_add("lora", adapter=str(zoo.adapter("qwen3_vl")), device="cpu")
        assert store.model_show("lora").recipe["prompt"] == before, "an upgrade takes all else from the current space"
        assert any(word.startswith("--prompt $'<|im_start|>system\\n") for word in lora.inherited)
        new = store.model_add("new", model=str(tmp_path / "moved"), device="cpu")
        assert not new.known and new.space != old.id
        assert store.model_show("new").recipe["prompt"] == before.removeprefix(SYSTEM)


# Searches


def direct(zoo: Zoo, kind: str, words: str) -> Any:
    reference = Reference(zoo[kind])
    import torch

    with torch.inference_mode():
        return unit(reference._hidden(**reference.tokenizer(words, return_tensors="pt"))[0, -1])


@pytest.mark.parametrize("kind", QWEN)
def test_a_query_prompt_is_the_instruction_of_texts_and_of_no_picture(zoo: Zoo, kind: str) -> None:
    asked = "Find a picture of this."
    made, plain = embedder(zoo[kind], query_prompt=asked), embedder(zoo[kind])
    some = list(probes().values())[:3]
    assert np.array_equal(made.embed_images(some), plain.embed_images(some))
    for text in ("a red car", " \n a red car"):
        words = f"<|im_start|>system\n{asked}<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
        assert np.abs(made.embed_texts([text])[0] - direct(zoo, kind, words)).max() < 1e-5
    assert space_id(made.recipe) != space_id(plain.recipe)
    assert "joined" not in plain.recipe["text"], "recipes of before stay as they are"


def test_a_whole_query_template_is_taken_as_it_is(zoo: Zoo) -> None:
    made = embedder(zoo["qwen2_vl"], prompt="look", query_prompt="query: %s<|im_end|>")
    assert made.recipe["text"]["template"] == "query: %s<|im_end|>"
    assert np.abs(made.embed_texts(["a cat"])[0] - direct(zoo, "qwen2_vl", "query: a cat<|im_end|>")).max() < 1e-5


def test_a_text_is_cut_and_its_template_is_not(zoo: Zoo) -> None:
    family = embedder(zoo["qwen2_vl"], query_prompt="look").family
    family.recipe = {**family.recipe, "text": {**family.recipe["text"], "max_length": 9}}
    end = family._ids("<|im_end|>\n<|im_start|>assistant\n")
    assert family.text_ids("a" * 999)[-len(end) :] == end
    assert len(family.text_ids("a" * 999)) == len(
        family._ids("<|im_start|>system\nlook<|im_end|>\n<|im_start|>")
    ) + 9 + len(end)


@pytest.mark.parametrize("text", ["<|im_start|>user", "%s and %s", f"%s {PICTURE}"])
def test_a_query_prompt_without_one_place_for_the_text_is_refused(zoo: Zoo, text: str) -> None:
    with pytest.raises(ModelError, match="the query prompt") as caught:
        recipe_of(zoo["qwen2_vl"], query_prompt=text)
    assert "%s" in caught.value.next_step


@pytest.mark.parametrize("kind", QWEN)
@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        ("%s", "holds %s, which stands for a searched text"),
        (f"{PICTURE}look for %s", "holds %s, which stands for a searched text"),
        ("look<|im_end|>", r"holds special tokens \(<\|im_end\|>\), and no place for the picture"),
        ("<|im_start|>user\nlook<|im_end|>", r"holds special tokens \(<\|im_start\|>\), and no place"),
        ("<|vision_start|><|vision_end|>look", r"holds special tokens \(<\|vision_start\|>\), and no place"),
    ],
)
def test_a_prompt_that_is_neither_words_nor_a_template_is_refused(zoo: Zoo, kind: str, prompt: str, why: str) -> None:
    for query in (None, "find %s"):
        with pytest.raises(ModelError, match=f"the prompt {why}") as caught:
            recipe_of(zoo[kind], prompt=prompt, query_prompt=query)
        assert "--query-prompt" in caught.value.next_step or PICTURE in caught.value.next_step


@pytest.mark.parametrize("kind", QWEN)
def test_signs_of_formats_in_prompts_and_in_texts_are_letters(zoo: Zoo, kind: str) -> None:
    odd = "100% {x} {instruction} %d %(a)s {0} $x \\n"
    made = embedder(zoo[kind], prompt=odd)
    assert f"{PICTURE}{odd}<|im_end|>" in made.recipe["prompt"]
    reference = Reference(zoo[kind])
    picture = probes()["landscape"]
    assert np.abs(made.embed_images([picture])[0] - reference.picture(picture, prompt=odd)).max() < 1e-5
    assert np.abs(made.embed_texts(["a %s of {x}"])[0] - reference.text("a %s of {x}", prompt=odd)).max() < 1e-5
    asked = embedder(zoo[kind], query_prompt=odd)
    words = f"<|im_start|>system\n{odd}<|im_end|>\n<|im_start|>user\n%s {{x}}<|im_end|>\n<|im_start|>assistant\n"
    assert np.abs(asked.embed_texts(["%s {x}"])[0] - direct(zoo, kind, words)).max() < 1e-5


@pytest.mark.parametrize("option", ["prompt", "query_prompt", "preset"])
@pytest.mark.parametrize("name", ["clip", "siglip", "dinov2"])
def test_a_model_without_a_place_for_words_says_so(zoo: Zoo, name: str, option: str) -> None:
    with pytest.raises(ModelError, match="nothing but the picture goes into it") as caught:
        recipe_of(zoo[name], **{option: "gme"})
    assert f"leave --{option.replace('_', '-')} out" in caught.value.next_step


def test_a_query_prompt_is_for_models_that_take_prompts(zoo: Zoo) -> None:
    with pytest.raises(ModelError, match="clip model does not take a prompt") as caught:
        recipe_of(zoo["clip"], query_prompt="a photo of %s")
    assert "--query-prompt" in caught.value.next_step


def test_a_search_uses_the_query_prompt_and_knows_texts_and_probes_by_it(zoo: Zoo, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    put(tmp_path / "pictures", {f"{i}.png": i for i in range(4)})
    model, query = str(zoo["qwen2_vl"]), [Operand(1.0, None, "a red car")]
    picture = [Operand(1.0, os.fsencode(tmp_path / "pictures/1.png"))]
    Store.init(tmp_path / "s", model=model, name="plain", device="cpu")
    with Store(tmp_path / "s") as store:
        store.sync([tmp_path / "pictures"], device="cpu")
        plain, pictures = store.search(query, k=4, device="cpu"), store.search(picture, k=4, device="cpu")
        store.model_add("asked", model=model, query_prompt="find this", device="cpu")
        store.sync([tmp_path / "pictures"], space="asked", device="cpu")
        asked = store.search(query, k=4, device="cpu")
        assert [hit.score for hit in asked.hits] != [hit.score for hit in plain.hits]
        assert store.search(query, k=4, at="v1", device="cpu").hits == plain.hits, "a text is known by its space"
        again = store.search(picture, k=4, device="cpu").hits
        assert [(hit.key, hit.score) for hit in again] == [(hit.key, hit.score) for hit in pictures.hits]
    repo = Repository(tmp_path / "s")
    proofs = [Probes.from_bytes(repo.packs.get(space.probes)).vectors for space in repo.state.spaces.values()]
    assert np.abs(proofs[0]["text"] - proofs[1]["text"]).max() > 1e-3, "the text probe is a search"
    assert np.array_equal(proofs[0]["landscape"], proofs[1]["landscape"])


# Another program's prompts


@pytest.mark.parametrize(("kind", "usual"), [("qwen2_vl", SYSTEM), ("qwen2_5_vl", SYSTEM), ("qwen3_vl", "")])
def test_both_system_turns_and_every_preset_are_likely_causes(zoo: Zoo, kind: str, usual: str) -> None:
    made = embedder(zoo[kind], query_prompt="find this")
    found = {one.name: one for one in made.variations()}
    other = "no-prompt-no-system" if usual else "no-prompt-system"
    assert "no-prompt" not in found, "that is the declared one"
    assert found["prompt-2"].recipe["prompt"].startswith(f"{usual}<|im_start|>user")
    assert found[other].recipe["prompt"].startswith(f"{'' if usual else SYSTEM}<|im_start|>user")
    assert found[other].recipe["text"] == made.recipe["text"], "searches keep their own prompt"
    assert ("gme" in found, "qwen3-vl-embedding" in found) == (kind == "qwen2_vl", kind == "qwen3_vl")
    picture = [probes()["landscape"]]
    wanted = load(found[other].recipe, describe(Words(str(zoo[kind])), Digests())[1], Settings("cpu"), Digests())
    varied = found[other].load
    assert varied is not None
    assert np.array_equal(varied().embed_images(picture), wanted.embed_images(picture))
    assert varied().model is made.model, "a large model is not loaded again"
