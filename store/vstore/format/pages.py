"""The pages of trees: inner pages of every kind, which name the pages below them, and the leaves of aliases. Pure."""

from __future__ import annotations

import operator

from vstore.errors import Damage
from vstore.format.leb128 import get_number, put_number
from vstore.format.names import LONGEST_PATH
from vstore.quick_tuple import NamedTuple

Entry = tuple[bytes, bytes]  # key, value
Alias = Entry  # path, key of the picture

ALIAS, TABLE, FACTS = b"p", b"t", b"f"  # the kinds of trees
MAXIMUM = 512  # entries per page at most
LONGEST_KEY = 1_024  # bytes of a key of a table, or of facts
_NAMES = {ALIAS: "an alias page", TABLE: "a table page", FACTS: "a page of facts"}
_MAGIC_SIZE = 3
_FOLDERS = 8  # of a leaf that are looked at one by one: to unpack the paths of many small ones costs less


class Child(NamedTuple):
    """A page, as the page above it names it.

    first:  the path, or the key of an entry, with which it begins.
    digest: of its bytes.
    count:  the entries under it.
    """

    first: bytes
    digest: bytes
    count: int  # type: ignore[assignment]  # not the method of tuples


def encode_leaf(aliases: list[Alias]) -> bytes:
    """Write a leaf of aliases: magic, number of aliases, the paths, then all keys.

    Each path: length of the prefix shared with the one before, length of the rest, the rest.
    """
    out = bytearray(magic(ALIAS, 0))
    put_number(out, len(aliases))
    put_keys(out, [path for path, _ in aliases])
    for _, key in aliases:
        out += key
    return bytes(out)


def decode_leaf(data: bytes, key_size: int) -> list[Alias]:
    """Read a leaf of aliases. Raises: Damage if it is not a valid one."""
    try:
        count, at = begin_page(data, ALIAS, 0)
        paths, at = get_keys(data, at, count, LONGEST_PATH)
        if len(data) != at + count * key_size:
            raise ValueError("its length is wrong")
        if not rises(paths) or not _lead_down(paths):
            raise ValueError("its paths are out of order, or are none")
        return [(path, data[at + i * key_size : at + (i + 1) * key_size]) for i, path in enumerate(paths)]
    except (ValueError, IndexError) as err:
        raise no_page(ALIAS, err) from err


def leaf_paths(data: bytes) -> list[bytes]:
    """Read the paths of a leaf of aliases alone, without a look at their order. Raises: Damage."""
    try:
        count, at = begin_page(data, ALIAS, 0)
        return get_keys(data, at, count, LONGEST_PATH)[0]
    except (ValueError, IndexError) as err:
        raise no_page(ALIAS, err) from err


def may_hold(data: bytes, literal: bytes) -> bool:
    """Tell whether a path of a leaf of aliases may have some bytes in a row, at a third of the cost of unpacking it.

    A path is written from where it differs from the one before. So of paths that begin alike, as those of a folder do,
    all bytes after that beginning stand in the page: where one of the bytes looked for is missing, no path has them.

    literal: the bytes, not none.
    Raises:  Damage if it is not a leaf.
    """
    # Of the paths of one folder: the first one, the place after it, what all share, and the length of the folder.
    path, least, folder, folders = b"", 1, 1, 0
    try:
        count, at = begin_page(data, ALIAS, 0)
        start = at
        for _ in range(count):
            shared, size = data[at], data[at + 1]
            if not least <= shared < 0x80 > size:
                if shared >= 0x80 or size >= 0x80:
                    return True
                if shared < folder:
                    folders += 1
                    if folders > _FOLDERS or _may_follow(path[:least], path[least:] + data[start:at], literal):
                        return True
                    start = at + 2 + size
                    path = path[:shared] + data[at + 2 : start]
                    folder = path.rfind(b"/") + 1
                    shared = len(path)
                least = shared
            at += 2 + size
    except (ValueError, IndexError) as err:
        raise no_page(ALIAS, err) from err
    return _may_follow(path[:least], path[least:] + data[start:at], literal)


def _may_follow(beginning: bytes, written: bytes, literal: bytes) -> bool:
    """Tell whether bytes may stand in a row in paths that all have a beginning, and after it no bytes but some."""
    if literal in beginning or all(byte in written for byte in literal):
        return True
    at = beginning.find(literal[0], max(0, len(beginning) - len(literal) + 1))  # it may begin there, and end after it
    while at >= 0 and not literal.startswith(beginning[at:]):
        at = beginning.find(literal[0], at + 1)
    return at >= 0


def leaf_keys(data: bytes, key_size: int) -> bytes:
    """Read the key column of a leaf of aliases alone, without its paths. Raises: Damage if it is not a valid leaf."""
    try:
        count, at = begin_page(data, ALIAS, 0)
        if len(data) < at + count * (2 + key_size):
            raise ValueError("it is cut short")
    except (ValueError, IndexError) as err:
        raise no_page(ALIAS, err) from err
    return data[len(data) - count * key_size :]


def encode_inner(children: list[Child], level: int, kind: bytes = ALIAS) -> bytes:
    """Write magic, number of children, their first keys as in a leaf, then digest and count of each."""
    out = bytearray(magic(kind, level))
    put_number(out, len(children))
    put_keys(out, [child.first for child in children])
    for child in children:
        out += child.digest
        put_number(out, child.count)
    return bytes(out)


def decode_inner(data: bytes, digest_size: int, kind: bytes = ALIAS) -> list[Child]:
    """Read an inner page. Raises: Damage if it is not a valid one."""
    try:
        count, at = begin_page(data, kind, level_of(data, kind) or 1)
        firsts, at = get_keys(data, at, count, LONGEST_PATH if kind == ALIAS else LONGEST_KEY)
        if not firsts or not rises(firsts):
            raise ValueError("its children are out of order")
        children = []
        for first in firsts:
            digest = data[at : at + digest_size]
            size, at = get_number(data, at + digest_size)
            children.append(Child(first, digest, size))
        if at != len(data):
            raise ValueError("its length is wrong")
        if sum(child.count for child in children) >= 1 << 63:
            raise ValueError("it claims more entries than there can be")
        return children
    except (ValueError, IndexError) as err:
        raise no_page(kind, err) from err


def level_of(data: bytes, kind: bytes = ALIAS) -> int:
    """Tell how far above the leaves a page stands: 0 for a leaf. Raises: Damage if it is not of this kind."""
    if data[:2] != b"v" + kind or not b"0" <= data[2:3] <= b"9":
        raise no_page(kind, "it does not begin as FORMAT.md says")
    return data[2] - 0x30


def magic(kind: bytes, level: int) -> bytes:
    """Write the first bytes of a page."""
    return b"v" + kind + bytes([0x30 + level])


def begin_page(data: bytes, kind: bytes, level: int) -> tuple[int, int]:
    """Read the head of a page. Returns: its number of entries, and the place after the head. Raises: ValueError."""
    if data[:_MAGIC_SIZE] != magic(kind, level):
        raise ValueError("it does not begin as FORMAT.md says")
    count, at = get_number(data, _MAGIC_SIZE)
    if count > MAXIMUM:
        raise ValueError(f"it claims {count} entries")  # keys that share all of the one before would fill the memory
    return count, at


def no_page(kind: bytes, reason: object) -> Damage:
    """Make the error of a page that cannot be read."""
    return Damage(f"{_NAMES[kind]} cannot be read: {reason}", "run: vstore check")


def rises(keys: list[bytes]) -> bool:
    """Tell whether each key is greater than the one before it."""
    return all(map(operator.lt, keys, keys[1:]))


def _lead_down(paths: list[bytes]) -> bool:
    """Tell whether paths are names joined by slashes, none of which is empty or leads elsewhere."""
    if not paths:
        return True
    whole = b"/\0/".join(paths).join((b"/", b"/"))  # at once: a tree has hundreds of pages
    led = b"//" in whole or b"/./" in whole or b"/../" in whole
    return not led and whole.count(b"\0") == len(paths) - 1


def put_keys(out: bytearray, keys: list[bytes]) -> None:
    """Append keys, each without the prefix that it shares with the one before."""
    before = b""
    for key in keys:
        shared = _shared(before, key)
        rest = key[shared:]
        if shared < 0x80 and len(rest) < 0x80:  # nearly every path of nearly every page
            out.append(shared)
            out.append(len(rest))
        else:
            put_number(out, shared)
            put_number(out, len(rest))
        out += rest
        before = key


def get_keys(data: bytes, at: int, count: int, longest: int) -> tuple[list[bytes], int]:
    """Read keys. Returns: them, and the place after them. Raises: ValueError, IndexError.

    longest: bytes of a key at most.
    """
    keys = []
    key = b""
    for _ in range(count):
        shared, size = data[at], data[at + 1]
        if (shared | size) < 0x80:  # nearly every path of nearly every page
            at += 2
        else:
            shared, at = get_number(data, at)
            size, at = get_number(data, at)
            if shared + size > longest:  # 512 keys that share a long one would fill the memory
                raise ValueError(f"a key has {shared + size} bytes")
        end = at + size
        key = key[:shared] + data[at:end]
        if len(key) != shared + size:
            raise ValueError("a key runs over the end")
        at = end
        keys.append(key)
    return keys, at


def _shared(a: bytes, b: bytes) -> int:
    """Count the bytes that two keys share at their beginning."""
    size = min(len(a), len(b))
    differ = int.from_bytes(a[:size], "big") ^ int.from_bytes(b[:size], "big")  # no loop over bytes in Python
    return size - (differ.bit_length() + 7) // 8
