"""A store whose model lies in a folder of its own, which a test may change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.folders import put
from support.format_1 import begin
from support.recut import copied

from vstore.format.entries import Space
from vstore.repository.repository import Repository
from vstore.store import Store


class World:
    """A folder of pictures, and a store with the space of a model in a folder of its own."""

    def __init__(self, top: Path, model: Path, adapter: Path | None = None, *, format: int = 2, **words: Any) -> None:
        self.top, self.model = top, copied(model, top / "model")
        self.adapter = copied(adapter, top / "adapter") if adapter else None
        self.folder = top / ".vstore"
        self.count = 0
        if format == 1:
            begin(self.folder)
        self.words = {"model": str(self.model), "adapter": self.adapter and str(self.adapter), **words}
        Store.init(self.folder, device="cpu", name="one", **self.words)
        self.store = Store(self.folder)

    def sync(self, pictures: int = 1, **options: Any) -> Any:
        """Sync some new pictures."""
        (self.top / "pictures").mkdir(exist_ok=True)
        put(self.top / "pictures", {f"{self.count + i}.png": self.count + i for i in range(pictures)})
        self.count += pictures
        return self.store.sync([self.top / "pictures"], device="cpu", **options)

    @property
    def repo(self) -> Repository:
        return Repository(self.folder)

    @property
    def space(self) -> Space:
        return self.repo.space("one")

    def forget(self) -> None:
        """As if the space had been made before there were identities."""
        repo = self.repo
        with repo.committing("test"):
            repo.publish("verify", {"spaces": {self.space.id: {"identity": None}}}, about="test")
        assert self.space.identity == ""
