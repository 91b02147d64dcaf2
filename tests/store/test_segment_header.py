"""The header of a segment: what FORMAT.md says, what faiss writes, and nothing else before faiss sees a file."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from support.format_page import TEXT

from vstore.disk.footer import FOOTER_SIZE, Footer
from vstore.disk.segments import Segment
from vstore.errors import Damage
from vstore.format.entries import FileRef
from vstore.format.hashing import checksum
from vstore.format.layout import DTYPES
from vstore.format.segment_header import segment_header


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("dim", "rows"), [(1, 1), (8, 3), (3584, 17)])
def test_the_header_is_the_one_that_faiss_writes(dtype: str, dim: int, rows: int) -> None:
    index: Any = faiss.IndexFlatIP(dim)
    if dtype == "float16":
        index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index.add(np.zeros((rows, dim), np.float32))
    written = np.asarray(faiss.serialize_index(index)).tobytes()
    assert written[: -rows * dim * DTYPES[dtype]] == segment_header(dtype, dim, rows)


def test_the_header_is_the_one_of_the_example_in_format() -> None:
    part = TEXT[TEXT.index("With d = 768 and n = 1,000:") :].split("```")[1]
    expected = segment_header("float16", 768, 1000) + segment_header("float32", 768, 1000)
    assert bytes.fromhex("".join(re.findall(r"\b[0-9a-f]{2}\b", part))) == expected


def forged(folder: Path, header: bytes, **footer: int) -> FileRef:
    """Write a segment of three rows with another header, all of whose checksums are right."""
    rows, keys = np.eye(3, 8, dtype=np.float16).tobytes(), b"k" * 16 + b"l" * 16 + b"m" * 16
    sums = checksum(rows)
    made = Footer(
        dtype="float16",
        key_size=16,
        dim=8,
        rows=3,
        header=len(header),
        space=bytes(32),
        time=1,
        header_sum=checksum(header),
        keys_sum=checksum(keys),
        sums_sum=checksum(sums),
    )._replace(**footer)
    tail = made.to_bytes()
    data = header + rows + keys + sums + tail
    (folder / "a.faiss").write_bytes(data)
    return FileRef("a.faiss", len(data), tail[-16:-8].hex(), made.rows)


LEGAL = segment_header("float16", 8, 3)


@pytest.mark.parametrize("at", range(len(LEGAL)))
def test_a_header_with_another_byte_is_damage_though_its_checksum_fits(tmp_path: Path, at: int) -> None:
    segment = Segment(tmp_path, forged(tmp_path, LEGAL[:at] + bytes([LEGAL[at] ^ 0x40]) + LEGAL[at + 1 :]))
    for use in (segment.verify, lambda: segment.verify_rows([0])):
        with pytest.raises(Damage, match="its header is not the one that a segment of its size has"):
            use()


@pytest.mark.parametrize("header", [b"", LEGAL[:-1], LEGAL + b"\0", segment_header("float32", 8, 3)])
def test_a_header_of_another_length_is_damage(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(Damage, match="claims another header"):
        Segment(tmp_path, forged(tmp_path, header))


CLAIMS = [
    {"dim": 0, "rows": 3},
    {"dim": (1 << 20) + 1, "rows": 3},
    {"dim": 8, "rows": 0},
    {"dim": 8, "rows": 1 << 32},
    {"dim": 8, "rows": (1 << 64) - 1},
    {"key_size": 0},
    {"key_size": 17},
    {"key_size": (1 << 32) - 1},
    {"time": -1},
    {"time": 1 << 62},
]


@pytest.mark.parametrize("claims", CLAIMS)
def test_a_footer_that_claims_what_no_segment_has_is_none(claims: dict[str, int]) -> None:
    footer = Footer("float16", 16, 8, 3, len(LEGAL), bytes(32), 0, bytes(8), bytes(8), bytes(8))
    assert Footer.from_bytes(footer.to_bytes()) == footer
    with pytest.raises(ValueError, match="it claims"):
        Footer.from_bytes(footer._replace(**claims).to_bytes())


def test_a_footer_with_something_in_its_free_bytes_is_none() -> None:
    data = bytearray(Footer("float16", 16, 8, 3, 81, bytes(32), 0, bytes(8), bytes(8), bytes(8)).to_bytes())
    struct.pack_into("<B", data, 100, 1)
    data[-16:-8] = checksum(bytes(data[:-16]))
    assert len(data) == FOOTER_SIZE
    with pytest.raises(ValueError, match="it claims another header, or holds more"):
        Footer.from_bytes(bytes(data))
