"""Checks the parts of indexes: each can be made again, so that a bad one is no damage."""

from __future__ import annotations

from pathlib import Path

from vstore.check.findings import Findings
from vstore.disk.index_parts import IndexPart, part_files, part_folders, unfinished_parts
from vstore.errors import Damage
from vstore.format.layout import Layout
from vstore.format.state import State


def check_index_parts(layout: Layout, state: State, findings: Findings, *, read_whole: bool) -> None:
    """Note bad, unused and unfinished parts. read_whole: read the payloads too."""
    unused = unfinished = 0
    for folder in part_folders(layout):
        unfinished += len(unfinished_parts(folder))
        unused += sum(_is_unused(path, state, findings, read_whole) for path in part_files(folder))
    for amount, what in (
        (unused, "unused files in indexes/: {} (gc deletes them)"),
        (unfinished, "unfinished files in indexes/: {}"),
    ):
        if amount:
            findings.notes.append(what.format(amount))


def _is_unused(path: Path, state: State, findings: Findings, read_whole: bool) -> bool:
    """Check one part. Returns: whether it is sound, and of no use."""
    try:
        with IndexPart(path) as part:
            if read_whole:
                part.verify()
                findings.bytes_read += part.head.size
            return part.head.space not in state.spaces or not part.head.fits(state.segments(part.head.space))
    except FileNotFoundError:
        return False  # gc deleted it meanwhile
    except Damage as err:
        findings.notes.append(f"{err.message} (repair deletes it)")
    except OSError as err:
        findings.notes.append(f"indexes/{path.parent.name}/{path.name} may not be read: {err.strerror}")
    return False
