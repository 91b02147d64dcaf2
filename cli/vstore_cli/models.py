"""Options for models, shared by several commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vstore_cli.output import say, shown

if TYPE_CHECKING:
    from vstore_cli.progress import Later

F = TypeVar("F", bound=Callable[..., Any])

_MODEL = (
    click.option(
        "--model",
        metavar="NAME_OR_DIR",
        help="The model: a folder, a hub id (OWNER/NAME, or hf://OWNER/NAME/FOLDER), a short name of `vstore model "
        "recommend`, or builtin.",
    ),
    click.option(
        "--adapter",
        metavar="DIR_OR_NAME",
        help="A LoRA adapter. Without --model, its own base model is used; model add takes that of the current space, "
        "if the adapter was trained on it.",
    ),
    click.option("--revision", metavar="R", help="Branch, tag or commit of a hub model."),
    click.option("--adapter-revision", metavar="R", help="Branch, tag or commit of a hub adapter."),
    click.option(
        "--compute", type=click.Choice(["fp32", "bf16"]), help="The number format of the computation (default fp32)."
    ),
    click.option(
        "--max-side",
        type=click.IntRange(16, 8192),
        help="Shrink pictures to this many pixels on the longer side (default: to what the model sees, or 512).",
    ),
    click.option(
        "--prepare",
        type=click.IntRange(1, 2),
        help="How pictures are prepared for the model: 2 in new spaces, 1 for vectors made by earlier versions of "
        "vstore or by other programs.",
    ),
    click.option(
        "--colour",
        type=click.Choice(["srgb", "ignore"]),
        help="Take pictures to sRGB by their colour profiles (default), or as if they had none.",
    ),
    click.option(
        "--decode",
        type=click.Choice(["fine", "fast"]),
        help="Scale large JPEG files down as exactly as a model can see (default), or in less time.",
    ),
    click.option("--prompt", metavar="TEXT", help="Text that a vision-language model gets with each picture."),
    click.option(
        "--query-prompt",
        metavar="TEXT",
        help="Instruction that such a model gets with each searched text, or a whole template with %s for the text.",
    ),
    click.option(
        "--preset",
        metavar="NAME",
        help="Prepare pictures and searched texts as the authors of a published model do: qwen3-vl-embedding, gme, "
        "vlm2vec or unite.",
    ),
    click.option(
        "--pooling",
        metavar="HOW",
        help="The output that becomes the vector: features, cls, mean, last, last-column or last-column-v4; which ones "
        "apply depends on the model.",
    ),
    click.option(
        "--trust-remote-code",
        is_flag=True,
        default=None,
        help="Run Python code from the model's folder. Off by default; allowed by its digest, at this machine.",
    ),
)
MODEL_WORDS = (
    *(
        "model",
        "adapter",
        "revision",
        "adapter_revision",
        "compute",
        "max_side",
        "prepare",
        "colour",
        "decode",
        "prompt",
        "query_prompt",
        "preset",
        "pooling",
    ),
    "trust_remote_code",
)


def model_options(command: F) -> F:
    """Add --model, --adapter and their options."""
    for option in reversed(_MODEL):
        command = option(command)
    return command


_ONE = "Where the model runs: auto, cpu, cuda, cuda:1 or mps. Of several, the first is used."


def device_option(command: F) -> F:
    """Add --device to a command that embeds little: one device is enough."""
    return _device_option(_ONE)(command)


def rows_device_option(condition: str) -> Callable[[F], F]:
    """Make --device of a command that answers many queries. condition: when it does, as a sentence begins."""
    return _device_option(f"{_ONE} {condition} GPU that is named also holds the vectors, from 400 MB on.")


def devices_option(command: F) -> F:
    """Add --device to a command that embeds much: several devices may be named."""
    return _device_option(
        "Where the model runs: auto, cpu, cuda, cuda:1, mps, or several (cuda:0,cuda:1), each with its own worker "
        "process. auto and cuda use every CUDA GPU."
    )(command)


def _device_option(help: str) -> Callable[[F], F]:
    return click.option(
        "--device", type=Devices(), default="auto", show_default=True, metavar="DEVICE[,DEVICE]", help=help
    )


def index_device_option(command: F) -> F:
    """Add --device to the building of an index."""
    return _device_option("Where lists are made: a GPU of faiss that is named, or else the CPU.")(command)


def offline_option(command: F) -> F:
    """Add --offline to a command that may download a model."""
    return click.option("--offline", is_flag=True, help="Download no model: use folders and earlier downloads alone.")(
        command
    )


class Devices(click.types.StringParamType):
    """Devices that need not exist. They are looked at before anything is done, even where no model is loaded."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(super().convert(value, param, ctx))
        if text != "auto":
            from vstore import Store  # most commands name none

            Store.devices(text)
        return text


class BatchSize(click.ParamType[int | None]):
    """A number of pictures, or auto."""

    name = "batch size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value == "auto" or value is None:
            return None
        if str(value).isascii() and str(value).isdigit() and len(str(value)) < 10 and int(value) >= 1:
            return int(value)
        return self.fail(f"{value!r} is not a valid batch size; write a number of pictures, or auto", param, ctx)


def batch_option(command: F) -> F:
    """Add --batch-size."""
    return click.option(
        "--batch-size",
        type=BatchSize(),
        default="auto",
        metavar="N|auto",
        help="Pictures that the model gets at once.",
    )(command)


def note(text: str) -> None:
    """Print a line about something done without being asked for."""
    say(shown(text), err=True)


def printing(bar: Later) -> Callable[[str], None]:
    """Print such lines amid the progress of a run."""
    return lambda text: bar.note(shown(text))
