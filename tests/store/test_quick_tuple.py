"""Named tuples that are quick to define are as those of `typing`."""

from __future__ import annotations

import copy
import inspect
import pickle
import typing

from vstore.quick_tuple import NamedTuple


class Quick(NamedTuple):
    """A pair.

    one: required.
    two: not.
    """

    one: int
    two: str = "b"

    @property
    def both(self) -> str:
        """Both at once."""
        return f"{self.one}{self.two}"

    @classmethod
    def of(cls, one: int) -> Quick:
        return cls(one)


class Usual(typing.NamedTuple):
    """A pair.

    one: required.
    two: not.
    """

    one: int
    two: str = "b"


def test_a_quick_named_tuple_is_as_one_of_typing() -> None:
    for name in ("_fields", "_field_defaults", "__doc__", "__module__", "__bases__", "__slots__"):
        assert getattr(Quick, name) == getattr(Usual, name), name
    assert Quick.__qualname__ == Quick.__name__ == "Quick"
    assert list(inspect.signature(Quick).parameters) == list(inspect.signature(Usual).parameters) == ["one", "two"]
    assert typing.get_type_hints(Quick) == typing.get_type_hints(Usual) == {"one": int, "two": str}
    assert Quick(1) == Usual(1) == (1, "b")
    assert repr(Quick(1)) == "Quick(one=1, two='b')"
    assert (Quick.of(3).both, Quick(1)._replace(two="c").both) == ("3b", "1c")
    assert pickle.loads(pickle.dumps(Quick(2, "x"))) == copy.copy(Quick(2, "x")) == Quick(2, "x")
