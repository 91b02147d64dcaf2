"""The pages of an alias tree: leaves of (path, key), and inner pages that name the pages below them. Pure."""

from __future__ import annotations

from typing import NamedTuple

from vstore.errors import Damage

Alias = tuple[bytes, bytes]  # path, key

MAXIMUM = 512  # entries per page at most
_LEAF = b"vp0"
_MAGIC_SIZE = 3


class Child(NamedTuple):
    """A page, as the page above names it.

    first:  the path with which it begins.
    digest: of its bytes.
    count:  the aliases under it.
    """

    first: bytes
    digest: bytes
    count: int  # type: ignore[assignment]  # not the method of tuples


def encode_leaf(aliases: list[Alias]) -> bytes:
    """Write magic, number of aliases, the paths, then all keys.

    Each path: length of the prefix shared with the one before, length of the rest, the rest.
    """
    out = bytearray(_LEAF)
    _put(out, len(aliases))
    _put_paths(out, [path for path, _ in aliases])
    for _, key in aliases:
        out += key
    return bytes(out)


def decode_leaf(data: bytes, key_size: int) -> list[Alias]:
    """Read a leaf. Raises: Damage if it is not a valid one."""
    try:
        count, at = _begin(data, 0)
        paths, at = _get_paths(data, at, count)
        if len(data) != at + count * key_size:
            raise ValueError("its length is wrong")
        return [(path, data[at + i * key_size : at + (i + 1) * key_size]) for i, path in enumerate(paths)]
    except (ValueError, IndexError) as err:
        raise Damage(f"an alias page cannot be read: {err}", "run: vstore check") from err


def leaf_keys(data: bytes, key_size: int) -> bytes:
    """Read the key column of a leaf alone, without its paths. Raises: Damage if it is not a valid leaf."""
    try:
        count, at = _begin(data, 0)
        if len(data) < at + count * (2 + key_size):
            raise ValueError("it is cut short")
    except (ValueError, IndexError) as err:
        raise Damage(f"an alias page cannot be read: {err}", "run: vstore check") from err
    return data[len(data) - count * key_size :]


def encode_inner(children: list[Child], level: int) -> bytes:
    """Write magic, number of children, their first paths as in a leaf, then digest and count of each."""
    out = bytearray(_magic(level))
    _put(out, len(children))
    _put_paths(out, [child.first for child in children])
    for child in children:
        out += child.digest
        _put(out, child.count)
    return bytes(out)


def decode_inner(data: bytes, digest_size: int) -> list[Child]:
    """Read an inner page. Raises: Damage if it is not a valid one."""
    try:
        count, at = _begin(data, level_of(data) or 1)
        paths, at = _get_paths(data, at, count)
        children = []
        for path in paths:
            digest = data[at : at + digest_size]
            size, at = _get(data, at + digest_size)
            children.append(Child(path, digest, size))
        if at != len(data):
            raise ValueError("its length is wrong")
        return children
    except (ValueError, IndexError) as err:
        raise Damage(f"an inner alias page cannot be read: {err}", "run: vstore check") from err


def level_of(data: bytes) -> int:
    """Tell how far above the leaves a page stands: 0 for a leaf. Raises: Damage."""
    if data[:2] != b"vp" or not b"0" <= data[2:3] <= b"9":
        raise Damage("an alias page does not begin as FORMAT.md says", "run: vstore check")
    return data[2] - 0x30


def _magic(level: int) -> bytes:
    return b"vp" + bytes([0x30 + level])


def _begin(data: bytes, level: int) -> tuple[int, int]:
    if data[:_MAGIC_SIZE] != _magic(level):
        raise ValueError("it does not begin as FORMAT.md says")
    count, at = _get(data, _MAGIC_SIZE)
    if count > MAXIMUM:
        raise ValueError(f"it claims {count} entries")  # paths that share all of the one before would fill the memory
    return count, at


def _put(out: bytearray, number: int) -> None:
    """Append a number as LEB128."""
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _get(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    number, shift = byte & 0x7F, 7
    while True:
        at += 1
        byte = data[at]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at + 1
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _put_paths(out: bytearray, paths: list[bytes]) -> None:
    before = b""
    for path in paths:
        shared = _shared(before, path)
        rest = path[shared:]
        if shared < 0x80 and len(rest) < 0x80:  # nearly every path of nearly every page
            out.append(shared)
            out.append(len(rest))
        else:
            _put(out, shared)
            _put(out, len(rest))
        out += rest
        before = path


def _get_paths(data: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    paths = []
    path = b""
    for _ in range(count):
        shared, size = data[at], data[at + 1]
        if shared < 0x80 and size < 0x80:  # nearly every path of nearly every page
            at += 2
        else:
            shared, at = _get(data, at)
            size, at = _get(data, at)
        if at + size > len(data) or shared > len(path):
            raise ValueError("a path runs over the end")
        path = path[:shared] + data[at : at + size]
        at += size
        paths.append(path)
    return paths, at


def _shared(a: bytes, b: bytes) -> int:
    """Count the bytes that two paths share at their beginning."""
    size = min(len(a), len(b))
    differ = int.from_bytes(a[:size], "big") ^ int.from_bytes(b[:size], "big")  # no loop over bytes in Python
    return size - (differ.bit_length() + 7) // 8
