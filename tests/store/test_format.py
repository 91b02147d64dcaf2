"""FORMAT.md is the contract: its tables are held against the code and against files that a real sync wrote."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import math
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from PIL import Image
from support.builder import Builder, unit_vectors
from support.folders import World, drawn, put
from support.format_page import ANCHORS, LINES, TEXT, fields, rows_after, table
from support.independent_reader import header_of
from support.kinds import fill
from support.tables import Row, fits, is_optional, word, words

import vstore
from vstore import clock
from vstore.disk import facts, journal, long_folders, packs
from vstore.disk.catalogue import Catalogue
from vstore.disk.footer import FOOTER_SIZE
from vstore.disk.proven_faiss import check_faiss
from vstore.disk.segment_writer import rounded, write_segment
from vstore.disk.segments import Segment
from vstore.embed.builtin import DEFAULT_RECIPE, RECIPES, BuiltinEmbedder
from vstore.embed.hf.digests import Digests
from vstore.embed.probes import PROBES, Probes, Proofs
from vstore.embed.text_cache import cache_text, text_name
from vstore.format import listing, records, small_files
from vstore.format.canonical import canonical
from vstore.format.entries import Root, Snapshot, Space
from vstore.format.facts import CAMERA, Fact
from vstore.format.hashing import HASHES, checksum, store_hash
from vstore.format.layout import DTYPE_CODES, DTYPES, NEWEST
from vstore.format.manifest import Manifest
from vstore.format.undo import BARRIERS, UNDOABLE
from vstore.intake import keeper, stored_keys, survey
from vstore.pictures.decoding import prepare
from vstore.pictures.formats import EXTENSIONS, MAX_PIXELS
from vstore.pictures.preparation import Preparation, preparation_1, preparation_2
from vstore.pictures.scan_options import ScanOptions
from vstore.repository import proof
from vstore.repository.repository import Repository
from vstore.search import numbers, views
from vstore.search.query import Operand
from vstore.store import Store
from vstore.sync.read_again import read_again
from vstore.testing import FakeEmbedder
from vstore.where import kept as kept_columns

SOURCE = Path(vstore.__file__).parent
OLD = Path(__file__).parent / "data" / "format-1"
TESTED = "*(tested)*"


def test_every_table_that_is_marked_is_taken_out_and_compared() -> None:
    marked = [at for at, line in enumerate(LINES) if TESTED in line]
    taken = {at for at, line in enumerate(LINES) for anchor in ANCHORS.values() if anchor in line}
    elsewhere = [at for at in marked if not any(at - 2 <= place <= at + 2 for place in taken)]
    said = [
        "marked *(tested)* are compared with the code",
        "Extensions of candidates",
        "Kinds of failure",
    ]
    assert [LINES[at] for at in elsewhere if not any(words in LINES[at] for words in said)] == []
    assert all(any(anchor in line for line in LINES) for anchor in ANCHORS.values())


def test_the_version_is_that_of_the_code() -> None:
    assert f"Version **{NEWEST}**" in TEXT


# A store with everything in it


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A store that has seen everything: seals, merges, tags, a hold, undo, redo, a root that was absorbed."""
    patch = pytest.MonkeyPatch()
    world = World(tmp_path_factory.mktemp("format"))
    patch.setattr(small_files, "TOO_MANY", 3)
    patch.setattr(stored_keys, "REST", 0)
    patch.setattr(listing, "PENDING", 5)
    world.put({"2024/a.png": 1, "2024/b.png": 2, "broken.png": b"no picture"})
    world.sync(world.pictures / "2024", message="one folder")
    world.sync(exclude=["*.tif"])
    patch.setattr(keeper, "SEAL_BYTES", 1)
    for number in range(3, 9):
        world.put({f"{number}.png": number})
        world.sync()
    (world.pictures / "3.png").rename(world.pictures / "three.png")
    world.sync()
    _import(world)
    fill(world.repo)
    world.all()
    for folder in ("one/more", "two/more"):
        put(world.top / folder, {"e.png": 30})
        world.sync(world.top / folder)
        world.store.root_remove("more")
    world.store.snapshot_tag("v2", "good")
    world.store.rollback("v2", hold=True)
    world.store.undo()
    world.store.redo()
    world.store.search([Operand(1.0, os.fsencode(world.pictures / "2024/a.png"))])
    patch.undo()
    yield world
    world.store.close()


def _import(world: World) -> None:
    """One picture that has a vector already, one row that waits."""
    row = next(iter(world.repo.segment(world.repo.state.segments(next(iter(world.repo.state.spaces)))[0]).rows()))
    key = world.repo.segment(world.repo.state.segments(next(iter(world.repo.state.spaces)))[0]).key(0).hex()
    name = next(path for path, found in world.aliases().items() if found == key).removeprefix("pictures/")
    np.save(world.top / "old.npy", np.stack([row, row]))
    (world.top / "old.txt").write_text(f"{name}\ngone.png\n")
    world.store.import_index(
        embeddings=world.top / "old.npy",
        metadata=world.top / "old.txt",
        root=world.pictures,
        recipe=world.fake.recipe,
        trust_edited=True,
    )


@pytest.fixture(scope="module")
def written(world: World) -> list[dict[str, Any]]:
    """The lines of all records, as JSON."""
    folder = world.repo.layout.refs
    return [json.loads(path.read_bytes().split(b"\n")[0]) for path in sorted(folder.iterdir())]


# The folder and FORMAT


def test_a_store_holds_what_the_table_of_its_folder_lists(world: World) -> None:
    listed = {word(row["name"]).rstrip("/"): word(row["name"]).endswith("/") for row in table("folder")}
    found = {path.name: path.is_dir() for path in world.folder.iterdir()}
    assert found == listed
    layout = world.repo.layout
    made_when_needed = {layout.catalogue.name, layout.indexes.name}
    assert {path.name for path in layout.folders()} | made_when_needed == {
        name for name, is_folder in listed.items() if is_folder
    }


def test_names_in_the_store_are_those_that_the_table_says(world: World) -> None:
    space = world.repo.snapshot("current").space
    patterns = {"refs": r"\d{12}\.json", "segments": r"[0-9a-f]{32}\.faiss", "packs": r"[0-9a-f]{32}\.pack"}
    for folder, pattern in patterns.items():
        names = os.listdir(world.folder / folder)
        assert names and all(re.fullmatch(pattern, name) for name in names)
    made = journal.JournalWriter(world.repo.layout.journal, space, key_size=16, dim=8, dtype="float16")
    assert re.fullmatch(rf"{space}-[0-9a-f]{{32}}", made.path.name)
    made.close()
    made.path.unlink()


def test_the_file_format_has_the_fields_of_its_table(world: World) -> None:
    data = (world.folder / "FORMAT").read_bytes()
    form = json.loads(data)
    assert form.keys() == fields("format").keys()
    assert all(fits(form[name], kind) for name, kind in fields("format").items())
    assert data == canonical(form) + b"\n"
    rest = {name: value for name, value in form.items() if name != "check"}
    assert form["check"] == checksum(canonical(rest)).hex()
    assert words(next(row["meaning"] for row in table("format") if row["field"] == "`hash`")) == list(HASHES)
    assert words(next(row["meaning"] for row in table("format") if row["field"] == "`dtype`"))[:2] == list(DTYPES)


# Records and the state


def test_records_have_the_fields_of_their_table(written: list[dict[str, Any]]) -> None:
    listed = {word(row["field"]): row for row in table("record")}
    assert {name for line in written for name in line} == set(listed)
    for line in written:
        assert {name for name, row in listed.items() if not is_optional(row)} <= line.keys()
        for name, value in line.items():
            assert fits(value, listed[name]["type"]), (name, value)
    code = {**records._FIELDS, **records._OPTIONAL}
    names = {"string": str, "number": int, "object": dict, "array": list}
    assert {name: names[row["type"]] for name, row in listed.items()} == code
    assert {name for name, row in listed.items() if is_optional(row)} == set(records._OPTIONAL)


def test_the_state_has_the_fields_of_its_table(world: World, written: list[dict[str, Any]]) -> None:
    listed = fields("state")
    seen = {name for line in written for name in (*line["changes"], *line.get("state", {}))}
    assert seen == set(listed)
    for line in written:
        for name, value in line.get("state", {}).items():
            assert fits(value, listed[name]), (name, value)


@pytest.mark.parametrize("name", ["root", "space", "import", "snapshot"])
def test_what_the_state_lists_has_the_fields_of_its_table(
    world: World, written: list[dict[str, Any]], name: str
) -> None:
    listed = {word(row["field"]): row for row in table(name)}
    seen: set[str] = set()
    document = world.repo.state.document
    for entry in document[f"{name}s"].values():
        assert {f for f, row in listed.items() if not is_optional(row)} <= entry.keys()
        for field, value in entry.items():
            assert fits(value, listed[field]["type"])
            seen.add(field)
    full: dict[str, Any] = {
        "snapshot": Snapshot("v1", "id", b"", "s", 1, 1, "t", "m", "v0", True, False, True, b"f").to_json(),
        "root": Root("r", b"/r", False, {}, 2).to_json(),
        "space": Space("id", "n", "verified", b"r", 8, {"model": "m"}, b"p", by_name=(b"k",)).to_json(),
    }
    assert seen | set(full.get(name, ())) == set(listed)


def test_the_folders_that_labels_meant_have_the_fields_of_their_table(world: World) -> None:
    listed = {word(row["field"]): row for row in table("retired")}
    entries = world.repo.state.document["retired"]["more"]
    assert [sorted(entry) for entry in entries] == [
        sorted(listed), sorted(field for field, row in listed.items() if not is_optional(row)),
    ]  # fmt: skip
    assert all(fits(value, listed[field]["type"]) for entry in entries for field, value in entry.items())
    assert entries == [one.to_json() for one in world.repo.state.retired["more"]]


def test_a_root_keeps_every_option_that_the_table_names(world: World) -> None:
    (row,) = [row for row in table("root") if row["field"] == "`options`"]
    (root,) = world.repo.state.roots.values()
    assert set(words(row["meaning"])) == set(root.options) == {*ScanOptions._fields} - {"accept_truncated", "off"}


def source() -> Iterator[ast.AST]:
    """Every node of the source of vstore."""
    for path in SOURCE.rglob("*.py"):
        yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def texts(node: ast.AST) -> set[str]:
    """The words that stand in an expression."""
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def published() -> set[str]:
    """The operations that the code publishes, by the words in its source."""
    found: set[str] = set()
    for node in source():
        if isinstance(node, ast.Call) and re.search(r"\._?publish$", ast.unparse(node.func)):
            op = node.args[0]
            found |= texts(op.body) | texts(op.orelse) if isinstance(op, ast.IfExp) else texts(op)
    return found


def test_operations_are_of_the_kinds_that_the_table_says(written: list[dict[str, Any]]) -> None:
    kinds = {row["kind"]: words(row["`op`"]) for row in table("operations")}
    assert set(kinds) == {"undoable", "barrier", "other"}
    assert set(kinds["undoable"]) == UNDOABLE
    assert set(kinds["barrier"]) == BARRIERS
    every = [op for ops in kinds.values() for op in ops]
    assert len(every) == len(set(every))
    assert published() <= set(every)
    assert {line["op"] for line in written} <= set(every)
    assert {"seal", "merge", "sync", "tag", "rollback", "undo", "redo", "init"} <= {line["op"] for line in written}


# Segments, packs, journals


def at_offsets(rows: list[Row], data: bytes) -> dict[str, bytes]:
    """The bytes of each row of a table of fixed offsets: by field, or by what it means."""
    found: dict[str, bytes] = {}
    for row in rows:
        offset = row["offset"]
        at = len(data) - int(offset.removeprefix("size - ")) if offset.startswith("size") else int(offset)
        found[row.get("field", "-") if row.get("field", "-") != "-" else offset] = data[at : at + int(row["size"])]
    return found


def number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def test_the_footer_of_a_segment_is_at_the_offsets_of_its_table(world: World) -> None:
    rows = table("footer")
    edges = [(int(row["offset"]), int(row["size"])) for row in rows]
    assert [at for at, _ in edges] == [0, *np.cumsum([size for _, size in edges])[:-1]]
    assert edges[-1][0] + edges[-1][1] == FOOTER_SIZE == 128
    repo = world.repo
    (space,) = repo.state.spaces
    for ref in repo.state.segments(space):
        data = (repo.layout.segments / ref.name).read_bytes()
        segment = Segment(repo.layout.segments, ref)
        found = at_offsets(rows, data[-128:])
        named = {row["field"] for row in rows} - {"-"}
        assert named == set(segment.footer._fields) | {"version"}
        for name in ("key_size", "dim", "rows", "header", "time"):
            assert number(found[name]) == getattr(segment.footer, name)
        for name in ("space", "header_sum", "keys_sum", "sums_sum"):
            assert found[name] == getattr(segment.footer, name)
        assert (number(found["version"]), number(found["dtype"])) == (1, 1)
        assert found["space"].hex() == space
        assert (found["88"], found["112"], found["120"]) == (bytes(24), bytes.fromhex(ref.check), b"vsegment")
        assert found["112"] == checksum(data[-128:-16])


@pytest.mark.parametrize(("dtype", "code", "header"), [("float16", 1, 81), ("float32", 2, 45)])
def test_the_dtypes_and_headers_are_those_that_format_says(tmp_path: Path, dtype: str, code: int, header: int) -> None:
    for name in ("footer", "journal"):
        (row,) = [row for row in table(name) if row["field"] == "dtype"]
        assert f"{code} {dtype}" in row["meaning"]
    (row,) = [
        row for row in rows_after(next(i for i, line in enumerate(LINES) if "## 5." in line)) if row["offset"] == "0"
    ]
    assert f"(H = {header})" in row["what"]
    ref = write_segment(
        tmp_path,
        "00" * 32,
        [bytes(16)],
        [rounded(unit_vectors(1), dtype)],
        dtype=dtype,
        time=0,
        lock="ingest",
    )
    footer = Segment(tmp_path, ref).footer
    assert (DTYPE_CODES[dtype], footer.header) == (code, header)


@pytest.mark.parametrize(("dim", "rows"), [(1, 0), (8, 3), (333, 1), (768, 1000)])
def test_the_header_of_a_segment_has_the_one_value_that_format_says(dim: int, rows: int) -> None:
    for code, index in (
        (1, faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)),
        (2, faiss.IndexFlatIP(dim)),
    ):
        index.add(np.zeros((rows, dim), np.float32))
        data = faiss.serialize_index(index).tobytes()
        assert data[: len(data) - rows * dim * 2 * code] == header_of(code, dim, rows)
    part = TEXT[TEXT.index("With d = 768 and n = 1,000:") :]
    said = re.findall(r"```text\n(.*?)```", part, re.DOTALL)[0]
    assert bytes.fromhex(said) == header_of(1, 768, 1000) + header_of(2, 768, 1000)


def test_a_pack_is_at_the_offsets_of_its_table(world: World) -> None:
    rows = table("pack")
    repo = world.repo
    for ref in repo.state.packs:
        data = (repo.layout.packs / ref.name).read_bytes()
        fixed = at_offsets([row for row in rows if row["offset"] not in ("8", "T")], data)
        assert fixed["0"] == b"vpack001" and fixed["size - 8"] == b"vpackend"
        at, count, width = number(fixed["size - 48"]), number(fixed["size - 40"]), number(fixed["size - 36"])
        assert fixed["size - 32"] == checksum(data[:at])
        assert fixed["size - 24"] == checksum(data[at : at + count * (width + 16)])
        assert fixed["size - 16"] == checksum(data[-48:-16]) == bytes.fromhex(ref.check)
        assert at + count * (width + 16) + packs.FOOTER_SIZE == len(data) == ref.size
        for i in range(count):
            entry = data[at + i * (width + 16) :][: width + 16]
            offset, stored, length = struct.unpack("<QII", entry[width:])
            blob = zlib.decompress(data[offset : offset + stored])
            assert repo.hash.digest(blob) == entry[:width] and len(blob) == length


def test_manifests_have_the_fields_of_their_table(world: World) -> None:
    repo = world.repo
    listed = fields("manifest")
    seen: set[str] = set()
    for snapshot in repo.listing.kept():
        document = json.loads(repo.packs.get(snapshot.manifest))
        seen |= document.keys()
        assert all(fits(value, listed[name]) for name, value in document.items())
        assert canonical(document) == Manifest.from_bytes(canonical(document)).to_bytes()
    assert seen == listed.keys()


def test_the_head_of_a_journal_is_at_the_offsets_of_its_table(tmp_path: Path) -> None:
    made = journal.JournalWriter(tmp_path, "5a" * 32, key_size=16, dim=8, dtype="float32")
    made.append([b"k" * 16], unit_vectors(1))
    made.close()
    data = made.path.read_bytes()
    rows = table("journal")
    found = at_offsets(rows, data)
    assert [int(row["offset"]) for row in rows] == [0, *np.cumsum([int(row["size"]) for row in rows])[:-1]]
    assert found["magic"] == b"vjourn01" and f"`{found['magic'].decode()}`" in rows[0]["meaning"]
    assert [number(found[name]) for name in ("dtype", "key_size", "dim")] == [2, 16, 8]
    assert made.path.name == f"{found['space'].hex()}-{found['nonce'].hex()}"
    assert found["64"] == checksum(data[:64])
    frame = data[72:]
    assert frame[:16] == b"k" * 16 and frame[16:48] == unit_vectors(1).tobytes()
    assert frame[48:] == checksum(found["nonce"] + struct.pack("<Q", 0) + frame[:48])


# Recipes


def test_recipes_have_the_fields_of_their_table() -> None:
    assert DEFAULT_RECIPE.keys() == fields("recipe").keys() | {"name", "version"}
    assert all(fits(DEFAULT_RECIPE[name], kind) for name, kind in fields("recipe").items())
    names = {policy: (one["family"], one["name"], one["version"]) for policy, one in RECIPES.items()}
    assert names == {1: ("builtin", "builtin-1", 1), 2: ("builtin", "builtin-2", 2)}
    by_short_side = preparation_2(short_side=224, resample="bicubic")
    assert by_short_side == {**preparation_2(), "short_side": 224, "max_side": 16 * 224, "resample": "bicubic"}
    for recipe, name in (
        (preparation_1(), "prepare"),
        ({**preparation_2(), "short_side": "none", "draft": "none"}, "prepare 2"),
    ):
        assert recipe.keys() == fields(name).keys()
        for row in table(name):
            value = recipe[word(row["field"])]
            assert fits(value, row["type"]) or value == "none"
            assert str(value) == row["value"].strip("`")
    assert f"the limit ({MAX_PIXELS:,};" in TEXT


def waves(pooled: Any, reach: int) -> list[float]:
    def b(u: int, x: int) -> float:
        taper = 1 - 0.5 * abs((2 * x + 1) / 16 - 1) ** 4
        return taper * math.sqrt((2 if u > 0 else 1) / 16) * math.cos(math.pi * u * (2 * x + 1) / 32)

    basis = np.array([[b(u, x) for x in range(16)] for u in range(reach)])
    full = basis @ pooled @ basis.T  # Σ_y Σ_x b(u, y) b(v, x) M(y, x)
    return [full[u, v] for u in range(reach) for v in range(reach) if u * u + v * v < (reach - 0.3) ** 2]


def pooled(values: Any) -> Any:
    return np.array([[values[y * 4 : y * 4 + 4, x * 4 : x * 4 + 4].mean() for x in range(16)] for y in range(16)])


def bound(values: list[float]) -> list[float]:
    square = sum(value * value for value in values)
    return [value * math.sqrt(square) / (square + 0.49) for value in values]


def flat_lines(lines: Any) -> tuple[int, int]:
    flat = [int(line.max()) - int(line.min()) <= 16 for line in lines]
    if all(flat):
        return 0, 0
    return flat.index(False), flat[::-1].index(False)


def described(picture: Image.Image) -> Any:
    """`builtin-1`, written again from the words of FORMAT.md alone."""
    grey = np.asarray(picture.convert("L"))
    height, width = grey.shape
    top = bottom = left = right = 0
    for _ in range(2):
        begin, end = flat_lines(grey[top : height - bottom, left : width - right])
        top, bottom = min(top + begin, height // 10), min(bottom + end, height // 10)
        begin, end = flat_lines(grey[top : height - bottom, left : width - right].T)
        left, right = min(left + begin, width // 10), min(right + end, width // 10)
    cropped = picture.crop((left, top, width - right, height - bottom))
    planes = np.asarray(cropped.resize((64, 64), Image.Resampling.BILINEAR).convert("YCbCr")).astype(float)
    light, cb, cr = planes[:, :, 0], planes[:, :, 1] - 128, planes[:, :, 2] - 128
    across, down = np.zeros((64, 64)), np.zeros((64, 64))
    across[1:63, 1:63] = light[1:63, 2:64] - light[1:63, 0:62]
    down[1:63, 1:63] = light[2:64, 1:63] - light[0:62, 1:63]
    square = across**2 + down**2
    soft = np.sqrt(square + (0.75 * np.sqrt(square).mean()) ** 2 + 16)
    maps = []
    for k in range(8):
        x, y = math.cos(math.radians(k * 45)), math.sin(math.radians(k * 45))
        maps.append(pooled(np.maximum(0, across * x + down * y) ** 3 / (np.maximum(square, 1) * soft)))
    mean = np.mean(maps)
    edges: list[float] = []
    for one in maps:
        first, *rest = waves(one - mean, 6)
        edges += [0.5 * first, *rest]
    level = light - light.mean()
    level = level / (1.5 * math.sqrt((level**2).mean() + 4))
    level = pooled(level / np.sqrt(1 + level**2))
    lights = [0.5 * value for value in bound(waves(level - level.mean(), 8)[1:])]
    blue, red = pooled(cb), pooled(cr)
    scale = np.sqrt(900 + blue**2 + red**2)
    decay = [math.exp(-0.3 * math.hypot(u, v)) / 16 for u in range(4) for v in range(4) if u * u + v * v < 3.7**2]
    colours = [d * value for one in (blue, red) for d, value in zip(decay, waves(one / scale, 4), strict=True)]
    vector = np.array([*bound(edges), *lights, *colours, 0.1 * (2 * light.mean() / 255 - 1), 0.1])
    return vector / np.linalg.norm(vector)


def framed() -> Image.Image:
    picture = Image.new("RGB", (200, 140), (250, 250, 250))
    picture.paste(Image.new("RGB", (190, 130), (10, 10, 10)), (5, 5))
    inner = np.random.default_rng(3).integers(0, 255, (100, 160, 3), dtype=np.uint8)
    picture.paste(Image.fromarray(inner).resize((170, 110)), (15, 15))
    return picture


@pytest.mark.parametrize(
    "picture",
    [
        Image.open(io.BytesIO(drawn(1))),
        framed(),
        Image.new("RGB", (1, 1)),
        Image.new("RGB", (300, 7), (200, 30, 90)),
        Image.fromarray(np.random.default_rng(4).integers(0, 255, (97, 211, 3), dtype=np.uint8)),
    ],
    ids=["noise", "frames", "a black pixel", "one colour", "odd sides"],
)
def test_builtin_1_is_what_format_says(picture: Image.Image) -> None:
    expected = described(picture)
    (row,) = BuiltinEmbedder().embed_images([picture])
    assert expected.shape == row.shape == (333,)
    assert np.abs(expected - row).max() < 1e-6


def prepared(data: bytes) -> Any:
    """`prepare`, policy 1, written again from the words of FORMAT.md alone."""
    picture: Any = Image.open(io.BytesIO(data))
    is_jpeg = picture.format in ("JPEG", "MPO")
    if is_jpeg:
        picture.thumbnail((512, 512), Image.Resampling.LANCZOS, reducing_gap=2.0)
    picture.load()
    orientation = picture.getexif().get(0x0112, 1)
    if picture.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        top = values.max()
        if picture.mode == "F":
            factor = 255 if top <= 1 else 1 if top <= 255 else 255 / top
        else:
            factor = 1 / 257 if top <= 65535 else 255 / top
        picture = Image.fromarray(np.clip(np.rint(values * factor), 0, 255).astype(np.uint8)).convert("RGB")
    elif picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        picture = Image.new("RGB", clear.size, "white")
        picture.paste(clear, mask=clear)
    else:
        picture = picture.convert("RGB")
    if not is_jpeg:
        picture.thumbnail((512, 512), Image.Resampling.LANCZOS, reducing_gap=2.0)
    turns = [None, 0, 3, 1, 5, 4, 6, 2]  # Pillow's numbers of the turns that FORMAT.md names, from orientation 1 on
    assert [Image.Transpose(t).name for t in turns[1:] if t is not None] == [
        "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90",
    ]  # fmt: skip
    turn = turns[orientation - 1]
    return np.asarray(picture if turn is None else picture.transpose(Image.Transpose(turn)))


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(smooth("RGB", 1300, 900), "JPEG", exif=exif, quality=90)


def smooth(mode: str, width: int, height: int) -> Image.Image:
    """A picture with structure, of any mode."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    small = np.random.default_rng(5).integers(0, 255, (6, 9, channels), dtype=np.uint8)
    bands = [Image.fromarray(small[:, :, i]).resize((width, height), Image.Resampling.BICUBIC) for i in range(channels)]
    return bands[0] if channels == 1 else Image.merge(mode, bands)


DEEP = np.linspace(0, 65535, 700 * 600).reshape(600, 700)
PICTURES = {
    **{f"orientation {n}": turned(n) for n in range(1, 9)},
    "small JPEG": saved(smooth("RGB", 300, 200), "JPEG"),
    "grey JPEG": saved(smooth("L", 1600, 700), "JPEG"),
    "CMYK JPEG": saved(smooth("CMYK", 700, 700), "JPEG"),
    "PNG": saved(smooth("RGB", 900, 1300), "PNG"),
    "alpha": saved(smooth("RGBA", 900, 700), "PNG"),
    "grey and alpha": saved(smooth("LA", 900, 700), "PNG"),
    "palette": saved(smooth("RGB", 600, 700).quantize(32), "PNG"),
    "palette with a transparent colour": saved(smooth("RGB", 600, 700).quantize(32), "PNG", transparency=3),
    "16 bits": saved(Image.fromarray(DEEP.astype(np.uint16)), "PNG"),
    "32 bits": saved(Image.fromarray((DEEP * 9).astype(np.int32)), "TIFF"),
    "floats to 1": saved(Image.fromarray((DEEP / 65535).astype(np.float32)), "TIFF"),
    "floats to 255": saved(Image.fromarray((DEEP / 257).astype(np.float32)), "TIFF"),
    "floats beyond": saved(Image.fromarray(DEEP.astype(np.float32)), "TIFF"),
    "animation": saved(smooth("L", 600, 520), "GIF", save_all=True, append_images=[Image.new("L", (600, 520))]),
    "WebP": saved(smooth("RGB", 700, 600), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_prepared_as_format_says(name: str) -> None:
    picture, _ = prepare(PICTURES[name], Preparation())
    assert picture.mode == "RGB" and max(picture.size) <= 512
    assert np.array_equal(np.asarray(picture), prepared(PICTURES[name]))


# The catalogue


def test_every_key_of_the_catalogue_is_of_a_table_that_format_lists_and_every_value_proves_itself(
    world: World,
) -> None:
    import lmdb

    listed = {word(row["table"]).encode() for row in table("catalogue")}
    code = {facts.FOLDER, facts.LOCATION, facts.PICTURE, facts.DECODE_FAILURE, facts.MODEL_FAILURE}
    assert listed == code | {facts.META}
    folder = world.repo.layout.catalogue
    copy = folder.with_name("copy of the catalogue")
    shutil.copytree(folder, copy)
    found: set[bytes] = set()
    rows: dict[bytes, tuple[int, int]] = {}
    with lmdb.open(str(copy), readonly=True, lock=False) as environment, environment.begin() as transaction:
        for key, value in transaction.cursor():
            assert value[-8:] == checksum(key, value[:-8])
            found.add(key[:1])
            if key[:1] == b"l":
                rows[key[9:]] = struct.unpack("<II", value[:-8])
    shutil.rmtree(copy)
    assert found == listed - {b"m"}, "no model failed here"
    repo = world.repo
    (space,) = repo.state.spaces
    for key, (ordinal, row) in rows.items():
        assert repo.segment(repo.state.segments(space)[ordinal]).key(row) == key
    assert len(rows) == len(world.keys())


def test_a_value_of_the_stat_cache_is_laid_out_as_format_says(world: World) -> None:
    repo = world.repo
    opened = Catalogue.open(repo.layout.catalogue, repo.store_id, write=False)
    assert opened is not None
    with opened:
        value = opened.folder(b"pictures", 0)
    assert value is not None
    settled, length = struct.unpack_from("<BI", value)
    head, rest = value[5 : 5 + length], value[5 + length :]
    count, whole, names_size, folders_size = struct.unpack_from("<IIII", head)
    names = head[16 : 16 + names_size].split(b"\0")
    stats = list(struct.iter_unpack("<qqqQ", head[16 + names_size : len(head) - folders_size]))
    assert count == whole == len(names) == len(stats)
    assert head[len(head) - folders_size :] == b"2024"
    keys, states = rest[: count * 16], rest[count * 16 :]
    assert len(states) == count and settled == (set(states) == {1})
    for at, (name, (size, mtime, ctime, inode)) in enumerate(zip(names, stats, strict=True)):
        file = world.pictures / os.fsdecode(name)
        found = file.stat()
        assert (size, mtime, ctime, inode) == (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        assert keys[at * 16 :][:16] == repo.hash.digest(file.read_bytes())


def test_the_states_of_files_are_those_of_the_table() -> None:
    for row in table("states"):
        assert getattr(survey, row["name"].upper()) == int(row["state"])
    assert [int(row["state"]) for row in table("states")] == list(range(7))


# Cache files and locks


def test_cache_files_are_named_and_proved_as_format_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "REMEMBERED_FROM", 0)
    monkeypatch.setattr(kept_columns, "_FROM", 1)
    monkeypatch.setattr(numbers, "_KEPT_FROM", 1)
    builder = Builder(tmp_path / ".vstore")
    key = builder.repo.hash.digest(b"")
    builder.add_pictures({b"r/a.png": (key, unit_vectors(1)[0])})
    builder.add_facts([Fact(key, 1, {CAMERA: "Canon"})])
    repo = builder.repo
    (tmp_path / "a.png").write_bytes(b"")
    repo.log.keep(repo.tip)
    check_faiss(repo.layout.cache)
    with Store(repo.layout.folder) as store:
        store.search([Operand(1.0, os.fsencode(tmp_path / "a.png"))], where="camera = 'Canon'")
    with monkeypatch.context() as patched:
        patched.setattr(clock, "seconds", lambda: 4_000_000_000)
        read_again(repo, took=1000, is_stopped=lambda: False)
    digests = Digests(repo.layout.cache)
    digests.of(tmp_path / "a.png")
    header = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"x")
    monkeypatch.setattr("vstore.embed.hf.digests._SETTLED_NS", 0)
    time.sleep(0.02)  # a tick of the file system's clock
    digests.of(tmp_path / "a.safetensors")
    digests.keep()
    recipe = {"text": {"tokenizer": ["1f", "2e"]}}
    cache_text(repo.layout.cache, text_name(builder.space, recipe, "a red car"), unit_vectors(1)[0])
    refs = long_folders.look(repo.layout.refs)
    long_folders.note(repo.layout.cache, repo.layout.refs, refs._replace(settled=True), ["1.json", "2.json"] * 250)
    fake = FakeEmbedder()
    vectors = {name: fake.of(picture) for name, picture in proof.prepared_probes(fake.recipe, PROBES).items()}
    kept = Probes(Proofs(vectors, {}))
    proof.prove(repo, repo.space("fake-1"), fake, kept, files=digests.seen)
    names = {path.name: path.read_bytes() for path in repo.layout.cache.iterdir()}
    for name, data in names.items():
        is_mapped = name.startswith(("paths-", "numbers-"))
        assert data[:8] == checksum(name.encode(), data[-8:] if is_mapped else data[8:])
        assert not is_mapped or data[-8:] == checksum(data[8:-8])
    (ref,) = repo.state.segments(builder.space)
    listed = repo.hash.digest(ref.name.encode()).hex()
    rows = f"rows-{repo.snapshot('current').id[:32]}-{listed[:32]}"
    named = {"<id>-<list>": rows.removeprefix("rows-"), "<checksum>": r"[0-9a-f]{16}"}
    named |= {
        "<space>": builder.space[:32],
        "<text>": sha256(f"{builder.space} 1f 2e a red car".encode()).hexdigest()[:32],
    }
    tree = repo.tree(repo.snapshot("current"))
    runs = repo.hash.digest(b"".join(ref.root for ref in repo.state.facts)).hex()[:32]
    of_camera = repo.hash.digest(b"1\nfact\ncamera\n").hex()[:32]
    column, by_number = f"columns-{tree.root.hex()[:32]}-{runs}-{of_camera}", rows.replace("rows-", "numbers-")
    named |= {"<tree>": tree.root.hex(), "<tree>-<source>-<column>": column.removeprefix("columns-")}
    named |= {"<folder>": "refs", "<segment>": ref.name.removesuffix(".faiss")}
    patterns = [re.sub("<.*>", lambda found: named[found[0]], word(row["name"])) for row in table("cache")]
    for pattern, name in zip(sorted(patterns), sorted(names), strict=True):
        assert re.fullmatch(pattern, name)
    assert names[rows][8:] == b"\1"
    ((path, key),) = tree
    by_key = f"paths-{tree.root.hex()}"
    assert names[by_key][8:-8] == struct.pack("<Q", 1) + key + struct.pack("<Q", len(path)) + path
    assert names[by_number][8:-8] == bytes(4)
    assert names[column][8:33] == struct.pack("<QQQ", 1, 2, 1) + b"\1"
    database = sqlite3.connect(":memory:")
    database.deserialize(names[column][33:])
    assert database.execute("SELECT n, c0 FROM p ORDER BY n").fetchall() == [(1, None), (2, "Canon")]
    database.close()
    written = json.loads(names["paths"][8:])
    assert [*written] == sorted((by_key, column, by_number))
    for name, stats in written.items():
        found = (repo.layout.cache / name).stat()
        assert stats == [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    fold = json.loads(names["state"][8:])
    assert fold == [repo.tip.number, repo.tip.digest, repo.tip.loose, repo.tip.base, repo.state.document]
    found = (repo.layout.segments / ref.name).stat()
    stats = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    assert json.loads(names["checked"][8:]) == {ref.name: stats}
    row = np.asarray(repo.segment(ref).rows())[0].tobytes()
    assert names[f"rowsums-{named['<segment>']}"][8:] == bytes.fromhex(ref.check) + checksum(row)
    (at,) = json.loads(names["verified"][8:]).values()
    assert abs(time.time() - at) < 100
    assert json.loads(names["turn"][8:]) == {ref.name: [[1, 4_000_000_000]]}
    found = (tmp_path / "a.safetensors").stat()
    stats = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    tensors = {"a": ["U8", [1], sha256(b"x").hexdigest()]}
    assert json.loads(names["model-tensors"][8:]) == {os.path.realpath(tmp_path / "a.safetensors"): [*stats, tensors]}
    about = json.loads(names[f"proof-{builder.space[:32]}"][8:])
    assert sorted(about) == ["environment", "files", "probes", "turn"]
    read = sorted(sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a.png", "a.safetensors"))
    assert about["files"] == sha256("".join(read).encode()).hexdigest()
    found = repo.layout.refs.stat()
    stats = [found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]
    assert json.loads(names["names-refs"][8:]) == [stats, "2.json"]


def test_locks_are_those_of_the_table_and_say_who_holds_them(world: World) -> None:
    named, locks = {word(row["lock"]) for row in table("locks")}, world.repo.layout.locks
    assert named - set(os.listdir(locks)) == {"watch"}
    world.put({"a.png": 1})
    with contextlib.closing(world.store.watch([world.pictures])) as watch:
        next(watch)
        assert set(os.listdir(locks)) == named
    for row in table("locks"):
        name = word(row["lock"])
        with world.repo.lock(name) as lock:
            lock.acquire(0, "a test")
            about = json.loads((world.repo.layout.locks / name).read_bytes())
        assert about.keys() == fields("holder").keys()
        assert all(fits(about[field], kind) for field, kind in fields("holder").items())
        assert (world.repo.layout.locks / name).read_bytes() == b""


# Pictures


def listed_after(phrase: str) -> list[str]:
    """The words in code that follow a phrase, up to the full stop."""
    at = TEXT.index(phrase) + len(phrase)
    return words(re.split(r"\.\n|\. ", TEXT[at:])[0])


def test_the_extensions_are_those_that_format_lists() -> None:
    found = listed_after("Extensions of candidates, in any case *(tested)*: ")
    assert len(found) == len(set(found))
    assert set(found) == EXTENSIONS


def test_the_kinds_of_failure_are_those_that_format_lists() -> None:
    kinds: set[str] = set()
    for node in source():
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "PictureFailure":
            kinds |= texts(node.args[0])
    for name in ("pictures/folder.py", "intake/reader.py"):  # `kind = "permission" if … else "io"`
        for node in ast.walk(ast.parse((SOURCE / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "kind":
                assert isinstance(node.value, ast.IfExp)
                kinds |= texts(node.value.body) | texts(node.value.orelse)
    assert set(listed_after("Kinds of failure *(tested)*: ")) == kinds


# The example


def example() -> tuple[str, str]:
    """The script of section 15, and what it is said to print."""
    part = TEXT[TEXT.index("## 15.") : TEXT.index("## 16.")]
    (script,) = re.findall(r"```python\n(.*?)```", part, re.DOTALL)
    (output,) = re.findall(r"```text\n(.*?)```", part, re.DOTALL)
    return script, output


def recomputed(folder: Path) -> str:
    script, _ = example()
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def said_by_vstore(folder: Path) -> str:
    """What the example prints, by what vstore itself says of a store."""
    repo = Repository(folder)
    snapshot = repo.snapshot("current")
    lines = [f"format {NEWEST} {repo.hash.name} {repo.dtype}"]
    lines += [f"record {record.number} {record.op}" for record in repo.records()]
    lines.append(f"snapshot {snapshot.name} {snapshot.id} {snapshot.paths} paths {snapshot.images} pictures")
    rows: dict[bytes, Any] = {}
    for ref in repo.state.segments(snapshot.space):
        segment = repo.segment(ref)
        for key, row in zip(segment.key_list(), segment.rows().astype(np.float32), strict=True):
            rows.setdefault(key, row)
    for path, key in repo.tree(snapshot):
        values = " ".join(f"{value:+.4f}" for value in rows[key][:4])
        lines.append(f"{key.hex()} {values} {path.decode()}")
    for left in journal.journals(repo.layout.journal):
        lines += [f"journal {key.hex()}" for _, key in journal.Journal(left).frames()]
    return "\n".join(lines) + "\n"


def test_the_example_uses_public_tools_alone() -> None:
    script, _ = example()
    imported = {
        name.name.split(".")[0]
        for node in ast.walk(ast.parse(script))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names)
    }
    assert imported == {"hashlib", "json", "struct", "sys", "zlib", "pathlib", "faiss", "xxhash"}


def test_the_example_prints_what_format_says_it_prints() -> None:
    _, output = example()
    assert recomputed(OLD / "store") == output


@pytest.mark.parametrize("hash", HASHES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_example_reads_what_vstore_writes(tmp_path: Path, hash: str, dtype: str) -> None:
    put(tmp_path / "pictures", {f"{i % 4}/{i}.png": i for i in range(12)})
    Store.init(tmp_path / "store", hash=hash, store_dtype=dtype)
    with Store(tmp_path / "store") as store:
        store.sync([tmp_path / "pictures"])
        store.snapshot_tag("v1", "good")
        put(tmp_path / "pictures", {f"more/{i}.png": i for i in range(5, 20)})
        store.sync()
    fill(Repository(tmp_path / "store"))
    found = recomputed(tmp_path / "store")
    assert found == said_by_vstore(tmp_path / "store")
    assert found.count(".png") == 27


@pytest.mark.parametrize("hash", HASHES)
def test_the_example_reads_trees_of_several_levels(tmp_path: Path, hash: str) -> None:
    digest = store_hash(hash).digest
    builder = Builder(tmp_path / ".vstore", hash=hash)
    keys = [digest(b"%d" % i) for i in range(5000)]
    builder.add_segment(keys, unit_vectors(5000))
    builder.add_snapshot({b"r/%03d/%d.png" % (i % 37, i): key for i, key in enumerate(keys)})
    tree = builder.repo.tree(builder.repo.snapshot("current"))
    assert max(level for _, level in tree.pages()) >= 1
    assert recomputed(tmp_path / ".vstore") == said_by_vstore(tmp_path / ".vstore")


@pytest.mark.parametrize("folder", ["refs", "packs", "segments"])
def test_the_example_would_see_a_byte_that_is_another(tmp_path: Path, folder: str) -> None:
    shutil.copytree(OLD, tmp_path / "copy")
    path = min((tmp_path / "copy" / "store" / folder).iterdir())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    script, _ = example()
    store = str(tmp_path / "copy" / "store")
    assert subprocess.run([sys.executable, "-c", script, store], capture_output=True).returncode != 0


# What a reader must refuse


def test_every_row_of_what_is_refused_names_tests_that_exist() -> None:
    tests = Path(__file__).parents[1]
    for row in table("refusals"):
        assert words(row["test"]), row
        for one in words(row["test"]):
            file, _, name = one.partition("::")
            assert f"\ndef {name}(" in (tests / file).read_text(encoding="utf-8"), one
