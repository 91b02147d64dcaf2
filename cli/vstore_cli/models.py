"""Options that name a model, shared by the commands that take one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from vstore_cli.output import shown

F = TypeVar("F", bound=Callable[..., Any])

_MODEL = (
    click.option(
        "--model", metavar="NAME_OR_DIR", help="The model: a folder, a hub id such as OWNER/NAME, or builtin."
    ),
    click.option("--adapter", metavar="DIR_OR_NAME", help="A LoRA adapter on it; alone, on the base that it names."),
    click.option("--revision", metavar="R", help="Branch, tag or commit of a hub model."),
    click.option("--compute", type=click.Choice(["fp32", "bf16"]), help="What the model computes in (default fp32)."),
    click.option(
        "--max-side", type=click.IntRange(16, 8192), help="Pixels of the longer side it is given (default 512)."
    ),
    click.option("--prompt", metavar="TEXT", help="What a vision-language model is told with each picture."),
    click.option("--pooling", metavar="HOW", help="features, cls, mean or last, as the kind of model has it."),
    click.option(
        "--trust-remote-code",
        is_flag=True,
        default=None,
        help="Run Python code from the model's folder. Off unless said; the space records it.",
    ),
)
MODEL_WORDS = ("model", "adapter", "revision", "compute", "max_side", "prompt", "pooling", "trust_remote_code")


def model_options(command: F) -> F:
    """--model, --adapter and what goes with them."""
    for option in reversed(_MODEL):
        command = option(command)
    return command


def device_option(command: F) -> F:
    """--device of a command that embeds little: one is enough."""
    return _device_option("Where the model runs: auto, cpu, cuda, cuda:1 or mps; of several, the first.")(command)


def devices_option(command: F) -> F:
    """--device of a command that embeds much."""
    return _device_option(
        "Where the model runs: auto, cpu, cuda, cuda:1 or mps, or several, as cuda:0,cuda:1, in a worker process each. "
        "auto and cuda take every CUDA GPU."
    )(command)


def _device_option(help: str) -> Callable[[F], F]:
    return click.option("--device", default="auto", show_default=True, metavar="DEVICE[,DEVICE]", help=help)


class BatchSize(click.ParamType[int | None]):
    """A number of pictures, or auto."""

    name = "batch size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value == "auto" or value is None:
            return None
        if str(value).isascii() and str(value).isdigit() and int(value) >= 1:
            return int(value)
        return self.fail(f"{value!r} is no batch size; write a number of pictures, or auto", param, ctx)


def batch_option(command: F) -> F:
    return click.option(
        "--batch-size",
        type=BatchSize(),
        default="auto",
        metavar="N|auto",
        help="Pictures that the model is given at once.",
    )(command)


def note(text: str) -> None:
    """Print a line about something that was done although nobody asked for it."""
    click.echo(shown(text), err=True)
