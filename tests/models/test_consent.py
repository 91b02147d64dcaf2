"""Models at another machine: what a store says of them is done only once its user has allowed it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.folders import put
from support.model_store import settle
from support.shell import Shell
from support.tiny_remote import save_remote
from support.zoo import Zoo

from vstore.disk.cache import read_cache_json, write_cache
from vstore.embed.hf.description import describe
from vstore.embed.hf.digests import Digests, Remembered
from vstore.embed.hf.identity import Known
from vstore.embed.hf.loading import find_files
from vstore.embed.model_words import Words
from vstore.errors import ModelError


@pytest.fixture(autouse=True)
def no_shared_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers.dynamic_module_utils as dynamic

    monkeypatch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path / "modules"))


def as_user(name: str, vstore: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(vstore.top / name))


def query(vstore: Shell) -> str:
    put(vstore.top, {"query.png": 77})
    return "./query.png"


def test_the_code_of_a_strangers_model_runs_only_once_it_is_allowed_here(
    vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_remote(vstore.top / "own", zoo["clip"], "tensors")
    with (folder / "own.py").open("a") as file:
        # At each making of a model: Python imports a module once.
        file.write(
            f"\nmade = OwnModel.__init__\ndef canary(self, config):\n    open({str(vstore.top / 'ran')!r}, 'a')\n"
        )
        file.write("    made(self, config)\nOwnModel.__init__ = canary\n")
    as_user("stranger", vstore, monkeypatch)
    vstore.good("sync", "pictures", "--model", "./own", "--trust-remote-code")
    vstore.good("search", query(vstore), "-k", "1")
    (vstore.top / "ran").unlink()  # it does run
    as_user("me", vstore, monkeypatch)
    for words in (("search", query(vstore)), ("search", "words"), ("check", "--reembed", "2"), ("model", "serve")):
        assert "vstore model allow own --trust-remote-code" in vstore.bad(5, *words)
    put(vstore.top / "pictures", {"new.png": 50})
    vstore.bad(5, "sync")
    vstore.bad(5, "model", "allow", "own")
    vstore.bad(5, "model", "add", "other", "--adapter", "nowhere")
    assert not (vstore.top / "ran").exists()
    vstore.good("search", "./pictures/1.png", "-k", "1")  # a stored picture needs no model
    assert vstore.json("model", "allow", "--trust-remote-code")["known"] is False
    vstore.good("sync")
    assert (vstore.top / "ran").exists()


def test_a_model_of_before_is_allowed_without_a_question(
    vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(vstore.top, monkeypatch)
    shutil.copytree(zoo["clip"], vstore.top / "clip")
    vstore.good("sync", "pictures", "--model", "./clip")
    put(vstore.top / "pictures", {"new.png": 50})
    vstore.good("sync")
    cache = vstore.top / ".vstore" / "cache"
    known = read_cache_json(cache, "model-files")
    assert known
    # As earlier versions of vstore noted what they read.
    write_cache(cache, "model-files", json.dumps({name: value[:5] for name, value in known.items()}).encode())
    as_user("cron", vstore, monkeypatch)
    put(vstore.top / "pictures", {"newer.png": 51})
    vstore.good("sync")
    write_cache(cache, "model-files", json.dumps(known).encode())
    put(vstore.top / "pictures", {"newest.png": 52})
    vstore.good("sync")  # it was noted
    as_user("other", vstore, monkeypatch)
    put(vstore.top / "pictures", {"last.png": 53})
    assert "wants the model in" in vstore.bad(5, "sync")


def test_a_store_downloads_nothing_that_this_user_did_not_name(
    vstore: Shell, zoo: Zoo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from support.fake_hub import fake_hub

    with fake_hub(tmp_path / "cache", monkeypatch) as hub:
        commit = hub.put("somebody/clip", zoo["clip"])
        vstore.good("sync", "pictures", "--model", "somebody/clip")
        as_user("me", vstore, monkeypatch)
        put(vstore.top / "pictures", {"new.png": 50})
        vstore.good("sync")  # an earlier download is used without a question
        shutil.rmtree(tmp_path / "cache")
        hub.asked.clear()
        put(vstore.top / "pictures", {"newer.png": 51})
        assert f"wants the download of somebody/clip@{commit}" in vstore.bad(5, "sync")
        assert hub.asked == []
        vstore.good("model", "allow")
        vstore.good("sync")
        assert hub.asked


def test_neither_a_forged_cache_nor_a_forged_recipe_lets_other_code_run(vstore: Shell, zoo: Zoo) -> None:
    own = vstore.top / "own" / "own.py"
    words = Words(str(save_remote(own.parent, zoo["clip"], "tensors")), trust_remote_code=True)
    digests = Digests()
    recipe, words = describe(words, digests)
    assert find_files(Known(recipe), words, digests)
    own.write_text(own.read_text() + "\n# other code")
    found = own.stat()
    stat = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    forged = Digests(known=Remembered({str(own): [*stat, recipe["code"][0], 1]}, {}))
    assert forged.of(own) == recipe["code"][0]
    without = {name: value for name, value in recipe.items() if name != "code"}
    for one in (recipe, without):
        with pytest.raises(ModelError, match="its Python code has changed"):
            find_files(Known(one), words, forged)
