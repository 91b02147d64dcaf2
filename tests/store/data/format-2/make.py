"""Made the stores that lie beside it, with the code of format 2; kept to say how, not to be run again.

python tests/store/data/format-2/make.py FOLDER: writes `pictures/`, `store/` and `sha256-float32/` into FOLDER.
What may be deleted at any time, and what is the same in every store (`reserve`), is left out.
No command fills facts, fields, decisions, identities, indexes and fetched snapshots yet: this does it beneath them.
"""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from PIL import Image

from vstore.embed.builtin import BuiltinEmbedder
from vstore.format.entries import Snapshot
from vstore.format.facts import (
    BYTES,
    CAMERA,
    FORMAT,
    HEIGHT,
    LATITUDE,
    ORIENTATION,
    RATING,
    TAKEN,
    WIDTH,
    ZONE,
    Column,
    Fact,
    Value,
    pixels,
)
from vstore.format.records import Origin
from vstore.intake.keeper import Keeper
from vstore.pictures.decoding import prepare
from vstore.pictures.formats import prepare_recipe
from vstore.pictures.preparation import Preparation
from vstore.repository.decisions import Choice, decide
from vstore.repository.facts import added
from vstore.repository.fields import set_fields
from vstore.repository.index_parts import write_index_part
from vstore.repository.repository import Repository
from vstore.store import Store

OTHER = "00112233445566778899aabbccddeeff"  # the store that snapshots were fetched from
MANY = 130  # snapshots that make the state give up those before
LATER = Column("x/later", "t")  # of a program to come


def draw(path: Path, red: int, green: int, blue: int) -> None:
    """A small picture whose colours run across it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (24, 16))
    dots = [(x * red % 256, y * green % 256, (x + y) * blue % 256) for y in range(16) for x in range(24)]
    picture.putdata(dots)
    picture.save(path, optimize=True)


def many_snapshots(store: Path, pictures: Path) -> None:
    """Rename a picture many times, forget most of the snapshots, and collect them with their records."""
    draw(pictures / "a.png", 10, 15, 0)
    draw(pictures / "b 0.png", 0, 16, 11)
    draw(pictures / "summer" / "c.png", 5, 0, 7)
    with Store(store) as opened:
        opened.sync([pictures], message="three pictures")
        opened.snapshot_tag("v1", "first")
        for number in range(1, MANY):
            os.rename(pictures / f"b {number - 1}.png", pictures / f"b {number}.png")
            opened.sync([pictures], message=f"b is number {number}")
            if number == 60:
                opened.rollback("v20")
        os.rename(pictures / f"b {MANY - 1}.png", pictures / "b.png")
        opened.sync([pictures])
        opened.snapshot_forget([f"v{number}" for number in range(2, MANY) if number % 8])
        opened.gc()


def fields(repo: Repository, keys: list[bytes]) -> None:
    """Fields of every type, of two pictures."""
    first, second, *_ = keys
    set_fields(
        repo,
        {
            (first, "title"): "née 1999",
            (first, "count"): -3,
            (first, "weight"): 0.25,
            (first, "private"): False,
            (first, "seen"): datetime(2026, 1, 2, 3, 4, 5, 678900, UTC),
            (first, "people"): ("Ada", "", "Chloë"),
            (second, "private"): True,
            (second, "gone"): "for a while",
        },
        "fields",
    )
    set_fields(repo, {(second, "gone"): None})


def decisions(repo: Repository, keys: list[bytes]) -> None:
    """A decision of every verb, and one more that is undone."""
    decide(repo, [Choice("different", keys[:2])])
    decide(repo, [Choice("same", keys[1:3]), Choice("keep", keys, keys[1:2])])


def facts(repo: Repository, keys: list[bytes]) -> None:
    """Three runs of two versions of the reader: the newest row of a picture wins, and keeps the pixels of an older."""
    prepared, other = pixels(prepare_recipe()), pixels({**prepare_recipe(), "policy": 2})
    some: dict[Column, Value] = {BYTES: 300, WIDTH: 24, HEIGHT: 16, FORMAT: "PNG", prepared: repo.hash.digest(b"1")}
    more = {ORIENTATION: 6, TAKEN: -86_400_000_000, ZONE: -330, CAMERA: "Caméra", LATITUDE: -33.5, RATING: -1}
    runs = [
        [Fact(key, 1, some) for key in keys],
        [Fact(keys[0], 2, {**some, **more, LATER: "kept"} | {other: repo.hash.digest(b"2")})],
        [Fact(keys[0], 1, {BYTES: 1}), Fact(keys[1], 2, {BYTES: 301})],
    ]
    with repo.lock("ingest") as lock:
        lock.acquire(0.0, "facts")
        for run in runs:
            with repo.committing("seal"):
                changes, blobs = added(repo, run)
                repo.publish("seal", changes, blobs=blobs)


def identity(repo: Repository) -> None:
    with repo.committing("verify"):
        spaces = {space: {"identity": sha256(space.encode()).hexdigest()} for space in repo.state.spaces}
        repo.publish("verify", {"spaces": spaces}, about="identity")


def fetched(repo: Repository, number: int) -> None:
    """A snapshot of another store, over the aliases and fields of the current one here."""
    name = f"origin/v{number}"
    with repo.committing("sync"):
        manifest = repo.manifest(repo.snapshot("current"))
        made = manifest._replace(name=f"v{number}", parent=f"v{number - 1}", message="made elsewhere", store=OTHER)
        data = made.to_bytes()
        digest = repo.hash.digest(data)
        snapshot = Snapshot.of(made, digest, made.content_id(repo.hash))
        entry = snapshot._replace(name=name, parent=f"origin/v{number - 1}").to_json()
        origin = Origin(OTHER, 40 + number, repo.hash.digest(name.encode()).hex())
        repo.publish("sync", {"snapshots": {name: entry}}, blobs={digest: data}, origin=origin, about=name)


def index(repo: Repository) -> None:
    """A part that covers every segment, and one of the whole space."""
    (space,) = repo.state.spaces
    refs = repo.state.segments(space)
    with repo.lock("ingest") as lock:
        lock.acquire(0.0, "index")
        for covers, payload in ((refs, b"neighbours"), ([], b"centroids" * 20)):
            parameters = {"degree": 8, "seed": 1.5}
            write_index_part(repo, space, "graph", [payload], size=len(payload), covers=covers, parameters=parameters)


def journal(repo: Repository, picture: Path) -> None:
    """What a run leaves that was killed after it embedded one picture."""
    data = picture.read_bytes()
    prepared, _ = prepare(data, Preparation())
    (space,) = repo.state.spaces.values()
    keeper = Keeper(repo, space.id, space.dim)
    keeper.keep([repo.hash.digest(data)], BuiltinEmbedder().embed_images([prepared]))
    keeper.close()


def every_kind(store: Path) -> None:
    repo = Repository(store)
    keys = sorted(set(repo.tree(repo.snapshot("current")).every_key()))
    fields(repo, keys)
    decisions(repo, keys)
    facts(repo, keys)
    identity(repo)
    fetched(repo, 6)
    fetched(repo, 7)
    index(repo)


def main(folder: Path) -> None:
    pictures, store, other = folder / "pictures", folder / "store", folder / "sha256-float32"
    Store.init(store)
    many_snapshots(store, pictures)
    every_kind(store)
    with Store(store) as opened:
        shutil.copy(pictures / "a.png", pictures / "copy of a.png")
        draw(pictures / "d.png", 3, 9, 4)
        opened.sync([pictures], message="a copy, a new one")
        opened.snapshot_tag("v32", "middle")
        opened.snapshot_forget(["v40", f"v{MANY + 2}"])
        opened.rollback("v24")
        opened.undo()
        opened.rollback(f"v{MANY + 1}", hold=True)
    Store.init(other, hash="sha256", store_dtype="float32")
    with Store(other) as opened:
        opened.sync([pictures])
    every_kind(other)
    repo = Repository(store)
    decide(repo, [Choice("same", sorted(set(repo.tree(repo.snapshot("first")).every_key())))])
    with Store(store) as opened:
        opened.undo()
    draw(pictures / "e.png", 0, 0, 9)
    journal(repo, pictures / "e.png")
    for made in (store, other):
        for name in ("catalogue", "cache", "locks", "quarantine"):
            shutil.rmtree(made / name)
        (made / "reserve").unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
