"""The stores of others that a user trusts: a file each, in the user's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from vstore.disk.trusted import Trusted, distrust, folder_of, is_trusted, trust, trusted

STORE = Trusted(Path("/srv/pictures/.vstore"), 1001)


def test_a_trusted_store_is_known_to_the_next_process_and_can_be_forgotten(tmp_path: Path) -> None:
    config = tmp_path / "no" / "config"
    assert not is_trusted(config, STORE)
    assert trusted(config) == []
    trust(config, STORE)
    assert is_trusted(config, STORE)
    assert trusted(config) == [STORE]
    distrust(config, STORE)
    distrust(config, STORE)
    assert not is_trusted(config, STORE)


def test_it_is_one_folder_of_one_owner(tmp_path: Path) -> None:
    trust(tmp_path, STORE)
    assert not is_trusted(tmp_path, STORE._replace(owner=1002))
    assert not is_trusted(tmp_path, STORE._replace(folder=Path("/srv/pictures/.vstore/x")))
    trust(tmp_path, STORE._replace(owner=1002))
    assert trusted(tmp_path) == [STORE._replace(owner=1002)], "the newer takes the place of the older"


def test_without_a_configuration_nothing_is_trusted() -> None:
    assert not is_trusted(None, STORE)
    assert trusted(None) == []


def test_a_name_that_is_not_utf8_is_kept(tmp_path: Path) -> None:
    odd = Trusted(Path("/srv/\udcff\n"), 0)
    trust(tmp_path, odd)
    assert trusted(tmp_path) == [odd]


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"\xff", STORE.to_bytes()[:-2], STORE.to_bytes() + b" ", b'{"owner":-1,"store":"/srv"}\n',
     b'{"owner":"1","store":"/srv"}\n', b'{"owner":1,"store":["/srv"]}\n', b"[" * 100_000],
)  # fmt: skip
def test_what_vstore_did_not_write_is_passed_over(tmp_path: Path, data: bytes) -> None:
    trust(tmp_path, STORE)
    (folder_of(tmp_path) / STORE.file).write_bytes(data)
    assert not is_trusted(tmp_path, STORE)
    assert trusted(tmp_path) == []


def test_a_file_under_the_name_of_another_store_is_passed_over(tmp_path: Path) -> None:
    trust(tmp_path, STORE)
    other = STORE._replace(folder=Path("/other"))
    (folder_of(tmp_path) / other.file).write_bytes(STORE.to_bytes())
    assert not is_trusted(tmp_path, other)
    assert trusted(tmp_path) == [STORE]
