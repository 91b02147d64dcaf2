from __future__ import annotations

import io
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.builder import RECIPE, Builder, Floats, unit_vectors

from vstore.errors import Damage, ModelError, SnapshotNotFound, UsageError, VstoreError
from vstore.repository.repository import Repository
from vstore.search.hit import Hit
from vstore.search.index import Index
from vstore.search.query import Operand
from vstore.search.report import SearchReport
from vstore.search.search import search
from vstore.testing import FakeEmbedder


def picture(number: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (6, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def refuse(recipe: Any) -> Any:
    raise AssertionError("the model is not needed")


class TextEmbedder(FakeEmbedder):
    """A fake with a text side: a text is the number of the axis that it means."""

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        return np.eye(self.dim, dtype=np.float32)[[int(text) for text in texts]] * 3


class World:
    """A folder of files, a store of them, and answers by plain numpy."""

    def __init__(self, folder: Path, dtype: str = "float16") -> None:
        self.folder = folder
        self.pictures = folder / "pictures"
        self.pictures.mkdir(parents=True)
        self.builder = Builder(folder / ".vstore", dtype=dtype)
        self.builder.add_root("pictures", self.pictures)
        self.vectors: dict[bytes, Floats] = {}

    @property
    def repo(self) -> Repository:
        return self.builder.repo

    def file(self, path: str, number: int) -> tuple[bytes, bytes]:
        """Write a picture into the folder. Returns: its stored path and its key."""
        place = self.pictures / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture(number))
        return b"pictures/" + os.fsencode(path), self.repo.hash.digest(picture(number))

    def snapshot(self, files: dict[str, int]) -> None:
        """Publish a snapshot of files, by the number of the picture that each holds."""
        pictures = {}
        for path, number in files.items():
            stored, key = self.file(path, number)
            self.vectors[key] = unit_vectors(1, seed=number)[0].astype(self.repo.dtype).astype(np.float32)
            pictures[stored] = (key, self.vectors[key])
        self.builder.add_pictures(pictures)

    def search(self, *operands: Any, load: Callable[[Any], Any] = refuse, **options: Any) -> SearchReport:
        listed = [Operand(1.0, o) if isinstance(o, bytes) else o for o in operands]
        return search(Repository(self.repo.layout.folder), listed, load_embedder=load, **options)

    def place(self, path: str) -> bytes:
        return os.fsencode(self.pictures / path)

    def key(self, number: int) -> bytes:
        return self.repo.hash.digest(picture(number))


@pytest.fixture(params=["float16", "float32"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return World(tmp_path, request.param)


FILES = {"a/1.png": 1, "a/2.png": 2, "a/b/3.png": 3, "c/1 again.png": 1, "c/4.png": 4, "5.png": 5}


def paths(report: SearchReport) -> list[bytes]:
    return [path for hit in report.hits for path in hit.paths]


def numbers(world: World, report: SearchReport) -> list[int]:
    of = {world.key(n): n for n in range(50)}
    return [of[hit.key] for hit in report.hits]


def test_a_stored_picture_is_found_without_a_model(world: World) -> None:
    world.snapshot(FILES)
    report = world.search(world.place("a/1.png"))
    query = world.vectors[world.key(1)]
    scores = {key: float(row @ query) for key, row in world.vectors.items()}
    assert [hit.key for hit in report.hits] == sorted(scores, key=lambda key: -scores[key])
    np.testing.assert_allclose([hit.score for hit in report.hits], sorted(scores.values())[::-1], atol=2e-3)
    assert report.snapshot == "v1"
    assert report.hits[0] == Hit(
        world.key(1),
        1.0,
        (b"pictures/a/1.png", b"pictures/c/1 again.png"),
        (world.place("a/1.png"), world.place("c/1 again.png")),
    )


def test_a_known_picture_is_known_by_its_bytes_wherever_it_lies(world: World, tmp_path: Path) -> None:
    world.snapshot(FILES)
    (tmp_path / "elsewhere").write_bytes(picture(4))
    assert world.search(os.fsencode(tmp_path / "elsewhere")).hits[0].paths == (b"pictures/c/4.png",)


def test_a_picture_of_another_snapshot_can_be_a_query_but_is_no_hit(world: World) -> None:
    world.snapshot(FILES)
    world.snapshot({"5.png": 5})
    report = world.search(world.place("a/1.png"))
    assert paths(report) == [b"pictures/5.png"]
    assert report.hits[0].score < 1


def test_another_picture_is_embedded_by_the_model_of_the_space(world: World, tmp_path: Path) -> None:
    world.snapshot(FILES)
    (tmp_path / "new.png").write_bytes(picture(30))
    asked = []

    def load(recipe: Any) -> FakeEmbedder:
        asked.append(recipe)
        return FakeEmbedder()

    report = world.search(os.fsencode(tmp_path / "new.png"), load=load)
    query = FakeEmbedder().of(Image.open(io.BytesIO(picture(30))))
    best = max(world.vectors, key=lambda key: float(world.vectors[key] @ query))
    assert report.hits[0].key == best
    assert asked == [RECIPE]


def test_many_rows_over_many_segments_agree_with_numpy(world: World) -> None:
    vectors = unit_vectors(500, seed=3)
    keys = [world.repo.hash.digest(bytes([n % 256, n // 256])) for n in range(500)]
    for begin in range(0, 500, 90):
        world.builder.add_segment(keys[begin : begin + 100], vectors[begin : begin + 100])  # ten keys stand twice
    _, own = world.file("query.png", 7)
    world.builder.add_segment([own], unit_vectors(1, seed=4))
    chosen = {b"pictures/%03d.png" % n: keys[n] for n in range(0, 500, 2)}
    world.builder.add_snapshot(chosen)
    report = world.search(world.place("query.png"), k=40)
    rows = vectors[::2].astype(world.repo.dtype).astype(np.float32)
    scores = rows @ unit_vectors(1, seed=4)[0].astype(world.repo.dtype).astype(np.float32)
    np.testing.assert_allclose([hit.score for hit in report.hits], np.sort(scores)[::-1][:40], atol=1e-3)
    assert paths(report)[0] == b"pictures/%03d.png" % (2 * int(scores.argmax()))


def test_the_query_picture_leads_even_where_others_look_exactly_like_it(world: World) -> None:
    same = np.repeat(unit_vectors(1), 30, axis=0)
    stored = [world.file(f"{n}.png", n) for n in range(30)]
    world.builder.add_segment([key for _, key in stored], same)
    world.builder.add_snapshot(dict(stored))
    for n in (0, 11, 29):
        report = world.search(world.place(f"{n}.png"), k=3)
        assert numbers(world, report)[0] == n
        assert report.hits[0].score == 1.0
        assert len(report.hits) == 3
        rest = [hit.key for hit in report.hits[1:]]
        assert rest == sorted(key for _, key in stored if key != world.key(n))[:2]


def test_weights_lead_towards_and_away(world: World) -> None:
    world.snapshot(FILES)
    rows = {n: world.vectors[world.key(n)] for n in (1, 2, 3)}
    query = 2 * rows[1] + 0.5 * rows[2] - rows[3]
    query /= np.linalg.norm(query)
    report = world.search(
        Operand(2.0, world.place("a/1.png")),
        Operand(0.5, world.place("a/2.png")),
        Operand(-1.0, world.place("a/b/3.png")),
    )
    scores = {key: float(row @ query) for key, row in world.vectors.items()}
    assert [hit.key for hit in report.hits] == sorted(scores, key=lambda key: -scores[key])
    np.testing.assert_allclose([hit.score for hit in report.hits], sorted(scores.values())[::-1], atol=2e-3)


def test_away_from_one_picture_puts_it_last(world: World) -> None:
    world.snapshot(FILES)
    report = world.search(Operand(-3.0, world.place("a/1.png")))
    assert numbers(world, report)[-1] == 1
    assert report.hits[-1].score == pytest.approx(-1, abs=1e-3)


def test_operands_that_cancel_are_a_usage_error(world: World) -> None:
    world.snapshot(FILES)
    with pytest.raises(UsageError, match="cancel"):
        world.search(Operand(1.0, world.place("a/1.png")), Operand(-1.0, world.place("c/1 again.png")))


def test_at_answers_with_the_pictures_and_paths_of_that_snapshot(world: World) -> None:
    world.snapshot({"old name.png": 1, "2.png": 2})
    world.snapshot({"new name.png": 1, "3.png": 3})
    query = world.place("new name.png")
    assert set(paths(world.search(query))) == {b"pictures/new name.png", b"pictures/3.png"}
    old = world.search(query, at="v1")
    assert set(paths(old)) == {b"pictures/old name.png", b"pictures/2.png"}
    assert old.snapshot == "v1"
    assert old.hits[0].files == (world.place("old name.png"),)


def test_another_order_of_segments_gives_the_same_answer(world: World) -> None:
    world.snapshot({"1.png": 1, "2.png": 2})
    world.snapshot(FILES)
    before = world.search(world.place("5.png"))
    world.builder.list_segments(world.repo.state.segments(world.builder.space)[::-1])
    assert world.search(world.place("5.png")) == before


@pytest.mark.parametrize(
    ("under", "found"),
    [
        ("pictures", [b"5.png", b"a/1.png", b"a/2.png", b"a/b/3.png", b"c/1 again.png", b"c/4.png"]),
        ("pictures/a", [b"a/1.png", b"a/2.png", b"a/b/3.png"]),
        ("pictures/a/", [b"a/1.png", b"a/2.png", b"a/b/3.png"]),
        ("pictures/a/b/3.png", [b"a/b/3.png"]),
        ("{place}", [b"5.png", b"a/1.png", b"a/2.png", b"a/b/3.png", b"c/1 again.png", b"c/4.png"]),
        ("{place}/c", [b"c/1 again.png", b"c/4.png"]),
        ("{place}/c/4.png", [b"c/4.png"]),
        ("{place}/..", [b"5.png", b"a/1.png", b"a/2.png", b"a/b/3.png", b"c/1 again.png", b"c/4.png"]),
        ("{link}/a/b", [b"a/b/3.png"]),
    ],
)
def test_under_selects_pictures_before_k_is_counted(
    world: World, tmp_path: Path, under: str, found: list[bytes]
) -> None:
    world.snapshot(FILES)
    (tmp_path / "link").symlink_to(world.pictures)
    where = os.fsencode(under.format(place=world.pictures, link=tmp_path / "link"))
    report = world.search(world.place("5.png"), under=where)
    assert sorted(paths(report)) == [b"pictures/" + path for path in found]
    assert len(world.search(world.place("5.png"), under=where, k=1).hits) == min(1, len(found))


def test_under_a_relative_folder_means_the_one_on_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.snapshot(FILES)
    monkeypatch.chdir(world.pictures)
    assert sorted(paths(world.search(b"5.png", under=b"a"))) == [
        b"pictures/a/1.png",
        b"pictures/a/2.png",
        b"pictures/a/b/3.png",
    ]
    assert len(paths(world.search(b"5.png", under=b"."))) == len(FILES)


def test_under_an_unknown_folder_is_a_usage_error(world: World, tmp_path: Path) -> None:
    world.snapshot(FILES)
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="is not in any synced folder"):
        world.search(world.place("5.png"), under=os.fsencode(tmp_path / "other"))


def test_absorbed_labels_are_mapped_in_under_and_files(world: World, tmp_path: Path) -> None:
    world.snapshot({"a/1.png": 1, "2.png": 2})
    world.builder.add_root("wide", tmp_path)
    world.builder.absorb("pictures", "wide/pictures")
    query = world.place("a/1.png")
    for under in (b"wide", b"wide/pictures", b"pictures", os.fsencode(tmp_path), os.fsencode(world.pictures)):
        report = world.search(query, under=under)
        assert paths(report) == [b"pictures/a/1.png", b"pictures/2.png"]
        assert report.hits[0].files == (query,)
    for under in (b"wide/pictures/a", b"pictures/a", os.fsencode(world.pictures / "a")):
        assert paths(world.search(query, under=under)) == [b"pictures/a/1.png"]


def test_a_root_that_is_not_known_any_more_has_no_files(world: World) -> None:
    world.builder.add_snapshot({b"lost/1.png": world.key(1)})
    world.builder.add_segment([world.key(1)], unit_vectors(1))
    world.file("1.png", 1)
    report = world.search(world.place("1.png"))
    assert report.hits[0].files == (None,)
    assert report.to_json()["hits"][0]["files"] == [None]
    assert paths(world.search(world.place("1.png"), under=b"lost")) == [b"lost/1.png"]


def test_new_since_leaves_out_the_pictures_of_that_snapshot(world: World) -> None:
    world.snapshot({"1.png": 1, "2.png": 2})
    world.snapshot({"moved.png": 1, "2.png": 2, "3.png": 3, "d/4.png": 4})
    query = world.place("1.png")
    assert set(paths(world.search(query, new_since="v1"))) == {b"pictures/3.png", b"pictures/d/4.png"}
    assert paths(world.search(query, new_since="v1", under=b"pictures/d")) == [b"pictures/d/4.png"]
    assert paths(world.search(query, new_since="v2")) == []
    assert paths(world.search(query, new_since="v2", at="v1")) == []


def test_min_score_cuts(world: World) -> None:
    world.snapshot(FILES)
    whole = world.search(world.place("5.png"))
    for least in (0.0, whole.hits[2].score, -1.0):
        cut = world.search(world.place("5.png"), min_score=least)
        assert cut.hits == tuple(hit for hit in whole.hits if hit.score >= least)


def test_k_beyond_the_snapshot_gives_all_and_k_below_one_is_refused(world: World) -> None:
    world.snapshot(FILES)
    assert len(world.search(world.place("5.png"), k=10**6).hits) == 5
    assert len(world.search(world.place("5.png"), k=2).hits) == 2
    with pytest.raises(UsageError):
        world.search(world.place("5.png"), k=0)


def test_an_empty_snapshot_has_no_hits(world: World, tmp_path: Path) -> None:
    world.builder.add_snapshot({})
    (tmp_path / "q.png").write_bytes(picture(1))
    report = world.search(os.fsencode(tmp_path / "q.png"))  # nor is a model loaded
    assert report == SearchReport("v1", ())


def test_a_store_without_a_snapshot_says_what_to_do(world: World) -> None:
    world.file("1.png", 1)
    with pytest.raises(SnapshotNotFound, match="vstore sync"):
        world.search(world.place("1.png"))


def test_text_needs_a_text_side(world: World) -> None:
    world.snapshot(FILES)
    with pytest.raises(ModelError, match=r"does not read text.*vstore init .*--model.*vstore model add"):
        world.search(Operand(1.0, text="a cat"), load=lambda recipe: FakeEmbedder())


def test_text_and_pictures_add_up(world: World) -> None:
    world.snapshot(FILES)
    report = world.search(
        Operand(1.0, text="2"),
        Operand(0.5, world.place("a/1.png")),
        Operand(-1.0, text="4"),
        load=lambda recipe: TextEmbedder(),
    )
    query = np.eye(8)[2] + 0.5 * world.vectors[world.key(1)] - np.eye(8)[4]
    query /= np.linalg.norm(query)
    scores = {key: float(row @ query) for key, row in world.vectors.items()}
    assert [hit.key for hit in report.hits] == sorted(scores, key=lambda key: -scores[key])
    np.testing.assert_allclose([hit.score for hit in report.hits], sorted(scores.values())[::-1], atol=2e-3)


def test_a_file_that_cannot_be_read_or_decoded_is_named(world: World, tmp_path: Path) -> None:
    world.snapshot(FILES)
    with pytest.raises(UsageError, match=r"no such file\.png"):
        world.search(os.fsencode(tmp_path / "no such file.png"))
    with pytest.raises(UsageError, match="pictures"):
        world.search(os.fsencode(world.pictures))
    (tmp_path / "text.png").write_bytes(b"not a picture")
    with pytest.raises(VstoreError, match=r"text\.png"):
        world.search(os.fsencode(tmp_path / "text.png"), load=lambda recipe: FakeEmbedder())


def test_a_picture_that_is_too_large_to_decode_unasked_says_what_to_do(world: World, tmp_path: Path) -> None:
    world.snapshot(FILES)
    data = bytearray(picture(1))
    data[16:24] = (60000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "large.png").write_bytes(data)
    with pytest.raises(VstoreError, match=r"large\.png.*vstore sync --max-pixels 3600000000"):
        world.search(os.fsencode(tmp_path / "large.png"), load=lambda recipe: FakeEmbedder())


@pytest.mark.parametrize("dim", [7, 9])
def test_a_model_whose_vectors_do_not_fit_its_space_is_refused(world: World, tmp_path: Path, dim: int) -> None:
    world.snapshot(FILES)
    (tmp_path / "new.png").write_bytes(picture(30))
    with pytest.raises(ModelError, match=f"{dim} numbers.*8"):
        world.search(os.fsencode(tmp_path / "new.png"), load=lambda recipe: FakeEmbedder(dim=dim))


@pytest.mark.parametrize("weight", [0.0, float("nan"), float("inf")])
def test_a_weight_that_means_nothing_is_refused(world: World, weight: float) -> None:
    world.snapshot(FILES)
    with pytest.raises(UsageError, match="weight"):
        world.search(Operand(weight, world.place("5.png")))


def test_a_damaged_segment_stops_the_search_and_is_named(world: World) -> None:
    world.snapshot(FILES)
    (ref,) = world.repo.state.segments(world.builder.space)
    place = world.repo.layout.segments / ref.name
    data = bytearray(place.read_bytes())
    data[100] ^= 1
    place.write_bytes(data)
    with pytest.raises(Damage, match=ref.name):
        world.search(world.place("5.png"))


def test_a_segment_that_is_lost_is_damage(world: World) -> None:
    world.snapshot(FILES)
    repo = Repository(world.repo.layout.folder)
    (ref,) = repo.state.segments(world.builder.space)
    (repo.layout.segments / ref.name).unlink()
    with pytest.raises(Damage, match=ref.name):
        search(repo, [Operand(1.0, world.place("5.png"))], load_embedder=refuse)


def test_a_segment_may_be_merged_away_during_a_search(world: World) -> None:
    world.snapshot(FILES)
    expected = world.search(world.place("5.png"))
    reader = Repository(world.repo.layout.folder)
    (old,) = world.repo.state.segments(world.builder.space)
    segment = world.repo.segment(old)
    world.builder.list_segments([])
    world.builder.add_segment(segment.key_list()[::-1], segment.rows()[::-1])
    (world.repo.layout.segments / old.name).unlink()
    assert search(reader, [Operand(1.0, world.place("5.png"))], load_embedder=refuse) == expected


def test_searching_again_in_one_process_sees_the_same(world: World) -> None:
    world.snapshot(FILES)
    first = search(world.repo, [Operand(1.0, world.place("5.png"))], load_embedder=refuse)
    assert search(world.repo, [Operand(1.0, world.place("5.png"))], load_embedder=refuse) == first


def test_a_read_only_store_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.snapshot(FILES)
    expected = world.search(world.place("5.png"))
    for file in world.repo.layout.cache.iterdir():
        file.unlink()
    before = {path: path.stat().st_mtime_ns for path in world.repo.layout.folder.rglob("*")}
    refused = OSError(30, "Read-only file system")

    def refuse_write(*args: Any) -> int:
        raise refused

    monkeypatch.setattr("vstore.disk.durable.Disk.write", refuse_write)
    monkeypatch.setattr("vstore.disk.durable.Disk.rename", refuse_write)
    assert world.search(world.place("5.png")) == expected
    after = {path: path.stat().st_mtime_ns for path in world.repo.layout.folder.rglob("*")}
    changed = {path.name for path in {*before, *after} if before.get(path) != after.get(path)}
    assert changed <= {"cache"}  # the temporary that could not be written was there for a moment


def test_paths_that_are_not_utf8_come_twice(world: World) -> None:
    world.snapshot({"\udcff.png": 1})
    (hit,) = world.search(world.place("\udcff.png")).to_json()["hits"]
    assert hit["paths"] == ["pictures/�.png"]
    assert hit["paths_b64"] == ["cGljdHVyZXMv/y5wbmc="]
    assert len(hit["files_b64"]) == 1


def test_json_has_the_fields_that_are_promised(world: World) -> None:
    world.snapshot({"1.png": 1})
    assert world.search(world.place("1.png")).to_json() == {
        "snapshot": "v1",
        "hits": [
            {
                "key": world.key(1).hex(),
                "score": 1.0,
                "paths": ["pictures/1.png"],
                "files": [os.fsdecode(world.place("1.png"))],
            }
        ],
        "flat_query": False,
    }


def test_no_page_is_decoded_once_the_paths_are_in_the_cache(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.snapshot({"1.png": 1})
    others = {b"pictures/many/%05d" % n: world.key(2) for n in range(5000)}
    world.builder.add_segment([world.key(2)], unit_vectors(1, seed=2))
    world.builder.add_snapshot({**others, b"pictures/1.png": world.key(1)})
    world.search(world.place("1.png"))  # bitmap and paths lie in the cache from here on
    decoded = []
    from vstore.format import tree

    decode = tree.decode_leaf
    monkeypatch.setattr(tree, "decode_leaf", lambda *args: decoded.append(1) or decode(*args))
    assert paths(world.search(world.place("1.png"), k=1)) == [b"pictures/1.png"]
    assert not decoded


def test_a_search_opens_no_catalogue_and_loads_no_model(world: World) -> None:
    world.snapshot(FILES)
    script = """
import sys
from pathlib import Path
from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.search.search import search
assert not {"numpy", "faiss", "PIL"} & set(sys.modules), "imported before they are needed"
report = search(Repository(Path(sys.argv[1])), [Operand(1.0, sys.argv[2].encode())])
assert len(report.hits) == 5
found = {"lmdb", "PIL", "torch", "transformers", "vstore.disk.catalogue", "vstore.pictures.decoding"} & set(sys.modules)
assert not found, found
"""
    arguments = [sys.executable, "-c", script, str(world.repo.layout.folder), os.fsdecode(world.place("5.png"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(arguments, check=True, env=environment)


def test_the_mapped_index_stays_in_its_module(world: World) -> None:
    world.snapshot(FILES)
    repo = world.repo
    segments = [repo.segment(ref) for ref in repo.state.segments(world.builder.space)]
    index = Index(segments, [b"\xff"], repo.layout.cache)
    index.wait()
    import faiss

    assert not any(isinstance(value, faiss.Index) for value in vars(index).values())


@pytest.mark.parametrize("has_numbers", [True, False])
def test_faiss_maps_the_file_that_was_opened(world: World, monkeypatch: pytest.MonkeyPatch, has_numbers: bool) -> None:
    """Its name may be another file by then; but without /proc, open files have no names."""
    import faiss

    world.snapshot(FILES)
    (ref,) = world.repo.state.segments(world.builder.space)
    asked: list[str] = []
    read, exists = faiss.read_index, os.path.exists
    monkeypatch.setattr(faiss, "read_index", lambda name, flags: (asked.append(name), read(name, flags))[1])
    monkeypatch.setattr(os.path, "exists", lambda path: exists(path) and (has_numbers or "/dev/fd" not in path))
    assert world.search(world.place("a/1.png")).hits[0].key == world.key(1)
    (name,) = asked
    assert name.startswith("/dev/fd/") if has_numbers else name.endswith(f"/segments/{ref.name}")


def test_programs_that_import_the_operand_from_the_room_of_search_find_it() -> None:
    import vstore
    import vstore.search

    assert vstore.search.Operand is vstore.Operand is Operand
    with pytest.raises(AttributeError, match=r"'vstore\.search' has no attribute 'nothing'"):
        vstore.search.nothing  # type: ignore[attr-defined]
