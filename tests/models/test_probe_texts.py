"""Probe texts: each sees a part of a tokenizer that no other one sees."""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.embedders import embedder
from support.folders import put
from support.model_store import World, change_json, proved
from support.zoo import Zoo

from vstore.disk.cache import read_cache_json, write_cache
from vstore.embed.probe_texts import TEXTS, probe_texts
from vstore.embed.probes import SAME_CLASS, Probes, drift
from vstore.errors import ModelError
from vstore.repository.proof import embed_probes
from vstore.search.query import Operand

SHORTEST = 64  # tokens that the shortest of the usual text sides reads
QUERY = [Operand(1.0, None, "a blue sky")]


def test_the_short_ones_are_read_whole() -> None:
    """By a tokenizer of bytes, and both ends."""
    assert all(len(text.encode()) <= SHORTEST - 2 for name, text in TEXTS.items() if name != "text-long")
    assert len(TEXTS["text-long"].split()) > 512


def test_they_hold_what_a_tokenizer_may_treat_otherwise() -> None:
    letters = TEXTS["text-letters"]
    assert {letter for letter in letters.lower() if letter.isalpha()} == set("abcdefghijklmnopqrstuvwxyz")
    assert letters.lower() != letters != letters.upper()
    assert set("0123456789") <= set(TEXTS["text-digits"])
    accents = TEXTS["text-accents"]
    forms = {unicodedata.normalize(form, accents) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert len(forms | {accents}) == 5, "each form of Unicode is another text"
    assert {unicodedata.name(one).split()[0] for one in TEXTS["text-scripts"] if ord(one) > 127} == {
        "GREEK", "CYRILLIC", "CJK", "HANGUL", "HEBREW", "GRINNING",
    }  # fmt: skip
    assert {"  ", "\t", "&amp;", "<", "—"} <= {
        part for part in ("  ", "\t", "&amp;", "<", "—") if part in TEXTS["text-signs"]
    }


def swapped(one: str, other: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "tokenizer.json"
        value = json.loads(path.read_text())
        words = value["model"]["vocab"]
        words[one], words[other] = words[other], words[one]
        path.write_text(json.dumps(value))

    return change


def normalised(*kinds: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "tokenizer.json"
        value = json.loads(path.read_text())
        found = [{"type": kind} for kind in kinds]
        value["normalizer"] = {"type": "Sequence", "normalizers": [*found, *filter(None, [value["normalizer"]])]}
        path.write_text(json.dumps(value))

    return change


def cased(folder: Path) -> None:
    path = folder / "tokenizer.json"
    value = json.loads(path.read_text())
    assert value["normalizer"] == {"type": "Lowercase"}
    path.write_text(json.dumps({**value, "normalizer": None}))


def cut_on_the_left(folder: Path) -> None:
    change_json(folder, "tokenizer_config.json", truncation_side="left")


def trimmed(folder: Path) -> None:
    path = folder / "tokenizer.json"
    value = json.loads(path.read_text())
    doubled = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    value["normalizer"] = {"type": "Sequence", "normalizers": [doubled, *filter(None, [value["normalizer"]])]}
    path.write_text(json.dumps(value))


# What another tokenizer does -> the texts that see it; the first one never does.
CHANGES: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "other letters": (swapped("z", "b"), {"text-letters"}),
    "other digits": (swapped("7", "3"), {"text-digits"}),
    "no accents": (normalised("NFD", "StripAccents"), {"text-accents"}),
    "other forms": (normalised("NFKC"), {"text-accents"}),
    "other scripts": (swapped("Î", "Ð"), {"text-scripts"}),  # the first bytes of Greek and Cyrillic letters
    "no doubled blanks": (trimmed, {"text-signs"}),
    "another end of long texts": (cut_on_the_left, {"text-long"}),
}


# transformers makes the normaliser of SigLIP 2 itself, and the tiny one has no letters outside ASCII.
OF_SIGLIP_2 = {"other letters", "other digits", "another end of long texts"}


@pytest.mark.parametrize("name", ["clip", "siglip", "naflex", "qwen2_vl"])
@pytest.mark.parametrize("change", CHANGES)
def test_another_tokenizer_moves_a_text(zoo: Zoo, tmp_path: Path, name: str, change: str) -> None:
    alter, seeing = CHANGES[change]
    folder = Path(shutil.copytree(zoo[name], tmp_path / name))
    made = embedder(folder)
    names = probe_texts(made.recipe)
    before = embed_probes(made, names)
    alter(folder)
    now = embed_probes(embedder(folder), names)
    moved = {text for text in names if drift(before[text], now[text]) > SAME_CLASS}
    assert "text" not in moved, "one text is not enough"
    if name == "naflex" and change not in OF_SIGLIP_2:
        assert not moved
    elif seeing <= set(names):
        assert seeing <= moved, moved


@pytest.mark.parametrize("name", ["clip", "metaclip_2"])
def test_a_tokenizer_that_minds_the_case_moves_the_letters(zoo: Zoo, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(zoo[name], tmp_path / name))
    before = embed_probes(embedder(folder), list(TEXTS))
    cased(folder)
    now = embed_probes(embedder(folder), list(TEXTS))
    assert drift(before["text"], now["text"]) < SAME_CLASS < drift(before["text-letters"], now["text-letters"])


def test_the_long_text_is_for_sides_that_cut_it_off(zoo: Zoo) -> None:
    assert probe_texts(embedder(zoo["qwen2_vl"]).recipe) == [name for name in TEXTS if name != "text-long"]
    assert probe_texts(embedder(zoo["siglip"]).recipe) == list(TEXTS)
    assert probe_texts({"text": {"max_length": 512}}) == list(TEXTS)
    assert probe_texts({"text": {"max_length": 513}}) == [name for name in TEXTS if name != "text-long"]
    assert probe_texts({"text": "any"}) == probe_texts({}) == list(TEXTS), "a plug-in writes what it likes"


# Searches


@pytest.fixture
def world(tmp_path: Path, zoo: Zoo) -> World:
    made = World(tmp_path, zoo["clip"])
    made.sync()
    return made


def search(world: World, text: str) -> Any:
    return world.store.search([Operand(1.0, None, text)], device="cpu")


def test_a_search_proves_one_text_in_turn_and_all_without_a_proof(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = proved(monkeypatch)
    asked = set()
    for number in range(3 * len(TEXTS)):
        search(world, f"text {number}")
        assert len(runs[-1]) == 1
        asked |= set(runs[-1])
    assert asked == set(TEXTS)
    cache = world.repo.layout.cache
    (name,) = (path.name for path in cache.glob("proof-*"))
    plain, last = world.store._embedders.load, read_cache_json(cache, name)
    assert last is not None

    def unproved(*args: Any) -> Any:
        found = plain(*args)
        if number == 0:
            (cache / name).unlink()
        else:
            write_cache(cache, name, json.dumps({**last, "probes": "00" * 16}).encode())
        return found

    monkeypatch.setattr(world.store._embedders, "load", unproved)
    for number in range(2):
        search(world, f"once more {number}")
        assert runs[-1] == list(TEXTS), "not proved, or proved by other probes"


def test_a_search_in_another_environment_proves_all_texts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.repository import proof

    plain, load = proof.environment_of, world.store._embedders.load

    def moved(*args: Any) -> Any:
        found = load(*args)
        monkeypatch.setattr(proof, "environment_of", lambda embedder: {**plain(embedder), "torch": "9"})
        return found

    monkeypatch.setattr(world.store._embedders, "load", moved)
    runs = proved(monkeypatch)
    search(world, "a blue sky")
    assert runs[-1] == list(TEXTS)


@pytest.mark.parametrize("part", list(TEXTS))
def test_a_text_that_is_off_stops_a_search(world: World, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    from vstore.embed.hf.families.dual import DualEncoder

    plain = DualEncoder.forward_text
    monkeypatch.setattr(
        DualEncoder,
        "forward_text",
        lambda self, on, text: plain(self, on, text[::-1] if text == TEXTS[part] else text),
    )
    with pytest.raises(ModelError, match=f"the probe '{part}' is off"):
        for number in range(40):  # whichever has its turn
            search(world, f"text {number}")


# Spaces of an older vstore


def test_a_text_that_a_plug_in_cannot_read_is_not_added_and_stops_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vstore.embed.hf.transformer import TransformerEmbedder

    repo = world.repo
    (space,) = repo.state.spaces.values()
    kept = Probes.from_bytes(repo.packs.get(space.probes))
    first = kept.first._replace(vectors={n: v for n, v in kept.vectors.items() if n in ("text", "tiny")})
    data = kept._replace(first=first).to_bytes()
    digest = repo.hash.digest(data)
    with repo.committing("model add"):
        repo.publish("model add", {"spaces": {space.id: {"probes": digest.hex()}}}, blobs={digest: data})
    plain = TransformerEmbedder.embed_texts

    def ascii_alone(self: Any, texts: Any) -> Any:
        "".join(texts).encode("ascii")
        return plain(self, texts)

    monkeypatch.setattr(TransformerEmbedder, "embed_texts", ascii_alone)
    put(world.pictures, {"10.png": 10})
    assert world.sync().embedded == 1
    repo = world.repo
    assert repo.packs.get(repo.space("one").probes) == data
    monkeypatch.undo()
    put(world.pictures, {"11.png": 11})
    assert world.sync().embedded == 1
    repo = world.repo
    now = Probes.from_bytes(repo.packs.get(repo.space("one").probes))
    assert now.first.to_json() == first.to_json()
    assert all(np.abs(now.vectors[name] - kept.vectors[name]).max() < 1e-6 for name in kept.vectors)
