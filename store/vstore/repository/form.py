"""The form of a store: the content of its file FORMAT."""

from __future__ import annotations

from pathlib import Path

from vstore.disk import durable, inside
from vstore.disk.trouble import LOST
from vstore.errors import Damage, FormatTooNew, NoStore, UsageError
from vstore.format.canonical import Document, canonical, parsed
from vstore.format.hashing import checksum, store_hash
from vstore.format.layout import DTYPES, FORMATS, NEWEST
from vstore.limits import refuse_limit
from vstore.quick_tuple import NamedTuple

LONGEST = 1 << 16  # bytes of FORMAT at most
_STORES = 100  # whose valid files are remembered
_read: dict[bytes, Form] = {}


class Form(NamedTuple):
    """The permanent choices of a store.

    store:  its id, 32 random hex digits.
    hash:   the name of the hash of pictures and objects.
    dtype:  the numbers of a vector, float16 or float32.
    format: its format; the one choice that `vstore migrate` changes.
    """

    store: str
    hash: str
    dtype: str
    format: int = NEWEST

    def to_bytes(self) -> bytes:
        form = {"format": self.format, "store": self.store, "hash": self.hash, "dtype": self.dtype}
        return canonical({**form, "check": _check(form)}) + b"\n"


def read_form(folder: Path) -> Form:
    """Read the file FORMAT of a store. Raises: NoStore, FormatTooNew, Damage."""
    path = inside.layout_of(folder).format
    try:
        text = durable.read(path, LONGEST)
    except (FileNotFoundError, NotADirectoryError):
        from vstore.near_files import did_you_mean
        from vstore.repository.discovery import near_stores

        raise NoStore(
            f"there is no store at {folder}",
            did_you_mean(near_stores(folder), "make one with: vstore init, or name its folder with --store"),
        ) from None
    except OSError as err:
        refuse_limit(err, f"read {path}")
        if err.errno not in LOST:
            raise
        raise Damage(f"{path} cannot be read: {err.strerror}", "run: vstore repair") from err
    if (known := _read.get(text)) is not None:  # each query of a view reads it
        return known
    try:
        value = parsed(text, LONGEST)
        # A later format keeps `check` as it is: else one flipped bit of the version would read as a later format.
        is_later = value["format"] > NEWEST
        if is_later and _check({n: v for n, v in value.items() if n != "check"}) == value["check"]:
            raise FormatTooNew(
                f"the store {folder} has format {value['format']}; this vstore reads up to {NEWEST}",
                "upgrade vstore: pip install -U vstore-index",
            )
        form = Form(value["store"], store_hash(value["hash"]).name, value["dtype"], value["format"])
        if form.dtype not in DTYPES or form.format not in FORMATS or form.to_bytes() != text:
            raise ValueError("its content is not valid")
    except (ValueError, KeyError, TypeError, AttributeError, UsageError) as err:
        raise Damage(f"{path} cannot be read: {err!r}", "run: vstore repair") from err
    if len(_read) < _STORES:
        _read[text] = form
    return form


def _check(form: Document) -> str:
    """Compute the field `check`: the checksum of the other fields, against rot in FORMAT."""
    return checksum(canonical(form)).hex()
