"""rclip's SQLite file: a table `images` with path, size, time and vector of each picture."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vstore.errors import UsageError
from vstore.importing.listing import Entry, Listing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]


class RclipSource:
    """The vectors of pictures that rclip has not marked as deleted, in the order of their ids."""

    def __init__(self, path: Path) -> None:
        """Read the ids. Raises: UsageError if it is not a database of rclip."""
        if not path.is_file():
            raise UsageError(f"{path} is not a file", "rclip keeps its index in db.sqlite3")
        self.files: tuple[Path, ...] = (path,)
        self.dtype = "float32"
        self.ids: Array | None = None
        self.notes: tuple[str, ...] = ("rclip keeps float32",)
        self._address = f"file:{quote(str(path.resolve()))}?mode=ro"
        try:
            self._numbers = [row[0] for row in self._ask("SELECT id FROM images WHERE deleted IS NULL ORDER BY id")]
            sizes = {row[0] for row in self._ask("SELECT DISTINCT length(vector) FROM images WHERE deleted IS NULL")}
        except sqlite3.Error as err:
            raise UsageError(f"{path} is not an index of rclip ({err})", "rclip keeps its index in db.sqlite3") from err
        if len(sizes) != 1 or (size := sizes.pop() or 0) < 4 or size % 4:
            raise UsageError(f"{path} holds no vectors, or vectors of different lengths")
        self.rows, self.dim = len(self._numbers), size // 4

    def _ask(self, question: str, values: tuple[int, ...] = ()) -> list[Any]:
        """Ask one question. The database is open only meanwhile, as nobody closes a source. Raises: sqlite3.Error."""
        # Read-only: nothing is written, not even the leftovers of a journal.
        with closing(sqlite3.connect(self._address, uri=True)) as connection:
            return connection.execute(question, values).fetchall()

    def block(self, first: int, end: int) -> Array:
        import numpy as np

        found = self._ask(
            "SELECT vector FROM images WHERE deleted IS NULL AND id BETWEEN ? AND ? ORDER BY id",
            (self._numbers[first], self._numbers[end - 1]),
        )
        data: npt.NDArray[np.float32] = np.frombuffer(b"".join(row[0] for row in found), "<f4")
        return data.reshape(end - first, self.dim)

    def listing(self) -> Listing:
        """List path, size and time of each picture, in the order of the vectors."""
        found = self._ask("SELECT filepath, size, modified_at FROM images WHERE deleted IS NULL ORDER BY id")
        entries = [
            Entry(str(path).encode("utf-8", "surrogateescape"), int(size), float(time)) for path, size, time in found
        ]
        return Listing(entries, {}, notes=("paths, sizes and times are those of rclip's table",))
