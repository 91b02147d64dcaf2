"""Two pictures with one hash, as somebody can make them for xxh3: what SECURITY.md says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.folders import World

from vstore.format.hashing import HASHES, store_hash

HASH = store_hash("xxh3_128")
MARK = b"made to collide"


class Weak:
    """A hash under which all pictures that end in the mark are one."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = bytearray(data)

    def update(self, data: bytes) -> None:
        self._data += data

    def digest(self) -> bytes:
        return HASH.digest(MARK if self._data.endswith(MARK) else bytes(self._data))


def test_of_two_pictures_with_one_hash_the_second_gets_the_vector_of_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put({"a.png": 1, "b.png": 2})
    files = [world.pictures / "a.png", world.pictures / "b.png"]
    for file in files:
        file.write_bytes(file.read_bytes() + MARK)
    before = contents(world.pictures)
    weak = HASH._replace(digest=lambda data: Weak(bytes(data)).digest(), new=Weak)
    monkeypatch.setitem(HASHES, "xxh3_128", weak)
    with world.another() as store:
        assert store.sync([world.pictures]).embedded == 1
        (group,) = store.dupes().groups
        assert len(group.paths) == 2 and not group.troubles
        (verified,) = store.dupes(verify=True).groups
        assert list(verified.troubles.values()) == ["it differs"]
    assert contents(world.pictures) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
