"""Mistyped commands, options and names, and words of other tools: errors give the whole command that may be meant."""

from __future__ import annotations

import click
import pytest
from support.lines import Line, found

from vstore_cli.help import all_commands
from vstore_cli.main import run, vstore
from vstore_cli.near_commands import ELSEWHERE, no_such_command


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("sycn", "vstore sync"),
        ("sycn p -n", "vstore sync p -n"),
        ("stauts", "vstore status"),
        ("Sync", "vstore sync"),
        ("snap", "vstore snapshot"),
        ("snapshot lst", "vstore snapshot list"),
        ("snapshot lst --help", "vstore snapshot list --help"),
        ("snapshot LIST", "vstore snapshot list"),
        ("model lits", "vstore model list"),
        ("model rollback v1", "vstore rollback v1"),
        ("snapshot rollbakc v1", "vstore rollback v1"),
        ("forgt v1", "vstore snapshot forget v1"),
        ("tag v1 good", "vstore snapshot tag v1 good"),
        ("diff v1 v2", "vstore snapshot diff v1 v2"),
        ("snapshots", "vstore snapshot list"),
        ("restore v1", "vstore rollback v1"),
        ("restore v1 --target x", "vstore rollback"),
        ("restore --hold -- --v1", "vstore rollback --hold -- --v1"),
        ("prune --dry-run", "vstore gc --dry-run"),
        ("checkout HEAD~1", "vstore rollback 'HEAD~1'"),
        ("add pictures", "vstore sync pictures"),
        ("index pictures", "vstore sync pictures"),
        ("update", "vstore sync"),
        ("list", "vstore snapshot list"),
        ("ls-files", "vstore ls"),
        ("remove p", "vstore root remove p"),
        ("root rm p", "vstore root remove p"),
        ("root lits", "vstore root list"),
        ("config lst", "vstore config list"),
        ("version", "vstore --version"),
        ("help", "vstore --help"),
        ("help sync", "vstore sync --help"),
        ("help snapshot list", "vstore snapshot list --help"),
        ("help snapshot nothing", "vstore snapshot --help"),
        ("snapshot help diff", "vstore snapshot diff --help"),
        ("vstore sync p", "vstore sync p"),
        ("--store x sycn p", "vstore --store x sync p"),
        ("xyzzy", None),
        ("vstore xyzzy", None),
        ("snapshot xyzzy", None),
    ],
)
def test_a_word_that_is_no_command_gets_the_whole_command_that_may_be_meant(
    line: Line, words: str, meant: str | None
) -> None:
    error = line(*words.split(), "--json", code=2).error if "--" not in words.split() else None
    ran = line(*words.split(), code=2)
    assert "Usage:" not in ran.err and ran.out == ""
    first, step = ran.err.splitlines()
    assert first.startswith("Error: there is no command '")
    assert step.lstrip().startswith(f"did you mean: {meant}; all commands: vstore" if meant else "all commands: vstore")
    assert error is None or error["code"] == "usage"


def test_what_a_command_is_told_is_kept_apart_from_its_name(line: Line) -> None:
    assert "there is no command 'snapshot lst'" in line("snapshot", "lst", "v1", code=2).err
    assert "all commands: vstore snapshot --help" in line("snapshot", "lst", code=2).err
    assert "No such option '--frob'" in line("--frob", "sycn", code=2).err


@pytest.mark.parametrize("group", ELSEWHERE)
def test_the_words_of_other_tools_mean_commands_and_are_none(group: str) -> None:
    commands = set(all_commands())
    for word, meant in ELSEWHERE[group].items():
        assert meant == "--version" or tuple(meant.split()) in commands, word
        assert (*group.split(), word) not in commands, word
        assert word == word.lower()


def test_no_command_means_another() -> None:
    root = click.Context(vstore, info_name="vstore")
    for words in all_commands():
        if not words:
            continue
        *above, name = words
        group = found(tuple(above))
        ctx = click.Context(group, root, info_name=above[0]) if above else root
        assert f"did you mean: vstore {' '.join(words)};" in no_such_command(ctx, [name.upper()]).next_step


def test_a_mistyped_option_gets_the_whole_command(line: Line) -> None:
    ran = line("sync", "p", "--exlude=*.tif", code=2)
    assert "No such option '--exlude'" in ran.err
    assert ran.err.endswith("did you mean: vstore sync p '--exclude=*.tif'; see: vstore sync --help\n")
    assert "did you mean: vstore --version;" in line("--verison", code=2).err
    assert "did you mean: --dry-run;" in line("gc", "--dryrun", "--dryrun", code=2).err
    assert "did you mean" not in line("sync", "-z", code=2).err
    assert "did you mean" not in line("snapshot", "forget", "--keep", "1", code=2).err, "several begin so"
    assert (
        "did you mean: vstore snapshot forget --keep-last 1;"
        in line("snapshot", "forget", "--keep-lst", "1", code=2).err
    )
    assert (
        line("gc", "--dryrun", "--json", code=2).error["next"].startswith("did you mean: vstore gc --dry-run --json;")
    )


def test_a_mistyped_value_gets_the_whole_command_where_a_few_are_allowed(pictures: Line) -> None:
    ran = pictures("export", "out", "--format", "jsnl", code=2)
    assert "'jsnl' is not one of 'triple'" in ran.err
    assert ran.err.endswith("did you mean: vstore export out --format jsonl; see: vstore export --help\n")
    assert "did you mean: vstore export out --format=npz;" in pictures("export", "out", "--format=NPZZ", code=2).err
    assert "did you mean" not in pictures("export", "out", "--format", "xyzzy", code=2).err
    assert "did you mean" not in pictures("gc", "-n", "--frob", code=2).err


@pytest.mark.parametrize(
    ("words", "code", "meant"),
    [
        ("rollback 1", 1, "vstore rollback v1"),
        ("rollback 1 --hold", 1, "vstore rollback v1 --hold"),
        ("--store .vstore rollback 1", 1, "vstore --store .vstore rollback v1"),
        ("snapshot diff 1 v1", 1, "vstore snapshot diff v1 v1"),
        ("snapshot show lates", 1, "vstore snapshot show latest"),
        ("snapshot show goood", 1, "vstore snapshot show good"),
        ("snapshot tag 1 new", 1, "vstore snapshot tag v1 new"),
        ("snapshot export curent out.jsonl", 1, "vstore snapshot export current out.jsonl"),
        ("export out --at=1", 1, "vstore export out --at=v1"),
        ("dupes --at 1", 1, "vstore dupes --at v1"),
        ("search ./pictures/a.png --at 1 -k 3", 1, "vstore search ./pictures/a.png --at v1 -k 3"),
        ("search ./pictures/a.png --new-since curent", 1, "vstore search ./pictures/a.png --new-since current"),
        ("sync --space builtn-2", 2, "vstore sync --space builtin-2"),
        ("model show builtn-2", 2, "vstore model show builtin-2"),
    ],
)
def test_a_mistyped_name_gets_the_whole_command(pictures: Line, words: str, code: int, meant: str) -> None:
    pictures("snapshot", "tag", "v1", "good")
    assert f"did you mean: {meant}; " in pictures(*words.split(), code=code).err
    assert pictures(*words.split(), "--json", code=code).error["next"].startswith(f"did you mean: {meant} --json; ")


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        ("snapshot forget 1", 1, "v1"),
        ("--store .vstore snapshot forget 1", 1, "v1"),
        ("snapshot untag goood", 2, "good"),
        ("root remove picturs", 2, "pictures"),
        ("model drop BUILTIN-2", 2, "builtin-2"),
    ],
)
def test_a_command_that_takes_something_away_is_not_guessed(pictures: Line, words: str, code: int, name: str) -> None:
    pictures("snapshot", "tag", "v1", "good")
    err = pictures(*words.split(), code=code).err
    assert f"did you mean {name}? " in err and "did you mean: " not in err


def test_where_the_word_stands_twice_the_name_alone_is_said(pictures: Line) -> None:
    assert "did you mean v1? list them with: vstore snapshot list" in pictures("snapshot", "diff", "1", "1", code=1).err
    assert "did you mean v1? " in pictures("search", "./pictures/a.png", "--at", "1", "-k", "1", code=1).err


def test_completion_asks_for_no_command_that_there_is_not() -> None:
    ctx = vstore.make_context("vstore", ["sycn"], resilient_parsing=True)
    assert vstore.resolve_command(ctx, ["sycn"])[1] is None
    assert run(["sycn"]) == 2


def test_a_word_that_a_command_does_not_take_is_no_other_option(line: Line) -> None:
    line.put({"p/a.png": 1})
    line("sync", "p")
    kind = line("snapshot", "diff", "v1", "v1", "--kind", "removed", code=2).err
    assert "did you mean" not in kind and "see: vstore snapshot diff --help" in kind
    assert (
        "did you mean: vstore snapshot diff v1 --undr".replace("undr", "under")
        in line("snapshot", "diff", "v1", "--undr", "p", code=2).err
    )
    path = line("snapshot", "diff", "v1", "v1", "p/a b", code=2).err
    assert "to look below a folder: --under 'p/a b'; see: vstore snapshot diff --help" in path


def test_a_mistyped_path_is_not_called_a_snapshot(line: Line) -> None:
    line.put({"p/a.png": 1, "p/sub/b.png": 2})
    line("sync", "p")
    assert line("ls", "p/sbu", code=2).err.startswith("Error: p/sbu is neither on disk nor in this snapshot\n")
    assert line("ls", "v9", code=2).err.startswith("Error: no snapshot 'v9'")
