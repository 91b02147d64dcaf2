"""The file `reserve`: room on the disk that gc frees first, to write its record on a full one."""

from __future__ import annotations

from vstore.disk import durable, inside
from vstore.format.layout import Layout

RESERVE = 1 << 20  # bytes


def write_reserve(layout: Layout) -> None:
    """Write the reserve. The caller holds `ingest`. Raises: DiskTrouble, ReadOnly."""
    durable.write_durably(layout.reserve, [bytes(RESERVE)], "ingest")


def has_reserve(layout: Layout) -> bool:
    """Tell whether the reserve exists at its full size."""
    return inside.exists(layout.reserve) and inside.look(layout.reserve).st_size == RESERVE
