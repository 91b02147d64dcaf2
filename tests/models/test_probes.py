"""Probes: the same everywhere, moved by whatever moves a photograph, and added to older spaces after a proof."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin
from support import probe_jpegs
from support.embedders import embedder
from support.folders import put
from support.model_store import World, proved
from support.zoo import Zoo

import vstore
from vstore.embed.builtin import BuiltinEmbedder
from vstore.embed.model_words import Words
from vstore.embed.probe_texts import TEXTS
from vstore.embed.probes import PROBES, SAME_CLASS, Probes, Proofs, differences, drift, probe_file, tolerance
from vstore.errors import ModelError, UsageError
from vstore.format.recipes import space_id
from vstore.pictures import decoding
from vstore.pictures.preparation import Preparation, preparation_1, preparation_2, preparation_of
from vstore.repository import proof
from vstore.repository.model_space import name_for

LATER_TEXTS = tuple(TEXTS)[1:]
DRAWN = ("landscape", "turned", "transparent", "deep", "tiny", "large")
JPEGS = ("photograph", "progressive", "print", "small", "web", "poster")


@pytest.fixture
def world(tmp_path: Path, zoo: Zoo) -> World:
    return World(tmp_path, zoo["clip"], zoo.adapter("clip"))


# The pictures


def test_the_probes_are_the_same_everywhere_and_not_square() -> None:
    pictures = {name: Image.open(io.BytesIO(probe_file(name))) for name in PROBES}
    assert all(picture.width != picture.height for picture in pictures.values())
    assert {pictures[name].mode for name in DRAWN} == {"RGB", "RGBA", "I;16"}
    assert pictures["turned"].getexif()[0x0112] == 6
    digest = hashlib.sha256(b"".join(pictures[name].tobytes() for name in DRAWN)).hexdigest()
    assert digest[:16] == "e869b7e1621c6e67", "stores hold the vectors of these very pixels"


def test_the_jpeg_files_and_the_texts_are_those_of_format() -> None:
    text = (Path(vstore.__file__).parents[1] / "FORMAT.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"\| `([\w-]+)` \| `([0-9a-f]{64})` \|", text))
    texts = said.pop("text"), *(said.pop(name) for name in LATER_TEXTS)
    assert list(texts) == [hashlib.sha256(text.encode()).hexdigest() for text in TEXTS.values()]
    assert said == {name: hashlib.sha256(probe_file(name)).hexdigest() for name in JPEGS}
    assert set(DRAWN) | set(JPEGS) == set(PROBES)


def test_the_jpeg_files_are_of_the_kinds_that_photographs_have() -> None:
    found: dict[str, Any] = {name: Image.open(io.BytesIO(probe_file(name))) for name in JPEGS}
    halved = [(1, 2, 2, 0), (2, 1, 1, 1), (3, 1, 1, 1)]  # 4:2:0
    photograph, progressive, printed, small, web, poster = found.values()
    assert (photograph.layer, "progressive" in photograph.info) == (halved, False)
    assert min(photograph.size) >= 2000, "pictures of half that size would not be decoded at a fraction of it"
    assert (progressive.layer, progressive.info["progressive"]) == (halved, 1)
    assert (printed.mode, printed.info["adobe_transform"]) == ("CMYK", 0)
    assert small.layer == halved
    assert max(small.size) < 100, "a larger one would be decoded at a fraction for models of a small edge"
    assert web.layer == poster.layer == halved
    assert min(web.size) < 2 * 1.25 * 224, "a larger one is not decoded whole for a shorter side of 224, fast"
    assert max(poster.size) >= 2 * 3 * 512, "a smaller one is decoded whole for a longer side of 512"


@pytest.mark.parametrize("name", ["web", "poster"])
def test_the_files_are_those_that_are_drawn(name: str) -> None:
    drawn, kept = (
        np.asarray(Image.open(io.BytesIO(data)), np.int16) for data in (getattr(probe_jpegs, name)(), probe_file(name))
    )
    assert np.abs(drawn - kept).mean() < 1, "an encoder may round otherwise"


# What they see


@contextmanager
def without_draft() -> Iterator[None]:
    """Decode every JPEG at its full size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JpegImagePlugin.JpegImageFile, "draft", lambda self, mode, size: None)
        yield


@contextmanager
def with_gap(gap: float | None) -> Iterator[None]:
    """Scale with another reducing_gap than that of the preparation."""
    plain = decoding.shrunk
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "shrunk", lambda picture, preparation: plain(picture, preparation._replace(gap=gap)))
        yield


@contextmanager
def with_repeated_colours() -> Iterator[None]:
    """Decode as a libjpeg that repeats the colours of a 4:2:0 picture instead of interpolating them."""
    plain = decoding.shrunk

    def shrunk(picture: Any, preparation: Preparation) -> Any:
        halved = picture.format == "JPEG" and picture.layer[0][1:3] == (2, 2)
        times = preparation.draft or 2
        sides = (preparation.max_side,) * 2 if preparation.draft is None else preparation.size(*picture.size)
        picture.draft(None, (math.ceil(sides[0] * times), math.ceil(sides[1] * times)))
        if halved and picture.decoderconfig[0] == 1:  # one that is decoded at half its size has all its colours
            light, *colours = picture.convert("YCbCr").split()
            repeated = [one.reduce(2).resize(one.size, Image.Resampling.NEAREST) for one in colours]
            picture.im = Image.merge("YCbCr", [light, *repeated]).convert("RGB").im
        return plain(picture, preparation)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "shrunk", shrunk)
        yield


DECODERS: dict[str, Callable[[], Any]] = {
    "draft is off": without_draft,
    "no reducing": lambda: with_gap(None),
    "reducing_gap 3": lambda: with_gap(3.0),
    "reducing_gap 1.5": lambda: with_gap(1.5),
    "colours are repeated": with_repeated_colours,
}
SEEING = ("clip", "siglip", "dinov2", "builtin")


def fine(max_side: int | None = None, short_side: int | None = None) -> Preparation:
    made = preparation_2(max_side, short_side, resample="bicubic", draft=1.75, gap=2.0)
    return preparation_of({"prepare": made})


PREPARATIONS = {
    "preparation 1": preparation_of({"prepare": preparation_1()}),
    "shorter 224": fine(short_side=224),
    "shorter 384": fine(short_side=384),
    "shorter 512": fine(short_side=512),
    "longer 512": fine(max_side=512),
    "fast 224": preparation_of({"prepare": preparation_2(short_side=224, resample="bicubic", draft=1.25, gap=2.0)}),
}
# No change at all: a JPEG that is decoded at 1.75 times the size is too small for averages that leave twice of it.
SAME = {(name, gap) for name in PREPARATIONS if name != "preparation 1" for gap in ("no reducing", "reducing_gap 3")}
SAME |= {("shorter 512", "reducing_gap 1.5"), ("fast 224", "reducing_gap 1.5")}
# The averages of one probe change, and move these vectors by 8e-5 and 1e-4.
UNSEEN: dict[tuple[str, str], tuple[str, ...]] = {("shorter 224", "reducing_gap 1.5"): ("clip", "dinov2")}


@pytest.fixture(scope="module")
def seeing(zoo: Zoo) -> dict[str, Any]:
    return {name: BuiltinEmbedder() if name == "builtin" else embedder(zoo[name]) for name in SEEING}


def pixels(names: tuple[str, ...], preparation: Preparation) -> dict[str, Image.Image]:
    return {name: decoding.prepare(probe_file(name), preparation)[0] for name in names}


@pytest.mark.parametrize(
    ("preparation", "change"),
    [(name, change) for name in PREPARATIONS for change in DECODERS if (name, change) not in SAME],
)
def test_another_way_of_decoding_jpeg_moves_a_probe(seeing: dict[str, Any], preparation: str, change: str) -> None:
    before = pixels(PROBES, PREPARATIONS[preparation])
    with DECODERS[change]():
        after = pixels(PROBES, PREPARATIONS[preparation])
    assert all(before[name] == after[name] for name in DRAWN), "no drawn one sees it"
    changed = [name for name in JPEGS if before[name] != after[name]]
    for name, made in seeing.items():
        moved = {probe: drift(*made.embed_images([before[probe], after[probe]])) for probe in changed}
        worst = max(moved.values(), default=0)
        if name in UNSEEN.get((preparation, change), ()):
            assert worst < 1.5 * SAME_CLASS, "it is seen"  # close to it: machines differ
        else:
            assert worst > SAME_CLASS, (name, moved)


@pytest.mark.parametrize(("preparation", "change"), sorted(SAME))
def test_what_is_left_out_changes_no_pixel(preparation: str, change: str) -> None:
    before = pixels(JPEGS, PREPARATIONS[preparation])
    with DECODERS[change]():
        assert pixels(JPEGS, PREPARATIONS[preparation]) == before


@pytest.mark.parametrize("change", ["draft is off", "reducing_gap 1.5", "colours are repeated"])
def test_a_sync_that_would_decode_otherwise_is_refused(tmp_path: Path, zoo: Zoo, change: str) -> None:
    world = World(tmp_path, zoo["clip"], zoo.adapter("clip"), max_side=512)
    with DECODERS[change](), pytest.raises(ModelError, match=rf"the probe '({'|'.join(JPEGS)})' is off"):
        world.sync()
    assert world.sync().embedded == 5


# Their vectors


def test_the_probes_of_a_space_are_stored_with_it_and_no_part_of_it(world: World) -> None:
    (space,) = world.repo.state.spaces.values()
    kept = Probes.from_bytes(world.repo.packs.get(space.probes))
    assert set(kept.vectors) == {*PROBES, *TEXTS}
    assert all(vector.shape == (24,) and abs(np.linalg.norm(vector) - 1) < 1e-6 for vector in kept.vectors.values())
    assert kept.environment["transformers"] and kept.environment["libjpeg"] and kept.environment["pillow"]
    assert space.id == space_id(world.repo.recipe(space.id))
    assert Probes.from_bytes(kept.to_bytes()).to_bytes() == kept.to_bytes()


def test_drift_is_measured_by_class() -> None:
    same = {"compute": "fp32", "device": "cpu (x)", "attention": "sdpa", "torch": "2.13"}
    assert tolerance(same, {**same, "torch": "2.14"}) == 1e-4
    assert tolerance(same, {**same, "device": "cuda (y)"}) == 5e-3
    assert differences(same, {**same, "torch": "2.14"}) == ["torch 2.13 -> 2.14"]
    assert differences(same, {**same, "libjpeg": "3.2.0"}) == [], "it was not recorded before"
    one = np.array([1.0, 0.0], np.float32)
    assert drift(one, one) == 0
    assert drift(one, np.array([np.nan, 1], np.float32)) == float("inf")
    assert drift(one, np.array([np.inf, 1], np.float32)) == float("inf")
    assert drift(one, np.zeros(2, np.float32)) == float("inf")


def turned_by(angle: float) -> Any:
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def test_each_probe_is_measured_from_the_environment_it_was_embedded_in() -> None:
    cpu, gpu = {"device": "cpu"}, {"device": "cuda"}
    kept = Probes(Proofs({"tiny": turned_by(0)}, cpu)).with_later(Proofs({"print": turned_by(0)}, gpu))
    off = turned_by(0.05)  # 1.2e-3: too much within one class
    on_gpu = kept.worst(Proofs({"tiny": off, "print": off}, gpu))
    assert (on_gpu.probe, on_gpu.allowed, on_gpu.is_too_much) == ("print", 1e-4, True)
    on_cpu = kept.worst(Proofs({"tiny": off, "print": off}, cpu))
    assert (on_cpu.probe, on_cpu.allowed, on_cpu.is_too_much) == ("tiny", 1e-4, True)
    assert not kept.worst(Proofs({"tiny": off}, gpu)).is_too_much
    assert kept.worst(Proofs({"tiny": np.full(2, np.nan, np.float32), "print": off}, gpu)).probe == "tiny"
    assert Probes.from_bytes(kept.to_bytes()).environment_of("print") == gpu


def test_vectors_that_are_there_stay_when_others_are_added() -> None:
    kept = Probes(Proofs({"tiny": turned_by(0)}, {}))
    more = kept.with_later(Proofs({"tiny": turned_by(1), "print": turned_by(2)}, {}))
    assert np.array_equal(more.vectors["tiny"], turned_by(0))
    assert more.with_later(Proofs({"tiny": turned_by(1), "print": turned_by(3)}, {})) == more


def test_a_text_side_of_another_width_makes_no_space(tmp_path: Path, zoo: Zoo, monkeypatch: Any) -> None:
    from vstore.embed.hf.families import dual

    plain = dual.DualEncoder.forward_text
    monkeypatch.setattr(dual.DualEncoder, "forward_text", lambda self, on, text: plain(self, on, text)[:, :16])
    monkeypatch.setattr("vstore.embed.hf.transformer.unit_rows", lambda rows, count, dim: rows)
    with pytest.raises(ModelError, match="gives vectors of 16 numbers, its space has vectors of 24 numbers"):
        World(tmp_path, zoo["clip"])
    assert not (tmp_path / ".vstore").exists()


def test_a_probe_of_another_width_is_refused() -> None:
    class Wide(BuiltinEmbedder):
        def embed_images(self, pictures: Any) -> Any:
            return np.zeros((len(pictures), self.dim + 1), np.float32)

    with pytest.raises(ModelError, match="gives vectors of"):
        proof.embed_probes(Wide(), ["tiny"])


def test_a_space_takes_no_name_that_stands_for_a_snapshot() -> None:
    with pytest.raises(UsageError, match="'v1' is how a snapshot is called"):
        name_for(Words("models/clip"), "v1")
    assert name_for(Words("models/clip"), None) == "clip"
    assert name_for(Words(adapter="runs/v11"), None) == "model-v11"


# Spaces of an older vstore

ADDED = {
    1: [*JPEGS, *LATER_TEXTS],
    2: ["small", "web", "poster"],
}  # version of the pictures -> the probes that were added since


def aged(world: World, version: int = 1) -> Probes:
    """Give the space the probes that an earlier vstore gave it: its version lacks ADDED. Returns: them."""
    repo = world.repo
    (space,) = repo.state.spaces.values()
    blob = json.loads(repo.packs.get(space.probes))
    blob["version"] = version
    if version == 1:
        del blob["environment"]["libjpeg"]
    for name in ADDED[version]:
        del blob["vectors"][name]
    data = json.dumps(blob, sort_keys=True, separators=(",", ":")).encode()
    digest = repo.hash.digest(data)
    with repo.committing("model add"):
        repo.publish("model add", {"spaces": {space.id: {"probes": digest.hex()}}}, blobs={digest: data})
    return Probes.from_bytes(data)


def probes_of(world: World) -> Probes:
    repo = world.repo
    (space,) = repo.state.spaces.values()
    return Probes.from_bytes(repo.packs.get(space.probes))


@pytest.mark.parametrize("version", ADDED)
def test_an_older_space_gets_the_new_probes_after_all_of_its_own_are_proved(
    world: World, monkeypatch: Any, version: int
) -> None:
    old, added = aged(world, version), ADDED[version]
    runs = proved(monkeypatch)
    assert world.sync().embedded == 5
    assert runs[-2:] == [[name for name in (*PROBES, *TEXTS) if name not in added], added]
    now = probes_of(world)
    assert now.first.to_json() == old.first.to_json(), "the vectors of its own stay, to the byte"
    assert [sorted(later.vectors) for later in now.later] == [sorted(added)]
    assert now.later[0].environment["libjpeg"]
    fresh = proof.embed_probes(embedder(world.model, world.adapter), added)
    assert all(np.abs(now.vectors[name] - fresh[name]).max() < 1e-6 for name in fresh)
    assert next(row.about for row in world.store.log() if row.op == "model add") == "one: probes added"
    runs.clear()
    put(world.pictures, {"10.png": 10})
    assert world.sync().embedded == 1
    assert runs == [[*PROBES, *TEXTS]], "the new ones are proved with the others, and added once"
    assert probes_of(world).to_bytes() == now.to_bytes()
    assert [row.about for row in world.store.log()].count("one: probes added") == 1
    put(world.pictures, {"11.png": 11})
    with without_draft(), pytest.raises(ModelError, match="'photograph' is off"):
        for _ in range(len(PROBES) + len(TEXTS)):  # one in turn
            world.sync()
            put(world.pictures, {f"{_}-more.png": 20 + _})


def test_no_probe_is_added_to_a_space_that_drifts(world: World, monkeypatch: Any) -> None:
    from vstore.embed.hf.families import dual

    old = aged(world)
    world.store.check()
    plain = dual.DualEncoder.prepare

    def shifted(self: Any, picture: Image.Image) -> Any:
        found = plain(self, picture)
        # Only the probe "tiny" sees it, which is the last to have its turn.
        return {name: value * 1.5 + 0.3 for name, value in found.items()} if picture.width == 24 else found

    monkeypatch.setattr(dual.DualEncoder, "prepare", shifted)
    monkeypatch.setattr(proof, "prove", lambda *args, **words: None)  # as if another probe had its turn
    monkeypatch.setattr("vstore.repository.spaces.prove", lambda *args, **words: None)
    with pytest.raises(ModelError, match="the probe 'tiny' is off"):
        world.sync()
    assert probes_of(world).to_bytes() == old.to_bytes()


def test_no_probe_is_added_that_has_no_usable_vector(world: World, monkeypatch: Any) -> None:
    from vstore.embed.hf.families import dual

    old = aged(world)
    plain = dual.DualEncoder.prepare
    (space,) = world.repo.state.spaces.values()
    size = proof.prepared_probes(world.repo.recipe(space.id), ["print"])["print"].size

    def spoilt(self: Any, picture: Image.Image) -> Any:
        found = plain(self, picture)
        return {n: v * np.nan for n, v in found.items()} if picture.size == size else found

    monkeypatch.setattr(dual.DualEncoder, "prepare", spoilt)
    assert world.sync().embedded == 5
    assert probes_of(world).to_bytes() == old.to_bytes()


def test_probes_that_another_program_added_meanwhile_stay(world: World, monkeypatch: Any) -> None:
    from vstore.repository import renewal

    aged(world)
    plain = renewal.prove_all
    other: list[Probes] = []

    def slow(space: Any, embedder: Any, kept: Probes) -> Any:
        found = plain(space, embedder, kept)
        repo = world.repo
        other.append(kept.with_later(found._replace(environment={"vstore": "of the other program"})))
        data = other[0].to_bytes()
        digest = repo.hash.digest(data)
        with repo.committing("model add"):
            repo.publish("model add", {"spaces": {space.id: {"probes": digest.hex()}}}, blobs={digest: data})
        return found

    monkeypatch.setattr(renewal, "prove_all", slow)
    assert world.sync().embedded == 5
    assert probes_of(world).to_bytes() == other[0].to_bytes()


def test_a_space_that_was_dropped_meanwhile_gets_no_probe(world: World, monkeypatch: Any) -> None:
    from vstore.repository import renewal

    aged(world)
    repo = world.repo
    (space,) = repo.state.spaces.values()
    plain = renewal.prove_all

    def slow(*args: Any) -> Any:
        other = world.repo
        with other.committing("model drop"):
            other.publish("model drop", {"spaces": {space.id: None}}, about="one")
        return plain(*args)

    monkeypatch.setattr(renewal, "prove_all", slow)
    renewal.renew(repo, space, embedder(world.model, world.adapter), probes_of(world))
    assert not world.repo.state.spaces


def test_memory_that_is_short_for_a_new_probe_is_told(world: World, monkeypatch: Any) -> None:
    import torch

    aged(world)
    kept, (space,) = probes_of(world), world.repo.state.spaces.values()
    made = embedder(world.model, world.adapter)
    plain = proof.embed_probes

    def poor(one: Any, names: list[str]) -> Any:
        if "print" in names:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(one, names)

    monkeypatch.setattr(proof, "embed_probes", poor)
    with pytest.raises(torch.OutOfMemoryError):
        proof.prove_all(space, made, kept)


def test_a_search_adds_no_probe(world: World) -> None:
    from vstore.search.query import Operand

    world.sync()
    old = aged(world)
    before = world.repo.tip.number
    assert world.store.search([Operand(1.0, None, "a red car")]).hits
    assert probes_of(world).to_bytes() == old.to_bytes()
    assert world.repo.tip.number == before


def test_a_space_of_several_workers_gets_them_once(world: World, monkeypatch: Any) -> None:
    aged(world)
    assert world.store.sync([world.pictures], device="cpu,cpu", batch_size=1).embedded == 5
    assert set(probes_of(world).vectors) == {*PROBES, *TEXTS}
    assert [row.about for row in world.store.log()].count("one: probes added") == 1


def test_a_model_that_is_added_again_keeps_its_first_vectors(world: World, monkeypatch: Any) -> None:
    old = aged(world)
    place = world.store.model_show("one").place
    added = world.store.model_add("one", model=place["model"], adapter=place["adapter"], device="cpu")
    assert added.known
    now = probes_of(world)
    assert now.first.to_json() == old.first.to_json()
    assert set(now.vectors) == {*PROBES, *TEXTS}


def test_small_drifts_do_not_add_up_when_a_model_is_added_again(world: World, monkeypatch: Any) -> None:
    from vstore.embed.hf.transformer import TransformerEmbedder

    kept = probes_of(world)
    plain = TransformerEmbedder._unit
    off = 0.0

    def shifted(self: Any, raw: Any) -> Any:
        found = plain(self, raw)
        found[:, 0] += off
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    monkeypatch.setattr(TransformerEmbedder, "_unit", shifted)
    place = world.store.model_show("one").place
    with pytest.raises(ModelError, match="gives other vectors than when the space 'one' was made"):
        for _ in range(8):
            off += 0.005
            world.store.model_add("one", model=place["model"], adapter=place["adapter"], device="cpu")
    assert probes_of(world).to_bytes() == kept.to_bytes()
