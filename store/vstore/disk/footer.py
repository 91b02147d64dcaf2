"""The footer of a segment: the shape of its content, and the checksums of all its parts."""

from __future__ import annotations

import struct

from vstore.format.hashing import KEY_SIZES, checksum
from vstore.format.layout import DTYPE_CODES, DTYPES
from vstore.format.segment_header import LARGEST_DIM, MOST_ROWS, segment_header
from vstore.quick_tuple import NamedTuple

BLOCK = 4096  # rows per checksum
_MAGIC = b"vsegment"
# version, dtype code, key bytes, dim, rows, header bytes, space, time, header sum, keys sum, sums sum, reserved
_FOOTER = struct.Struct("<HHIIQI32sq8s8s8s24s8s8s")
_VERSION = 1
_YEAR_10000 = 253_402_300_800  # seconds since 1970
FOOTER_SIZE = _FOOTER.size


class Footer(NamedTuple):
    """The last 128 bytes of a segment.

    dtype:      the numbers of a row.
    key_size:   the bytes of a key.
    dim:        the numbers of a row.
    rows:       how many rows there are.
    header:     the bytes before the rows.
    space:      32 bytes, the space for which it was written.
    time:       seconds since 1970, UTC.
    header_sum: the checksum of the header.
    keys_sum:   the checksum of the keys.
    sums_sum:   the checksum of the checksums of the rows.
    """

    dtype: str
    key_size: int
    dim: int
    rows: int
    header: int
    space: bytes
    time: int
    header_sum: bytes
    keys_sum: bytes
    sums_sum: bytes

    def to_bytes(self) -> bytes:
        body = _FOOTER.pack(
            _VERSION,
            DTYPE_CODES[self.dtype],
            self.key_size,
            self.dim,
            self.rows,
            self.header,
            self.space,
            self.time,
            self.header_sum,
            self.keys_sum,
            self.sums_sum,
            bytes(24),
            bytes(8),
            _MAGIC,
        )
        return body[:-16] + checksum(body[:-16]) + _MAGIC

    @classmethod
    def from_bytes(cls, data: bytes) -> Footer:
        """Read a footer. Raises: ValueError if it does not match its checksum, or says what no segment is."""
        if len(data) != _FOOTER.size or data[-8:] != _MAGIC or checksum(data[:-16]) != data[-16:-8]:
            raise ValueError("its footer does not match its checksum")
        version, code, key, dim, rows, header, space, time, head, keys, sums, free, _, _ = _FOOTER.unpack(data)
        dtypes = {code: name for name, code in DTYPE_CODES.items()}
        if version != _VERSION or code not in dtypes:
            raise ValueError(f"it has version {version} and dtype {code}, which this vstore does not know")
        if not (1 <= dim <= LARGEST_DIM and 1 <= rows <= MOST_ROWS and key in KEY_SIZES and 0 <= time < _YEAR_10000):
            raise ValueError(f"it claims {rows} rows of {dim} numbers, keys of {key} bytes and the time {time}")
        if header != len(segment_header(dtypes[code], dim, rows)) or any(free):
            raise ValueError("it claims another header, or holds more than FORMAT.md says")
        return cls(
            dtype=dtypes[code],
            key_size=key,
            dim=dim,
            rows=rows,
            header=header,
            space=space,
            time=time,
            header_sum=head,
            keys_sum=keys,
            sums_sum=sums,
        )

    @property
    def legal_header(self) -> bytes:
        """The only bytes that may stand before the rows."""
        return segment_header(self.dtype, self.dim, self.rows)

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return self.dim * DTYPES[self.dtype]

    @property
    def keys_at(self) -> int:
        """Offset of the keys."""
        return self.header + self.rows * self.width

    @property
    def sums_at(self) -> int:
        """Offset of the checksums of the rows."""
        return self.keys_at + self.rows * self.key_size

    @property
    def size(self) -> int:
        """Bytes of the whole segment."""
        return self.sums_at + 8 * -(-self.rows // BLOCK) + _FOOTER.size
