"""JSON lines: a line per picture, in the order of the keys, or best first."""

from __future__ import annotations

import json
from pathlib import Path

from vstore.disk.target import create
from vstore.export.details import DetailsFile
from vstore.export.pictures import Pictures
from vstore.format.canonical import Json
from vstore.repository.repository import Repository


def write(repo: Repository, pictures: Pictures, out: Path) -> None:
    with DetailsFile(pictures, out.parent) as details, create(out) as file:
        for keys, rows in pictures.blocks(pictures.order):
            for key, row in zip(keys, rows, strict=True):
                entry: dict[str, Json] = {"key": key.hex(), **pictures.named(key), **details.of(key)}
                if pictures.scores is not None:
                    entry["score"] = pictures.scores[key]
                entry["vector"] = [float(number) for number in row]
                file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
