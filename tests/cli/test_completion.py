"""Completion: what a shell offers at TAB, in bash, zsh and fish."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.folders import put, stats_of
from support.forge import Forge
from support.lines import Line, environment, found, process
from support.shells import Shell, is_there

from vstore_cli.completion.answer import KINDS, completions, kinds_of
from vstore_cli.completion.scripts import SCRIPTS
from vstore_cli.help import all_commands
from vstore_cli.main import COMMANDS, vstore
from vstore_cli.typed_line import escaped, split

EVIL = "x$(id>pwned)y"
LEAVES = [words for words in all_commands() if words and not isinstance(found(words), click.Group)]


def offered(line: str, shell: str = "fish", word: str | None = None) -> list[str]:
    """The values that complete a command line."""
    lines = completions(vstore, shell, line, line.rpartition(" ")[2] if word is None else word)
    return [one.partition(",")[2].partition("\t")[0] if one.startswith("plain,") else one for one in lines]


@pytest.fixture
def named(line: Line) -> Line:
    """A store with two snapshots, tags and a folder with a blank in its name."""
    line.put({"my photos/a.png": 1})
    line("sync", "my photos", "-q")
    line.put({"my photos/b.png": 2})
    line("sync", "-q", "-m", "the\nsecond")
    line("snapshot", "tag", "v1", "first")
    line("snapshot", "tag", "v1", EVIL)
    return line


# What is completed


def test_commands_and_options_are_completed_with_what_they_do(line: Line) -> None:
    assert offered("vstore ") == list(COMMANDS)
    assert offered("vstore sna") == ["snapshot"]
    assert list(completions(vstore, "fish", "vstore snapshot di", "di")) == ["plain,diff\tCompare two snapshots."]
    assert offered("vstore snapshot diff --j") == ["--json"]
    assert offered("vstore sync --one") == ["--one-file-system"]
    assert offered("vstore sync --sto") == ["--store"]
    assert offered("vstore --tr") == ["--trust"]
    assert offered("vstore sync '' --dev") == ["--device"], "a word that is refused later"
    assert "--quiet" not in offered("vstore sync --quiet --")
    assert offered("vstore export --format n") == ["npz"]
    assert offered("vstore export --format=n") == ["--format=npz"]
    assert offered("vstore config list sy") == ["sync"]
    assert offered("vstore sync --device cu") == ["cuda", "cuda:0"]
    assert offered("vstore sync --device cuda:0,m") == ["cuda:0,mps"]
    assert offered("vstore snapshot diff --only re") == ["removed", "renamed"]
    assert offered("vstore dupes --keep-by pixels,b") == ["pixels,bytes"]
    assert offered("vstore snapshot diff --only=added,c") == ["--only=added,changed", "--only=added,copied"]
    assert offered("vstore completion ") == ["bash", "zsh", "fish"]


def test_names_come_from_the_store_that_the_command_would_use(
    named: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ["current", "latest", "first", EVIL, "v2", "v1"]
    assert offered("vstore rollback ") == both
    assert offered("vstore search --at ") == both and offered("vstore search --at=la") == ["--at=latest"]
    assert offered("vstore snapshot diff v1 v") == ["v2", "v1"]
    assert offered("vstore snapshot untag f") == ["first"]
    assert offered("vstore model use ") == ["builtin-2"]
    assert offered("vstore model diff ") == ["builtin-2", "current", "latest", "first", EVIL, "v2", "v1"]
    assert offered("vstore sync --as ") == ["my photos"]
    lines = list(completions(vstore, "zsh", "vstore rollback v2", "v2"))
    assert re.fullmatch(r"plain,v2\t\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  2 pictures  the second", lines[0])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert offered("vstore rollback ") == []
    store = shlex.quote(str(named.store))
    assert offered(f"vstore --store {store} rollback ") == both
    assert offered(f"vstore rollback --store={store} f") == ["first"]
    monkeypatch.setenv("HOME", str(named.home.parent))
    assert offered(f"vstore rollback --store ~/{named.home.name} f") == ["first"]
    monkeypatch.setenv("VSTORE_DIR", str(named.home))
    assert offered("vstore rollback ") == both


def test_paths_are_left_to_the_shell(named: Line) -> None:
    assert offered("vstore sync ") == ["file,"]
    assert offered("vstore import --faiss x") == ["file,"]
    assert offered("vstore --store ") == offered("vstore sync --store=x") == ["dir,"]
    assert offered("vstore search --under ") == ["my photos", "file,"]
    assert offered("vstore search --under ./") == ["file,"]
    assert offered("vstore root remove ") == offered("vstore root rename m") == ["my photos"]
    assert offered("vstore root remove ./") == ["dir,"]
    assert offered("vstore ls ") == ["current", "latest", "first", EVIL, "my photos", "file,"]
    assert offered("vstore ls v") == ["v2", "v1", "file,"]


EXPECTED = {"SNAP": "v1", "TAG": "first", "SPACE": "builtin-2", "LABEL": "my photos", "PATH": "file,"}


def test_every_snapshot_space_tag_and_label_of_every_command_is_completed(named: Line) -> None:
    named("fields", "set", "label=cat", "my photos/a.png")
    seen = set()
    for words in LEAVES:
        for param in found(words).params:
            kinds = kinds_of(words, param)
            before = [max(param.opts, key=len)] if isinstance(param, click.Option) else []
            if not before:
                arguments = [one for one in found(words).params if isinstance(one, click.Argument)]
                before = ["v1"] * arguments.index(param)
            for kind in kinds:
                values = offered(shlex.join(["vstore", *words, *before]) + " " + ("v" if kind == "SNAP" else ""))
                assert EXPECTED.get(kind, values[0]) in values, (words, param.name, kind)
                seen.add((" ".join(words), str(param.name), kind))
    assert {kind for _, _, kind in seen} == KINDS.keys()


def test_what_a_parameter_is_called_tells_what_it_takes() -> None:
    """A name that the help shows is completed, or stands here."""
    free = {
        "NAME", "TEXT", "GLOB", "R", "N", "HOW", "MESSAGE", "SPAN", "SHARE", "FIELD", "PART", "TIME", "ID", "SCORE",
        "MINUTES", "OR", "W", "SHELL", "AUTO", "SIZE", "HASH", "WORDS", "STORE", "PATTERN",
        "EXPR", "COLUMN", "P", "ADDRESS",
    }  # fmt: skip
    for words in LEAVES:
        for param in found(words).params:
            if isinstance(param, click.Option) and (param.is_flag or param.metavar is None):
                continue
            shown = re.findall(r"[A-Z]+", param.metavar or str(param.name).upper())
            assert kinds_of(words, param) or set(shown) <= free, (words, param.name, shown)


# Bash: what is put into the line is one word, whoever made it up


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])), st.sampled_from(["", "'", '"']))
@example("~", "")
@example("~x", "")
@example("", "")
def test_a_value_is_one_word_for_a_shell(value: str, quote: str) -> None:
    text = escaped(value, quote)
    if text is None:
        assert quote
        return
    typed = split(f"vstore {text}{quote} ")
    assert typed.words == ("vstore", value) or (value == "" and not quote)


def test_bash_itself_reads_it_so(tmp_path: Path) -> None:
    values = [
        EVIL,
        "a b",
        "~root",
        "a'b\"c",
        "`id`",
        "{a,b}",
        "*",
        "!x",
        "#x",
        "a&b;c|d<e>f",
        "é",
        "$HOME",
        "[a]",
        "\\",
    ]
    script = "\n".join(f"printf '%s\\n' {escaped(value)}" for value in values)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == values


@pytest.mark.parametrize(
    ("text", "words", "last", "raw", "quote"),
    [
        ("", (), "", "", ""),
        ("vstore", (), "vstore", "vstore", ""),
        ("vstore  log ", ("vstore", "log"), "", "", ""),
        ("vstore 'a b", ("vstore",), "a b", "'a b", "'"),
        ('vstore "a\\"b', ("vstore",), 'a"b', '"a\\"b', '"'),
        ("vstore a\\ b", ("vstore",), "a b", "a\\ b", ""),
        ("vstore a\\", ("vstore",), "a", "a\\", ""),
        ("vstore '' x", ("vstore", ""), "x", "x", ""),
        ("vstore --at=v1", ("vstore",), "--at=v1", "--at=v1", ""),
    ],
)
def test_a_line_is_split_as_shells_do(text: str, words: tuple[str, ...], last: str, raw: str, quote: str) -> None:
    assert tuple(split(text)) == (words, last, raw, quote)


def test_bash_gets_the_part_of_a_word_that_it_replaces(named: Line) -> None:
    assert offered("vstore search --at=v", "bash", "v") == ["v2", "v1"]
    assert offered("vstore search --at=", "bash", "") == ["current", "latest", "first", escaped(EVIL), "v2", "v1"]
    assert offered("vstore sync --device cuda:", "bash", "") == ["0"]
    assert offered("vstore sync --as 'my", "bash", "'my") == ["'my photos"]
    assert offered('vstore rollback "x', "bash", '"x') == []


# Nothing goes wrong, and nothing is written


def quietly(line: str, cwd: Path, **env: str) -> str:
    """Complete as a process. Returns: what it prints."""
    asked = environment(_VSTORE_COMPLETE="bash_complete", COMP_LINE=line, COMP_WORD=line.rpartition(" ")[2], **env)
    done = process(cwd=cwd, env=asked)
    assert (done.code, done.err) == (0, "")
    return done.out


@pytest.mark.parametrize("harm", ["FORMAT", "refs", "state", "json"])
def test_a_damaged_store_completes_nothing_and_says_nothing(named: Line, harm: str) -> None:
    if harm == "FORMAT":
        (named.store / "FORMAT").write_bytes(b"x")
    elif harm == "refs":
        for ref in (named.store / "refs").iterdir():
            ref.write_bytes(b"x")
    elif harm == "state":
        (named.store / "cache" / "state").write_bytes(b"x" * 50)
    else:
        max((named.store / "refs").iterdir()).write_bytes(b"{}")
    out = quietly("vstore rollback ", named.home)
    assert ("plain,v1\t" in out) == (harm in ("state", "json")), "what can be read is offered"
    assert "plain,rollback\t" in quietly("vstore rollb", named.home)


@pytest.mark.parametrize(
    "text",
    ["", " ", "vstore nonsense ", "vstore snapshot nonsense x", "vstore --store", "vstore sync --nonsense ",
     "vstore search -k x ", "vstore -- ", "vstore sync '' ", "vstore '", "vstore \\", "vstore rollback a b c d ",
     "vstore --store /dev/null rollback ", "vstore --store '' rollback ", "vstore \udcff"],
)  # fmt: skip
def test_an_odd_line_is_no_trouble(named: Line, text: str) -> None:
    quietly(text, named.home)


def test_no_setting_stands_in_the_way(named: Line, tmp_path: Path) -> None:
    put(tmp_path, {"config/vstore/config.toml": b"this is no TOML"})
    odd = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "VSTORE_TRUST": "relative", "VSTORE_SYNC_FORCE": "1"}
    assert "plain,builtin-2" in quietly("vstore sync --space ", named.home, **{**odd, "VSTORE_TRUST": ""})
    assert quietly("vstore sync --space ", named.home, **odd) == "", "as the command would be refused"
    assert "bash" in named("completion", "bash").out


def test_a_strangers_store_is_read_and_nothing_is_written(named: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (named.store / "cache").iterdir():
        if path.is_file():
            path.unlink()
    before = stats_of(named.store)
    monkeypatch.setattr(os, "geteuid", lambda: 54_001)
    assert "first" in offered("vstore rollback ")
    assert stats_of(named.store) == before


def test_names_that_no_line_can_hold_are_left_out(named: Line) -> None:
    there = {"place": "pictures", "relative": True}
    roots = dict.fromkeys(["a\x1b[2J", "b\nplain,evil", "c\u202ed", "--force"], there)
    Forge(named.store).record("sync", {"roots": roots})
    assert offered("vstore sync --as ") == ["my photos"]
    for shell in SCRIPTS:
        said = "\n".join(completions(vstore, shell, "vstore sync --as ", ""))
        assert "evil" not in said and "\x1b" not in said and "\u202e" not in said and "--force" not in said


def test_completing_loads_nothing_heavy(named: Line) -> None:
    code = (
        "import os, sys, json\nfrom vstore_cli.main import vstore\nfrom vstore_cli.completion.answer import answer\n"
        "answer(vstore)\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    for line, more in (("vstore rollback ", set()), ("vstore sna", {"vstore.store", "vstore_cli.commands.snapshot"})):
        env = environment(_VSTORE_COMPLETE="fish_complete", COMP_LINE=line)
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=named.home, env=env, capture_output=True, text=True, check=True
        )
        loaded = set(re.findall(r'"([\w.]+)"', done.stderr))
        heavy = {"numpy", "faiss", "PIL", "lmdb", "tqdm", "multiprocessing", "subprocess", "shlex", "tomllib", "fcntl"}
        assert not loaded & (heavy | more), line


# The shells themselves


def test_the_script_says_how_it_is_installed_and_names_nothing_of_a_store(named: Line) -> None:
    for shell, script in SCRIPTS.items():
        ran = named("completion", shell)
        assert ran.out == script and "first" not in script and f"vstore completion {shell}" in script
        assert named("completion", shell, "--json").json["script"] == script
    assert "is not one of" in named("completion", "tcsh", code=2).err


def test_bash_takes_the_script_in_silence(named: Line, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(SCRIPTS["bash"])
    checks = f"set -u; source {script}; complete -p vstore; unset -f _vstore_completion; bash -n {script}"
    done = subprocess.run(["bash", "-c", checks], capture_output=True, text=True, check=True)
    assert done.stdout == "complete -o nosort -F _vstore_completion vstore\n" and done.stderr == ""


def test_bash_offers_files_sorted_and_no_name_twice(named: Line, tmp_path: Path) -> None:
    named.put({f"{name}.png": 1 for name in "dbeac"})
    shell = Shell("bash", tmp_path / "user", named.home)
    try:
        for line in ("vstore sync ", "vstore search --under "):
            seen = shell.listed(line)
            there = [name for name in seen if name in ("my", "photos/", "a.png", "b.png", "c.png", "d.png", "e.png")]
            files = ["a.png", "b.png", "c.png", "d.png", "e.png"]
            assert [name for name in there if name.endswith(".png")] == files, (line, seen)
            assert there.count("photos/") == 1, (line, seen)
    finally:
        shell.close()


@pytest.fixture(params=list(SCRIPTS))
def shell(request: pytest.FixtureRequest, named: Line, tmp_path: Path) -> Iterator[Shell]:
    if not is_there(request.param):
        pytest.skip(f"{request.param} is not installed")
    shell = Shell(request.param, tmp_path / "user", named.home)
    yield shell
    shell.close()


def test_a_shell_completes_at_tab(shell: Shell, named: Line) -> None:
    assert shell.words("vstore sna") == ["vstore", "snapshot"]
    assert shell.words("vstore snapshot show fi") == ["vstore", "snapshot", "show", "first"]
    assert shell.words("vstore search --at=fi") == ["vstore", "search", "--at=first"]
    assert shell.words("vstore sync --device cuda:") == ["vstore", "sync", "--device", "cuda:0"]
    assert shell.words("vstore sync --as my") == ["vstore", "sync", "--as", "my photos"]
    folder = shell.words("vstore import --root my")
    assert [*folder[:3], folder[3].rstrip("/")] == ["vstore", "import", "--root", "my photos"]
    assert shell.words("vstore rollback x") == ["vstore", "rollback", EVIL]
    assert shell.words("vstore rollback 'x") == ["vstore", "rollback", EVIL]
    assert not (named.home / "pwned").exists()


def test_a_shell_leaves_room_for_the_value_of_a_field(shell: Shell, named: Line) -> None:
    named("fields", "set", "label=cat", "our note=x", "my photos/a.png")
    assert shell.words("vstore fields set lab", "cat") == ["vstore", "fields", "set", "label=cat"]
    assert shell.words("vstore fields set our", "y") == ["vstore", "fields", "set", "our note=y"]
