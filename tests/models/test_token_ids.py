"""The tokens of a searched text: all of its words are the user's, and it is padded as its model was trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from support.embedders import embedder, recipe_of
from support.model_store import change_json
from support.reference import Reference, unit
from support.tiny_remote import save_remote
from support.zoo import Zoo
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from vstore.embed.hf.description import describe
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.loading import load
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.text import load_tokenizer, tokenizer_digests
from vstore.embed.model_words import Settings, Words
from vstore.errors import ModelError, UsageError
from vstore.format.recipes import space_id

DUALS = ("clip", "metaclip_2", "chinese_clip", "altclip", "aimv2", "siglip", "naflex")
ORDINARY = ["a red car", "A Blue Cat of the Sky", "50 < 60, </b> & <i>…", "红车 [sep] s>", "", "a " * 99]


def ids_of(made: Any, text: str) -> list[int]:
    found: list[int] = made.family.text_inputs(made._on, text)["input_ids"][0].tolist()
    return found


@pytest.mark.parametrize("name", DUALS)
def test_an_ordinary_text_has_the_tokens_of_its_tokenizer(zoo: Zoo, name: str) -> None:
    made = embedder(zoo[name])
    plain, how = transformers.AutoTokenizer.from_pretrained(zoo[name]), made.recipe["text"]
    for text in ORDINARY:
        wanted = plain(
            text.lower() if how["lowercase"] else text,
            padding=how["padding"],
            max_length=how["max_length"],
            truncation=True,
            padding_side="right",
        )["input_ids"]
        assert ids_of(made, text) == wanted


@pytest.mark.parametrize("name", [*DUALS, "remote"])
def test_a_special_token_in_a_text_is_letters(zoo: Zoo, tmp_path: Path, name: str) -> None:
    """One that was read as the end of the text would take the vector before all that follows it."""
    folder = zoo[name] if name != "remote" else save_remote(tmp_path / "own", zoo["clip"], "tensors")
    made = embedder(folder, **({"trust_remote_code": True} if name == "remote" else {}))
    tokenizer = load_tokenizer(made.family.folder)
    assert tokenizer.all_special_tokens
    for token in tokenizer.all_special_tokens:
        found = ids_of(made, f"a {token} b")
        plain = ids_of(made, "a b")
        if tokenizer.convert_tokens_to_ids(token) != tokenizer.unk_token_id:
            for special in set(tokenizer.all_special_ids) - {tokenizer.unk_token_id, tokenizer.pad_token_id}:
                assert found.count(special) == plain.count(special), token
        assert len([one for one in found if one != tokenizer.pad_token_id]) > len(
            [one for one in plain if one != tokenizer.pad_token_id]
        ), token
        assert np.isfinite(made.embed_texts([f"a {token} b"])).all()


# A vocabulary of pieces


def of_pieces(folder: Path) -> Path:
    """As XLM-RoBERTa's and T5's: special tokens are pieces too, the likeliest of all."""
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    pieces += [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz</>"]
    made = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    specials = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, **specials).save_pretrained(folder)
    return folder


def test_a_text_whose_tokenizer_cannot_split_a_special_token_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    folder = of_pieces(Path(shutil.copytree(zoo["altclip"], tmp_path / "m")))
    made = embedder(folder)
    split = transformers.AutoTokenizer.from_pretrained(folder)("a </s> b", split_special_tokens=True)["input_ids"]
    assert split.count(2) == 2, "the library's own way does not help"
    with pytest.raises(
        UsageError, match="holds </s>, which the tokenizer of this model reads as the end or another mark"
    ) as caught:
        made.embed_texts(["a </s> b"])
    assert "leave </s> out" in caught.value.next_step
    for text in ("a b", "a < b > c", "é", "s> </"):
        assert np.isfinite(made.embed_texts([text])).all()


_SETTINGS = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]
_WORDS = ["tokenizer.json", "vocab.json", "vocab.txt", "merges.txt"]
_PIECES = ["spiece.model", "tokenizer.model", "sentencepiece.bpe.model"]


@pytest.mark.parametrize("name", [*_SETTINGS, *_WORDS, *_PIECES])
def test_every_file_of_a_tokenizer_is_part_of_a_space(tmp_path: Path, name: str) -> None:
    folder = ModelFolder("m", tmp_path, None, {})
    assert tokenizer_digests(folder, Digests()) == []
    (tmp_path / name).write_text("one")
    first = tokenizer_digests(folder, Digests())
    (tmp_path / name).write_text("another")
    assert len(first) == 1 and tokenizer_digests(folder, Digests()) != first


# The end of a text


def change_text(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"].update(values)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("end", [0, 2, 299])
@pytest.mark.parametrize("name", ["clip", "metaclip_2", "aimv2"])
def test_a_tokenizer_with_another_end_than_its_model_is_refused(zoo: Zoo, tmp_path: Path, name: str, end: int) -> None:
    """transformers pools the first token of every text then, and all texts have one vector."""
    folder = Path(shutil.copytree(zoo[name], tmp_path / "m"))
    change_text(folder, eos_token_id=end)
    made = embedder(folder)
    with pytest.raises(ModelError, match=rf"disagree about the end of a text .1 and {end}.") as caught:
        made.embed_texts(["a red car"])
    assert caught.value.next_step.startswith("copy the model again")


def test_a_tokenizer_that_knows_the_end_and_puts_none_is_taken_as_transformers_does(zoo: Zoo, tmp_path: Path) -> None:
    """Its texts are of little use; its pictures are not."""
    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "m"))
    value = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**value, "post_processor": None}))
    found = embedder(folder).embed_texts(["a red car"])[0]
    assert np.abs(found - Reference(folder).text("a red car")).max() < 1e-5


def test_a_configuration_of_before_says_two_and_means_the_largest(zoo: Zoo, tmp_path: Path) -> None:
    """As all of OpenAI's do: their end is the last number of the vocabulary."""
    folder = Path(shutil.copytree(zoo["clip"], tmp_path / "m"))
    value = json.loads((folder / "tokenizer.json").read_text())
    value["model"]["vocab"]["<|endoftext|>"] = 299
    for token in value["added_tokens"]:
        token["id"] = 299 if token["content"] == "<|endoftext|>" else token["id"]
    value["post_processor"]["special_tokens"]["<|endoftext|>"]["ids"] = [299]
    (folder / "tokenizer.json").write_text(json.dumps(value))
    change_text(folder, eos_token_id=2)
    model = transformers.CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    ids = transformers.AutoTokenizer.from_pretrained(folder)("a red car", return_tensors="pt")
    assert ids["input_ids"][0, -1] == 299
    with torch.inference_mode():
        wanted = unit(model.get_text_features(**ids).pooler_output[0])
    assert np.abs(embedder(folder).embed_texts(["a red car"])[0] - wanted).max() < 1e-5


def test_a_siglip_without_its_pooling_head_has_no_vector_of_pictures(zoo: Zoo, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo["siglip"], tmp_path / "m"))
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["vision_use_head"] = False
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="without the pooling head of its picture tower") as caught:
        recipe_of(folder)
    assert "SiglipVisionModel" in caught.value.next_step


# The pieces of the first SigLIP


def with_pieces(folder: Path) -> Path:
    (folder / "tokenizer.json").unlink()
    settings = {"tokenizer_class": "SiglipTokenizer", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def test_a_tokenizer_of_pieces_says_what_to_install(zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = with_pieces(Path(shutil.copytree(zoo["siglip"], tmp_path / "m")))
    (folder / "spiece.model").write_bytes(b"")
    backends = transformers.utils.import_utils.BACKENDS_MAPPING
    monkeypatch.setitem(backends, "sentencepiece", (lambda: False, backends["sentencepiece"][1]))
    with pytest.raises(ModelError, match="it needs sentencepiece and protobuf, and one is not installed") as caught:
        recipe_of(folder)
    assert "pip install 'vstore-index[model]'" in caught.value.next_step


def test_the_pieces_of_the_first_siglip_are_those_of_transformers(zoo: Zoo, tmp_path: Path) -> None:
    pieces = pytest.importorskip("sentencepiece")
    pytest.importorskip("google.protobuf")
    folder = with_pieces(Path(shutil.copytree(zoo["siglip"], tmp_path / "m")))
    (tmp_path / "corpus").write_text("a red car\nthe blue cat of the sky\nphoto of a dog\n" * 50)
    pieces.SentencePieceTrainer.train(
        input=str(tmp_path / "corpus"), model_prefix=str(tmp_path / "p"), vocab_size=60, hard_vocab_limit=False,
        pad_id=-1, bos_id=-1, eos_id=1, unk_id=2, minloglevel=2,
    )  # fmt: skip
    shutil.copy(tmp_path / "p.model", folder / "spiece.model")
    made, reference = embedder(folder), Reference(folder)
    reference.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for text in ("a red car", "The Blue Cat, 2!", "a </s> b"):
        wanted = reference.text(text.replace("</s>", "s"))
        assert np.abs(made.embed_texts([text])[0] - wanted).max() < 1e-5


# Padding


def as_gemma(folder: Path, **more: Any) -> Path:
    """The tokenizer's class of SigLIP 2. transformers pads it on the left, unless the folder says otherwise."""
    change_json(folder, "tokenizer_config.json", tokenizer_class="GemmaTokenizer", **more)
    return folder


def direct(folder: Path, text: str, side: str) -> np.ndarray:
    """As trained: transformers' convert_siglip2_to_hf.py, get_siglip2_tokenizer has padding_side="right"."""
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    cls = {"siglip": transformers.SiglipModel, "siglip2": transformers.Siglip2Model}[kind]
    model = cls.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side=side)
    ids = tokenizer(text.lower(), padding="max_length", max_length=64, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        return unit(model.get_text_features(input_ids=ids["input_ids"]).pooler_output[0])


@pytest.mark.parametrize("name", ["siglip", "naflex"])
def test_a_siglip_2_that_names_no_side_is_padded_on_the_right(zoo: Zoo, tmp_path: Path, name: str) -> None:
    folder = as_gemma(Path(shutil.copytree(zoo[name], tmp_path / "m")))
    assert transformers.AutoTokenizer.from_pretrained(folder).padding_side == "left", "the library's default"
    made = embedder(folder)
    assert made.recipe["text"]["padding_side"] == "right"
    right, left = direct(folder, "A red car", "right"), direct(folder, "A red car", "left")
    assert np.abs(right - left).max() > 1e-3
    assert np.abs(made.embed_texts(["A red car"])[0] - right).max() < 1e-5


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["siglip", "naflex"])
def test_the_side_that_a_folder_names_is_taken(zoo: Zoo, tmp_path: Path, name: str, side: str) -> None:
    folder = as_gemma(Path(shutil.copytree(zoo[name], tmp_path / "m")), padding_side=side)
    made = embedder(folder)
    assert "padding_side" not in made.recipe["text"], "the recipes of before"
    assert np.abs(made.embed_texts(["A red car"])[0] - direct(folder, "A red car", side)).max() < 1e-5


def test_a_siglip_whose_tokenizer_pads_on_the_right_by_itself_keeps_its_space(zoo: Zoo) -> None:
    assert "padding_side" not in recipe_of(zoo["siglip"])["text"]


def test_the_padding_in_tokenizer_json_names_a_side(zoo: Zoo, tmp_path: Path) -> None:
    folder = as_gemma(Path(shutil.copytree(zoo["siglip"], tmp_path / "m")))
    padding = {"strategy": {"Fixed": 64}, "direction": "Left", "pad_id": 0, "pad_type_id": 0, "pad_token": "</s>"}
    change_json(folder, "tokenizer.json", padding={**padding, "pad_to_multiple_of": None})
    assert "padding_side" not in recipe_of(folder)["text"]


def test_a_space_of_before_keeps_its_padding(zoo: Zoo, tmp_path: Path) -> None:
    folder = as_gemma(Path(shutil.copytree(zoo["siglip"], tmp_path / "m")))
    recipe, place = describe(Words(str(folder)), Digests())
    text = {name: value for name, value in recipe["text"].items() if name != "padding_side"}
    before = {**recipe, "text": text}
    assert space_id(before) != space_id(recipe)
    made: Any = load(before, place, Settings("cpu"), Digests())
    assert np.abs(made.embed_texts(["A red car"])[0] - direct(folder, "A red car", "left")).max() < 1e-5
