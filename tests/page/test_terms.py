"""The terms of a query, as an address has them; and the pictures that clients send."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from vstore import Store, UsageError
from vstore_page.terms import Term, operands_of, read_terms
from vstore_page.uploads import NotKept, Uploads

KEY = "0123456789abcdef" * 2


def drawn(colour: int, side: int = 40) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (colour, 0, 0)).save(out, "PNG")
    return out.getvalue()


def test_terms_are_read_in_their_order() -> None:
    given = ["+1:text:red car", f"-0.5:key:{KEY}", "2:up:abc", " 1:text:a:b", ".25:text:x\ny"]
    assert read_terms(given) == [
        Term(1.0, "text", "red car"),
        Term(-0.5, "key", KEY),
        Term(2.0, "up", "abc"),
        Term(1.0, "text", "a:b"),
        Term(0.25, "text", "x\ny"),
    ]


def test_a_term_is_written_as_it_is_read() -> None:
    for term in (Term(1.0, "text", "a:b +"), Term(-0.125, "key", KEY), Term(33.5, "up", "ab")):
        assert read_terms([str(term)]) == [term]
    assert str(Term(1.0, "text", "red car")) == "+1:text:red car"


@pytest.mark.parametrize(
    "given",
    ["", "red car", "1:red", "+1:file:/etc/passwd", "+0:text:a", "+1e9:text:a", "+101:text:a", "+nan:text:a",
     "+1:text: ", f"+1:text:{'a' * 2001}", "+1:key:12", "+1:key:../../x", "+1:text", "+١:text:a"],
)  # fmt: skip
def test_what_is_no_term_is_refused(given: str) -> None:
    with pytest.raises(UsageError):
        read_terms([given])


def test_a_query_of_very_many_parts_is_refused() -> None:
    assert len(read_terms(["+1:text:a"] * 20)) == 20
    with pytest.raises(UsageError, match="21 parts"):
        read_terms(["+1:text:a"] * 21)


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    Store.init(tmp_path / ".vstore")
    with Store(tmp_path / ".vstore") as store, store.previews() as previews:
        yield Uploads(previews, most=3, memory=10_000)


def test_no_term_of_a_client_is_taken_for_a_file(uploads: Uploads) -> None:
    name = uploads.add(drawn(1))
    text, key, picture = operands_of(read_terms(["+1:text:./a.jpg", f"+2:key:{KEY}", f"-1:up:{name}"]), uploads)
    assert (text.text, text.typed, text.image) == ("./a.jpg", False, None)
    assert (key.key, key.weight) == (bytes.fromhex(KEY), 2.0)
    assert (picture.data, picture.weight) == (drawn(1), -1.0)


def test_uploads_are_few_and_the_last(uploads: Uploads) -> None:
    names = [uploads.add(drawn(number)) for number in range(3)]
    assert uploads.add(drawn(0)) == names[0]
    uploads.add(drawn(3))
    assert uploads.of(names[0]).data == drawn(0)
    with pytest.raises(NotKept, match="no longer kept"):
        uploads.of(names[1])


def test_uploads_keep_to_their_memory(uploads: Uploads) -> None:
    noise = io.BytesIO()
    Image.effect_noise((90, 90), 80).save(noise, "PNG")
    assert 5_000 < len(noise.getvalue()) < 10_000
    first = uploads.add(drawn(1))
    second = uploads.add(noise.getvalue())
    third = uploads.add(noise.getvalue() + b"more")
    assert uploads.of(third)
    for gone in (first, second):
        with pytest.raises(NotKept):
            uploads.of(gone)


@pytest.mark.parametrize("data", [b"", b"no picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
def test_what_is_no_picture_is_refused(uploads: Uploads, data: bytes) -> None:
    with pytest.raises(UsageError, match="the picture cannot be decoded"):
        uploads.add(data)
