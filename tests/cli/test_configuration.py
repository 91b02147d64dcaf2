"""Options from the environment and from the user's file; nothing in a store sets one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click
import pytest
from support.folders import put
from support.lines import POWERLESS, Line, environment, found, process
from support.terminal import in_terminal

from vstore_cli.help import all_commands
from vstore_cli.main import vstore
from vstore_cli.settings.only_typed import NOT_IN_ENVIRONMENT, NOT_IN_FILE, ONLY_TYPED
from vstore_cli.settings.options import KEEPERS, KEPT, WITHOUT, every_command, name_of, options_of, variables
from vstore_cli.settings.variables import OWN

LEAVES = [
    words for words in all_commands() if words and words[0] not in WITHOUT and not isinstance(found(words), click.Group)
]
SWITCHES = {name for words in [(), *LEAVES] for name, one in options_of(found(words)).items() if one.is_flag}
# Switches that may be set once for all: none of them allows, deletes or changes anything.
HARMLESS = {
    "all", "bursts", "collapse", "exact", "loose", "stat", "failed", "ignore-case", "long", "no-neighbours",
    "recursive", "compile", "follow-symlinks", "ignore-ctime", "ignore-inode", "isolate-decoding", "no-fields",
    "no-open", "no-pager", "offline", "one-file-system", "pixels", "poll", "quiet", "read-data", "retry-failed",
    "source", "verify", "wait",
}  # fmt: skip


class Configured(Line):
    """Commands of a user with a file of options."""

    @property
    def file(self) -> Path:
        return Path(os.environ["XDG_CONFIG_HOME"]) / "vstore" / "config.toml"

    def write(self, text: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(text)

    def options(self, *words: str) -> dict[str, tuple[Any, str, Any]]:
        """What `config list` says of a command: option -> value, origin, where."""
        rows = self("config", "list", *words, "--json").json["options"]
        return {row["option"]: (row["value"], row["origin"], row["where"]) for row in rows if row["origin"] != "kept"}

    def refused(self, *words: str) -> str:
        error = self(*words, "--json", code=2).error
        return f"{error['message']}\n{error['next']}"


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Configured:
    for name in os.environ:
        if name.startswith("VSTORE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    return Configured(home, capsysbinary)


@pytest.fixture
def pictures(line: Configured) -> Configured:
    line.put({f"pictures/{name}.png": seed for seed, name in enumerate("abcdef")})
    line("sync", "pictures", "-q")
    return line


def hits(line: Line, *words: str) -> int:
    return len(line("search", "./pictures/a.png", *words, "--json").json["hits"])


# The order


def test_the_command_line_comes_before_the_environment_and_that_before_the_file(
    pictures: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hits(pictures) == 6
    pictures.write("[search]\nk = 1\n")
    assert hits(pictures) == 1
    monkeypatch.setenv("VSTORE_SEARCH_K", "2")
    assert hits(pictures) == 2
    assert hits(pictures, "-k", "3") == 3


def test_the_closest_table_and_the_closest_variable_decide(line: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    line.write('device = "cpu"\n[model]\ndevice = "cuda:1"\n[model.serve]\nidle = 3\ndevice = "cuda:2"\n')
    place = str(line.file)
    assert line.options("search")["device"] == ("cpu", "file", f"{place}, line 1, device")
    assert line.options("model", "add")["device"] == ("cuda:1", "file", f"{place}, line 3, [model] device")
    serve = line.options("model", "serve")
    assert serve["device"] == ("cuda:2", "file", f"{place}, line 6, [model.serve] device")
    assert serve["idle"] == (3.0, "file", f"{place}, line 5, [model.serve] idle")
    monkeypatch.setenv("VSTORE_DEVICE", "cuda:3")
    assert line.options("model", "serve")["device"] == ("cuda:3", "environment", "VSTORE_DEVICE")
    monkeypatch.setenv("VSTORE_MODEL_DEVICE", "cuda:4")
    assert line.options("model", "serve")["device"] == ("cuda:4", "environment", "VSTORE_MODEL_DEVICE")
    monkeypatch.setenv("VSTORE_MODEL_SERVE_DEVICE", "cuda:5")
    assert line.options("model", "serve")["device"] == ("cuda:5", "environment", "VSTORE_MODEL_SERVE_DEVICE")
    assert line.options("search")["device"] == ("cuda:3", "environment", "VSTORE_DEVICE")
    monkeypatch.setenv("VSTORE_DEVICE", "")
    assert line.options("search")["device"][0] == "cpu", "an empty variable is not set"


@pytest.mark.parametrize("word", ["1", "true", "YES", "on"])
def test_a_switch_of_the_environment_is_on(pictures: Configured, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("VSTORE_QUIET", word)
    assert pictures("sync").out == ""


@pytest.mark.parametrize("word", ["0", "False", "no", "off"])
def test_a_switch_of_the_environment_is_off(pictures: Configured, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    pictures.write("quiet = true")
    assert pictures("sync").out == ""
    monkeypatch.setenv("VSTORE_SYNC_QUIET", word)
    assert pictures("sync").out != ""


def test_what_is_set_reaches_the_command(pictures: Configured) -> None:
    pictures.write('[sync]\nmessage = "nightly"\nmax-file-size = "1K"\n')
    pictures.put({"pictures/g.png": 9, "pictures/h.png": b"x" * 2000})
    report = pictures("sync", "--json", code=3).json
    assert any("larger" in one["reason"] or "KiB" in one["reason"] for one in report["failed"]), report["failed"]
    pictures.write('[sync]\nmessage = "nightly"\n')
    pictures("sync", code=3)
    assert pictures("snapshot", "list", "--json").json[0]["message"] == "nightly"


def test_a_value_that_the_library_refuses_is_named_with_its_place(pictures: Configured) -> None:
    pictures.write('[sync]\nspace = "nonsense"')
    said = pictures.refused("sync")
    assert "nonsense" in said and f"(--space is set by {pictures.file}, line 2, [sync] space)" in said


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("VSTORE_K", "5", ("search", "nosuch5.png")),
        ("VSTORE_K", "5", ("search", "./my-kids.png")),
        ("VSTORE_SYNC_MESSAGE", "folder", ("sync", "nosuch")),
        ("VSTORE_LS_AT", "v1", ("ls", "nosuch-v1")),
    ],
)
def test_an_error_names_no_setting_that_it_is_not_about(
    pictures: Configured, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv(variable, value)
    assert "is set by" not in pictures.refused(*words)


def test_a_setting_that_begins_an_error_is_named(pictures: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSTORE_UNDER", "nosuch")
    assert "(--under is set by VSTORE_UNDER)" in pictures.refused("search", "./pictures/a.png")


def test_options_of_every_command_can_be_set_too(pictures: Configured) -> None:
    shows = "sed s/^/PAGED:/"
    config = os.environ["XDG_CONFIG_HOME"]

    def is_paged(**env: str) -> bool:
        _, seen = in_terminal(["log"], pictures.home, VSTORE_PAGER=shows, XDG_CONFIG_HOME=config, **env)
        return "PAGED:" in seen

    assert is_paged() and not is_paged(VSTORE_NO_PAGER="1")
    pictures.write("no-pager = true\n")
    assert not is_paged() and is_paged(VSTORE_NO_PAGER="0")


# What is kept with a folder


def test_what_a_folder_keeps_comes_before_the_file_and_the_environment_before_both(
    pictures: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures.write('[sync]\nexclude = ["a.png"]\n')
    assert pictures("status", "--json").json["removed"] == 1
    assert pictures("sync", "--json").json["removed"] == 1
    assert pictures("sync", "--json").json["snapshot"] is None
    rows = pictures("config", "list", "sync", "--json").json["options"]
    assert [row["origin"] for row in rows if row["option"] == "exclude"] == ["file"], "it is not recorded"
    pictures("sync", "--exclude", "b.png")
    assert pictures.paths() == [f"pictures/{name}.png" for name in "acdef"]
    assert pictures("sync", "--json").json["snapshot"] is None, "the next sync does the same"
    monkeypatch.setenv("VSTORE_EXCLUDE", "c.png:d*")
    pictures("sync")
    monkeypatch.delenv("VSTORE_EXCLUDE")
    assert pictures("sync", "--json").json["snapshot"] is None, "a variable is remembered as if it had been typed"
    assert pictures.paths() == ["pictures/a.png", "pictures/e.png", "pictures/f.png"]
    rows = pictures("config", "list", "sync", "--json").json["options"]
    assert [(row["value"], row["origin"]) for row in rows if row["option"] == "exclude"] == [
        (["a.png"], "file"),
        (["b.png", "c.png", "d*"], "kept"),
    ]


def test_a_first_sync_heeds_the_file(line: Configured) -> None:
    line.write('exclude = ["b.png"]\n')
    line.put({"pictures/a.png": 1, "pictures/b.png": 2})
    assert line("sync", "pictures", "--json").json["new"] == 1


# What is taken from a command line alone


def test_every_switch_is_either_harmless_or_only_typed() -> None:
    assert HARMLESS | (ONLY_TYPED.keys() & SWITCHES) == SWITCHES
    assert not HARMLESS & ONLY_TYPED.keys()
    every = {name for words in all_commands() for name in options_of(found(words))}
    assert ONLY_TYPED.keys() | NOT_IN_FILE.keys() | NOT_IN_ENVIRONMENT.keys() <= every


@pytest.mark.parametrize(
    ("words", "name"),
    [(words, name) for words in LEAVES for name in options_of(found(words)) if name in ONLY_TYPED],
    ids=lambda one: one if isinstance(one, str) else " ".join(one),
)
def test_consent_and_guards_are_refused_elsewhere(
    line: Configured, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], name: str
) -> None:
    required = ["x"] * sum(isinstance(one, click.Argument) and one.required for one in found(words).params)
    for table in ("", f"[{'.'.join(words)}]\n"):
        line.write(f"{table}{name} = true\n")
        assert "comes from the command line alone" in line.refused(*words, *required)
        assert str(line.file) in line.refused("log"), "of whatever command"
    line.file.unlink()
    for variable in variables(words, name):
        if variable not in OWN:
            monkeypatch.setenv(variable, "1")
            assert f"the environment variable {variable} is not taken" in line.refused(*words, *required)
            monkeypatch.delenv(variable)


def test_a_variable_of_a_guard_does_not_disturb_other_commands(
    pictures: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSTORE_ALLOW_MASS_DELETE", "1")
    assert pictures("log").code == 0
    assert "--allow-mass-delete" in pictures.refused("sync")


def test_links_are_not_followed_because_a_variable_says_so(
    pictures: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSTORE_SYNC_FOLLOW_SYMLINKS", "1")
    refused = pictures.refused("sync")
    assert "VSTORE_SYNC_FOLLOW_SYMLINKS is not taken: --follow-symlinks comes from your file or the command" in refused


def test_a_file_of_excludes_is_written_into_the_file_itself(pictures: Configured) -> None:
    pictures.write('[sync]\nexclude-from = "/x"\n')
    assert "exclude = [" in pictures.refused("sync")


# Nothing in a store sets an option


def test_no_file_in_or_beside_a_store_is_read(pictures: Configured) -> None:
    bad = b"search.k = 1\nthis is no TOML"
    places = [".vstore/config.toml", ".vstore/vstore/config.toml", "config.toml", "vstore/config.toml"]
    places += ["pictures/config.toml", "pictures/.vstore.toml", ".vstore.toml", ".config/vstore/config.toml"]
    put(pictures.home, dict.fromkeys(places, bad))
    assert hits(pictures) == 6
    assert pictures("config", "list", "--json").json["there"] is False


def test_a_relative_folder_for_configurations_is_none(pictures: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures.put({"config/vstore/config.toml": b"[search]\nk = 1\n"})
    monkeypatch.setenv("XDG_CONFIG_HOME", "config")
    monkeypatch.setenv("HOME", ".")
    assert hits(pictures) == 6


# A faulty file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sync]\n\nexlude = []", ", line 3, [sync] exlude: vstore sync has no option --exlude\ndid you mean exclude"),
        ("devcie = 'cpu'", ", line 1, devcie: no command has an option --devcie\ndid you mean device?"),
        ("[snapshot]\nkk = 1", ", line 2, [snapshot] kk: vstore snapshot has no option --kk"),
        ("[snyc]\nk = 1", ", line 1, snyc: there is no command vstore snyc\ndid you mean sync"),
        (
            "[snapshot.dif]\nk = 1",
            ", line 1, [snapshot] dif: there is no command vstore snapshot dif\ndid you mean diff",
        ),
        ("['snapshot diff']\nk = 1", ", line 1, snapshot diff: there is no command vstore snapshot diff"),
        ("[log.list]\nk = 1", ", line 1, [log] list: there is no command vstore log list"),
        ("[log]\nlimit = 'x'", ", line 2, [log] limit: 'x' is not a valid integer range"),
        ("[log]\nlimit = 0", ", line 2, [log] limit: 0 is not in the range x>=1"),
        ("[log]\nlimit = 1.5", ", line 2, [log] limit: '1.5' is not a valid integer range"),
        ("[log]\nlimit = true", ", line 2, [log] limit: true is not a number or a text"),
        ("[log]\nlimit = [1]", ", line 2, [log] limit: [1] is not a number or a text"),
        ("[log]\nlimit = ''", ", line 2, [log] limit: the value is empty"),
        ("[search]\ndevice = 1", ", line 2, [search] device: 1 is not a text"),
        ("[search]\nat = 2026-11-20", ", line 2, [search] at: 2026-11-20 is not a text"),
        ("[sync]\nquiet = 'yes'", ", line 2, [sync] quiet: 'yes' is not true or false"),
        ("[sync]\nquiet = 1", ", line 2, [sync] quiet: 1 is not true or false"),
        ("[sync]\ncommit-every = 'often'", ", line 2, [sync] commit-every: 'often' is not a valid duration"),
        ("[sync]\nexclude = [1]", ", line 2, [sync] exclude: 1 is not a list of texts"),
        ("[sync]\nexclude = ['']", ", line 2, [sync] exclude: the value is empty"),
        ("sync.batch-size = 'x'", ", line 1, [sync] batch-size: 'x' is not a valid batch size"),
        ("[sync]\naccept-truncated = 300", ", line 2, [sync] accept-truncated: '300' is not a share"),
        ("[import]\nreport = 'x.json'", ", line 2, [import] report: 'x.json' is not an absolute path"),
        (
            "[sync]\ncross-file-systems = true",
            ", line 2, [sync] cross-file-systems: vstore sync has no option --cross-file-systems\ndid you",
        ),
        ("[sync]\nhelp = true", ", line 2, [sync] help: vstore sync has no option --help"),
        ("[config]\norigin = true", ", line 1, config: the options of vstore config are all typed"),
        ("origin = true", ", line 1, origin: no command has an option --origin"),
        ("version = true", ", line 1, version: no command has an option --version"),
        ("a = \n", ", line 1: this is not TOML: Invalid value"),
        ("[sync\nk = 1", ", line 1: this is not TOML"),
        ("a = 1\na = 2", ", line 2: this is not TOML: Cannot overwrite a value"),
    ],
)
def test_a_mistake_is_named_with_its_line(pictures: Configured, text: str, said: str) -> None:
    pictures.write(text)
    assert pictures.refused("log").startswith(f"{pictures.file}{said}")
    report = pictures("config", "list", "--json").json
    assert [fault for fault in report["faults"] if "\n".join(fault.split("; ", 1)).startswith(f"{pictures.file}{said}")]
    assert {row["option"] for row in report["options"]} >= {"k", "device", "exclude"}, "all options are listed"
    assert f"Warning: {pictures.file}" in pictures("config", "list").err


def test_a_value_at_the_top_is_held_against_the_command_that_runs(pictures: Configured) -> None:
    pictures.write("k = 'many'\n")
    assert pictures("log").code == 0
    assert ", line 1, k: 'many' is not a valid integer" in pictures.refused("search", "./pictures/a.png")


def test_a_file_that_is_not_utf_8_is_refused(pictures: Configured) -> None:
    pictures.write("")
    pictures.file.write_bytes(b"# ok\nmessage = '\xff'\n")
    assert f"{pictures.file}, line 2: this is not UTF-8" in pictures.refused("log")


def test_a_file_of_windows_is_read(pictures: Configured) -> None:
    pictures.write("")
    pictures.file.write_bytes(b"\xef\xbb\xbf[search]\r\nk = 1\r\n")
    assert hits(pictures) == 1


def test_what_is_no_file_is_refused_and_not_waited_for(pictures: Configured) -> None:
    pictures.file.parent.mkdir(parents=True, exist_ok=True)
    pictures.file.mkdir()
    assert "is not a file" in pictures.refused("log")
    pictures.file.rmdir()
    os.mkfifo(pictures.file)
    assert "is not a file" in pictures.refused("log")
    pictures.file.unlink()
    pictures.write("")
    os.truncate(pictures.file, 2 << 20)
    assert "2,097,152 bytes, and 1,048,576 are allowed" in pictures.refused("log")


def test_a_link_to_a_file_is_followed_and_one_that_leads_nowhere_is_none(pictures: Configured, tmp_path: Path) -> None:
    (tmp_path / "dotfiles.toml").write_text("[search]\nk = 1\n")
    pictures.file.parent.mkdir(parents=True, exist_ok=True)
    pictures.file.symlink_to(tmp_path / "dotfiles.toml")
    assert hits(pictures) == 1
    (tmp_path / "dotfiles.toml").unlink()
    assert hits(pictures) == 6


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_refused_but_that_of_the_user_of_sudo(
    pictures: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures.write("[search]\nk = 1\n")
    os.chown(pictures.file, 54_001, 54_001)
    assert f"{pictures.file} belongs to another user (uid 54001)" in pictures.refused("log")
    monkeypatch.setenv("SUDO_UID", "54001")
    assert hits(pictures) == 1


def test_a_file_that_cannot_be_read_is_refused_and_a_closed_folder_holds_none(pictures: Configured) -> None:
    pictures.write("[search]\nk = 1\n")
    pictures.file.chmod(0)
    env = environment(XDG_CONFIG_HOME=os.environ["XDG_CONFIG_HOME"])
    ran = process("log", cwd=pictures.home, before=POWERLESS, env=env)
    assert ran.code == 2 and f"cannot read {pictures.file}: Permission denied" in ran.err
    pictures.file.parent.chmod(0)
    try:
        assert process("log", cwd=pictures.home, before=POWERLESS, env=env).code == 0
    finally:
        pictures.file.parent.chmod(0o755)


def test_a_faulty_file_leaves_help_and_its_own_place_alone(pictures: Configured) -> None:
    pictures.write("this is no TOML")
    for words in (["--help"], ["sync", "--help"], ["snapshot", "diff", "-h"], ["snapshot", "--help"], ["--version"]):
        assert pictures(*words).code == 0
    assert pictures("config", "path").out == f"{pictures.file}\n"
    assert "this is not TOML" in pictures("search", "--", "--help", code=2).err


# Listing


def test_each_option_is_listed_with_its_value_and_origin(line: Configured) -> None:
    rows = line("config", "list", "--json").json["options"]
    listed = Counter((row["command"], row["option"]) for row in rows)
    assert listed == Counter(
        (" ".join(words), name) for words, command in every_command(vstore) for name in options_of(command)
    )
    assert {row["origin"] for row in rows} == {"default", "command line"}
    by_key = {(row["command"], row["option"]): row["value"] for row in rows}
    assert by_key["search", "k"] == 10 and by_key["sync", "quiet"] is False and by_key["sync", "exclude"] == []
    assert by_key["sync", "max-file-size"] == "256M" and by_key["search", "min-score"] is None


def test_people_see_the_same(pictures: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures.write('[sync]\nexclude = ["x y", "z"]\n')
    pictures("sync", "--ignore-inode", "--accept-truncated", "90%")
    monkeypatch.setenv("VSTORE_SYNC_DEVICE", "cpu")
    monkeypatch.setenv("VSTORE_SNYC_DEVICE", "cpu")
    ran = pictures("config", "list", "sync", "--origin")
    rows = [line.split(maxsplit=1) for line in ran.lines]
    assert ran.lines[0] == f"file: {pictures.file}"
    assert ["sync.exclude", '["x y", "z"]  file, line 2'] in rows
    said = {" ".join(line.split()) for line in ran.lines}
    assert {
        'sync.device "cpu" VSTORE_SYNC_DEVICE',
        "sync.quiet false default",
        "sync.ignore-inode false default",
        "sync.ignore-inode true kept with pictures",
        "sync.accept-truncated 90 kept with pictures",
        "sync.force command line",
    } - said == {"sync.force command line"}
    assert "sync.allow-mass-delete false command line" in said
    assert ran.err == "Note: the environment variable VSTORE_SNYC_DEVICE sets nothing\n"
    plain = pictures("config", "list", "sync").out
    assert "allow-mass-delete" not in plain and "kept with" not in plain
    assert "there is no command vstore snyc" in pictures("config", "list", "snyc", code=2).err


def test_only_what_is_set_is_listed(pictures: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = pictures("config", "list", "--set")
    assert (ran.out, ran.err) == ("", "Nothing is set: all options have their defaults.\n")
    pictures.write("k = 5\n")
    pictures("sync", "--ignore-inode")
    monkeypatch.setenv("VSTORE_SYNC_DEVICE", "cpu")
    rows = [" ".join(row.split()) for row in pictures("config", "list", "--set").lines]
    assert rows == ["option value", "sync.ignore-inode true", 'sync.device "cpu"', "search.k 5", "export.k 5"]
    found = pictures("config", "list", "search", "--set", "--json").json["options"]
    assert [(row["option"], row["value"], row["origin"]) for row in found] == [("k", 5, "file")]
    assert pictures("config", "list", "log", "--set").out == ""


def test_a_wrong_value_is_listed_with_its_fault_and_the_others_beside_it(
    pictures: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures.write('k = "many"\n[sync]\nbatch-size = 2000-01-01\nquiet = true\ndevice = "cuda:y"\n')
    for name in ("VSTORE_DEVICE", "VSTORE_SYNC_ALLOW_MASS_DELETE", "VSTORE_ONE_FILE_SYSTEM"):
        monkeypatch.setenv(name, "cuda:x")
    report = pictures("config", "list", "--set", "--json").json
    rows = {f"{row['command']}.{row['option']}": row for row in report["options"]}
    assert (rows["sync.quiet"]["value"], rows["sync.quiet"]["fault"]) == (True, None)
    for key, origin, value in [
        ("search.k", "file", "many"),
        ("sync.batch-size", "file", "2000-01-01"),
        ("sync.device", "environment", "cuda:x"),
        ("repair.device", "environment", "cuda:x"),
        ("sync.allow-mass-delete", "environment", "cuda:x"),
        ("sync.one-file-system", "environment", "cuda:x"),
    ]:
        assert (rows[key]["origin"], rows[key]["value"]) == (origin, value)
        assert rows[key]["fault"] in report["faults"], key
    assert len(report["faults"]) == 6, "the device of the file is wrong, too"
    ran = pictures("config", "list", "sync")
    assert 'sync.device "cuda:x" (wrong)' in [" ".join(row.split()) for row in ran.lines]
    assert ran.err.count("Warning: VSTORE_DEVICE: 'cuda:x' does not name devices; ") == 1
    pictures.write('[sync]\ndevice = "cuda:y"\n')
    monkeypatch.setenv("VSTORE_DEVICE", "cpu")
    assert "'cuda:y' does not name devices" in pictures.refused("sync"), "though the environment comes before it"


def test_options_are_listed_beside_a_damaged_store(pictures: Configured) -> None:
    (pictures.store / "FORMAT").write_bytes(b"x")
    ran = pictures("config", "list", "search")
    assert "search.k" in ran.out and ran.err.startswith("Note: what folders keep is not listed: ")


def test_the_path_is_said_before_there_is_a_file(line: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = line("config", "path")
    assert ran.out == f"{line.file}\n" and "no such file yet" in ran.err
    assert line("config", "path", "--json").json == {"file": str(line.file), "there": False}
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert line("config", "path").out == "/home/ada/.config/vstore/config.toml\n"
    monkeypatch.setenv("HOME", "nowhere")
    assert "you have no home" in line("config", "path", code=2).err


def test_no_two_options_have_one_variable_but_the_same_option_of_several_commands() -> None:
    meant: dict[str, set[tuple[int, str]]] = {}
    for words, command in every_command(vstore):
        for name in options_of(command):
            for depth, variable in zip(range(len(words), -1, -1), variables(words, name), strict=True):
                meant.setdefault(variable, set()).add((depth, name))
    assert [variable for variable, several in meant.items() if len(several) > 1] == []
    assert meant.keys() & OWN.keys() == {"VSTORE_TRUST"}, "which means stores, and is no value of --trust"


def test_what_is_kept_with_folders_are_options_of_a_sync() -> None:
    for words in KEEPERS:
        options = options_of(found(words))
        assert set(KEPT) == {name for name, one in options.items() if "emembered" in (one.help or "")} - {
            "no-exclude"
        } | {"include"}
        assert all(name_of(options[name]) == name for name in KEPT)


def test_a_document_of_defaults_is_the_same_without_a_home(line: Configured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "nowhere")
    document = json.loads(line("config", "list", "--json").out)
    assert document["file"] is None and document["there"] is False


@pytest.mark.parametrize("words", [["check"], ["search", "./pictures/a.png"], ["export", "out"], ["repair"], ["sync"]])
def test_a_wrong_device_is_refused_wherever_it_is_said(
    pictures: Configured, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    step = "write auto, cpu, cuda, cuda:1 or mps, or several as cuda:0,cuda:1"
    error = pictures(*words, "--device", "cuda:x", "--json", code=2).error
    assert (error["code"], error["message"]) == ("usage", "'cuda:x' does not name devices")
    assert error["next"] == f"did you mean: vstore {' '.join(words)} --device cuda --json; {step}"
    pictures.write('device = "cuda:x"\n')
    error = pictures(*words, "--json", code=2).error
    assert error["message"] == f"{pictures.file}, line 1, device: 'cuda:x' does not name devices"
    assert error["next"].startswith(f"did you mean cuda? {step}; correct it there")
    pictures.write("")
    monkeypatch.setenv("VSTORE_DEVICE", "cuda:x")
    assert pictures(*words, code=2).err.startswith("Error: VSTORE_DEVICE: 'cuda:x' does not name devices\n  did you")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HOME", "", "HOME is ignored: it is empty"),
        ("HOME", ".", "HOME is ignored: it is ., no absolute path"),
        ("XDG_CONFIG_HOME", "config", "XDG_CONFIG_HOME is ignored: it is config, no absolute path"),
        ("XDG_CACHE_HOME", "cache", "XDG_CACHE_HOME is ignored: it is cache, no absolute path"),
        ("XDG_CONFIG_HOME", "", None),
    ],
)
def test_a_home_that_is_no_absolute_path_is_ignored_and_said(line: Line, name: str, value: str, says: str) -> None:
    for folder in ("config", ".config"):
        line.put({f"{folder}/vstore/config.toml": b"this is no TOML"})
    env = environment(**{name: value})
    for other in {"XDG_CONFIG_HOME", "XDG_CACHE_HOME"} - {name}:
        env.pop(other, None)
    ran = process("config", "list", "sync", "--origin", cwd=line.home, env=env)
    told = [row for row in ran.err.splitlines() if "is ignored" in row]
    assert told == ([f"Note: the environment variable {says}"] if says else [])
    assert "is ignored" not in process("config", "list", "sync", cwd=line.home, env=env).err
    document = process("config", "list", "sync", "--json", cwd=line.home, env=env).json
    assert len(document["ignored"]) == len(told)
    assert not str(document["file"]).startswith(str(line.home))


def test_doctor_says_which_home_is_ignored(line: Line) -> None:
    ran = process("doctor", cwd=line.home, env=environment(XDG_CACHE_HOME="cache"))
    told = next(at for at, row in enumerate(ran.lines) if "XDG_CACHE_HOME is ignored: it is cache" in row)
    assert ran.lines[told].startswith("note ")
    assert ran.lines[told + 1].strip() == "set it to the path of a folder, or unset it"
    assert str(line.home) not in "".join(row for row in ran.lines if "hub cache" in row)


def test_libraries_see_no_home_in_the_working_folder(line: Line) -> None:
    code = "import os; from vstore_cli.homes import ignore_unusable as go; go(); print(sorted(os.environ))"
    env = {**environment(), "HOME": "", "XDG_CACHE_HOME": "cache", "XDG_CONFIG_HOME": "."}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=line.home, capture_output=True, check=True)
    assert not [name for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME") if f"'{name}'".encode() in done.stdout]
