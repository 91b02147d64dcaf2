"""The words of a model: the command that adds its space again."""

from __future__ import annotations

import subprocess

import pytest

from vstore.embed.model_words import Words
from vstore.embed.typed_words import ModelWords
from vstore.quoting import quoted


def split_by_a_shell(command: str) -> list[str]:
    """Let a shell split a command, as it does when the command is pasted."""
    out = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True).stdout
    return out.decode().split("\0")[:-1]


EVERYTHING: ModelWords = {
    "model": "/a folder/base",
    "adapter": "/b/it's an adapter",
    "revision": "a" * 40,
    "adapter_revision": "b" * 40,
    "compute": "bf16",
    "max_side": 384,
    "prepare": 2,
    "colour": "ignore",
    "decode": "fast",
    "prompt": '<|im_start|>user\n%s $HOME `x` "é"\\\t\'<|im_end|>\r\n\x1b\u2028',
    "query_prompt": "find the picture of %s",
    "preset": "gme",
    "pooling": "mean",
    "trust_remote_code": True,
}


def test_a_command_names_every_word_of_the_space() -> None:
    assert set(EVERYTHING) == set(ModelWords.__annotations__)
    words = split_by_a_shell(Words(**EVERYTHING).command("two"))
    assert words[:4] == ["vstore", "model", "add", "two"]
    assert words[-1] == "--trust-remote-code"
    pairs = dict(zip(words[4:-1:2], words[5:-1:2], strict=True))
    wanted = {f"--{name.replace('_', '-')}": str(value) for name, value in EVERYTHING.items() if value is not True}
    assert pairs == wanted


def test_a_command_is_one_line() -> None:
    assert Words(**EVERYTHING).command("two").isprintable()


@pytest.mark.parametrize("word", ["", "plain", "a b", "it's", "a\nb", "\\n", "'\n'", "\x011", "é\u202e", "$'x'"])
def test_a_shell_reads_a_quoted_word_as_it_was(word: str) -> None:
    assert split_by_a_shell(quoted(word)) == [word]


def test_words_that_say_nothing_add_nothing() -> None:
    assert Words("clip", trust_remote_code=False).command("c") == "vstore model add c --model clip"
    assert Words(adapter="a").command("c") == "vstore model add c --adapter a"
    assert Words().command("c") == "vstore model add c --model MODEL", "a space that was made without a model"


def test_a_proof_names_every_word_of_a_models_files() -> None:
    said = split_by_a_shell(Words(**EVERYTHING).proof_command("add ''"))
    assert said[:5] == ["vstore", "model", "add", "--same-as", "add ''"]
    made = split_by_a_shell(Words(**EVERYTHING).of_files.command("one"))
    assert said[5:] == made[4:]
    assert {"--adapter-revision", "--compute", "--revision", "--trust-remote-code"} < set(said)
    assert not {"--max-side", "--prompt", "--query-prompt", "--preset", "--pooling"} & set(said), "they are the space's"
